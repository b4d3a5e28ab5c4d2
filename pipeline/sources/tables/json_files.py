"""Rows of JSON files in each of their forms, which the content tells and not the name.

A file may be a list of objects; an object that holds such a list; an object with a list for each
column, as SBU's; or one object after another, a line each or over several lines.
"""

import io
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice, zip_longest
from typing import Any, Literal

from pipeline.sources.tables import nested
from pipeline.sources.tables.json_values import DECODER, TOP, Scanner
from pipeline.sources.tables.layouts import Layout, Nested, Row
from pipeline.sources.tables.lines import LONGEST_LINE, SAMPLED_LINES, json_rows, text_of
from pipeline.sources.unpacked import DamagedError
from pipeline.web.reading import json_object

SEARCHED_LINES = 20  # for an object, where the first line is none
# Rows as pandas writes them by other settings than "records", in a file longer than what is read.
OF_PANDAS = re.compile(
    r"""\s*(?:\{\s*(?:"[^"]*"\s*:\s*\{\s*"\d+"\s*:|"\d+"\s*:\s*\{|"(?:columns|index)"\s*:\s*\[)|\[\s*\[)"""
)
DEEPEST = 4  # objects in objects, that are searched for rows
MOST_COLUMNS = 32  # that are lists of their own: each is read by a pass over the file


SHOWN = 60  # characters of a line
AS_RECORDS = (
    "its rows are not objects in a list or in lines: write them so, in pandas by "
    'to_json(path, orient="records")'
)


@dataclass(frozen=True)
class Form:
    """What a JSON file is; `key` is that of the list of rows where an object holds it."""

    name: Literal["list", "columns", "lines", "values"]
    key: str = TOP


def rows(path: str, layout: Layout) -> Iterator[Row]:
    """The rows of a JSON file. Raises DamagedError and BombError."""
    if layout.nested:
        return nested.rows(path, layout)
    match form_of(path, layout):
        case Form("lines"):
            return json_rows(path, layout.encoding)
        case Form("values"):
            return _values(path, layout)
        case Form("columns"):
            return _column_rows(path, layout)
        case Form(_, key):
            return nested.rows(path, replace(layout, nested=Nested(rows=key)))


def column_names(path: str, layout: Layout) -> list[str]:
    """The keys of a file's first thousand rows, or those of its lists."""
    if layout.nested:
        return nested.column_names(path, layout)
    if form_of(path, layout).name == "columns":
        return list(_lists(path, layout))
    names: dict[str, None] = {}
    for row in islice(rows(path, layout), SAMPLED_LINES):
        names.update(dict.fromkeys(row or ()))
    return list(names)


def first_rows(path: str, encoding: str) -> Iterator[Row]:
    """Rows at the head of a file, whatever its form; of an object, all its lists at once.

    An object's lists of objects give rows, those of other values columns; a row's keys are those of
    the list that it is in.
    """
    layout = Layout("", (), encoding=encoding)
    form = form_of(path, layout)
    if form.name != "lines" or not (lists := _first_items(path, encoding)):
        return rows(path, layout)
    of_objects = [items for items in lists.values() if isinstance(items[0], dict)]
    if of_objects:
        return iter(row for row in of_objects[0] if isinstance(row, dict))
    names = _lists(path, layout)[:MOST_COLUMNS]
    return islice(_zipped(path, encoding, names), SEARCHED_LINES)


def first_keys(path: str, encoding: str) -> list[str]:
    """The keys of the lists at the head of a file that is an object."""
    return list(_first_items(path, encoding))


def _first_items(path: str, encoding: str) -> dict[str, list[Any]]:
    """The first items of each list of an object; {} where an object follows, or none is there."""
    with text_of(path, encoding) as text:
        scanner = Scanner(io.StringIO(text.read(LONGEST_LINE)))
    lists: dict[str, list[Any]] = {}
    try:
        scanner.expect("{")
        for key in scanner.members():
            if not scanner.take("["):
                scanner.value()
                continue
            for item in scanner.items():
                if len(kept := lists.setdefault(key, [])) < SEARCHED_LINES:
                    kept.append(item)
        if scanner.peek():
            return {}
    except DamagedError:
        pass  # the head ends here
    return {key: items for key, items in lists.items() if items}


def cure_of_form(path: str, encoding: str, column: str | None = None) -> str:
    """What to do with a file that is one value and has its rows where no setting reaches them.

    '' for any other file, and where the column of addresses is not among such rows.
    """
    with text_of(path, encoding) as text:
        head = text.read(LONGEST_LINE)
    begin = len(head) - len(head.lstrip(" \t\r\n\ufeff"))
    try:
        value, end = DECODER.raw_decode(head, begin)
    except (ValueError, RecursionError):
        cut = len(head) == LONGEST_LINE
        return f"; {AS_RECORDS}" if cut and OF_PANDAS.match(head, begin) else ""
    if head[end:].strip():
        return ""
    inside = _rows_inside(value)
    if inside is None or (column and inside and not column.startswith(f"{inside}.")):
        return ""
    if not inside:
        return f"; {AS_RECORDS}"
    return f"; its rows seem to be in {inside!r}: write them as a list of objects, in a file alone"


def _rows_inside(value: Any, path: str = "", depth: int = DEEPEST) -> str | None:
    """The path of what holds rows other than as a list of objects at the top; None for nothing.

    >>> _rows_inside({"url": {"0": "a", "1": "b"}}), _rows_inside({"a": {"items": [{"url": 1}]}})
    ('', 'a.items')
    >>> _rows_inside({"url": "a", "image": {"width": 1}})
    """
    if isinstance(value, list):
        rows = value[:1] and isinstance(value[0], list if not path else dict)
        return path if rows and (not path or "." in path) else None
    if not isinstance(value, dict) or not depth:
        return None
    data = value.get("data")
    if "columns" in value and isinstance(data, list) and data[:1] and isinstance(data[0], list):
        return path
    members = list(value.values())
    if members and all(isinstance(member, dict) and member for member in members):
        inner = [set(member) for member in members]
        numbered = all(map(str.isdigit, value)) or all(map(str.isdigit, set().union(*inner)))
        if numbered or (len(inner) > 1 and set.intersection(*inner)):
            return path
    below = (
        _rows_inside(member, f"{path}.{key}" if path else key, depth - 1)
        for key, member in value.items()
        if isinstance(member, (dict, list))
    )
    return next((place for place in below if place is not None), None)


def cure_of_lines(path: str, encoding: str) -> str:
    """Why lines of JSONL are no objects, and what to do; '' where one is.

    With commas between the lines only the last is one: the first line decides.
    """
    with text_of(path, encoding) as text:
        head = text.read(LONGEST_LINE)
    lines = [line.strip() for line in head.splitlines() if line.strip()][:SEARCHED_LINES]
    in_list = lines[:1] == ["["]
    first = next(iter(lines[in_list:]), "")
    commas = first.endswith(",") and json_object(first.rstrip(",")) is not None
    if not lines or (not commas and any(json_object(line) is not None for line in lines)):
        return ""
    shown = repr(first if len(first) <= SHOWN else f"{first[:SHOWN]}… {first[-1]}")
    fault = f"; expected an object in each line, got {shown}"
    if commas and not in_list:
        return f"{fault}: take out the commas between the lines"
    if in_list or _is_value(head):
        return f"{fault}: name it .json, where objects may be in a list or take several lines"
    return fault


def _is_value(head: str) -> bool:
    """Whether a text begins with a JSON list, or with a whole object over several lines."""
    begin = len(head) - len(head.lstrip())
    try:
        value, _ = DECODER.raw_decode(head, begin)
    except (ValueError, RecursionError):
        return head.startswith("[", begin)
    return isinstance(value, (dict, list))


def form_of(path: str, layout: Layout) -> Form:
    """The form of a file, by its first million characters."""
    with text_of(path, layout.encoding) as text:
        return _form(text.read(LONGEST_LINE), layout)


def _form(head: str, layout: Layout) -> Form:
    """
    >>> layout = Layout("url", ("text",))
    >>> _form('[{"url": 1}]', layout).name, _form('{"url": 1}', layout).name
    ('list', 'lines')
    >>> _form('{"url": ["a"], "text": ["b"]}', layout).name, _form('{\\n"url": 1}', layout).name
    ('columns', 'values')
    >>> _form('{"info": {}, "data": [{"url": 1}]}', layout)
    Form(name='list', key='data')
    """
    begin = len(head) - len(head.lstrip(" \t\r\n"))
    if not head.startswith("{", begin):
        return Form("list")
    first_line = head[begin:].partition("\n")[0]
    try:
        _, end = DECODER.raw_decode(head, begin)
    except (ValueError, RecursionError):  # damaged, or longer than what was read
        whole = any(json_object(line) for line in head.splitlines()[1:SEARCHED_LINES])
        return (None if whole else _holding(head, layout)) or Form("lines")
    alone = not head[end:].strip(" \t\r\n")
    if alone and (form := _holding(head, layout)):
        return form
    return Form("lines" if json_object(first_line) is not None else "values")


def _holding(head: str, layout: Layout) -> Form | None:
    """The form of an object that begins so: a list for each column, or a list of the rows."""
    column = layout.url.partition(".")[0]
    names = {*layout.spellings(column), *layout.spellings(layout.url)}
    scanner = Scanner(io.StringIO(head))
    try:
        scanner.expect("{")
        for key in scanner.members():
            if not scanner.take("["):
                scanner.value()
                continue
            if key in names:
                return Form("columns")
            for number, item in enumerate(scanner.items()):
                if number == 0 and isinstance(item, dict) and names & item.keys():
                    return Form("list", key)
    except DamagedError:
        pass  # the head ends here
    return None


def _values(path: str, layout: Layout) -> Iterator[Row]:
    """The rows of objects that follow one another, each over several lines."""
    with text_of(path, layout.encoding) as text:
        scanner = Scanner(text)
        while scanner.peek():
            value = scanner.value()
            yield value if isinstance(value, dict) else None


def _column_rows(path: str, layout: Layout) -> Iterator[Row]:
    """The rows of an object with a list for each column. A shorter list lacks its last values."""
    lists = _lists(path, layout)
    places = layout.places(lists)
    wanted = list(dict.fromkeys(lists[place] for place, _ in places.values()))
    if not wanted:
        raise DamagedError(f"none of the lists {', '.join(layout.texts)}")
    if len(wanted) > MOST_COLUMNS:
        raise DamagedError(f"expected at most {MOST_COLUMNS} columns as lists, got {len(wanted)}")
    yield from _zipped(path, layout.encoding, wanted)


def _zipped(path: str, encoding: str, wanted: list[str]) -> Iterator[Row]:
    """The rows of these lists, each read by a pass of its own."""
    with ExitStack() as stack:
        columns = [_items(stack.enter_context(text_of(path, encoding)), name) for name in wanted]
        for values in zip_longest(*columns):
            yield dict(zip(wanted, values, strict=True))


def _items(text: io.TextIOWrapper, name: str) -> Iterator[Any]:
    """The items of the first list at a key. What follows the list is not read."""
    scanner = Scanner(text)
    scanner.expect("{")
    for key in scanner.members():
        if not scanner.take("["):
            scanner.value()
        elif key == name:
            yield from scanner.items()
            return
        else:
            for _ in scanner.items():
                pass


def _lists(path: str, layout: Layout) -> list[str]:
    """The keys of the lists of an object, each once."""
    names: dict[str, None] = {}
    with text_of(path, layout.encoding) as text:
        scanner = Scanner(text)
        scanner.expect("{")
        for key in scanner.members():
            if scanner.take("["):
                names[key] = None
                for _ in scanner.items():
                    pass
            else:
                scanner.value()
            if len(names) > 10_000:
                raise DamagedError("expected at most 10,000 columns as lists")
    return list(names)
