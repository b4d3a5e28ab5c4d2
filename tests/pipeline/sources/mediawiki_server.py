"""A real MediaWiki on loopback, from Debian's packages, with pictures imported into it.

    with MediaWiki(folder, {"Red kite.jpg": (jpeg, "desc en = A red kite")}) as wiki:
        wiki.api, wiki.asked, wiki.moves

Its code stays where Debian has put it; the database, the pictures and the settings lie in `folder`.
Requests reach it by a small proxy, which counts them, and whose `moves` are what the first ones
meet instead of an answer. The extension that gives Wikimedia Commons its descriptions and licences
is not among Debian's packages: a hook of the same name reads them from a file's page, a line each,
such as `desc de = Ein <b>Rotmilan</b>`.
"""

import gzip
import http.client
import json
import os
import shutil
import subprocess
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.processes import WAIT_S, free_port, wait_until_it_listens

CODE = Path("/usr/share/mediawiki")
PHP_MODULES = {"sqlite3", "mbstring", "xml", "intl", "gd"}

SETTINGS = r"""
$wgServer = 'http://' . ( $_SERVER['HTTP_HOST'] ?? '127.0.0.1' );
$wgEnableUploads = true;
$wgUploadDirectory = '{folder}/images';
$wgUploadPath = '/images';
$wgCacheDirectory = '{folder}/cache';
$wgFileExtensions = [ 'png', 'jpg', 'svg', 'pdf' ];
$wgUseImageMagick = false;
$wgSVGConverter = false;
$wgJobRunRate = 0;
$wgHooks['GetExtendedMetadata'][] = static function ( &$meta, $file, $context, $single ) {
    $page = MediaWiki\MediaWikiServices::getInstance()->getWikiPageFactory()
        ->newFromTitle( $file->getTitle() );
    $text = $page->getContent() ? $page->getContent()->getText() : '';
    preg_match_all( '/^(\w+)(?: ([\w-]+))? = (.*)$/m', $text, $lines, PREG_SET_ORDER );
    foreach ( $lines as [ , $name, $language, $value ] ) {
        if ( $language !== '' ) {
            $meta[$name]['source'] = 'commons-desc-page';
            $meta[$name]['value']['_type'] = 'lang';
            $meta[$name]['value'][$language] = $value;
        } else {
            $meta[$name] = [ 'value' => $value, 'source' => 'commons-desc-page' ];
        }
    }
};
"""

ROUTER = r"""<?php
$path = parse_url( $_SERVER['REQUEST_URI'], PHP_URL_PATH );
if ( $path === '/api.php' ) {
    return false;
}
$file = realpath( '{folder}' . rawurldecode( $path ) );
if ( $file && str_starts_with( $file, '{folder}/images/' ) && is_file( $file ) ) {
    header( 'Content-Type: ' . mime_content_type( $file ) );
    readfile( $file );
    return true;
}
http_response_code( 404 );
"""


def missing() -> str:
    """What this machine lacks to run a MediaWiki; '' if nothing."""
    if shutil.which("php") is None:
        return "no php: apt-get install php-cli"
    if not (CODE / "api.php").exists():
        return "no MediaWiki: apt-get install mediawiki"
    there = subprocess.run(["php", "-m"], capture_output=True, text=True, check=False).stdout
    lacking = PHP_MODULES - set(there.lower().split())
    return f"php lacks {', '.join(sorted(lacking))}" if lacking else ""


class MediaWiki:
    """Serves until the end of the `with` block; files by name with their content and page."""

    def __init__(self, folder: Path, files: dict[str, tuple[bytes, str]]):
        self.folder = folder
        self.asked: list[dict[str, str]] = []  # the parameters of each request to api.php
        self.agents: list[str] = []
        self.moves: list[str] = []
        for name in ("images", "cache", "import"):
            (folder / name).mkdir(parents=True)
        (folder / "router.php").write_text(ROUTER.replace("{folder}", str(folder)))
        for name, (content, page) in files.items():
            (folder / "import" / name).write_bytes(content)
            (folder / "import" / name).with_suffix(".txt").write_text(page)
        self._install()

    def _install(self) -> None:
        sqlite = ["--dbtype=sqlite", f"--dbpath={self.folder}/db", f"--confpath={self.folder}"]
        address = ["--server=http://127.0.0.1", "--scriptpath="]
        self._maintain("install", *sqlite, *address, "--pass=of-no-worth-9", "Wiki", "Admin")
        settings = self.folder / "LocalSettings.php"
        with settings.open("a") as file:
            file.write(SETTINGS.replace("{folder}", str(self.folder)))
        self.environment = {**os.environ, "MW_CONFIG_FILE": str(settings)}
        kinds = "--extensions=png,jpg,svg,pdf"
        self._maintain("importImages", "--comment-ext=txt", kinds, str(self.folder / "import"))
        self._maintain("runJobs")

    environment: dict[str, str] | None = None

    def _maintain(self, script: str, *options: str) -> None:
        done = subprocess.run(
            ["php", CODE / "maintenance" / f"{script}.php", *options],
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
            timeout=WAIT_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def __enter__(self) -> "MediaWiki":
        self.port = free_port()
        command = ["php", "-S", f"127.0.0.1:{self.port}", "-t", CODE, self.folder / "router.php"]
        self.log = (self.folder / "php.log").open("wb")
        self.php = subprocess.Popen(
            list(map(str, command)), env=self.environment, stdout=self.log, stderr=self.log
        )
        wait_until_it_listens(self.port, self.php)
        self.proxy = Proxy(("127.0.0.1", 0), Handler)
        self.proxy.wiki = self
        threading.Thread(target=self.proxy.serve_forever, args=(0.01,), daemon=True).start()
        self.root = f"http://127.0.0.1:{self.proxy.server_port}"
        self.api = f"{self.root}/api.php"
        return self

    def __exit__(self, *_: object) -> None:
        self.proxy.shutdown()
        self.proxy.server_close()
        self.php.terminate()
        self.php.wait(30)
        self.log.close()

    def searched(self) -> list[str]:
        """What each request searched for."""
        return [one["gsrsearch"] for one in self.asked]


class Handler(BaseHTTPRequestHandler):
    server: "Proxy"

    def log_message(self, *_: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        wiki = self.server.wiki
        asked = urlsplit(self.path)
        if asked.path == "/api.php":
            wiki.asked.append({key: one[0] for key, one in parse_qs(asked.query).items()})
            wiki.agents.append(self.headers["User-Agent"])
            if wiki.moves and (move := wiki.moves.pop(0)) != "answer":
                self.make(*move.split(" ", 1))
                return
        onward = http.client.HTTPConnection("127.0.0.1", wiki.port, timeout=WAIT_S)
        onward.request("GET", self.path, headers=dict(self.headers.items()))
        answer = onward.getresponse()
        body = answer.read()
        self.send(answer.status, body, [*answer.getheaders()])
        onward.close()

    def make(self, move: str, value: str = "") -> None:
        """`error CODE`: in an answer of status 200; `status 503`; `body TEXT`; `gzip TEXT`, packed;
        `bomb`, packed, of 64 MiB; `torn`, which does not unpack."""
        packed = [("Content-Encoding", "gzip")]
        match move:
            case "error":
                error = {"error": {"code": value, "info": "<b>No.</b>"}}
                self.send(200, json.dumps(error).encode(), [("Retry-After", "0")])
            case "status":
                self.send(int(value), b"", [])
            case "body":
                self.send(200, value.encode(), [])
            case "gzip":
                self.send(200, gzip.compress(value.encode(), mtime=0), packed)
            case "bomb":
                self.send(200, gzip.compress(bytes(64 << 20), mtime=0), packed)
            case "torn":
                self.send(200, gzip.compress(b"{}", mtime=0)[:10] + b"\xff" * 9, packed)
            case _:
                raise ValueError(move)

    def send(self, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
        dropped = {"connection", "content-length", "date", "server", "transfer-encoding"}
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in dropped:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(OSError):  # the client went away
            self.wfile.write(body)


class Proxy(HTTPServer):
    wiki: MediaWiki
