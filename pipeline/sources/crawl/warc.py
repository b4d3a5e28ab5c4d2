"""The pages of a crawl file, WARC or WAT, one after another; damaged places are skipped.

The file is gzip (a member for each record, as crawls are published, or one for all), zstd or plain.
A record states its length, and may lie. So a record is accepted only when the next record begins at
its end; the reader appends a last record of its own for that.
"""

import gzip
import io
import re
import secrets
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import pyarrow as pa
from fastwarc.stream_io import ZstdReader
from fastwarc.warc import ArchiveIterator

from pipeline.sources.crawl.answer import (
    BadAnswerError,
    Body,
    Heard,
    NotAPageError,
    Page,
    page_of_answer,
    page_of_body,
)
from pipeline.sources.crawl.bodies import MOST_PAGE_BYTES
from pipeline.sources.crawl.damage import (
    BEGINNINGS,
    HEAD_BYTES,
    end_of,
    inflated,
    next_record,
    shares_its_member,
)
from pipeline.sources.crawl.records import (
    GZIP,
    MOST_RECORD_BYTES,
    PIECE_BYTES,
    ZSTD,
    File,
    Record,
    records,
)
from pipeline.web.reading import raise_if_of_the_disk

MOST_READ_AGAIN = 4 << 30  # bytes, to resume after damage; past that, the file is given up
MOST_PLAIN = 100  # damages after which the plain reader is no longer tried
MOST_DAMAGES = 2_000  # each costs 0.1 ms, and ten bytes can be one

STARTS = (b"WARC/", b"filedesc:")  # of a crawl that is not packed
READ = {"response", "resource", "metadata"}  # kinds of records that may have pictures
DATE = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,9})?Z)?", re.A)
ARC_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", re.A)
DAMAGED, TEXT = "damaged, or cut off", "the text of a page"
ZSTD_BLOCK = 128 << 10  # at most, packed (RFC 8878, 3.1.1.2.4)
DICTIONARY = b"\x5d\x2a\x4d\x18"  # the frame in which crawls carry the dictionary of the others

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


class NoCrawlError(ValueError):
    """A file that is no crawl: what it is instead."""


class Fault(NamedTuple):
    """Why a place in a crawl is not read."""

    reason: str
    about: str
    url: str | None = None  # of the page, if it is known


class Damage(NamedTuple):
    """A damaged place, and where to search for the next record."""

    fault: Fault | None  # None: only another reader is needed from the place on
    place: int
    is_between: bool  # the record before is whole: the next one may be damaged


Run = Generator[Page | Fault, None, Damage | None]


def start_of(head: bytes) -> bytes:
    """The key of BEGINNINGS with which a file's head starts.

    Raises NoCrawlError, in one line, for a file that is no crawl.

    >>> start_of(b"WARC/1.0\\r\\n"), start_of(gzip.compress(b"filedesc://a.arc 0.0.0.0 20")) == GZIP
    (b'WARC/', True)
    """
    start = next((start for start in BEGINNINGS if head.startswith(start)), b"")
    if start == GZIP and not inflated(head).startswith(STARTS):
        raise NoCrawlError(f"got gzip of {inflated(head)[:20]!r}")
    if start == ZSTD and head[4:5] and head[4] & 3:  # the frame names one (RFC 8878, 3.1.1.1)
        raise NoCrawlError("got zstd with a dictionary, which is not read: unpack it first")
    if start == ZSTD and (first := _first_of_zstd(head)) and not first.startswith(STARTS):
        raise NoCrawlError(f"got zstd of {first!r}")
    if head.startswith(DICTIONARY):
        raise NoCrawlError("got zstd with a dictionary, which is not read: unpack it first")
    if not start:
        raise NoCrawlError(f"got {head[:20]!r}" if head else "it is empty")
    return start


def head_of(file: File) -> bytes:
    """The first bytes of a file, enough for `start_of`: of zstd, its first block."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    return head + file.read(ZSTD_BLOCK) if head.startswith(ZSTD) else head


def _first_of_zstd(head: bytes) -> bytes:
    """The first bytes that zstd packs; none where it is damaged."""
    try:
        return ZstdReader(io.BytesIO(head)).read(20)
    except OSError:
        return b""


def pages(file: File) -> Iterator[Page | Fault]:
    """The pages in order, with a Fault for each answer that is no page, or cannot be read.

    Memory stays bounded whatever length a record states. Raises NoCrawlError for what is no crawl.
    """
    is_first = True
    for page in _pages(file):
        if is_first and isinstance(page, Fault) and page.about == TEXT:
            raise NoCrawlError("it holds texts (WET), which have no pictures")
        is_first = False
        yield page


def _pages(file: File) -> Iterator[Page | Fault]:
    head = head_of(file)
    start = start_of(head)
    is_arc = not (inflated(head) if start == GZIP else head).startswith(b"WARC/") and start != ZSTD
    begin: int | None = 0
    read_again = n_damages = 0
    while begin is not None:
        if is_arc:
            damage = yield from _run_plain(file, start, begin)
        else:
            damage = yield from _run(file, start, begin, n_damages < MOST_PLAIN)
        if damage is None:
            return
        if damage.fault is None:
            begin = damage.place
            continue
        read_again += file.tell() - damage.place
        n_damages += 1
        if read_again > MOST_READ_AGAIN or n_damages > MOST_DAMAGES:
            yield Fault("bad_stream", "damaged in too many places")
            return
        begin = next_record(file, start, damage.place)
        if not damage.is_between or begin != damage.place:  # else the next record gives the fault
            yield damage.fault


def _run(file: File, start: bytes, begin: int, also_plain: bool) -> Run:
    """The pages up to the next damage; returns None if there is none."""
    held: Page | Fault | None = None
    place: int | None = None  # where the last record begins
    is_read, about = False, DAMAGED
    file.seek(begin)
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
            fields: dict[str, str] = {}  # in one go: each `get` of the headers takes a microsecond
            for name, value in record.headers.to_tuples():
                fields.setdefault(name.lower(), value)
            kind = fields.get("warc-type", "").lower()
            if not kind or fields.get("content-length") != str(record.content_length):
                break
            held = _read(
                Record(
                    kind,
                    fields.get("warc-target-uri", ""),
                    fields.get("content-type", ""),
                    fields.get("warc-identified-payload-type", ""),
                    record.reader.read(MOST_PAGE_BYTES) if kind in READ else b"",
                    record.content_length > MOST_PAGE_BYTES,
                    fields.get("warc-date", ""),
                )
            )
            is_read = True
    except OSError as error:
        raise_if_of_the_disk(error)
    reached = file.tell()
    origin = begin if place is None else place
    if also_plain and not is_read and about == DAMAGED:  # maybe fastwarc alone cannot read it
        damage = yield from _run_plain(file, start, origin)
        if damage is None or damage.place > origin + 1:
            return damage
    end = None if place is None else end_of(file, place)
    if end is not None and held is not None:
        yield held
    reason = "bad_record"
    if end is None:
        if place is not None and start == GZIP and shares_its_member(file, place):
            reason = "bad_stream"
        end, is_read = origin + 1, False
    file.seek(max(reached, file.tell()))
    return Damage(Fault(reason, about), end, is_read)


def _run_plain(
    file: File, start: bytes, begin: int
) -> Generator[Page | Fault, None, Damage | None]:
    """The same by the plain reader: after a record it may return a place without a fault."""
    reader, n_records = records(file, start, begin), 0
    while True:
        try:
            record = next(reader)
        except StopIteration as stopped:
            stop = stopped.value
            break
        n_records += 1
        if (page := _read(record)) is not None:
            yield page
    if stop is None:
        return None
    if n_records and stop.is_exact:
        return Damage(None, stop.place, False)
    reason = "bad_record" if stop.is_exact else "bad_stream"
    return Damage(Fault(reason, DAMAGED), stop.place + 1, False)


def _read(record: Record) -> Page | Fault | None:
    """The record's page, or why it is none; None for a record that is no answer."""
    url = record.url.strip("<> ")
    try:
        if record.kind == "response":
            date = iso_date(record.date)
            return page_of_answer(url, record.block, record.identified, record.is_cut, date)
        if record.kind == "resource":
            heard = Heard((), iso_date(record.date))
            body = Body(record.block, record.is_cut)
            return page_of_body(url, body, record.content_type, "", heard)
    except NotAPageError as error:
        return Fault("not_a_page", str(error), url)
    except BadAnswerError as error:
        return Fault("bad_record", str(error), url)
    kind = record.content_type.lower()
    if record.kind == "metadata" and kind.startswith("application/json"):
        return Page(url, False, None, None, record.block, record.is_cut)
    if record.kind == "revisit":
        return Fault("revisited", "a crawler found it as it was before", url)
    return Fault("not_a_page", TEXT, url) if record.kind == "conversion" else None


def iso_date(date: str) -> str | None:
    """The moment of a record in ISO 8601, of a WARC's or an ARC's; None for another text.

    >>> iso_date("2024-06-12T10:46:31Z"), iso_date("20080430204825"), iso_date("today")
    ('2024-06-12T10:46:31Z', '2008-04-30T20:48:25Z', None)
    """
    if DATE.fullmatch(date):
        return date
    digits = ARC_DATE.match(date)
    return "{}-{}-{}T{}:{}:{}Z".format(*digits.groups()) if digits else None


class _Ended:
    """The file from its current place, followed by our last record."""

    def __init__(self, file: File, end: bytes):
        self.file, self.end = file, end
        self.tell = file.tell

    def read(self, size: int = PIECE_BYTES) -> bytes:
        if content := self.file.read(size):
            return content
        content, self.end = self.end, b""
        return content
