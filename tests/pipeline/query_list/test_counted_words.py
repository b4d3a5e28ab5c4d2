"""What is counted is what a caption of the same text contains: made-up texts and real ones."""

import json
from collections import Counter
from itertools import pairwise, product
from pathlib import Path

import gensim
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.match import Matcher
from pipeline.query_list.bases import Bases
from pipeline.query_list.ngrams import count_ngrams, count_words
from pipeline.text import WORD, fold, normalise, words
from pipeline.text.tokeniser import Tokeniser
from pipeline.wikipedia import read_articles
from tests.pipeline.query_list.test_ngrams import counted
from tests.plain_matches import matches
from tests.tables import rows

EXPORT = "test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
MESSAGES = Path("/usr/share/mediawiki/languages/i18n")  # Debian's mediawiki: see .ci/mediawiki

PIECES = [*"aÉ犬İ7ﬁ-'’  .\n™´①½²\xad\u0301\u200b\u200c\u200d\u2011", "dog's", "l'", "qu’", "20th"]
PIECES += [*"太阳镜น\u0e49ำ໑"]
TEXT = st.lists(st.sampled_from(PIECES), max_size=15).map("".join) | st.text()
LANGUAGES = ["", "en", "fr", "tr"]


@settings(deadline=None)  # the first call is slow: it makes the tables of all characters
@given(TEXT, st.sampled_from(LANGUAGES))
@example("l'homme d'État's 1990-95 o'\u0301a", "fr")
def test_every_counted_word_and_bigram_is_in_the_text(text, language):
    keys = {normalise(" ".join(filter(None, row[:2]))) for row in counted(text, language=language)}
    assert len(matches([*keys], [text], Tokeniser.of())) == len(keys - {""}) == len(keys)


@given(TEXT)
def test_every_word_of_a_text_is_counted(text):
    tokeniser = Tokeniser.of()
    whole = [word for row in counted(text) if row[1] is None for word in words(row[0])]
    assert {*words(tokeniser.segmented(fold(text)))} == {*whole}


def test_numbers_and_letters_are_one_word():
    expected = ["the", "20th", "century's", "mp3", "player", ",", "1980s", ",", "3d"]
    assert count_words("The 20th century's MP3 player, 1980s, 3D") == expected
    rows = counted("1990-1995, covid-19, 2-year-old F-16, 555-1234")
    words = {first for first, second, _ in rows if second is None}
    assert words == {"1990", "1995", "covid-19", "2-year-old", "f-16", "555", "1234"}


@pytest.mark.parametrize(
    ("language", "text", "bases"),
    [
        ("en", "the dog’s ball", [("dog", None, 1), ("the", "dog", 1)]),
        ("fr", "de l'homme libre", [("homme", None, 1), ("homme", "libre", 1)]),
        ("fr", "aujourd'hui, quelqu'un", []),
        ("it", "dell'arte un'ora", [("arte", None, 1), ("arte", "un'ora", 1), ("ora", None, 1)]),
        ("ca", "L’Alguer", [("alguer", None, 1)]),
        ("tr", "İstanbul’un sesi", [("i̇stanbul", None, 1)]),
        ("nl", "foto's, auto’s", []),
        ("", "the dog’s ball", []),
    ],
)
def test_a_word_within_a_word_is_counted_in_the_languages_that_write_so(language, text, bases):
    assert [row for row in counted(text, language=language) if row not in counted(text)] == bases


@given(st.lists(TEXT, max_size=4), st.sampled_from(LANGUAGES))
def test_words_and_their_bases_equal_a_plain_counter(texts, language):
    bases = Bases(language)
    expected: Counter = Counter()
    for text in texts:
        words = [word if WORD.match(word) else None for word in count_words(text)]
        held = [bases.of(word) if word else (None, None) for word in words]
        expected.update((word, None) for word in [*words, *sum(held, ())] if word)
        for (one, (_, last)), (two, (first, _)) in pairwise(zip(words, held, strict=True)):
            both = product(filter(None, (one, last)), filter(None, (two, first)))
            expected.update(both)
    ordered = sorted(expected, key=lambda key: (key[0], key[1] or ""))
    assert counted(*texts, language=language) == [(*key, expected[key]) for key in ordered]


def unmatched(texts: list[str], language: str) -> list[str]:
    """The words and bigrams of the texts that no caption of these texts contains."""
    articles = rows("article", *[{"page_id": 1, "title": "t", "text": text} for text in texts])
    batches = count_ngrams(iter(articles.to_batches()), language)
    keys = {
        normalise(f"{row['first']} {row['second'] or ''}")
        for batch in batches
        for row in batch.to_pylist()
    }
    assert len(keys) > 1000
    queries = pa.array(sorted(keys))
    found = Matcher(queries).match(pa.array(texts))["query_id"].unique()
    return [queries[place].as_py() for place in set(range(len(queries))) - {*found.to_pylist()}]


def test_every_counted_word_of_gensims_export_matches_a_text_of_it():
    articles = pa.Table.from_batches(read_articles(Path(gensim.__file__).parent / EXPORT))
    assert unmatched(articles["text"].to_pylist(), "en") == []


def test_every_counted_word_of_real_articles_matches_one_of_them(shared):
    table = pq.read_table(shared / "enwiki_articles_20k.parquet", columns=["text"])
    texts = table["text"].to_pylist()[::10]  # all 20,435 take a minute
    assert unmatched(texts, "en") == []


@pytest.mark.parametrize("language", ["de", "fr", "tr", "hi", "fa"])
def test_every_counted_word_of_messages_in_five_languages_matches_one_of_them(language):
    file = MESSAGES / f"{language}.json"
    if not file.exists():
        pytest.skip(f"{file} is not there: apt-get install mediawiki")
    messages = json.loads(file.read_text())
    texts = [text for text in messages.values() if isinstance(text, str)]
    assert sum("\u200c" in text for text in texts) > 500 or language != "fa"
    assert unmatched(texts, language) == []
