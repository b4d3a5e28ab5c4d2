"""Scripts whose words stand without spaces, and where they meet others.

An unspaced character is a letter of Han, Hiragana or Katakana, or of a script of which only a
dictionary knows where a line may break (Line_Break=SA, UAX #14: Thai, Lao, Khmer, Myanmar, Tai Le,
Ahom and others). Their digits are none: a number is a word in every script. A run is such
characters with their marks.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial

import numpy as np
import regex

_LETTER = regex.compile(
    r"(?:[\p{L}\p{Nl}&&[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}]]|[\p{L}&&\p{Line_Break=SA}])+",
    regex.V1,
)
_MARK = regex.compile(r"\p{M}+")
_OF_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]")
_FIRST, _END = 0xE00, 0x40000  # from the block of Thai to the last plane of Han
_HIGH = re.compile(f"[{chr(_FIRST)}-\U0010ffff]")  # found at once, where it is


@lru_cache(maxsize=1)
def is_unspaced() -> np.ndarray:
    """For each code point whether it is an unspaced character, bool; 1.1 MB."""
    table = np.zeros(0x110000, np.bool_)
    for start, stop in _spans(_LETTER):
        table[start:stop] = True
    return table


@lru_cache(maxsize=1)
def run_pattern() -> re.Pattern[str]:
    """A run. `re` looks each character up in a table, where `regex` would try every property."""
    letter, mark = _ranges(_LETTER), _ranges(_MARK)
    return re.compile(f"[{letter}][{letter}{mark}]*")


@lru_cache(maxsize=1)
def _unit_pattern() -> re.Pattern[str]:
    return re.compile(f"[{_ranges(_LETTER)}][{_ranges(_MARK)}]*")


def _spans(pattern: regex.Pattern[str]) -> list[tuple[int, int]]:
    below, above = range(_FIRST, 0xD800), range(0xE000, _END)
    gap = " " * 0x800  # surrogates are no text
    every = "".join(map(chr, below)) + gap + "".join(map(chr, above))
    return [(run.start() + _FIRST, run.end() + _FIRST) for run in pattern.finditer(every)]


def _ranges(pattern: regex.Pattern[str]) -> str:
    return "".join(f"{chr(start)}-{chr(stop - 1)}" for start, stop in _spans(pattern))


def apart(folded: str) -> str:
    """The text with a space between each run and a word that stands beside it.

    >>> apart("新款iphone手机壳，20世紀")
    '新款 iphone 手机壳，20 世紀'
    """
    if not _HIGH.search(folded):
        return folded
    return run_pattern().sub(_with_spaces, folded)


def _with_spaces(run: re.Match[str]) -> str:
    start, end = run.span()
    before, behind = run.string[max(start - 1, 0) : start], run.string[end : end + 1]
    left = " " if _OF_WORD.match(before) else ""
    return f"{left}{run[0]}{' ' if _OF_WORD.match(behind) else ''}"


def units(word: str) -> list[str]:
    """The word, or each character of a run with its marks.

    >>> units("hat"), units("太阳")
    (['hat'], ['太', '阳'])
    """
    return _unit_pattern().findall(word) or [word]


def segmented(folded: str, cut: Callable[[str], np.ndarray]) -> str:
    """A folded text with a space before each word inside a run.

    cut: says where words begin in lines, each a run.
    """
    if not _HIGH.search(folded):
        return folded
    lines = "\n".join(run_pattern().findall(folded))
    begins = cut(lines)
    codes = np.frombuffer(lines.encode("utf-32-le"), "<u4")
    inner = begins.compress((begins > 0) & is_unspaced().take(codes.take(begins)))
    inner = inner.compress(codes.take(inner - 1) != ord("\n"))
    runs = np.insert(codes, inner, ord(" ")).tobytes().decode("utf-32-le")
    return run_pattern().sub(partial(_next, iter(runs.split("\n"))), folded)


def _next(texts: Iterator[str], _run: re.Match[str]) -> str:
    return next(texts)
