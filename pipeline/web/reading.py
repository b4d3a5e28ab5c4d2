"""Shared by readers of untrusted files: unpacking, JSON objects, text types of Arrow."""

import bz2
import gzip
import json
import lzma
from io import BufferedReader, RawIOBase
from typing import Any

import pyarrow as pa

GZIP, BZ2, XZ = b"\x1f\x8b", b"BZh", b"\xfd7zXZ"
XZ_BYTES, XZ_MEMORY = 1 << 16, 128 << 20  # read at once; `xz -9` needs 65 MB


def unpacked(raw: BufferedReader) -> BufferedReader | gzip.GzipFile | bz2.BZ2File:
    """The file itself, or what it holds if it is gzip, bz2 or xz, by its first bytes.

    Reading a damaged file raises EOFError, zlib.error or an OSError without a number.
    """
    start = raw.peek(5)
    if start.startswith(GZIP):
        return gzip.GzipFile(fileobj=raw)
    if start.startswith(XZ):
        return BufferedReader(XzFile(raw))
    return bz2.BZ2File(raw) if start.startswith(BZ2) else raw


class XzFile(RawIOBase):
    """What an xz file holds. LZMAFile takes as much memory as a stranger's file asks for."""

    def __init__(self, raw: BufferedReader) -> None:
        self.raw = raw
        self.ahead = b""
        self.stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = b""
        while not data:
            if self.stream.eof:  # another one may follow, after zeros
                rest = self.stream.unused_data.lstrip(b"\0")
                self.ahead = rest or self.raw.read(XZ_BYTES).lstrip(b"\0")
                if not self.ahead:
                    return 0
                self.stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY)
            elif self.stream.needs_input and not self.ahead:
                self.ahead = self.raw.read(XZ_BYTES)
                if not self.ahead:
                    raise EOFError("the stream breaks off")
            try:
                data = self.stream.decompress(self.ahead, len(buffer))
            except lzma.LZMAError as error:
                raise OSError(str(error)) from None
            self.ahead = b""
        buffer[: len(data)] = data
        return len(data)


def raise_if_of_the_disk(error: BaseException) -> None:
    """Raise an error again that is not the file's fault: the system's errors have a number."""
    if isinstance(error, OSError) and error.errno is not None:
        raise error


def json_object(text: str | bytes) -> dict[str, Any] | None:
    """The JSON object in a text or in UTF-8; None for anything else.

    >>> json_object('{"id": 7}'), json_object(b"[7]"), json_object('{"id": ')
    ({'id': 7}, None, None)
    """
    try:
        value = json.loads(text.decode() if isinstance(text, bytes) else text)
    except (ValueError, RecursionError):  # RecursionError is deep nesting's
        return None
    return value if isinstance(value, dict) else None


def at(value: Any, *steps: str | int) -> Any:
    """The value at these steps into objects and lists of JSON; None where a step is missing.

    >>> at({"pages": [{"title": "A"}]}, "pages", 0, "title"), at([], "pages", 0)
    ('A', None)
    """
    for step in steps:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return None
    return value


def holds_text(kind: pa.DataType) -> bool:
    """Whether values of an Arrow type are texts or bytes."""
    types = pa.types
    return (
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
    )
