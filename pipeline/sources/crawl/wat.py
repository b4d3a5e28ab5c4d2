"""The pictures of a page as a WAT record tells of them: its JSON to raw rows.

Captions of figures are not in there.
"""

import json
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from pipeline.sources.candidate import Raw
from pipeline.sources.crawl.page import MOST_PICTURES, pairs, trapped
from pipeline.web.reading import at

PICTURES = ("IMG@/src", "IMG@/data-src")  # no set: a path may be anything
SPEAKING = (b"IMG@/", b"og:image")  # a record without these has no picture, and is not parsed


def wat_pictures(body: bytes, page_url: str) -> Iterator[Raw]:
    """Each picture of a page with each of its texts. Raises ValueError for what is no JSON.

    >>> links = b'[{"path": "IMG@/src", "url": "/a.jpg", "alt": "kite"}]'
    >>> body = b'{"Envelope": {"Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": '
    >>> [raw.url for raw in wat_pictures(body + b'{"Links": %b}}}}}' % links, "http://x.org/b")]
    ['http://x.org/a.jpg']
    """
    if not any(word in body for word in SPEAKING):
        return
    answer = at(_value(body), "Envelope", "Payload-Metadata", "HTTP-Response-Metadata")
    page = at(answer, "HTML-Metadata")
    head = at(page, "Head")
    metas: dict[str, str | None] = {}
    for meta in _objects(at(head, "Metas")):
        name = text(meta, "property") or text(meta, "name") or text(meta, "http-equiv") or ""
        metas.setdefault(name.strip().lower(), text(meta, "content"))
    # Not by `text`: of a page's hundred links most are no pictures, and calls cost.
    links = _objects(at(page, "Links"))
    links = [one for one in links if one.get("path") in PICTURES]
    addressed = [
        (text(one, "url"), [text(one, "alt"), text(one, "title")]) for one in links[:MOST_PICTURES]
    ]
    addressed.append((metas.get("og:image"), [metas.get("og:title"), metas.get("og:image:alt")]))
    languages = (metas.get("content-language"), text(at(answer, "Headers"), "Content-Language"))
    yield from pairs(addressed, page_url, text(head, "Base"), languages)
    if len(links) > MOST_PICTURES:
        yield trapped(page_url, f"more than {MOST_PICTURES} pictures")


def _value(body: bytes) -> Any:
    """The JSON value; what the quick parser refuses, such as a lone surrogate, is tried again."""
    try:
        return from_json(body, cache_strings="keys")
    except ValueError:
        try:
            return json.loads(body.decode("utf-8", "replace"))
        except RecursionError:
            raise ValueError("JSON in too many brackets") from None


def text(value: Any, key: str) -> str | None:
    """
    >>> text({"alt": "kite", "width": 3}, "alt"), text({"alt": "kite", "width": 3}, "width")
    ('kite', None)
    """
    found = at(value, key)
    return found if isinstance(found, str) else None


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
