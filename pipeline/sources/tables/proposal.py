"""What a build's settings could say of a table, drawn from the table itself.

A guess for a person to read and to correct: the charset, how lines are split, a header where the
first line is a row, and a ready layout or the columns of address, caption, licence and page.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from pipeline.sources.candidate import SourceError
from pipeline.sources.place import Found, expand
from pipeline.sources.tables import json_files, parquet
from pipeline.sources.tables.encodings import codec
from pipeline.sources.tables.files import DELIMITERS, ENDINGS, kind_of
from pipeline.sources.tables.guess import (
    ADDRESS,
    addresses,
    apart,
    best_delimiter,
    charset_of,
    columns_of,
    flat,
)
from pipeline.sources.tables.layouts import Layout, Row, listed
from pipeline.sources.tables.lines import first_fields, json_rows
from pipeline.sources.tables.ready import READY
from pipeline.sources.unpacked import BROKEN, BombError, bytes_of, strange
from queries.tables.errors import one_line

SAMPLED_BYTES = 1 << 20
SAMPLED_ROWS = 1_000
LEAST_SHARE = 0.5  # of a ready layout's extra columns that a table has
ANY = Layout("", (), delimiter=",")  # with which a file of any name may be lines
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Proposal:
    """The settings of a source that differ from their defaults, and what was seen."""

    file: str  # the one that was looked at
    settings: dict[str, Any]  # by the names of TablesSource
    columns: dict[str, str] = field(default_factory=dict)  # the role of each column that has one
    names: tuple[str, ...] = ()  # all columns
    rows: Rows = field(default_factory=list)

    def example(self, column: str) -> str:
        """The first value of a column that is not empty; '' if there is none."""
        return next(iter(self.texts(column)), "")

    def texts(self, column: str) -> Iterator[str]:
        """The values of a column that are not empty; of a list, the first."""
        for row in self.rows:
            if value := flat(row).get(column):
                first = value[0] if isinstance(value, list) else value
                yield first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)


def propose(path: str) -> Proposal:
    """The proposal for a table, a folder of tables or an address. Raises SourceError."""
    file = min(expand(path, _is_table), key=_rank, default=None)
    if file is None:
        raise SourceError(f"{path}: no table in there: expected {', '.join(ENDINGS)}")
    try:
        if what := strange(file.path):
            raise SourceError(f"{file.path}: expected a {kind_of(file.path, ANY)} file: {what}")
        made = _of_lines(file) if kind_of(file.path, ANY) in DELIMITERS else _of_rows(file)
    except (*BROKEN, BombError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{file.path}: cannot be read: {one_line(error)}") from None
    if cure := _cure_of_json(file, made):
        raise SourceError(f"{file.path}: {cure.removeprefix('; ')}")
    if not made.rows:
        raise SourceError(
            f"{file.path}: it has no row; expected some, to see what is in which column"
        )
    if "columns" not in made.settings:
        raise SourceError(
            f"{file.path}: expected a column of http addresses and one of texts; it has: "
            f"{listed(made.names)}"
        )
    return made


def _is_table(name: str) -> bool:
    return kind_of(name, READY["yfcc"]) is not None  # whose files have no ending


def _cure_of_json(file: Found, made: Proposal) -> str:
    """What to do with JSON of which no row parses, or whose rows are within one value."""
    kind = kind_of(file.path, ANY)
    if kind not in ("json", "jsonl"):
        return ""
    encoding = codec(made.settings.get("encoding", ""))
    if kind == "jsonl" and (cure := json_files.cure_of_lines(file.path, encoding)):
        return cure
    ready = isinstance(made.settings.get("columns"), str)
    return "" if ready else json_files.cure_of_form(file.path, encoding, made.columns.get("url"))


def _rank(file: Found) -> int:
    """The order in which files of a folder are looked at: tables as a build takes them, then JSON,
    then files without an ending, which may be a licence or the empty `_SUCCESS` of Spark."""
    kind = kind_of(file.path, Layout("", ()))
    return 2 if kind is None else int(kind == "json")


def _of_lines(file: Found) -> Proposal:
    """The proposal for CSV, TSV and their kind."""
    settings = _charset(file)
    usual = DELIMITERS[str(kind_of(file.path, ANY))]
    layout = Layout("", (), delimiter=usual, encoding=codec(settings["encoding"]))
    layout = best_delimiter(file.path, layout)
    settings["delimiter"] = layout.delimiter
    if not layout.quotes:
        settings["quotes"] = False
    if layout.escapes:
        settings["escapes"] = True
    first, *rest = first_fields(file.path, layout) or [[]]
    if not any(ADDRESS.fullmatch(str(value)) for value in first):
        names = apart([str(name) for name in first])
        rows = [dict(zip(names, row, strict=False)) for row in rest]
        made = _named(file, settings, rows, names)
        if names != first:  # by the names of the file two columns would be one
            return replace(made, settings={**made.settings, "header": names})
        return made
    return _without_header(file, settings, [first, *rest])


def _first(rows: Iterable[Row]) -> Rows:
    """The first rows that parse, as many as are enough and as memory holds."""
    kept: Rows = []
    n_characters = 0
    for row in islice(rows, SAMPLED_ROWS):
        if row:
            kept.append(row)
            n_characters += len(repr(row))
        if n_characters > SAMPLED_BYTES:
            break
    return kept


def _charset(file: Found) -> dict[str, Any]:
    with bytes_of(file.path) as stream:
        return {"encoding": charset_of(stream.read(SAMPLED_BYTES))}


def _without_header(file: Found, settings: dict[str, Any], lines: list[list[Any]]) -> Proposal:
    """The proposal for a table whose first line is a row."""
    width = Counter(map(len, lines)).most_common(1)[0][0]
    lines = [row for row in lines if len(row) == width]
    for name, layout in READY.items():
        for header in layout.headers:
            rows = [dict(zip(header, row, strict=False)) for row in lines]
            if len(header) == width and layout.url in addresses(rows):
                settings.pop("quotes", None)
                return Proposal(
                    file.path,
                    {**settings, "columns": name},
                    {"url": layout.url, "caption": layout.captions[0]},
                    header,
                    rows,
                )
    names = [f"column_{number}" for number in range(1, width + 1)]
    roles = columns_of([dict(zip(names, row, strict=False)) for row in lines])
    renamed = {column: role for role, column in roles.items() if column}
    header = tuple(renamed.get(name, name) for name in names)
    rows = [dict(zip(header, row, strict=False)) for row in lines]
    made = _named(file, settings, rows, header)
    return replace(made, settings={**made.settings, "header": list(header)})


def _of_rows(file: Found) -> Proposal:
    """The proposal for Parquet and JSON."""
    if kind_of(file.path, ANY) == "parquet":
        names = parquet.readable_columns(file.path)
        layout = Layout("", (), extra=tuple(names), ready=False)
        rows = _first(parquet.rows(file.path, layout))
        return _named(file, {}, rows, names)
    settings = _charset(file)
    encoding = codec(settings["encoding"])
    if kind_of(file.path, ANY) == "jsonl":
        rows = _first(json_rows(file.path, encoding))
    else:
        keys = json_files.first_keys(file.path, encoding)
        rows = _first(json_files.first_rows(file.path, encoding))
        if {"images", "annotations"} <= set(keys):
            return _nested(file, settings, "coco", rows)
        if any(isinstance(row.get("regions"), list) for row in rows):
            return _nested(file, settings, "visual_genome", rows)
    names = list(dict.fromkeys(name for row in rows for name in flat(row)))
    return _named(file, settings, rows, names)


def _nested(file: Found, settings: dict[str, Any], name: str, rows: Rows) -> Proposal:
    """The proposal for a ready layout whose rows point to pictures elsewhere."""
    roles = {"url": READY[name].url, "caption": READY[name].captions[0]}
    return Proposal(file.path, {**settings, "columns": name}, roles, (), rows)


def _named(file: Found, settings: dict[str, Any], rows: Rows, names: Sequence[str]) -> Proposal:
    """The proposal for columns of these names: a ready layout's, or those that look the part."""
    made = Proposal(file.path, settings, {}, tuple(names), rows)
    roles = {role: name for role, name in columns_of(rows).items() if name}
    ready, layout = max(
        ((name, layout) for name, layout in READY.items() if _is_like(layout, names)),
        key=lambda named: _share(named[1], names),
        default=(None, None),
    )
    if layout is not None and layout.places(names)[layout.url][0] == names.index(
        roles.get("url", names[0])
    ):
        named = [names[layout.places(names)[name][0]] for name in (layout.url, layout.captions[0])]
        columns = dict(zip(("url", "caption"), named, strict=True))
        return replace(made, settings={**settings, "columns": ready}, columns=columns)
    if "url" not in roles or "caption" not in roles:
        return made
    return replace(made, settings={**settings, "columns": roles}, columns=roles)


def _is_like(layout: Layout, names: Sequence[str]) -> bool:
    """Whether a table of these columns is the data set's of a ready layout."""
    plain = not layout.headers and not layout.nested
    named = layout.url.isupper() and {layout.url, *layout.captions} <= set(names)
    return plain and layout.fault(names) is None and (named or _share(layout, names) >= LEAST_SHARE)


def _share(layout: Layout, names: Sequence[str]) -> float:
    present = layout.places(names)
    return sum(name in present for name in layout.extra) / len(layout.extra)
