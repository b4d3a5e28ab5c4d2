"""Words and bigrams of articles, counted, and the PMI of bigrams.

Words are counted as they are written ("don't" is one word, so the bigrams are not full of "don t");
their keys are made later, by pipeline.query_list.phrases. Counts are partial: a part gives a key
once per flush, and ngram.sql adds up.
"""

import re
import unicodedata
from array import array
from collections import defaultdict
from collections.abc import Iterator
from itertools import compress, count
from math import log2

import numpy as np
import pyarrow as pa
import regex

from queries.tables.schemas import TABLES

NGRAM, SCORED = TABLES["ngram"].schema, TABLES["scored_bigram"].schema

# A word, or a run of what keeps two words from being a bigram: anything but a space.
_TOKEN = regex.compile(r"[\p{L}\p{M}]+(?:['-][\p{L}\p{M}]+)*|[0-9]+|[^ 0-9\p{L}\p{M}]+")
_ASCII_TOKEN = re.compile(r"[a-z]+(?:['-][a-z]+)*|[0-9]+|[^ 0-9a-z]+")
_WORD_START = regex.compile(r"[\p{L}\p{M}0-9]")

FLUSH_CHARACTERS = 16_000_000  # about 3 million words: 200 MB while they are sorted
BATCH_ROWS = 65_536
_BREAK = 0  # the number of whatever is no word
_MARK = "\x1f"  # stands behind each chunk; in a text it is a break like any other


def count_words(text: str) -> list[str]:
    """The words of a text as they are counted, and the punctuation that bigrams may not cross.

    NFC, lower case, the typographic apostrophe as "'".

    >>> count_words("It’s well-known: New York, 1999")
    ["it's", 'well-known', ':', 'new', 'york', ',', '1999']
    """
    return _split(_folded(text))


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", text).lower().replace("’", "'")


def _split(folded: str) -> list[str]:
    return (_ASCII_TOKEN if folded.isascii() else _TOKEN).findall(folded)


def count_ngrams(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Map: articles in, rows of the table `ngram` out, sorted by (first, second) in each flush.

    The texts "new york" and "New York!" give (new, null, 2), (new, york, 2), (york, null, 2).
    """
    counter = _Counter()
    for batch in batches:
        for text in batch.column("text").to_pylist():
            if text:
                counter.add(text)
            if counter.characters >= FLUSH_CHARACTERS:
                yield from counter.flush()
                counter = _Counter()
    yield from counter.flush()


class _Counter:
    """The text since the last flush, as numbers of its chunks: what stands between two spaces.

    Nearly every chunk has been seen before ("dog," as well as "dog"), so only the different ones
    are searched for words, once a flush, and all that is done per chunk of a text is done in C.
    """

    def __init__(self) -> None:
        self.number_of: dict[str, int] = defaultdict(count().__next__)
        self.chunks = array("i")
        self.characters = 0

    def add(self, text: str) -> None:
        self.characters += len(text)
        chunks = _folded(text).replace(_MARK, "\n").split(" ")
        self.chunks.extend(map(self.number_of.__getitem__, chunks))
        self.chunks.append(self.number_of["\n"])  # which no bigram crosses

    def flush(self) -> Iterator[pa.RecordBatch]:
        """Sorted counts: one sort of (rank of the first word, rank of the second or 0)."""
        tokens, starts, n_tokens, words = _tokens_of(list(self.number_of))
        chunks = np.frombuffer(self.chunks, np.int32)
        tokens = tokens[_spans(starts[chunks], n_tokens[chunks])]
        is_word = tokens != _BREAK
        is_pair = is_word[:-1] & is_word[1:]
        keys = np.empty(is_word.sum() + is_pair.sum(), np.int64)
        keys[: is_word.sum()] = tokens[is_word]
        keys[is_word.sum() :] = tokens[:-1][is_pair]
        keys <<= 32
        keys[is_word.sum() :] |= tokens[1:][is_pair]
        keys, counts = _counted(keys)
        sorted_words = pa.array(words, pa.string())
        for start in range(0, len(keys), BATCH_ROWS):
            rows = slice(start, start + BATCH_ROWS)
            yield _ngram_batch(sorted_words, keys[rows], counts[rows])


def _tokens_of(chunks: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """The tokens of all chunks, where those of each chunk start, how many they are; the words.

    A token is the place of its word in the sorted words, int32; those begin with "", for a break.

    >>> tokens, starts, lengths, words = _tokens_of(["new", "(york)", ""])
    >>> tokens.tolist(), starts.tolist(), lengths.tolist(), words
    ([1, 0, 0, 2, 0, 0, 0], [0, 2, 6], [1, 3, 0], ['', 'new', 'york'])
    """
    is_ascii = np.fromiter(map(str.isascii, chunks), bool, len(chunks))
    words: list[str] = []
    for group in (is_ascii, ~is_ascii):  # the former are searched twice as fast
        words += _split(f" {_MARK} ".join([*compress(chunks, group), ""]))
    number_of: dict[str, int] = defaultdict(count().__next__)
    numbers = np.fromiter(map(number_of.__getitem__, words), np.int32, len(words))
    words = ["", *sorted(filter(_WORD_START.match, number_of))]
    rank = np.full(len(number_of), _BREAK, np.int32)
    places = np.fromiter(map(number_of.__getitem__, words[1:]), np.int32, len(words) - 1)
    rank[places] = np.arange(1, len(words))
    ends = np.flatnonzero(numbers == number_of[_MARK])
    order = np.argsort(~is_ascii, stable=True)
    starts, lengths = np.empty_like(ends), np.empty_like(ends)
    starts[order] = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    lengths[order] = np.diff(ends, prepend=-1) - 1
    return rank[numbers], starts, lengths, words


def _counted(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different keys in order, and how often each occurs. Sorts `keys` in place.

    >>> [array.tolist() for array in _counted(np.array([7, 5, 7]))]
    [[5, 7], [1, 2]]
    """
    keys.sort()
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    return keys[starts], np.diff(starts, append=len(keys))


def _spans(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The places from each start on, as many as its length, int32.

    >>> _spans(np.array([7, 0]), np.array([2, 3])).tolist()
    [7, 8, 0, 1, 2]
    """
    before = np.cumsum(lengths) - lengths
    places = np.repeat((starts - before).astype(np.int32), lengths)
    places += np.arange(len(places), dtype=np.int32)
    return places


def _ngram_batch(words: pa.Array, keys: np.ndarray, counts: np.ndarray) -> pa.RecordBatch:
    second = keys & 0xFFFF_FFFF
    return pa.RecordBatch.from_arrays(
        [
            words.take(pa.array(keys >> 32)),
            words.take(pa.array(second, mask=second == _BREAK)),
            pa.array(counts, pa.int64()),
        ],
        schema=NGRAM,
    )


def score_bigrams(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Map: rows of the table `bigram` in, the same bigrams with their PMI out."""
    for batch in batches:
        counts = (
            batch.column(name).to_pylist() for name in ("n", "first_n", "second_n", "total_n")
        )
        scores = [pmi(*four) for four in zip(*counts, strict=True)]
        columns = [batch.column("first"), batch.column("second"), batch.column("n")]
        yield pa.RecordBatch.from_arrays([*columns, pa.array(scores, pa.float64())], schema=SCORED)


def pmi(n: int, first_n: int, second_n: int, total_n: int) -> float:
    """Pointwise mutual information of a bigram, in bits (Church and Hanks 1990).

    In Python, on a correctly rounded quotient of integers: the SQL engines' logs differ.

    >>> pmi(n=8, first_n=8, second_n=16, total_n=1024)
    6.0
    """
    return log2(n * total_n / (first_n * second_n))
