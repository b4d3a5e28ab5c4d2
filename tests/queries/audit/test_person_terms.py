"""Words for people: the list, what captions contain of it, and the audits that count them."""

import pyarrow as pa

from pipeline.match.person_terms import match_terms
from pipeline.text import normalise
from queries.person_terms import person_terms
from tests.queries.asking import ask
from tests.tables import rows

TERMS = {row["term"]: row["term_id"] for row in person_terms().to_pylist()}


def term_rows(*groups: tuple[str, str, str]) -> pa.Table:
    ids = {term: at for at, term in enumerate(sorted({term for _, _, term in groups}))}
    return rows(
        "person_term",
        *[
            {"term_id": ids[term], "axis": axis, "term_group": group, "term": term}
            for axis, group, term in groups
        ],
    )


def test_every_term_is_normalised_and_stands_once_in_a_group():
    listed = [tuple(row.values()) for row in person_terms().to_pylist()]
    assert len(set(listed)) == len(listed) > 100
    assert all(normalise(term) == term for term in TERMS)
    assert [TERMS[term] for term in sorted(TERMS)] == list(range(len(TERMS)))


def test_a_term_may_name_two_groups():
    groups = {
        (row["axis"], row["term_group"])
        for row in person_terms().to_pylist()
        if row["term"] == "girl"
    }
    assert groups == {("gender", "women"), ("age", "children")}


def test_terms_are_found_on_word_boundaries_as_a_plain_loop_finds_them():
    captions = [
        "Two GIRLS, one man!",
        "a mango",
        "the woman's hat",
        "An Old Man's portrait",
        "",
        "Père",
    ]
    batch = pa.RecordBatch.from_arrays(
        [pa.array(range(10, 16)), pa.array(captions)], names=["pair_id", "caption"]
    )
    found = pa.Table.from_batches(match_terms(iter([batch]))).to_pylist()
    plain = [
        {"pair_id": 10 + at, "term_id": TERMS[term]}
        for at, caption in enumerate(captions)
        for term in sorted(TERMS)
        if f" {term} " in f" {normalise(caption)} "
    ]
    assert found == plain
    assert {row["term_id"] for row in found if row["pair_id"] == 10} == {
        TERMS["girls"],
        TERMS["man"],
    }
    assert not [row for row in found if row["pair_id"] == 11]


def test_a_group_counts_a_sample_once_whatever_number_of_its_terms_it_holds():
    person_term = term_rows(
        ("age", "children", "girl"),
        ("gender", "women", "girl"),
        ("gender", "women", "lady"),
        ("gender", "men", "man"),
    )  # girl 0, lady 1, man 2
    person_match = rows(
        "person_match",
        *[{"pair_id": pair, "term_id": term} for pair, term in ((1, 0), (1, 1), (2, 1))],
    )
    sample = rows("sample", *[{"pair_id": pair} for pair in range(1, 5)])
    given = {"person_term": person_term, "person_match": person_match, "sample": sample}
    assert [tuple(row.values()) for row in ask("audit", "person_terms", **given)] == [
        ("age", "children", None, 1, 25.0),
        ("age", "children", "girl", 1, 25.0),
        ("gender", "men", None, 0, 0.0),
        ("gender", "men", "man", 0, 0.0),
        ("gender", "women", None, 2, 50.0),
        ("gender", "women", "lady", 2, 50.0),
        ("gender", "women", "girl", 1, 25.0),
    ]


def test_the_queries_of_a_group_are_those_that_kept_its_samples_but_for_its_own_words():
    person_term = term_rows(("gender", "women", "lady"), ("gender", "women", "woman"))
    person_match = rows(
        "person_match",
        {"pair_id": 1, "term_id": 0},
        {"pair_id": 1, "term_id": 1},
        {"pair_id": 2, "term_id": 1},
    )
    query = rows(
        "query",
        {"query_id": 0, "text": "nurse"},
        {"query_id": 1, "text": "woman"},
        {"query_id": 2, "text": "hat"},
    )
    kept = ((1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (2, 2))
    kept_match = rows("kept_match", *[{"pair_id": pair, "query_id": of} for pair, of in kept])
    given = {"person_term": person_term, "person_match": person_match, "query": query}
    found = ask("audit", "person_terms_queries", **given, kept_match=kept_match)
    assert [tuple(row.values()) for row in found] == [
        ("gender", "women", "nurse", 2, 3, 66.7),
        ("gender", "women", "hat", 1, 1, 100.0),
    ]


def test_at_most_twenty_queries_of_a_group_are_listed():
    person_term = term_rows(("gender", "men", "man"))
    query = rows("query", *[{"query_id": n, "text": f"q{n}"} for n in range(25)])
    kept_match = rows("kept_match", *[{"pair_id": 1, "query_id": n} for n in range(25)])
    person_match = rows("person_match", {"pair_id": 1, "term_id": 0})
    found = ask(
        "audit",
        "person_terms_queries",
        person_term=person_term,
        person_match=person_match,
        query=query,
        kept_match=kept_match,
    )
    assert [row["text"] for row in found] == [f"q{n}" for n in range(20)]
