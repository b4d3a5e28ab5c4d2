"""Hard negatives: every pair once, those of a rare query side by side."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from queries.tables.schemas import TABLES
from tests.trainer_fixtures import COLOURS, make_build
from trainer.__main__ import main
from trainer.data.negatives import order, rarest_query, read_matches
from trainer.settings import TrainerError


def test_a_pairs_rarest_query_is_the_one_that_the_fewest_share_but_not_it_alone():
    rows = np.array([0, 1, 2, 3, 0, 1, 2, 0])
    queries = np.array([1, 1, 1, 1, 2, 2, 3, 4])
    assert rarest_query(5, rows, queries).tolist() == [2, 2, 1, 1, -1]


def test_without_a_match_no_pair_has_a_query():
    nothing = np.zeros(0, np.int64)
    assert rarest_query(2, nothing, nothing).tolist() == [-1, -1]


def test_an_epoch_shows_every_pair_once_and_parties_stand_together():
    ids = np.arange(1000, 1100)
    query = np.repeat([0, 1, 2, 3, -1], 20)
    rows = order(ids, query, 0, seed=0, together=5)
    assert sorted(rows.tolist()) == list(range(100))
    found = query[rows]
    runs = np.split(found, np.flatnonzero(np.diff(found)) + 1)
    assert all(len(run) % 5 == 0 for run in runs if run[0] >= 0)
    assert len({run[0] for run in runs}) == 5
    assert len(runs) > 8  # queries are mixed among each other


def test_the_order_repeats_for_a_seed_and_changes_with_the_epoch():
    ids, query = np.arange(60), np.arange(60) // 6
    first = order(ids, query, 0, seed=0, together=3)
    assert (first == order(ids, query, 0, seed=0, together=3)).all()
    assert (first != order(ids, query, 1, seed=0, together=3)).any()
    assert (first != order(ids, query, 0, seed=1, together=3)).any()


def write_matches(build, ids) -> None:
    """Each pair's colour is a query; pairs that were not kept have matches, too."""
    captions = {}
    for path in sorted((build / "shards").glob("*.parquet")):
        captions |= {row["pair_id"]: row["caption"] for row in pq.read_table(path).to_pylist()}
    rows = [(pair, list(COLOURS).index(captions[pair].split()[1])) for pair in ids]
    rows += [(5, 0), (2**62 + 5, 1)]
    columns = {"pair_id": [row[0] for row in rows], "query_id": [row[1] for row in rows]}
    match = TABLES["match"].schema
    table = pa.table(columns | {"priority": [0] * len(rows)}).select(match.names).cast(match)
    (build / "tables" / "match").mkdir(parents=True)
    pq.write_table(table, build / "tables" / "match" / "0.parquet")


def test_a_run_with_hard_negatives_sees_every_pair(tmp_path):
    build = tmp_path / "build"
    make_build(build, per_class=4)
    ids = np.concatenate(
        [pq.read_table(path)["pair_id"].to_numpy() for path in (build / "shards").glob("*.parquet")]
    )
    with pytest.raises(TrainerError, match="no table match"):
        read_matches(build, ids)
    write_matches(build, ids.tolist())
    rows, queries = read_matches(build, ids)
    assert sorted(rows.tolist()) == list(range(64))
    assert np.bincount(queries).tolist() == [16, 16, 16, 16]
    (tmp_path / "hard.toml").write_text("[recipe]\nhard_negatives = 8\n")
    args = ["train", "--data", f"{build}", "--epochs", "1", "--batch", "16"]
    run = tmp_path / "hard"
    assert main([*args, "--run", f"{run}", "--settings", f"{tmp_path}/hard.toml"]) == 0
    assert json.loads((run / "run.json").read_text())["images"] == 64
