"""Words and bigrams of articles, counted, and the PMI of bigrams.

The words are those of pipeline.text, so that what is counted is what a caption can match. Only an
inner apostrophe or hyphen stays ("don't" is one word, so the bigrams are not full of "don t"); keys
are made later, by pipeline.query_list.phrases. Counts are partial: a part gives a key once per
flush, and ngram.sql adds up.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from itertools import compress, count, product
from math import log2

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import regex

from pipeline.query_list.bases import Bases
from pipeline.text import WORD
from pipeline.text.tokeniser import Tokeniser
from queries.tables.schemas import TABLES

NGRAM, SCORED = TABLES["ngram"].schema, TABLES["scored_bigram"].schema


def _token(word: str, letter: str, number: str, start: str) -> str:
    """The pattern of a counted word, or of a run of what keeps two words from being a bigram:
    anything but a space. Between two numbers nothing joins: "1990-1995" is two words."""
    joined = rf"['-](?:(?!{number})|(?<={letter}['-])){word}"
    return rf"{word}(?:{joined})*|[^ {start}]+"


_TOKEN = regex.compile(_token(WORD.pattern, r"[\p{L}\p{M}]", r"\p{N}", r"\p{L}\p{N}"))
_ASCII_TOKEN = re.compile(_token("[a-z0-9]+", "[a-z]", "[0-9]", "a-z0-9"))
_WORD_START = regex.compile(r"[\p{L}\p{N}]")

FLUSH_CHARACTERS = 16_000_000  # about 3 million words: 200 MB while they are sorted
BATCH_ROWS = 65_536
_BREAK = 0  # the number of whatever is no word
_MARK = "\x1f"  # stands behind each chunk; in a text it is a break like any other


def count_words(text: str, tokeniser: Tokeniser | None = None) -> list[str]:
    """The words of a text as they are counted, and the punctuation that bigrams may not cross.

    >>> count_words("It’s well-known: New York, the 1980s")
    ["it's", 'well-known', ':', 'new', 'york', ',', 'the', '1980s']
    """
    tokeniser = tokeniser or Tokeniser.of()
    return _split(tokeniser.segmented(tokeniser.fold(text)))


def _split(folded: str) -> list[str]:
    return (_ASCII_TOKEN if folded.isascii() else _TOKEN).findall(folded)


def count_ngrams(
    batches: Iterator[pa.RecordBatch], bases_of: str = "", tokeniser: Tokeniser | None = None
) -> Iterator[pa.RecordBatch]:
    """Map: articles in, rows of the table `ngram` out, sorted by (first, second) in each flush.

    The texts "new york" and "New York!" give (new, null, 2), (new, york, 2), (york, null, 2).
    `bases_of`: the language whose words within words are counted, too; see Bases. `tokeniser`: of
    the build, by default that of default settings.
    """
    bases = Bases(bases_of)
    for texts in _some_texts(batches):
        yield from _counted_texts(texts, bases, tokeniser or Tokeniser.of())


def _some_texts(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.ChunkedArray]:
    """The texts, about FLUSH_CHARACTERS at a time."""
    texts: list[pa.Array] = []
    n = 0
    for batch in batches:
        column = batch.column("text").drop_null().cast(pa.large_string())
        ends = n + np.cumsum(pc.utf8_length(column).to_numpy())
        full = np.flatnonzero(np.diff(ends // FLUSH_CHARACTERS, prepend=0)) + 1
        start = 0
        for stop in full.tolist():
            yield pa.chunked_array([*texts, column[start:stop]])
            texts, start = [], stop
        texts.append(column[start:])
        n = int(ends[-1]) % FLUSH_CHARACTERS if len(ends) else n
    yield pa.chunked_array(texts, pa.large_string())


def _counted_texts(
    texts: pa.ChunkedArray, bases: Bases, tokeniser: Tokeniser
) -> Iterator[pa.RecordBatch]:
    """Sorted counts: one sort of (rank of the first word, rank of the second or 0).

    Texts are cut at their spaces. Nearly every chunk occurs many times ("dog," as well as "dog"),
    so only the different ones are folded and searched for words. A chunk is folded as if it stood
    alone, since no rule of folding looks past a space.
    """
    chunks = _chunks(texts)
    tokens, starts, n_tokens, words = _tokens_of(chunks.dictionary.to_pylist(), bases, tokeniser)
    places = chunks.indices.to_numpy()
    tokens = tokens[_spans(starts[places], n_tokens[places])]
    keys, counts = _counted(_keys(tokens, *_base_places(words, bases)))
    sorted_words = pa.array(words, pa.string())
    for start in range(0, len(keys), BATCH_ROWS):
        rows = slice(start, start + BATCH_ROWS)
        yield _ngram_batch(sorted_words, keys[rows], counts[rows])


def _chunks(texts: pa.ChunkedArray) -> pa.DictionaryArray:
    """What stands between two spaces, and a line feed, which no bigram crosses, between two texts.

    Capitals of ASCII are lowered at once, so that fewer chunks differ; folding does not mind.

    >>> _chunks(pa.chunked_array([["Dog, dog", "a"]], pa.large_string())).to_pylist()
    ['dog,', 'dog', '\\n', 'a']
    """
    texts = pc.replace_substring(pc.ascii_lower(texts.combine_chunks()), _MARK, "\n")
    every = pa.LargeListArray.from_arrays(pa.array([0, len(texts)], pa.int64()), texts)
    joined = pc.binary_join(every, pa.scalar(" \n ", pa.large_string()))
    return pc.split_pattern(joined, " ").flatten().dictionary_encode()


def _tokens_of(
    chunks: list[str], bases: Bases, tokeniser: Tokeniser
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """The tokens of all chunks, where those of each chunk start, how many they are; the words.

    A token is the place of its word in the sorted words, int32; those begin with "", for a break.

    >>> tokens, starts, lengths, words = _tokens_of(["new", "(york)", ""], Bases(""), Tokeniser())
    >>> tokens.tolist(), starts.tolist(), lengths.tolist(), words
    ([1, 0, 0, 2, 0, 0, 0], [0, 2, 6], [1, 3, 0], ['', 'new', 'york'])
    """
    is_ascii = np.fromiter(map(str.isascii, chunks), bool, len(chunks))
    tokens: list[str] = []
    for group in (is_ascii, ~is_ascii):  # the former are searched twice as fast
        folded = tokeniser.fold(f" {_MARK} ".join([*compress(chunks, group), ""]))
        tokens += _split(tokeniser.segmented(folded))
    number_of: dict[str, int] = defaultdict(count().__next__)
    numbers = np.fromiter(map(number_of.__getitem__, tokens), np.int32, len(tokens))
    ends = np.flatnonzero(numbers == number_of[_MARK])
    for word in [word for word in number_of if "'" in word]:
        for base in filter(None, bases.of(word)):
            number_of[base]
    words = ["", *sorted(filter(_WORD_START.match, number_of))]
    rank = np.full(len(number_of), _BREAK, np.int32)
    places = np.fromiter(map(number_of.__getitem__, words[1:]), np.int32, len(words) - 1)
    rank[places] = np.arange(1, len(words))
    order = np.argsort(~is_ascii, stable=True)
    starts, lengths = np.empty_like(ends), np.empty_like(ends)
    starts[order] = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    lengths[order] = np.diff(ends, prepend=-1) - 1
    return rank[numbers], starts, lengths, words


def _base_places(words: list[str], bases: Bases) -> tuple[np.ndarray, np.ndarray]:
    """For each of the sorted words the place of the base at its beginning, and of that at its end,
    int32; _BREAK where there is none.

    >>> [places.tolist() for places in _base_places(["", "york", "york's"], Bases("en"))]
    [[0, 0, 1], [0, 0, 0]]
    """
    first, last = np.full((2, len(words)), _BREAK, np.int32)
    for place, word in enumerate(words):
        if "'" in word:
            for places, base in zip((first, last), bases.of(word), strict=True):
                places[place] = bisect_left(words, base) if base else _BREAK
    return first, last


def _keys(tokens: np.ndarray, first_base: np.ndarray, last_base: np.ndarray) -> np.ndarray:
    """A key for each occurrence of a word, word << 32, or of a bigram, first << 32 | second.

    Each stands beside its neighbours in a caption's words, too: before a word the base at its end
    ("homme libre" of "l'homme libre"), behind a word the base at its beginning.

    >>> keys = _keys(np.array([1, 3]), np.array([0, 0, 0, 2]), np.zeros(4, np.int32))
    >>> [(key >> 32, key & 7) for key in keys.tolist()]  # a word and a genitive
    [(1, 0), (3, 0), (2, 0), (1, 3), (1, 2)]
    """
    seconds = [tokens, *([first_base[tokens]] if first_base.any() else [])]
    firsts = [tokens, *([last_base[tokens]] if last_base.any() else [])]
    keys = [one.compress(one != _BREAK).astype(np.int64) << 32 for one in seconds + firsts[1:]]
    for first, second in product(firsts, seconds):
        is_pair = (first[:-1] != _BREAK) & (second[1:] != _BREAK)
        keys.append(first[:-1].compress(is_pair).astype(np.int64) << 32)
        keys[-1] |= second[1:].compress(is_pair)
    return np.concatenate(keys)


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
