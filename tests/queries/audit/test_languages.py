"""Audits of the languages of a worldwide build, from literal rows; and of a build of one list."""

from tests.queries.asking import ask
from tests.tables import rows

QUERIES = [("en", "hand"), ("en", "dog"), ("en", "late"), ("de", "hand"), ("de", "hund")]
PAIRS = [("en", 0), ("en", 0), ("en", 1), ("de", 3), ("other", 0), ("other", 3)]
WORLD = {
    "query": rows(
        "query",
        *[{"query_id": n, "language": code, "text": t} for n, (code, t) in enumerate(QUERIES)],
    ),
    "pair": rows(
        "pair", *[{"pair_id": n, "query_language": code} for n, (code, _) in enumerate(PAIRS)]
    ),
    "match": rows("match", *[{"pair_id": n, "query_id": q} for n, (_, q) in enumerate(PAIRS)]),
    "kept_match": rows("kept_match", {"pair_id": 0, "query_id": 0}, {"pair_id": 3, "query_id": 3}),
    "outcome": rows(
        "outcome", {"pair_id": 0}, {"pair_id": 3}, {"pair_id": 2, "reason": "not_found"}
    ),
    "language_cap": rows(
        "language_cap",
        {"language": "en", "cap": 1, "set_by": "reference"},
        {"language": "de", "cap": 2, "set_by": "tail"},
    ),
    "drop": rows(
        "drop",
        {"pair_id": 7, "stage": "match", "reason": "no_query", "query_language": "de"},
        {"pair_id": 8, "stage": "match", "reason": "no_query", "query_language": "de"},
        {"pair_id": 9, "stage": "filter", "reason": "caption_too_short"},
    ),
}


def values(name: str, **given) -> list[tuple]:
    return [tuple(row.values()) for row in ask("audit", name, **given)]


def test_each_language_tells_its_queries_pairs_cap_and_tail():
    assert values("languages_caps", **WORLD) == [
        ("en", 3, 2, 3, 4, 1, "reference", 25.0, 1, 1, 1),
        ("other", 0, 0, 2, 0, None, None, None, 0, 0, 0),
        ("de", 2, 1, 1, 2, 2, "tail", 100.0, 1, 0, 1),
    ]


def test_a_build_of_one_list_has_one_language_with_the_cap_as_set():
    alone = dict(WORLD, language_cap=rows("language_cap"))
    alone["query"] = rows("query", *[{"query_id": n, "language": "en"} for n in range(5)])
    alone["pair"] = rows("pair", *[{"pair_id": n} for n in range(6)])
    assert values("languages_caps", **alone) == [("en", 5, 3, 6, 6, 2, "fixed", 50.0, 2, 1, 2)]


def test_what_was_dropped_is_told_by_language_and_reason():
    assert values("languages_drops", **WORLD) == [
        ("de", "match", "no_query", 2),
        ("en", "fetch", "not_found", 1),
        ("en", "select", "not_asked_for", 1),
        ("not kept", "filter", "caption_too_short", 1),
        ("other", "select", "not_asked_for", 2),
    ]


def test_of_one_list_the_dropped_pairs_have_the_captions_own_language():
    alone = dict(WORLD, drop=rows("drop"))
    alone["pair"] = rows("pair", {"pair_id": 2, "language": "fr"}, {"pair_id": 5, "language": "en"})
    assert values("languages_drops", **alone) == [
        ("en", "select", "not_asked_for", 1),
        ("fr", "fetch", "not_found", 1),
    ]


def test_the_audit_of_several_lists_names_the_language_of_what_belongs_to_one():
    given = {
        "query": WORLD["query"],
        "list_source": rows(
            "list_source",
            {"language": "en", "source": "word", "quota": 4, "missing": 1, "offered": 3},
            {"language": "de", "source": "list", "quota": 4, "missing": 2, "offered": 2},
        ),
        "corpus": rows(
            "corpus",
            {"language": "en", "n_words": 9, "pmi_min": 8.0},
            {"language": "de", "n_words": 7, "pmi_min": 5.0},
        ),
        "border": rows(
            "border", {"language": "de", "entered_by": "word", "side": "last in", "text": "hund"}
        ),
    }
    answer = ask("audit", "query_list", **given)
    told = {(row["about"], row["item"]): row["n"] for row in answer}
    assert told["SHORT of its quota", "en word"] == 1
    assert told["SHORT of its quota", "de list"] == 2
    assert told["on offer", "de"] == 2
    assert told["on offer by", "en word"] == 3
    assert (told["words of all articles", "en"], told["words of all articles", "de"]) == (9, 7)
    assert told["least PMI of a bigram", "de floor"] == 5.0
    assert ("last in, by word, de", "hund") in told
    assert told["in the list", None] == 5
