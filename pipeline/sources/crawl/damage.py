"""Damaged places in a crawl: where the record before one ends, and where the next record begins."""

import re
import zlib

from pipeline.sources.crawl.answer import end_of_head
from pipeline.sources.crawl.bodies import MOST_PAGE_BYTES
from pipeline.sources.crawl.records import ARC_LINE, GZIP, ZSTD, File

HEAD_BYTES = 512  # of a record: enough to recognise its beginning
SCAN_BYTES = 1 << 20

FIRST_LINE = rb"WARC/\d\.\d{1,2}\r?\n"
BEGINNINGS = {  # of a record, by how the file starts
    GZIP: re.compile(GZIP),
    ZSTD: re.compile(re.escape(ZSTD)),
    b"WARC/": re.compile(FIRST_LINE),
    b"filedesc:": re.compile(rb"(?<=\n)" + ARC_LINE.pattern, re.I),
}
ARC_START = re.compile(rb"[a-z][a-z0-9+.-]{1,20}:[^\s]", re.I)
LENGTH = re.compile(rb"^Content-Length:\s*(\d{1,12})\s*$", re.I | re.M)


def end_of(file: File, place: int) -> int | None:
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
    block_from = end_of_head(text)
    length = LENGTH.search(text[: max(block_from, 0)])
    if length is None or not text.startswith(b"WARC/"):
        return None
    block_end = block_from + int(length[1])
    if len(text) < block_end:
        return None
    behind = text[block_end : block_end + 4]
    if end is not None:
        return end if not behind.strip() else None
    return place + block_end if behind == b"\r\n\r\n" else None


def shares_its_member(file: File, place: int) -> bool:
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


def next_record(file: File, start: bytes, place: int) -> int | None:
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
    if not head.startswith(GZIP):
        return True
    content = inflated(head)
    return content.startswith(b"WARC/") or ARC_START.match(content) is not None


def inflated(head: bytes) -> bytes:
    """The first bytes in a gzip member's head; none where it is damaged."""
    try:
        return zlib.decompressobj(31).decompress(head, 64)
    except zlib.error:
        return b""
