"""The pictures of a page from its WAT record: JSON to raw rows.

A WAT record has no captions of figures.
"""

import json
from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from pipeline.sources.candidate import Raw
from pipeline.sources.crawl.page import MOST_PICTURES, pairs, trapped
from pipeline.web.reading import at

PICTURES = ("IMG@/src", "IMG@/data-src")  # no set: a path may be a value that has no hash
SPEAKING = (b"IMG@/", b"og:image")  # a record without these has no picture, and is not parsed


def wat_pictures(body: bytes, page_url: str) -> Iterator[Raw]:
    """Each picture of a page with each of its texts. Raises ValueError if the body is no JSON.

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
    # Without `text`: most of a page's hundred links are no pictures, and calls cost time.
    links = _objects(at(page, "Links"))
    links = [link for link in links if link.get("path") in PICTURES]
    addressed = [
        (text(link, "url"), [text(link, "alt"), text(link, "title")])
        for link in links[:MOST_PICTURES]
    ]
    addressed.append((metas.get("og:image"), [metas.get("og:title"), metas.get("og:image:alt")]))
    languages = (metas.get("content-language"), text(at(answer, "Headers"), "Content-Language"))
    yield from pairs(addressed, page_url, text(head, "Base"), languages)
    if len(links) > MOST_PICTURES:
        yield trapped(page_url, f"more than {MOST_PICTURES} pictures")


def _value(body: bytes) -> Any:
    """The JSON value. What the fast parser refuses, such as lone surrogates, json reads."""
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
    string = at(value, key)
    return string if isinstance(string, str) else None


def _objects(value: Any) -> list[dict[str, Any]]:
    return [child for child in value if isinstance(child, dict)] if isinstance(value, list) else []
