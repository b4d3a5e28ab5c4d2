"""Words and bigrams of articles, counted, and the PMI of bigrams.

May import queries.schemas and nothing else of ours. Words are counted as they are written
("don't" is one word, so the bigrams are not full of "don t"); their keys are made later, by
pipeline.phrases. Counts are partial: a part gives a key once per flush, and ngram.sql adds up.
"""

import re
import unicodedata
from array import array
from collections.abc import Iterator
from math import log2

import numpy as np
import pyarrow as pa
import regex

from queries.schemas import TABLES

NGRAM, SCORED = TABLES["ngram"].schema, TABLES["scored_bigram"].schema

# A word, or a run of what keeps two words from being a bigram: anything but a space.
_TOKEN = regex.compile(r"[\p{L}\p{M}]+(?:['-][\p{L}\p{M}]+)*|[0-9]+|[^ 0-9\p{L}\p{M}]+")
_ASCII_TOKEN = re.compile(r"[a-z]+(?:['-][a-z]+)*|[0-9]+|[^ 0-9a-z]+")
_WORD_START = regex.compile(r"[\p{L}\p{M}0-9]")

FLUSH_CHARACTERS = 16_000_000  # about 3 million words: 200 MB while they are sorted
BATCH_ROWS = 65_536
_BREAK = 0  # the number of whatever is no word


def count_words(text: str) -> list[str]:
    """The words of a text as they are counted, and the punctuation that bigrams may not cross.

    NFC, lower case, the typographic apostrophe as "'".

    >>> count_words("It’s well-known: New York, 1999")
    ["it's", 'well-known', ':', 'new', 'york', ',', '1999']
    """
    if text.isascii():
        return _ASCII_TOKEN.findall(text.lower())
    return _TOKEN.findall(unicodedata.normalize("NFC", text).lower().replace("’", "'"))


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


class _Numbers(dict[str, int]):
    """Numbers words from 1 in the order in which they are asked for; punctuation is a break."""

    def __init__(self) -> None:
        self.words = [""]

    def __missing__(self, token: str) -> int:
        number = _BREAK
        if _WORD_START.match(token):
            number = len(self.words)
            self.words.append(token)
        self[token] = number
        return number


class _Counter:
    """The words seen since the last flush, as numbers in the order of the text: 4 bytes each."""

    def __init__(self) -> None:
        self.numbers = _Numbers()
        self.tokens = array("i")
        self.characters = 0

    def add(self, text: str) -> None:
        self.characters += len(text)
        self.tokens.extend(map(self.numbers.__getitem__, count_words(text)))
        self.tokens.append(_BREAK)

    def flush(self) -> Iterator[pa.RecordBatch]:
        """Sorted counts: one sort of (rank of the first word, rank of the second or 0)."""
        words = self.numbers.words
        order = sorted(range(len(words)), key=words.__getitem__)  # "", the break, comes first
        rank = np.empty(len(words), np.int64)
        rank[order] = np.arange(len(words))
        tokens = rank[np.frombuffer(self.tokens, np.int32)]
        first, second = tokens[:-1], tokens[1:]
        bigrams = (first << 32 | second)[(first != _BREAK) & (second != _BREAK)]
        unigrams = tokens[tokens != _BREAK] << 32
        keys, counts = np.unique(np.concatenate([unigrams, bigrams]), return_counts=True)
        sorted_words = pa.array([words[number] for number in order], pa.string())
        for start in range(0, len(keys), BATCH_ROWS):
            some = slice(start, start + BATCH_ROWS)
            yield _ngram_batch(sorted_words, keys[some], counts[some])


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
