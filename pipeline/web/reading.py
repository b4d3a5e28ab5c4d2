"""Shared by readers of untrusted files: unpacking, JSON objects, text types of Arrow."""

import bz2
import gzip
import json
from io import BufferedReader
from typing import Any

import pyarrow as pa

GZIP, BZ2 = b"\x1f\x8b", b"BZh"


def unpacked(raw: BufferedReader) -> BufferedReader | gzip.GzipFile | bz2.BZ2File:
    """The file itself, or what it holds if it is gzip or bz2, by its first bytes.

    Reading a damaged file raises EOFError, zlib.error or an OSError without a number.
    """
    start = raw.peek(3)
    if start.startswith(GZIP):
        return gzip.GzipFile(fileobj=raw)
    return bz2.BZ2File(raw) if start.startswith(BZ2) else raw


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
