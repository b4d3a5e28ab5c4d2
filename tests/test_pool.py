"""Rules over the pool: what is dropped, and that nothing vanishes."""

import pyarrow.parquet as pq
import pytest

from queries.engine import DuckEngine
from tests.tables import rows


@pytest.fixture
def derive(tmp_path):
    engine = DuckEngine(workers=1, quiet=True)

    def run(name: str, **inputs):
        path = tmp_path / f"{name}.parquet"
        engine.derive(name, inputs, path)
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


def test_one_caption_of_a_url_stays_the_earliest(derive):
    pooled = derive("pooled", filtered=FILTERED)
    assert [(row["pair_id"], row["caption"], row["reason"]) for row in pooled] == [
        (1, "late", "url_seen"),
        (2, "early", None),
        (2, "early", "pair_seen"),
        (3, "one", None),
        (3, "another", "id_collision"),
    ]


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
