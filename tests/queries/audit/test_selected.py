"""Audits of the selection: a few rows of matches, and what each audit must make of them."""

import pyarrow as pa
import pytest

from queries.engine.duck import DuckEngine
from queries.questions import answer, sql
from queries.tables.schemas import PUBLISHED, TABLES
from tests.tables import build_row, rows

ENGINE = DuckEngine(workers=1, quiet=True)
QUERY = rows(
    "query",
    {"query_id": 0, "text": "the", "entered_by": "word", "rank": 1},
    {"query_id": 1, "text": "dog", "entered_by": "word", "rank": 2},
    {"query_id": 2, "text": "axolotl", "entered_by": "title", "rank": 3},
)
# The cap is 2: pairs 10 and 11 fill "the"; 13 is kept for "dog", and contains "the" as well.
MATCHES = [(10, 0), (11, 0), (12, 0), (13, 0), (10, 1), (13, 1)]
MATCH = rows("match", *[{"pair_id": p, "query_id": q, "priority": p} for p, q in MATCHES])
PAIR = rows("pair", *[{"pair_id": p, "priority": p} for p in (10, 11, 12, 13)])
KEPT = rows(
    "kept_match",
    *[{"pair_id": p, "query_id": q} for p, q in MATCHES if (p, q) not in {(12, 0), (13, 0)}],
)
OUTCOME = rows("outcome", *[{"pair_id": p, "attempt": 1} for p in (10, 11, 13)])


def ask(name: str, **given: pa.Table) -> list[dict]:
    lacking = {one: TABLES[one].empty() for one in PUBLISHED}
    of_five = {"query": QUERY, "match": MATCH, "pair": PAIR, "kept_match": KEPT, "outcome": OUTCOME}
    inputs = {**lacking, **of_five, "build": build_row(cap=2), **given}
    return answer(ENGINE, inputs, sql("audit", name)).to_pylist()


def figures(**given: pa.Table) -> dict[str, int]:
    return {row["about"]: row["n"] for row in ask("why_this_many_pairs", **given)}


def test_matches_per_query_are_the_data_of_a_plot():
    match = rows("match", *[{"pair_id": n, "query_id": n // 2} for n in range(5)])
    assert ask("matches_per_query", match=match) == [
        {"matches": 1, "queries": 1, "queries_with_at_least_these": 3},
        {"matches": 2, "queries": 2, "queries_with_at_least_these": 2},
    ]


def test_heads_and_tails_tell_what_each_kind_holds():
    found = {row["kind"]: tuple(row.values())[1:] for row in ask("heads")}
    assert found == {
        "head": (1, 4, 66.7, 2, 50.0),
        "no match": (1, 0, 0.0, 0, 0.0),
        "tail": (1, 2, 33.3, 2, 50.0),
    }


def test_queries_without_a_match_are_listed():
    assert ask("queries_without_match") == [{"text": "axolotl", "entered_by": "title", "rank": 3}]


def test_a_head_occurs_in_more_pairs_than_were_kept_for_it():
    assert ask("selected_and_occurring") == [
        {"text": "the", "matched": 4, "selected": 2, "occurring": 3}
    ]


def test_the_number_of_pairs_is_reckoned_from_the_matches():
    assert figures() == {
        "matches": 6,
        "over the cap of their query": -2,
        "sum of capped matches": 4,
        "lost, suppressed or unsettled, and not refilled": 0,
        "kept matches": 4,
        "overlap: a pair that several queries keep": -1,
        "pairs": 3,
        "pairs asked for": 3,
        "of these, lost in fetch or by image rules": 0,
        "of these, near duplicates of kept pairs": 0,
        "of these, survivors that no query had room for": 0,
        "asked for although no query had room, lost or not": 0,
    }


@pytest.mark.parametrize("reason", ["timeout", "not_needed"])
def test_what_was_asked_for_beyond_the_need_is_counted(reason):
    asked = [*OUTCOME.to_pylist(), {"pair_id": 12, "attempt": 1, "reason": reason}]
    found = figures(outcome=rows("outcome", *asked))
    assert found["pairs asked for"] == 4
    assert found["asked for although no query had room, lost or not"] == 1


def test_a_lost_pair_of_a_query_with_room_was_needed():
    asked = [*OUTCOME.to_pylist(), {"pair_id": 9, "attempt": 1, "reason": "timeout"}]
    match = rows("match", *MATCH.to_pylist(), {"pair_id": 9, "query_id": 0, "priority": 9})
    found = figures(outcome=rows("outcome", *asked), match=match)
    assert found["of these, lost in fetch or by image rules"] == 1
    assert found["asked for although no query had room, lost or not"] == 0


def test_an_independent_draw_selects_more_pairs_on_average():
    """Two queries have 200 pairs each and room for 100, so p = 1/2; 100 pairs are of both."""
    of_two = [{"pair_id": p, "query_id": q} for p in range(100) for q in (0, 1)]
    of_one = [{"pair_id": 100 + p + 100 * q, "query_id": q} for p in range(100) for q in (0, 1)]
    match = rows("match", *of_two, *of_one)
    (found,) = ask("independent_draw", match=match, build=build_row(cap=100))
    assert found["pairs_with_a_match"] == 300
    assert found["selected_by_independent_draws"] == 100 * 0.75 + 200 * 0.5


def test_a_pair_of_a_query_within_the_cap_is_always_drawn():
    (found,) = ask("independent_draw")
    assert found == {
        "pairs_with_a_match": 4,
        "selected_by_independent_draws": 3,
        "asked_for": 3,
        "kept": 3,
    }
