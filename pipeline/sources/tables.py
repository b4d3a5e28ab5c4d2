"""Url-caption tables: Parquet, CSV, TSV or JSONL files, the last three also gz, bz2 or zst.

Rows stream in bounded memory, and each of a file's rows gives one raw row: a line that does not
parse gives one with reason `row_invalid`, a file that breaks off one with `bad_stream`.
"""

import csv
import io
import json
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.source_settings import Columns, TablesSource
from pipeline.sources.part import Given
from pipeline.sources.rows import NOT_TEXT, Raw, SourceError

DELIMITERS = {"csv": ",", "tsv": "\t"}
ENDINGS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
PACKED = (".gz", ".bz2", ".zst")
LONGEST_LINE = 1 << 20  # characters; a longer one is cut, and then seldom parses
SAMPLED_LINES = 1_000  # of a JSONL file, whose keys need not all stand in the first line
BROKEN = (OSError, EOFError, pa.ArrowException)  # what a damaged stream or file raises

Values = list[Any] | None  # None for a row that does not parse


def check(source: TablesSource) -> None:
    """Raise SourceError unless every file is of a known kind and has the columns asked for."""
    for path in files(source):
        there = column_names(path)
        for name in _names(source.columns):
            if name is not None and name not in there:
                raise SourceError(
                    f"source {source.name}: {path}: no column {name!r}; it has: {', '.join(there)}"
                )


def files(source: TablesSource) -> list[Path]:
    """The source's files in order; a folder stands for the files of a known kind in it."""
    found: list[Path] = []
    for path in map(Path, source.paths):
        found += sorted(filter(_kind, path.iterdir())) if path.is_dir() else [path]
    for path in found:
        if _kind(path) is None:
            raise SourceError(
                f"source {source.name}: {path}: expected a file ending in {', '.join(ENDINGS)}, "
                f"all but the first also with {', '.join(PACKED)}"
            )
    if not found:
        raise SourceError(f"source {source.name}: {', '.join(source.paths)}: no table in there")
    return found


def parts(source: TablesSource, given: Given) -> Iterator[tuple[str, tuple, dict[str, list]]]:
    """(name, identity, rows) of each file; its identity is its content, not its path or date."""
    columns = source.columns.model_dump()
    for path in files(source):
        yield path.name, (_kind(path), given.content(path), columns), {"path": [str(path)]}


def column_names(path: Path) -> list[str]:
    """The columns of a file, from its schema, its first line, or its first thousand objects."""
    try:
        match _kind(path):
            case "parquet":
                return pq.read_schema(path).names
            case "jsonl":
                with closing(_lines(path)) as lines:
                    objects = [_object(line) or {} for line in islice(lines, SAMPLED_LINES)]
                return list(dict.fromkeys(str(key) for one in objects for key in one))
            case kind:
                with closing(_lines(path)) as lines:
                    return next(csv.reader(lines, delimiter=DELIMITERS[str(kind)]), [])
    except (*BROKEN, csv.Error) as error:
        raise SourceError(f"{path}: expected a {_kind(path)} file: {error}") from None


def read(row: dict, source: TablesSource) -> Iterator[Raw]:
    """The raw rows of the file at row["path"], in its order."""
    file, names = Path(row["path"]), _names(source.columns)
    match _kind(file):
        case "parquet":
            rows = _parquet_rows(file, names)
        case "jsonl":
            rows = _json_rows(file, names)
        case kind:
            rows = _csv_rows(file, names, DELIMITERS[str(kind)])
    try:
        for values in rows:
            yield Raw(reason="row_invalid") if values is None else Raw(*values)
    except BROKEN:
        yield Raw(reason="bad_stream")


def _names(columns: Columns) -> list[str | None]:
    """The columns' names in the order of Raw's fields."""
    return [columns.url, columns.caption, columns.license, columns.page_url]


def _kind(path: Path) -> str | None:
    """The kind of file, by its ending.

    >>> _kind(Path("captions.TSV.gz")), _kind(Path("notes.txt"))
    ('tsv', None)
    """
    name = path.with_suffix("") if path.suffix.lower() in PACKED else path
    kind = ENDINGS.get(name.suffix.lower())
    return None if kind == "parquet" and name != path else kind


def _parquet_rows(path: Path, names: list[str | None]) -> Iterator[Values]:
    with pq.ParquetFile(path) as file:
        wanted = sorted({name for name in names if name})
        for batch in file.iter_batches(8_192, columns=wanted):
            nothing = [None] * batch.num_rows
            read = [_values(batch.column(name)) if name else nothing for name in names]
            yield from map(list, zip(*read, strict=True))


def _values(column: pa.Array) -> list[Any]:
    """A column's values: texts as bytes (they may not be UTF-8), numbers, or NOT_TEXT."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
        column = column.cast(pa.large_binary())
    elif not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    ):
        return [NOT_TEXT if there else None for there in column.is_valid().to_pylist()]
    return column.to_pylist()


def _json_rows(path: Path, names: list[str | None]) -> Iterator[Values]:
    for line in _lines(path):
        if line.strip():
            found = _object(line)
            yield None if found is None else [found.get(name) for name in names]


def _object(line: str) -> dict[str | None, Any] | None:
    """The JSON object of a line, None if it is none; RecursionError is deep nesting's."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _csv_rows(path: Path, names: list[str | None], delimiter: str) -> Iterator[Values]:
    """Rows by the header's names. A row with more fields than the header has a stray delimiter
    and does not parse; in a shorter one the last columns are missing."""
    reader = csv.reader(_lines(path), delimiter=delimiter)
    header = next(reader, [])
    places = [header.index(name) if name in header else len(header) for name in names]
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:  # such as a field of more than 131,072 characters
            yield None
            continue
        if len(fields) > len(header):
            yield None
        elif fields:  # an empty line is no row
            fields += [None] * (len(header) + 1 - len(fields))  # type: ignore[list-item]
            yield [fields[place] for place in places]


def _lines(path: Path) -> Generator[str]:
    """Lines with their ends, unpacked on the way; bytes that are no UTF-8 as lone surrogates."""
    with pa.input_stream(str(path), compression="detect") as stream:
        text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
        while line := text.readline(LONGEST_LINE):
            rest = line
            while len(rest) == LONGEST_LINE and not rest.endswith(("\n", "\r")):
                rest = text.readline(LONGEST_LINE)
            yield line
