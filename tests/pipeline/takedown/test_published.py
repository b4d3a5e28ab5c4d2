"""After a takedown: the places where a workspace has published, some of which fail."""

import argparse
import json
from pathlib import Path

import pytest

from pipeline.publish.hub import LIST, PLACES, Choice, note_place, publish_folder
from pipeline.publish.version import publish
from pipeline.takedown.command import add_takedown_options, publish_again, report_remains
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from tests.tables import build_row, rows


def made(folder: Path, version: str, *pair_ids: int) -> Path:
    """A workspace whose newest build has these pairs."""
    shard = folder / f"{version}.parquet"
    samples = [{"pair_id": n, "key": f"{n:016x}", "caption": f"cat {n}"} for n in pair_ids]
    write_part(shard, TABLES["sample"], rows("sample", *samples).to_batches())
    shard.with_suffix(".tar").write_bytes(b"\0" * 1024)
    tables = {"build": build_row(), "query": rows("query", {"text": "cat"})}
    publish(folder / "wit", version, tables, [shard], {"settings": {}})
    return folder / "wit"


def held(folder: Path) -> str:
    return json.loads((folder / LIST).read_text())["version"]


@pytest.fixture
def workspace(tmp_path) -> Path:
    """It has published to three folders, and the second of them is damaged since."""
    wit = made(tmp_path, "v1", 3, 5)
    for name in ("first", "second", "third"):
        note_place(wit, str(tmp_path / name), Choice())
        publish_folder(wit / "v1", str(tmp_path / name), Choice())
    (tmp_path / "second" / LIST).write_text("[")
    return made(tmp_path, "v2", 3)


def test_a_place_that_fails_is_told_and_the_others_are_published_again(workspace, tmp_path, capsys):
    assert publish_again(workspace) == 2
    assert [held(tmp_path / name) for name in ("first", "third")] == ["v2", "v2"]
    shown = capsys.readouterr().err
    assert f"{tmp_path / 'second'}: not published again, so it may hold what was" in shown


def test_places_at_which_no_build_can_be_hinder_nothing(workspace, tmp_path, capsys):
    """Each was noted, once, by a command that was refused."""
    (tmp_path / "second" / LIST).unlink()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/damaged.parquet").write_bytes(b"PAR1")
    refused = [workspace, tmp_path / "thesis", tmp_path / "v1.tar" / "x", tmp_path / ("n" * 300)]
    for place in ("ftp://host/wit", *map(str, refused)):
        note_place(workspace, place, Choice())
    assert publish_again(workspace) == 0
    assert [held(tmp_path / name) for name in ("first", "third")] == ["v2", "v2"]
    options = argparse.ArgumentParser()
    add_takedown_options(options)
    assert report_remains(workspace, options.parse_args(["--out", "wit", "--check"])) == 0
    assert set(json.loads((workspace / PLACES).read_text())) >= set(map(str, refused))
    assert capsys.readouterr().err == ""
