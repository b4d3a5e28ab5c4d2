"""A TCP proxy on loopback that throttles, and cuts connections in the middle of a transfer.

    with CuttingProxy(("127.0.0.1", 9000), seed=7, share=0.2) as proxy:
        proxy.address  # connect here instead

A share of the requests, chosen by the seed, is cut off with a reset: in the middle of the request
or of the answer. The client cannot know how many bytes arrived.
"""

import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import suppress

CHUNK = 4_096
ANSWER = 2_000  # bytes of an answer within which it is cut, if it is so long
REQUEST = re.compile(rb"(GET|PUT|HEAD|POST|DELETE) ")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
NONE = re.compile("(?!)")
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close by a reset


class CuttingProxy:
    """Passes connections on; `cuts` counts those that it cut, `requests` all by their method."""

    def __init__(
        self,
        to: tuple[str, int],
        seed: int = 0,
        share: float = 0.0,
        bytes_per_s: float = 20e6,
    ) -> None:
        self.to, self.share, self.bytes_per_s = to, share, bytes_per_s
        self.chance = random.Random(seed)
        self.cuts = {"up": 0, "down": 0}
        self.passed = {"up": 0, "down": 0}
        self.requests: Counter[str] = Counter()
        self.begun: list[str] = []  # method and address of each request
        self.held = NONE  # such requests wait until this is another

    def __enter__(self) -> "CuttingProxy":
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listening.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                here, _ = self.listening.accept()
                threading.Thread(target=self._serve, args=(here,), daemon=True).start()

    def _serve(self, here: socket.socket) -> None:
        there = socket.create_connection(self.to)
        left: dict[str, int] = {}  # bytes until the connection is cut, where it is to be
        ways = [("up", here, there), ("down", there, here)]
        threads = [
            threading.Thread(target=self._pass, args=(*way, left), daemon=True) for way in ways
        ]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        here.close()
        there.close()

    def _pass(
        self, way: str, source: socket.socket, to: socket.socket, left: dict[str, int]
    ) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                if way == "up" and (request := REQUEST.match(data)):
                    self.begun.append(data.split(b" HTTP/")[0].decode())
                    while self.held.fullmatch(self.begun[-1]):
                        time.sleep(0.01)
                    self._heed(request[1].decode(), data, left)
                if len(data) > left.get(way, len(data)):
                    to.sendall(data[: left[way]])
                    self.cuts[way] += 1
                    cut(source)
                    cut(to)
                    return
                to.sendall(data)
                if way in left:
                    left[way] -= len(data)
                self.passed[way] += len(data)
                time.sleep(len(data) / self.bytes_per_s)
            to.shutdown(socket.SHUT_WR)

    def _heed(self, method: str, data: bytes, left: dict[str, int]) -> None:
        """Count a request that begins, and choose whether and where it is cut."""
        self.requests[method] += 1
        if self.chance.random() >= self.share:
            return
        length = LENGTH.search(data)
        size = len(data) if length is None else int(length[1]) + data.find(b"\r\n\r\n")
        way = self.chance.choice(["up", "down"])
        left[way] = self.chance.randrange(size if way == "up" else ANSWER)


def cut(one: socket.socket) -> None:
    """Close with a reset, also under another thread that waits for it."""
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        one.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        one.close()
