"""A source of tables over files that a test wrote, and its candidates as a build makes them."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa

from pipeline import sources
from pipeline.settings.sources import AnySource, Columns, TablesSource
from queries.tables.schemas import TABLES

CAT, DOG = "http://x.org/cat.png", "http://x.org/dog.png"


def source_of(
    *paths: Path | str, columns: str | dict | None = None, **settings: object
) -> TablesSource:
    of = columns if isinstance(columns, str) else Columns(**(columns or {}))
    named = {"kind": "tables", "name": "mine", "paths": tuple(map(str, paths)), "columns": of}
    return TablesSource.model_construct(**{**named, **settings})


def collected(*paths: Path | str, **settings: object) -> list[dict]:
    """The candidates of files, as a build makes them."""
    return candidates(source_of(*paths, **settings))


def candidates(source: AnySource) -> list[dict]:
    """The candidates of a source, as a build makes them."""
    found = [
        batch
        for part in sources.parts(source, sources.Planning(str))
        for batch in sources.collect(iter(part.rows.to_batches()), source, 0)
    ]
    assert all(batch.schema.equals(TABLES["candidate"].schema) for batch in found)
    return pa.Table.from_batches(found, TABLES["candidate"].schema).to_pylist()


def seen(*paths: Path | str, **settings: object) -> list[tuple]:
    return [(row["url"], row["caption"], row["reason"]) for row in collected(*paths, **settings)]


def reasons(*paths: Path | str, **settings: object) -> list[str | None]:
    return [row["reason"] for row in collected(*paths, **settings)]


def written(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


class Store(ThreadingHTTPServer):
    """A folder behind HTTP on loopback, with ranges and ETags, that can fail some requests."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.folder, self.to_fail, self.n_requests = folder, 0, 0

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Answer(BaseHTTPRequestHandler):
    server: Store

    def log_message(self, *_: object) -> None:
        """Silence."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        file = self.server.folder / self.path.strip("/")
        self.server.n_requests += 1
        if self.command == "GET" and self.server.to_fail:
            self.server.to_fail -= 1
            return self.send_error(503)
        if not file.is_file():
            return self.send_error(404)
        data, status = file.read_bytes(), 200
        if asked := self.headers.get("Range"):
            start, stop = asked.removeprefix("bytes=").split("-")
            data, status = data[int(start) : int(stop or len(data)) + 1], 206
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{hash(file.read_bytes())}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)
        return None


@contextmanager
def store_of(folder: Path):
    """The folder's files at addresses of a server that ends with the block."""
    with Store(folder) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
