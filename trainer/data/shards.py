"""A build's shards, on disk or in a remote store: which there are, and the bytes of a picture.

A tar is indexed by its headers, so that any picture is read by itself, in any order.
"""

import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from queries.tables.addresses import EXPECTED, hidden
from queries.tables.errors import first_line
from queries.tables.manifest import MANIFEST
from trainer.settings import TrainerError

BLOCK = 512  # bytes: a header, and what a file is padded to
FILES = (b"0", b"\0")  # types of a plain file
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
            found = [path.name for path in Path(self.root).glob("*.parquet")]
        else:
            found = [str(path).rsplit("/", 1)[-1] for path in self.files.glob(f"{self.root}/*")]
        return sorted(name.removesuffix(".parquet") for name in found if name.endswith(".parquet"))

    def parquet(self, name: str) -> str:
        return f"{self.root}/{name}.parquet"

    def tar(self, name: str) -> str:
        return f"{self.root}/{name}.tar"

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """The rows beside a shard's tar."""
        path = self.parquet(name)
        try:
            return pq.read_table(path, columns=columns, filesystem=self.files)
        except (OSError, pa.ArrowException) as error:
            raise TrainerError(f"{path}: {first_line(error)}, expected a shard's rows") from None

    def index(self, name: str) -> dict[str, Place]:
        """The places of a tar's files by name. A remote tar is read through for it, once."""
        path = self.tar(name)
        try:
            with self._opened(path) as tar:
                if self.files is None:
                    self._indexed[name] = self._state(tar.fileno())
                return tar_index(tar)
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


def tar_index(tar: BinaryIO) -> dict[str, Place]:
    """Name of each plain file of a tar to its place; reads headers only.

    Where a tar is damaged or cut off its index ends, and what stood behind is not in it. A file
    that does not begin as a tar is a ValueError. Names that need an extended header (longer than
    100 bytes) keep their short form: no sample has one.
    """
    index: dict[str, Place] = {}
    end, at = tar.seek(0, os.SEEK_END), 0
    while at + BLOCK <= end:
        tar.seek(at)
        header = tar.read(BLOCK)
        size = _size(header)
        if size is None:
            if at == 0 and header.strip(b"\0"):
                raise ValueError("no tar header at its beginning")
            break
        begin = at + BLOCK
        if header[156:157] in FILES and begin + size <= end:
            name = header[:100].rstrip(b"\0")
            index[name.decode(errors="replace")] = (begin, size)
        at = begin + -(-size // BLOCK) * BLOCK
    return index


def _size(header: bytes) -> int | None:
    """What a header says of its file's bytes; None if it is none: its checksum is wrong."""
    try:
        checksum = int(header[148:156].rstrip(b"\0 "), 8)
        size = int(header[124:136].rstrip(b"\0 "), 8)
    except ValueError:
        return None
    blank = header[:148] + b" " * 8 + header[156:]
    found = zlib.adler32(blank) & 0xFFFF  # 1 and the bytes' sum, modulo 65,521
    return size if found == (1 + checksum) % 65_521 and size >= 0 else None
