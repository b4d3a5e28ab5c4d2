"""The sample's server: `python -m pipeline.sources.sample.server FD`, FD a listening socket.

GET /openmoji/1F63D.png draws that picture, 256 pixels wide, on white; other first words answer
with the same picture in one of the ways in which the web fails. A path always gets the same answer.
Some say no to training: by a header, robots.txt, tdmrep.json, or in the picture's XMP.
The server prints `ready` when it answers, and ends when its standard input closes.
"""

import os
import select
import socket
import sys
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import resvg_py

from pipeline.sources.sample.pictures import pictures

WIDTH = 256
SLOW_S = 900  # longer than any timeout_s that the settings allow
PAGE = b"<!doctype html><title>Gone</title><p>This picture has moved.</p>"
PIXEL = (  # a 1 x 1 gif, as trackers use it
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,"
    b"\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
ROBOTS = b"""User-agent: *
Content-Signal: /signal/ ai-train=no
Allow: /

User-agent: GPTBot
Disallow: /crawler/
"""
TDMREP = b'[{"location": "/reserved/*", "tdm-reservation": 1}]'
OF_HOST = {"/robots.txt": ROBOTS, "/.well-known/tdmrep.json": TDMREP}
HEADERS = {"noai": {"X_Robots_Tag": "noai"}, "usage": {"Content_Usage": "train-ai=n"}}
XMP = (  # plus:DataMining of IPTC's Photo Metadata Standard 2023.1
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
    b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" plus:DataMining='
    b'"http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED"/></rdf:RDF></x:xmpmeta>'
)
IHDR_END = 33  # of a PNG: its signature and first chunk


def draw(file: Path, width: int) -> bytes:
    """An SVG as a PNG of that width on white; about 1.5 ms at 256."""
    return bytes(
        resvg_py.svg_to_bytes(
            svg_path=str(file), width=width, skip_system_fonts=True, background="#ffffff"
        )
    )


def with_xmp(png: bytes) -> bytes:
    """The PNG with a chunk of XMP that prohibits data mining."""
    chunk = b"iTXtXML:com.adobe.xmp" + bytes(5) + XMP
    length, checksum = len(chunk) - 4, zlib.crc32(chunk)
    chunk = length.to_bytes(4, "big") + chunk + checksum.to_bytes(4, "big")
    return png[:IHDR_END] + chunk + png[IHDR_END:]


class Handler(BaseHTTPRequestHandler):
    files: ClassVar = {picture.code: picture.file for picture in pictures()}

    def log_message(self, *_: object) -> None:
        """Print nothing: the fetch log has the result of each request."""

    def do_GET(self) -> None:
        kind, _, name = self.path.strip("/").partition("/")
        file = self.files.get(name.removesuffix(".png"))
        if self.path in OF_HOST:
            self.answer(OF_HOST[self.path], "text/plain")
        elif file is None or kind == "missing":
            self.send_error(404)
        elif kind == "error":
            self.send_error(500)
        elif kind == "slow":  # until the client gives up
            select.select([self.connection], [], [], SLOW_S)
        elif kind == "moved":
            self.answer(b"", "text/plain", 301, Location=f"/openmoji/{name}")
        elif kind == "page":
            self.answer(PAGE, "text/html")
        elif kind == "pixel":
            self.answer(PIXEL, "image/gif")
        elif kind == "truncated":
            drawn = draw(file, WIDTH)
            self.answer(drawn[: len(drawn) // 8], "image/png")
        elif kind == "xmp":
            self.answer(with_xmp(draw(file, WIDTH)), "image/png")
        else:
            self.answer(draw(file, WIDTH), "image/png", 200, **HEADERS.get(kind, {}))

    def answer(self, body: bytes, kind: str, code: int = 200, **headers: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Ignore clients that hang up: this is no fault of the server."""


def end_with_input() -> None:
    os.read(sys.stdin.fileno(), 1)  # blocks until the parent is gone
    os._exit(0)


def main() -> None:
    threading.Thread(target=end_with_input, daemon=True).start()
    server = Server(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=int(sys.argv[1]))
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
