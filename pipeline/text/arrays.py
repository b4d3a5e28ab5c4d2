"""The words of whole Arrow arrays at once: the same as `pipeline.text`, and fast.

Rows of ASCII, most of any English corpus, are folded by one table of 256 bytes over the whole
buffer. The other rows go through `pipeline.text.fold`, so that Unicode's rules stand in one place
only.
"""

import unicodedata
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.text import fold, words
from pipeline.text.characters import (
    LINE_FEED,
    MARK,
    ORDERED,
    SPACE,
    UNSPACED,
    UNSURE,
    VANISHES,
    codes_alone,
    out_of_order,
    set_apart,
    settle,
    word_codes,
)
from pipeline.text.scripts import unspaced_places
from queries.tables.errors import InputError

_BETWEEN, _LINE_FEED = (pa.scalar(separator, pa.large_string()) for separator in " \n")
# Letters that NFKC makes two, and so frequent in Thai and Lao that they are made two for all texts.
SEVERAL = {each: unicodedata.normalize("NFKC", each) for each in "\u0e33\u0eb3\u0edc\u0edd"}
PADDING = 8  # readable bytes behind the text, so that 8 bytes can be read at any place of it

# What each byte of a folded text becomes: words are kept, in lower case; the rest is space.
# Bytes from 0x80 on belong to letters, marks and numbers: `_folded` leaves no others.
_ASCII = "".join((words(chr(code)) or [" "])[0] for code in range(0x80)).encode()
_BYTES = _ASCII + bytes(range(0x80, 0x100))


@dataclass(frozen=True)
class Split:
    """The words of an array's texts, as spans of one buffer.

    text: bytes, uint8, the folded texts with spaces between their words, then PADDING.
    starts, lengths: of each word, in bytes, int64. Row i has the words first[i]:first[i + 1].
    """

    text: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    first: np.ndarray

    @cached_property
    def rows(self) -> np.ndarray:
        """The row of each word, int64."""
        counts = np.diff(self.first)
        return np.repeat(np.arange(len(counts)), counts)

    @property
    def folded(self) -> np.ndarray:
        """The text without its padding, uint8."""
        return self.text[:-PADDING]


def split(texts: pa.Array, row: int = 0) -> Split:
    """Where the words of each text are. A null has none. `row`: the number of the first text, for
    errors.

    >>> spans = split(pa.array(["Hot  dog!", None, "É"]))
    >>> bytes(spans.folded), spans.starts.tolist(), spans.lengths.tolist(), spans.first.tolist()
    (b'hot  dog   \\xc3\\xa9 ', [0, 5, 11], [3, 3, 2], [0, 2, 2, 3])

    Raises InputError for bytes that are not UTF-8, and TypeError for an array of another type.
    """
    texts = _fold_rows(texts, row)
    begins = np.arange(len(texts) + 1, dtype=np.int64)  # a space stands between two texts
    begins[1:] += np.cumsum(pc.binary_length(texts).to_numpy())
    joined = pc.binary_join(_one_list(texts), _BETWEEN)[0].as_buffer()
    return _cut(joined.to_pybytes().translate(_BYTES), begins)


def split_spans(text: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> Split:
    """The words of some of the spans that `fold_spans` gives, copied to a text of their own.

    >>> text, begins, ends, _ = fold_spans(pa.array(["Hot!", "é É", None]))
    >>> bytes(split_spans(text, begins[1:], ends[1:]).folded)
    b'\\xc3\\xa9 \\xc3\\xa9   '
    """
    lengths = ends - begins + 1
    after = np.cumsum(lengths)
    places = np.repeat(begins - after + lengths, lengths) + np.arange(after[-1])
    joined = text.take(places)
    joined[after - 1] = SPACE
    return _cut(joined.tobytes(), np.append(0, after))


def _cut(joined: bytes, begins: np.ndarray) -> Split:
    """The words of folded texts, of which each begins at its place, with a space behind."""
    in_word = np.zeros(len(joined) + 2, np.bool_)
    text = np.frombuffer(joined + bytes(PADDING), np.uint8)
    np.not_equal(text[:-PADDING], SPACE, out=in_word[1:-1])
    edges = np.flatnonzero(in_word[1:] != in_word[:-1])
    starts = np.ascontiguousarray(edges[::2])
    return Split(text, starts, edges[1::2] - starts, np.searchsorted(starts, begins))


def normalise_array(texts: pa.Array) -> pa.Array:
    """`normalise` of every text; nulls stay. Raises as `split`.

    >>> normalise_array(pa.array([" New  York (City)", None])).to_pylist()
    ['new york city', None]
    """
    spans = split(texts)
    kept = spans.folded != SPACE
    follows = spans.rows[1:] == spans.rows[:-1]
    places = unspaced_places(spans.text)
    if len(places):  # no space stands between two runs
        is_unspaced = np.zeros(len(kept), np.bool_)
        is_unspaced[places] = True
        of_run = is_unspaced.take(spans.starts)
        follows &= ~(of_run[1:] & of_run[:-1])
    kept[spans.starts[1:][follows] - 1] = True
    lengths = spans.lengths.copy()
    lengths[1:] += follows
    offsets = np.concatenate([[0], np.cumsum(lengths)])[spans.first]
    keys = _strings(offsets, spans.folded.compress(kept)).cast(texts.type)
    return pc.if_else(pc.is_valid(texts), keys, None) if texts.null_count else keys


def _strings(offsets: np.ndarray, data: np.ndarray) -> pa.LargeStringArray:
    """Strings of UTF-8 bytes that stand one behind another."""
    buffers = pa.py_buffer(offsets.astype(np.int64)), pa.py_buffer(data)
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, *buffers)


def fold_spans(texts: pa.Array, row: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """The folded texts as spans of one buffer: its bytes, where each text begins and ends, and
    where the first one begins that is not ASCII.

    Bytes that belong to no word are spaces; PADDING stands at the end. For a caller that cuts the
    words itself. No text is moved; texts that are not ASCII stand behind the others.

    >>> text, begins, ends, first = fold_spans(pa.array(["Hot!", "é É", None]))
    >>> [bytes(text[begin:end]).decode() for begin, end in zip(begins, ends, strict=True)]
    ['hot ', 'é é ', '']
    >>> begins[1] - first
    np.int64(0)

    Raises as `split`.
    """
    texts, other, folded = _fold_others(texts, row)
    data, offsets = _buffers(texts)
    begins, ends = offsets[:-1].copy(), offsets[1:].copy()
    more, places = _buffers(folded)
    begins[other], ends[other] = places[:-1] + len(data), places[1:] + len(data)
    joined = b"".join([data, more, bytes(PADDING)])
    return np.frombuffer(joined.translate(_BYTES), np.uint8), begins, ends, len(data)


def _buffers(texts: pa.LargeStringArray) -> tuple[memoryview, np.ndarray]:
    """The bytes of the texts, one behind another, and where each begins and the last one ends."""
    if not len(texts):
        return memoryview(b""), np.zeros(1, np.int64)
    _, offsets, data = texts.buffers()
    places = np.frombuffer(offsets, np.int64)[texts.offset :][: len(texts) + 1]
    if data is None:
        return memoryview(b""), places
    return memoryview(data)[places[0] : places[-1]], places - places[0]


def _fold_rows(texts: pa.Array, row: int) -> pa.LargeStringArray:
    """The texts, not null, those that are not ASCII folded with spaces for all but words."""
    texts, other, folded = _fold_others(texts, row)
    return pc.replace_with_mask(texts, pa.array(other), folded) if len(folded) else texts


def _fold_others(
    texts: pa.Array, row: int
) -> tuple[pa.LargeStringArray, np.ndarray, pa.LargeStringArray]:
    """The texts, not null; which of them are not ASCII; these, folded, with spaces for all but
    words."""
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        raise TypeError(f"texts of {texts.type}: expected string or large_string")
    texts = pc.fill_null(texts, "").cast(pa.large_string())
    mask = pc.invert(pc.string_is_ascii(texts))
    other = mask.to_numpy(zero_copy_only=False)
    return texts, other, _folded(texts.filter(mask), np.flatnonzero(other) + row)


def _folded(texts: pa.LargeStringArray, rows: np.ndarray) -> pa.LargeStringArray:
    """Texts folded, with a space for every character of no word, and one at the end of some.

    >>> texts = pa.array(["don’t", "Ｅ\\nß", "ΣΑΣ"], pa.large_string())
    >>> _folded(texts, np.arange(3)).to_pylist()
    ['don t ', 'e ß ', 'σας']

    Most hold nothing but characters that are folded as if they stood alone: one table folds all
    of these texts at once, in a tenth of the time.
    """
    if not len(texts):
        return texts
    text = _lines(texts, rows)
    if text.count("\n") > len(texts):
        text = _lines(pc.replace_substring(texts, "\n", " "), rows)
    codes, folded, special = _looked_up(text)
    if np.isin(codes.take(special), list(map(ord, SEVERAL))).any():
        for sign, letters in SEVERAL.items():
            text = text.replace(sign, letters)
        codes, folded, special = _looked_up(text)
    unsure = np.zeros(len(texts), np.bool_)
    entries = folded.take(special)
    unsure_at = special.compress(entries == UNSURE)
    if entries.max(initial=0) >= ORDERED:
        marks = special.compress(entries >= ORDERED)
        after_nothing = folded.take(marks - 1) == VANISHES
        wrong = marks.compress(out_of_order(codes, marks) | after_nothing)
        unsure_at = np.union1d(unsure_at, wrong)
        folded[marks] ^= ORDERED
        entries = folded.take(special)
    unsure[np.searchsorted(np.flatnonzero(codes == LINE_FEED), unsure_at)] = True
    if entries.max(initial=0) >= UNSPACED:
        unspaced = special.compress(entries >= UNSPACED)
        special = special.compress(entries < UNSPACED)
        folded[unspaced] &= MARK - 1
        settle(folded, special)
        folded = set_apart(folded, unspaced)
    else:
        settle(folded, special)
    nothing_vanished = folded.tobytes().decode("utf-32-le").encode()
    data = np.frombuffer(nothing_vanished.replace(b"\0", b""), np.uint8).copy()
    ends = np.flatnonzero(data == LINE_FEED)
    data[ends] = SPACE
    together = _strings(np.append(0, ends + 1), data)
    if not unsure.any():
        return together
    mask = pa.array(unsure)
    one_by_one = _fold_codes(_decoded(texts.filter(mask), rows[unsure]))
    return pc.replace_with_mask(together, mask, pa.array(one_by_one, texts.type))


def _looked_up(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The code points of a text, what `codes_alone` has for each, and where that is none."""
    codes = np.frombuffer(text.encode("utf-32-le"), "<u4")
    folded = codes_alone().take(codes, mode="clip")
    return codes, folded, np.flatnonzero(folded >= MARK)


def _lines(texts: pa.LargeStringArray, rows: np.ndarray) -> str:
    """The texts, a line feed behind each; `rows` says where they stand, for the error."""
    lines = pc.binary_join(_one_list(texts), _LINE_FEED)[0]
    try:
        return str(lines.as_py()) + "\n"
    except UnicodeDecodeError:
        _decoded(texts, rows)
        raise


def _one_list(texts: pa.LargeStringArray) -> pa.LargeListArray:
    return pa.LargeListArray.from_arrays(pa.array([0, len(texts)], pa.int64()), texts)


def _decoded(texts: pa.LargeStringArray, rows: np.ndarray) -> list[str]:
    """The texts as Python strings; `rows` says where they stand, for the error."""
    try:
        return texts.to_pylist()
    except UnicodeDecodeError:
        for row, text in zip(rows, texts.cast(pa.large_binary()), strict=True):
            try:
                text.as_py().decode()
            except UnicodeDecodeError as error:
                raise InputError(f"row {row}: expected text in UTF-8; found {error}") from None
        raise


def _fold_codes(texts: list[str]) -> list[str]:
    """Texts folded by the plain function, with a space for every character of no word.

    >>> _fold_codes(["don’t", "Ｅ\\nß"])
    ['don t', 'e ß']

    A line feed is no part of a word and none comes of folding, so it can part the texts.
    """
    if not texts:
        return []
    lines = "\n".join([fold(text.replace("\n", " ")) for text in texts])
    codes = word_codes().take(np.frombuffer(lines.encode("utf-32-le"), "<u4"))
    settle(codes, np.flatnonzero(codes >= MARK))
    return codes.tobytes().decode("utf-32-le").split("\n")


# The bytes of a word that are read 8 at a time: as many of the 8 as are the word's.
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(9)], "<u8")


def eights(text: np.ndarray) -> np.ndarray:
    """The 8 bytes from every place of the text on, as one number: uint64, no copy."""
    return np.ndarray((len(text) - PADDING + 1,), "<u8", text.data, strides=(1,))


def word_hashes(words: Split, multiplier: int, longest: int) -> np.ndarray:
    """A hash of each word, uint64; words of up to 8 bytes with one hash are equal.

    Of a longer word only the first `longest` bytes count, rounded up to eights, so that a caption
    that is one huge word costs no more than the longest query word.
    """
    whole = eights(words.text)
    hashes = _mixed(whole[words.starts] & _MASKS.take(np.minimum(words.lengths, 8)), multiplier)
    longer, done = np.flatnonzero(words.lengths > 8), 8
    while len(longer) and done < longest:
        left = words.lengths.take(longer) - done
        here = whole[words.starts.take(longer) + done] & _MASKS.take(np.minimum(left, 8))
        hashes[longer] = _mixed(here + hashes.take(longer), multiplier)
        longer, done = longer.compress(left > 8), done + 8
    return hashes


def _mixed(numbers: np.ndarray, multiplier: int) -> np.ndarray:
    """In place: every bit comes to depend on every bit. One to one if the multiplier is odd."""
    for _ in range(2):
        numbers *= np.uint64(multiplier)
        numbers ^= numbers >> np.uint64(32)
    return numbers


def equal_words(left: Split, ours: np.ndarray, right: Split, theirs: np.ndarray) -> np.ndarray:
    """Whether the words at places `ours` of the one are, byte for byte, those at `theirs` of the
    other.

    >>> left, right = split(pa.array(["Hot dog"])), split(pa.array(["dog cat"]))
    >>> equal_words(left, np.array([1, 1]), right, np.array([0, 1])).tolist()
    [True, False]
    """
    lengths = left.lengths.take(ours)
    same = lengths == right.lengths.take(theirs)
    places, done = np.flatnonzero(same), 0
    while len(places):
        at, also = left.starts.take(ours.take(places)), right.starts.take(theirs.take(places))
        rest = lengths.take(places) - done
        differ = eights(left.text)[at + done] ^ eights(right.text)[also + done]
        differ &= _MASKS.take(np.minimum(rest, 8))
        same[places] = differ == 0
        places, done = places.compress((rest > 8) & (differ == 0)), done + 8
    return same
