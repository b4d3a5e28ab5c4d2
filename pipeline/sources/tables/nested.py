"""Rows of a JSON file that is one value: a list of rows, or an object that holds one.

The lists are read item by item. Memory holds one item and, where rows point to pictures, the wanted
columns of each picture. (ijson 3.6 streams too, at 0.65 of the speed, but it holds strings of any
length and the path to each bracket: 20,000 brackets, 20 KB of input, took 970 MB.)
"""

import json
import re
from collections.abc import Collection, Iterator
from itertools import islice
from typing import IO, Any

from pipeline.sources.place import beside
from pipeline.sources.tables.layouts import Layout, Nested, Row
from pipeline.sources.tables.lines import BombError, DamagedError, text_of

CHUNK = 1 << 18  # characters
LONGEST_ITEM = 1 << 22  # characters: a picture of Visual Genome with all its regions has 20,000
MOST_PICTURES = 500_000  # that rows may point to
MOST_TEXT = 1 << 26  # characters of those pictures' columns
SAMPLED_ROWS = 1_000
SPACE = re.compile(r"[ \t\r\n]*")
DECODER = json.JSONDecoder(strict=False)
TOP = ""  # the key of the list where the file is the list itself

Kept = dict[Any, tuple[Any, ...]]  # the wanted columns of a picture, by its id


def rows(path: str, layout: Layout) -> Iterator[Row]:
    """The rows of the file, each with the wanted columns of its picture."""
    nested = layout.nested or Nested()
    key, _ = nested.joined_by
    names = names_of_pictures(path, layout) if nested.joined_by[0] else []
    pictures = _pictures(path, layout, names) if names else {}
    for row in _own_rows(path, nested):
        if row is None or not names:
            yield row
        else:
            picture = _values(pictures, row.get(key))
            yield {**dict(zip(names, picture, strict=False)), **row}


def column_names(path: str, layout: Layout) -> list[str]:
    """The keys of the first thousand rows, and the wanted keys of pictures."""
    columns: dict[str, None] = {}
    for row in islice(_own_rows(path, layout.nested or Nested()), SAMPLED_ROWS):
        columns.update(dict.fromkeys(row or ()))
    if layout.nested and layout.nested.joined_by[0]:
        columns.update(dict.fromkeys(names_of_pictures(path, layout)))
    return list(columns)


def names_of_pictures(path: str, layout: Layout) -> list[str]:
    """The wanted columns of a picture, of those that the first thousand pictures have."""
    nested = layout.nested or Nested()
    names: dict[str, None] = {}
    for _, picture in islice(_picture_items(path, nested), SAMPLED_ROWS):
        names.update(dict.fromkeys(picture if isinstance(picture, dict) else ()))
    wanted = names if layout.extra == "all" else (*layout.texts, *layout.extra)
    return [name for name in names if name in wanted]


def _own_rows(path: str, nested: Nested) -> Iterator[Row]:
    with text_of(path) as text:
        for _, item in items(text, {nested.rows}):
            inner = item.get(nested.inner) if isinstance(item, dict) else None
            for row in inner if isinstance(inner, list) and nested.inner else [item]:
                yield row if isinstance(row, dict) else None


def _picture_items(path: str, nested: Nested) -> Iterator[tuple[str, Any]]:
    """The items of the list of pictures, and of the list of licences."""
    keys = {nested.images, nested.licenses} - {TOP} or {TOP}
    with text_of(beside(path, nested.images_file) if nested.images_file else path) as text:
        yield from items(text, keys)


def _pictures(path: str, layout: Layout, names: list[str]) -> Kept:
    """The values of the names for each picture, by its id. BombError for too many pictures."""
    nested = layout.nested or Nested()
    _, id_key = nested.joined_by
    pictures: Kept = {}
    licenses: dict[Any, Any] = {}
    n_characters = 0
    for key, item in _picture_items(path, nested):
        if not isinstance(item, dict):
            continue
        if key == nested.licenses and nested.licenses:
            licenses[_id(item.get("id"))] = item.get("url") or item.get("name")
            continue
        values = tuple(_plain(item.get(name)) for name in names)
        n_characters += sum(len(value) for value in values if isinstance(value, str))
        pictures[_id(item.get(id_key))] = values
        if len(pictures) > MOST_PICTURES or n_characters > MOST_TEXT:
            raise BombError(
                f"more than {MOST_PICTURES} pictures, or {MOST_TEXT} characters of them"
            )
    if nested.licenses and layout.license in names:
        place = names.index(layout.license)
        pictures = {
            key: (*values[:place], licenses.get(_id(values[place])), *values[place + 1 :])
            for key, values in pictures.items()
        }
    return pictures


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float)) else None


def _id(value: Any) -> Any:
    """An id as a key; None for a missing id, and for a value that cannot be an id."""
    return value if isinstance(value, (str, int)) else None


def _values(pictures: Kept, key: Any) -> tuple[Any, ...]:
    return () if _id(key) is None else pictures.get(key, ())


def items(text: IO[str], keys: Collection[str]) -> Iterator[tuple[str, Any]]:
    """The items of the lists at the keys of a JSON object, or of the list that the text is.

    Raises DamagedError where the text is no such JSON, ends early, or has an item that is too long.

    >>> import io
    >>> list(items(io.StringIO('{"info": {}, "rows": [1, [2]]}'), {"rows"}))
    [('rows', 1), ('rows', [2])]
    >>> list(items(io.StringIO('[{"a": 1}]'), {TOP}))
    [('', {'a': 1})]
    """
    scanner = _Scanner(text)
    if scanner.take("["):
        for item in scanner.items():
            if TOP in keys:
                yield TOP, item
    else:
        scanner.expect("{")
        for key in scanner.members():
            if scanner.take("["):
                for item in scanner.items():
                    if key in keys:
                        yield key, item
            else:
                scanner.value()
    if scanner.peek():
        raise DamagedError("expected the end of the file")


class _Scanner:
    """A JSON text in a window that holds one value at a time."""

    def __init__(self, text: Any) -> None:
        self.text, self.window, self.at = text, "", 0

    def more(self, n_characters: int = CHUNK) -> bool:
        """Read more characters; False at the end of the text."""
        read = self.text.read(n_characters)
        self.window, self.at = self.window[self.at :] + read, 0
        return bool(read)

    def peek(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            self.at = SPACE.match(self.window, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.window):
                return self.window[self.at]
            if not self.more():
                return ""

    def take(self, mark: str) -> bool:
        if matches := self.peek() == mark:
            self.at += 1
        return matches

    def expect(self, mark: str) -> None:
        if not self.take(mark):
            raise DamagedError(f"expected {mark!r}, got {self.peek()!r}")

    def value(self) -> Any:
        """The next value. The window grows until the value ends in it."""
        while self.peek():
            try:
                value, end = DECODER.raw_decode(self.window, self.at)
                if end < len(self.window) or self.window[end - 1] in '}]"':  # a number may go on
                    self.at = end
                    return value
            except (ValueError, RecursionError):
                pass  # the value may go on beyond the window
            held = len(self.window) - self.at
            if held > LONGEST_ITEM or not self.more(max(CHUNK, held)):
                break
        raise DamagedError(f"expected a value in JSON of at most {LONGEST_ITEM} characters")

    def items(self) -> Iterator[Any]:
        """The items of a list, after its opening bracket."""
        if self.take("]"):
            return
        while True:
            yield self.value()
            if self.take("]"):
                return
            self.expect(",")

    def members(self) -> Iterator[str]:
        """The keys of an object, after its opening brace; the caller takes each value."""
        if self.take("}"):
            return
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise DamagedError(f"expected a key, got {key!r:.60}")
            self.expect(":")
            yield key
            if self.take("}"):
                return
            self.expect(",")
