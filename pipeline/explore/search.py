"""Words in captions, in any script: sought, as parameters of chosen.sql, and marked.

Case does not matter, nor does how an accent is written. Text in quotation marks is sought as it
stands. Where a script separates words, whole words can be asked for.
"""

import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

import regex

from pipeline.text import WORD, words
from queries.tables.errors import InputError

MOST_TERMS, MOST_CHARACTERS = 5, 200  # chosen.sql has a line for each term
TERM = re.compile(r'"([^"]+)"|(\S+)')
UNSPACED = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}]"
)
LIKE_SIGNS = re.compile(r"([\\%_])")
BETWEEN = r"[^\pL\pN\pM_]"  # what separates words, in RE2


def terms(text: str) -> list[str]:
    """The words and phrases that a search asks for. Raises InputError for too many.

    >>> terms('red "old house" Zürich')
    ['red', 'old house', 'Zürich']
    """
    if len(text) > MOST_CHARACTERS:
        raise InputError(f"a search has at most {MOST_CHARACTERS} characters")
    composed = unicodedata.normalize("NFC", text.replace("\x00", " "))  # no caption has a NUL
    listed = [phrase or word for phrase, word in TERM.findall(composed)]
    if len(listed) > MOST_TERMS:
        raise InputError(f"a search has at most {MOST_TERMS} words or phrases: quote a phrase")
    return listed


def caption_parameters(text: str, whole_words: bool) -> dict[str, str]:
    """
    >>> caption_parameters("50% cat", False)
    {'plain0': '%50\\\\%%', 'plain1': '%cat%'}
    >>> caption_parameters("é", False), caption_parameters("猫", False)
    ({'composed0': '%é%'}, {'plain0': '%猫%'})
    """
    values = {}
    for place, term in enumerate(terms(text)):
        kind = "plain" if term.isascii() or composing().isdisjoint(term) else "composed"
        values[f"{kind}{place}"] = like_pattern(term)
        if whole_words:
            values[f"word{place}"] = word_pattern(term)
    return values


@cache
def composing() -> frozenset[str]:
    """Characters that NFC makes of others, or makes others of.

    A term without any of them is in a caption's NFC exactly if it is in the caption, so the caption
    need not be composed first, which takes three times as long as the search.
    """
    signs: set[str] = set()
    for sign in map(chr, range(sys.maxunicode + 1)):
        parts = unicodedata.normalize("NFD", sign)
        if parts != sign or unicodedata.combining(sign):  # marks may be put in another order
            signs |= {sign, *parts}
    return frozenset(signs)


def like_pattern(term: str) -> str:
    """The pattern of ILIKE, with a backslash as its escape, for a text with the term in it.

    >>> like_pattern("50%")
    '%50\\\\%%'
    """
    escaped = LIKE_SIGNS.sub(r"\\\1", term)
    return f"%{escaped}%"


def word_pattern(term: str) -> str:
    """The pattern of RE2 that a whole caption with this word or phrase has.

    >>> bool(re.fullmatch(word_pattern("cat").replace(BETWEEN, r"\\W"), "A cat, asleep"))
    True
    >>> word_pattern("猫")
    '(?is).*猫.*'
    """
    before = ".*" if UNSPACED.match(term[0]) else f"(.*{BETWEEN})?"
    behind = ".*" if UNSPACED.match(term[-1]) else f"({BETWEEN}.*)?"
    return f"(?is){before}{re.escape(term)}{behind}"


class Piece(NamedTuple):
    text: str
    marked: bool


def pieces(caption: str, queries: Iterable[str]) -> list[Piece]:
    """
    >>> [tuple(piece) for piece in pieces("A Red, HOUSE!", ["red house"])]
    [('A ', False), ('Red, HOUSE', True), ('!', False)]
    """
    marked = [False] * len(caption)
    listed = list(words_in_place(caption))
    for query in queries:
        for begin, end in places(caption, listed, query):
            marked[begin:end] = [True] * (end - begin)
    return list(_runs(caption, marked))


def words_in_place(caption: str) -> Iterator[tuple[str, int, int]]:
    """Each word as queries are compared, with where it begins and ends in the caption."""
    for match in WORD.finditer(caption):
        for word in words(match.group()):
            yield word, match.start(), match.end()


def places(caption: str, listed: list[tuple[str, int, int]], query: str) -> Iterator[tuple]:
    """Where a caption has the words of a query one after the other, or has it as it is written.

    The second is for scripts without spaces, whose words are parts of what stands between them.
    """
    wanted = words(query)
    met = False
    for place in range(len(listed) - len(wanted) + 1):
        span = listed[place : place + len(wanted)]
        if wanted and [word for word, _, _ in span] == wanted:
            met = True
            yield span[0][1], span[-1][2]
    if not met and query and (begin := caption.lower().find(query)) >= 0:
        yield begin, min(begin + len(query), len(caption))


def _runs(caption: str, marked: list[bool]) -> Iterator[Piece]:
    begin = 0
    for place in range(1, len(caption) + 1):
        if place == len(caption) or marked[place] != marked[begin]:
            yield Piece(caption[begin:place], marked[begin])
            begin = place
