"""A whole build of two languages: each language's part is what a plain walk makes of it alone."""

import re
from collections import Counter

import pytest

from pipeline.text import normalise
from queries.tables.manifest import find
from tests.image_server import ImageServer
from tests.pipeline.tasks.test_build import question
from tests.queries.engine.spark_cluster import spark_home
from tests.small_build import published, table
from tests.walk import cap_by_tail, tail_share, walk
from tests.world import FRENCH, World

pytestmark = pytest.mark.slow
CAP = 9
LANGUAGES = {"en": "", "de": 'merge = ["als", "nds"]'}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with ImageServer() as server:
        yield World(tmp_path_factory.mktemp("world"), server.url(""))


@pytest.fixture(scope="module")
def built(world, language_model, tmp_path_factory):
    settings = world.world(language_model, LANGUAGES, 'other_languages = "all"', cap=CAP)
    return made(world, tmp_path_factory.mktemp("built") / "wit", settings)


def made(world, out, settings, *more):
    done = world.luigi(out, settings, *more)
    assert done.returncode == 0, done.stdout + done.stderr
    return find(out)


def rows_of(build, name):
    return table(build, name).to_pylist()


def test_every_check_passes_and_every_audit_answers(built):
    for kind in ("check", "audit"):
        done = question(kind, "--build", str(built))
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_report_shows_the_languages_and_names_that_of_a_short_list(built):
    page = (built / "report.html").read_text()
    assert '<span class="soft">(languages_caps)</span>' in page
    assert "<strong>Short:</strong> de: the list has" in page


def test_queries_of_both_languages_stand_in_one_table_the_same_text_in_both(built):
    queries = rows_of(built, "query")
    assert [row["query_id"] for row in queries] == list(range(len(queries)))
    assert [row["language"] for row in queries] == sorted(
        (row["language"] for row in queries), key=list(LANGUAGES).index
    )
    texts = Counter(row["text"] for row in queries)
    assert texts["hand"] == 2
    for name in ("corpus", "border", "list_source", "input_file"):
        assert {row["language"] for row in rows_of(built, name)} == set(LANGUAGES)


def test_a_caption_matches_the_list_of_its_language_and_one_of_no_language_all(built):
    queries, pairs = rows_of(built, "query"), rows_of(built, "pair")
    assert {row["query_language"] for row in pairs} >= set(LANGUAGES)
    plain = {
        (pair["pair_id"], query["query_id"])
        for pair in pairs
        for query in queries
        if pair["query_language"] in (query["language"], "other")
        and f" {query['text']} " in f" {normalise(pair['caption'])} "
    }
    assert {(row["pair_id"], row["query_id"]) for row in rows_of(built, "match")} == plain
    french = {text.split()[0] for text in FRENCH}
    others = [row for row in rows_of(built, "drop") if row["query_language"] == "other"]
    assert {row["caption"].split()[0] for row in others} & french
    assert {row["reason"] for row in others} <= {"no_query", "url_seen"}


def test_each_cap_is_that_of_a_plain_search_and_each_language_is_walked_by_its_own(built):
    language_of = {row["query_id"]: row["language"] for row in rows_of(built, "query")}
    counts = Counter(row["query_id"] for row in rows_of(built, "match"))
    by_language = {
        code: [n for query, n in counts.items() if language_of[query] == code] for code in LANGUAGES
    }
    share = tail_share(by_language["en"], CAP)
    caps = {row["language"]: row["cap"] for row in rows_of(built, "language_cap")}
    assert caps == {"en": CAP, "de": cap_by_tail(by_language["de"], share)}
    assert caps["de"] != CAP, "or nothing is shown"

    outcome = {row["pair_id"]: row["reason"] for row in rows_of(built, "outcome")}
    priority = {row["pair_id"]: row["priority"] for row in rows_of(built, "pair")}
    kept: dict[int, set[int]] = {}
    for row in rows_of(built, "kept_match"):
        kept.setdefault(row["pair_id"], set()).add(row["query_id"])
    for code in LANGUAGES:
        queries_of: dict[int, list[int]] = {}
        for row in rows_of(built, "match"):
            if language_of[row["query_id"]] == code:
                queries_of.setdefault(row["pair_id"], []).append(row["query_id"])
        survives = {one: outcome.get(one, "never asked") is None for one in queries_of}
        alone, _ = walk(queries_of, priority, survives, set(), cap=caps[code])
        of_language = {
            pair: taken
            for pair, queries in kept.items()
            if (taken := {query for query in queries if language_of[query] == code})
        }
        assert of_language == alone


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_engine_and_threads_change_no_byte(engine, world, built, language_model, tmp_path):
    if engine == "spark":
        spark_home()
    settings = world.world(language_model, LANGUAGES, 'other_languages = "all"', cap=CAP, workers=1)
    again = made(world, tmp_path / "wit", settings, "--engine", engine)
    assert published(again) == published(built)


def test_a_quota_takes_the_first_pairs_of_a_language_and_tells_the_others(
    world, built, language_model, tmp_path
):
    limited = LANGUAGES | {"en": "most_pairs = 7\ncap = 3"}
    settings = world.world(language_model, limited, cap=CAP)
    fewer = made(world, tmp_path / "wit", settings)
    first = [row for row in rows_of(built, "pair") if row["query_language"] == "en"]
    first.sort(key=lambda row: (row["priority"], row["pair_id"]))
    english = [row for row in rows_of(fewer, "pair") if row["query_language"] == "en"]
    assert {row["pair_id"] for row in english} == {row["pair_id"] for row in first[:7]}
    reasons = Counter(row["reason"] for row in rows_of(fewer, "drop"))
    assert reasons["over_quota"] == len(first) - 7
    assert reasons["wrong_language"] >= 10, "other languages are dropped by default"
    caps = {row["language"]: row for row in rows_of(fewer, "language_cap")}
    assert (caps["en"]["cap"], caps["en"]["set_by"]) == (3, "reference")
    done = question("check", "--build", str(fewer))
    assert done.returncode == 0, done.stdout


def test_what_is_wrong_with_the_languages_is_told_at_the_door(world, language_model, tmp_path):
    good = world.world(language_model, LANGUAGES, cap=CAP).read_text()
    wrong = {
        good.replace('code = "de"', 'code = "xyz"'): r"languages: 'xyz': expected one of af, als",
        good.replace('"nds"', '"eng"'): r"languages: '\w+' and '\w+' are one language to the model",
        good.replace('"nds"', '"xx"'): r"languages: 'xx': expected one of af, als",
        re.sub("language_model.*", "", good): r"filters.language_model: missing, and by it",
        good.replace("[selection]", '[selection]\nreference = "fr"'): r"'fr', the reference, in .*",
    }
    for number, (text, said) in enumerate(wrong.items()):
        settings = world.folder / f"wrong{number}.toml"
        settings.write_text(text)
        done = world.luigi(tmp_path / "wit", settings)
        assert done.returncode == 2
        assert re.search(said, done.stderr), done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "wit").exists()
