"""Matches by a plain search: every span of every caption's units, looked up in a dict."""

import unicodedata
from functools import lru_cache

import regex

from pipeline.text import words
from pipeline.text.tokeniser import Tokeniser

UNSPACED = r"[[\p{L}\p{Nl}]&&[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}]]|[\p{L}&&\p{Line_Break=SA}]"
UNIT = regex.compile(rf"(?:{UNSPACED})\p{{M}}*", regex.V1)
AM = {"\u0e4d\u0e32": "\u0e33", "\u0ecd\u0eb2": "\u0eb3"}  # as people write it, and dictionaries


@lru_cache(maxsize=1_000_000)
def units(word: str) -> list[str]:
    return UNIT.findall(word) or [word]


def key(pieces: list[str]) -> str:
    """Units as the key of a query has them: nothing between two unspaced ones."""
    text = ""
    unspaced = False
    for piece in pieces:
        before, unspaced = unspaced, UNIT.match(piece) is not None
        text += piece if (before and unspaced) or not text else f" {piece}"
    return text


@lru_cache(maxsize=1_000_000)
def cuts(run: str, tokeniser: Tokeniser) -> set[int]:
    """Where words begin and end in a run, in characters."""
    if tokeniser.segmenter == "none" or not UNIT.match(run):
        return {0, len(run)}
    from icu4py.breakers import WordBreaker

    written = run
    for two, together in AM.items():
        written = written.replace(two, together)
    places, at = {0}, 0
    for word in WordBreaker(written, "root"):
        at += len(unicodedata.normalize("NFKC", word))
        places.add(at)
    return places


def matches(
    queries: list[str], captions: list[str | None], tokeniser: Tokeniser
) -> list[tuple[int, int]]:
    """All (row, query_id), sorted."""
    ids = {text: place for place, text in enumerate(queries)}
    longest = max((sum(len(units(word)) for word in words(text)) for text in queries), default=0)
    found = set()
    for row, caption in enumerate(captions):
        pieces: list[str] = []
        edges = {0}  # the places between units at which a query may begin or end
        for word in words(caption or ""):
            at, places = 0, cuts(word, tokeniser)
            for unit in units(word):
                pieces.append(unit)
                at += len(unit)
                if at in places or tokeniser.boundaries == "free":
                    edges.add(len(pieces))
        for start in edges:
            for end in range(start + 1, min(start + longest, len(pieces)) + 1):
                phrase = key(pieces[start:end]) if end in edges else ""
                if phrase in ids:
                    found.add((row, ids[phrase]))
    return sorted(found)
