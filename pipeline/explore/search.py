"""Words and parts of words in captions, in any script, as parameters of chosen.sql.

Case does not matter, nor does how an accent is written. Text in quotation marks is sought as it
stands. Where a script separates words, whole words can be asked for.
"""

import re
import unicodedata

import regex

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
    listed = [phrase or word for phrase, word in TERM.findall(unicodedata.normalize("NFC", text))]
    if len(listed) > MOST_TERMS:
        raise InputError(f"a search has at most {MOST_TERMS} words or phrases: quote a phrase")
    return [term.replace("\x00", "") for term in listed]


def caption_parameters(text: str, whole_words: bool) -> dict[str, str]:
    """
    >>> caption_parameters("50% cat", False)
    {'plain0': '%50\\\\%%', 'plain1': '%cat%'}
    >>> caption_parameters("é", False)
    {'composed0': '%é%'}
    """
    values = {}
    for place, term in enumerate(terms(text)):
        kind = "plain" if term.isascii() else "composed"
        escaped = LIKE_SIGNS.sub(r"\\\1", term)
        values[f"{kind}{place}"] = f"%{escaped}%"
        if whole_words:
            values[f"word{place}"] = word_pattern(term)
    return values


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
