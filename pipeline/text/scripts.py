"""Scripts whose words stand without spaces, and where they meet others.

An unspaced character is a letter of Han, Hiragana or Katakana, or of a script of which only a
dictionary knows where a line may break (Line_Break=SA, UAX #14: Thai, Lao, Khmer, Myanmar, Tai Le,
Ahom and others). Their digits are none: a number is a word in every script. A run is such
characters with their marks.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import chain, pairwise

import numpy as np
import regex

_LETTER = regex.compile(
    r"(?:[\p{L}\p{Nl}&&[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}]]|[\p{L}&&\p{Line_Break=SA}])+",
    regex.V1,
)
_MARK = regex.compile(r"\p{M}+")
_OF_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]")
_FIRST, _END = 0x300, 0x40000  # from the first marks to the last plane of Han
_HIGH = re.compile("[\u0e00-\U0010ffff]")  # from Thai on; found at once, where it is
_HIGH_BYTE = 0xE0  # the first byte in UTF-8 of characters from U+0800 on


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


def unspaced_places(text: np.ndarray) -> np.ndarray:
    """The places of unspaced characters in UTF-8 bytes with a padding behind, int64."""
    if text.max(initial=0) < _HIGH_BYTE:
        return np.empty(0, np.int64)
    leads = np.flatnonzero(text >= _HIGH_BYTE)
    first, second, third, fourth = (text.take(leads + n).astype(np.int32) for n in range(4))
    codes = (first & 0x0F) << 12 | (second & 0x3F) << 6 | third & 0x3F
    four = np.flatnonzero(first >= 0xF0)
    codes[four] = (codes.take(four) & 0x7FFF) << 6 | fourth.take(four) & 0x3F
    return leads.compress(is_unspaced().take(codes))


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


def joined(words: list[str]) -> str:
    """The words with a space between two of them, but none between two runs: as people write.

    >>> joined(["手机", "壳", "iphone", "x"])
    '手机壳 iphone x'
    """
    text = " ".join(words)
    if not _HIGH.search(text):
        return text
    unspaced = [bool(is_unspaced()[ord(word[0])]) for word in words]
    spaces = ["" if both == (True, True) else " " for both in pairwise(unspaced)]
    return "".join(chain.from_iterable(zip(words, [*spaces, ""], strict=True)))


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
