"""The pictures of a page from its WAT record: JSON to raw rows.

A WAT record has no captions of figures. Most of it are links that are no pictures, so the parser is
told what is read of it and passes over the rest. What it refuses, such as NaN or a list in place of
an object, is read whole.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from msgspec import MsgspecError, Struct, field
from msgspec.json import Decoder

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


class Link(Struct, gc=False):
    """An element with an address, such as an <img>; what else it has may be no text."""

    path: str = ""
    url: Any = None
    href: Any = None
    alt: Any = None
    title: Any = None
    rel: Any = None


class Head(Struct, rename="pascal"):
    """What stands in the page's <head>."""

    metas: Any = None
    base: Any = None
    link: Any = None


class Html(Struct, rename="pascal"):
    """What a record says of the page."""

    head: Head | None = None
    links: list[Link] | None = None


class Answer(Struct, rename="pascal"):
    """What a record says of the server's answer."""

    headers: Any = None
    html: Html | None = field(name="HTML-Metadata", default=None)


class Payload(Struct):
    """What a record says of what was archived."""

    answer: Answer | None = field(name="HTTP-Response-Metadata", default=None)


class Envelope(Struct):
    """What a record holds."""

    payload: Payload | None = field(name="Payload-Metadata", default=None)
    header: Any = field(name="WARC-Header-Metadata", default=None)


class Record(Struct, rename="pascal"):
    """A WAT record."""

    envelope: Envelope | None = None


DECODER = Decoder(Record)
REST = Link.__struct_fields__[1:]  # but the path


class Metadata(Struct):
    """What is read of a WAT record: each is whatever JSON has there, but the links."""

    date: Any
    headers: Any
    head: Head
    links: list[Link]


def metadata(body: bytes) -> Metadata:
    """What is read of a WAT record. Raises ValueError if the body is no JSON."""
    try:
        envelope = DECODER.decode(body).envelope or Envelope()
    except (MsgspecError, RecursionError):
        return plain_metadata(body)
    answer = (envelope.payload or Payload()).answer or Answer()
    html = answer.html or Html()
    date = at(envelope.header, "WARC-Date")
    return Metadata(date, answer.headers, html.head or Head(), html.links or [])


def plain_metadata(body: bytes) -> Metadata:
    """The same by reading all of the JSON."""
    envelope = at(json_value(body), "Envelope")
    answer = at(envelope, "Payload-Metadata", "HTTP-Response-Metadata")
    page = at(answer, "HTML-Metadata")
    head = at(page, "Head")
    return Metadata(
        at(envelope, "WARC-Header-Metadata", "WARC-Date"),
        at(answer, "Headers"),
        Head(at(head, "Metas"), at(head, "Base"), at(head, "Link")),
        _links(at(page, "Links")),
    )


def _links(value: Any) -> list[Link]:
    return [Link(_path(link), *map(link.get, REST)) for link in _objects(value)]


def _path(link: dict[str, Any]) -> str:
    path = link.get("path")
    return path if isinstance(path, str) else ""


def wat_pictures(body: bytes, page_url: str) -> Iterator[Raw]:
    """Each picture of a page with each of its texts. Raises ValueError if the body is no JSON.

    >>> links = b'[{"path": "IMG@/src", "url": "/a.jpg", "alt": "kite"}]'
    >>> body = b'{"Envelope": {"Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": '
    >>> [raw.url for raw in wat_pictures(body + b'{"Links": %b}}}}}' % links, "http://x.org/b")]
    ['http://x.org/a.jpg']
    """
    if not any(word in body for word in SPEAKING):
        return
    page = metadata(body)
    metas = [_meta(meta) for meta in _objects(page.head.metas)]
    # Most of a page's hundred links are no pictures, and calls cost time.
    licenses = _licenses(page, page_url) if body.rfind(b"icense") >= 0 else []
    rights = rights_of(licenses, metas, (), _heard(page))
    links = [(link.path[5:], link) for link in page.links if link.path[:5] == IMAGE]
    of_the_page = next((content for name, content in metas if name == "content-language"), None)
    languages = (of_the_page, text(page.headers, "Content-Language"))
    images = list(islice(_images(links), MOST_PICTURES + 1))
    addressed = chain(images[:MOST_PICTURES], meta_pictures(metas) if metas else ())
    yield from pairs(addressed, page_url, _plain(page.head.base), languages, rights=rights)
    if len(images) > MOST_PICTURES:
        yield trapped(page_url, f"more than {MOST_PICTURES} pictures")


def _images(links: Iterable[tuple[str, Link]]) -> Iterator[Pictured]:
    """The pictures with a text, of links that are given as (attribute, link).

    An <img> with several addresses has a link for each: neighbours with the same texts, and each in
    another attribute.
    """
    attributes: dict[str, Any] = {}
    texts: tuple[Any, Any] = (None, None)
    for name, link in links:
        own = (link.alt, link.title)
        if name in attributes or own != texts:
            if texts[0] or texts[1]:
                yield _pictured(attributes, texts)
            attributes, texts = {}, own
        attributes[name] = link.url
    if texts[0] or texts[1]:
        yield _pictured(attributes, texts)


def _pictured(attributes: dict[str, Any], texts: tuple[Any, Any]) -> Pictured:
    captions = [_plain(one) for one in texts if one]
    if len(attributes) == 1 and "src" in attributes:  # as most are
        return _plain(attributes["src"]), captions
    return address_of({name: _plain(value) for name, value in attributes.items()}), captions


def _licenses(page: Metadata, page_url: str) -> list[str]:
    """The addresses with rel=license: links of the head, and of the body."""
    base = absolute(page_url, _plain(page.head.base)) or page_url
    addresses: list[str] = []
    for link in (*_links(page.head.link), *page.links):
        if isinstance(link.rel, str) and "license" in link.rel.lower().split():
            address = absolute(base, _plain(link.url or link.href))
            addresses += [address] if address else []
    return addresses


def _heard(page: Metadata) -> Heard:
    """What the server says of rights, and when."""
    fields = page.headers.items() if isinstance(page.headers, dict) else ()
    lines = [
        (name, line)
        for name, value in fields
        if isinstance(name, str) and name.lower() in FIELDS
        for line in (value if isinstance(value, list) else [value])
        if isinstance(line, str)
    ]
    return Heard(tuple(lines), page.date if isinstance(page.date, str) else None)


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
