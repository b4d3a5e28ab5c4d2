"""A hub on loopback as Hugging Face's clients know it: a data set with files, gates and revisions.

    with Hub({"data/a.csv": b"url,caption\\n"}) as hub:
        os.environ["HF_ENDPOINT"] = hub.endpoint  # then hf://datasets/me/birds/data/a.csv

Every request is noted. A repository `me/gated` wants the token, `me/none` is not there.
"""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_" + "x" * 34
COMMIT = "a" * 40


class Handler(BaseHTTPRequestHandler):
    server: "Hub"
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Silence."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.do_GET([asked["paths"]] if isinstance(asked["paths"], str) else asked["paths"])

    def do_GET(self, paths: list[str] | None = None) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append((self.command, self.path, self.headers["Range"]))
        self.server.tokens.append((path, self.headers["Authorization"]))
        kind, _, rest = path.removeprefix("/api").removeprefix("/datasets/").partition("/")
        name, _, rest = rest.partition("/")
        if name == "none":
            return self.fails(404, "RepoNotFound", "Repository not found")
        if name == "gated" and self.headers["Authorization"] != f"Bearer {TOKEN}":
            code = 403 if self.headers["Authorization"] else 401
            return self.fails(code, "GatedRepo", "Access to this dataset is restricted")
        if path.startswith("/api/"):
            return self.api(f"{kind}/{name}", rest, paths)
        self.file(rest.removeprefix("resolve/"))

    def api(self, repository: str, rest: str, paths: list[str] | None) -> None:
        what, _, rest = rest.partition("/")
        revision, _, inside = rest.partition("/")
        if what in ("revision", "tree", "paths-info") and revision not in self.server.revisions:
            return self.fails(404, "RevisionNotFound", "Invalid rev id")
        files = self.server.files
        if what == "paths-info":
            names = [name for name in paths or [] if name in files or self.inside(name)]
            return self.json([self.entry(name) for name in names])
        if what == "tree":
            under = f"{inside}/" if inside else ""
            below = [name.removeprefix(under) for name in files if name.startswith(under)]
            if not below:
                return self.fails(404, "EntryNotFound", "Entry not found")
            if "recursive=true" not in self.path.lower():
                below = list(dict.fromkeys(name.partition("/")[0] for name in below))
            return self.json([self.entry(under + name) for name in below])
        self.json({"id": repository, "sha": COMMIT, "siblings": [], "private": False})

    def inside(self, folder: str) -> list[str]:
        return [name for name in self.server.files if name.startswith(f"{folder}/")]

    def entry(self, name: str) -> dict[str, Any]:
        if name not in self.server.files:
            return {"type": "directory", "path": name, "oid": COMMIT, "size": 0}
        body = self.server.files[name]
        oid = hashlib.sha1(body).hexdigest()
        return {"type": "file", "path": name, "oid": oid, "size": len(body)}

    def file(self, rest: str) -> None:
        revision, _, name = rest.partition("/")
        if revision not in self.server.revisions:
            return self.fails(404, "RevisionNotFound", "Invalid rev id")
        if name not in self.server.files:
            return self.fails(404, "EntryNotFound", "Entry not found")
        body, status, more = self.server.files[name], 200, {}
        n_bytes = len(body)
        if asked := self.headers["Range"]:
            start, stop = asked.removeprefix("bytes=").split("-")
            last = min(int(stop or n_bytes), n_bytes - 1)
            body, status = body[int(start) : last + 1], 206
            more = {"Content-Range": f"bytes {start}-{last}/{n_bytes}"}
        self.send_response(status)
        etag = hashlib.sha1(self.server.files[name]).hexdigest()
        sent = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Content-Length": str(len(body))}
        for header, value in {**sent, **more, "Accept-Ranges": "bytes"}.items():
            self.send_header(header, value)
        self.end_headers()
        if self.command == "GET":
            drop = self.server.drops.pop(0) if self.server.drops else None
            self.wfile.write(body[:drop])
            self.close_connection = drop is not None

    def json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def fails(self, status: int, code: str, message: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", "0")
        self.end_headers()


class Hub(ThreadingHTTPServer):
    """Serves the same files in each repository and revision until the block ends."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes], revisions: tuple[str, ...] = ("main",)) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.revisions = files, (*revisions, COMMIT)
        self.asked: list[tuple[str, str, str | None]] = []
        self.tokens: list[tuple[str, str | None]] = []
        self.drops: list[int] = []  # bytes after which the next answers break off

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> "Hub":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
