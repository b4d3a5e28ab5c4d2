"""A web server's answer, as an archive holds it, to the page in it.

Archives keep what servers sent, and servers send anything: heads whose lines end in a bare LF, an
interim head (1xx) before the head, no Content-Type, two of them, lists of encodings.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from pipeline.rights.signals import FIELDS as OF_RIGHTS
from pipeline.sources.crawl.bodies import MOST_PAGE_BYTES, PackedError, unchunked, unpacked

MOST_HEAD_BYTES = 1 << 16
MOST_INTERIM = 5  # heads before the head
HTML_TYPES = {"text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml"}
XML_TYPES = {"text/xml", "application/xml"}  # a page, if its root is
UNPACKED = {"identity", "none", "utf-8", "binary", "8bit"}  # no encodings
UNKNOWN_TYPES = {"unknown/unknown", "application/unknown", "*/*"}  # servers' words for none

STATUS = re.compile(rb"HTTP/\d{1,2}(?:\.\d{1,2})?[ \t]+(\d{3})\b", re.I)
OF_CONTENT = ("content-type", "content-encoding", "content-language", "transfer-encoding")
READ = frozenset((*OF_CONTENT, *OF_RIGHTS))  # fields, in small letters
TYPE = re.compile(r"(?:^|,)\s*([\w!#$&^.+*-]{1,80}/[\w!#$&^.+*-]{1,80})\s*(?=[;,]|$)", re.A)
CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([^\s"';,]+)""", re.I)
XHTML = re.compile(rb"<html[\s>]", re.I)
# How a page begins; what the MIME Sniffing standard (7.1) lists, and other elements of HTML.
PAGE = re.compile(
    rb"(?:\s++|\xef\xbb\xbf|<!--(?:[^-]++|-(?!->))*+-->|<\?xml[^>]*+>)*+"
    rb"<(?:!doctype\s+html|html|head|body|title|meta|link|base|script|style|iframe|div|table|font"
    rb"|center|span|img|figure|picture|article|section|main|header|h[1-6]|ul|ol|br|p|a|b)(?=[\s/>])",
    re.I,
)


def end_of_head(block: bytes, start: int = 0) -> int:
    """Where the body begins, behind an empty line; -1 if none comes in MOST_HEAD_BYTES.

    >>> end_of_head(b"A: b\\r\\n\\r\\n<p>"), end_of_head(b"A: b\\n\\n<p>"), end_of_head(b"A: b\\n")
    (8, 6, -1)
    """
    stop = start + MOST_HEAD_BYTES  # `find` of two lines is faster than one regular expression
    end = block.find(b"\n\r\n", start, stop)
    bare = block.find(b"\n\n", start, stop if end < 0 else end)
    return bare + 2 if bare >= 0 else end + 3 if end >= 0 else -1


class NotAPageError(ValueError):
    """An answer that is a picture, a script, a feed …: whatever is no HTML."""


class BadAnswerError(ValueError):
    """An answer that cannot be read."""


class Heard(NamedTuple):
    """What was heard from a server with a page of its rights, and when."""

    lines: tuple[tuple[str, str | None], ...] = ()  # (name, value) of header lines
    date: str | None = None  # when the crawler asked


NOTHING = Heard()


class Page(NamedTuple):
    """A page of a crawl, or a WAT file's metadata of a page."""

    url: str
    is_html: bool  # else WAT's JSON
    charset: str | None  # that the server declared
    language: str | None  # likewise
    body: bytes
    is_cut: bool  # whether it is longer than MOST_PAGE_BYTES
    is_short: bool = False  # whether it broke off while it was unpacked
    heard: Heard = NOTHING


class Body(NamedTuple):
    """What a server sent behind the head of its answer."""

    content: bytes
    is_cut: bool  # whether the record holds more of it
    is_short: bool = False  # as in Page
    language: str | None = None


def page_of_answer(
    url: str, block: bytes, identified: str, is_cut: bool, date: str | None = None
) -> Page:
    """The page of an answer: its head, then its body.

    `identified` is the type that the crawler found, `is_cut` whether the block is longer than what
    is given, `date` when the crawler asked. Raises NotAPageError and BadAnswerError.

    >>> block = b"HTTP/1.1 200 OK\\nContent-type: text/html;charset=l1\\n\\n<p>"
    >>> page = page_of_answer("http://x.org", block, "", False)
    >>> page.body, page.charset, page.is_cut
    (b'<p>', 'l1', False)
    """
    if url[:5].lower() not in ("http:", "https"):
        raise NotAPageError(f"an answer of {url.partition(':')[0][:40]}")
    fields, lines, body = _head(block)
    if "chunked" in fields.get("transfer-encoding", "").lower():
        body = unchunked(body)
    encodings = fields.get("content-encoding", "").lower().replace(",", " ").split()
    try:
        body, is_short = unpacked(body, [name for name in encodings if name not in UNPACKED])
    except PackedError as error:
        raise BadAnswerError(str(error)) from None
    whole = Body(body, is_cut, is_short, fields.get("content-language"))
    return page_of_body(url, whole, fields.get("content-type", ""), identified, Heard(lines, date))


def page_of_body(url: str, whole: Body, stated: str, identified: str, heard: Heard) -> Page:
    """The page of a body with the type that is stated: by Content-Type, maybe more than once.

    Raises NotAPageError for any other type.
    """
    body, is_cut, is_short, language = whole
    types, charset = _types(stated)
    kind = types[0] if len(types) == 1 else _found_type(types, identified, body)
    if kind not in HTML_TYPES and not (kind in XML_TYPES and XHTML.search(body, 0, 4096)):
        raise NotAPageError(kind or "of no known type")
    is_cut = is_cut or len(body) > MOST_PAGE_BYTES
    return Page(url, True, charset, language, body[:MOST_PAGE_BYTES], is_cut, is_short, heard)


@lru_cache(1024)  # a crawl has few
def _types(stated: str) -> tuple[list[str], str | None]:
    """The different types that a Content-Type states, and its charset."""
    types = dict.fromkeys(kind.lower() for kind in TYPE.findall(stated))
    charset = CHARSET.search(stated)
    return [kind for kind in types if kind not in UNKNOWN_TYPES], charset[1] if charset else None


def _found_type(types: list[str], identified: str, body: bytes) -> str:
    """The type that the crawler found, else by the first bytes, else the last that was stated."""
    found = TYPE.match(identified)
    if found and found[1].lower() not in UNKNOWN_TYPES:
        return found[1].lower()
    if PAGE.match(body[:4096].translate(None, b"\0\xff\xfe")):  # without the zeros of UTF-16
        return "text/html"
    return types[-1] if types else ""


def _head(block: bytes) -> tuple[dict[str, str], tuple[tuple[str, str], ...], bytes]:
    """(the fields that are read, each with all its values; the lines of rights; the body)."""
    place = 0
    for _ in range(MOST_INTERIM + 1):
        status = STATUS.match(block, place)
        if status is None:
            raise BadAnswerError("a web server's answer that is none")
        body_from = end_of_head(block, place)
        if body_from < 0 and len(block) - place > MOST_HEAD_BYTES:
            raise BadAnswerError(f"a head of more than {MOST_HEAD_BYTES} bytes")
        body_from = body_from if body_from >= 0 else len(block)
        if not status[1].startswith(b"1") or not STATUS.match(block, body_from):
            break
        place = body_from
    fields: dict[str, str] = {}
    lines: list[tuple[str, str]] = []  # not joined: a comma ends what an agent's name begins
    for line in block[place:body_from].decode("latin-1").split("\n"):
        name, colon, rest = line.partition(":")
        field = name.rstrip(" \t").lower()
        if not colon or field not in READ:
            continue
        value = rest.lstrip(" \t").partition("\r")[0]
        if field in OF_RIGHTS:
            lines.append((name.rstrip(" \t"), value))
        else:
            fields[field] = f"{fields[field]},{value}" if field in fields else value
    return fields, tuple(lines), block[body_from:]
