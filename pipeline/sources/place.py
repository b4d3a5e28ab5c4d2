"""A source's files, on this machine or at an address that fsspec reads.

Damage in a file becomes a reason. A failure of the network must not: the rows would be lost for
good. So a failed read of a remote file is tried again. After the last try it ends the stage with
one line, and the same command continues later.
"""

import io
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from errno import ENOENT
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from posixpath import basename
from typing import IO, Any, TypeVar
from urllib.parse import unquote

import fsspec
from fsspec.core import url_to_fs

from pipeline.settings.hub import HF
from pipeline.settings.values import is_remote
from pipeline.sources.candidate import SourceError, UnreachedError
from pipeline.sources.interface import Planning
from queries.tables.errors import MachineError, one_line
from queries.tables.store import STORES, UNREACHED, reach
from queries.tables.store import place as store_place

TRIES = 3
DEEPEST_CAUSE = 8  # of an error, that is looked at
PAUSE_S = 1.0  # before the second try, then doubled
# Names of the version among a remote file's properties, in various stores.
VERSIONS = (
    "ETag",
    "etag",
    "md5Hash",
    "Content-MD5",
    "Digest",
    "VersionId",
    "generation",
    "blob_id",
)
DATES = ("LastModified", "Last-Modified", "last_modified", "mtime", "updated")

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"  # of a folder whose rows have none

Got = TypeVar("Got")


@dataclass(frozen=True)
class Found:
    """A file of a source, and its name in the folder or pattern that stands for it."""

    path: str
    name: str

    @property
    def folder_values(self) -> dict[str, str | None]:
        """The columns that folders name, as Hive and Spark write them.

        >>> Found("/data/lang=pt%2Dbr/a.parquet", "lang=pt%2Dbr/a.parquet").folder_values
        {'lang': 'pt-br'}
        """
        folders = (folder.partition("=") for folder in self.name.split("/")[:-1])
        values = {unquote(name): unquote(value) for name, mark, value in folders if mark}
        return {name: None if value == NO_VALUE else value for name, value in values.items()}


def expand(path: str, of_kind: Callable[[str], bool]) -> list[Found]:
    """The files that a path stands for: itself, or those of the kind in a folder or a pattern.

    A folder stands for its subfolders, too. Hidden files and folders are left out, and folders that
    begin with `_`, where programs keep what is no part of the table.
    """
    if is_remote(path):
        _reach(path)
        return _tried(path, lambda: _expand_remote(path, of_kind))
    if Path(path).is_dir():
        names = (file.relative_to(path).as_posix() for file in _walked(Path(path)))
        return [
            Found(str(Path(path, name)), name)
            for name in sorted(names)
            if not is_hidden(name) and of_kind(name)
        ]
    return [Found(path, name_of(path))]


def is_hidden(name: str) -> bool:
    """Whether a file's name in its folder, or the name of a folder on the way, is a hidden one.

    >>> [is_hidden(name) for name in ("._a.csv", "_delta_log/0.parquet", "_x=1/_a.csv")]
    [True, True, False]
    """
    *folders, file = name.split("/")
    aside = any(
        one.startswith((".", "@")) or (one[:1] == "_" and "=" not in one) for one in folders
    )
    return aside or file.startswith(".")


def name_of(path: str) -> str:
    """The last part of a path or address.

    >>> name_of("s3://bucket/laion/part-0.parquet"), name_of("https://x.org/a.csv?raw=1#top")
    ('part-0.parquet', 'a.csv')
    """
    if not is_remote(path):
        return Path(path).name
    return basename(path.partition("#")[0].partition("?")[0])


def companion(path: str, name: str, endings: Iterable[str]) -> str:
    """Another file in the same folder, with one of these endings where it has none of its own.

    Raises FileNotFoundError if there is none, SourceError if the store does not answer.
    """
    plain = beside(path, name)
    for ending in ("", *endings):
        if _exists(plain + ending):
            return plain + ending
    raise FileNotFoundError(ENOENT, "no such file, packed or not", plain)


def beside(path: str, name: str) -> str:
    """The path of another file in the same folder.

    >>> beside("s3://bucket/vg/regions.json", "image_data.json")
    's3://bucket/vg/image_data.json'
    """
    if is_remote(path):
        return f"{path.rpartition('/')[0]}/{name}"
    return str(Path(path).with_name(name))


def identity(path: str, planning: Planning) -> object:
    """What identifies a file's content: its digest, or for a remote file its properties.

    The properties are the address, the size, and the ETag, checksum, version or date that the
    store has. Where it has none of these, a change that keeps the size is not noticed.
    """
    if not is_remote(path):
        return planning.content(Path(path))
    about = _tried(path, lambda: _information(path))
    versions = [[name, str(about[name])] for name in (*VERSIONS, *DATES) if about.get(name)]
    return [path, about.get("size"), versions]


def open_file(path: str) -> IO[bytes]:
    """A file's bytes; not seekable where the store is not. Raises OSError for a file of this
    machine, SourceError for a remote one, that cannot be read."""
    return FsspecFile(path) if is_remote(path) else Path(path).open("rb")  # type: ignore[return-value]


def read_range(address: str, start: int, length: int) -> bytes:
    """A piece of a file in a store; fewer bytes where the file ends within or before it.

    Raises FileNotFoundError for a file that is not there, SourceError for a store that does not
    answer.
    """
    store, path = url_to_fs(address)

    def read() -> bytes | None:
        try:
            return bytes(store.cat_file(path, start=start, end=start + length))
        except FileNotFoundError:
            return None
        except Exception:
            if (_information(address).get("size") or start + 1) <= start:
                return b""  # stores refuse a piece behind the end
            raise

    piece = _tried(address, read)
    if piece is None:
        raise FileNotFoundError(ENOENT, "no such file", address)
    return piece


class FsspecFile(io.RawIOBase):
    """A remote file. A read that fails is tried again; the last failure is SourceError."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.file: Any = _tried(address, lambda: fsspec.open(address, "rb").open())

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self.file.seekable())

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self.file.seek(offset, whence))

    def tell(self) -> int:
        return int(self.file.tell())

    def readinto(self, buffer: Any) -> int:
        start = self.tell() if self.seekable() else None
        data = _tried(self.address, partial(self._read, len(buffer), start))
        buffer[: len(data)] = data
        return len(data)

    def _read(self, n_bytes: int, start: int | None) -> bytes:
        if start is not None and self.file.tell() != start:
            self.file.seek(start)
        return self.file.read(n_bytes)

    def close(self) -> None:
        if not self.closed:
            self.file.close()
        super().close()


def _walked(folder: Path) -> Iterator[Path]:
    """The files in a folder and its subfolders, each folder once, whatever its links say."""
    seen = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        at = os.stat(place)
        if (at.st_dev, at.st_ino) in seen:
            folders.clear()
            continue
        seen.add((at.st_dev, at.st_ino))
        yield from (path for name in files if (path := Path(place, name)).is_file())


def _expand_remote(address: str, of_kind: Callable[[str], bool]) -> list[Found]:
    store, path = url_to_fs(address)
    around = address.rpartition("::")[0]
    if any(mark in path for mark in "*[") or ("?" in path and not address.startswith("http")):
        names = [name for name in store.glob(path) if fnmatch(name, path)]
        root = re.split(r"[*?\[]", path, maxsplit=1)[0].rpartition("/")[0]
    elif not of_kind(name_of(address)) and store.isdir(path):
        root = path.rstrip("/")
        if address.startswith("http"):  # a page of links, which may lead anywhere
            names = [one["name"] for one in store.ls(path, detail=True) if one["type"] == "file"]
        else:
            names = store.find(path)
    else:
        return [Found(address, name_of(address))]
    found = []
    for name in names:
        full = store.unstrip_protocol(name)
        inner = name.partition("?")[0].removeprefix(root).lstrip("/")
        if not is_hidden(inner) and of_kind(inner):
            found.append(Found(f"{around}::{full}" if around else full, inner))
    return sorted(found, key=lambda file: file.path)


def _exists(path: str) -> bool:
    if not is_remote(path):
        return Path(path).is_file()
    store, place = url_to_fs(path)
    return _tried(path, lambda: bool(store.exists(place)))


def _information(address: str) -> dict[str, Any]:
    store, path = url_to_fs(address)
    return store.info(path)


def _tried(address: str, function: Callable[[], Got]) -> Got:
    """The function's result, in up to TRIES tries; then its error as SourceError in one line."""
    for left in reversed(range(TRIES)):
        try:
            return function()
        except (FileNotFoundError, PermissionError, ImportError, ValueError) as error:
            raise _refused(address, error) from None  # another try would fail, too
        except Exception as error:  # each store raises exceptions of its own
            if not left:
                raise _refused(address, error) from None
            time.sleep(PAUSE_S * 2 ** (TRIES - 1 - left))
    raise AssertionError("not reached")


def _reach(address: str) -> None:
    """Raise UnreachedError in seconds for a store that does not answer; its library tries longer.

    An object's key need not be there: whether the store answers is asked of its bucket.
    """
    protocol, _, rest = address.partition("://")
    if protocol not in STORES or "::" in address:
        return
    try:
        reach(store_place(f"{protocol}://{rest.partition('/')[0]}"))
    except MachineError as error:
        raise UnreachedError(str(error)) from None


def _refused(address: str, error: Exception) -> SourceError:
    """A read's failure in one line: a server that gives no answer, or its answer."""
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__) and len(causes) < DEEPEST_CAUSE:
        causes.append(cause)
    for cause in causes:
        if type(cause).__name__ in UNREACHED or isinstance(cause, TimeoutError | ConnectionError):
            return UnreachedError(f"{address}: cannot be reached: {one_line(cause)}")
    if isinstance(error, FileNotFoundError) and address.startswith("http"):
        status = next((code for cause in causes if (code := getattr(cause, "status", 0))), 404)
        return SourceError(f"{address}: cannot be read: the server answers HTTP {status}")
    fault = f"{address}: cannot be read: {type(error).__name__}: {one_line(error)}"
    if HF in address and isinstance(error, (FileNotFoundError, PermissionError)):
        cure = "if it is gated or private, accept its terms on the hub and set HF_TOKEN"
        return SourceError(f"{fault.partition('. ')[0]}; {cure}")
    return SourceError(fault)
