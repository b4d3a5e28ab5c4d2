"""The audits by reader: each in one group, with a sentence, and verdicts that can go both ways."""

import pytest

from queries.questions import names, needs_run, sql
from queries.readers import GROUPS, READERS, group_of, ordered, sentence, verdict
from queries.tables.reasons import EXPLAINED, REASONS, SETTING_OF
from tests.queries.audit.test_found import values
from tests.tables import rows


def test_every_audit_stands_in_one_group_with_a_sentence():
    assert sorted(ordered(None)) == names("audit")
    for name in names("audit"):
        assert sentence(name).endswith((".", "?")), name
        assert group_of(name) in GROUPS
    assert {group for groups in READERS.values() for group in groups} == set(GROUPS)


def test_evaluation_asks_of_a_run():
    assert all(needs_run(sql("audit", name)) for name in GROUPS["Evaluation"])
    assert not needs_run(sql("audit", "licences"))


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("exclusions_without_pair", [], [{"value": "a.org"}]),
        (
            "duplicates",
            [{"about": "left: the same bytes as served", "pairs_too_many": 0}],
            [{"about": "left: the same bytes as served", "pairs_too_many": 2}],
        ),
        (
            "licences",
            [{"license": "CC0", "samples": 3}],
            [{"license": "none stated", "samples": 3}],
        ),
        (
            "personal",
            [{"policy": "mask", "samples": 3}],
            [{"policy": "count", "samples": 3}],
        ),
        (
            "consent",
            [{"answer": "no", "policy": "obey", "samples": 0}],
            [{"answer": "no", "policy": "obey", "samples": 1}],
        ),
    ],
)
def test_a_verdict_is_good_or_says_where_to_look(name, good, bad):
    assert verdict(name, good).startswith("Good")
    assert verdict(name, bad).startswith(("Look", "Wrong"))


def test_every_reason_is_explained_and_the_settings_of_reasons_exist():
    assert set(REASONS) < set(EXPLAINED)
    assert set(SETTING_OF) <= set(EXPLAINED)


SAMPLE = rows(
    "sample",
    {"pair_id": 1, "url": "http://a.co.uk/2014/05/1.jpg", "sha256": "aa", "caption": "boat",
     "image_bytes": 10, "license_id": "CC0-1.0", "language": "en"},
    {"pair_id": 2, "url": "http://b.example/1.jpg", "sha256": "aa", "caption": "boat",
     "image_bytes": 30, "license_id": "CC0-1.0", "language": "de"},
    {"pair_id": 3, "url": "http://b.example/2.jpg", "sha256": "bb", "caption": "kite",
     "image_bytes": 20, "language": "en"},
)  # fmt: skip
DOMAIN = rows(
    "domain",
    {"host": "a.co.uk", "domain": "a.co.uk", "suffix": "co.uk"},
    {"host": "b.example", "domain": "b.example", "suffix": "example"},
)


def test_domains_by_bytes_and_by_ending():
    assert values("domains", sample=SAMPLE, domain=DOMAIN) == [
        ("b.example", "example", 1, 2, 50, 83.3),
        ("a.co.uk", "co.uk", 1, 1, 10, 16.7),
    ]
    assert values("domain_suffixes", sample=SAMPLE, domain=DOMAIN) == [
        ("example", 1, 1, 2, 66.7),
        ("co.uk", 1, 1, 1, 33.3),
    ]


def test_years_of_folders():
    assert values("years", sample=SAMPLE) == [("2014", 1, 33.3), ("no year", 2, 66.7)]


def test_copies_across_hosts():
    assert values("duplicates_across_hosts", sample=SAMPLE) == [
        ("picture", 2, 1, 2),
        ("caption", 2, 1, 2),
    ]


def test_licences_of_each_host():
    assert values("licences_by_host", sample=SAMPLE) == [
        ("b.example", "CC0-1.0", 1, 50.0),
        ("b.example", "none stated", 1, 50.0),
        ("a.co.uk", "CC0-1.0", 1, 100.0),
    ]


def test_languages_by_where_the_queries_come_from():
    query = rows(
        "query", {"query_id": 0, "entered_by": "word"}, {"query_id": 1, "entered_by": "title"}
    )
    kept = [(1, 0), (2, 0), (3, 0), (3, 1)]
    kept_match = rows("kept_match", *({"pair_id": p, "query_id": q} for p, q in kept))
    given = {"query": query, "kept_match": kept_match, "sample": SAMPLE}
    assert values("languages_by_query_source", **given) == [
        ("title", "en", 1, 100.0),
        ("word", "en", 2, 66.7),
        ("word", "de", 1, 33.3),
    ]


def test_clip_scores_in_steps():
    scores = rows("clip_score", *({"pair_id": n, "clip_score": n / 16} for n in (-1, 3, 4, 4)))
    assert values("clip_scores", clip_score=scores) == [
        (-0.1, -0.05, 1, 25.0),
        (0.15, 0.2, 1, 25.0),
        (0.25, 0.3, 2, 50.0),
    ]


def test_what_each_setting_cost():
    given = {
        "drop": rows("drop", {"pair_id": 1, "stage": "filter", "reason": "caption_too_short"}),
        "pair": rows("pair", {"pair_id": 2}, {"pair_id": 3}),
        "drop_reason": rows(
            "drop_reason",
            {"reason": "caption_too_short", "meaning": "short", "setting": "filters.min_words"},
            {"reason": "not_asked_for", "meaning": "full", "setting": "selection.cap"},
        ),
        "setting": rows("setting", {"name": "selection.cap", "value": "20"}),
    }
    assert values("settings_cost", **given) == [
        ("select", "not_asked_for", 2, "selection.cap = 20", "full"),
        ("filter", "caption_too_short", 1, "filters.min_words", "short"),
    ]
