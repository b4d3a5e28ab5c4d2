"""The pages of a crawl file, WARC or WAT, one after another; damaged places are skipped.

The file is gzip (a member for each record, as crawls are published, or one for all), zstd or plain.
A record states its length, and may lie. So a record is accepted only when the next record begins at
its end; the reader appends a last record of its own for that.
"""

import gzip
import re
import secrets
import zlib
from collections.abc import Generator, Iterator
from io import BytesIO
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
from fastwarc.stream_io import BrotliReader, ZstdReader
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

MOST_PAGE_BYTES = 4 << 20  # a longer page is cut: its pictures with text are in the first part
MOST_RECORD_BYTES = 256 << 20  # a record with a larger stated length lies, or is a bomb
MOST_READ_AGAIN = 4 << 30  # bytes, to resume after damage; past that, the file is given up
MOST_DAMAGES = 2_000  # each costs 0.1 ms, and ten bytes can be one
HEAD_BYTES = 512  # of a record: enough to recognise its beginning
SCAN_BYTES = 1 << 20
HTML_TYPES = {"text/html", "application/xhtml+xml"}

GZIP, ZSTD = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"
FIRST_LINE = rb"WARC/\d\.\d{1,2}\r?\n"
BEGINNINGS = {  # of a record, by how the file starts
    GZIP: re.compile(GZIP),
    ZSTD: re.compile(re.escape(ZSTD)),
    b"WARC/": re.compile(FIRST_LINE),
}
LENGTH = re.compile(rb"^Content-Length:\s*(\d{1,12})\s*$", re.I | re.M)
CHUNK = re.compile(rb"(?:\r?\n)?([0-9a-fA-F]{1,8})[^\r\n]{0,200}\r?\n")

# Random, so that no crawl can contain it and pretend to end earlier.
END_ID = f"<urn:buildwit:{secrets.token_hex(16)}>"
END = (
    f"WARC/1.0\r\nWARC-Type: warcinfo\r\nWARC-Record-ID: {END_ID}\r\n"
    "Content-Length: 0\r\n\r\n\r\n\r\n"
).encode()
ENDS = {
    GZIP: gzip.compress(END),
    ZSTD: pa.compress(END, codec="zstd", asbytes=True),
    b"WARC/": b"\r\n\r\n" + END,
}


class File(Protocol):
    """What a crawl is read from. `read` gives fewer bytes than `size` only at the end."""

    def read(self, size: int, /) -> bytes: ...
    def seek(self, place: int, /) -> int: ...
    def tell(self) -> int: ...


class Page(NamedTuple):
    """A page of a crawl, or a WAT file's metadata of a page."""

    url: str
    is_html: bool  # else WAT's JSON
    charset: str | None  # that the server declared
    language: str | None  # likewise
    body: bytes
    is_cut: bool


class Fault(NamedTuple):
    """Why a place in a crawl is not read."""

    reason: str
    about: str


class Damage(NamedTuple):
    """A damaged place, and where to search for the next record."""

    fault: Fault
    place: int
    is_between: bool  # the record before is whole: the next one may be damaged


def start_of(head: bytes) -> bytes | None:
    """The key of BEGINNINGS with which a file's head starts; None if it is no crawl.

    >>> start_of(b"WARC/1.0\\r\\n"), start_of(gzip.compress(b"<html>"))
    (b'WARC/', None)
    """
    start = next((start for start in BEGINNINGS if head.startswith(start)), None)
    return None if start == GZIP and not _is_beginning(head) else start


def pages(file: File) -> Iterator[Page | Fault]:
    """The pages in order, with a Fault in place of each page that cannot be read.

    Memory stays bounded whatever length a record states.
    """
    file.seek(0)
    start = start_of(file.read(HEAD_BYTES)) or GZIP
    begin: int | None = 0
    read_again = n_damages = 0
    while begin is not None:
        file.seek(begin)
        damage = yield from _run(file, start, begin)
        if damage is None:
            return
        read_again += file.tell() - damage.place
        n_damages += 1
        if read_again > MOST_READ_AGAIN or n_damages > MOST_DAMAGES:
            yield Fault("bad_stream", "damaged in too many places")
            return
        begin = _next_record(file, start, damage.place)
        if not damage.is_between or begin != damage.place:  # else the next record gives the fault
            yield damage.fault


def _run(file: File, start: bytes, begin: int) -> Generator[Page, None, Damage | None]:
    """The pages up to the next damage; returns None if there is none."""
    held: Page | None = None
    place: int | None = None  # where the last record begins
    is_read, about = False, "damaged, or cut off"
    ended: Any = _Ended(file, ENDS[start])  # has the methods that ArchiveIterator calls
    try:
        for record in ArchiveIterator(ended, parse_http=False):
            if held is not None:
                yield held
            if record.record_id == END_ID:
                return None
            held, place, is_read = None, record.stream_pos, False
            if record.content_length > MOST_RECORD_BYTES:
                about = f"says that it is longer than {MOST_RECORD_BYTES} bytes"
                break
            if not record.headers.get("WARC-Type") or not record.headers.get("Content-Length"):
                break
            held = _page(record)
            is_read = True
    except OSError:
        pass
    reached = file.tell()
    end = None if place is None else _end(file, place)
    if end is not None and held is not None:
        yield held
    reason = "bad_record"
    if end is None:
        if place is not None and start == GZIP and _shares_its_member(file, place):
            reason = "bad_stream"
        end, is_read = max(begin, place or 0) + 1, False
    file.seek(reached)
    return Damage(Fault(reason, about), end, is_read)


def _page(record: WarcRecord) -> Page | None:
    """The record's page; None if it is no page. Raises OSError for headers that cannot be read."""
    url = (record.headers.get("WARC-Target-URI") or "").strip("<>")
    if record.record_type == WarcRecordType.metadata:
        if not (record.headers.get("Content-Type") or "").startswith("application/json"):
            return None
        return Page(url, False, None, None, *_body(record))
    if record.record_type != WarcRecordType.response or not url.startswith("http"):
        return None
    record.parse_http()
    if not record.is_http or record.http_headers.status_code is None:
        raise OSError("a web server's answer that is none")
    if (record.http_content_type or "").lower() not in HTML_TYPES:
        return None
    headers = record.http_headers
    body, is_cut = _body(record)
    if "chunked" in (headers.get("Transfer-Encoding") or "").lower():
        body = _unchunked(body)
    body = _unpacked(body, (headers.get("Content-Encoding") or "").strip().lower())
    is_cut = is_cut or len(body) > MOST_PAGE_BYTES
    language = headers.get("Content-Language")
    return Page(url, True, record.http_charset, language, body[:MOST_PAGE_BYTES], is_cut)


def _body(record: WarcRecord) -> tuple[bytes, bool]:
    return record.reader.read(MOST_PAGE_BYTES), record.content_length > MOST_PAGE_BYTES


def _unchunked(body: bytes) -> bytes:
    """The body without the lengths of its chunks, which most crawlers have removed.

    >>> _unchunked(b"3\\r\\n<im\\r\\n2;a=b\\r\\ng>\\r\\n0\\r\\n\\r\\n"), _unchunked(b"<img>")
    (b'<img>', b'<img>')
    """
    chunks, place = [], 0
    while (line := CHUNK.match(body, place)) and (size := int(line[1], 16)):
        place = line.end() + size
        chunks.append(body[line.end() : place])
    return b"".join(chunks) or body


def _unpacked(body: bytes, encoding: str) -> bytes:
    """The body unpacked, to little more than MOST_PAGE_BYTES."""
    try:
        if body.startswith(GZIP) or encoding == "deflate":
            wbits = 47 if body[:1] in (GZIP[:1], b"\x78") else -15  # some send it without a header
            return zlib.decompressobj(wbits).decompress(body, MOST_PAGE_BYTES + 1)
        if encoding == "br":
            return BrotliReader(BytesIO(body)).read(MOST_PAGE_BYTES + 1)
        if encoding == "zstd":
            return ZstdReader(BytesIO(body)).read(MOST_PAGE_BYTES + 1)
    except (OSError, zlib.error):
        pass  # most crawlers have unpacked it already, and kept the header
    return body


class _Ended:
    """The file from its current place, followed by our last record."""

    def __init__(self, file: File, end: bytes):
        self.file, self.end = file, end
        self.tell = file.tell

    def read(self, size: int = SCAN_BYTES) -> bytes:
        if content := self.file.read(size):
            return content
        content, self.end = self.end, b""
        return content


def _end(file: File, place: int) -> int | None:
    """The end of the record that begins at `place`; None unless it has its stated length.

    Called for the last record before a damage, so that only the damaged bytes are lost.
    """
    file.seek(place)
    content = file.read(MOST_PAGE_BYTES)
    text, end = content, None
    if content.startswith(GZIP):
        unpacker = zlib.decompressobj(31)
        try:
            text = unpacker.decompress(content, 2 * MOST_PAGE_BYTES)
        except zlib.error:
            return None
        if not unpacker.eof:
            return None
        end = place + len(content) - len(unpacker.unused_data)
    head, _, block = text.partition(b"\r\n\r\n")
    length = LENGTH.search(head + b"\r\n")
    n_bytes = int(length[1]) if length else len(block) + 1
    if not text.startswith(b"WARC/") or len(block) < n_bytes:
        return None
    behind = block[n_bytes:][:4]
    if end is not None:
        return end if not behind.strip() else None
    return place + len(head) + 4 + n_bytes if behind == b"\r\n\r\n" else None


def _shares_its_member(file: File, place: int) -> bool:
    """Whether a record shares its gzip member with others, where no search finds them again."""
    file.seek(place)
    content = file.read(MOST_PAGE_BYTES)
    if not content.startswith(GZIP):
        return True
    try:
        text = zlib.decompressobj(31).decompress(content, 2 * MOST_PAGE_BYTES)
    except zlib.error:
        return False
    return re.search(FIRST_LINE, text[5:]) is not None


def _next_record(file: File, start: bytes, place: int) -> int | None:
    """Where the next record begins, at or after the place: its gzip member, or its first line."""
    file.seek(place)
    window = b""
    while True:
        more = file.read(SCAN_BYTES)
        window += more
        for match in BEGINNINGS[start].finditer(window):
            if more and len(window) - match.start() < HEAD_BYTES:
                break  # the head is not whole before the next bytes are read
            if _is_beginning(window[match.start() :][:HEAD_BYTES]):
                return place + match.start()
        if not more:
            return None
        done = max(0, len(window) - HEAD_BYTES)
        place, window = place + done, window[done:]


def _is_beginning(head: bytes) -> bool:
    """Whether the head is the beginning of a record, packed or plain."""
    if head.startswith(GZIP):
        try:
            head = zlib.decompressobj(31).decompress(head, 8)
        except zlib.error:
            return False
        return head.startswith(b"WARC/")
    return True
