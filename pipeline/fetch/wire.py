"""One HTTP exchange on one connection, bounded in time and in bytes.

http.client parses. Here its reads get a deadline, its heads and bodies a bound, and its errors a
reason of queries/tables/reasons.py.
"""

import http.client
import io
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache

import certifi

from pipeline.fetch.blame import UnreachedError, blamed, raise_shortage
from pipeline.web.manners import user_agent
from pipeline.web.url import Target

CONNECT_S = 5.0  # for one address; a slower server counts as unreachable
MAX_HEAD_BYTES = 1 << 16  # http.client allows 100 lines of 64 KiB, and interim answers without end
CHUNK_BYTES = 1 << 16
LARGE_BODY = 1 << 20  # bytes from which a body needs one of the few places for large ones
# X509_V_ERR_… of <openssl/x509_vfy.h>
VERIFY_REASONS = {9: "tls_expired", 10: "tls_expired", 62: "tls_wrong_name", 64: "tls_wrong_name"}


class AttemptError(Exception):
    """An attempt that failed, with its reason; `final` if another attempt would fail, too."""

    def __init__(
        self, reason: str, message: str = "", wait_s: float | None = None, final: bool = False
    ):
        super().__init__(message or reason)
        self.reason, self.wait_s, self.final = reason, wait_s, final


class Clock:
    """The seconds that an attempt has left."""

    def __init__(self, seconds: float):
        self._end = time.monotonic() + seconds

    def left_s(self) -> float:
        """More than 0; raises TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock while this process, and no server, makes the attempt wait."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._end += time.monotonic() - started


@contextmanager
def named_failures() -> Iterator[None]:
    """Turn the errors of a connection into an AttemptError with its reason, or a ShortageError."""
    try:
        yield
    except TimeoutError:
        raise AttemptError("timeout", "the deadline has passed") from None
    except http.client.LineTooLong as error:
        raise AttemptError("headers_too_large", str(error)) from None
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise_shortage(error)
        many = "got more than" in str(error)  # http.client has no class for too many headers
        reason = "headers_too_large" if many else "connection_error"
        raise AttemptError(reason, f"{type(error).__name__}: {error}"[:200]) from None


def connect(addresses: list[str], port: int, clock: Clock) -> socket.socket:
    """A connection to the first address that answers.

    Raises ShortageError, or the UnreachedError of the first address: of IPv4 if there is one, as
    this machine may have no IPv6.
    """
    failures: list[tuple[bool, UnreachedError]] = []
    for n, address in enumerate(addresses, 1):
        try:
            left_s = clock.left_s() / (len(addresses) - n + 1)
            return socket.create_connection((address, port), min(CONNECT_S, left_s))
        except OSError as error:
            failures.append((":" in address, blamed(error, address)))
    raise min(failures, key=lambda failure: failure[0])[1]


@contextmanager
def encrypted(
    plain: socket.socket, host: str, ca_file: str | None, clock: Clock
) -> Iterator[socket.socket]:
    """The connection in TLS, once the certificate is found to be the host's."""
    plain.settimeout(clock.left_s())  # for the whole handshake
    try:
        connection = tls_context(ca_file).wrap_socket(plain, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        reason = VERIFY_REASONS.get(error.verify_code, "tls_untrusted")
        raise AttemptError(reason, error.verify_message) from None
    except ssl.SSLError as error:
        raise AttemptError("tls_error", str(error)) from None
    with connection:
        yield connection


def request(target: Target, contact: str) -> bytes:
    """The bytes of a GET request for the target, which asks for no compression."""
    lines = (
        f"GET {target.path} HTTP/1.1",
        f"Host: {target.authority}",
        f"User-Agent: {user_agent(contact)}",
        "Accept: image/*,*/*;q=0.8",
        "Accept-Encoding: identity",
        "Connection: close",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


class Wire(io.RawIOBase):
    """What a server sends: each read times out at the attempt's deadline, and the head is bounded.

    With a fixed timeout for each read, one byte a second would extend an attempt without end.
    """

    def __init__(self, connection: socket.socket, clock: Clock):
        self._connection, self._clock = connection, clock
        self._head_bytes = 0
        self.in_head = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        if self.in_head and self._head_bytes > MAX_HEAD_BYTES:
            raise http.client.LineTooLong("headers")
        self._connection.settimeout(self._clock.left_s())
        n_bytes = self._connection.recv_into(buffer)
        self._head_bytes += n_bytes
        return n_bytes

    def makefile(self, _mode: str) -> io.BufferedReader:
        """For http.client, which takes this for the socket."""
        return io.BufferedReader(self, CHUNK_BYTES)


@contextmanager
def response(wire: Wire) -> Iterator[http.client.HTTPResponse]:
    """The final answer's status and headers, read."""
    reader = wire.makefile("rb")

    class Source:
        def makefile(self, _mode: str) -> io.BufferedReader:
            return reader

    while True:
        answer = http.client.HTTPResponse(Source(), method="GET")  # type: ignore[arg-type]
        answer.begin()
        if answer.status >= 200:
            break
        answer.fp = None  # type: ignore[assignment]  # or its end would close the reader
    wire.in_head = False
    with answer:
        yield answer


def read_body(
    response: http.client.HTTPResponse,
    max_bytes: int,
    cut: bool,
    take_room: Callable[[], object] = lambda: None,
) -> bytes:
    """The body, unpacked; one too long is refused, or cut off there.

    `take_room` is called once, when more than LARGE_BODY bytes have come. Raises AttemptError.
    """
    if not cut and (response.length or 0) > max_bytes:
        raise AttemptError("too_large", f"{response.length} bytes announced")
    unpack, n_sent, n_bytes, small = _unpacker(response.headers), 0, 0, True
    parts: list[bytes] = []
    while n_sent <= max_bytes and n_bytes <= max_bytes:
        chunk = response.read1(CHUNK_BYTES)
        if not chunk:
            if response.length:
                raise AttemptError("connection_error", f"{response.length} bytes are missing")
            if not unpack.whole:
                raise AttemptError("connection_error", "the packed body is cut off")
            return b"".join(parts)
        n_sent += len(chunk)
        for part in unpack(chunk):
            parts.append(part)
            n_bytes += len(part)
            if small and n_bytes > LARGE_BODY:
                small = False
                take_room()
            if n_bytes > max_bytes:
                break
    if cut:
        return b"".join(parts)[:max_bytes]
    raise AttemptError("too_large", f"more than {max_bytes} bytes")


class _Plain:
    """A body that is not packed."""

    whole = True

    def __call__(self, chunk: bytes) -> Iterable[bytes]:
        return (chunk,)


class _Inflate:
    """A body in gzip or deflate; some servers only say so, and send it as it is."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # of either kind
        self._started, self._packed = False, True

    @property
    def whole(self) -> bool:
        return self._inflate.eof or not (self._started and self._packed)

    def __call__(self, chunk: bytes) -> Iterator[bytes]:
        """In small parts, so that a reader can stop: a chunk can unpack to 1,000 times its size."""
        if not self._started:
            self._started, self._packed = True, chunk[0] in (0x1F, 0x78, 0x58, 0x38, 0x18)
        if not self._packed:
            yield chunk
            return
        full = True
        while (chunk or full) and not self._inflate.eof:  # zlib would hoard what follows the end
            try:
                part = self._inflate.decompress(chunk, CHUNK_BYTES)
            except zlib.error as error:
                raise AttemptError("bad_encoding", str(error)) from None
            chunk, full = self._inflate.unconsumed_tail, len(part) == CHUNK_BYTES
            yield part


def _unpacker(headers: http.client.HTTPMessage) -> "_Plain | _Inflate":
    """By Content-Encoding; words such as utf-8 are mistakes of servers and are ignored."""
    named = ",".join(headers.get_all("Content-Encoding", [])).lower()
    encodings = {word.strip() for word in named.split(",")}
    if encodings & {"br", "zstd", "compress", "x-compress", "dcb", "dcz"}:
        raise AttemptError("bad_encoding", named[:200])
    return _Inflate() if encodings & {"gzip", "x-gzip", "deflate"} else _Plain()


@lru_cache
def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Trusts Mozilla's list, the system's certificates and the file; takes 20 ms to make."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context
