"""Tables of all characters: what each is folded to where it stands alone among others.

They are made by `pipeline.text.fold`, so that Unicode's rules stand in one place only.
"""

import unicodedata
from functools import lru_cache

import numpy as np
import regex

from pipeline.text import JOINERS, fold
from pipeline.text.scripts import is_unspaced

SPACE, LINE_FEED = 0x20, 0x0A
# Beside code points, which have 21 bits, in tables of characters; MARK is a bit of a mark's entry.
MARK, VANISHES, UNSURE, UNSPACED, ORDERED = 1 << 21, 1 << 22, 1 << 23, 1 << 24, 1 << 25
ALONE = 0x20000  # the first two planes: letters of living languages, and emoji


@lru_cache(maxsize=1)
def word_codes() -> np.ndarray:
    """For each code point itself if it is of a word, a mark with its bit, else a space; 0x110000 x
    uint32, 4.4 MB."""
    below, above = range(0xD800), range(0xE000, 0x110000)
    no_text = " " * 0x800  # surrogates have no UTF-8, so no text holds them
    every = "".join(map(chr, below)) + no_text + "".join(map(chr, above))
    codes = np.full(0x110000, SPACE, "<u4")
    for run in regex.finditer(r"(\p{M}+)|[\p{L}\p{N}]+", every):
        codes[run.start() : run.end()] = np.arange(*run.span())
        codes[run.start() : run.end()] |= MARK if run[1] else 0
    codes[LINE_FEED] = LINE_FEED
    return codes


@lru_cache(maxsize=1)
def is_mark() -> np.ndarray:
    """For each code point whether it is a mark, bool."""
    return word_codes() & MARK != 0


@lru_cache(maxsize=1)
def codes_alone() -> np.ndarray:
    """What each code point below ALONE is folded to beside any others of these, with a space for
    what is of no word; VANISHES for those of which nothing is left; UNSURE for those that depend on
    their neighbours, grow, or lie beyond. What is unspaced has this bit, too; marks that only may
    reorder have ORDERED.

    A character is folded as if it stood alone if none of its forms on the way reorders (it has a
    combining class, and is no mark that keeps its form), composes with one before it (the second of
    a canonical composition, or a Hangul vowel or final), or is a capital sigma, whose lower case
    looks about (Unicode 16, 3.13).
    """
    seconds = {chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A7, 0x11C3))}
    for code in range(ALONE):  # none beyond decomposes into two
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and "<" not in parts[0]:
            seconds.add(chr(int(parts[1], 16)))
    of_word, unspaced = word_codes().tolist(), is_unspaced().tolist()

    def entry(character: str, end: str) -> int:
        if len(end) == 0:
            return VANISHES
        if end == " ":
            return UNSURE if character in JOINERS else SPACE
        composed = unicodedata.normalize("NFKC", character)
        forms = {*character, *composed, *composed.lower(), *end}
        if "Σ" in forms or forms & seconds:
            return UNSURE
        entries = {of_word[ord(each)] for each in end}
        if any(map(unicodedata.combining, forms)):
            return entries.pop() | ORDERED if forms == {character} else UNSURE
        if len(end) == 1 and unspaced[ord(end)]:
            return ord(end) | UNSPACED
        return entries.pop() if len(end) == 1 or entries == {SPACE} else UNSURE

    codes = np.full(ALONE + 1, UNSURE, "<u4")  # the last one for all beyond
    every = [chr(code) for code in range(ALONE) if not 0xD800 <= code < 0xE000 if code != LINE_FEED]
    for character, end in zip(every, fold("\n".join(every)).split("\n"), strict=True):
        codes[ord(character)] = entry(character, end)
    codes[LINE_FEED] = LINE_FEED
    return codes


@lru_cache(maxsize=1)
def last_classes() -> np.ndarray:
    """For each code point the combining class of the last one that it decomposes to, uint8."""
    classes = np.zeros(0x110000, np.uint8)
    for code in (code for code in range(0x20000) if not 0xD800 <= code < 0xE000):
        classes[code] = unicodedata.combining(unicodedata.normalize("NFKD", chr(code))[-1])
    return classes


def out_of_order(codes: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Which of the ORDERED marks, by place, may reorder with what stands before them; bool.

    >>> out_of_order(np.array([0xE01, 0xE48, 0xE38]), np.array([1, 2])).tolist()
    [False, True]
    """
    before, own = codes.take(marks - 1), codes.take(marks)
    return last_classes().take(before) > last_classes().take(own)


def settle(codes: np.ndarray, special: np.ndarray) -> None:
    """In place: code points instead of what tables have for the characters at the places `special`.

    A mark is itself behind a letter or a number, else it is of no word and becomes a space. Other
    characters become 0, or a space behind a space.

    >>> codes = np.array([MARK | 0x301, 0x61, VANISHES, MARK | 0x301, 0x20, MARK | 0x301, 0x62])
    >>> settle(codes, np.flatnonzero(codes >= MARK))
    >>> list(map(hex, codes))
    ['0x20', '0x61', '0x0', '0x301', '0x20', '0x20', '0x62']
    """
    if not len(special):
        return
    leads = np.diff(special, prepend=-2) > 1  # the first one of a run of them
    before = codes.take(special.compress(leads) - 1)
    orphans = (before == SPACE) | (before == LINE_FEED)
    orphans[0] |= special[0] == 0
    entries = codes.take(special) & (MARK - 1)
    entries[orphans.take(np.cumsum(leads) - 1)] = SPACE
    codes[special] = entries


def set_apart(codes: np.ndarray, unspaced: np.ndarray) -> np.ndarray:
    r"""The code points with a space between each run and a word beside it, and without zeros.

    codes: uint32, as `settle` leaves them. unspaced: the places of unspaced characters, int64. The
    same as `pipeline.text.scripts.apart`, for many texts at once.

    >>> codes = np.array([ord(each) for each in "太e\0\u0301太 太"])
    >>> "".join(map(chr, set_apart(codes, np.array([0, 4, 6]))))
    '太 e\u0301 太 太'
    """
    of_run = np.zeros(len(codes), np.bool_)
    of_run[unspaced] = True
    visible = np.flatnonzero(codes)
    codes, of_run = codes.take(visible), of_run.take(visible)
    leads = np.flatnonzero(~is_mark().take(codes))  # marks belong to what is before them
    script = of_run.take(leads)
    in_word = (codes != SPACE) & (codes != LINE_FEED)
    meets = in_word.take(leads[1:]) & in_word.take(leads[1:] - 1) & (script[1:] != script[:-1])
    return np.insert(codes, leads[1:].compress(meets), SPACE)
