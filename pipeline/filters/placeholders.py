"""Placeholders: texts that stand where a caption should be, by language, in placeholders.toml.

Few captions begin with the first word of a phrase: by a hash of that word the others are passed by.
"""

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.match.tables import MULTIPLIERS
from pipeline.text import words as words_of
from pipeline.text.arrays import Split, split, word_hashes
from queries.tables.errors import InputError

LISTS = Path(__file__).with_suffix(".toml")
ALL = "[all]"
DIGITS = "0123456789"
MOST_DIGITS = 8  # taken off; a word with more at its end is compared with all phrases


@lru_cache(maxsize=1)
def lists() -> dict[str, dict[str, list[str]]]:
    """The lines of placeholders.toml, by language and kind: phrases, or patterns of code.

    >>> lists()["ca"]["phrases"][2]
    'sense imatge|títol|foto'
    """
    read = tomllib.loads(LISTS.read_text("utf-8"))
    return {
        language: {kind: text.splitlines() for kind, text in kinds.items()}
        for language, kinds in read.items()
    }


def chosen(placeholders: tuple[str, ...]) -> dict[str, list[str]]:
    """The lines by kind that the settings choose: names of lists in brackets, other phrases as is.

    Raises InputError for a list that does not exist.
    """
    lines: dict[str, list[str]] = {"phrases": [], "whole": [], "anywhere": []}
    for text in placeholders:
        if not text.startswith("["):
            lines["phrases"].append(text)
            continue
        for name in lists() if text == ALL else [text.strip("[]")]:
            if name not in lists():
                names = ", ".join(f"[{name}]" for name in ("all", *lists()))
                raise InputError(f"filters.placeholders: {text!r}: expected a phrase or {names}")
            for kind, of_kind in lists()[name].items():
                lines[kind] += of_kind
    return lines


@dataclass(frozen=True)
class Phrases:
    """Phrases by the word at one end of them.

    heads: by each word that may be the first, without digits at its end. tails: by the last word,
    of phrases that begin with ….
    """

    heads: dict[str, list[str]]
    tails: dict[str, list[str]]

    def match(self, words: Split, hashes: np.ndarray) -> np.ndarray:
        """(N,) bool: whether each text is a phrase, by its words and a hash of each of them."""
        mask = np.zeros(len(words.first) - 1, bool)
        rows = np.flatnonzero(np.diff(words.first))
        first, last = words.first[rows], words.first[rows + 1] - 1
        may_be = last - first < self._limits(words, first)
        may_be |= np.isin(hashes[last], self._tail_hashes)
        begins, ends = words.starts[first[may_be]], (words.starts + words.lengths)[last[may_be]]
        mask[rows[may_be]] = [
            self._is_phrase(words.text[begin:end].tobytes().decode().split())
            for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
        ]
        return mask

    def _limits(self, words: Split, first: np.ndarray) -> np.ndarray:
        """How many words a phrase may have that begins with each of these words; 0: none does."""
        bare, is_bare = _without_digits(words, first)
        table, most = self._by_head
        hashes = word_hashes(bare, MULTIPLIERS[0], self._longest)  # a longer word is no head
        places = np.minimum(np.searchsorted(table, hashes), len(table) - 1)
        limits = np.where(table[places] == hashes, most[places], 0)
        limits[~is_bare] = most.max()
        return limits

    def _is_phrase(self, words: list[str]) -> bool:
        phrases = [*self.heads.get(_bare(words[0]), ()), *self.tails.get(words[-1], ())]
        key = "".join(f" {word}" for word in words)
        return any(_compiled(phrase).fullmatch(key) for phrase in phrases)

    @cached_property
    def _tail_hashes(self) -> np.ndarray:
        return _hashes(self.tails)

    @cached_property
    def _longest(self) -> int:
        """Bytes of the longest head."""
        return max((len(head.encode()) for head in self.heads), default=0)

    @cached_property
    def _by_head(self) -> tuple[np.ndarray, np.ndarray]:
        """Hashes of the heads, sorted, and how many words a phrase with each head may have."""
        hashes = _hashes(self.heads) if self.heads else np.zeros(1, np.uint64)
        most = [max(map(most_words, phrases)) for phrases in self.heads.values()] or [0]
        order = np.argsort(hashes)
        return hashes[order], np.array(most)[order]


def _without_digits(words: Split, places: np.ndarray) -> tuple[Split, np.ndarray]:
    """(these words as `_bare` has them, whether all digits at the end of each are off)."""
    starts, lengths = words.starts[places], words.lengths[places]
    for _ in range(MOST_DIGITS):
        lengths = lengths - ((lengths > 1) & _end_in_a_digit(words.text, starts, lengths))
    left = _end_in_a_digit(words.text, starts, lengths)
    is_number = left & (lengths == 1)
    lengths = np.where(is_number, words.lengths[places], lengths)
    return Split(words.text, starts, lengths, places), is_number | ~left


def _end_in_a_digit(text: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return text[starts + lengths - 1] - np.uint8(ord("0")) < 10


def _bare(word: str) -> str:
    return word.rstrip(DIGITS) or word


def _hashes(words: Iterable[str]) -> np.ndarray:
    return hash_words(split(pa.array(list(words), pa.string())))


def most_words(phrase: str) -> int:
    """How many words a text may have that is this phrase.

    >>> most_words("a? photo|profile-picture #"), most_words("photo of …") > 1_000_000
    (4, True)
    """
    if "…" in phrase:
        return 1 << 62
    words = (max(len(words_of(text)) for text in piece.split("|")) for piece in phrase.split())
    return sum(n or 1 for n in words)  # a number


def hash_words(words: Split) -> np.ndarray:
    """A hash of each word, uint64; equal words have equal hashes in any array."""
    return word_hashes(words, MULTIPLIERS[0], int(words.lengths.max(initial=0)))


@lru_cache(maxsize=4)
def phrases_by_end(placeholders: tuple[str, ...]) -> Phrases:
    """The phrases that the settings choose. Raises InputError for one that is none."""
    by_end = Phrases({}, {})
    for phrase in dict.fromkeys(chosen(placeholders)["phrases"]):
        phrase_pattern(phrase)  # raises where a word has no letter
        pieces = phrase.split()
        end, phrases = (-1, by_end.tails) if pieces[0] == "…" else (0, by_end.heads)
        for word in _words(phrase, pieces[::-1] if end else pieces):
            key = words_of(word)[end]
            key = key if end else _bare(key)
            if phrase not in phrases.setdefault(key, []):
                phrases[key].append(phrase)
    return by_end


def _words(phrase: str, pieces: Sequence[str]) -> list[str]:
    """The words that may be the first of these pieces. Raises InputError where a piece is no word.

    >>> _words("", ["a?", "photo|image", "of"])
    ['a', 'photo', 'image']
    """
    words: list[str] = []
    for piece in pieces:
        if piece.rstrip("?") in ("…", "#"):
            break
        words += piece.removesuffix("?").split("|")
        if not piece.endswith("?"):
            return words
    raise InputError(f"filters.placeholders: {phrase!r}: expected a word at an end of it")


@cache
def _compiled(phrase: str) -> re.Pattern[str]:
    return re.compile(phrase_pattern(phrase))


def phrase_pattern(phrase: str) -> str:
    """The pattern of a phrase's words, each behind a space.

    Raises InputError for a phrase in which a word has no letter.

    >>> phrase_pattern("image|photo # of? …")
    '(?: image| photo) ?[0-9]+(?:(?: of))?(?: .*)?'
    """
    return "".join(map(_pattern, phrase.split()))


def _pattern(piece: str) -> str:
    if piece == "…":
        return "(?: .*)?"
    if piece.endswith("?"):
        return f"(?:{_pattern(piece[:-1])})?"
    if piece == "#":
        return " ?[0-9]+"
    return f"(?:{'|'.join(map(_word, piece.split('|')))})"


def _word(text: str) -> str:
    key = " ".join(words_of(text))
    if not key or "…" in text:
        raise InputError(f"filters.placeholders: {text!r}: expected a word")
    return f" {re.escape(key)}"
