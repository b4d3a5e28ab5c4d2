"""`trainer clusters`: SemDeDup against the plain loop, planted groups, and what is written."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from queries.tables.embeddings import plane, read_embeddings
from queries.tables.schemas import TABLES
from tests.embeddings import unit, write_vectors
from tests.queries.asking import ask
from tests.trainer_fixtures import make_build
from trainer.__main__ import main
from trainer.data.reading import read_samples, read_scores
from trainer.embeddings.clusters import clusters
from trainer.embeddings.exporting import export
from trainer.embeddings.semantic_groups import groups_of, numbered, table_of
from trainer.settings import TrainerError


def planted(n_groups: int = 40, n_alone: int = 300, width: int = 64) -> tuple[np.ndarray, ...]:
    """Vectors, and the group of each, -1: alone. A group has two to five, 0.97 and more alike."""
    draw = np.random.default_rng(5)
    centres = unit(draw.normal(size=(n_groups, width)))
    sizes = draw.integers(2, 6, n_groups)
    group = np.concatenate([np.repeat(np.arange(n_groups), sizes), np.full(n_alone, -1)])
    near = centres[group] + 0.015 * draw.normal(size=(len(group), width))
    vectors = np.where(group[:, None] >= 0, near, draw.normal(size=(len(group), width)))
    order = draw.permutation(len(group))
    return unit(vectors)[order], group[order]


def slow(vectors: np.ndarray, cluster: np.ndarray, centre_cosine: np.ndarray, ids: np.ndarray):
    """SemDeDup's comparison, pair by pair: (greatest cosine to one before it, -1: none)."""
    wanted = np.full(len(ids), -1.0)
    order = sorted(range(len(ids)), key=lambda row: (centre_cosine[row], ids[row]))
    for place, row in enumerate(order):
        before = [other for other in order[:place] if cluster[other] == cluster[row]]
        wanted[row] = max([vectors[row] @ vectors[other] for other in before], default=-1.0)
    return wanted


def test_what_is_kept_is_what_the_plain_loop_keeps(tmp_path):
    vectors, _ = planted()
    embeddings = write_vectors(tmp_path, vectors)
    done = clusters(embeddings, "image", n_clusters=6)
    stored = vectors.astype(np.float16).astype(np.float32)
    wanted = slow(stored, done.cluster, done.centre_cosine, done.pair_ids)
    assert np.abs(done.nearest_cosine - wanted).max() < 1e-5
    assert done.kept(0.05).tolist() == (wanted <= 0.95).tolist()
    near = done.nearest >= 0
    assert (done.cluster[done.nearest[near]] == done.cluster[near]).all()


def test_planted_groups_are_found(tmp_path):
    vectors, group = planted()
    done = clusters(write_vectors(tmp_path, vectors), "image", n_clusters=6)
    root = done.groups(0.05)
    same = np.triu(group[:, None] == group, 1) & (group >= 0)
    grouped = np.triu(root[:, None] == root, 1)
    precision, recall = (same & grouped).sum() / grouped.sum(), (same & grouped).sum() / same.sum()
    assert precision == 1
    assert recall > 0.95  # a border of clusters may run through a group
    figures = groups_of(done, 0.05)
    assert figures.dropped == (~done.kept(0.05)).sum() == figures.grouped - figures.groups


def test_equal_embeddings_give_equal_clusters(tmp_path):
    vectors, _ = planted()
    vectors[::7] = vectors[3]  # many equal ones: the order is total
    tables = [
        table_of(clusters(write_vectors(tmp_path / name, vectors, rows), "image", 5), 0.05)
        for name, rows in (("a", 64), ("b", 50))
    ]
    assert tables[0].equals(tables[1])
    equal = [row for row in tables[0].to_pylist() if row["pair_id"] % 7 == 1]
    assert len({row["group_number"] for row in equal if row["pair_id"] % 21 == 1}) == 1


def test_a_share_to_keep_chooses_the_epsilon(tmp_path):
    done = clusters(write_vectors(tmp_path, planted()[0]), "image", n_clusters=3)
    for share in (0.3, 0.5, 0.7):
        kept = done.kept(done.epsilon_for(share)).mean()
        assert kept == pytest.approx(share, abs=0.01)


def test_groups_are_numbered_by_their_lowest_pair(tmp_path):
    vectors = unit(np.eye(8)[[0, 1, 2, 1, 3, 0, 4, 5]])
    done = clusters(write_vectors(tmp_path, vectors), "image", n_clusters=1)
    assert numbered(done, 0.05).to_pylist() == [0, 1, None, 1, None, 0, None, None]


def test_the_plane_is_that_of_the_greatest_spread(tmp_path):
    draw = np.random.default_rng(1)
    spread = draw.normal(size=(500, 16)) * np.array([0.1] * 5 + [3.0] + [0.1] * 9 + [1.5])
    embeddings = write_vectors(tmp_path, spread)
    axes = plane(embeddings, "image").axes
    assert np.abs(axes).argmax(axis=0).tolist() == [5, 15]
    assert np.linalg.norm(axes, axis=0) == pytest.approx([1, 1])
    points = plane(embeddings, "image").points(spread)
    assert np.corrcoef(points[:, 0], spread[:, 5])[0, 1] > 0.99


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    make_build(root / "build", 4)
    samples = read_samples(root / "build", 64)
    ids = np.sort(samples.pair_ids)
    vectors = unit(np.random.default_rng(2).normal(size=(len(ids), 32)))
    vectors[10:14] = vectors[10]
    write_vectors(root / "run", vectors, ids=ids)
    path = root / "run/embeddings/manifest.json"
    about = json.loads(path.read_text()) | {"build_digest": samples.digest}
    path.write_text(json.dumps(about))
    return root, samples, ids


def test_the_command_writes_a_table_a_list_and_a_condition_for_training(world, tmp_path, capsys):
    root, _, ids = world
    told = ["clusters", "--data", f"{root}/build", "--run", f"{root}/run"]
    assert main([*told, "--write-exclusions", f"{tmp_path}/gone.csv"]) == 0
    said = capsys.readouterr().out
    assert "1 groups of 4 pairs, the largest of 4; 3 pairs are not kept, 4.7%" in said
    table = pq.read_table(root / "run/tables/cluster/cluster.parquet")
    assert table.schema.equals(TABLES["cluster"].schema)
    gone = [row["pair_id"] for row in table.to_pylist() if not row["kept"]]
    assert len(gone) == 3
    assert set(gone) < set(ids[10:14].tolist())
    lines = (tmp_path / "gone.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in lines[1:]] == [["pair_id", str(i)] for i in gone]
    beside = root / "run/tables/cluster/cluster.parquet"
    left = read_samples(root / "build", 64, "kept", beside)
    assert sorted(left.pair_ids.tolist()) == sorted(set(ids.tolist()) - set(gone))


def test_the_export_has_neighbours_by_row_and_pictures(world, tmp_path):
    root, samples, ids = world
    embeddings = read_embeddings(root / "run")
    table = table_of(clusters(embeddings, "image", 1), 0.05)
    assert export(embeddings, "image", samples, table, tmp_path / "a.parquet", most=40) == 40
    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    vectors = embeddings.rows("image", np.searchsorted(ids, [row["pair_id"] for row in rows]))
    for at, row in enumerate(rows):
        near = row["neighbors"]
        assert at not in near["ids"]
        assert len(near["ids"]) == 10
        wanted = 1 - vectors[near["ids"]].astype(np.float32) @ vectors[at].astype(np.float32)
        assert near["distances"] == pytest.approx(wanted.tolist(), abs=2e-3)
        assert near["distances"] == sorted(near["distances"])
        assert row["image"]["bytes"][:2] == b"\xff\xd8"
        assert row["key"] == f"{row['pair_id']:016x}"


def test_embeddings_of_another_build_are_not_clustered_as_if_of_this(world, tmp_path, capsys):
    root, _, _ = world
    make_build(tmp_path / "other", 1)
    assert main(["clusters", "--data", f"{tmp_path}/other", "--run", f"{root}/run"]) == 2
    assert "its embeddings are of v, expected those of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--epsilon", "0"], "--epsilon 0: expected more than 0"),
        (["--keep", "1.5"], "--keep 1.5: expected more than 0, at most 1"),
        (["--clusters", "0"], "--clusters 0: expected at least 1"),
        (["--seed", "10000000000000000000000000"], "--seed 1"),
        (["--write-exclusions", "a.txt"], "ends in .csv, .tsv or .parquet"),
    ],
)
def test_a_mistake_is_one_line(world, options, expected, capsys):
    root, _, _ = world
    told = ["clusters", "--data", f"{root}/build", "--run", f"{root}/run"]
    assert main([*told, *options]) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"pair_id": [1]}, "columns pair_id"),
        ({"pair_id": ["1"], "kept": [True]}, "another type than int64"),
        ({"pair_id": [1], "caption": ["a"]}, "a column caption, which sample has"),
        ({"pair_id": [1, 1], "kept": [True, False]}, "a pair_id twice"),
    ],
)
def test_a_table_that_cannot_stand_beside_samples_is_refused(tmp_path, columns, expected):
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(TrainerError) as refused:
        read_scores(tmp_path / "a.parquet")
    assert expected in str(refused.value)


def test_the_audit_counts_groups_by_size():
    rows = [
        {"pair_id": n, "cluster": 0, "centre_cosine": 0.5, "kept": kept, "group_number": group}
        for n, (kept, group) in enumerate(
            [(True, 0), (False, 0), (True, 1), (False, 1), (False, 1), (True, None), (True, None)]
        )
    ]
    table = pa.Table.from_pylist(rows, schema=TABLES["cluster"].schema)
    assert [tuple(row.values()) for row in ask("audit", "near_in_meaning", cluster=table)] == [
        ("1", 2, 2, 0, 0.0),
        ("2", 1, 2, 1, 14.29),
        ("3", 1, 3, 2, 28.57),
    ]
