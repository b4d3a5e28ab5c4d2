"""The two verbs: the same rows for any number of workers, and nothing made twice."""

import os
import pickle
import signal
from concurrent.futures import BrokenExecutor
from multiprocessing import active_children

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queries.engine import DERIVE, MapInput
from queries.engine.duck import DuckEngine
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from tests.tables import rows


def double(batches):
    for batch in batches:
        names = TABLES["suppressed"].schema.names
        yield pa.RecordBatch.from_arrays(
            [pa.array([2 * one for one in batch["pair_id"].to_pylist()], pa.int64())], names=names
        )


def failing(batches):
    raise ValueError(f"{next(batches).num_rows} rows are too many")
    yield


def killed(batches):
    os.kill(os.getpid(), signal.SIGKILL)
    yield from batches


@pytest.fixture
def inputs(tmp_path):
    def make(number):
        given = rows("suppressed", *[{"pair_id": 10 * number + one} for one in range(5)])
        part = write_part(
            tmp_path / f"in{number}.parquet", TABLES["suppressed"], given.to_batches()
        )
        return MapInput(f"part{number}", part.path)

    return [make(number) for number in range(4)]


def test_map_gives_the_same_parts_for_any_number_of_workers(tmp_path, inputs):
    one = DuckEngine(workers=1, quiet=True)
    two = DuckEngine(workers=2, quiet=True)
    first = one.map("double", double, inputs, TABLES["suppressed"], tmp_path / "one")
    second = two.map("double", double, inputs, TABLES["suppressed"], tmp_path / "two")
    two.close()
    assert [part.path.read_bytes() for part in first] == [part.path.read_bytes() for part in second]
    assert pq.read_table(first[1].path)["pair_id"].to_pylist() == [20, 22, 24, 26, 28]


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 64), st.integers(0, 2_000), st.integers(0, 200))
def test_what_goes_to_other_processes_is_at_most_twice_the_rows(n_parts, n_rows, n_characters):
    table = rows("pair", *[{"pair_id": n, "caption": "k" * n_characters} for n in range(n_rows)])
    size = -(-n_rows // n_parts)
    inputs = [MapInput(str(n), table.slice(n * size, size)) for n in range(n_parts)]
    nothing = n_parts * len(pickle.dumps(MapInput("0", table.slice(0, 0))))
    sent = [pickle.dumps(part_input) for part_input in inputs]
    assert sum(map(len, sent)) - nothing <= 2 * table.nbytes + 1_000 * n_parts
    received = [batch for part_input in sent for batch in pickle.loads(part_input).batches()]
    assert pa.Table.from_batches(received, table.schema).equals(table)


def test_a_part_that_is_there_is_not_made_again(tmp_path, inputs):
    engine = DuckEngine(workers=1, quiet=True)
    made = engine.map("double", double, inputs, TABLES["suppressed"], tmp_path / "out")
    again = engine.map("failing", failing, inputs, TABLES["suppressed"], tmp_path / "out")
    assert made == again


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_map_says_why_and_leaves_no_part(tmp_path, inputs, workers):
    engine = DuckEngine(workers=workers, quiet=True)
    with pytest.raises(ValueError, match="5 rows are too many"):
        engine.map("failing", failing, inputs, TABLES["suppressed"], tmp_path / "out")
    engine.close()
    assert not [path for path in tmp_path.glob("out/*") if not path.name.startswith(".")]


def test_a_killed_process_ends_the_map_and_leaves_none_that_is_waited_for(tmp_path, inputs):
    engine = DuckEngine(workers=2, quiet=True)
    with pytest.raises(BrokenExecutor):
        engine.map("killed", killed, inputs, TABLES["suppressed"], tmp_path / "out")
    for left in active_children():
        left.join(30)
    assert not active_children()
    made = engine.map("double", double, inputs, TABLES["suppressed"], tmp_path / "out")
    assert [part.rows_kept for part in made] == [5] * 4
    engine.close()


def test_only_kept_rows_travel_on(tmp_path):
    given = rows("pooled", {"pair_id": 1}, {"pair_id": 2, "reason": "excluded"}, {"pair_id": 3})
    part = write_part(tmp_path / "in.parquet", TABLES["pooled"], given.to_batches())
    ids = [batch["pair_id"].to_pylist() for batch in MapInput("x", part.path).batches()]
    assert ids == [[1, 3]]
    every = MapInput("x", part.path, with_dropped=True)
    assert [batch["pair_id"].to_pylist() for batch in every.batches()] == [[1, 2, 3]]


def test_derive_takes_rows_or_files_or_nothing(tmp_path):
    engine = DuckEngine(workers=1, quiet=True)
    given = rows("ngram_part", *[{"first": one, "n": 1} for one in "aab"])
    path = write_part(tmp_path / "in.parquet", TABLES["ngram_part"], given.to_batches()).path
    for number, of in enumerate(([path], given)):
        out = tmp_path / f"{number}.parquet"
        engine.derive(DERIVE / "ngram.sql", {"ngram_part": of}, out)
        assert pq.read_table(out)["n"].to_pylist() == [2, 1]
    part = engine.derive(DERIVE / "ngram.sql", {"ngram_part": []}, tmp_path / "none.parquet")
    assert part.rows_kept == 0
