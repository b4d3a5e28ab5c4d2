"""Lists of exclusions that a search adds to: nothing is lost, and what cannot be is refused."""

import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.filters.exclusions import read_exclusions
from queries.tables.contracts import EXCLUSION_COLUMNS
from tests.trainer_fixtures import make_build, make_eval_set
from trainer.__main__ import main

HEADER = ",".join(EXCLUSION_COLUMNS)
RADII = f"""{HEADER}
phash,00000000000000ff,6,person A asked,2026-01-01
phash,00000000000000ff,0,person B asked,2026-02-01
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("exclusions")
    make_build(root / "build", per_class=4)
    make_eval_set(root / "set", first=3, per_class=2)
    return root


def added(world, path, *flags: str) -> int:
    args = ["--data", f"{world}/build", "--eval", f"{world}/set", "--write-exclusions", f"{path}"]
    return main(["overlap", *args, *(flags or ("--threshold", "2"))])


def as_a_build_reads(path) -> list[dict]:
    batches = read_exclusions(iter([pa.RecordBatch.from_pydict({"path": [str(path)]})]))
    return [row for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize(
    "before",
    [
        RADII,  # two people asked for one picture, with two radii
        f"{HEADER}\nhost,a.example,,x,\nhost,a.example,,x,\nkind,of,our,own,\n",  # twice; unknown
        f"\ufeff{HEADER}\r\nurl,http://a.example/1,,Ünïcode,\r\n",
        f'{HEADER}\nhost,b.example,,"asked, twice\nover two lines",2026',  # no end of line
    ],
)
def test_every_line_of_a_list_stays_byte_by_byte(world, tmp_path, before):
    path = tmp_path / "list.csv"
    path.write_bytes(before.encode())
    assert added(world, path) == 0
    after = path.read_bytes()
    assert after.startswith(before.encode())
    assert after.count(b"\npair_id,") >= 16
    assert added(world, path) == 0
    assert path.read_bytes() == after


def test_a_wider_radius_is_a_line_more_and_a_narrower_one_none(world, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(RADII)
    for bits in ("2", "4", "0"):
        assert added(world, path, "--threshold", bits) == 0
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "phash"]
    by_value = {}
    for row in rows:
        by_value.setdefault(row["value"], []).append(row["radius"])
    assert by_value.pop("00000000000000ff") == ["6", "0"]
    assert set(map(tuple, by_value.values())) == {("2", "4")}


@pytest.mark.parametrize("name", ["new.csv", "new.tsv", "new.parquet", "short.tsv", "old.parquet"])
def test_a_list_has_the_format_of_its_ending_and_a_build_reads_it(world, tmp_path, name):
    path = tmp_path / name
    if name == "short.tsv":
        path.write_text("value\tkind\nads.example\thost\n")
    if name == "old.parquet":
        kinds = pa.array(["phash", "host"]).dictionary_encode()
        radii = pa.array([6, None], pa.int8())
        columns = {"value": ["0" * 16, "ads.example"], "kind": kinds.cast(pa.string())}
        pq.write_table(pa.table(columns | {"radius": radii}), path)
    assert added(world, path) == 0
    rows = as_a_build_reads(path)
    kinds = {row["kind"] for row in rows}
    assert {"pair_id", "phash"} <= kinds
    if not name.startswith("new"):
        assert [row["value"] for row in rows if row["kind"] == "host"] == ["ads.example"]
    assert added(world, path) == 0
    assert len(as_a_build_reads(path)) == len(rows)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("l.csv", f"{HEADER}\nhost,example.org,,me, because, of it,2026\n", "line 2: 7 columns"),
        ("l.csv", f"{HEADER}\nhost,a\n", "line 2: 2 columns"),
        ("l.csv", 'kind,value\nhost,"a', "unexpected end of data"),
        ("l.csv", "kind;value\nhost;a\n", "columns 'kind;value'"),
        ("l.csv", "kind,value,kind\n", "columns 'kind, value, kind'"),
        ("l.csv", b"kind,value\nhost,\xe4\n", "can't decode byte 0xe4"),
        ("l.csv", "", "columns ''"),
        ("l.parquet", "kind,value\n", "Parquet"),
        ("l.txt", "example.org\n", "ends in .csv, .tsv or .parquet"),
        ("l", "kind,value\n", "ends in .csv, .tsv or .parquet"),
    ],
)
@pytest.mark.parametrize("command", ["overlap", "decontaminate"])
def test_a_list_that_cannot_be_added_to_is_refused_before_the_search(
    world, tmp_path, capsys, monkeypatch, command, name, text, expected
):
    def searched(*_):
        raise AssertionError("searched first")

    monkeypatch.setattr("trainer.overlap.set_pictures.SetPictures.read", searched)
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    flag = "--write-exclusions" if command == "overlap" else "--exclude"
    args = ["--data", f"{world}/build", "--eval", f"{world}/set", flag, f"{path}"]
    before = path.read_bytes()
    assert main([command, *args]) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1
    assert path.read_bytes() == before


def test_a_radius_that_no_list_may_have_is_refused_before_the_search(world, tmp_path, capsys):
    assert added(world, tmp_path / "l.csv", "--threshold", "8") == 2
    assert "expected at most 6 bits, the radius of an exclusion" in capsys.readouterr().err


def test_a_type_of_parquet_that_cannot_hold_a_hash_is_refused(world, tmp_path, capsys):
    columns = {"kind": ["pair_id"], "value": pa.array([5], pa.int8())}
    pq.write_table(pa.table(columns), tmp_path / "l.parquet")
    assert added(world, tmp_path / "l.parquet") == 2
    assert "expected a list with the columns kind,value" in capsys.readouterr().err
    assert np.array_equal(pq.read_table(tmp_path / "l.parquet")["value"].to_numpy(), [5])
