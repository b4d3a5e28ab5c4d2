"""Audits of what was found, fetched and kept: given rows and the rows that each must answer."""

import pyarrow as pa
import pytest

from tests.queries.asking import ask, of_folder
from tests.tables import rows

READ = [
    {"input": "views", "file": "a.gz", "n": 7},
    {"input": "views", "file": "a.gz", "reason": "other_wiki", "n": 50},
    {"input": "articles", "number": 1, "file": "b.xml", "reason": "redirect", "n": 4},
    {"input": "articles", "number": 1, "file": "b.xml", "n": 1},
    {"input": "articles", "file": "a.xml", "reason": "redirect", "n": 5},
    {"input": "articles", "file": "a.xml", "n": 2},
]


def values(name: str, **given: pa.Table) -> list[tuple]:
    return [tuple(row.values()) for row in ask("audit", name, **given)]


def matches(table: str, *counts: int) -> pa.Table:
    """Query 0 has as many matches as the first count says, and so on."""
    of = [{"pair_id": n, "query_id": q} for q, count in enumerate(counts) for n in range(count)]
    return rows(table, *of)


def test_pairs_per_query_before_and_after_the_cap():
    query = rows("query", {"query_id": 0, "text": "dog"}, {"query_id": 1, "text": "cat"})
    match = rows("match", *[{"pair_id": one, "query_id": 0} for one in range(5)])
    kept = rows("kept_match", {"pair_id": 0, "query_id": 0}, {"pair_id": 1, "query_id": 0})
    found = ask("audit", "pairs_per_query", query=query, match=match, kept_match=kept)
    assert found == [{"text": "dog", "matched": 5, "kept": 2}]


def test_what_was_lost_tells_what_was_never_asked_for():
    drop = rows("drop", {"pair_id": 1, "stage": "filter", "reason": "wrong_language"})
    pair = rows("pair", {"pair_id": 2}, {"pair_id": 3}, {"pair_id": 4})
    outcome = rows("outcome", {"pair_id": 2}, {"pair_id": 3, "reason": "timeout"})
    given = {
        "drop": drop,
        "pair": pair,
        "outcome": outcome,
        "input_file": rows("input_file", *READ),
    }
    assert [row[:3] for row in values("settings_cost", **given)] == [
        ("read", "other_wiki", 50),
        ("read", "redirect", 9),
        ("fetch", "timeout", 1),
        ("filter", "wrong_language", 1),
        ("select", "not_asked_for", 1),
    ]


def test_each_input_file_tells_what_became_of_its_rows():
    assert values("inputs", input_file=rows("input_file", *READ)) == [
        ("", "articles", 0, "a.xml", "kept", 2),
        ("", "articles", 0, "a.xml", "redirect", 5),
        ("", "articles", 1, "b.xml", "kept", 1),
        ("", "articles", 1, "b.xml", "redirect", 4),
        ("", "views", 0, "a.gz", "kept", 7),
        ("", "views", 0, "a.gz", "other_wiki", 50),
    ]


def test_total_words_stand_beside_webtext():
    sample = rows("sample", {"pair_id": 1, "n_words": 3}, {"pair_id": 2, "n_words": 5})
    (found,) = ask("audit", "total_words", sample=sample)
    assert (found["captions"], found["words"], found["words_per_caption"]) == (2, 8, 4.0)


def test_query_sources_tell_how_each_fares():
    query = rows("query", {"query_id": 0, "sources": 9}, {"query_id": 1, "sources": 1})
    match = rows("match", {"pair_id": 5, "query_id": 0}, {"pair_id": 6, "query_id": 0})
    kept = rows("kept_match", {"pair_id": 5, "query_id": 0})
    found = values("query_sources", query=query, match=match, kept_match=kept)
    assert found == [("word", 1, 0, 0, 0, 0), ("word wordnet", 1, 1, 1, 2, 1)]


def test_balance_before_and_after_the_cap():
    before, after = ask(
        "audit",
        "balance",
        match=matches("match", 97, 1, 1, 1),
        kept_match=matches("kept_match", 2, 1, 1),
    )
    assert before == {
        "side": "before",
        "queries": 4,
        "matches": 100,
        "median": 1,
        "top_percent_share": 97.0,
        "gini": 0.72,
        "queries_below_20": 3,
        "matches_below_20": 3,
    }
    assert (after["matches"], after["median"], after["gini"]) == (4, 1, 0.375)


@pytest.mark.parametrize(("n_queries", "share"), [(100, 1.0), (101, 2.0), (200, 1.0)])
def test_the_top_percent_is_rounded_up_to_whole_queries(n_queries, share):
    (before, _) = ask("audit", "balance", match=matches("match", *[1] * n_queries))
    assert before["top_percent_share"] == pytest.approx(share, abs=0.03)
    assert before["gini"] == 0


def test_what_became_of_each_source():
    found = values(
        "pairs_by_source",
        drop=rows("drop", {"source": "crawl"}, {"source": "crawl"}, {"source": "dump"}),
        pair=rows("pair", *[{"pair_id": n, "source": "crawl"} for n in (1, 2, 3)]),
        outcome=rows("outcome", {"pair_id": 1}, {"pair_id": 2, "reason": "timeout"}),
    )
    assert found == [("crawl", 5, 3, 2, 1), ("dump", 1, 0, 0, 0)]


def test_matches_per_caption():
    match = rows("match", *[{"pair_id": p, "query_id": q} for p, q in [(1, 0), (1, 1), (2, 0)]])
    kept = rows("kept_match", {"pair_id": 1, "query_id": 1})
    assert values("matches_per_caption", match=match, kept_match=kept) == [(1, 1, 1), (2, 1, 0)]


OUTCOME = rows(
    "outcome",
    {"pair_id": 1, "attempt": 1},
    {"pair_id": 2, "attempt": 3},
    {"pair_id": 3, "attempt": 1, "reason": "timeout"},
    {"pair_id": 4, "attempt": 1, "reason": "not_needed"},
)


def test_fetch_success_by_reason():
    assert values("fetch_by_reason", outcome=OUTCOME) == [
        ("kept", 2, 50.0, 4),
        ("not_needed", 1, 25.0, 1),
        ("timeout", 1, 25.0, 1),
    ]


def test_fetch_success_by_host_whatever_way_its_name_is_written():
    urls = ("http://a.org/x", "HTTP://A.ORG/y", "http://me@a.org?z", "https://b.org:8443/")
    pair = rows("pair", *[{"pair_id": n + 1, "url": url} for n, url in enumerate(urls)])
    assert values("fetch_by_host", pair=pair, outcome=OUTCOME) == [
        ("a.org", 3, 2, 66.7, "timeout", 1),
        ("b.org:8443", 1, 1, 100.0, None, None),
    ]


SAMPLE = rows(
    "sample",
    {
        "pair_id": 1,
        "url": "http://a.org/1",
        "caption": "a red house",
        "n_words": 3,
        "language": "en",
        "license": "CC0",
        "license_id": "CC0-1.0",
        "page_url": "http://a.org/",
        "original_width": 300,
        "original_height": 300,
        "width": 256,
        "height": 256,
        "image_bytes": 10,
        "sha256": "aa",
        "phash": 1,
    },
    {
        "pair_id": 2,
        "url": "http://a.org/2",
        "caption": "a red house",
        "n_words": 3,
        "language": "de",
        "original_width": 100,
        "original_height": 250,
        "width": 100,
        "height": 250,
        "image_bytes": 20,
        "sha256": "aa",
        "phash": 1,
    },
    {
        "pair_id": 3,
        "url": "http://b.org/3",
        "caption": "x" * 321,
        "n_words": 60,
        "original_width": 2000,
        "original_height": 1100,
        "width": 465,
        "height": 256,
        "image_bytes": 30,
        "sha256": "bb",
        "phash": 1,
    },
)


def test_caption_lengths_in_words_and_in_characters():
    assert values("caption_words", sample=SAMPLE) == [
        (3, 2, 66.7, 11, 11.0, 11),
        (50, 1, 33.3, 321, 321.0, 321),
    ]
    assert values("caption_characters", sample=SAMPLE) == [(0, 2, 66.7, 11), (300, 1, 33.3, 321)]


def test_languages_of_pairs_and_samples():
    pair = rows("pair", *[{"language": one} for one in ("en", "en", "de", "fr", None, None)])
    assert values("languages", pair=pair, sample=SAMPLE) == [
        ("en", 2, 1, 33.3),
        ("not looked for", 2, 1, 33.3),
        ("de", 1, 1, 33.3),
        ("fr", 1, 0, 0.0),
    ]


def test_image_sizes_and_aspects():
    assert values("image_sizes", sample=SAMPLE) == [
        (64, 1, 33.3, 100, 100.0, 20),
        (224, 1, 33.3, 300, 256.0, 10),
        (1024, 1, 33.3, 1100, 256.0, 30),
    ]
    assert [row[0] for row in values("image_aspects", sample=SAMPLE)] == [
        "square",
        "upright, 2:1 to 3:1",
        "wide, 3:2 to 2:1",
    ]


def test_licences_are_those_stated_and_none_is_guessed():
    assert values("licences", sample=SAMPLE) == [
        ("none stated", None, 2, 66.7, 1, 0),
        ("CC0", "CC0-1.0", 1, 33.3, 1, 1),
    ]


def test_hosts_and_the_share_of_the_largest():
    assert values("hosts", sample=SAMPLE) == [("a.org", 2, 66.7, 66.7), ("b.org", 1, 33.3, 100.0)]


def test_duplicates_taken_out_and_left():
    drop = rows("drop", {"reason": "pair_seen"}, {"reason": "url_seen"}, {"reason": "url_seen"})
    outcome = rows("outcome", {"pair_id": 1, "reason": "near_duplicate"})
    found = values("duplicates", sample=SAMPLE, drop=drop, outcome=outcome)
    assert [row[1:] for row in found] == [(1, 0), (2, 0), (1, 0), (1, 1), (2, 1), (1, 1), (0, 0)]


def test_what_each_round_won():
    found = values("rounds", round=rows("round", {"n_unsettled": 5, "n_asked": 4, "n_survived": 3}))
    assert found == [(0, 5, 4, 3, 1, 75.0)]


def test_what_each_round_lost_and_why():
    lost = [(0, "timeout", 2), (0, "not_found", 5), (1, "timeout", 1)]
    losses = rows("round_loss", *[{"round": r, "reason": why, "n": n} for r, why, n in lost])
    assert values("round_losses", round_loss=losses) == [
        (0, "not_found", 5),
        (0, "timeout", 2),
        (1, "timeout", 1),
    ]


def test_eval_overlap_tells_accuracy_with_and_without_it():
    def seen(image: str, overlap: bool, correct: bool) -> dict:
        return {"eval_set": "emoji", "image": image, "overlap": overlap, "correct": correct}

    of = [seen("a", True, True), seen("b", False, True), seen("c", False, False)]
    near = [{"eval_set": "emoji", "image": "a", "pair_id": n} for n in (1, 2)]
    given = {"overlap": rows("overlap", *of), "neighbour": rows("neighbour", *near)}
    assert values("eval_overlap", **given) == [("emoji", 3, 1, 33.33, 2, 66.67, 50.0, 100.0)]


def test_eval_overlap_names_the_pairs_and_queries_that_leak():
    def near(image: str, pair_id: int, distance: int) -> dict:
        return {"eval_set": "emoji", "image": image, "pair_id": pair_id, "distance": distance}

    seen = [{"eval_set": "emoji", "image": one, "overlap": one != "black"} for one in ("a", "b")]
    seen.append({"eval_set": "emoji", "image": "black", "overlap": False, "uniform": True})
    given = {
        "overlap": rows("overlap", *seen),
        "neighbour": rows("neighbour", near("a", 1, 2), near("b", 1, 0), near("black", 3, 0)),
        "sample": rows("sample", {"pair_id": 1, "caption": "a kite", "url": "http://a"}),
        "query": rows("query", {"query_id": 7, "text": "kite"}, {"query_id": 8, "text": "black"}),
        "kept_match": rows(
            "kept_match",
            *[{"pair_id": one, "query_id": 7} for one in (1, 2, 4, 5)],
            {"pair_id": 3, "query_id": 8},
        ),
    }
    pair = ("emoji", 1, 2, 0, None, "a", "a kite", "http://a")
    assert values("eval_overlap_pairs", **given) == [pair]
    assert values("eval_overlap_queries", **given) == [("emoji", 7, "kite", 1, 4, 25.0)]


def test_the_worst_class_comes_first_with_what_it_is_taken_for():
    about = {"task": "zeroshot", "eval_set": "emoji"}

    def seen(label: int, predicted: str) -> dict:
        row = {"class_number": label, "predicted_name": predicted, "correct": predicted == "cat"}
        return about | row | {"predicted_number": ord(predicted[0])}

    def of_class(label: int, name: str, n: int, value: float | None) -> dict:
        row = {"class_number": label, "class_name": name, "n": n, "value": value}
        return about | row | {"name": "accuracy"}

    given = {
        "prediction": rows(
            "prediction", seen(0, "cat"), *[seen(1, name) for name in ("cow", "eel", "eel", "ant")]
        ),
        "class_result": rows(
            "class_result",
            of_class(0, "cat", 1, 1.0),
            of_class(1, "dog", 4, 0.0),
            of_class(2, "bee", 0, None),
        ),
    }
    assert values("evaluated_classes", **given) == [
        ("zeroshot", "emoji", "dog", 4, "accuracy", 0.0, "eel", 2),
        ("zeroshot", "emoji", "cat", 1, "accuracy", 100.0, None, None),
        ("zeroshot", "emoji", "bee", 0, "accuracy", None, None, None),
    ]


def test_a_comparison_is_told_at_its_last_point():
    about = {"eval_set": "pets", "class_group": "all", "seeds": 3, "images": 50, "baseline": "all"}

    def arm(name: str, seen: int, value: float, less: tuple | tuple[float, ...] = ()) -> dict:
        row = about | {"arm": name, "samples_seen": seen, "accuracy": value}
        row |= {"low": value - 0.1, "high": value + 0.1}
        names = ("difference", "difference_low", "difference_high")
        return row | dict(zip(names, less, strict=False))

    early, late = arm("all", 100, 0.2), arm("all", 200, 0.3)
    capped = arm("capped", 200, 0.35, (0.05, -0.01, 0.11))
    assert values("comparison", comparison=rows("comparison", capped, early, late)) == [
        ("pets", "all", "all", 200, 3, 50, 30.0, 20.0, 40.0, None, None, None),
        ("pets", "all", "capped", 200, 3, 50, 35.0, 25.0, 45.0, 5.0, -1.0, 11.0),
    ]


def outcomes(lost: dict[int, str], *kept: int) -> pa.Table:
    of_lost = [{"pair_id": one, "reason": reason} for one, reason in lost.items()]
    return rows("outcome", *[{"pair_id": one} for one in kept], *of_lost)


def test_two_builds_tell_which_pairs_were_gained_and_lost_and_why():
    found = values(
        "two_builds",
        outcome=outcomes({4: "near_duplicate"}, 1, 2, 3),
        other_outcome=outcomes({2: "timeout"}, 1, 4, 5, 6, 7),
        pair=rows("pair", {"pair_id": 4}, {"pair_id": 5}),
        drop=rows("drop", {"pair_id": 6, "reason": "excluded"}),
    )
    assert found == [
        ("gained", "no candidate", 1),
        ("gained", "timeout", 1),
        ("in both", "", 1),
        ("lost", "excluded", 1),
        ("lost", "near_duplicate", 1),
        ("lost", "no candidate", 1),
        ("lost", "not asked for", 1),
    ]


def test_two_builds_tell_the_settings_and_the_queries_that_changed():
    def of(**settings: str) -> pa.Table:
        return of_folder("setting", *[{"name": k, "value": v} for k, v in settings.items()])

    given = {"setting": of(cap="2", seed="0", new="1"), "other_setting": of(cap="4", seed="0")}
    assert values("two_builds_settings", **given) == [("cap", "2", "4"), ("new", "1", None)]
    # The same query may have another number in another list: its text tells.
    found = values(
        "two_builds_queries",
        query=rows("query", {"query_id": 0, "text": "dog"}, {"query_id": 1, "text": "cat"}),
        other_query=rows("query", {"query_id": 9, "text": "cat"}),
        kept_match=matches("kept_match", 2, 1),
        other_kept_match=rows("kept_match", {"pair_id": 1, "query_id": 9}),
    )
    assert found == [("dog", 2, 0, 2)]


def test_lines_of_exclusions_that_name_nothing_are_listed():
    listed = [
        ("url", "http://a.org/1", None, None),
        ("url", "http://a.org/2", None, None),
        ("host", "b.org", None, None),
        ("pair_id", "7", None, None),
        ("sha256", "aa", None, None),
        ("sha256", "bb", None, None),
        ("phash", "0", 0b0, 1),
        ("phash", "0", 0b0, 2),
        ("phash", "f0", 0b1111_0000, 6),
        ("md5", "cc", None, None),
        ("sha1", "cc", None, None),
        ("pdq", "dd", None, 31),
        ("pdq", "dd", None, 7),
    ]
    names = ("kind", "value", "phash", "radius")
    exclusion = rows(
        "exclusion",
        *(
            {**dict(zip(names, one, strict=True)), "list_file": "a.csv", "line": n}
            for n, one in enumerate(listed, 2)
        ),
        {"kind": "pair_id", "value": "8", "list_file": "takedowns.csv", "line": 2},
        {"kind": "host", "value": "of 0.1.0, which does not say where"},
    )
    named = rows(
        "named",
        {"kind": "url", "value": "http://a.org/1"},
        {"kind": "pair_id", "value": "7"},
        {"kind": "host", "value": "bb"},
    )
    attempt = rows("attempt", {"sha256": "aa", "phash": 0b11}, {"reason": "timeout"})
    by_hash = rows(
        "excluded_picture",
        {"kind": "md5", "value": "cc"},
        {"kind": "pdq", "value": "dd", "distance": 8},
    )
    given = {"exclusion": exclusion, "named": named, "attempt": attempt}
    found = values("exclusions_without_pair", **given, excluded_picture=by_hash)
    assert found == [
        ("a.csv", 3, "url", "http://a.org/2", None),
        ("a.csv", 4, "host", "b.org", None),
        ("a.csv", 7, "sha256", "bb", None),
        ("a.csv", 8, "phash", "0", 1),
        ("a.csv", 12, "sha1", "cc", None),
        ("a.csv", 14, "pdq", "dd", 7),
    ]
