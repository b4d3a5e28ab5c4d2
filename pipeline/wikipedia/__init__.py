"""Articles of Wikipedia as plain text, from an XML export or from files that hold text already.

The content of a file decides its kind, not its name. A big XML export is cut into pieces that many
processes can read.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pyarrow as pa

from pipeline.wikipedia import export, plain_files
from pipeline.wikipedia.markup import plain_text
from pipeline.wikipedia.plain_files import Row
from queries.tables.schemas import TABLES

__all__ = ["pieces", "plain_text", "read_articles", "read_pages"]

Piece = tuple[str, int, int]  # path, and the bytes from start to stop

PIECE_BYTES = 64 << 20  # of a bz2: about 250 MB of XML, which take half a minute
BATCH_ROWS, BATCH_TEXT = 4_096, 8_000_000
ARTICLE = TABLES["article"].schema


def pieces(path: str | Path, target_bytes: int = PIECE_BYTES) -> list[Piece]:
    """Cut the file into pieces of about `target_bytes`, each for one call of `read_pages`.

    Together they give the rows of the whole file, in order. An XML export is cut where a bz2
    stream, or in plain XML a page, begins: [(path, 0, 67201), (path, 67201, 130992)]. Any other
    file is one piece.
    """
    size = Path(path).stat().st_size
    whole = size <= target_bytes or plain_files.kind_of(path) is not None
    cuts = [] if whole else export.cuts(path, target_bytes)
    return [(str(path), start, stop) for start, stop in pairwise([0, *cuts, size])]


def read_pages(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Map: rows of `path`, or of (`path`, `start`, `stop`) as `pieces` gives them, in; rows of
    the table `article` out, one per page.

    A page that is no article has a reason and no text; damage gives one row `bad_stream`.
    Raises InputError for a file that holds no articles.
    """
    for batch in batches:
        for path, start, stop in _pieces_of(batch):
            yield from _batched(_rows(path, start, stop))


def read_articles(path: str | Path) -> Iterator[pa.RecordBatch]:
    """The articles of one file: batches of page_id, title and text."""
    kept = (row for row in _rows(path, 0, None) if row[3] is None)
    for batch in _batched(kept):
        yield batch.select(["page_id", "title", "text"])


def _pieces_of(batch: pa.RecordBatch) -> list[tuple[str, int, int | None]]:
    paths = batch.column("path").to_pylist()
    if "start" not in batch.schema.names:
        return [(path, 0, None) for path in paths]
    spans = (batch.column(name).to_pylist() for name in ("start", "stop"))
    return list(zip(paths, *spans, strict=True))


def _rows(path: str | Path, start: int, stop: int | None) -> Iterator[Row]:
    """The rows of a piece of an export, or of another file, which the reader of exports refuses."""
    try:
        yield from export.read_rows(path, start, stop)
    except export.NotAnExportError:
        kind = plain_files.kind_of(path)
        if kind is None:
            raise
        yield from plain_files.read_rows(path, kind)


def _batched(rows: Iterator[Row]) -> Iterator[pa.RecordBatch]:
    waiting: list[Row] = []
    characters = 0
    for row in rows:
        waiting.append(row)
        characters += len(row[2] or "")
        if len(waiting) >= BATCH_ROWS or characters >= BATCH_TEXT:
            yield _batch(waiting)
            waiting, characters = [], 0
    if waiting:
        yield _batch(waiting)


def _batch(rows: list[Row]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, ARTICLE, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=ARTICLE)
