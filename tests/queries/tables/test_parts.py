"""Parts: written whole or not at all, equal bytes for equal rows, counts in the footer."""

import pickle

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.tables.parts import (
    Counted,
    compact,
    digest,
    folder_written_whole,
    read_batches,
    read_part,
    write_part,
)
from queries.tables.schemas import TABLES
from tests.tables import rows

MATCHES = rows("match", *[{"pair_id": one, "query_id": one % 7} for one in range(100_000)])


def test_bytes_do_not_depend_on_how_the_rows_came(tmp_path):
    whole = write_part(tmp_path / "a.parquet", TABLES["match"], MATCHES.to_batches())
    pieces = MATCHES.slice(0, 3).to_batches() + MATCHES.slice(3).to_batches(max_chunksize=999)
    pieced = write_part(tmp_path / "b.parquet", TABLES["match"], pieces)
    assert whole.path.read_bytes() == pieced.path.read_bytes()


def test_counts_survive_in_the_file(tmp_path):
    given = rows("pooled", {"pair_id": 1}, {"pair_id": 2, "reason": "excluded"})
    read = Counted(given.to_batches())
    part = write_part(tmp_path / "a.parquet", TABLES["pooled"], read, read)
    assert (part.rows_in, part.rows_kept, part.rows_dropped) == (2, 1, 1)
    assert read_part(part.path) == part


def test_a_failure_leaves_nothing_behind(tmp_path):
    def broken():
        yield from MATCHES.to_batches(max_chunksize=100)
        raise RuntimeError("the source broke off")

    with pytest.raises(RuntimeError, match="broke off"):
        write_part(tmp_path / "a.parquet", TABLES["match"], broken())
    with pytest.raises(ZeroDivisionError), folder_written_whole(tmp_path / "folder") as beside:
        (beside / "half").write_text(str(1 / 0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (pa.table({"pair_id": [1], "query_id": [2]}), "got columns"),
        (pa.table({"pair_id": [1], "query_id": ["2"], "priority": [3]}), "expected int64"),
        (
            pa.table(
                {"pair_id": [None], "query_id": [2], "priority": [3]},
                schema=pa.schema([(one, pa.int64()) for one in TABLES["match"].schema.names]),
            ),
            "1 nulls",
        ),
    ],
)
def test_rows_that_do_not_fit_the_schema_are_refused(tmp_path, wrong, said):
    with pytest.raises(ValueError, match=said):
        write_part(tmp_path / "a.parquet", TABLES["match"], wrong.to_batches())


NESTED = pa.schema(
    {
        "n": pa.int64(),
        "text": pa.string(),
        "words": pa.list_(pa.string()),
        "at": pa.struct([("x", "i8")]),
    }
)
CELLS = st.fixed_dictionaries(
    {
        "n": st.none() | st.integers(0, 2**40),
        "text": st.none() | st.text(max_size=30),
        "words": st.none() | st.lists(st.none() | st.text(max_size=9), max_size=4),
        "at": st.none() | st.fixed_dictionaries({"x": st.integers(0, 9)}),
    }
)
FRAME = 2_000  # bytes of the schema and of one batch's header and padding


@given(st.lists(st.lists(CELLS, max_size=20), max_size=9), st.integers(0, 99), st.integers(0, 99))
def test_a_compact_slice_pickles_to_twice_its_rows_at_most(chunks, start, n_rows):
    many = pa.concat_tables(
        [NESTED.empty_table(), *(pa.Table.from_pylist(rows, NESTED) for rows in chunks * 30)]
    )
    piece = many.slice(start, n_rows)
    sent = pickle.dumps(compact(piece))
    assert pickle.loads(sent).equals(piece)
    assert len(sent) <= 2 * piece.nbytes + FRAME


def test_a_compact_slice_has_its_own_rows_and_no_others():
    piece = compact(MATCHES.slice(70_000, 10))
    assert piece.equals(MATCHES.slice(70_000, 10))
    assert piece.get_total_buffer_size() < 2_000 < MATCHES.get_total_buffer_size()


def test_batches_are_read_back_in_order(tmp_path):
    part = write_part(tmp_path / "a.parquet", TABLES["match"], MATCHES.to_batches())
    read = pa.Table.from_batches(read_batches(part.path, 1_000))
    assert read["pair_id"].to_pylist() == list(range(100_000))


def test_a_digest_is_of_the_value_and_nothing_else():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": 2})
