"""The bytes of a file, unpacked: gzip, bzip2, xz, zstd, and a zip with one table in it.

A packed file is a stranger's: what it unpacks to is bounded by its own size, and a zip's list of
members by a number of bytes.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

import pyarrow as pa

from pipeline.sources.candidate import SourceError
from pipeline.sources.place import is_hidden, name_of, open_file
from pipeline.web.reading import XzFile

PACKED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".xz": "xz", ".zip": "zip"}
FREE_BYTES = 1 << 24  # that any file may unpack to
MOST_RATIO = 200  # unpacked bytes a packed byte beyond FREE_BYTES; captions have about 10
CHUNK = 1 << 16  # bytes
MOST_LIST_BYTES = 8 << 20  # of a zip's list of members
# What is no table, by its first bytes, and what to do about it.
STRANGE = {
    b"SQLite format 3": "an SQLite database: write its table as CSV",
    b"\xd0\xcf\x11\xe0": "a workbook of Excel: save its sheet as CSV",
    b"%PDF": "a PDF",
    b"<!doctype html": "a web page, maybe a server's error: look at it",
    b"<html": "a web page, maybe a server's error: look at it",
    b"ARROW1": "an Arrow file (Feather): write it as Parquet",
    b"ORC": "an ORC file: write it as Parquet",
    b"Obj\x01": "an Avro file: write it as Parquet",
    b"\x89HDF": "an HDF5 file: write its table as Parquet",
    b"version https://git-lfs": "a pointer of Git LFS: `git lfs pull` brings the file",
}
SIGNS = {
    b"\x1f\x8b": ".gz",
    b"BZh": ".bz2",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"\xfd7zXZ": ".xz",
    b"PK\x03\x04": ".zip",
}


class BombError(Exception):
    """A file that unpacks to far more than a table does, or has an endless line."""


class DamagedError(ValueError):
    """A file that cannot be read, or cannot be read to its end."""


# What readers raise for damage; column names of a damaged file may be no UTF-8.
BROKEN = (DamagedError, OSError, EOFError, UnicodeError, pa.ArrowException)
OF_ZIPS = (  # what zipfile raises for a damaged, an encrypted or an unknown zip
    *(zipfile.BadZipFile, NotImplementedError, RuntimeError, OverflowError, zlib.error),
)


class Counted:
    """A file that counts the bytes read from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.n_bytes, self.closed = file, 0, False
        self.seek, self.tell = file.seek, file.tell

    def seekable(self) -> bool:
        return self.file.seekable()

    def read(self, n_bytes: int) -> bytes:
        data = self.file.read(n_bytes)
        self.n_bytes += len(data)
        return data

    def close(self) -> None:
        self.file.close()


class Bounded:
    """A file as zipfile wants it, which reads no more at once than a list of members."""

    def __init__(self, file: Any) -> None:
        self.file, self.tell = file, file.tell

    def seekable(self) -> bool:
        return True

    def seek(self, place: int, whence: int = 0) -> int:
        return int(self.file.seek(place, whence))

    def read(self, size: int = -1) -> bytes:
        if size > MOST_LIST_BYTES:
            raise zipfile.BadZipFile(f"a list of more than {MOST_LIST_BYTES} bytes")
        return bytes(self.file.read(MOST_LIST_BYTES if size < 0 else size))


class Unpacked(io.RawIOBase):
    """The unpacked bytes of a packed file. Raises BombError when they are too many."""

    def __init__(self, file: IO[bytes], kind: str, path: str) -> None:
        self.packed, self.n_bytes = Counted(file), 0
        match kind:
            case "zip":
                self.stream: Any = _member(self.packed, path)
            case "xz":
                self.stream = XzFile(self.packed)  # type: ignore[arg-type]
            case _:
                self.stream = pa.CompressedInputStream(pa.PythonFile(self.packed, "r"), kind)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self.stream.read(len(buffer))
        except OF_ZIPS as error:
            raise DamagedError(str(error)) from None
        buffer[: len(data)] = data
        self.n_bytes += len(data)
        if self.n_bytes > FREE_BYTES + MOST_RATIO * self.packed.n_bytes:
            raise BombError(f"{self.n_bytes} bytes out of {self.packed.n_bytes}")
        return len(data)


def strange(path: str) -> str | None:
    """What a file is by its first bytes where its name says otherwise, with the cure; else None."""
    with open_file(path) as file:
        start = file.read(1 << 12)
    name = name_of(path).lower()
    if start.startswith(b"PAR1"):
        return None if name.endswith(".parquet") else "it is a Parquet file: name it .parquet"
    packed = next((end for sign, end in SIGNS.items() if start.startswith(sign)), "")
    named = next((end for end in PACKED if name.endswith(end)), "")
    if packed == ".zip" and (b"xl/" in start or b"[Content_Types].xml" in start):
        return "it is a workbook of Excel: save its sheet as CSV"
    if named and not packed and start.isascii() and b"\n" in start:
        return f"it is not packed as {named}: name it without that ending"
    if packed and packed != named:
        return f"it is packed: name it {name_of(path).removesuffix(named)}{packed}"
    begin = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    named_so = (
        what for sign, what in STRANGE.items() if begin[: len(sign)].lower() == sign.lower()
    )
    return next((f"it is {what}" for what in named_so), None)


@contextmanager
def bytes_of(path: str, opened: IO[bytes] | None = None) -> Iterator[io.BufferedReader]:
    """A file's bytes, unpacked; the file may be open already. Raises DamagedError for an empty
    file, SourceError for a zip of more than one table."""
    kind = next((PACKED[end] for end in PACKED if name_of(path).lower().endswith(end)), None)
    with opened or open_file(path) as file:
        raw: Any = Unpacked(file, kind, path) if kind else file
        stream = io.BufferedReader(raw, CHUNK) if isinstance(raw, io.RawIOBase) else raw
        if not stream.peek(1):
            raise DamagedError("the file is empty")
        yield stream


def start_of(path: str, n_bytes: int) -> bytes:
    """The first bytes of a file, unpacked, as far as it is whole."""
    pieces: list[bytes] = []
    with suppress(*BROKEN), bytes_of(path) as stream:
        while n_bytes > 0 and (piece := stream.read1(n_bytes)):
            pieces.append(piece)
            n_bytes -= len(piece)
    return b"".join(pieces)


def _member(file: Counted, path: str) -> IO[bytes]:
    """The one file in a zip that is not hidden."""
    try:
        members = zipfile.ZipFile(Bounded(file))
        files = [
            one
            for one in members.infolist()
            if not one.is_dir() and not is_hidden(one.filename.strip("/"))
        ]
        if len(files) != 1:
            raise SourceError(f"{path}: expected a zip of one file, got {len(files)}: unpack it")
        return members.open(files[0])
    except (*OF_ZIPS, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        raise DamagedError(str(error)) from None
