"""Tars, on disk or in a remote store, and a build's shards: rows beside a tar.

The table `sample` says where each picture is in its tar, so that any is read by itself, in any
order; the tars of builds made by 0.1.0, whose table does not, are walked header by header.
"""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from queries.tables import store
from queries.tables.addresses import EXPECTED, hidden
from queries.tables.errors import first_line, one_line
from queries.tables.manifest import MANIFEST
from queries.tables.tars import BLOCK, check_first_header, members
from trainer.settings import TrainerError

REMOTE_READS = 32  # at a time: what a thread waits for is mostly the network
SCAN_BYTES = 1 << 20  # asked for at a time while a remote tar's headers are read

State = tuple[int, int, int]  # inode of a tar; inode and time of its build's manifest
Place = tuple[int, int]  # where a file's bytes begin, and their number


@dataclass
class Tar:
    """One tar; `files` is None for one of this machine, `build` "" for one of no build."""

    path: str
    files: fsspec.AbstractFileSystem | None = None
    build: str = ""  # its folder on this machine
    _state_then: State | None = None

    def size(self) -> int:
        """Its size in bytes. Raises TrainerError where it does not begin as a tar."""
        try:
            if self.files is not None:
                size, header = self.files.size(self.path), self._remote(0, BLOCK)
            else:
                with self.opened() as tar:
                    self._state_then = self._state(tar.fileno())
                    size, header = os.fstat(tar.fileno()).st_size, tar.read(BLOCK)
            check_first_header(header)
        except _faults() as error:
            raise self.fault(error) from None
        if size is None:
            raise TrainerError(f"{self.path}: expected a server that says how long it is")
        return int(size)

    def index(self) -> dict[str, Place]:
        """The places of its files by name. A remote tar is read through for it, once."""
        try:
            with self.opened() as tar:
                if self.files is None:
                    self._state_then = self._state(tar.fileno())
                return {member: (begin, size) for member, begin, size in members(tar)}
        except (OSError, ValueError) as error:
            raise self.fault(error) from None

    def opened(self) -> BinaryIO:
        """The tar, to be read from its first byte to its last."""
        if self.files is None:
            return Path(self.path).open("rb", buffering=0)
        return self.files.open(self.path, "rb", block_size=SCAN_BYTES, cache_type="readahead")

    def fault(self, error: Exception) -> TrainerError:
        """What an exception says of the tar, in one line."""
        return TrainerError(f"{self.path}: {first_line(error)}, expected an uncompressed tar")

    def identity(self) -> str:
        """Names the tar and what is in it: another where it was written anew."""
        if self.files is None:
            state = os.stat(self.path)
            path = os.path.realpath(self.path)
            about: object = (path, state.st_size, state.st_mtime_ns, state.st_ino)
        else:
            about = (self.path, sorted(self.files.info(self.path).items()))
        return hashlib.sha256(repr(about).encode()).hexdigest()

    def _state(self, handle: int) -> State:
        """Which file it is, of which manifest: a takedown makes both anew.

        A build's tar that was only cut off is the same, and its samples are corrupt one by one.
        """
        state = os.fstat(handle)
        if not self.build:
            return state.st_ino, state.st_size, state.st_mtime_ns
        try:
            manifest = os.stat(f"{self.build}/{MANIFEST}")
        except FileNotFoundError:
            return state.st_ino, 0, 0
        return state.st_ino, manifest.st_ino, manifest.st_mtime_ns

    def read(self, place: Place) -> bytes:
        """A file's bytes: fewer where the tar has been cut off since. Any thread may read."""
        begin, size = place
        try:
            if self.files is not None:
                return self._remote(begin, size)
            handle = os.open(self.path, os.O_RDONLY)
            try:
                if self._state_then not in (None, self._state(handle)):
                    raise TrainerError(f"{self.path}: changed while it was read, as by a takedown")
                return os.pread(handle, size, begin)
            finally:
                os.close(handle)
        except OSError as error:
            raise TrainerError(f"{self.path}: {one_line(error)}, expected to read it") from None

    def _remote(self, begin: int, size: int) -> bytes:
        files = self.files
        assert files is not None
        data = store.tried(
            self.path, lambda: files.cat_file(self.path, start=begin, end=begin + size)
        )
        if len(data) > size:
            raise TrainerError(f"{self.path}: expected a server that answers ranges of bytes")
        return data


@dataclass(frozen=True)
class Shards:
    """The folder `shards` of a build; `files` is None for a folder on this machine."""

    root: str
    files: fsspec.AbstractFileSystem | None = None
    _tars: dict[str, Tar] = field(default_factory=dict, compare=False, repr=False)

    @property
    def threads(self) -> int:
        return threads(remote=self.files is not None)

    def names(self) -> list[str]:
        """The shards by name, such as 00000, in order."""
        if self.files is None:
            files = [path.name for path in Path(self.root).glob("*.parquet")]
        else:
            files = [str(path).rsplit("/", 1)[-1] for path in self.files.glob(f"{self.root}/*")]
        return sorted(name.removesuffix(".parquet") for name in files if name.endswith(".parquet"))

    def of_a_build(self) -> bool:
        """Whether there are shards of a build, and not only tars, or nothing."""
        try:
            names = self.names()
            if not names:
                return self.files is None and os.path.isdir(self.root) and not self._has_tars()
            with pq.ParquetFile(self.parquet(names[0]), filesystem=self.files) as file:
                return "pair_id" in file.schema_arrow.names
        except pa.ArrowException:
            return True  # a damaged one: who reads it says so
        except store.faults():
            return False

    def _has_tars(self) -> bool:
        return any(name.endswith(".tar") for name in os.listdir(self.root))

    def parquet(self, name: str) -> str:
        return f"{self.root}/{name}.parquet"

    def tar(self, name: str) -> Tar:
        """The tar of a shard, the same object every time."""
        build = "" if self.files is not None else os.path.dirname(self.root)
        return self._tars.setdefault(name, Tar(f"{self.root}/{name}.tar", self.files, build))

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """The rows beside a shard's tar: all columns, or those of these that it has."""
        path = self.parquet(name)
        try:
            with pq.ParquetFile(path, filesystem=self.files, pre_buffer=True) as file:
                return file.read(columns)
        except (OSError, pa.ArrowException) as error:
            raise TrainerError(f"{path}: {first_line(error)}, expected a shard's rows") from None


def threads(*, remote: bool) -> int:
    """How many read at a time: one a core, but many if they wait for a network."""
    cores = len(os.sched_getaffinity(0))
    return max(cores, REMOTE_READS) if remote else cores


def _faults() -> tuple[type[Exception], ...]:
    return (*store.faults(), ValueError)


def open_shards(build: Path | str) -> Shards:
    """The shards of a build: a folder's path, or an address that fsspec knows (s3://…, http://…).

    >>> open_shards("memory://wit/1").root
    '/wit/1/shards'
    """
    if "://" not in str(build):
        return Shards(str(Path(build) / "shards"))
    files, root = file_system(str(build))
    return Shards(root.rstrip("/") + "/shards", files)


def file_system(address: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """What reaches an address, and the path there. Raises TrainerError, also for one with a
    password in it."""
    if (shown := hidden(address)) != address:
        raise TrainerError(f"{shown}: expected {EXPECTED}")
    try:
        return fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise TrainerError(f"{address}: {first_line(error)}, expected an address to read") from None
