"""Url-caption tables: Parquet, CSV, TSV, JSONL or JSON files, all but the first also packed.

Rows stream in bounded memory. Each row of a file gives one raw row, or one for each caption where
the layout names several columns of captions. A row that does not parse gives a raw row with reason
`row_invalid`, a file that breaks off one with `bad_stream`, and a file that unpacks to far more
than a table does one with `file_bomb`.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import PurePosixPath

from pipeline.settings.sources import TablesSource
from pipeline.settings.values import is_remote
from pipeline.sources.candidate import Raw, SourceError
from pipeline.sources.interface import PlannedPart, Planning
from pipeline.sources.place import Found, companion, expand, identity, name_of
from pipeline.sources.tables import door, json_files, lines, parquet
from pipeline.sources.tables.layouts import Layout, Row
from pipeline.sources.tables.ready import layout_of
from pipeline.sources.tables.rows import raws
from pipeline.sources.unpacked import BROKEN, PACKED, BombError, strange
from queries.tables.errors import one_line

DELIMITERS = {"csv": ",", "tsv": "\t"}
ENDINGS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
}
BOMBS = (BombError, MemoryError)  # caught before BROKEN, which has pyarrow's MemoryError, too
CHECKED_AT_ONCE = 16  # remote files, which answer slowly
MOST_TRIED = 32  # of those files whose first rows take a process or a server to read


def check(source: TablesSource) -> None:
    """Raise SourceError unless every file is of a known kind and fits the layout.

    Each file must have the layout's columns, and an address among its first thousand rows; of many
    Parquet files or remote files, the rows of some are tried. A damaged file passes, since its rows
    get a reason later, unless all files are damaged.
    """
    found, layout = files(source), layout_of(source)
    tried = _tried_at_the_door(found, layout)
    damaged: list[str] = []
    remote = any(is_remote(file.path) for file in found)
    with ThreadPoolExecutor(CHECKED_AT_ONCE if remote else 1) as threads:
        faults = threads.map(partial(_fault, layout=layout, tried=tried), found)
        for file, (fault, broken) in zip(found, faults, strict=True):
            if broken:
                kind = kind_of(file.path, layout)
                damaged.append(f"{file.path}: expected a {kind} file: {broken}")
            elif fault:
                raise SourceError(f"source {source.name}: {file.path}: {fault}")
    if len(damaged) == len(found):
        raise SourceError(f"source {source.name}: {damaged[0]}")


def files(source: TablesSource) -> list[Found]:
    """The source's files in order; a folder means all its files of a known kind."""
    layout = layout_of(source)
    found = [file for text in source.paths for file in _tables_of(text, layout)]
    for file in found:
        if kind_of(file.path, layout) is None:
            raise SourceError(
                f"source {source.name}: {file.path}: expected a file ending in "
                f"{', '.join(ENDINGS)}, all but the first also with {', '.join(PACKED)}, "
                f"or another name and `delimiter`{_hint(file.path)}"
            )
    if not found:
        raise SourceError(f"source {source.name}: {', '.join(source.paths)}: no table in there")
    return found


def parts(source: TablesSource, planning: Planning) -> Iterator[PlannedPart]:
    """A part for each file; a local file's identity is its content, not its path or date."""
    layout = layout_of(source)
    for file in files(source):
        decided_by = [identity(file.path, planning), sorted(file.folder_values.items())]
        if layout.nested and layout.nested.images_file:
            beside = companion(file.path, layout.nested.images_file, PACKED)
            decided_by.append(identity(beside, planning))
        columns = {"path": [file.path], "name": [file.name]}
        yield file.name, (kind_of(file.path, layout), decided_by, asdict(layout)), columns


def read(row: dict, source: TablesSource) -> Iterator[Raw]:
    """The raw rows of the file at row["path"], in its order."""
    layout, file = layout_of(source), Found(row["path"], row.get("name", ""))
    try:
        for table_row in _rows(file, layout):
            yield from raws(table_row, layout)
    except BOMBS:
        yield Raw(reason="file_bomb")
    except BROKEN:
        yield Raw(reason="bad_stream")


def column_names(file: Found, layout: Layout) -> list[str]:
    """The columns of a file, from its schema, its first line, or its first thousand objects."""
    layout = _delimited(file.path, layout)
    match kind_of(file.path, layout):
        case "parquet":
            names = parquet.column_names(file.path)
        case "jsonl":
            names = lines.json_names(file.path, layout.encoding)
        case "json":
            names = json_files.column_names(file.path, layout)
        case _:
            names = lines.csv_header(file.path, layout)
    return names and [*names, *(name for name in file.folder_values if name not in names)]


def _rows(file: Found, layout: Layout) -> Iterator[Row]:
    """The rows of a file, each with the columns that its folders name."""
    values = file.folder_values
    if not values:
        return _own_rows(file.path, layout)
    return (row and {**values, **row} for row in _own_rows(file.path, layout))


def _own_rows(path: str, layout: Layout) -> Iterator[Row]:
    match kind_of(path, layout):
        case "parquet":
            return parquet.rows(path, layout)
        case "jsonl":
            return lines.json_rows(path, layout.encoding)
        case "json":
            return json_files.rows(path, layout)
        case _:
            return lines.csv_rows(path, _delimited(path, layout))


def _undamaged(file: Found, layout: Layout) -> Iterator[Row]:
    """The rows up to a damage."""
    with suppress(*BOMBS, *BROKEN):
        yield from _rows(file, layout)


def _delimited(path: str, layout: Layout) -> Layout:
    """The layout with the delimiter of a file's kind, where it names none."""
    kind = kind_of(path, layout)
    if layout.delimiter or kind not in DELIMITERS:
        return layout
    return replace(layout, delimiter=DELIMITERS[kind])


def _tried_at_the_door(found: list[Found], layout: Layout) -> set[str]:
    """The files whose first rows are read: all, but of those that take long to open some."""
    slow = [
        file.path
        for file in found
        if is_remote(file.path) or kind_of(file.path, layout) == "parquet"
    ]
    step = -(-len(slow) // MOST_TRIED) or 1
    return {file.path for file in found} - set(slow) | set(slow[::step])


def _fault(file: Found, layout: Layout, tried: set[str]) -> tuple[str | None, str | None]:
    """(why the file does not fit the layout or None, how the file is damaged or None)."""
    layout = _delimited(file.path, layout)
    try:
        if (file.path in tried or not is_remote(file.path)) and (what := strange(file.path)):
            return f"expected a {kind_of(file.path, layout)} file: {what}", None
        kind = str(kind_of(file.path, layout))
        table = door.Table(file.path, layout, kind, partial(_undamaged, file))
        names = column_names(file, layout)
        if not names:
            return None, f"no row of it parses{door.cure_of_parsing(table)}"
        if fault := layout.fault(names):
            return f"{fault}{door.cure_of_columns(table, names)}", None
        if file.path not in tried:
            return None, None
        return door.fault(table), None if door.has_rows(table) else "it has a header and no row"
    except FileNotFoundError as error:
        return f"no file {error.filename}", None
    except (*BOMBS, *BROKEN) as error:
        return None, one_line(error)


def _hint(path: str) -> str:
    """What a file of an unknown ending is, where that is known."""
    try:
        what = strange(path)
    except (OSError, SourceError):
        return ""
    return f"; {what}" if what else ""


def _tables_of(text: str, layout: Layout) -> list[Found]:
    """The tables that a path stands for.

    JSON files of a folder are tables if the layout names them or if there is no other table: beside
    Parquet or CSV they are what programs say of those.
    """
    found = expand(text, partial(_holds_rows, layout=layout))
    if found or layout.nested:
        return found
    return expand(text, lambda name: kind_of(name, replace(layout, delimiter="")) == "json")


def _holds_rows(path: str, layout: Layout) -> bool:
    """Whether a file of a folder is a table of the source, whatever else is there."""
    if layout.nested:
        return kind_of(path, layout) == "json" and fnmatch(name_of(path), layout.nested.file_names)
    return kind_of(path, replace(layout, delimiter="")) not in (None, "json")


def kind_of(path: str, layout: Layout) -> str | None:
    """The kind of file, by its ending; without one, by the layout or its delimiter.

    >>> from pipeline.sources.tables.ready import READY
    >>> names = ["captions.TSV.gz", "s3://bucket/a.parquet", "yfcc100m_dataset.bz2", "notes.txt"]
    >>> [kind_of(name, READY["yfcc"]) for name in names]
    ['tsv', 'parquet', 'tsv', None]
    """
    name = PurePosixPath(name_of(path))
    bare = name.with_suffix("") if name.suffix.lower() in PACKED else name
    kind = ENDINGS.get(bare.suffix.lower()) if bare.suffix else layout.kind
    if kind is None and layout.delimiter:
        return "csv"
    return None if kind == "parquet" and bare != name else kind
