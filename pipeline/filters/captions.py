"""Caption rules over whole Arrow arrays: lengths, file names, addresses, blocked words, mojibake.

tests/plain_filters.py has the plain form of every rule, one caption at a time, and a test checks
that both forms agree. RE2 searches the patterns: its time is linear in the length of the text. The
patterns spell out ASCII characters instead of classes, since engines define classes differently.
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
from pipeline.filters.placeholders import chosen, hash_words, phrases_by_end
from pipeline.match import Matcher
from pipeline.settings.whole import FilterSettings
from pipeline.text import normalise
from pipeline.text.arrays import Split, split
from pipeline.text.tokeniser import Tokeniser
from queries.tables.errors import InputError

MOST_ROWS = 1 << 14  # texts of one call: their row number fits beside 50 bits of a hash
LETTER, SPACE = 1, 2  # bits of a character's kind
EVERY_LETTER = regex.compile(r"[\p{L}\p{M}]+")

# Patterns of a whole text in lower case, without the spaces at its ends.
_BLANK, _INK = r"[ \t\n\r\f\v]", r"[^ \t\n\r\f\v]"
STOCK = (
    r"(?:shutterstock|istock(?:photo)?|getty(?:images)?|adobestock|depositphotos|dreamstime|fotolia|"
    r"bigstock|alamy|pexels|unsplash|pixabay)"
)
SCREENSHOT = (
    r"(?:screen ?shot|bildschirmfoto|capture d.écran|captura de (?:pantalla|tela)|schermata|"
    r"schermafbeelding|skärmavbild|zrzut ekranu|[Сс]нимок экрана|whatsapp image)"
)
CAMERA_NAME = (
    r"(?:_mg|_dsc|(?:fb_|clip_)?c?img|img_e|imgp|imag|dscn?|dscf|dcp|dji|gopr|pict|pxl|mvi|vid|wp|"
    r"scan|slide|screenshot|screen shot|untitled|photo|image|clip_image|picture)"
    r"[ _-]*[0-9]+(?:[ _-]+[0-9]+)*(?:[ _-]*(?:copy|edited|edit|\([0-9]+\)))?"  # DSC01234 (2)
    rf"|{STOCK}(?:[ _-][a-z]+)?[ _-]*[0-9]{{5,}}(?:[ _-]+[0-9]+)*"  # shutterstock_123456789
    rf"|{SCREENSHOT}[ _-]*[0-9]{{4}}[0-9._-]*"
    r"(?: (?:[^ 0-9]{1,4} ){0,2}[0-9.:_-]+(?: [ap]\.?m\.?)?)?(?: ?\([0-9]+\))?"  # … at 10.11.12 AM
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
    """The pattern of a text that is this pattern, with spaces around it or none."""
    return f"{_BLANK}*(?:{pattern}){_BLANK}*"


def with_words(n: int) -> str:
    """The pattern of a file name of n words or more, each of three letters or more."""
    return rf"(?:[a-z]{{3,}}[^a-z].*?){{{n}}}"


def caption_masks(
    texts: pa.StringArray, settings: FilterSettings, tokeniser: Tokeniser | None = None
) -> dict[str, np.ndarray]:
    """For each caption rule, in order, an (N,) bool mask of the texts that the rule drops.

    Takes at most MOST_ROWS texts, none of them null.

    >>> masks = caption_masks(pa.array(["IMG_0412.jpg"]), FilterSettings())
    >>> [reason for reason, mask in masks.items() if mask[0]]
    ['caption_is_file_name']
    """
    s, measured = settings, shapes(texts)
    masks = {"caption_too_short": measured.n_words < s.min_words}
    masks["caption_too_short"] |= measured.n_characters < s.min_characters
    masks["caption_too_long"] = _above(measured.n_words, s.max_words)
    masks["caption_too_long"] |= _above(measured.n_characters, s.max_characters)
    lower = pc.ascii_lower(texts)
    if s.drop_urls:
        masks["caption_is_url"] = _is_whole(lower, ADDRESS)
    if s.drop_file_names:
        masks["caption_is_file_name"] = _is_whole(lower, CAMERA_NAME) | _is_bare_file(lower, s)
    if s.drop_mojibake:
        masks["caption_mojibake"] = _is_mojibake(texts)
    masks["caption_mostly_digits"] = measured.letter_share < s.min_letter_share
    words = split(texts)
    hashes = hash_words(words)
    if s.placeholders:
        masks["caption_placeholder"] = phrases_by_end(s.placeholders).match(words, hashes)
        masks["caption_placeholder"] |= _is_code(lower, s.placeholders)
    masks["caption_repeats"] = repeated_share(words, hashes) > s.max_repeated_share
    if s.blocked_words:
        masks["caption_blocked"] = _is_blocked(texts, s.blocked_words, tokeniser)
    return masks


def _above(counts: np.ndarray, limit: int) -> np.ndarray:
    return counts > (limit or np.inf)


def _is_whole(texts: pa.StringArray, pattern: str) -> np.ndarray:
    return matches(texts, f"^{whole(pattern)}$")


def _is_bare_file(texts: pa.StringArray, settings: FilterSettings) -> np.ndarray:
    """Whether the text is a file name of too few words; "old-oak-in-snow.jpg" has enough."""
    bare = _is_whole(texts, FILE_NAME)
    if settings.file_name_words:
        rows = np.flatnonzero(bare)
        bare[rows] = ~matches(texts.take(pa.array(rows)), with_words(settings.file_name_words))
    return bare


@dataclass(frozen=True)
class Shapes:
    """Counts of each text, each an (N,) int64 array.

    n_words: runs between spaces. n_characters: all but the spaces at both ends. n_visible: all but
    spaces. n_letters: visible characters that are letters, or marks on letters.
    """

    n_words: np.ndarray
    n_characters: np.ndarray
    n_visible: np.ndarray
    n_letters: np.ndarray

    @property
    def letter_share(self) -> np.ndarray:
        """The share of letters among the visible characters; 0 for a text without any."""
        return self.n_letters / np.maximum(self.n_visible, 1)


def shapes(texts: pa.StringArray) -> Shapes:
    """
    >>> text = shapes(pa.array([" room 101 "]))
    >>> text.n_words.tolist(), text.n_characters.tolist(), text.letter_share.round(3).tolist()
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
    """How many flags are set between each edge and the next."""
    sums = np.zeros(len(flags) + 1, np.int32)  # half the time of int64
    np.cumsum(flags, out=sums[1:])
    return np.diff(sums[edges])


@lru_cache(maxsize=1)
def _kinds() -> np.ndarray:
    """The kind of every code point, 0x110000 x uint8, 1.1 MB."""
    surrogates = range(0xD800, 0xE000)  # have no UTF-8, so no text holds them
    every = "".join("?" if code in surrogates else chr(code) for code in range(0x110000))
    kinds = np.zeros(0x110000, np.uint8)
    for letters in EVERY_LETTER.finditer(every):
        kinds[letters.start() : letters.end()] = LETTER
    kinds[[code for code, character in enumerate(every) if character.isspace()]] = SPACE
    return kinds


def _is_code(lower: pa.StringArray, placeholders: tuple[str, ...]) -> np.ndarray:
    lines = chosen(placeholders)
    patterns = [*(f"^{whole(line)}$" for line in lines["whole"]), *lines["anywhere"]]
    return matches(lower, "|".join(patterns)) if patterns else np.zeros(len(lower), bool)


def repeated_share(words: Split, hashes: np.ndarray) -> np.ndarray:
    """The share of a text's words that repeat an earlier word of it; 0 for a text without words.

    >>> words = split(pa.array(["sofa Sofa, red sofa", "a red sofa", ""]))
    >>> repeated_share(words, hash_words(words)).tolist()
    [0.5, 0.0, 0.0]
    """
    n_texts = len(words.first) - 1
    if n_texts > MOST_ROWS:
        raise ValueError(f"{n_texts} texts: expected at most {MOST_ROWS}")
    keys = hashes >> np.uint64(14)
    keys |= words.rows.astype(np.uint64) << np.uint64(50)
    keys.sort()
    again = (keys[1:][keys[1:] == keys[:-1]] >> np.uint64(50)).astype(np.int64)
    return np.bincount(again, minlength=n_texts) / np.maximum(np.diff(words.first), 1)


def _suspect() -> str:
    """A pattern that matches every text that was UTF-8 and was read in another character set.

    In UTF-8 a character beyond ASCII is a byte 0xC2..0xF4 and one to three bytes 0x80..0xBF. A
    character set of one byte a character reads each of those bytes as a character. U+FFFD stands
    for a lost character.
    """
    sets = ftfy.chardata.CHARMAP_ENCODINGS
    lead, more = (
        {char for name in sets for char in bytes(numbers).decode(name, "ignore")}
        for numbers in (range(0xC2, 0xF5), range(0x80, 0xC0))
    )
    return f"[{_escaped(lead)}][{_escaped(more)}]|[\x80-\x9f]|Ã |\ufffd"


def _escaped(characters: set[str]) -> str:
    return "".join(rf"\x{{{ord(character):x}}}" for character in sorted(characters))


def is_mojibake(text: str) -> bool:
    """Whether characters of the text are lost, or were read in a wrong character set.

    >>> is_mojibake("CafÃ© in Paris"), is_mojibake("Café in Paris")
    (True, False)
    """
    return "\ufffd" in text or ftfy.fix_encoding(text) != text


SUSPECT = _suspect()


def _is_mojibake(texts: pa.StringArray) -> np.ndarray:
    mojibake = ~np.asarray(pc.string_is_ascii(texts))  # SUSPECT has a character beyond ASCII
    rows = np.flatnonzero(mojibake)
    mojibake[rows] = matches(texts.take(pa.array(rows)), SUSPECT)
    rows = np.flatnonzero(mojibake)
    mojibake[rows] = [is_mojibake(text) for text in texts.take(pa.array(rows)).to_pylist()]
    return mojibake


def _is_blocked(
    texts: pa.StringArray, paths: tuple[str, ...], tokeniser: Tokeniser | None
) -> np.ndarray:
    blocked = np.zeros(len(texts), bool)
    blocked[_blocked(paths, tokeniser or Tokeniser.of()).match(texts)["row"]] = True
    return blocked


@lru_cache(maxsize=2)
def _blocked(paths: tuple[str, ...], tokeniser: Tokeniser) -> Matcher:
    lines = (line for path in paths for line in read_blocked(Path(path)))
    keys = sorted(set(map(tokeniser.normalise, lines)))
    return Matcher(pa.array(keys, pa.string()), tokeniser=tokeniser)


def read_blocked(path: Path) -> Iterator[str]:
    """The normalised words and phrases of a list, one a line; # begins a comment line.

    Raises InputError for text that is no UTF-8, and for a line without a word, which would match
    nothing.
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
