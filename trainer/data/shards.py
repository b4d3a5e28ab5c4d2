"""A build's shards, on disk or in a remote store: which there are, and the bytes of a picture.

The table `sample` says where each picture is in its tar, so that any is read by itself, in any
order; the tars of builds made by 0.1.0, whose table does not, are walked header by header.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from queries.tables.addresses import EXPECTED, hidden
from queries.tables.errors import first_line
from queries.tables.manifest import MANIFEST
from queries.tables.tars import BLOCK, check_first_header, members
from trainer.settings import TrainerError

REMOTE_READS = 32  # at a time: what a thread waits for is mostly the network
SCAN_BYTES = 1 << 20  # asked for at a time while a remote tar's headers are read

State = tuple[int, int, int]  # inode of a tar; inode and time of its build's manifest
Place = tuple[int, int]  # where a file's bytes begin, and their number


@dataclass(frozen=True)
class Shards:
    """The folder `shards` of a build; `files` is None for a folder on this machine."""

    root: str
    files: fsspec.AbstractFileSystem | None = None
    _indexed: dict[str, State] = field(default_factory=dict, compare=False, repr=False)

    @property
    def threads(self) -> int:
        """How many read at a time: one a core, but many if they wait for a network."""
        cores = len(os.sched_getaffinity(0))
        return cores if self.files is None else max(cores, REMOTE_READS)

    def names(self) -> list[str]:
        """The shards by name, such as 00000, in order."""
        if self.files is None:
            files = [path.name for path in Path(self.root).glob("*.parquet")]
        else:
            files = [str(path).rsplit("/", 1)[-1] for path in self.files.glob(f"{self.root}/*")]
        return sorted(name.removesuffix(".parquet") for name in files if name.endswith(".parquet"))

    def parquet(self, name: str) -> str:
        return f"{self.root}/{name}.parquet"

    def tar(self, name: str) -> str:
        return f"{self.root}/{name}.tar"

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """The rows beside a shard's tar: all columns, or those of these that it has."""
        path = self.parquet(name)
        try:
            with pq.ParquetFile(path, filesystem=self.files, pre_buffer=True) as file:
                return file.read(columns)
        except (OSError, pa.ArrowException) as error:
            raise TrainerError(f"{path}: {first_line(error)}, expected a shard's rows") from None

    def tar_bytes(self, name: str) -> int:
        """The size of a shard's tar. Raises TrainerError where it does not begin as one."""
        path = self.tar(name)
        try:
            if self.files is not None:
                size, header = self.files.size(path), self.files.cat_file(path, start=0, end=BLOCK)
            else:
                with self._opened(path) as tar:
                    self._indexed[name] = self._state(tar.fileno())
                    size, header = os.fstat(tar.fileno()).st_size, tar.read(BLOCK)
            check_first_header(header)
        except (OSError, ValueError) as error:
            fault = first_line(error)
            raise TrainerError(f"{path}: {fault}, expected an uncompressed tar") from None
        return int(size)

    def index(self, name: str) -> dict[str, Place]:
        """The places of a tar's files by name. A remote tar is read through for it, once."""
        path = self.tar(name)
        try:
            with self._opened(path) as tar:
                if self.files is None:
                    self._indexed[name] = self._state(tar.fileno())
                return {member: (begin, size) for member, begin, size in members(tar)}
        except (OSError, ValueError) as error:
            raise TrainerError(
                f"{path}: {first_line(error)}, expected an uncompressed tar"
            ) from None

    def _opened(self, path: str) -> BinaryIO:
        if self.files is None:
            return Path(path).open("rb", buffering=0)
        return self.files.open(path, "rb", block_size=SCAN_BYTES, cache_type="readahead")

    def _state(self, handle: int) -> State:
        """Which file a tar is, of which manifest: a takedown makes both anew.

        A tar that was only cut off is the same, and its samples are corrupt one by one.
        """
        try:
            manifest = os.stat(f"{os.path.dirname(self.root)}/{MANIFEST}")
        except FileNotFoundError:
            return os.fstat(handle).st_ino, 0, 0
        return os.fstat(handle).st_ino, manifest.st_ino, manifest.st_mtime_ns

    def read(self, name: str, place: Place) -> bytes:
        """A file's bytes: fewer where the tar has been cut off since. Any thread may read."""
        begin, size = place
        path = self.tar(name)
        try:
            if self.files is not None:
                return self.files.cat_file(path, start=begin, end=begin + size)
            handle = os.open(path, os.O_RDONLY)
            try:
                if name in self._indexed and self._indexed[name] != self._state(handle):
                    raise TrainerError(f"{path}: changed while it was read, as by a takedown")
                return os.pread(handle, size, begin)
            finally:
                os.close(handle)
        except OSError as error:
            raise TrainerError(f"{path}: {first_line(error)}, expected to read it") from None


def open_shards(build: Path | str) -> Shards:
    """The shards of a build: a folder's path, or an address that fsspec knows (s3://…, http://…).

    >>> open_shards("memory://wit/1").root
    '/wit/1/shards'
    """
    if "://" not in str(build):
        return Shards(str(Path(build) / "shards"))
    if (shown := hidden(str(build))) != str(build):
        raise TrainerError(f"{shown}: expected {EXPECTED}")
    try:
        files, root = fsspec.core.url_to_fs(str(build))
    except (ImportError, ValueError) as error:
        raise TrainerError(f"{build}: {first_line(error)}, expected a build's address") from None
    return Shards(root.rstrip("/") + "/shards", files)
