"""A real HTTP server on loopback whose answers can fail: tests download from it.

    with DownloadServer() as server:
        server.put("/a.bin", b"...", "drop 1000", "status 503")  # then the whole file

The moves of a file are the faults of its first requests, one each.
"""

import re
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


@dataclass
class Served:
    """A file and what its server says of it."""

    body: bytes
    moves: list[str]
    etag: str = '"1"'
    modified: str = ""
    ranges: bool = True


class Asked(NamedTuple):
    """What a request asked for."""

    path: str
    range: str | None
    if_range: str | None
    agent: str | None


class Handler(BaseHTTPRequestHandler):
    server: "DownloadServer"

    def log_message(self, *_: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        self.server.enter()
        asked = [self.headers[name] for name in ("Range", "If-Range", "User-Agent")]
        self.server.asked.append(Asked(self.path, *asked))
        file = self.server.files.get(self.path)
        move = file.moves.pop(0) if file and file.moves else "send"
        with suppress(OSError):  # the client went away
            if file is None:
                self.refuse(404, [])
            else:
                self.make(file, *move.split(" ", 1))

    def make(self, file: Served, move: str, value: str = "") -> None:
        match move:
            case "send":
                self.send(file)
            case "drop":  # the connection, after so many bytes
                self.send(file, breaks_after=int(value))
            case "corrupt":
                self.send(file, body=b"!" + file.body[1:])
            case "status":  # and what Retry-After says
                status, _, wait = value.partition(" ")
                self.refuse(int(status), [("Retry-After", wait)] if wait else [])
            case "redirect":
                self.refuse(302, [("Location", value)])
            case "whole":  # as a server does that knows of no ranges
                self.send(file, whole=True)
            case "short":  # a range of so many bytes, whatever was asked for
                self.send(file, most=int(value))
            case "range":  # another one than asked for
                self.answer(206, [("Content-Range", value), ("Content-Length", "1")])
                self.finish_with(b"!")
            case "chunked":
                self.chunked(file)
            case "endless":
                self.endless(200, [])
            case "endless_redirect":
                self.endless(302, [("Location", value)])
            case "drip":
                self.drip()
            case "silent":
                self.server.closing.wait(30)
            case _:
                raise ValueError(move)

    def send(
        self,
        file: Served,
        breaks_after: int | None = None,
        body: bytes = b"",
        whole: bool = False,
        most: int = 1 << 60,
    ) -> None:
        body = body or file.body
        span = None if whole else self.span(file, len(body))
        start, stop = span or (0, len(body))
        stop = min(stop, start + most)
        if span and start >= len(body):
            self.refuse(416, [("Content-Range", f"bytes */{len(body)}")])
            return
        more = [("Content-Length", str(stop - start))]
        more += [("ETag", file.etag)] * bool(file.etag)
        more += [("Last-Modified", file.modified)] * bool(file.modified)
        if span:
            more.append(("Content-Range", f"bytes {start}-{stop - 1}/{len(body)}"))
        self.answer(206 if span else 200, more)
        self.finish_with(body[start:stop][:breaks_after])

    def span(self, file: Served, size: int) -> tuple[int, int] | None:
        """(first byte, the byte behind the last) of a Range that is to be answered.

        If-Range names this version, or none. A Range of the whole file is answered without one.
        """
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers["Range"] or "")
        if_range = self.headers["If-Range"]
        same = if_range in (None, file.modified) or (if_range == file.etag and if_range[0] == '"')
        if not found or not file.ranges or not same or found[0] == "bytes=0-":
            return None
        if not found[1]:
            return max(0, size - int(found[2])), size
        return int(found[1]), min(size, int(found[2]) + 1) if found[2] else size

    def refuse(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.server.leave()
        self.answer(status, [*headers, ("Content-Length", "0")])

    def drip(self) -> None:
        self.answer(200, [("Content-Length", "1000000")])
        while not self.server.closing.wait(0.01):
            self.wfile.write(b"x")

    def endless(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.answer(status, headers)
        while not self.server.closing.is_set():
            self.wfile.write(b"x" * 100_000)

    def chunked(self, file: Served) -> None:
        self.protocol_version = "HTTP/1.1"
        self.answer(200, [("Transfer-Encoding", "chunked"), ("Connection", "close")])
        pieces = [file.body[n : n + 1000] for n in range(0, len(file.body), 1000)]
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.finish_with(b"0\r\n\r\n")

    def answer(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.send_response(status)
        for header in headers:
            self.send_header(*header)
        self.end_headers()

    def finish_with(self, body: bytes) -> None:
        """Send a body. The request is over before the client can know: no count is too high."""
        self.wfile.write(body[:-1])
        self.server.meet()
        self.server.leave()
        self.server.sent[self.path] += len(body)
        self.wfile.write(body[-1:])


class DownloadServer(ThreadingHTTPServer):
    """Serves until the end of the `with` block, on a port of the system's choice."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, Served] = {}
        self.asked: list[Asked] = []
        self.sent: Counter[str] = Counter()  # bytes of bodies by path
        self.at_once = self.most_at_once = 0
        self.meeting: threading.Barrier | None = None  # if set, requests wait for another
        self.lock, self.closing = threading.Lock(), threading.Event()

    def put(self, path: str, body: bytes, *moves: str, **said: object) -> str:
        """Serve a file; returns its address."""
        self.files[path] = Served(body, list(moves), **said)
        return self.url(path)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def ranges(self) -> list[str | None]:
        return [one.range for one in self.asked]

    def enter(self) -> None:
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)

    def leave(self) -> None:
        with self.lock:
            self.at_once -= 1

    def meet(self) -> None:
        if self.meeting:
            with suppress(threading.BrokenBarrierError):
                self.meeting.wait(5)

    def __enter__(self) -> "DownloadServer":
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()
