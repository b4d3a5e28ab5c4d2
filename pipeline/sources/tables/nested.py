"""Rows of a JSON file that is one value: a list of rows, or an object that holds one.

Memory holds one item and, where rows point to pictures, the wanted columns of each picture.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from pipeline.sources.place import companion
from pipeline.sources.tables.json_values import TOP, items
from pipeline.sources.tables.layouts import Layout, Nested, Row
from pipeline.sources.tables.lines import text_of
from pipeline.sources.unpacked import PACKED, BombError

MOST_PICTURES = 500_000  # that rows may point to
MOST_TEXT = 1 << 26  # characters of those pictures' columns
SAMPLED_ROWS = 1_000

Kept = dict[Any, tuple[Any, ...]]  # the wanted columns of a picture, by its id


def rows(path: str, layout: Layout) -> Iterator[Row]:
    """The rows of the file, each with the wanted columns of its picture."""
    nested = layout.nested or Nested()
    names = names_of_pictures(path, layout) if nested.ids_in_row else []
    pictures = _pictures(path, layout, names) if names else {}
    for row in _own_rows(path, layout):
        if row is None or not names:
            yield row
        else:
            picture = pictures.get(_id_of(row, nested.ids_in_row), ())
            yield {**dict(zip(names, picture, strict=False)), **row}


def column_names(path: str, layout: Layout) -> list[str]:
    """The keys of the first thousand rows, and the wanted keys of pictures."""
    columns: dict[str, None] = {}
    for row in islice(_own_rows(path, layout), SAMPLED_ROWS):
        columns.update(dict.fromkeys(row or ()))
    if layout.nested and layout.nested.ids_in_row:
        columns.update(dict.fromkeys(names_of_pictures(path, layout)))
    return list(columns)


def names_of_pictures(path: str, layout: Layout) -> list[str]:
    """The wanted columns of a picture, of those that the first thousand pictures have."""
    names: dict[str, None] = {}
    for _, picture in islice(_picture_items(path, layout), SAMPLED_ROWS):
        names.update(dict.fromkeys(picture if isinstance(picture, dict) else ()))
    wanted = names if layout.extra == "all" else (*layout.texts, *layout.extra)
    return [name for name in names if name in wanted]


def _own_rows(path: str, layout: Layout) -> Iterator[Row]:
    nested = layout.nested or Nested()
    with text_of(path, layout.encoding) as text:
        for _, item in items(text, {nested.rows}):
            inner = item.get(nested.inner) if isinstance(item, dict) else None
            if not (isinstance(inner, list) and nested.inner):
                yield item if isinstance(item, dict) else None
                continue
            around = _id_of(item, nested.ids_in_picture)
            for row in inner:
                if isinstance(row, dict) and _id_of(row, nested.ids_in_row) is None:
                    row = {**row, nested.ids_in_row[0]: around} if around is not None else row
                yield row if isinstance(row, dict) else None


def _picture_items(path: str, layout: Layout) -> Iterator[tuple[str, Any]]:
    """The items of the list of pictures, and of the list of licences."""
    nested = layout.nested or Nested()
    keys = {nested.images, nested.licenses} - {TOP} or {TOP}
    place = companion(path, nested.images_file, PACKED) if nested.images_file else path
    with text_of(place, layout.encoding) as text:
        yield from items(text, keys)


def _pictures(path: str, layout: Layout, names: list[str]) -> Kept:
    """The values of the names for each picture, by its id. BombError for too many pictures."""
    nested = layout.nested or Nested()
    pictures: Kept = {}
    licenses: dict[Any, Any] = {}
    n_characters = 0
    for key, item in _picture_items(path, layout):
        if not isinstance(item, dict):
            continue
        if key == nested.licenses and nested.licenses:
            licenses[_id(item.get("id"))] = item.get("url") or item.get("name")
            continue
        values = tuple(_plain(item.get(name)) for name in names)
        n_characters += sum(len(value) for value in values if isinstance(value, str))
        if (picture_id := _id_of(item, nested.ids_in_picture)) is not None:
            pictures[picture_id] = values
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


def _id_of(value: dict[str, Any], names: tuple[str, ...]) -> str | None:
    """The id at the first of these names that the object has."""
    return next((_id(value[name]) for name in names if name in value), None)


def _id(value: Any) -> str | None:
    """An id as a key, whether a file has it as a number or as text; None for what is no id."""
    return str(value) if isinstance(value, (str, int)) else None
