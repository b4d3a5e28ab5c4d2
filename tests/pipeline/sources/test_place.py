"""A source's files may lie behind addresses; what a network does wrong is no fault of a file."""

import json

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import sources
from pipeline.__main__ import main
from pipeline.sources import SourceError, place
from queries.tables.errors import MachineError
from tests.pipeline.sources.table_source import (
    CAT,
    collected,
    reasons,
    seen,
    source_of,
    store_of,
    written,
)

GOOD = f"url,caption\n{CAT},a cat\n"


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A folder with a table of each kind, behind HTTP."""
    pytest.importorskip("aiohttp", reason="fsspec reads http by aiohttp")
    monkeypatch.setattr(place, "PAUSE_S", 0.0)
    written(tmp_path / "a.csv", GOOD)
    with pa.output_stream(str(tmp_path / "a.jsonl.gz"), compression="gzip") as out:
        out.write(json.dumps({"url": CAT, "caption": "a cat"}).encode())
    pq.write_table(pa.table({"url": [CAT], "caption": ["a cat"]}), tmp_path / "a.parquet")
    written(tmp_path / "cut.parquet", (tmp_path / "a.parquet").read_bytes()[:-20])
    fsspec.filesystem("http").clear_instance_cache()
    with store_of(tmp_path) as server:
        yield server


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl.gz", "a.parquet"])
def test_a_table_is_read_where_it_is(store, name):
    address = store.address(name)
    sources.check([source_of(address)])
    assert seen(address) == [(CAT, "a cat", None)]
    (part,) = sources.parts(source_of(address), sources.Planning(str))
    assert part.name == f"mine/{name}"


def test_a_remote_file_is_known_by_what_the_store_says_of_it(store):
    source = source_of(store.address("a.csv"))
    one, same = (sources.parts(source, sources.Planning(str))[0].identity for _ in range(2))
    written(store.folder / "a.csv", GOOD.replace("cat", "dog"))  # of the same size
    fsspec.filesystem("http").clear_instance_cache()
    (other,) = sources.parts(source, sources.Planning(str))
    assert one == same != other.identity


def test_a_read_that_fails_is_tried_again(store):
    store.to_fail = place.TRIES - 1
    assert seen(store.address("a.csv")) == [(CAT, "a cat", None)]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl.gz"])
def test_a_network_that_fails_drops_no_row_but_ends_the_stage_in_one_line(store, name):
    store.to_fail = 1_000
    with pytest.raises(SourceError) as refused:
        collected(store.address(name))
    assert store.address(name) in str(refused.value)
    assert str(refused.value).isprintable()


def test_a_remote_parquet_that_does_not_come_ends_the_stage_too(store):
    source = source_of(store.address("a.parquet"))
    (part,) = sources.parts(source, sources.Planning(str))
    written(store.folder / "a.parquet", "")
    (store.folder / "a.parquet").unlink()
    with pytest.raises(SourceError, match="HTTP 404"):
        list(sources.collect(iter(part.rows.to_batches()), source, 0))


def test_a_damaged_remote_file_is_a_reason(store):
    assert reasons(store.address("cut.parquet")) == ["bad_stream"]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("none.csv", "the server answers HTTP 404"),
        ("no://such/a.csv", "Protocol not known"),
        ("http://127.0.0.1:1/a.csv", "cannot be reached"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused_in_one_line(store, address, message):
    address = address if "://" in address else store.address(address)
    with pytest.raises(SourceError) as refused:
        sources.check([source_of(address)])
    assert message in str(refused.value)
    assert address in str(refused.value)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/a.csv", "s3://bucket/a.csv"])
def test_a_server_that_gives_no_answer_is_a_fault_of_the_machine(monkeypatch, address, capsys):
    pytest.importorskip("s3fs")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "no")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "one")
    fsspec.filesystem("s3").clear_instance_cache()
    with pytest.raises(MachineError, match="cannot be reached"):
        sources.check([source_of(address)])
    assert main(["init", address]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be reached" in line
    fsspec.filesystem("s3").clear_instance_cache()


@pytest.mark.parametrize("pattern", ["memory://wit/*.csv", "memory://wit", "memory://wit/[ab].csv"])
def test_a_pattern_and_a_folder_stand_for_their_files_in_order(pattern):
    memory = fsspec.filesystem("memory")
    for name in ("b.csv", "a.csv"):
        memory.pipe(f"/wit/{name}", GOOD.replace("a cat", name).encode())
    memory.pipe("/wit/notes.txt", b"no table")
    assert [caption for _, caption, _ in seen(pattern)] == ["a.csv", "b.csv"]
    memory.rm("/wit", recursive=True)


def test_a_file_of_this_machine_may_have_an_address(tmp_path):
    path = written(tmp_path / "a.csv", GOOD)
    assert seen(f"file://{path}") == [(CAT, "a cat", None)]
    assert seen(f"file://{tmp_path}") == [(CAT, "a cat", None)]
