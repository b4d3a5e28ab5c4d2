"""Where a source's files are: on this machine, or behind an address that fsspec reads.

Damage in a file becomes a reason, but a network that fails must not: the rows would be lost for
good. So what goes wrong on the way to a remote file's bytes is tried again, and then ends the
stage in one line; the same command goes on from there.
"""

import io
import time
from collections.abc import Callable
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from posixpath import basename
from typing import IO, Any, TypeVar

import fsspec
from fsspec.core import url_to_fs

from pipeline.settings.values import is_remote
from pipeline.sources.candidate import SourceError
from pipeline.sources.interface import Planning
from queries.tables.errors import one_line

TRIES = 3
PAUSE_S = 1.0  # before the second try, then doubled
# What a remote file's properties call its version, in one store or another.
VERSIONS = ("ETag", "etag", "md5Hash", "Content-MD5", "Digest", "VersionId", "generation")
DATES = ("LastModified", "Last-Modified", "last_modified", "mtime", "updated")

Got = TypeVar("Got")


def expand(path: str, of_kind: Callable[[str], bool]) -> list[str]:
    """The files that a path stands for: itself, or those of the kind in a folder or a pattern."""
    if is_remote(path):
        return _tried(path, lambda: _expand_remote(path, of_kind))
    if Path(path).is_dir():
        inside = (str(one) for one in Path(path).iterdir() if one.is_file())
        return sorted(filter(of_kind, inside))
    return [path]


def name_of(path: str) -> str:
    """The last part of a path or address.

    >>> name_of("s3://bucket/laion/part-0.parquet"), name_of("https://x.org/a.csv?raw=1#top")
    ('part-0.parquet', 'a.csv')
    """
    if not is_remote(path):
        return Path(path).name
    return basename(path.partition("#")[0].partition("?")[0])


def beside(path: str, name: str) -> str:
    """The path of another file in the same folder.

    >>> beside("s3://bucket/vg/regions.json", "image_data.json")
    's3://bucket/vg/image_data.json'
    """
    if is_remote(path):
        return f"{path.rpartition('/')[0]}/{name}"
    return str(Path(path).with_name(name))


def identity(path: str, planning: Planning) -> object:
    """What tells one content from another: a digest, or what a remote store says of the file.

    That is its address, its size, and its ETag, checksum, version or date, as far as the store
    has them. Where it has none, a change that keeps the size goes unseen.
    """
    if not is_remote(path):
        return planning.content(Path(path))
    said = _tried(path, lambda: _information(path))
    known = [[name, str(said[name])] for name in (*VERSIONS, *DATES) if said.get(name)]
    return [path, said.get("size"), known]


def open_file(path: str) -> IO[bytes]:
    """A file's bytes, in one direction where the store knows no other. Raises OSError if it is
    of this machine and cannot be read, SourceError if it is remote and does not come."""
    return FsspecFile(path) if is_remote(path) else Path(path).open("rb")  # type: ignore[return-value]


class FsspecFile(io.RawIOBase):
    """A remote file as fsspec opens it. A read that fails is tried again; the last failure is
    SourceError."""

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


def _expand_remote(address: str, of_kind: Callable[[str], bool]) -> list[str]:
    store, path = url_to_fs(address)
    around = address.rpartition("::")[0]
    if any(mark in path for mark in "*[") or ("?" in path and not address.startswith("http")):
        found = [one for one in store.glob(path) if fnmatch(one, path)]
    elif not of_kind(address) and store.isdir(path):
        found = [one["name"] for one in store.ls(path, detail=True) if one["type"] == "file"]
    else:
        return [address]
    full = sorted(store.unstrip_protocol(one) for one in found)
    return [f"{around}::{one}" if around else one for one in full if of_kind(one)]


def _information(address: str) -> dict[str, Any]:
    store, path = url_to_fs(address)
    return store.info(path)


def _tried(address: str, function: Callable[[], Got]) -> Got:
    """What the function returns; after the last try, its fault as SourceError in one line."""
    for left in reversed(range(TRIES)):
        try:
            return function()
        except (FileNotFoundError, PermissionError, ImportError, ValueError) as error:
            raise _refused(address, error) from None  # which no other try will mend
        except Exception as error:  # each store raises exceptions of its own
            if not left:
                raise _refused(address, error) from None
            time.sleep(PAUSE_S * 2 ** (TRIES - 1 - left))
    raise AssertionError("not reached")


def _refused(address: str, error: Exception) -> SourceError:
    return SourceError(f"{address}: cannot be read: {type(error).__name__}: {one_line(error)}")
