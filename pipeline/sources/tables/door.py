"""Whether a table fits its layout, by its first rows: what is wrong in one line, with the cure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from pipeline.sources.candidate import Raw, as_text
from pipeline.sources.legible import escaped
from pipeline.sources.tables import json_files, parquet
from pipeline.sources.tables.guess import (
    addresses,
    apart,
    best_delimiter,
    charset_of,
    columns_of,
    flat,
    toml,
)
from pipeline.sources.tables.layouts import Layout, Row, listed
from pipeline.sources.tables.lines import csv_header, first_fields
from pipeline.sources.tables.ready import READY
from pipeline.sources.tables.rows import raws
from pipeline.sources.unpacked import start_of
from pipeline.web.url import normalise_url

SAMPLED_ROWS, SAMPLED_BYTES = 1_000, 1 << 20
SHOWN_ROWS = 20  # that a cure is drawn from
SHOWN = 60  # characters of a value
NOTHING = object()


@dataclass(frozen=True)
class Table:
    """A file, its layout with the delimiter, and how its rows are read in a layout."""

    path: str
    layout: Layout
    kind: str
    rows: Callable[[Layout], Iterator[Row]]  # which end at a damage

    @property
    def lines(self) -> bool:
        return self.kind in ("csv", "tsv")


def fault(table: Table) -> str | None:
    """Why none of the first thousand rows is of use, and the cure; None if one is, or none is."""
    if table.lines and (wrong := _wrong_width(table)):
        return wrong
    if table.kind == "jsonl" and (
        cure := json_files.cure_of_lines(table.path, table.layout.encoding)
    ):
        return cure.removeprefix("; ")
    if codec := _escaped(table):
        return f"its texts are escape sequences: it looks like encoding = {toml(codec)}"
    layout, n_rows, n_parsed, n_urls, read, unread = table.layout, 0, 0, 0, 0, 0
    for row in islice(table.rows(layout), SAMPLED_ROWS):
        n_rows += 1
        n_parsed += row is not None
        for raw in raws(row, layout) if row is not None else ():
            n_urls += _is_address(raw.url)
            caption = _read(raw)
            read, unread = read + (caption is True), unread + (caption is False)
    if not n_rows or (n_urls and (read or not unread)):
        return None
    first = f"first {n_rows:,} rows" if n_rows > 1 else "only row"
    if not n_parsed:
        return f"nothing of its {first} parses{cure_of_parsing(table)}"
    first_row, names = _first_row(table), " or ".join(map(repr, layout.captions))
    if not n_urls:
        cure = _cure_of_names(table)
        return f"no http address in column {layout.url!r} of its {first}; {first_row}{cure}"
    cure = _cure_of_charset(table) or _cure_of_names(table)
    return f"no text that can be read in column {names} of its {first}; {first_row}{cure}"


def has_rows(table: Table) -> bool:
    """Whether there is a row, even one that does not parse."""
    return next(table.rows(table.layout), NOTHING) is not NOTHING


def cure_of_parsing(table: Table) -> str:
    """Why no row parses, by the first one, and what to do about it."""
    if table.lines:
        return _cure_of_lines(table) or _too_wide(table)
    if table.kind == "jsonl":
        return json_files.cure_of_lines(table.path, table.layout.encoding)
    return _cure_of_json(table)


def _too_wide(table: Table) -> str:
    """The first line that has more fields than the header, if there is one."""
    width = len(csv_header(table.path, table.layout))
    rows = first_fields(table.path, table.layout)
    wide = next((row for row in rows if len(row) > width), None)
    if wide is None:
        return ""
    mark = table.layout.delimiter
    text = mark.join(map(str, wide))
    quotes = f", with a text that has {mark!r} in quotes" if table.layout.quotes else ""
    return (
        f"; expected {width} fields in a line{quotes}; the first row has {len(wide)}: "
        f"{_shown(text)}"
    )


def _cure_of_json(table: Table) -> str:
    """What to do with a JSON file whose rows are where no setting reaches them."""
    if table.kind not in ("json", "jsonl") or table.layout.nested:
        return ""
    return json_files.cure_of_form(table.path, table.layout.encoding)


def _escaped(table: Table) -> str | None:
    """The charset of a text whose bytes are all ASCII and mean others."""
    if table.layout.encoding or table.kind == "parquet":
        return None
    return escaped(start_of(table.path, SAMPLED_BYTES))


def cure_of_columns(table: Table, names: list[str]) -> str:
    """What to set where the columns are not those of the layout; '' where nothing is likely."""
    if table.lines and (cure := _cure_of_lines(table)):
        return cure
    if twice := {name for name in names if names.count(name) > 1}:
        return _cure_of_twins(table, names, twice)
    if table.lines and any(map(_is_address, names)):
        return "; its first line is a row: expected `header` to name the columns"
    return _cure_of_names(table)


def _wrong_width(table: Table) -> str | None:
    """Where the layout names the columns: whether no row has as many fields as that."""
    layout = table.layout
    widths = sorted({len(header) for header in layout.headers}, reverse=True)
    fields = first_fields(table.path, layout) if widths else []
    if not fields or any(len(row) in widths for row in fields):
        return None
    expected = " or ".join(map(str, widths))
    return (
        f"expected {expected} fields in a line, separated by {layout.delimiter!r}; the first line "
        f"has {len(fields[0])}: {_shown(listed([str(field) for field in fields[0]]))}"
        f"{_cure_of_lines(table)}"
    )


def _is_address(value: Any) -> bool:
    try:
        return bool(normalise_url(as_text(value) or ""))
    except ValueError:
        return False


def _read(raw: Raw) -> bool | None:
    """Whether the caption can be read; None for a row without."""
    try:
        return True if (as_text(raw.caption) or "").strip() else None
    except ValueError:
        return False


def _first_row(table: Table) -> str:
    row = next((row for row in _whole_rows(table) if row), {})
    values = [f"{name} = {_shown(value)}" for name, value in list(flat(row).items())[:12]]
    return f"the first row: {', '.join(values)}"


def _whole_rows(table: Table) -> list[dict[str, Any]]:
    rows = table.rows(replace(table.layout, extra="all"))
    return [row for row in islice(rows, SHOWN_ROWS) if row]


def _cure_of_lines(table: Table) -> str:
    """Another way to split the lines, where it splits them better."""
    best = best_delimiter(table.path, table.layout)
    changed = {
        name: getattr(best, name)
        for name in ("delimiter", "quotes", "escapes")
        if getattr(best, name) != getattr(table.layout, name)
    }
    said = ", ".join(f"{name} = {toml(value)}" for name, value in changed.items())
    return f"; it reads better with {said}" if said else ""


def _cure_of_charset(table: Table) -> str:
    if table.layout.encoding or table.kind == "parquet":
        return ""
    charset = charset_of(start_of(table.path, SAMPLED_BYTES))
    return "" if charset.startswith("utf-8") else f"; it looks like encoding = {toml(charset)}"


def _cure_of_names(table: Table) -> str:
    """The columns that look like an address and a caption."""
    if cure := _cure_of_json(table):
        return cure
    try:
        rows = _whole_rows(table)
    except ValueError:  # no column of the layout is there
        return ""
    if not addresses(rows):
        return f"; no column has http addresses{_pictures_inside(table)}"
    if ready := _ready_order(table):
        return f"; did you mean columns = {toml(ready)}?"
    columns = columns_of(rows)
    pairs = ", ".join(
        f"{name} = {toml(columns[name])}" for name in ("url", "caption") if columns[name]
    )
    headers = table.layout.headers if table.layout.ready else ()
    header = next((names for names in headers if len(names) == len(rows[0])), ())
    named = f" with header = {toml(list(header))}" if header else ""
    return f"; did you mean columns = {{ {pairs} }}{named}?"


def _ready_order(table: Table) -> str | None:
    """The ready layout without a header line whose order of columns the file has."""
    fields = first_fields(table.path, table.layout)[:SHOWN_ROWS] if table.layout.headers else []
    for name, layout in READY.items() if table.layout.ready else ():
        for header in layout.headers:
            rows = [
                dict(zip(header, row, strict=True)) for row in fields if len(row) == len(header)
            ]
            if layout.url in addresses(rows) and columns_of(rows)["caption"] in layout.captions:
                return name
    return None


def _cure_of_twins(table: Table, names: list[str], twice: set[str]) -> str:
    """What to set where several columns have one name."""
    if not table.lines:
        return f"; write them with names of their own: {listed(sorted(twice))}"
    return f"; name them apart by header = {toml(apart(names))} (its first line is then a row)"


def _pictures_inside(table: Table) -> str:
    """That a table holds pictures themselves, where it does."""
    if table.kind != "parquet" or not (names := parquet.columns_of_bytes(table.path)):
        return ""
    return f"; {listed(names)} may hold pictures themselves, which are not read from a table"


def _shown(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    text = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    return repr(re.sub("[\ud800-\udfff]", "\ufffd", text))
