"""Rules over the pool: what is dropped, and that nothing vanishes."""

import random

import pyarrow.parquet as pq
import pytest

from queries.engine import DERIVE
from queries.engine.duck import DuckEngine
from tests.tables import build_row, rows


@pytest.fixture
def derive(tmp_path):
    engine = DuckEngine(workers=1, quiet=True)

    def run(name: str, **inputs):
        if name in ("pair", "drop"):
            inputs = {"over_quota": rows("over_quota")} | inputs
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.parquet"
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


def test_copies_of_a_pair_and_other_pairs_of_its_id_are_dropped(derive):
    pooled = derive("pooled", filtered=FILTERED, build=build_row(), **NOTHING)
    assert [(row["pair_id"], row["caption"], row["reason"]) for row in pooled] == [
        (1, "late", None),
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


def test_an_address_is_excluded_in_each_of_its_spellings(derive):
    """The table filtered has the key that equivalent spellings share, where it is not url_key."""
    key = {"equivalence_key": "http://a.org/~b"}
    filtered = rows(
        "filtered",
        of(1, "http://a.org/~b", "its own key"),
        of(2, "http://a.org/%7Eb", "another spelling") | key,
        of(3, "http://a.org/%257Eb", "another address"),
    )
    exclusion = rows("exclusion", {"kind": "url", "value": "http://a.org/~b"})
    given = {**NOTHING, "exclusion": exclusion}
    pooled = derive("pooled", filtered=filtered, build=build_row(), **given)
    assert [row["reason"] for row in pooled] == ["excluded", "excluded", None]
    assert derive("named", filtered=filtered, **given) == [
        {"kind": "url", "value": "http://a.org/~b", "n": 2}
    ]


def test_what_names_candidates_is_counted_and_what_names_none_is_left_out(derive):
    filtered = rows(
        "filtered",
        of(1, "http://x.a.b.org/1", ""),
        of(2, "http://a.b.org/2", ""),
        of(3, "http://c.org/3", "") | {"reason": "wrong_language"},
    )
    listed = [("pair_id", "2"), ("pair_id", "2"), ("pair_id", "9"), ("pair_id", "3")]
    listed += [("host", "b.org"), ("host", "x.a.b.org"), ("host", "c.org"), ("sha256", "2")]
    exclusion = rows("exclusion", *({"kind": kind, "value": value} for kind, value in listed))
    hosts = [("x.a.b.org", "x.a.b.org"), ("x.a.b.org", "b.org"), ("a.b.org", "b.org")]
    excluded_host = rows("excluded_host", *({"host": h, "value": value} for h, value in hosts))
    named = derive("named", filtered=filtered, exclusion=exclusion, excluded_host=excluded_host)
    assert [tuple(row.values()) for row in named] == [
        ("host", "b.org", 2),
        ("host", "x.a.b.org", 1),
        ("pair_id", "2", 1),
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
        (6, None),
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
    pooled = rows("pooled", {"pair_id": 1}, {"pair_id": 2}, {"pair_id": 3, "reason": "excluded"})
    match = rows("match", {"pair_id": 1, "query_id": 4}, {"pair_id": 3, "query_id": 4})
    pair = derive("pair", pooled=pooled, match=match)
    assert [row["pair_id"] for row in pair] == [1]
    drop = derive(
        "drop",
        candidate=candidate,
        filtered=FILTERED,
        pooled=pooled,
        match=match,
        pair=rows("pair", *pair),
    )
    assert [(row["pair_id"], row["stage"], row["reason"]) for row in drop] == [
        (2, "match", "no_query"),
        (3, "pool", "excluded"),
        (5, "filter", "wrong_language"),
        (9, "collect", "url_missing"),
    ]


def chosen(derive, *captions: tuple[str, str, str | None], matched: set[int]):
    """What becomes of captions of addresses: (pair_id -> reason); their order is their priority.

    A caption is (address, what it says, why the pool drops it); `matched` are places of captions.
    """
    pooled = rows(
        "pooled",
        *(
            {"pair_id": n, "priority": n, "url_key": url, "caption": caption, "reason": reason}
            for n, (url, caption, reason) in enumerate(captions)
        ),
    )
    match = rows("match", *({"pair_id": n, "query_id": q} for n in matched for q in (3, 5)))
    pair = derive("pair", pooled=pooled, match=match)
    nothing = {name: rows(name) for name in ("candidate", "filtered")}
    known = {"pooled": pooled, "match": match, "pair": rows("pair", *pair)}
    drop = derive("drop", **known, **nothing)
    reasons = {row["pair_id"]: None for row in pair}
    assert reasons.keys().isdisjoint(row["pair_id"] for row in drop)
    return reasons | {row["pair_id"]: row["reason"] for row in drop}


A, B = "http://a.org/1.jpg", "http://b.org/1.jpg"


def test_a_caption_with_a_query_is_preferred_to_an_earlier_one_without(derive):
    reasons = chosen(derive, (A, "DSC 77", None), (A, "a red boat", None), matched={1})
    assert reasons == {0: "no_query", 1: None}


def test_of_captions_with_a_query_the_earliest_stays(derive):
    captions = [(A, text, None) for text in ("nothing", "a boat", "a red boat", "none")]
    assert chosen(derive, *captions, matched={1, 2}) == {
        0: "no_query",
        1: None,
        2: "url_seen",
        3: "no_query",
    }


def test_captions_of_an_address_without_any_query_are_all_dropped_as_no_query(derive):
    captions = [(A, "one", None), (A, "two", None), (B, "a boat", None)]
    assert chosen(derive, *captions, matched={2}) == {0: "no_query", 1: "no_query", 2: None}


def test_a_caption_that_the_pool_drops_hides_no_other_though_it_has_a_query(derive):
    captions = [(A, "a boat", "caption_boilerplate"), (A, "a red boat", None)]
    assert chosen(derive, *captions, matched={0, 1}) == {0: "caption_boilerplate", 1: None}


@pytest.mark.parametrize("seed", range(4))
def test_the_captions_that_stay_are_those_of_a_plain_loop(derive, seed):
    chance = random.Random(seed)
    captions = [
        (f"http://a.org/{chance.randrange(12)}", "", chance.choice([None, None, "excluded"]))
        for _ in range(60)
    ]
    matched = {n for n in range(60) if chance.random() < 0.5}
    expected: dict[int, str | None] = {}
    seen: set[str] = set()
    for n, (url, _, reason) in enumerate(captions):  # in their order
        expected[n] = reason or ("no_query" if n not in matched else None)
        if expected[n] is None:
            expected[n] = "url_seen" if url in seen else None
            seen.add(url)
    assert chosen(derive, *captions, matched=matched) == expected


def test_matches_of_dropped_pairs_are_left_out(derive):
    match = rows("match", {"pair_id": 1, "query_id": 4}, {"pair_id": 3, "query_id": 4})
    kept = derive("pair_match", match=match, pair=rows("pair", {"pair_id": 1}))
    assert [(row["pair_id"], row["query_id"]) for row in kept] == [(1, 4)]


def test_a_stated_hash_goes_from_the_pool_to_the_request(derive):
    """Of copies that state another hash, the one that sorts first; none is the last."""
    one = of(1, "http://a.org/1", "a cat") | {"url": "http://a.org/1", "source": "s"}
    filtered = rows("filtered", one, one | {"source_hash": "b" * 32}, of(2, "http://b.org", "x"))
    pooled = derive("pooled", filtered=filtered, build=build_row(), **NOTHING)
    match = rows("match", {"pair_id": 1, "query_id": 0}, {"pair_id": 2, "query_id": 0})
    pair = derive(
        "pair", pooled=rows("pooled", *pooled), match=match, over_quota=rows("over_quota")
    )
    asked = derive(
        "request",
        pair=rows("pair", *pair),
        standing=rows("standing"),
        open_match=rows("open_match", {"pair_id": 1}, {"pair_id": 2}),
        build=build_row(),
        now=rows("now", {"round": 0}),
    )
    assert [(row["pair_id"], row["source_hash"]) for row in asked] == [(1, "b" * 32), (2, None)]
