"""Caption rules over whole Arrow arrays: lengths, file names, addresses, blocked words, mojibake.

The plain form of every rule, a caption at a time, stands in tests/plain_filters.py, and a test
holds the two equal. Patterns go to RE2, whose time is linear in the text, and name the ASCII
characters that they mean, so that they mean the same everywhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import ftfy
import ftfy.chardata
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import regex

from pipeline.filters.hosts import matches
from pipeline.match import Matcher
from pipeline.match.tables import MULTIPLIERS
from pipeline.settings.whole import FilterSettings
from pipeline.text import normalise
from pipeline.text.arrays import normalise_array, split, word_hashes
from queries.tables.errors import InputError

MOST_ROWS = 1 << 14  # of one call: what fits beside 50 bits of a hash
LETTER, SPACE = 1, 2  # kinds of characters, as bits
EVERY_LETTER = regex.compile(r"[\p{L}\p{M}]+")

# Patterns of a whole text in lower case, but for the spaces at its ends.
_BLANK, _INK = r"[ \t\n\r\f\v]", r"[^ \t\n\r\f\v]"
CAMERA_NAME = (
    r"(?:_mg|_dsc|c?img|imgp|imag|dscn?|dscf|dcp|dji|gopr|pict|pxl|mvi|vid|wp|scan|slide|"
    r"screenshot|screen shot|untitled|photo|image|picture)"
    r"[ _-]*[0-9]+(?:[ _-]+[0-9]+)*(?:[ _-]*(?:copy|edited|edit|\([0-9]+\)))?"  # DSC01234 (2)
    r"|[0-9]{8}[ _-][0-9]{4,6}"  # 20160716_113957
    r"|[0-9a-f]{16,}"  # a digest
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)
FILE_NAME = (
    rf"{_INK}+\.(?:jpe?g|png|gif|webp|avif|tiff?|bmp|svg|heic|raw|nef|cr2|psd|pdf|mp4)"
    rf"(?:\?{_INK}*)?"  # IMG_0412.jpg
)
ADDRESS = (
    rf"(?:https?://|www\.){_INK}+"
    rf"|{_INK}+@{_INK}+\.[a-z0-9]+"
    rf"|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.(?:com|net|org|info|co\.uk|de|ru)(?:/{_INK}*)?"
)


def whole(pattern: str) -> str:
    """The pattern of a text that is this and nothing else but spaces."""
    return f"{_BLANK}*(?:{pattern}){_BLANK}*"


def with_words(n: int) -> str:
    """The pattern of a file name of n words or more, each of three letters or more."""
    return rf"(?:[a-z]{{3,}}[^a-z].*?){{{n}}}"


def caption_masks(texts: pa.StringArray, settings: FilterSettings) -> dict[str, np.ndarray]:
    """For each rule about captions the rows that it drops, a bool each, in the order of the rules.

    At most MOST_ROWS texts, none of them null.

    >>> masks = caption_masks(pa.array(["IMG_0412.jpg"]), FilterSettings())
    >>> [reason for reason, mask in masks.items() if mask[0]]
    ['caption_is_file_name']
    """
    s, found = settings, shapes(texts)
    masks = {
        "caption_too_short": (found.n_words < s.min_words) | (found.n_characters < s.min_characters)
    }
    masks["caption_too_long"] = _above(found.n_words, s.max_words)
    masks["caption_too_long"] |= _above(found.n_characters, s.max_characters)
    lower = pc.ascii_lower(texts)
    if s.drop_urls:
        masks["caption_is_url"] = _is_whole(lower, ADDRESS)
    if s.drop_file_names:
        masks["caption_is_file_name"] = _is_whole(lower, CAMERA_NAME) | _is_bare_file(lower, s)
    if s.drop_mojibake:
        masks["caption_mojibake"] = _is_mojibake(texts)
    masks["caption_mostly_digits"] = found.letter_share < s.min_letter_share
    masks["caption_placeholder"] = _is_placeholder(texts, found.n_visible, s.placeholders)
    masks["caption_repeats"] = repeated_share(texts) > s.max_repeated_share
    if s.blocked_words:
        masks["caption_blocked"] = _is_blocked(texts, s.blocked_words)
    return masks


def _above(counts: np.ndarray, limit: int) -> np.ndarray:
    return counts > (limit or np.inf)


def _is_whole(texts: pa.StringArray, pattern: str) -> np.ndarray:
    return matches(texts, f"^{whole(pattern)}$")


def _is_bare_file(texts: pa.StringArray, settings: FilterSettings) -> np.ndarray:
    """A file name that says nothing: "old-oak-in-snow.jpg" has words enough to stay."""
    found = _is_whole(texts, FILE_NAME)
    if settings.file_name_words:
        found &= ~matches(texts, with_words(settings.file_name_words))
    return found


@dataclass(frozen=True)
class Shapes:
    """What each text consists of; every array has a number a text.

    n_words: runs between spaces. n_characters: without the spaces at the ends. n_visible: without
    any space. n_letters: of these, letters and the marks on them.
    """

    n_words: np.ndarray
    n_characters: np.ndarray
    n_visible: np.ndarray
    n_letters: np.ndarray

    @property
    def letter_share(self) -> np.ndarray:
        """Letters among the visible characters; 0 for a text without any."""
        return self.n_letters / np.maximum(self.n_visible, 1)


def shapes(texts: pa.StringArray) -> Shapes:
    """
    >>> one = shapes(pa.array([" room 101 "]))
    >>> one.n_words.tolist(), one.n_characters.tolist(), one.letter_share.round(3).tolist()
    ([2], [8], [0.571])
    """
    ends = np.cumsum(np.asarray(pc.utf8_length(texts)), dtype=np.int64)
    edges = np.concatenate([[0], ends])
    kinds = _kinds()[np.frombuffer("".join(texts.to_pylist()).encode("utf-32-le"), "<u4")]
    visible = kinds & SPACE == 0
    begins = visible.copy()  # words: what is visible behind a space, or first in its text
    begins[1:] &= ~visible[:-1]
    first = edges[:-1][edges[:-1] < edges[1:]]
    begins[first] = visible[first]
    places = np.append(np.flatnonzero(visible), 0)
    before = np.concatenate([[0], np.cumsum(visible)])[edges]
    length = places[before[1:] - 1] - places[before[:-1]] + 1
    return Shapes(
        n_words=_counts(begins, edges),
        n_characters=np.where(before[1:] > before[:-1], length, 0),
        n_visible=np.diff(before),
        n_letters=_counts(kinds & LETTER, edges),
    )


def _counts(flags: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """How many of the flags between each two edges are set."""
    return np.diff(np.concatenate([[0], np.cumsum(flags, dtype=np.int64)])[edges])


@lru_cache(maxsize=1)
def _kinds() -> np.ndarray:
    """The kind of every code point, 0x110000 x uint8, 1.1 MB."""
    surrogates = range(0xD800, 0xE000)  # have no UTF-8, so no text holds them
    every = "".join("?" if code in surrogates else chr(code) for code in range(0x110000))
    kinds = np.zeros(0x110000, np.uint8)
    for found in EVERY_LETTER.finditer(every):
        kinds[found.start() : found.end()] = LETTER
    kinds[[code for code, one in enumerate(every) if one.isspace()]] = SPACE
    return kinds


def _is_placeholder(
    texts: pa.StringArray, n_visible: np.ndarray, placeholders: tuple[str, ...]
) -> np.ndarray:
    keys = pa.array([normalise(one) for one in placeholders], pa.string())
    return np.asarray(pc.is_in(normalise_array(texts), keys))


def repeated_share(texts: pa.StringArray) -> np.ndarray:
    """Words that stand earlier in the same text, among its words; 0 for a text without any.

    >>> repeated_share(pa.array(["sofa Sofa, red sofa", "a red sofa", ""])).tolist()
    [0.5, 0.0, 0.0]
    """
    if len(texts) > MOST_ROWS:
        raise ValueError(f"{len(texts)} texts: expected at most {MOST_ROWS}")
    found = split(texts)
    longest = int(found.lengths.max(initial=0))
    keys = word_hashes(found, MULTIPLIERS[0], longest) >> np.uint64(14)
    keys |= found.rows.astype(np.uint64) << np.uint64(50)
    keys.sort()
    again = (keys[1:][keys[1:] == keys[:-1]] >> np.uint64(50)).astype(np.int64)
    return np.bincount(again, minlength=len(texts)) / np.maximum(np.diff(found.first), 1)


def _suspect() -> str:
    """A pattern that every text has which is UTF-8 read in another character set.

    In UTF-8 a character beyond ASCII is a byte 0xC2..0xF4 and one to three of 0x80..0xBF; read
    in a set of one byte a character, it is a character for each. U+FFFD stands for a lost one.
    """
    sets = ftfy.chardata.CHARMAP_ENCODINGS
    lead, more = (
        {one for name in sets for one in bytes(numbers).decode(name, "ignore")}
        for numbers in (range(0xC2, 0xF5), range(0x80, 0xC0))
    )
    return f"[{_escaped(lead)}][{_escaped(more)}]|[\x80-\x9f]|Ã |\ufffd"


def _escaped(characters: set[str]) -> str:
    return "".join(rf"\x{{{ord(one):x}}}" for one in sorted(characters))


def is_mojibake(text: str) -> bool:
    """Whether characters of the text are lost, or read in a wrong character set.

    >>> is_mojibake("CafÃ© in Paris"), is_mojibake("Café in Paris")
    (True, False)
    """
    return "\ufffd" in text or ftfy.fix_encoding(text) != text


SUSPECT = _suspect()


def _is_mojibake(texts: pa.StringArray) -> np.ndarray:
    found = matches(texts, SUSPECT)
    rows = np.flatnonzero(found)
    found[rows] = [is_mojibake(text) for text in texts.take(pa.array(rows)).to_pylist()]
    return found


def _is_blocked(texts: pa.StringArray, paths: tuple[str, ...]) -> np.ndarray:
    found = np.zeros(len(texts), bool)
    found[_blocked(paths).match(texts)["row"]] = True
    return found


@lru_cache(maxsize=2)
def _blocked(paths: tuple[str, ...]) -> Matcher:
    keys = {key for path in paths for key in read_blocked(Path(path))}
    return Matcher(pa.array(sorted(keys), pa.string()))


def read_blocked(path: Path) -> Iterator[str]:
    """The words and phrases of a list, one a line, normalised; # begins a comment line.

    Raises InputError for a line without a word, which nothing would ever match.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected text in UTF-8: {error}") from None
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            key = normalise(line)
            if not key:
                raise InputError(f"{path}, line {number}: expected a word, found {line[:200]!r}")
            yield key
