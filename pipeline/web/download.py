"""Download files: two at a time, resumed where they broke off, checked by sum, then renamed.

Beside NAME grow `.NAME.part` and `.NAME.part.json`, the URL and version that the part is from;
`.NAME.json` has the URL, size and sum of the whole file.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import requests

from pipeline.settings.whole import DownloadSettings
from pipeline.web.client import AgainError, Client, DownloadError
from queries.tables.errors import InputError
from queries.tables.parts import write_json

NAME = re.compile(r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]{0,199}")
CHECKSUM = re.compile(r"|sha1=[0-9a-f]{40}|sha256=[0-9a-f]{64}")
STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]{1,200}"')
DATE = re.compile(r"[\x20-\x7e]{1,100}")
CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-\d{1,15}/(\d{1,15})", re.ASCII)

Progress = Callable[[int], object]  # bytes gained, negative when a file starts anew


class CorruptError(DownloadError):
    """A file whose checksum is not the published one."""


@dataclass(frozen=True)
class Remote:
    """A file to ask for: its address, its name in the folder, its sum such as `sha1=…`, or ''."""

    url: str
    name: str
    checksum: str = ""

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise InputError(f"{self.url[:200]!r}: expected an address that ends in a file's name")
        if not CHECKSUM.fullmatch(self.checksum):
            raise InputError(
                f"{self.url[:200]!r}: expected a sum such as sha256= and 64 or sha1= and 40 hex "
                f"digits; found {self.checksum[:80]!r}"
            )

    @property
    def algorithm(self) -> str:
        return self.checksum.partition("=")[0] or "sha256"


def download(
    remotes: Sequence[Remote], folder: Path, settings: DownloadSettings, progress: Progress
) -> list[Path]:
    """The files' paths in the folder, in their order; whole files are not asked for.

    `progress` is called with bytes, by one thread at a time. Raises InputError before the first
    request, DownloadError at the first file that fails; parts stay for the next try.
    """
    client = Client(settings)
    names = [remote.name for remote in remotes]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{twice}: expected files of different names in one download")
    for remote in remotes:
        client.admit(remote.url)
    folder.mkdir(parents=True, exist_ok=True)
    report = partial(_report, progress, threading.Lock())
    pool = ThreadPoolExecutor(settings.connections)
    waiting = [pool.submit(_Transfer(client, remote, folder, report).run) for remote in remotes]
    try:
        for done in as_completed(waiting):
            done.result()
    except BaseException as error:
        client.stop.set()
        # After Ctrl-C nobody waits for a silent server.
        pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
        raise
    pool.shutdown()
    return [folder / name for name in names]


def _report(progress: Progress, lock: threading.Lock, n_bytes: int) -> None:
    with lock:
        progress(n_bytes)


class _Transfer:
    """One file on its way into the folder."""

    def __init__(self, client: Client, remote: Remote, folder: Path, progress: Progress):
        self.client, self.remote, self.progress = client, remote, progress
        self.path = folder / remote.name
        self.note = folder / f".{remote.name}.json"
        self.part = folder / f".{remote.name}.part"
        self.part_note = folder / f".{remote.name}.part.json"
        self.hasher = hashlib.new(remote.algorithm)
        self.size = 0  # bytes of the part that the hasher has seen
        self.reported = 0

    def run(self) -> None:
        """Download the file; after a wrong sum once more, from the first byte."""
        try:
            if self.is_complete():
                self.report(self.path.stat().st_size)
                return
            for last in (False, True):
                self.client.retried(self.remote.url, self.attempt)
                if self.has_right_sum(last):
                    break
            self.publish()
        except OSError as error:  # of the disk: the client makes network errors AgainError
            raise DownloadError(f"{self.path}: {error.strerror or error}") from None

    def is_complete(self) -> bool:
        """Whether the file was downloaded before, or has the published sum."""
        if not self.path.is_file():
            return False
        note, expected = _read_note(self.note), self.remote.checksum
        size = self.path.stat().st_size
        noted = (note.get("url"), note.get("bytes")) == (self.remote.url, size)
        if noted and expected in ("", note.get("checksum")):
            return True
        if not expected or expected != self.checksum_of(_hashed(self.path, self.remote.algorithm)):
            return False
        self.write_note(size, expected)
        return True

    def attempt(self) -> None:
        """Ask for the bytes that the part lacks and append them. Raises AgainError."""
        headers = self.resume()
        before = self.size
        try:
            with self.client.opened(self.remote.url, headers) as response:
                total = self.begin(response)
                if (total or 0) > self.client.settings.max_bytes:
                    raise self.too_long()
                if response.status_code != 416:
                    self.append(response)
            if total is not None and self.size != total:
                raise AgainError(f"{self.size} bytes instead of {total}")
        except AgainError as again:
            again.gained = self.size - before
            raise

    def resume(self) -> dict[str, str]:
        """Open the part that an earlier attempt left; returns the headers that ask for the rest."""
        note = _read_note(self.part_note)
        validator = str(note.get("validator") or "")
        checkable = validator or self.remote.checksum  # or another version would go unnoticed
        if not self.part.is_file() or note.get("url") != self.remote.url or not checkable:
            self.restart()
        elif self.size != self.part.stat().st_size:
            self.hasher = _hashed(self.part, self.remote.algorithm)
            self.size = self.part.stat().st_size
        self.report(self.size)
        if not self.size:
            return {}
        return {"Range": f"bytes={self.size}-", **({"If-Range": validator} if validator else {})}

    def begin(self, response: requests.Response) -> int | None:
        """Prepare the part for this answer; returns the whole file's bytes, if they are known."""
        headers = response.headers
        if response.status_code == 200:
            self.restart()
            note = {"url": self.remote.url, "validator": _validator(headers)}
            write_json(self.part_note, note)
            length = headers.get("Content-Length", "")
            return int(length) if re.fullmatch("[0-9]{1,15}", length) else None
        sent = headers.get("Content-Range", "")
        if response.status_code == 416 and sent == f"bytes */{self.size}":
            return self.size  # the part was whole already
        span = CONTENT_RANGE.fullmatch(sent)
        same = _validator(headers) in ("", _read_note(self.part_note).get("validator"))
        if response.status_code == 416 or not span or int(span[1]) != self.size or not same:
            self.restart()
            raise AgainError("another part than the one asked for")
        return int(span[2])

    def append(self, response: requests.Response) -> None:
        with self.part.open("ab") as file:
            for chunk in self.client.chunks(response):
                if self.size + len(chunk) > self.client.settings.max_bytes:
                    raise self.too_long()
                file.write(chunk)
                self.hasher.update(chunk)
                self.size += len(chunk)
                self.report(self.size)

    def restart(self) -> None:
        self.part.unlink(missing_ok=True)
        self.hasher, self.size = hashlib.new(self.remote.algorithm), 0
        self.report(0)

    def has_right_sum(self, last: bool) -> bool:
        """Whether the part has the published sum; if not, delete the part; the last try raises."""
        checksum, expected = self.checksum_of(self.hasher), self.remote.checksum
        if expected in ("", checksum):
            return True
        self.restart()
        if last:
            raise CorruptError(f"{self.remote.url}: expected {expected}; found {checksum}, twice")
        return False

    def publish(self) -> None:
        self.part.replace(self.path)
        self.write_note(self.size, self.checksum_of(self.hasher))
        self.part_note.unlink(missing_ok=True)

    def write_note(self, size: int, checksum: str) -> None:
        write_json(self.note, {"url": self.remote.url, "bytes": size, "checksum": checksum})

    def checksum_of(self, hasher: Any) -> str:
        return f"{self.remote.algorithm}={hasher.hexdigest()}"

    def report(self, size: int) -> None:
        if size != self.reported:
            self.progress(size - self.reported)
            self.reported = size

    def too_long(self) -> DownloadError:
        limit = self.client.settings.max_bytes
        return DownloadError(f"{self.remote.url}: expected at most {limit} bytes")


def _validator(headers: Mapping[str, str]) -> str:
    """The validator for If-Range (RFC 9110, 13.1.5): a strong ETag, else Last-Modified, else ''."""
    tag, date = headers.get("ETag", ""), headers.get("Last-Modified", "")
    if STRONG_ETAG.fullmatch(tag):
        return tag
    return date if DATE.fullmatch(date) else ""


def _hashed(path: Path, algorithm: str) -> Any:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm)


def _read_note(path: Path) -> dict[str, Any]:
    """The note in a JSON file; empty if it is missing or damaged."""
    try:
        note = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}
