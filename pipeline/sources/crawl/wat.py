"""The pictures of a page from its WAT record: JSON to raw rows.

A WAT record has no captions of figures.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from pipeline.rights.signals import FIELDS
from pipeline.sources.candidate import Raw
from pipeline.sources.crawl.address import absolute, address_of
from pipeline.sources.crawl.answer import Heard
from pipeline.sources.crawl.head import Pictured, json_value, meta_pictures
from pipeline.sources.crawl.page import MOST_PICTURES, pairs, trapped
from pipeline.sources.crawl.rights import rights_of
from pipeline.sources.markup import unescaped
from pipeline.web.reading import at

IMAGE = "IMG@/"  # begins the path of a link, which ends in the name of the attribute
# A record without these has no picture, and is not parsed.
SPEAKING = (b"IMG@/", b"og:image", b"twitter:image")


def wat_pictures(body: bytes, page_url: str) -> Iterator[Raw]:
    """Each picture of a page with each of its texts. Raises ValueError if the body is no JSON.

    >>> links = b'[{"path": "IMG@/src", "url": "/a.jpg", "alt": "kite"}]'
    >>> body = b'{"Envelope": {"Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": '
    >>> [raw.url for raw in wat_pictures(body + b'{"Links": %b}}}}}' % links, "http://x.org/b")]
    ['http://x.org/a.jpg']
    """
    if not any(word in body for word in SPEAKING):
        return
    envelope = at(json_value(body), "Envelope")
    answer = at(envelope, "Payload-Metadata", "HTTP-Response-Metadata")
    page = at(answer, "HTML-Metadata")
    head = at(page, "Head")
    metas = [_meta(meta) for meta in _objects(at(head, "Metas"))]
    links = at(page, "Links")
    # Most of a page's hundred links are no pictures, and calls cost time.
    licenses = _licenses(head, links, page_url) if body.rfind(b"icense") >= 0 else []
    rights = rights_of(licenses, metas, (), _heard(envelope, answer))
    links = [
        (path[5:], link)
        for link in (links if isinstance(links, list) else ())
        if type(link) is dict and type(path := link.get("path")) is str and path[:5] == IMAGE
    ]
    of_the_page = next((content for name, content in metas if name == "content-language"), None)
    languages = (of_the_page, text(at(answer, "Headers"), "Content-Language"))
    images = list(islice(_images(links), MOST_PICTURES + 1))
    addressed = chain(images[:MOST_PICTURES], meta_pictures(metas) if metas else ())
    yield from pairs(addressed, page_url, text(head, "Base"), languages, rights=rights)
    if len(images) > MOST_PICTURES:
        yield trapped(page_url, f"more than {MOST_PICTURES} pictures")


def _images(links: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[Pictured]:
    """The pictures with a text, of links that are given as (attribute, link).

    An <img> with several addresses has a link for each: neighbours with the same texts, and each in
    another attribute.
    """
    attributes: dict[str, Any] = {}
    texts: tuple[Any, Any] = (None, None)
    for name, link in links:
        own = (link.get("alt"), link.get("title"))
        if name in attributes or own != texts:
            if texts[0] or texts[1]:
                yield _pictured(attributes, texts)
            attributes, texts = {}, own
        attributes[name] = link.get("url")
    if texts[0] or texts[1]:
        yield _pictured(attributes, texts)


def _pictured(attributes: dict[str, Any], texts: tuple[Any, Any]) -> Pictured:
    captions = [_plain(one) for one in texts if one]
    if len(attributes) == 1 and "src" in attributes:  # as most are
        return _plain(attributes["src"]), captions
    return address_of({name: _plain(value) for name, value in attributes.items()}), captions


def _licenses(head: Any, links: Any, page_url: str) -> list[str]:
    """The addresses with rel=license: links of the head, and of the body."""
    base = absolute(page_url, text(head, "Base")) or page_url
    addresses: list[str] = []
    for link in (*_objects(at(head, "Link")), *(links if isinstance(links, list) else ())):
        if type(link) is dict and "rel" in link:
            rel = link["rel"]
            if isinstance(rel, str) and "license" in rel.lower().split():
                address = absolute(base, _plain(link.get("url") or link.get("href")))
                addresses += [address] if address else []
    return addresses


def _heard(envelope: Any, answer: Any) -> Heard:
    """What the server says of rights, and when."""
    headers = at(answer, "Headers")
    fields = headers.items() if isinstance(headers, dict) else ()
    lines = [
        (name, line)
        for name, value in fields
        if isinstance(name, str) and name.lower() in FIELDS
        for line in (value if isinstance(value, list) else [value])
        if isinstance(line, str)
    ]
    date = at(envelope, "WARC-Header-Metadata", "WARC-Date")
    return Heard(tuple(lines), date if isinstance(date, str) else None)


def _meta(meta: dict[str, Any]) -> tuple[str, str | None]:
    name = text(meta, "property") or text(meta, "name") or text(meta, "http-equiv") or ""
    return name.strip().lower(), text(meta, "content")


def is_of_an_answer(body: bytes) -> bool:
    """Whether a record is of a server's answer; others are of requests and of the crawl."""
    return b"HTTP-Response-Metadata" in body


def is_of_a_page(body: bytes) -> bool:
    return b"HTML-Metadata" in body


def text(value: Any, key: str) -> str | None:
    """The text at a key, without entities, which WAT files of before 2016 have kept.

    >>> text({"alt": "Tom &amp; Jerry"}, "alt"), text({"width": 3}, "width")
    ('Tom & Jerry', None)
    """
    return _plain(at(value, key))


def _plain(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    return unescaped(value) if "&" in value else value


def _objects(value: Any) -> list[dict[str, Any]]:
    return [child for child in value if isinstance(child, dict)] if isinstance(value, list) else []
