"""Search by vector: the index against an exact search, among some pairs, and made anew."""

import ctypes
import json

import numpy as np
import pytest

from pipeline.explore.meaning import nearest
from pipeline.explore.meaning.merging import merged
from pipeline.explore.meaning.nearest import Nearest, exact, is_made, make_index, recall
from queries.tables.embeddings import INDEX
from queries.tables.errors import UserError
from tests.embeddings import unit, write_vectors


@pytest.fixture
def small(tmp_path):
    vectors = unit(np.random.default_rng(3).normal(size=(300, 32)))
    embeddings = write_vectors(tmp_path / "run", vectors)
    make_index(embeddings)
    return embeddings


def test_a_small_index_finds_what_an_exact_search_finds(small):
    index = Nearest(small)
    sought = small.rows("text", np.arange(0, 300, 30)).astype(np.float32)
    ids, cosines = exact(small, sought, 10)
    for row, vector in enumerate(sought):
        near = index.search(vector, 10)
        assert [pair.pair_id for pair in near] == ids[row].tolist()
        assert [pair.cosine for pair in near] == pytest.approx(cosines[row].tolist(), abs=1e-5)


def test_an_exact_search_is_the_plain_product(small):
    vectors = small.rows("image", np.arange(300)).astype(np.float32)
    cosines = vectors[:5] @ vectors.T
    wanted = small.pair_ids()[np.argsort(-cosines, axis=1, kind="stable")[:, :10]]
    assert exact(small, vectors[:5], 10)[0].tolist() == wanted.tolist()


def test_many_lists_made_in_blocks_find_nearly_all(tmp_path, monkeypatch):
    monkeypatch.setattr(nearest, "FLAT_BELOW", 1_000)
    draw = np.random.default_rng(4)
    centres = unit(draw.normal(size=(60, 32)))
    vectors = unit(centres[draw.integers(0, 60, 4_000)] + 0.15 * draw.normal(size=(4_000, 32)))
    embeddings = write_vectors(tmp_path / "run", vectors, part_rows=500)
    make_index(embeddings, rows_a_block=1_200)
    index = Nearest(embeddings)
    assert index.about["lists"] == 63
    assert index.about["lists_read"]["image"] < 63
    sought = unit(vectors[1::40] + 0.05 * draw.normal(size=(100, 32))).astype(np.float32)
    by_index = np.array([[p.pair_id for p in index.search(v, 10)] for v in sought])
    assert recall(by_index, exact(embeddings, sought, 10)[0]) >= 0.95
    assert not list((embeddings.folder / INDEX).glob("block*"))


def test_to_make_an_index_says_nothing_on_the_standard_output(tmp_path, capfd):
    make_index(write_vectors(tmp_path / "run", unit(np.ones((70, 32)))))
    ctypes.CDLL(None).fflush(None)  # what C has buffered, too
    assert capfd.readouterr().out == ""


def test_blocks_that_cannot_be_merged_are_one_line(tmp_path):
    with pytest.raises(OSError, match="could not be merged"):
        merged(tmp_path / "none", tmp_path / "lists", [])


def test_a_search_among_some_pairs_finds_none_beside_them(small):
    index, some_pairs = Nearest(small), small.pair_ids()[::50]
    near = index.search(small.rows("image", np.array([7]))[0], 100, among=some_pairs)
    assert sorted(pair.pair_id for pair in near) == some_pairs.tolist()
    assert index.search(np.ones(32), 5, among=np.empty(0, np.int64)) == []


def test_the_vector_of_a_pair_is_that_of_its_row(small):
    ids = small.pair_ids()
    for row in (0, 63, 64, 299):
        wanted = small.rows("image", np.array([row]))[0]
        assert Nearest(small).vector(int(ids[row])).tolist() == wanted.astype(np.float32).tolist()
    assert small.vector("image", 0) is None  # before all
    assert small.vector("image", int(ids[-1]) + 1) is None
    assert small.vector("image", int(ids[5]) + 1) is None


def test_an_index_of_other_embeddings_is_made_anew(tmp_path, small):
    assert is_made(small)
    path = small.folder / INDEX / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"embeddings": "other"}))
    with pytest.raises(UserError, match="an index of other embeddings"):
        Nearest(small)
    make_index(small)
    assert is_made(small)


@pytest.mark.parametrize("vector", [np.ones(5), np.full(32, np.nan)])
def test_a_vector_that_is_none_is_refused(small, vector):
    with pytest.raises(UserError, match="expected 32"):
        Nearest(small).search(vector, 3)
