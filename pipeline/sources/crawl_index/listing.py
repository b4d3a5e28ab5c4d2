"""The records that a file of an index names: rows that meet the condition, in order of place."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from pipeline.settings.sources import CommonCrawlIndexSource
from pipeline.sources.candidate import SourceError
from pipeline.sources.crawl.files import below
from pipeline.sources.crawl_index.door import PLACES, condition_of, open_index
from pipeline.sources.unpacked import BROKEN, BombError
from pipeline.web.client import DownloadError
from queries.tables.errors import InputError, one_line
from queries.tables.schemas import TABLES

RUN_ROWS = 1 << 18  # rows that are put in order at a time: memory holds them
MOST_RECORD_BYTES = 16 << 20  # packed; Common Crawl's longest have 5 MB
LONGEST_URL = 10_000  # characters
ORDER = [(name, "ascending") for name in ("warc_filename", "warc_record_offset")]


def list_records(
    batches: Iterator[pa.RecordBatch], source: CommonCrawlIndexSource
) -> Iterator[pa.RecordBatch]:
    """The map function of the index: from rows that `indexes` planned to rows of `crawl_record`.

    Raises SourceError for a condition that does not fit, and for a server that fails.
    """
    for batch in batches:
        for path in batch["path"].to_pylist():
            yield from _in_runs(_records(path, source))


def _in_runs(records: Iterator[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
    """The rows in order of their places, RUN_ROWS at a time; a fault has none and comes last."""
    run: list[dict[str, Any]] = []
    for record in records:
        run.append(record)
        if len(run) == RUN_ROWS:
            yield from _ordered(run)
            run = []
    yield from _ordered(run)


def _ordered(run: list[dict[str, Any]]) -> list[pa.RecordBatch]:
    table = pa.Table.from_pylist(run, TABLES["crawl_record"].schema)
    number = pa.array(range(len(run)), pa.int64())  # equal places stay as the index has them
    ordered = table.append_column("number", number).sort_by([*ORDER, ("number", "ascending")])
    return ordered.drop_columns("number").combine_chunks().to_batches()


def _records(path: str, source: CommonCrawlIndexSource) -> Iterator[dict[str, Any]]:
    try:
        index = open_index(path, source)
        condition = condition_of(index, source.where)
        for rows in index.rows(condition, PLACES):
            if isinstance(rows, str):
                yield _faulty("row_invalid", rows)
                continue
            kept = condition.kept(rows).select(PLACES)
            columns = [_values(column) for column in kept.columns]
            for values in zip(*columns, strict=True):
                yield _record(dict(zip(PLACES, values, strict=True)), source.base)
    except (SourceError, DownloadError) as error:
        raise SourceError(f"source {source.name}: {error}") from None
    except InputError as error:  # a condition that does not fit the columns, or a value
        raise SourceError(f"source {source.name}: {path}: {error}") from None
    except (BombError, MemoryError) as error:
        yield _faulty("file_bomb", f"{path}: {one_line(error)}")
    except BROKEN as error:
        yield _faulty("bad_stream", f"{path}: {one_line(error)}")


def _values(column: pa.ChunkedArray) -> list[Any]:
    """The values of a column of texts or whole numbers; of any other type they are no place."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_integer(kind):
        return list(column.to_pylist())
    return [[str(kind)]] * len(column)


def _record(row: dict[str, Any], base: str) -> dict[str, Any]:
    """A row of `crawl_record`: the index's row, or what is wrong with it."""
    url, name, offset, length = (row[column] for column in PLACES)
    try:
        if not isinstance(url, str) or not 0 < len(url) <= LONGEST_URL:
            raise ValueError(f"expected an address, got {str(url)[:80]!r}")
        if not isinstance(name, str):
            raise ValueError(f"expected the name of a file, got {str(name)[:80]!r}")
        below(base, name)
        for number in (offset, length):
            if not isinstance(number, int) or not 0 <= number < 1 << 50:
                raise ValueError(f"expected a number of bytes, got {str(number)[:80]!r}")
        if not 0 < length <= MOST_RECORD_BYTES:
            raise ValueError(f"expected a record of 1 to {MOST_RECORD_BYTES} bytes, got {length}")
    except ValueError as error:
        shown = url[:LONGEST_URL] if isinstance(url, str) else None
        return _faulty("row_invalid", str(error)) | {"url": shown}
    return {**row, "reason": None, "fault": None}


def _faulty(reason: str, fault: str) -> dict[str, Any]:
    return dict.fromkeys(PLACES) | {"reason": reason, "fault": fault}
