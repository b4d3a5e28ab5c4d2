"""Strategies of inputs: valid ones, changed as an attacker would change them."""

import bz2
import gzip
from typing import TypeVar

from hypothesis import strategies as st

MOST_BYTES = 300_000  # of an input: enough to tell quadratic time from linear
NUMBERS = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\1\0\0\0"]
TIMES = (1, 1, 1, 2, 30, 1_000, 100_000)
EDITS = ("token", "token", "bytes", "delete", "flip", "number", "copy", "cut", "text")

Piece = TypeVar("Piece", str, bytes)


def tokens(text: Piece, mark: str = "|") -> list[Piece]:
    """What stands between the marks."""
    return text.split(mark if isinstance(text, str) else mark.encode())


@st.composite
def changed(draw: st.DrawFn, seeds: list[bytes], pieces: list[bytes]) -> bytes:
    """One of the seeds after up to eight edits: tokens put in once or very often, bytes flipped,
    deleted, copied from elsewhere, replaced by extreme numbers, the end cut off."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for edit in draw(st.lists(st.sampled_from(EDITS), max_size=8)):
        at = draw(st.integers(0, len(data)))
        if edit == "token":
            token, times = draw(st.sampled_from(pieces)), draw(st.sampled_from(TIMES))
            data[at:at] = token * min(times, MOST_BYTES // max(1, len(token)))
        elif edit == "bytes":
            data[at:at] = draw(st.binary(min_size=1, max_size=8))
        elif edit == "text":
            data[at:at] = draw(st.text(min_size=1, max_size=8)).encode("utf-8", "replace")
        elif edit == "delete":
            del data[at : at + draw(st.integers(1, 64))]
        elif edit == "flip" and data:
            data[at % len(data)] ^= 1 << draw(st.integers(0, 7))
        elif edit == "number":
            data[at : at + 4] = draw(st.sampled_from(NUMBERS))
        elif edit == "copy":
            other = draw(st.sampled_from(seeds))
            begin = draw(st.integers(0, len(other)))
            data[at:at] = other[begin : begin + draw(st.integers(1, 4_096))]
        elif edit == "cut":
            del data[at:]
    return bytes(data[:MOST_BYTES])


def changed_text(seeds: list[str], pieces: list[str]) -> st.SearchStrategy[str]:
    """The same of texts, which are always Unicode without surrogates."""
    of_bytes = changed([one.encode() for one in seeds], [one.encode() for one in pieces])
    return of_bytes.map(lambda data: data.decode("utf-8", "replace"))


def packed(strategy: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """The same as they are, or packed: an edit of packed bytes seldom survives unpacking."""
    ways = st.sampled_from([bytes, bytes, _gzip, bz2.compress])
    return st.builds(lambda way, data: way(data), ways, strategy)


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)  # or no run would be like another
