"""Url-caption tables: Parquet, CSV, TSV, JSONL or JSON files, all but the first also packed.

Rows stream in bounded memory. Each row of a file gives one raw row, or one for each caption where
the layout names several columns of captions. A row that does not parse gives a raw row with reason
`row_invalid`, a file that breaks off one with `bad_stream`, and a file that unpacks to far more
than a table does one with `file_bomb`.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from fnmatch import fnmatch
from functools import partial
from pathlib import PurePosixPath

import pyarrow as pa

from pipeline.settings.sources import TablesSource
from pipeline.settings.values import is_remote
from pipeline.sources.candidate import Raw, SourceError
from pipeline.sources.interface import PlannedPart, Planning
from pipeline.sources.place import beside, expand, identity, name_of
from pipeline.sources.tables import lines, nested, parquet
from pipeline.sources.tables.layouts import Layout, Row, layout_of
from pipeline.sources.tables.lines import PACKED, BombError, DamagedError
from pipeline.sources.tables.rows import raws
from queries.tables.errors import one_line

DELIMITERS = {"csv": ",", "tsv": "\t"}
ENDINGS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
}
BOMBS = (BombError, MemoryError)  # caught before BROKEN, which has pyarrow's MemoryError, too
# The exceptions of damage; column names of a damaged file may be no UTF-8.
BROKEN = (DamagedError, OSError, EOFError, UnicodeError, pa.ArrowException)
CHECKED_AT_ONCE = 16  # remote files, which answer slowly


def check(source: TablesSource) -> None:
    """Raise SourceError unless every file is of a known kind and has the layout's columns.

    A damaged file passes, since its rows get a reason later, unless all files are damaged.
    """
    paths, layout = files(source), layout_of(source)
    damaged: list[str] = []
    with ThreadPoolExecutor(CHECKED_AT_ONCE if any(map(is_remote, paths)) else 1) as threads:
        for path, (fault, broken) in zip(
            paths, threads.map(partial(_fault, layout=layout), paths), strict=True
        ):
            if broken:
                damaged.append(f"{path}: expected a {_kind(path, layout)} file: {broken}")
            elif fault:
                raise SourceError(f"source {source.name}: {path}: {fault}")
    if len(damaged) == len(paths):
        raise SourceError(f"source {source.name}: {damaged[0]}")


def files(source: TablesSource) -> list[str]:
    """The source's files in order; a folder means all its files of a known kind."""
    layout = layout_of(source)
    of_kind = partial(_holds_rows, layout=layout)
    paths = [path for text in source.paths for path in expand(text, of_kind)]
    for path in paths:
        if _kind(path, layout) is None:
            raise SourceError(
                f"source {source.name}: {path}: expected a file ending in {', '.join(ENDINGS)}, "
                f"all but the first also with {', '.join(PACKED)}"
            )
    if not paths:
        raise SourceError(f"source {source.name}: {', '.join(source.paths)}: no table in there")
    return paths


def parts(source: TablesSource, planning: Planning) -> Iterator[PlannedPart]:
    """A part for each file; a local file's identity is its content, not its path or date."""
    layout = layout_of(source)
    for path in files(source):
        decided_by = [identity(path, planning)]
        if layout.nested and layout.nested.images_file:
            decided_by.append(identity(beside(path, layout.nested.images_file), planning))
        yield name_of(path), (_kind(path, layout), decided_by, asdict(layout)), {"path": [path]}


def read(row: dict, source: TablesSource) -> Iterator[Raw]:
    """The raw rows of the file at row["path"], in its order."""
    layout = layout_of(source)
    try:
        for table_row in _rows(row["path"], layout):
            yield from raws(table_row, layout)
    except BOMBS:
        yield Raw(reason="file_bomb")
    except BROKEN:
        yield Raw(reason="bad_stream")


def column_names(path: str, layout: Layout) -> list[str]:
    """The columns of a file, from its schema, its first line, or its first thousand objects."""
    match _kind(path, layout):
        case "parquet":
            return parquet.column_names(path)
        case "jsonl":
            return lines.json_names(path)
        case "json":
            return nested.column_names(path, layout)
        case kind:
            return lines.csv_header(path, layout, DELIMITERS[str(kind)])


def _rows(path: str, layout: Layout) -> Iterator[Row]:
    match _kind(path, layout):
        case "parquet":
            return parquet.rows(path, layout)
        case "jsonl":
            return lines.json_rows(path)
        case "json":
            return nested.rows(path, layout)
        case kind:
            return lines.csv_rows(path, layout, DELIMITERS[str(kind)])


def _fault(path: str, layout: Layout) -> tuple[str | None, str | None]:
    """(what is wrong with the file's columns or None, how the file is damaged or None)."""
    try:
        names = column_names(path, layout)
        return (layout.fault(names), None) if names else (None, "no row of it parses")
    except FileNotFoundError as error:
        return f"no file {error.filename}", None
    except (*BOMBS, *BROKEN) as error:
        return None, one_line(error)


def _holds_rows(path: str, layout: Layout) -> bool:
    """Whether a file of a folder is a table of the source.

    JSON files are tables only if the layout names them: a folder may have other JSON files.
    """
    if layout.nested:
        return _kind(path, layout) == "json" and fnmatch(name_of(path), layout.nested.file_names)
    return _kind(path, layout) not in (None, "json")


def _kind(path: str, layout: Layout) -> str | None:
    """The kind of file, by its ending; without one, by the layout.

    >>> from pipeline.sources.tables.layouts import READY
    >>> names = ["captions.TSV.gz", "s3://bucket/a.parquet", "yfcc100m_dataset.bz2", "notes.txt"]
    >>> [_kind(name, READY["yfcc"]) for name in names]
    ['tsv', 'parquet', 'tsv', None]
    """
    name = PurePosixPath(name_of(path))
    bare = name.with_suffix("") if name.suffix.lower() in PACKED else name
    kind = ENDINGS.get(bare.suffix.lower()) if bare.suffix else layout.kind
    return None if kind == "parquet" and bare != name else kind
