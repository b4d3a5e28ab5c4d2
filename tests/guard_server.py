"""A real server on loopback with the bad answers of hostile servers: tests of the guard use it.

    with GuardServer() as server:
        server.url("/picture/7")  # a good answer

A path's first word chooses the answer, the second is its value. It counts
connections and requests.
"""

import contextlib
import gzip
import random
import socket
import socketserver
import ssl
import struct
import threading
import zlib
from typing import NamedTuple
from urllib.parse import unquote

from tests.processes import WAIT_S

BODY = b"picture"
LARGE = random.Random(0).randbytes(1_000_000) + bytes(1_500_000)
CHUNK = b"\0" * 65_536


class Asked(NamedTuple):
    path: str
    headers: dict[str, str]


class Handler(socketserver.BaseRequestHandler):
    server: "GuardServer"
    request: socket.socket

    def handle(self) -> None:
        self.server.connections.append(self.client_address)
        with contextlib.suppress(OSError):  # the client went away, or dislikes the certificate
            if self.server.tls:
                self.request = self.server.tls.wrap_socket(self.request, server_side=True)
            self.answer()
        with contextlib.suppress(OSError):
            self.request.close()

    def answer(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (came := self.request.recv(65_536)):
                return
            head += came
        first, *lines = head.decode("latin-1").split("\r\n")
        path = first.split(" ")[1]
        headers = dict(line.split(": ", 1) for line in lines if line)
        self.server.asked.append(Asked(path, headers))
        if path == "/robots.txt":
            self.robots()
            return
        if path == "/.well-known/tdmrep.json":
            found = self.server.tdmrep
            self.send(status="200 OK" if found else "404 Not Found", body=found.encode())
            return
        _, kind, value, *_ = [*path.partition("?")[0].split("/", 2), ""]
        getattr(self, kind)(unquote(value))

    def send(self, *lines: str, status: str = "200 OK", body: bytes = BODY) -> None:
        """An answer; without a length of its own it gets the body's."""
        if not any(line.startswith(("Content-Length", "Transfer-Encoding")) for line in lines):
            lines = (*lines, f"Content-Length: {len(body)}")
        head = "\r\n".join((f"HTTP/1.1 {status}", *lines, "", ""))
        self.request.sendall(head.encode() + body)

    def for_ever(self, data: bytes, pause_s: float = 0.0) -> None:
        while not self.server.closing.wait(pause_s):
            self.request.sendall(data)

    def robots(self) -> None:
        robots = self.server.robots
        if isinstance(robots, int):
            self.send(status=f"{robots} Status", body=b"")
        elif robots.startswith("/"):
            getattr(self, robots[1:])("")
        else:
            # such a header is common on a robots.txt, and says only that it is no page
            self.send("X-Robots-Tag: noindex", body=robots.encode())

    def header(self, line: str) -> None:
        """A picture with this line in its head."""
        self.send(*line.split("\n"))

    def body(self, name: str) -> None:
        self.send(body=self.server.bodies[name])

    def picture(self, _: str) -> None:
        self.send("Content-Type: image/png")

    def large(self, n_bytes: str) -> None:
        self.send(body=bytes(int(n_bytes)))

    def status(self, code: str) -> None:
        self.send(status=f"{code} Status", body=b"" if code == "204" else BODY)

    def later(self, value: str) -> None:
        """A status and a wait, the first time; well after that."""
        code, wait_s = value.split("-")
        if sum(one.path.startswith("/later") for one in self.server.asked) > 1:
            self.picture("")
        else:
            self.send(f"Retry-After: {wait_s}", status=f"{code} Status")

    def drip(self, _: str) -> None:
        self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        self.for_ever(b".", 0.05)

    def drip_head(self, _: str) -> None:
        self.request.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        self.for_ever(b".", 0.05)

    def silent(self, _: str) -> None:
        self.server.closing.wait(WAIT_S)

    def endless(self, _: str) -> None:
        self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        self.for_ever(CHUNK)

    def endless_chunks(self, _: str) -> None:
        self.request.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.for_ever(b"10000\r\n" + CHUNK + b"\r\n")

    def chunked(self, end: str) -> None:
        body = b"7\r\npicture\r\n" + (b"0\r\n\r\n" if end == "whole" else b"")
        self.send("Transfer-Encoding: chunked", body=body)

    def announced(self, n_bytes: str) -> None:
        """A length that is not the body's."""
        self.send(f"Content-Length: {n_bytes}")

    def without_length(self, _: str) -> None:
        self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + BODY)

    def many_headers(self, n: str) -> None:
        self.send(*(f"X-{one}: more" for one in range(int(n))))

    def long_headers(self, n: str) -> None:
        self.send(*(f"X-{one}: {'x' * 60_000}" for one in range(int(n))))

    def interim(self, code: str) -> None:
        self.request.sendall(f"HTTP/1.1 {code} Wait\r\nLink: </a>\r\n\r\n".encode())
        self.picture("")

    def interims(self, _: str) -> None:
        self.for_ever(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    def no_http(self, _: str) -> None:
        self.request.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

    def reset(self, _: str) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def to(self, location: str) -> None:
        self.send(f"Location: {location}", status="302 Found")

    def to_late(self, location: str) -> None:
        self.server.closing.wait(1.5)
        self.to(location)

    def loop(self, _: str) -> None:
        self.to("/loop")

    def bounce(self, n: str) -> None:
        self.to(f"/bounce/{int(n) - 1}" if int(n) > 1 else "/picture")

    def bounce_body(self, _: str) -> None:
        """A redirect whose own body never ends."""
        self.request.sendall(b"HTTP/1.1 302 Found\r\nLocation: /picture\r\n\r\n")
        self.for_ever(CHUNK)

    def nowhere(self, _: str) -> None:
        self.send(status="302 Found")

    def packed(self, encoding: str) -> None:
        self.send(f"Content-Encoding: {encoding}", body=gzip.compress(BODY, mtime=0))

    def packed_large(self, encoding: str) -> None:
        body = (zlib if encoding == "deflate" else gzip).compress(LARGE, 1)
        self.send(f"Content-Encoding: {encoding}", body=body + b"what follows the end")

    def packed_half(self, _: str) -> None:
        self.send("Content-Encoding: gzip", body=gzip.compress(BODY, mtime=0)[:-9])

    def packed_badly(self, _: str) -> None:
        self.send("Content-Encoding: gzip", body=b"\x1f\x8b nonsense")

    def unpacked(self, encoding: str) -> None:
        """A body that is only said to be packed."""
        self.send(f"Content-Encoding: {encoding}")

    def bomb(self, _: str) -> None:
        self.send("Content-Encoding: gzip", body=gzip.compress(bytes(100_000_000), 1, mtime=0))

    def tag(self, value: str) -> None:
        self.send(f"X-Robots-Tag: {value}")

    def tdm(self, value: str) -> None:
        self.send(f"TDM-Reservation: {value}")


class GuardServer(socketserver.ThreadingTCPServer):
    """The server, in threads of this process. `robots` is a text, a status, or `/KIND` above."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 512

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__((host, port), Handler)
        self.host, self.port = self.server_address[:2]
        self.tls = tls
        self.robots: str | int = 404
        self.tdmrep = ""  # none
        self.bodies: dict[str, bytes] = {}
        self.asked: list[Asked] = []
        self.connections: list[object] = []
        self.closing = threading.Event()

    def url(self, path: str, host: str | None = None) -> str:
        return f"{'https' if self.tls else 'http'}://{host or self.host}:{self.port}{path}"

    def handle_error(self, *_: object) -> None:
        """Silence: clients of these tests go away in the middle."""

    def __enter__(self) -> "GuardServer":
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()
