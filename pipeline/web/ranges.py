"""Pieces of a file on a web server, each by one request with a Range (RFC 9110, 14)."""

import io
import re
from typing import Any

import requests

from pipeline.web.client import AgainError, Client, DownloadError, StatusError

BLOCK_BYTES = 4 << 20  # that a file asks for at least
TAIL_BYTES = 1 << 16  # asked for first: a Parquet file is read from its end
MOST_SKIPPED = 16 << 20  # bytes before a piece, where a server sends the whole file
CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,15})-(\d{1,15})|\*)/(\d{1,15}|\*)", re.ASCII)


class GoneError(DownloadError):
    """A file that is not there, or ends before the piece begins."""


class NoRangesError(DownloadError):
    """A server that sends the whole of a long file whatever piece is asked for."""


def read_range(client: Client, address: str, start: int, length: int) -> bytes:
    """The bytes of a piece; fewer only where the file ends within it.

    Raises GoneError, NoRangesError, and DownloadError where the server refuses or stays away.
    """
    return _piece(client, address, f"bytes={start}-{start + length - 1}", start, length)[0]


def _piece(
    client: Client, address: str, wanted: str, start: int | None, length: int
) -> tuple[bytes, int, int | None]:
    """(the piece, where it begins, the size of the file if it is told); `start` None: its end."""

    def attempt() -> tuple[bytes, int, int | None]:
        with client.opened(address, {"Range": wanted}) as response:
            begin, stop, size = _sent(address, response, start, length)
            body, skipped = bytearray(), max(0, (start or 0) - begin)
            for chunk in client.chunks(response):
                body += chunk[skipped:]
                skipped = max(0, skipped - len(chunk))
                if len(body) >= length:
                    break
        expected = min(length, stop - (start or begin)) if stop is not None else None
        if expected is not None and len(body) < expected:
            raise AgainError(f"{len(body)} bytes instead of {expected}")
        return bytes(body[:length]), max(begin, start or 0), size

    try:
        return client.retried(address, attempt)
    except StatusError as error:
        if error.status in (404, 410):
            raise GoneError(f"{address}: HTTP {error.status}") from None
        raise


def _sent(
    address: str, response: requests.Response, start: int | None, length: int
) -> tuple[int, int | None, int | None]:
    """(first byte, the byte behind the last, size of the file) of an answer's body."""
    if response.status_code == 416:
        raise GoneError(f"{address}: the file ends before the piece (HTTP 416)")
    if response.status_code == 200:  # the server sends the whole file
        stated = response.headers.get("Content-Length", "")
        size = int(stated) if re.fullmatch("[0-9]{1,15}", stated) else None
        if size is not None and start is not None and start >= size:
            raise GoneError(f"{address}: the file ends before the piece")
        needless = start if start is not None else size  # bytes, or unknown
        if needless is None or needless > MOST_SKIPPED:
            raise NoRangesError(f"{address}: the server sends no pieces of a file")
        return 0, size, size
    span = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if span is None or span[1] is None:
        raise AgainError("another part than the one asked for")
    begin, stop = int(span[1]), int(span[2]) + 1
    size = int(span[3]) if span[3].isdecimal() else None
    if start is None:
        is_asked_for = size == stop > begin
    else:
        last = start + length if size is None else min(size, start + length)
        is_asked_for = begin == start < stop == last
    if not is_asked_for:
        raise AgainError("another part than the one asked for")
    return begin, stop, size


class RangedFile(io.RawIOBase):
    """A file on a web server that is read piece by piece, wherever a reader goes.

    It holds the last piece and the end of the file in memory. Raises DownloadError.
    """

    def __init__(self, client: Client, address: str):
        self.client, self.address = client, address
        self.place = 0
        self.held: list[tuple[int, bytes]] = []  # (where it begins, piece)
        tail, begin, size = _piece(client, address, f"bytes=-{TAIL_BYTES}", None, MOST_SKIPPED)
        self.size = begin + len(tail) if size is None else size
        if begin + len(tail) != self.size:
            raise DownloadError(f"{address}: expected the end of the file, got another part")
        self.tail = (begin, tail)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def seek(self, place: int, whence: int = 0, /) -> int:
        self.place = max(0, place + (0, self.place, self.size)[whence])
        return self.place

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self.size - self.place)
        if wanted <= 0:
            return 0
        begin, piece = next(filter(self._covers, (self.tail, *self.held)), (0, b""))
        if not piece:
            length = min(max(wanted, BLOCK_BYTES), self.size - self.place)
            begin, piece = self.place, read_range(self.client, self.address, self.place, length)
            if len(piece) < length:
                raise DownloadError(f"{self.address}: it has changed while it was read")
            self.held = [(begin, piece)]
        data = piece[self.place - begin :][:wanted]
        buffer[: len(data)] = data
        self.place += len(data)
        return len(data)

    def _covers(self, held: tuple[int, bytes]) -> bool:
        return held[0] <= self.place < held[0] + len(held[1])

    def close(self) -> None:
        if not self.closed:
            self.client.close()
        super().close()
