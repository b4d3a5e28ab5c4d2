"""A row of a table to raw rows: its url, captions, license and page, and its extra columns."""

from collections.abc import Iterator
from math import isfinite
from typing import Any
from urllib.parse import unquote_plus

from pipeline.sources.candidate import Raw
from pipeline.sources.markup import text_of_markup
from pipeline.sources.tables.layouts import Layout, Row

LONGEST_EXTRA = 10_000  # characters; a longer text among the extra columns is cut
DEEPEST_EXTRA = 8  # levels of lists in lists; deeper values become None


def raws(row: Row, layout: Layout) -> Iterator[Raw]:
    """The raw rows of a table's row: one for each caption that is not empty, but at least one.

    >>> layout = Layout("url", ("title", "text"), extra=("width",))
    >>> row = {"url": "http://x.org/a", "title": "", "text": "a cat", "width": 640}
    >>> [(raw.caption, raw.extra) for raw in raws(row, layout)]
    [('a cat', {'width': 640, 'caption_column': 'text'})]
    """
    if row is None:
        yield Raw(reason="row_invalid")
        return
    row = {**row, **{name: _decoded(row.get(name)) for name in layout.encoded}}
    if layout.html:
        row |= {name: _bare(row.get(name)) for name in layout.captions}
    used = {layout.url, *layout.captions, layout.license, layout.page_url}
    names = row.keys() - used if layout.extra == "all" else layout.extra
    extra = {name: plain(row.get(name)) for name in names}
    marked = layout.pictures is None or as_marker(row.get(layout.pictures[0])) == layout.pictures[1]
    url, license, page_url = (
        row.get(name) if name else None for name in (layout.url, layout.license, layout.page_url)
    )
    filled = [name for name in layout.captions if not _empty(row.get(name))]
    for name in filled or layout.captions[:1]:
        origin = {"caption_column": name} if len(layout.captions) > 1 else {}
        reason = None if marked else "not_a_picture"
        yield Raw(url, row.get(name), license, page_url, reason, extra | origin)


def plain(value: Any, depth: int = DEEPEST_EXTRA) -> Any:
    """A value as JSON can hold it; NaN, which JSON lacks, and values that lie too deep are None.

    >>> plain({"at": b"caf\\xc3\\xa9", "score": float("nan"), "box": (1, 2.5)})
    {'at': 'café', 'score': None, 'box': [1, 2.5]}
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
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


def _text(value: Any) -> Any:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _empty(value: Any) -> bool:
    if value is None or value != value:  # NaN
        return True
    return isinstance(value, (str, bytes)) and not value.strip()
