"""Words and bigrams, counted; their PMI."""

from collections import Counter
from itertools import pairwise
from math import log2

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.query_list import ngrams
from pipeline.query_list.ngrams import count_ngrams, count_words, pmi, score_bigrams
from queries.tables.schemas import TABLES
from tests.tables import rows


def counted(*texts: str | None, language: str = "") -> list[tuple]:
    articles = rows("article", *[{"page_id": 1, "title": "t", "text": text} for text in texts])
    batches = count_ngrams(iter(articles.to_batches()), language)
    table = pa.Table.from_batches(batches, TABLES["ngram"].schema)
    return [tuple(row.values()) for row in table.to_pylist()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don’t DON'T don't", ["don't"] * 3),
        ("well-known -x- 'quoted'", ["well-known", "-", "x", "-", "'", "quoted", "'"]),
        ("In 1999, 3.5 km2", ["in", "1999", ",", "3", ".", "5", "km2"]),
        ("कुत्ता और", ["कुत्ता", "और"]),
        ("cafe\u0301 café", ["café", "café"]),
        ("İs", ["i̇s"]),
        ("one\ntwo", ["one", "\n", "two"]),
        ("", []),
    ],
)
def test_words_are_counted_as_they_are_written(text, expected):
    assert count_words(text) == expected


def test_words_and_bigrams_are_counted_and_sorted():
    assert counted("new york", "New York!", None) == [
        ("new", None, 2),
        ("new", "york", 2),
        ("york", None, 2),
    ]


def test_bigrams_cross_neither_punctuation_nor_lines_nor_articles():
    bigrams = [row for row in counted("a b, c\nd", "e", "") if row[1] is not None]
    assert bigrams == [("a", "b", 1)]


def test_no_text_gives_no_rows():
    assert counted() == []
    assert counted(None, "", "?!") == []


PIECES = st.sampled_from(["a", "b", "ab", "é", "’", "'", "-", " ", " ", ",", "\n", "7", "犬"])


@given(st.lists(st.lists(PIECES, max_size=12).map("".join), max_size=5))
def test_counts_equal_a_plain_counter(texts):
    expected: Counter = Counter()
    for text in texts:
        tokens = [one if one[0].isalnum() else None for one in count_words(text)]
        expected.update((token, None) for token in tokens if token)
        expected.update((one, two) for one, two in pairwise(tokens) if one and two)
    ordered = sorted(expected, key=lambda key: (key[0], key[1] or ""))
    assert counted(*texts) == [(*key, expected[key]) for key in ordered]


def test_flushes_lose_nothing(monkeypatch):
    texts = ["a b a", "b a b", "a b", "c"] * 3
    whole = Counter({row[:2]: row[2] for row in counted(*texts)})
    monkeypatch.setattr(ngrams, "FLUSH_CHARACTERS", 8)
    parts = counted(*texts)
    assert len(parts) > len(whole)
    added: Counter = Counter()
    for first, second, n in parts:
        added[first, second] += n
    assert added == whole


def test_the_order_is_that_of_code_points_and_batches_are_bounded(monkeypatch):
    monkeypatch.setattr(ngrams, "BATCH_ROWS", 2)
    articles = rows("article", {"text": "z, é, a, 犬, \U00010400, Z"})
    batches = list(count_ngrams(iter(articles.to_batches())))
    assert [batch.num_rows for batch in batches] == [2, 2, 1]
    words = [word for batch in batches for word in batch["first"].to_pylist()]
    assert words == ["a", "z", "é", "犬", "\U00010428"]


def test_pmi_is_the_log_of_how_much_oftener_than_by_chance():
    assert pmi(n=8, first_n=8, second_n=16, total_n=1024) == 6.0
    assert pmi(n=1, first_n=32, second_n=32, total_n=1024) == 0.0
    huge = pmi(n=10**12, first_n=10**12, second_n=10**12, total_n=10**13)
    assert huge == log2(10)


def test_each_bigram_gets_its_pmi():
    given_rows = rows(
        "bigram",
        {"first": "new", "second": "york", "n": 8, "first_n": 8, "second_n": 16, "total_n": 1024},
        {"first": "of", "second": "the", "n": 1, "first_n": 32, "second_n": 32, "total_n": 1024},
    )
    (batch,) = score_bigrams(iter(given_rows.to_batches()))
    assert batch.schema == TABLES["scored_bigram"].schema
    assert [tuple(row.values()) for row in batch.to_pylist()] == [
        ("new", "york", 8, 6.0),
        ("of", "the", 1, 0.0),
    ]
