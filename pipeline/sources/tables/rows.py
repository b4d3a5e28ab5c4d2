"""A row of a table to raw rows: its url, captions, license and page, and its extra columns."""

from collections.abc import Iterator
from math import isfinite
from typing import Any
from urllib.parse import unquote_plus

from pipeline.sources.candidate import Raw
from pipeline.sources.markup import text_of_markup, unescaped
from pipeline.sources.tables.layouts import Layout, Row

LONGEST_EXTRA = 10_000  # characters; a longer text among the extra columns is cut
MOST_CAPTIONS = 1_000  # of one row
FEW_CAPTIONS = 10  # that any row may have
MOST_COPIED = 1 << 22  # characters of extra columns, which come with each caption
DEEPEST_EXTRA = 8  # levels of lists in lists; deeper values become None


def raws(row: Row, layout: Layout) -> Iterator[Raw]:
    """The raw rows of a table's row: one for each caption that is not empty, but at least one.

    A caption that is a list is a caption for each item.

    >>> layout = Layout("image.url", ("title", "texts"), extra=("width",))
    >>> row = {"image": {"url": "http://x.org/a"}, "texts": ["a cat", "", "it"], "width": 640}
    >>> [(raw.url, raw.caption, raw.extra["width"]) for raw in raws(row, layout)]
    [('http://x.org/a', 'a cat', 640), ('http://x.org/a', 'it', 640)]
    """
    if row is None:
        yield Raw(reason="row_invalid")
        return
    values = {
        name: row[name] if name in row else value_of(row, name, layout) for name in layout.texts
    }
    values |= {name: _decoded(value_of(row, name, layout)) for name in layout.encoded}
    url, license, page_url, source_hash = (
        values[name] if name else None
        for name in (layout.url, layout.license, layout.page_url, layout.hash)
    )
    if layout.html:
        url, license, page_url = map(_unescaped, (url, license, page_url))
    reason = None
    if layout.pictures and as_marker(values[layout.pictures[0]]) != layout.pictures[1]:
        reason = "not_a_picture"
    captions = _captions(values, layout)
    extra = _extra(row, values, layout)
    most = MOST_CAPTIONS
    if len(captions) > FEW_CAPTIONS:
        most = max(FEW_CAPTIONS, min(most, MOST_COPIED // (1 + len(repr(extra)))))
    for name, caption in captions[:most]:
        origin = {"caption_column": name} if len(layout.captions) > 1 else {}
        raw = Raw(url, caption, license, page_url, reason, extra | origin)
        yield raw._replace(source_hash=source_hash)
    if len(captions) > most:
        yield Raw(url, license=license, page_url=page_url, reason="row_invalid")


def value_of(row: dict[str, Any], name: str, layout: Layout) -> Any:
    """The value of a column, which may be called otherwise or lie in the values of another."""
    if name in row:
        return row[name]
    for spelt in layout.spellings(name):
        if spelt in row:
            return row[spelt]
    around, _, rest = name.rpartition(".")
    return inside(value_of(row, around, layout), (rest,)) if around else None


def inside(value: Any, steps: tuple[str, ...]) -> Any:
    """The value at these steps into objects; of a list of objects, the list of their values.

    >>> inside({"texts": [{"raw": "a cat"}, {"raw": "it"}, {}]}, ("texts", "raw"))
    ['a cat', 'it', None]
    """
    for step in steps:
        if isinstance(value, list):
            value = [item.get(step) if isinstance(item, dict) else None for item in value]
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def _captions(values: dict[str, Any], layout: Layout) -> list[tuple[str, Any]]:
    """(column, caption) for each caption that is not empty; a row without has one to be missed."""
    found = []
    for name in layout.captions:
        value = values[name]
        for caption in value if isinstance(value, list) else [value]:
            if not empty(bare := _bare(caption) if layout.html else caption):
                found.append((name, bare))
    return found or [(name, None) for name in layout.captions[:1]]


def _extra(row: dict[str, Any], values: dict[str, Any], layout: Layout) -> dict[str, Any]:
    if layout.extra == "all":
        used = (layout.url, *layout.captions, layout.license, layout.page_url, layout.hash)
        spelt = {text for name in used if name for text in layout.spellings(name)}
        return {name: plain(values.get(name, row[name])) for name in row.keys() - spelt}
    return {
        name: plain(values[name] if name in values else value_of(row, name, layout))
        for name in layout.extra
    }


def plain(value: Any, depth: int = DEEPEST_EXTRA) -> Any:
    """A value as JSON can hold it; NaN, bytes of no text, and values that lie too deep are None.

    >>> plain({"at": b"caf\\xc3\\xa9", "score": float("nan"), "box": (1, 2.5)})
    {'at': 'café', 'score': None, 'box': [1, 2.5]}
    """
    if isinstance(value, bytes):
        value = None if b"\0" in value else value.decode("utf-8", "replace")  # a picture, a tensor
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, (dict, list, tuple)):
        if not depth:
            return None
        if isinstance(value, dict):
            return {str(key): plain(child, depth - 1) for key, child in value.items()}
        return [plain(child, depth - 1) for child in value]
    return str(value)[:LONGEST_EXTRA]


def as_marker(value: Any) -> str:
    """A mark as text, whether the file has it as text, as bytes or as a number."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _decoded(value: Any) -> Any:
    """The value without URL encoding; bytes that are no UTF-8 become lone surrogates."""
    value = _text(value)
    return unquote_plus(value, errors="surrogateescape") if isinstance(value, str) else value


def _bare(value: Any) -> Any:
    """The value without entities and tags of HTML; bytes that are no UTF-8 as above."""
    value = _text(value)
    return text_of_markup(value) if isinstance(value, str) else value


def _unescaped(value: Any) -> Any:
    """An address, or the name of a licence, as the page means it: `?a=1&amp;b=2` is `?a=1&b=2`."""
    value = _text(value)
    return unescaped(value) if isinstance(value, str) else value


def _text(value: Any) -> Any:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def empty(value: Any) -> bool:
    if value is None or value != value:  # NaN
        return True
    return isinstance(value, (str, bytes)) and not value.strip()
