"""Where a crawl's files are: on this machine, at an address, or in a list of addresses.

A file at an address is read while it comes, in bounded memory; where the connection breaks off, the
rest is asked for.
"""

import io
import re
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache, partial
from urllib.parse import urljoin

import requests

from pipeline.settings.sources import CommonCrawlSource
from pipeline.settings.values import is_remote
from pipeline.settings.whole import DownloadSettings
from pipeline.sources.candidate import SourceError
from pipeline.sources.crawl.warc import File
from pipeline.sources.place import FsspecFile
from pipeline.web.client import AgainError, Client, DownloadError
from queries.tables.errors import InputError

LISTS = (".paths", ".paths.gz")
MOST_LIST_BYTES = 64 << 20  # unpacked; a crawl has 100,000 files
BLOCK_BYTES = 1 << 20  # asked for at once: with the one before it, all that is held of a file
BACKOFF_S = 2.0
CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-\d{1,15}/(?:\d{1,15}|\*)", re.ASCII)
LINE = re.compile(r"[\x21-\x7e]{1,2000}")


@lru_cache(8)
def files(source: CommonCrawlSource) -> tuple[str, ...]:
    """The paths and addresses of the source's crawl files, in order; its lists are read.

    Raises SourceError. A process reads each list once: it could change between two readings.
    """
    found: list[str] = []
    for path in source.paths:
        if is_web(path):
            client_of(source, path)
        found += _listed(source, path) if path.endswith(LISTS) else [path]
    return tuple(found)


def is_web(path: str) -> bool:
    """Whether a file is on somebody's server, to be asked with manners; else a store has it."""
    return path.startswith(("http:", "https:"))


def client_of(source: CommonCrawlSource, address: str) -> Client:
    """What asks for the source's files. Raises SourceError for an address not to be asked."""
    settings = DownloadSettings(contact=source.contact, backoff_s=BACKOFF_S)
    client = Client(settings, contact_key="contact")
    try:
        client.admit(address)
    except InputError as error:
        raise SourceError(f"source {source.name}: {error}") from None
    return client


def _listed(source: CommonCrawlSource, path: str) -> list[str]:
    """The addresses that a list names, as many of its first as the source wants."""
    with opened(source, path) as file:
        packed = file.read(MOST_LIST_BYTES)
    content = packed
    try:
        if len(packed) == MOST_LIST_BYTES:
            raise ValueError("is too long")
        if packed.startswith(b"\x1f\x8b"):
            unpacker = zlib.decompressobj(31)
            content = unpacker.decompress(packed, MOST_LIST_BYTES)
            if not unpacker.eof:
                raise ValueError("is cut off, or too long")
        lines = content.decode("ascii").split()
    except (zlib.error, ValueError) as error:
        raise SourceError(f"source {source.name}: {path}: expected a list: {error}") from None
    lines = lines[: source.most_files or None]
    if bad := next((line for line in lines if not LINE.fullmatch(line)), None):
        raise SourceError(f"source {source.name}: {path}: expected paths, got {bad[:80]!r}")
    addresses = [urljoin(source.base, line) for line in lines]
    if not addresses:
        raise SourceError(f"source {source.name}: {path}: names no file")
    for address in addresses:
        client_of(source, address)
    return addresses


@contextmanager
def opened(source: CommonCrawlSource, path: str) -> Iterator[File]:
    """The file, here or at an address. Raises SourceError where that cannot be had."""
    if not is_remote(path):
        with open(path, "rb") as file:
            yield file
        return
    if not is_web(path):
        with io.BufferedReader(FsspecFile(path)) as stored:  # read by it, a piece is never short
            yield stored
        return
    with closing(RemoteFile(client_of(source, path), path)) as remote:
        try:
            yield remote
        except DownloadError as error:
            raise SourceError(f"source {source.name}: {error}") from None


class RemoteFile:
    """A file at an address, which is read while it comes. Raises DownloadError.

    A place that it has passed is found among the last bytes held, or is asked for anew.
    """

    def __init__(self, client: Client, address: str):
        self.client, self.address = client, address
        self.place = 0  # of what is read next
        self.held, self.held_from = b"", 0
        self.coming: Generator[bytes] | None = None
        self.version = ""
        self.is_whole = False  # whether all that follows what is held is nothing

    def tell(self) -> int:
        return self.place

    def seek(self, place: int, /) -> int:
        self.place = place
        if not self.held_from <= place <= self.held_from + len(self.held):
            self.close()
            self.held, self.held_from, self.is_whole = b"", place, False
        return place

    def read(self, size: int, /) -> bytes:
        """As many bytes, less at the end alone."""
        pieces = []
        while size:
            start = self.place - self.held_from
            piece = self.held[start : start + size]
            if not piece:
                if self.is_whole:
                    break
                self._hold_more()
                continue
            pieces.append(piece)
            self.place += len(piece)
            size -= len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        if self.coming is not None:
            self.coming.close()
        self.coming = None

    def _hold_more(self) -> None:
        """Hold the next block, and the one before it."""
        dropped = max(0, len(self.held) - BLOCK_BYTES)
        self.held, self.held_from = self.held[dropped:], self.held_from + dropped
        end = self.held_from + len(self.held)
        block = bytearray()
        self.client.retried(self.address, partial(self._ask, end, block))
        self.held += block
        self.is_whole = len(block) < BLOCK_BYTES
        if end + len(block) > self.client.settings.max_bytes:
            limit = self.client.settings.max_bytes
            raise DownloadError(f"{self.address}: expected at most {limit} bytes")

    def _ask(self, start: int, block: bytearray) -> None:
        """Fill the block, of which an earlier attempt may have had some. Raises AgainError."""
        before = len(block)
        if self.coming is None:
            self.coming = self._stream(start + before)
        try:
            while len(block) < BLOCK_BYTES and (chunk := next(self.coming, b"")):
                block += chunk
        except AgainError as again:
            self.coming = None
            again.gained = len(block) - before
            raise

    def _stream(self, start: int) -> Generator[bytes]:
        """The file's bytes from there on."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self.client.opened(self.address, headers) as response:
            if response.status_code == 416:  # there is nothing from there on
                return
            skipped = start if response.status_code == 200 else 0  # it knows of no ranges
            if response.status_code == 206:
                sent = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
                if sent is None or int(sent[1]) != start:
                    raise AgainError("another part than the one asked for")
            self._check_version(response)
            for chunk in self.client.chunks(response):
                if len(chunk) > skipped:
                    yield chunk[skipped:]
                skipped = max(0, skipped - len(chunk))

    def _check_version(self, response: requests.Response) -> None:
        """Raise DownloadError for a file that is not the one that was begun."""
        given = response.headers
        version = given.get("ETag") or given.get("Last-Modified") or self.version
        self.version = self.version or version
        if version != self.version:
            raise DownloadError(f"{self.address}: it has changed while it was read")
