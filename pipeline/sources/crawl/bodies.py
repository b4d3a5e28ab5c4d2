"""The body of a web server's answer as the page was: without chunks, and unpacked.

A body that is cut off or damaged is read as far as it goes. Many crawlers have unpacked a body
already and kept the header that says otherwise, so what does not unpack may be the page itself.
"""

import re
import zlib
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO

import pyarrow as pa

MOST_PAGE_BYTES = 4 << 20  # a longer page is cut: its pictures with text are in the first part
MOST_ENCODINGS = 5  # of a body; servers send one, rarely two
PIECE_BYTES = 1 << 12
STEP_BYTES = 64  # of packed bytes: at most these are lost before a damage

GZIP = b"\x1f\x8b\x08"
CHUNK = re.compile(rb"(?:\r?\n)?([0-9a-fA-F]{1,8})[^\r\n]{0,200}\r?\n")
CODECS = {"br": "brotli", "zstd": "zstd"}  # by Arrow's names
GZIPS = ("gzip", "x-gzip", "deflate", "x-deflate")


class PackedError(ValueError):
    """A body of which nothing can be unpacked."""


def unchunked(body: bytes) -> bytes:
    """The body without the lengths of its chunks, which most crawlers have removed.

    >>> unchunked(b"3\\r\\n<im\\r\\n2;a=b\\r\\ng>\\r\\n0\\r\\n\\r\\n"), unchunked(b"<img>")
    (b'<img>', b'<img>')
    """
    chunks, place = [], 0
    while (line := CHUNK.match(body, place)) and (size := int(line[1], 16)):
        place = line.end() + size
        chunks.append(body[line.end() : place])
    return b"".join(chunks) or body


def unpacked(body: bytes, encodings: Sequence[str]) -> tuple[bytes, bool]:
    """(the body unpacked, to little more than MOST_PAGE_BYTES; whether it ended too early).

    Encodings are undone from the last to the first (RFC 9110, 8.4). Raises PackedError for a body
    that is no text and does not unpack.

    >>> unpacked(zlib.compress(b"<img>"), ["deflate"]), unpacked(b"<img>", ["gzip"])
    ((b'<img>', False), (b'<img>', False))
    """
    is_cut = False
    for encoding in reversed(encodings[:MOST_ENCODINGS]):
        body, ended = _undone(body, encoding)
        is_cut = is_cut or not ended
    if body.startswith(GZIP):  # some servers send gzip without a word
        body, ended = _undone(body, "gzip")
        is_cut = is_cut or not ended
    return body, is_cut


def _undone(body: bytes, encoding: str) -> tuple[bytes, bool]:
    """(the body without one encoding, whether it was whole)."""
    content, is_whole = b"", False
    if encoding in CODECS:
        content, is_whole = _decompressed(body, CODECS[encoding])
    elif encoding in GZIPS or body.startswith(GZIP):
        content, is_whole = _inflated(body)
    if is_whole or not body:
        return content, True
    if is_text(body):
        return body, True
    if not content:
        raise PackedError(f"packed as {encoding[:40]!r}, and does not unpack")
    return content, False


def is_text(body: bytes) -> bool:
    """Whether bytes are a text in any of the web's charsets: packed bytes have control characters.

    >>> is_text(b"<p>caf\\xe9"), is_text(b"\\x1b%\\x00\\xd4\\xb3\\x02")
    (True, False)
    """
    head = body[:512]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"<\0" in head or b"\0<" in head:
        return True  # UTF-16
    return not re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", head)


def _inflated(body: bytes) -> tuple[bytes, bool]:
    """(content, whether it is whole) of gzip, member after member, or of one of zlib's formats."""
    pieces, length = [], 0
    wbits = 47 if body[:1] in (GZIP[:1], b"\x78") else -15  # some send it without a header
    while length <= MOST_PAGE_BYTES:
        unpacker = zlib.decompressobj(wbits)
        try:
            pieces.append(unpacker.decompress(body, MOST_PAGE_BYTES + 1 - length))
        except zlib.error:
            pieces.append(_before_damage(zlib.decompressobj(wbits), body))
            return b"".join(pieces), False
        length += len(pieces[-1])
        if not unpacker.eof:
            return b"".join(pieces), length > MOST_PAGE_BYTES
        body = unpacker.unused_data
        if not body.startswith(GZIP):
            break
    return b"".join(pieces), True


def _before_damage(unpacker: "zlib._Decompress", body: bytes) -> bytes:
    """What comes before a damage, which zlib tells only in small steps."""
    content = bytearray()
    with suppress(zlib.error):
        for start in range(0, len(body), STEP_BYTES):
            content += unpacker.decompress(body[start : start + STEP_BYTES], MOST_PAGE_BYTES)
            if len(content) > MOST_PAGE_BYTES:
                break
    return bytes(content)


def _decompressed(body: bytes, codec: str) -> tuple[bytes, bool]:
    """(content, whether it is whole) of Brotli or Zstandard.

    What an error interrupts is kept back: by the decoder what it has made of the bytes that it was
    given, by Arrow the piece that was asked for. So before an error both become small.
    """
    content = bytearray()
    for source, piece_bytes in ((BytesIO, PIECE_BYTES), (_Steps, PIECE_BYTES), (_Steps, 1)):
        try:
            reader = pa.CompressedInputStream(pa.PythonFile(source(body), "r"), codec)
            reader.read(len(content))
            while len(content) <= MOST_PAGE_BYTES and (piece := reader.read(piece_bytes)):
                content += piece
        except OSError:
            continue
        return bytes(content), True
    return bytes(content), False


class _Steps(BytesIO):
    """Bytes that are read in small steps."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(STEP_BYTES)
