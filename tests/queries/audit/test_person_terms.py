"""Words for people: the list, what captions contain of it, and the audits that count them."""

import pyarrow as pa
import pytest

from pipeline.match.person_terms import match_terms
from pipeline.text import normalise
from pipeline.text.tokeniser import Tokeniser
from queries.__main__ import Asked, heading
from queries.person_terms import person_terms
from queries.questions import sql, title
from tests.queries.asking import ENGINE, ask
from tests.tables import rows

LISTED = person_terms().to_pylist()
TERMS = {row["term"]: row["term_id"] for row in LISTED if row["language"] == "en"}
GERMAN = {row["term"]: row["term_id"] for row in LISTED if row["language"] == "de"}


def term_rows(*groups: tuple[str, str, str]) -> pa.Table:
    ids = {term: at for at, term in enumerate(sorted({term for _, _, term in groups}))}
    return rows(
        "person_term",
        *[
            {
                "term_id": ids[term],
                "language": "en",
                "axis": axis,
                "term_group": group,
                "term": term,
            }
            for axis, group, term in groups
        ],
    )


def test_every_term_is_normalised_and_stands_once_in_a_group():
    listed = [tuple(row.values()) for row in LISTED]
    assert len(set(listed)) == len(listed) > 200
    assert all(normalise(row["term"]) == row["term"] for row in LISTED)
    ids = {(row["language"], row["term"]): row["term_id"] for row in LISTED}
    assert [ids[key] for key in sorted(ids)] == list(range(len(ids)))


def test_a_term_may_name_two_groups():
    groups = {(row["axis"], row["term_group"]) for row in LISTED if row["term"] == "girl"}
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
    found = matched({10 + at: (caption, "en") for at, caption in enumerate(captions)})
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


def matched(
    captions: dict[int, tuple[str, str | None]], tokeniser: Tokeniser | None = None
) -> list[dict]:
    texts, languages = zip(*captions.values(), strict=True)
    batch = pa.RecordBatch.from_pydict(
        {
            "pair_id": list(captions),
            "caption": list(texts),
            "language": pa.array(languages, pa.string()),
        }
    )
    return pa.Table.from_batches(match_terms(iter([batch]), tokeniser)).to_pylist()


def test_terms_are_folded_as_captions_are():
    captions = {1: ("Großmutter backt", "de"), 2: ("die Grossmutter", "de")}
    folding = Tokeniser(rules=("sharp_s",))
    assert [row["term_id"] for row in matched(captions, folding)] == [GERMAN["großmutter"]] * 2
    assert [row["pair_id"] for row in matched(captions)] == [1]


def test_a_term_counts_in_captions_of_its_language_alone():
    captions = {
        1: ("Kinder backen Plätzchen in der Küche", "de"),
        2: ("a kind man", "en"),
        3: ("ein Kind", "de"),
        4: ("Kinder und kind", None),
        5: ("a man", None),
        6: ("a man, Kinder", "fr"),
    }
    assert [(row["pair_id"], row["term_id"]) for row in matched(captions)] == [
        (1, GERMAN["kinder"]),
        (2, TERMS["man"]),
        (3, GERMAN["kind"]),
        (5, TERMS["man"]),
    ]


@pytest.mark.parametrize(
    ("languages", "note"),
    [
        (["en", "de", None], "; lists in de, en"),
        (
            ["cs", "cs"],
            "; no list fits: lists in de, en; 100% of the captions are in other",
        ),
        (["en", "ja", "ja", "th"], "; lists in de, en; 75% of the captions are in other"),
    ],
)
def test_the_title_says_where_no_list_fits(languages, note):
    sample = rows("sample", *[{"pair_id": n, "language": of} for n, of in enumerate(languages)])
    for name in ("person_terms", "person_terms_queries"):
        asked = Asked(name, title("audit", name), sql("audit", name))
        shown = heading(ENGINE, {"sample": sample, "person_term": person_terms()}, asked)
        assert shown.startswith(title("audit", name) + note)
        assert ("other" in shown) == ("other" in note)
    assert not ask(
        "audit",
        "person_terms",
        person_term=term_rows(("age", "youths", "teen")),
        sample=rows("sample", {"pair_id": 1, "language": "cs"}),
    )
    other = Asked("hosts", title("audit", "hosts"), sql("audit", "hosts"))
    assert heading(ENGINE, {"sample": sample}, other) == other.title


def test_a_build_of_0_1_0_has_a_list_in_english():
    given = {
        "person_term": term_rows(("age", "children", "child")).drop_columns("language"),
        "sample": rows("sample", {"pair_id": 1, "language": "de"}),
    }
    asked = Asked("person_terms", "Words", sql("audit", "person_terms"))
    shown = heading(ENGINE, given, asked)
    assert (
        shown == "Words; no list fits: lists in en; 100% of the captions are in other languages: de"
    )


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
