"""Finds the queries that each caption contains as whole words; each query counts once a caption.

One normaliser makes the keys of the queries and the words of the captions, so that every query
can match.

The queries form a tree of words (a trie). A node stands for a beginning that one or more queries
share; a step leads from a node, by the number of the next word, to the next node. A hash table
gives a word's number by a 64-bit hash of its bytes, and a second table gives the steps. All words
of a chunk of captions are looked up at once. A step's key is exact, as node and number fill 64
bits. A word's hash is exact up to 8 bytes; longer words are compared byte by byte. So every match
is exact, even in a caption that was made to share a query's hash. A sample of the matches is
verified once more, against the strings.

In scripts without spaces the tree's words are single characters (`pipeline.text.units`). A match
there stays where it begins and ends at the edge of a word, and only runs in which one begins or
ends are cut into words: captions in other scripts cost nothing.

Numpy searches these tables, or, for many captions, a loop that Numba compiles:
`pipeline.match.kernel`; of captions with unspaced scripts always numpy, and of all captions while
most are such ones.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.match.tables import (
    FLAG_BITS,
    LONG,
    MULTIPLIERS,
    SHORT,
    Table,
    leads_on,
    node,
    query_number,
    step,
    tree,
    vocabulary,
)
from pipeline.text.arrays import (
    Split,
    eights,
    equal_words,
    split_spans,
    word_hashes,
)
from pipeline.text.scripts import unspaced_places
from pipeline.text.tokeniser import Tokeniser
from pipeline.text.units import Units, units_of

MATCHED = pa.schema([pa.field("row", pa.int64(), False), pa.field("query_id", pa.int64(), False)])

# Numpy's arrays of a chunk stay in the processor's cache: 8 bytes a word, some 10 words a caption.
CHUNK_ROWS = {"numpy": 6_144, "numba": 16_384}
CHUNK_BYTES = {"numpy": 1 << 19, "numba": 1 << 20}
NONE = -1
SAMPLE_EVERY = 10_000  # matches, of which one is verified against the strings
MANY = 2_000_000  # captions: by then numba has paid for its import, and soon for compiling


class FalseMatchError(RuntimeError):
    """A match whose query is not in the caption: a fault of the matcher, never of a caption."""


class Matcher:
    """Finds queries in captions on word boundaries.

    >>> found = Matcher(pa.array(["dog", "hot dog"])).match(pa.array(["Hot  dog!", "cat"]))
    >>> found.to_pydict()
    {'row': [0, 0], 'query_id': [0, 1]}
    """

    def __init__(
        self,
        queries: pa.StringArray,
        multipliers: Sequence[int] = MULTIPLIERS,
        kernel: Literal["numpy", "numba"] | None = None,
        tokeniser: Tokeniser | None = None,
    ):
        """`queries`: the texts; query_id is the place in the array. Raises ValueError for a text
        that is not normalised, which no caption could match, and for a text that stands twice.

        `kernel`: the code that searches. By default numpy, and after MANY captions numba if it
        is installed; the matches are the same. Raises ImportError if "numba" is not installed.

        `tokeniser`: how captions are cut into words; by default as by default settings. A build
        hands on its own: `Tokeniser.of(segmenter="icu", boundaries="free")`.
        """
        self.tokeniser = tokeniser or Tokeniser.of()
        _check(queries, self.tokeniser)
        self.queries = queries
        self.id_bits = max(len(queries) - 1, 0).bit_length()
        words = units_of(self.tokeniser.split(queries)).spans
        self.vocabulary, numbers = vocabulary(words, multipliers)
        keys, values = tree(words, numbers)
        n_words = len(self.vocabulary.hashes)
        values[:n_words] |= np.where(self.vocabulary.words.lengths > SHORT, LONG, 0)
        self.words = Table(self.vocabulary.hashes, values[:n_words])
        self.steps = Table(keys, values[n_words:])
        self.compiled = _compiled() if kernel == "numba" else None
        self.may_compile = kernel is None
        self.n_captions = 0
        self.mostly_unspaced = False  # the captions that were searched last

    @property
    def kernel(self) -> str:
        return "numba" if self.compiled and not self.mostly_unspaced else "numpy"

    def match(self, captions: pa.StringArray) -> pa.RecordBatch:
        """All (row, query_id), sorted; row is the caption's place in the array. A null has none.

        Raises InputError for a caption that is not UTF-8.
        """
        rows: list[np.ndarray] = []
        ids: list[np.ndarray] = []
        for start, chunk in _chunks(captions, self.kernel):
            row, query_id = self._search(chunk, start)
            self._verify(chunk, row, query_id)
            row += start
            rows.append(row)
            ids.append(query_id)
        columns = [pa.array(_joined(parts)) for parts in (rows, ids)]
        return pa.RecordBatch.from_arrays(columns, schema=MATCHED)

    def _search(self, captions: pa.StringArray, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and query_ids of all matches, sorted, each once; by either kernel."""
        self.n_captions += len(captions)
        if self.may_compile and self.n_captions > MANY:
            self.may_compile = False
            with suppress(ImportError):
                self.compiled = _compiled()
        if self.kernel == "numpy":
            units = units_of(self.tokeniser.split(captions, row))
            self.mostly_unspaced = units.inside is not None and bool(units.inside.mean() > 1 / 2)
            return self._found(units)
        text, begins, ends, first = self.tokeniser.fold_spans(captions, row)
        places = unspaced_places(text[first:]) + first
        if not len(places):
            return self._found_compiled(text, begins, ends)
        unspaced = np.flatnonzero(np.searchsorted(places, begins) < np.searchsorted(places, ends))
        self.mostly_unspaced = len(unspaced) > len(captions) / 2
        matched = []
        for start in range(0, len(unspaced), CHUNK_ROWS["numpy"]):
            chunk = unspaced[start : start + CHUNK_ROWS["numpy"]]
            words = split_spans(text, begins.take(chunk), ends.take(chunk))
            rows, ids = self._found(units_of(words))
            matched.append((chunk.take(rows), ids))
        ends[unspaced] = begins.take(unspaced)
        matched.append(self._found_compiled(text, begins, ends))
        rows, ids = map(_joined, zip(*matched, strict=True))
        order = np.argsort(rows, kind="stable")
        return rows.take(order), ids.take(order)

    def _found_compiled(
        self, text: np.ndarray, begins: np.ndarray, ends: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows and query_ids of all matches in texts without unspaced characters."""
        assert self.compiled is not None
        vocabulary, steps = self.vocabulary, self.steps
        return self.compiled(
            (eights(text), begins, ends),
            (self.words.cells, self.words.bits),
            (np.uint64(vocabulary.multiplier), vocabulary.longest),
            (eights(vocabulary.words.text), vocabulary.words.starts, vocabulary.words.lengths),
            (steps.cells, steps.bits, steps.flags, FLAG_BITS, np.uint64(MULTIPLIERS[0])),
        )

    def _verify(self, captions: pa.StringArray, rows: np.ndarray, ids: np.ndarray) -> None:
        """Verify a sample of the matches in the strings. Raises FalseMatchError."""
        sample = zip(rows[::SAMPLE_EVERY].tolist(), ids[::SAMPLE_EVERY].tolist(), strict=True)
        for row, matches in groupby(sample, itemgetter(0)):
            padded = f" {self.tokeniser.units(captions[row].as_py())} "
            for _, query_id in matches:
                query = self.queries[query_id].as_py()
                if f" {self.tokeniser.units(query)} " not in padded:
                    raise FalseMatchError(f"query {query!r} matched a caption without it")

    def _found(self, units: Units) -> tuple[np.ndarray, np.ndarray]:
        """Rows and query_ids of all matches, sorted, each once."""
        captions, spans = units.spans, [np.empty((2, 0), np.int64)]
        first, values = self._first_nodes(captions)
        follows = np.full(len(captions.starts) + 1, NONE)  # numbers of words that follow another
        follows[first] = node(values)
        follows[captions.first] = NONE
        parts, n_words = [np.empty(0, np.int64)], 1
        while len(first):
            whole = np.flatnonzero(query_number(values))
            rows = captions.rows.take(first.take(whole))
            parts.append(rows << self.id_bits | (query_number(values.take(whole)) - 1))
            if units.inside is not None:
                spans.append(np.stack([first.take(whole), first.take(whole) + n_words]))
            on = np.flatnonzero(leads_on(values))
            number = follows.take(first.take(on) + n_words)
            hits = np.flatnonzero(number != NONE)
            on = on.take(hits)
            hit, values = self.steps.find_few(step(node(values.take(on)), number.take(hits)))
            first, n_words = first.take(on.take(hit)), n_words + 1
        matches = np.concatenate(parts)
        if units.inside is not None:
            matches = matches[self.tokeniser.at_edges(units, *np.concatenate(spans, axis=1))]
        matches = _distinct(matches)
        ids = matches & ((1 << self.id_bits) - 1)
        matches >>= self.id_bits
        return matches, ids

    def _first_nodes(self, captions: Split) -> tuple[np.ndarray, np.ndarray]:
        """The captions' words that are words of queries: their places, their nodes' values."""
        vocabulary = self.vocabulary
        hit, values = self.words.find(
            word_hashes(captions, vocabulary.multiplier, vocabulary.longest)
        )
        long = captions.lengths.take(hit) > SHORT
        long |= values & LONG != 0
        unsure = np.flatnonzero(long)
        number = node(values.take(unsure))
        same = equal_words(captions, hit.take(unsure), vocabulary.words, number)
        if same.all():
            return hit, values
        long[unsure] = ~same
        return hit.compress(~long), values.compress(~long)


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, np.int64), *parts])


def _distinct(keys: np.ndarray) -> np.ndarray:
    """Sorted in place, each once: np.unique takes many times as long."""
    keys.sort()
    return keys.compress(np.append(True, keys[1:] != keys[:-1])[: len(keys)])


def _compiled() -> Callable[..., Any]:
    from pipeline.match.kernel import compiled  # an optional extra

    return compiled()


def _check(queries: pa.StringArray, tokeniser: Tokeniser) -> None:
    twice = len(queries) - len(pc.unique(queries))
    if twice:
        raise ValueError(f"{twice} queries stand twice, expected none")
    good = pc.and_(pc.equal(queries, tokeniser.normalise_array(queries)), pc.not_equal(queries, ""))
    bad = queries.filter(pc.invert(pc.fill_null(good, False)))
    if len(bad):
        raise ValueError(f"query {bad[0].as_py()!r}: expected its normalised form")


def _chunks(captions: pa.StringArray, kernel: str) -> Iterator[tuple[int, pa.StringArray]]:
    """Slices of at most CHUNK_ROWS and about CHUNK_BYTES, each with the row it begins at."""
    lengths = pc.fill_null(pc.binary_length(captions), 0).to_numpy()
    ends = np.cumsum(lengths, dtype=np.int64)
    start = done = 0
    while start < len(captions):
        stop = int(np.searchsorted(ends, done + CHUNK_BYTES[kernel], "right"))
        stop = min(max(stop, start + 1), start + CHUNK_ROWS[kernel], len(captions))
        yield start, captions[start:stop]
        start, done = stop, int(ends[stop - 1])
