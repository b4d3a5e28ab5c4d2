"""Rules over the pool: what is dropped, and that nothing vanishes."""

import pyarrow.parquet as pq
import pytest

from queries.engine import DERIVE
from queries.engine.duck import DuckEngine
from tests.tables import build_row, rows


@pytest.fixture
def derive(tmp_path):
    engine = DuckEngine(workers=1, quiet=True)

    def run(name: str, **inputs):
        path = tmp_path / f"{name}.parquet"
        engine.derive(DERIVE / f"{name}.sql", inputs, path)
        return pq.read_table(path).to_pylist()

    return run


FILTERED = rows(
    "filtered",
    {"pair_id": 1, "priority": 20, "url": "u1", "url_key": "u1", "caption": "late"},
    {"pair_id": 2, "priority": 10, "url": "u1", "url_key": "u1", "caption": "early"},
    {"pair_id": 2, "priority": 10, "url": "u1", "url_key": "u1", "caption": "early", "row": 9},
    {"pair_id": 3, "priority": 30, "url": "u3", "url_key": "u3", "caption": "one"},
    {"pair_id": 3, "priority": 30, "url": "u4", "url_key": "u4", "caption": "another"},
    {"pair_id": 5, "priority": 1, "url": "u5", "url_key": "u5", "reason": "wrong_language"},
)


NOTHING = {"exclusion": rows("exclusion"), "excluded_host": rows("excluded_host")}


def test_one_caption_of_a_url_stays_the_earliest(derive):
    pooled = derive("pooled", filtered=FILTERED, build=build_row(), **NOTHING)
    assert [(row["pair_id"], row["caption"], row["reason"]) for row in pooled] == [
        (1, "late", "url_seen"),
        (2, "early", None),
        (2, "early", "pair_seen"),
        (3, "one", None),
        (3, "another", "id_collision"),
    ]


def of(pair_id: int, url: str, caption: str) -> dict:
    return {"pair_id": pair_id, "priority": pair_id, "url_key": url, "caption": caption}


def test_an_exclusion_drops_a_pair_by_url_host_or_id_and_hides_no_other_caption(derive):
    filtered = rows(
        "filtered",
        of(1, "http://a.org/1", "excluded by its id"),
        of(2, "http://a.org/1", "so this one stays"),
        of(3, "http://a.org/3", "excluded by its address"),
        of(4, "http://cdn.b.org:80/4", "excluded by its host"),
        of(5, "http://c.org/5", "stays"),
    )
    exclusion = rows(
        "exclusion",
        {"kind": "pair_id", "value": "1"},
        {"kind": "url", "value": "http://a.org/3"},
        {"kind": "url", "value": "http://a.org/3"},
        {"kind": "host", "value": "b.org"},
        {"kind": "sha256", "value": "5"},
    )
    named = rows("excluded_host", {"host": "cdn.b.org:80", "value": "b.org"})
    pooled = derive(
        "pooled", filtered=filtered, exclusion=exclusion, excluded_host=named, build=build_row()
    )
    assert [(row["pair_id"], row["reason"]) for row in pooled] == [
        (1, "excluded"),
        (2, None),
        (3, "excluded"),
        (4, "excluded"),
        (5, None),
    ]


SHARED_CAPTIONS = rows(
    "filtered",
    *(of(n, f"http://a.org/{n}", "our shop") for n in (1, 2, 3)),
    of(3, "http://a.org/3", "our shop") | {"row": 1},
    *(of(n, f"http://b.org/{n}", "our shop") for n in (4, 5)),
    of(6, "http://a.org/1", "a boat"),
)


@pytest.mark.parametrize("most", [2, 3, 0])
def test_a_caption_of_more_pictures_of_a_host_than_the_limit_is_boilerplate(derive, most):
    build = build_row(boilerplate_max=most)
    pooled = derive("pooled", filtered=SHARED_CAPTIONS, build=build, **NOTHING)
    dropped = "caption_boilerplate" if most == 2 else None
    assert [(row["pair_id"], row["reason"]) for row in pooled] == [
        (1, dropped),
        (2, dropped),
        (3, dropped),
        (3, "pair_seen"),
        (4, None),
        (5, None),
        (6, None if dropped else "url_seen"),
    ]


def test_what_counts_as_boilerplate_does_not_depend_on_exclusions(derive):
    exclusion = rows("exclusion", {"kind": "pair_id", "value": "2"})
    given = {**NOTHING, "exclusion": exclusion, "build": build_row(boilerplate_max=2)}
    pooled = derive("pooled", filtered=SHARED_CAPTIONS, **given)
    reasons = {row["pair_id"]: row["reason"] for row in pooled if row["reason"] != "pair_seen"}
    assert [reasons[n] for n in (1, 2, 3, 4)] == [
        "caption_boilerplate",
        "excluded",
        "caption_boilerplate",
        None,
    ]


def test_the_hosts_of_the_pool_are_listed_once(derive):
    bad = of(9, "http://z.org/1", "IMG_1.jpg") | {"reason": "caption_is_file_name"}
    given = rows("filtered", of(1, "http://b.org/1", ""), of(2, "http://b.org/2", ""), bad)
    assert derive("host", filtered=given) == [{"host": "b.org"}]


def test_every_candidate_is_a_pair_or_a_drop(derive):
    candidate = rows("candidate", {"pair_id": 9, "reason": "url_missing"})
    pooled = rows("pooled", {"pair_id": 1}, {"pair_id": 2}, {"pair_id": 3, "reason": "url_seen"})
    match = rows("match", {"pair_id": 1, "query_id": 4}, {"pair_id": 3, "query_id": 4})
    drop = derive("drop", candidate=candidate, filtered=FILTERED, pooled=pooled, match=match)
    assert [(row["pair_id"], row["stage"], row["reason"]) for row in drop] == [
        (2, "match", "no_query"),
        (3, "pool", "url_seen"),
        (5, "filter", "wrong_language"),
        (9, "collect", "url_missing"),
    ]
    assert [row["pair_id"] for row in derive("pair", pooled=pooled, match=match)] == [1]


def test_matches_of_dropped_pairs_are_left_out(derive):
    match = rows("match", {"pair_id": 1, "query_id": 4}, {"pair_id": 3, "query_id": 4})
    kept = derive("pair_match", match=match, pair=rows("pair", {"pair_id": 1}))
    assert [(row["pair_id"], row["query_id"]) for row in kept] == [(1, 4)]
