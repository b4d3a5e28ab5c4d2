"""A real HTTP server on loopback with good and bad answers: tests and benchmarks fetch from it.

    with ImageServer() as server:
        server.url("/picture/7.png")  # each number has its own picture

The first word of a path chooses the answer; the rest makes the URL unique.
"""

import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image

from tests.processes import WAIT_S

PIXEL = (  # a 1 x 1 gif
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,"
    b"\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
STATUSES = {"404": 404, "410": 410, "401": 401, "403": 403, "451": 451, "500": 500, "429": 429}


def picture(seed: int, width: int = 96, height: int = 64, mode: str = "RGB") -> bytes:
    """A PNG of soft coloured noise, another one for every seed."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    drawn = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    drawn.convert(mode).save(out, "PNG")
    return out.getvalue()


class Handler(BaseHTTPRequestHandler):
    server: "ImageServer"

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        self.server.agents.append(self.headers["User-Agent"])
        self.server.paths.append(self.path)
        self.server.answering.wait()
        kind, _, rest = self.path.strip("/").partition("/")
        number = int("".join(filter(str.isdigit, rest)) or 0)
        if kind in STATUSES and kind not in self.server.mended:
            self.send_error(STATUSES[kind])
        elif kind == "slow":
            self.server.closing.wait(WAIT_S)
        elif kind == "reset":
            self.connection.close()
        elif kind == "redirect":
            self.answer(b"", code=302, header=("Location", f"/picture/{number}.png"))
        elif kind == "loop":
            self.answer(b"", code=302, header=("Location", self.path))
        elif kind == "noai":
            self.answer(picture(number), header=("X-Robots-Tag", "noai"))
        elif kind == "short":
            self.answer(picture(number), header=("Content-Length", "100000"))
        elif kind == "many_headers":
            self.answer(picture(number), more=150)
        else:
            self.answer(self.body(kind, number))

    def body(self, kind: str, number: int) -> bytes:
        match kind:
            case "html":
                return b"<html><body>No picture here.</body></html>"
            case "empty":
                return b""
            case "pixel":
                return PIXEL
            case "truncated":
                return picture(number)[:200]
            case "gray":
                return picture(number, mode="L")
            case "large":
                return picture(number, width=900, height=600)
            case "wide":
                return picture(number, width=900, height=20)
            case "alpha":
                return picture(number, mode="RGBA")
            case _:
                return picture(number)

    def answer(
        self, body: bytes, code: int = 200, header: tuple[str, str] | None = None, more: int = 0
    ) -> None:
        self.send_response(code)
        if header:
            self.send_header(*header)
        if not header or header[0] != "Content-Length":
            self.send_header("Content-Length", str(len(body)))
        for n in range(more):
            self.send_header(f"X-{n}", "more")
        self.end_headers()
        self.wfile.write(body)


class ImageServer(ThreadingHTTPServer):
    """The server, in threads of this process, on a free port."""

    daemon_threads = True
    request_queue_size = 512  # 5 would make the sixth of 64 threads wait a second for its SYN

    def __init__(self, port: int = 0, handler: type[Handler] = Handler) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.agents: list[str] = []
        self.paths: list[str] = []  # that were asked for, in order
        self.mended: set[str] = set()  # kinds of error that are none any more
        self.answering = threading.Event()  # cleared: requests wait for it
        self.answering.set()
        self.closing = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def __enter__(self) -> "ImageServer":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.answering.set()
        self.shutdown()
        self.server_close()
