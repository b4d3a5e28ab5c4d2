"""Versions of a workspace: what changed, and one version that holds other things."""

import hashlib
import os
import socket
import subprocess
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.publish.version import publish
from queries.tables.manifest import content, manifest
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from tests.tables import build_row, rows


def made(out: Path, version: str, pairs: list[int], cap: int, hour: int) -> Path:
    """A build that keeps these pairs, made at this hour."""
    shard = out.parent / f"{out.name}-{version}.parquet"
    sample = rows("sample", *[{"pair_id": n, "key": f"{n:016x}"} for n in pairs])
    write_part(shard, TABLES["sample"], sample.to_batches())
    shard.with_suffix(".tar").write_bytes(b"\0" * 1024)
    tables = {
        "build": build_row(),
        "pair": rows("pair", *[{"pair_id": n} for n in pairs]),
        "outcome": rows("outcome", *[{"pair_id": n} for n in pairs]),
    }
    about = {"settings": {"selection": {"cap": cap}}}
    build = publish(out, version, tables, [shard], about)
    os.utime(build / "manifest.json", (hour * 3600, hour * 3600))
    return build


def test_versions_are_listed_with_what_changed_and_the_last_two_are_compared(tmp_path, capsys):
    made(tmp_path / "wit", "b" * 16, [1, 2, 3], 20, hour=1)
    last = made(tmp_path / "wit", "a" * 16, [1, 2, 4, 5], 30, hour=2)
    assert main(["builds", str(tmp_path / "wit")]) == 0
    first, second, change, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{'b' * 16}  1970-01-01 01:00 UTC  3 samples  content ")
    assert second.startswith(f"{'a' * 16}  1970-01-01 02:00 UTC  4 samples  content ")
    assert second.endswith(content(last)[:12])
    assert change.strip() == "selection.cap: 20 -> 30"
    text = "\n".join(rest)
    assert f"{'a' * 16} compared with {'b' * 16} before it" in text
    counts = [line.split("│")[1:4] for line in rest if line.startswith("│")]
    cells = sorted(tuple(cell.strip() for cell in line) for line in counts)
    assert cells == [
        ("gained", "no candidate", "2"),
        ("in both", "", "2"),
        ("lost", "no candidate", "1"),
    ]


def test_one_version_of_which_the_web_gave_other_pictures_is_told(tmp_path, capsys):
    """Settings and inputs name both alike; a citation needs the content, too."""
    one = made(tmp_path / "one", "a" * 16, [1, 2], 20, hour=1)
    other = made(tmp_path / "other", "a" * 16, [1, 3], 20, hour=2)
    assert one.name == other.name
    assert content(one) != content(other)
    assert main(["builds", str(tmp_path / "one"), str(tmp_path / "other"), "--alone"]) == 0
    told = capsys.readouterr().out
    assert f"{'a' * 16}: one version, other content: settings and inputs are the same" in told
    assert f"sha256:{content(one)[:12]}" in told
    assert f"sha256:{content(other)[:12]}" in told
    assert "no setting changed" in told


def test_two_builds_that_hold_the_same_have_one_content(tmp_path):
    one = made(tmp_path / "one", "a" * 16, [1, 2], 20, hour=1)
    other = made(tmp_path / "other", "a" * 16, [1, 2], 20, hour=2)
    assert content(one) == content(other) == manifest(one)["content"]


def test_the_content_is_what_sha256sum_says_of_the_files(tmp_path):
    build = made(tmp_path / "wit", "a" * 16, [1, 2], 20, hour=1)
    names = sorted(row["path"] for row in manifest(build)["files"])
    try:
        done = subprocess.run(
            ["sha256sum", *names], cwd=build, capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        pytest.skip("sha256sum is not installed")
    assert hashlib.sha256(done.stdout.encode()).hexdigest() == content(build)


def test_a_workspace_without_builds_is_one_line_with_the_cure(tmp_path, capsys):
    assert main(["builds", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "expected a workspace with builds" in line
    assert f"luigi --module pipeline BuildWIT --out {tmp_path} makes one" in line


def test_a_store_that_cannot_be_asked_is_one_line(capsys, monkeypatch):
    s3fs = pytest.importorskip("s3fs", reason="no s3fs: pip install '.[s3]'")
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "NO_PROXY": "*"}
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes calls, and says nothing
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for name, value in {**keys, "AWS_ENDPOINT_URL": address}.items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        monkeypatch.setattr("queries.tables.store.ANSWER_S", 0.5)
        assert main(["builds", "s3://versions/wit"]) == 3
        s3fs.S3FileSystem.clear_instance_cache()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("s3://versions/wit: the store cannot be reached")
