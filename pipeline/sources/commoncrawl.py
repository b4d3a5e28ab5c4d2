"""Pictures with text from crawled pages: WARC files, as Common Crawl publishes them.

May import pipeline.source_settings, other sources and queries. From each HTML page: `img` (src,
data-src and the largest of srcset, also in `picture`) with its alt and title, the caption of its
`figure`, and the OpenGraph picture with its title. A picture without a text is no pair and gives
no row; a record that cannot be read gives one with its reason, and the rest of the file is read.
"""

import mmap
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType
from selectolax.lexbor import LexborHTMLParser, LexborNode

from pipeline.source_settings import CommonCrawlSource
from pipeline.sources.part import Given
from pipeline.sources.rows import Raw, SourceError

MOST_PAGE_BYTES = 4 << 20  # a longer page is cut: pictures with text stand in the first part
MOST_PICTURES = 2_000  # of a page; more is a trap
HTML_TYPES = {"text/html", "application/xhtml+xml"}
CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.I)
RECORD = re.compile(rb"\x1f\x8b\x08|WARC/1\.")
SPACES = re.compile(r"\s+")
STARTS = {b"\x1f\x8b": "gzip", b"WARC/": "plain", b"\x28\xb5\x2f\xfd": "zstd"}
IN_A_FIGURE = 6  # parents up to which an img looks for its figure


def check(source: CommonCrawlSource) -> None:
    """Raise SourceError unless every file starts as a WARC file does."""
    for path in map(Path, source.paths):
        with path.open("rb") as file:
            start = file.read(5)
        if not any(start.startswith(known) for known in STARTS):
            raise SourceError(f"source {source.name}: {path}: expected a WARC file, got {start!r}")


def parts(source: CommonCrawlSource, given: Given) -> Iterator[tuple[str, tuple, dict[str, list]]]:
    """(name, identity, rows) of each file."""
    for path in map(Path, source.paths):
        yield path.name, (given.content(path),), {"path": [str(path)]}


def read(row: dict, source: CommonCrawlSource) -> Iterator[Raw]:
    """The raw rows of a file, page after page; what is damaged gives a row and is passed over."""
    hurt = False
    with open(row["path"], "rb") as file:
        for record in _records(file):
            if record is None and hurt:  # the file broke off in the record just told of
                continue
            raws = [Raw(reason="bad_record")] if record is None else list(_pairs(record))
            hurt = any(raw.reason for raw in raws)
            yield from raws


def _records(file: BinaryIO) -> Iterator[WarcRecord | None]:
    """The file's responses in order, None for each place where it had to be taken up again."""
    start: int | None = 0
    while start is not None:
        file.seek(start)
        last = start
        try:
            for record in ArchiveIterator(file, parse_http=True):
                last = max(last, record.stream_pos)
                if record.record_type == WarcRecordType.response:
                    yield record
            return
        except OSError:
            yield None
        start = _next_record(file, last + 1)


def _next_record(file: BinaryIO, start: int) -> int | None:
    """Where the next record begins at or after `start`: its own gzip member, or its first line."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for found in RECORD.finditer(content, start):
            head = content[found.start() : found.start() + 512]
            try:
                if (
                    head.startswith(b"WARC/")
                    or zlib.decompressobj(31).decompress(head, 8)[:5] == b"WARC/"
                ):
                    return found.start()
            except zlib.error:
                continue
    return None


def _pairs(record: WarcRecord) -> Iterator[Raw]:
    page_url = (record.headers.get("WARC-Target-URI") or "").strip("<>")
    if record.http_content_type not in HTML_TYPES:
        return
    try:
        yield from pictures(_text(record), page_url)
    except (ValueError, OSError, zlib.error):
        yield Raw(page_url=page_url, reason="bad_record")


def _text(record: WarcRecord) -> str:
    """The page as text: charset by the HTTP header, by its own <meta>, else UTF-8.

    Raises ValueError for a record that breaks off before its stated length.
    """
    body = record.reader.read(MOST_PAGE_BYTES)
    if len(body) < min(record.content_length, MOST_PAGE_BYTES):
        raise ValueError("the record is shorter than it says")
    if body.startswith(b"\x1f\x8b"):  # stored as it was sent; inflated no further than the bound
        body = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body, MOST_PAGE_BYTES)
    named = CHARSET.search(body, 0, 4096)
    for charset in (record.http_charset, named and named[1].decode("ascii"), "utf-8"):
        try:
            if charset:
                return body.decode(charset, "replace")
        except LookupError:
            continue  # a charset that nobody knows
    return ""


def pictures(html: str, page_url: str) -> Iterator[Raw]:
    """Each picture of a page with each of its texts.

    >>> [(raw.url, raw.caption) for raw in
    ...  pictures('<img src="/a.jpg" alt="A  lighthouse">', "http://x.org/b/")]
    [('http://x.org/a.jpg', 'A lighthouse')]
    """
    tree = LexborHTMLParser(html)
    base = page_url
    if (given := tree.css_first("base[href]")) is not None:
        base = _joined(page_url, given.attributes["href"]) or page_url
    for address, texts in _addressed(tree):
        url = _joined(base, address)
        captions = dict.fromkeys(SPACES.sub(" ", text or "").strip() for text in texts)
        for caption in captions:
            if url and caption:
                yield Raw(url, caption, page_url=page_url)


def _addressed(tree: LexborHTMLParser) -> Iterator[tuple[str | None, list[str | None]]]:
    """(address, texts) of each picture, as they stand in the page."""
    for number, image in enumerate(tree.css("img")):
        if number == MOST_PICTURES:
            break
        given = image.attributes
        address = _address(image, given)
        if address:
            yield address, [given.get("alt"), given.get("title"), _figure_caption(image)]
    shared = tree.css_first('meta[property="og:image"]')
    named = tree.css_first('meta[property="og:title"]')
    if shared is not None and named is not None:
        yield shared.attributes.get("content"), [named.attributes.get("content")]


def _address(image: LexborNode, given: dict[str, str | None]) -> str | None:
    """The best address of an img: the largest offered, the lazily loaded one, then src."""
    parent = image.parent
    if parent is not None and parent.tag == "picture":
        sets = [one.attributes.get("srcset") for one in parent.css("source[srcset]")]
    else:
        sets = []
    offers = [offer for text in (given.get("srcset"), *sets) if text for offer in srcset(text)]
    if offers:
        return max(offers, key=lambda offer: offer[0])[1]
    return given.get("data-src") or given.get("src")


def srcset(text: str) -> list[tuple[float, str]]:
    """(size, address) of each candidate of a srcset, whose sizes are widths or densities.

    >>> srcset("a.jpg 320w, b.jpg 640w"), srcset("a.jpg, b.jpg 2x")
    ([(320.0, 'a.jpg'), (640.0, 'b.jpg')], [(1.0, 'a.jpg'), (2.0, 'b.jpg')])
    """
    offers = []
    for candidate in re.split(r",\s+|,(?=https?:)", text[:20_000]):
        words = candidate.split()
        if words:
            size = words[1][:-1] if len(words) > 1 else "1"
            offers.append((float(size) if size.replace(".", "", 1).isdecimal() else 1.0, words[0]))
    return offers


def _figure_caption(image: LexborNode) -> str | None:
    node = image.parent
    for _ in range(IN_A_FIGURE):
        if node is None or node.tag == "figure":
            break
        node = node.parent
    if node is None or node.tag != "figure":
        return None
    caption = node.css_first("figcaption")
    return None if caption is None else caption.text(separator=" ")


def _joined(base: str, address: str | None) -> str | None:
    """The address made absolute; None for an inline picture or what is no address."""
    if not address or address.lstrip()[:5].lower() == "data:":
        return None
    try:
        return urljoin(base, address.strip())
    except ValueError:
        return None
