"""Where a crawl's files are: on this machine, at an address, or in a list of addresses.

A file at an address is read in bounded memory while it arrives. If the connection breaks off, the
reader requests the rest.
"""

import io
import re
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache, partial
from urllib.parse import quote, urljoin

import requests

from pipeline.settings.sources import CommonCrawlIndexSource, CommonCrawlSource
from pipeline.settings.values import is_remote
from pipeline.settings.whole import DownloadSettings
from pipeline.sources.candidate import SourceError
from pipeline.sources.charsets import MARKS
from pipeline.sources.crawl.records import File
from pipeline.sources.place import FsspecFile
from pipeline.sources.ranged import BACKOFF_S, is_web
from pipeline.web.client import AgainError, Client, DownloadError
from queries.tables.errors import InputError

LISTS = (".paths", ".paths.gz")
MOST_LIST_BYTES = 64 << 20  # unpacked; a crawl has 100,000 files
BLOCK_BYTES = 1 << 20  # of one request; memory holds this block and the one before
CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15}|\*)", re.ASCII)
COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
LINE = re.compile(r"[\x21-\x7e]{1,2000}")
NAME = re.compile(r"[^\x00-\x1f\x7f\\?#%*\[\]]{1,2000}")  # nothing that a server or store resolves
SAFE = "/!$&'()+,;=:@~"  # of a URL's path (RFC 3986, 3.3)

CrawlSource = CommonCrawlSource | CommonCrawlIndexSource


@lru_cache(8)
def files(source: CrawlSource) -> tuple[str, ...]:
    """The paths and addresses of the source's files, in order; its lists are read.

    Raises SourceError. A process reads each list once: it could change between two readings.
    """
    files: list[str] = []
    for path in source.paths:
        if is_web(path):
            client_of(source, path)
        files += _listed(source, path) if path.endswith(LISTS) else [path]
    return tuple(files)


def crawl_client(source: CrawlSource, keeps: bool = False) -> Client:
    """The client that requests the source's files."""
    settings = DownloadSettings(contact=source.contact, backoff_s=BACKOFF_S)
    return Client(settings, contact_key="contact", keeps=keeps)


def client_of(source: CrawlSource, address: str) -> Client:
    """The same. Raises SourceError for an address that it may not ask."""
    client = crawl_client(source)
    try:
        client.admit(address)
    except InputError as error:
        raise SourceError(f"source {source.name}: {error}") from None
    return client


def _listed(source: CrawlSource, path: str) -> list[str]:
    """The addresses that a list names; only its first `most_files`, where the source sets it."""
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
        lines = _paths(content)
    except (zlib.error, ValueError) as error:
        raise SourceError(f"source {source.name}: {path}: expected a list: {error}") from None
    lines = lines[: source.most_files or None]
    if bad := next((line for line in lines if not LINE.fullmatch(line)), None):
        raise SourceError(f"source {source.name}: {path}: expected paths, got {bad[:80]!r}")
    if not lines:
        raise SourceError(f"source {source.name}: {path}: names no file")
    if not is_web(source.base):
        return [_below(source, path, line) for line in lines]
    addresses = [urljoin(source.base, line) for line in lines]
    for address in addresses:
        client_of(source, address)
    return addresses


def _paths(content: bytes) -> list[str]:
    """The words of a list, without its byte order mark and what stands behind a #.

    >>> _paths("\\ufeff# für Juni\\na.warc.gz  # the first\\r\\n".encode())
    ['a.warc.gz']
    """
    mark, charset = next((pair for pair in MARKS.items() if content.startswith(pair[0])), (b"", ""))
    lines = content[len(mark) :].decode(charset or "utf-8").splitlines()
    return [word for line in lines for word in COMMENT.sub("", line).split()]


def _below(source: CrawlSource, path: str, line: str) -> str:
    try:
        return below(source.base, line)
    except ValueError as error:
        raise SourceError(f"source {source.name}: {path}: {error}") from None


def below(base: str, name: str) -> str:
    """The path or address of a file that an index or a list names below a base.

    Raises ValueError for a name that leads elsewhere: both may be a stranger's.

    >>> below("s3://commoncrawl/", "crawl-data/a.warc.gz"), below("https://x.org/cc", "a b.warc")
    ('s3://commoncrawl/crawl-data/a.warc.gz', 'https://x.org/cc/a%20b.warc')
    """
    steps = name.split("/")
    if not NAME.fullmatch(name) or not {"", ".", ".."}.isdisjoint(steps) or ":" in steps[0]:
        raise ValueError(f"expected the name of a file below {base}, got {name[:80]!r}")
    return f"{base.rstrip('/')}/{quote(name, safe=SAFE) if is_web(base) else name}"


@contextmanager
def opened(source: CrawlSource, path: str) -> Iterator[File]:
    """The file, here or at an address. Raises SourceError where the address fails."""
    if not is_remote(path):
        with open(path, "rb") as file:
            yield file
        return
    if not is_web(path):
        with io.BufferedReader(FsspecFile(path)) as stored:  # reads whole pieces
            yield stored
        return
    with closing(RemoteFile(client_of(source, path), path)) as remote:
        try:
            yield remote
        except DownloadError as error:
            raise SourceError(f"source {source.name}: {error}") from None


class RemoteFile:
    """A file at an address, which is read while it arrives. Raises DownloadError.

    A seek backwards reads from the bytes held in memory, or sends a new request.
    """

    def __init__(self, client: Client, address: str):
        self.client, self.address = client, address
        self.place = 0  # of the next byte to read
        self.held, self.held_from = b"", 0
        self.coming: Generator[bytes] | None = None
        self.version = ""
        self.size: int | None = None  # of the file, once the server has told it
        self.is_whole = False  # whether the file ends with the bytes held

    def tell(self) -> int:
        return self.place

    def seek(self, place: int, whence: int = 0, /) -> int:
        """Go to a place, which is counted from the end if `whence` is 2."""
        if whence == 2:
            if self.size is None:
                raise DownloadError(f"{self.address}: expected a server that tells the length")
            place += self.size
        self.place = place
        if not self.held_from <= place <= self.held_from + len(self.held):
            self.close()
            self.held, self.held_from, self.is_whole = b"", place, False
        return place

    def read(self, size: int, /) -> bytes:
        """`size` bytes, fewer only at the end of the file."""
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
        """Fill the block, which may hold bytes of an earlier attempt. Raises AgainError."""
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
        """The file's bytes from `start` on."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self.client.opened(self.address, headers) as response:
            if response.status_code == 416:  # the file has no more bytes
                return
            skipped = start if response.status_code == 200 else 0  # the server ignores ranges
            total = (
                response.headers.get("Content-Length", "") if response.status_code == 200 else ""
            )
            if response.status_code == 206:
                sent = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
                if sent is None or int(sent[1]) != start:
                    raise AgainError("another part than the one asked for")
                total = sent[2]
            self.size = int(total) if total.isdecimal() else self.size
            self._check_version(response)
            for chunk in self.client.chunks(response):
                if len(chunk) > skipped:
                    yield chunk[skipped:]
                skipped = max(0, skipped - len(chunk))

    def _check_version(self, response: requests.Response) -> None:
        """Raise DownloadError for a file that has changed since its first bytes."""
        headers = response.headers
        version = headers.get("ETag") or headers.get("Last-Modified") or self.version
        self.version = self.version or version
        if version != self.version:
            raise DownloadError(f"{self.address}: it has changed while it was read")
