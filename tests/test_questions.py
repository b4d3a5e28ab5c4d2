"""Audits and checks: given rows and the rows that each must answer."""

import pyarrow as pa
import pytest

from queries.engine import DuckEngine
from queries.questions import answer, empty_view, names, sql, title
from queries.schemas import PUBLISHED, TABLES
from tests.tables import build_row, rows

ENGINE = DuckEngine(workers=1, quiet=True)


def ask(kind: str, name: str, **given: pa.Table) -> list[dict]:
    lacking = {one: TABLES[one].empty() for one in (*PUBLISHED, "sample", "file_now")}
    return answer(
        ENGINE, {**lacking, "build": build_row(cap=2), **given}, sql(kind, name)
    ).to_pylist()


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k in ("audit", "check") for n in names(k)])
def test_every_question_answers_on_a_build_without_rows(kind, name):
    assert title(kind, name)
    found = ask(kind, name)
    assert kind == "audit" or name == "rows_add_up" or found == []


def test_pairs_per_query_before_and_after_the_cap():
    query = rows("query", {"query_id": 0, "text": "dog"}, {"query_id": 1, "text": "cat"})
    match = rows("match", *[{"pair_id": one, "query_id": 0} for one in range(5)])
    kept = rows("kept_match", {"pair_id": 0, "query_id": 0}, {"pair_id": 1, "query_id": 0})
    found = ask("audit", "pairs_per_query", query=query, match=match, kept_match=kept)
    assert found == [{"text": "dog", "matched": 5, "kept": 2}]


def test_drops_by_reason_tell_what_was_never_asked_for():
    drop = rows("drop", {"pair_id": 1, "stage": "filter", "reason": "wrong_language"})
    pair = rows("pair", {"pair_id": 2}, {"pair_id": 3}, {"pair_id": 4})
    outcome = rows("outcome", {"pair_id": 2}, {"pair_id": 3, "reason": "timeout"})
    assert ask("audit", "drops_by_reason", drop=drop, pair=pair, outcome=outcome) == [
        {"stage": "fetch", "reason": "timeout", "n": 1},
        {"stage": "filter", "reason": "wrong_language", "n": 1},
        {"stage": "select", "reason": "not_asked_for", "n": 1},
    ]


def test_total_words_stand_beside_webtext():
    sample = rows("sample", {"pair_id": 1, "n_words": 3}, {"pair_id": 2, "n_words": 5})
    (found,) = ask("audit", "total_words", sample=sample)
    assert (found["captions"], found["words"], found["words_per_caption"]) == (2, 8, 4.0)


def test_query_sources_tell_how_each_fares():
    query = rows("query", {"query_id": 0, "sources": 9}, {"query_id": 1, "sources": 1})
    match = rows("match", {"pair_id": 5, "query_id": 0})
    assert ask("audit", "query_sources", query=query, match=match) == [
        {"offered_by": "word", "queries": 1, "with_a_match": 0, "with_a_pair": 0},
        {"offered_by": "word wordnet", "queries": 1, "with_a_match": 1, "with_a_pair": 0},
    ]


STAGES = [
    {"stage": "collect", "rows_in": 9, "rows_kept": 8, "rows_dropped": 1},
    {"stage": "filter", "rows_in": 8, "rows_kept": 6, "rows_dropped": 2},
    {"stage": "pool", "rows_in": 6, "rows_kept": 6},
    {"stage": "match", "rows_in": 6, "rows_kept": 6},
    {"stage": "select", "rows_in": 6, "rows_kept": 6},
    {"stage": "fetch", "rows_in": 6, "rows_kept": 6},
    {"stage": "pack", "rows_in": 6, "rows_kept": 6},
]


def test_rows_that_add_up_pass():
    assert ask("check", "rows_add_up", stage=rows("stage", *STAGES)) == []


@pytest.mark.parametrize(
    ("place", "change", "fault"),
    [
        (1, {"rows_dropped": 1}, "filter"),
        (2, {"rows_in": 5, "rows_kept": 5}, "filter to pool"),
        (6, {"rows_in": 7, "rows_kept": 7}, "fetch to pack"),
    ],
)
def test_a_vanished_row_is_found(place, change, fault):
    broken = [{**row, **change} if n == place else row for n, row in enumerate(STAGES)]
    found = ask("check", "rows_add_up", stage=rows("stage", *broken))
    assert fault in [row["place"] for row in found]


def test_a_query_over_the_cap_is_found():
    kept = rows("kept_match", *[{"pair_id": one, "query_id": 7} for one in range(3)])
    assert ask("check", "no_query_over_the_cap", kept_match=kept) == [
        {"query_id": 7, "kept": 3, "cap": 2}
    ]


def test_a_shard_with_another_number_of_samples_than_rows_is_found():
    now = rows(
        "file_now",
        {"path": "shards/00000.tar", "members": 5},
        {"path": "shards/00000.parquet", "rows": 5},
        {"path": "shards/00001.tar", "members": 4},
        {"path": "shards/00001.parquet", "rows": 5},
        {"path": "shards/00002.tar", "members": 4},
    )
    found = ask("check", "shard_rows_are_its_samples", file_now=now)
    assert [row["shard"] for row in found] == ["shards/00001", "shards/00002"]


def test_changed_missing_and_foreign_files_are_found():
    was = rows("file", *[{"path": one, "sha256": "a"} for one in ("same", "changed", "gone")])
    now = rows(
        "file_now",
        {"path": "same", "sha256": "a"},
        {"path": "changed", "sha256": "b"},
        {"path": "foreign", "sha256": "c"},
    )
    found = ask("check", "files_are_as_published", file=was, file_now=now)
    assert {row["path"]: row["fault"] for row in found} == {
        "changed": "changed",
        "foreign": "not published",
        "gone": "missing",
    }


def test_pairs_samples_and_matches_that_lack_each_other_are_found():
    found = ask(
        "check",
        "every_kept_pair_is_a_sample",
        pair=rows("pair", {"pair_id": 1}, {"pair_id": 2}),
        query=rows("query", {"query_id": 0}),
        match=rows("match", {"pair_id": 1, "query_id": 0}, {"pair_id": 9, "query_id": 0}),
        kept_match=rows("kept_match", {"pair_id": 1, "query_id": 0}),
        sample=rows("sample", {"pair_id": 4}),
    )
    assert [(row["pair_id"], row["fault"]) for row in found] == [
        (1, "kept, but no sample"),
        (2, "a pair without a match"),
        (4, "a sample, but no query kept it"),
        (9, "a match of no pair or no query"),
    ]


def test_keys_that_stand_twice_are_found():
    found = ask(
        "check",
        "no_key_twice",
        pair=rows("pair", {"pair_id": 1}, {"pair_id": 1}),
        query=rows("query", {"query_id": 3, "text": "a"}, {"query_id": 4, "text": "a"}),
    )
    assert [(row["table"], row["key"], row["n"]) for row in found] == [
        ("pair", 1, 2),
        ("query", 3, 2),
    ]


def test_a_survivor_left_out_of_a_short_query_is_found_unless_rounds_were_cut():
    given = {
        "match": rows("match", {"pair_id": 1, "query_id": 0}, {"pair_id": 2, "query_id": 0}),
        "kept_match": rows("kept_match", {"pair_id": 1, "query_id": 0}),
        "outcome": rows("outcome", {"pair_id": 1}, {"pair_id": 2}),
    }
    name = "every_query_is_full_or_out_of_survivors"
    assert [row["query_id"] for row in ask("check", name, **given)] == [0]
    assert ask("check", name, **given, unsettled=rows("unsettled", {"query_id": 0})) == []
    given["outcome"] = rows("outcome", {"pair_id": 1}, {"pair_id": 2, "reason": "timeout"})
    assert ask("check", name, **given) == []


def test_what_a_stage_states_is_what_the_tables_hold():
    drop = rows("drop", {"pair_id": 1, "stage": "filter", "reason": "wrong_language"})
    stage = rows("stage", {"stage": "filter", "rows_dropped": 2})
    assert ask("check", "stages_match_tables", stage=stage, drop=drop) == [
        {"stage": "filter", "stated": 2, "counted": 1}
    ]


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_that_a_build_lacks_is_an_empty_view(name):
    with ENGINE.connect({}) as connection:
        connection.execute(empty_view(name))
        found = connection.sql(f'SELECT * FROM "{name}"').to_arrow_table()
    assert (found.num_rows, found.column_names) == (0, TABLES[name].schema.names)
