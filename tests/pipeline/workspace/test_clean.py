"""Clean: what no kept version needs goes, a rebuild fetches nothing, and a kill costs nothing."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.settings.whole import Settings
from pipeline.workspace.clean import clean, planned
from pipeline.workspace.folder import Workspace
from pipeline.workspace.removal import JOURNAL, finish, remove
from queries.__main__ import main as queries
from queries.tables.contracts import MOVED
from queries.tables.errors import InputError
from queries.tables.store import place
from tests.hold import Hold
from tests.image_server import ImageServer
from tests.pipeline.images.test_parts import EVERY, PICTURES, give_up, part_of, publish, read_images
from tests.processes import WAIT_S
from tests.small_build import Small, published

OLD, NEW, LIST = "0" * 16, "1" * 16, "2" * 16


def put(workspace: Path, path: str, text: object = "a part", at: float = 100.0) -> Path:
    """A file of a made-up workspace, as old as is said."""
    file = workspace / path
    if isinstance(file, Path):
        file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text if isinstance(text, str) else json.dumps(text))
    if isinstance(file, Path):
        os.utime(file, (at, at))
    return file


def made_up(workspace: Path) -> Path:
    """Two builds and a list; each build has a digit of its own in what it alone needs."""
    for number, version in enumerate((OLD, NEW)):
        digit, at = "ab"[number] * 16, 100.0 * (number + 1)
        listing = {
            "pair": [f"work/pair/{digit}.parquet", "work/pair/both.parquet"],
            "fetched": [f"images/size/{digit}/fetched.parquet"],
            "mapped": [f"work/match/mapped-{digit}.parquet"],
        }
        put(workspace, f"work/MatchPairs/{digit}.json", listing, at)
        for path in (*(path for paths in listing.values() for path in paths),):
            put(workspace, path, at=at)
        put(workspace, f"work/cap/{digit}/verdict.parquet", at=at)
        put(workspace, f"images/size/{digit}/images.parquet", "pictures", at)
        put(
            workspace,
            f"work/BuildWIT/{version}.json",
            {"stages": [f"work/MatchPairs/{digit}.json"]},
        )
        put(workspace, f"{version}/shards/00000.tar", at=at)
        put(workspace, f"{version}/manifest.json", "{}", at)
    put(workspace, "work/search/journal.jsonl")
    put(workspace, f"queries/{LIST}/manifest.json", "{}", 150.0)
    put(workspace, f"work/BuildQueries/{LIST}.json", {"stages": []})
    put(workspace, "queries/latest.json", {"version": LIST})
    put(workspace, "latest.json", {"version": NEW})
    return workspace


def files(folder: Path) -> set[str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix() for path in paths}


def size(folder: Path) -> int:
    """Bytes of its files, each counted once."""
    states = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum({state.st_ino: state.st_size for state in states}.values())


def test_what_the_older_version_alone_needs_goes(tmp_path, capsys):
    made_up(tmp_path)
    before = files(tmp_path)
    words = ["clean", "--out", str(tmp_path), "--keep", "1"]
    assert main(words) == 0
    assert files(tmp_path) == before
    assert "would free" in capsys.readouterr().out
    assert main([*words, "--yes"]) == 0
    assert before - files(tmp_path) == {
        path for path in before if path.startswith(OLD) or OLD in path or "a" * 16 in path
    }
    assert not (tmp_path / "images/size" / ("a" * 16)).exists()
    told = capsys.readouterr().out
    assert f"remove  {OLD}" in told
    assert f"keep    {NEW}" in told
    assert "image parts: 2 files" in told
    assert main([*words, "--yes"]) == 0
    assert "nothing to remove" in capsys.readouterr().out


def test_all_stays_where_all_versions_are_kept_and_what_no_version_needs_goes(tmp_path):
    made_up(tmp_path)
    put(tmp_path, "work/pair/of-none.parquet")
    put(tmp_path, "images/size/of-none/fetched.parquet")
    plan = planned(tmp_path, 2)
    assert plan.removed == []
    assert {state.path for state in plan.files} == {
        "work/pair/of-none.parquet",
        "images/size/of-none/fetched.parquet",
    }


def test_what_was_made_after_the_newest_version_is_of_a_build_that_goes_on(tmp_path):
    made_up(tmp_path)
    put(tmp_path, "work/pair/begun.parquet", at=300.0)
    put(tmp_path, "images/size/begun/images.parquet", at=150.0)  # the part's other file is newer
    put(tmp_path, "images/size/begun/fetched.parquet", at=300.0)
    assert not [state for state in planned(tmp_path, 1).files if "begun" in state.path]


def test_the_newest_is_the_one_that_latest_names_whatever_the_clock_said(tmp_path):
    made_up(tmp_path)
    put(tmp_path, "latest.json", {"version": OLD})
    assert planned(tmp_path, 1).removed == [tmp_path / NEW]


@pytest.mark.parametrize("lost", [f"work/BuildWIT/{NEW}.json", f"work/MatchPairs/{'b' * 16}.json"])
def test_where_a_kept_version_does_not_note_its_work_all_work_stays(tmp_path, capsys, lost):
    made_up(tmp_path)
    (tmp_path / lost).unlink()
    clean(tmp_path, 1, yes=True)
    assert not (tmp_path / OLD).exists()
    assert (tmp_path / f"work/pair/{'a' * 16}.parquet").exists()
    assert f"all work and pictures stay: {NEW}" in capsys.readouterr().out


def test_what_lies_elsewhere_behind_a_link_stays(tmp_path, capsys):
    workspace, elsewhere = made_up(tmp_path / "wit"), tmp_path / "elsewhere"
    put(elsewhere, "work/pair.parquet")
    (workspace / OLD).rename(elsewhere / OLD)
    (workspace / OLD).symlink_to(elsewhere / OLD)
    (workspace / "work" / ("c" * 16)).symlink_to(elsewhere / "work")
    (tmp_path / "empty").mkdir()
    (workspace / "images" / "empty").symlink_to(tmp_path / "empty")
    put(workspace, "work/pair/of_no_version.parquet")
    before = files(elsewhere) | files(workspace)
    clean(workspace, 1, yes=True)
    assert before - (files(elsewhere) | files(workspace)) == {"work/pair/of_no_version.parquet"}
    assert (tmp_path / "empty").is_dir()
    assert f"keep    {OLD}" in capsys.readouterr().out


def test_bytes_with_another_link_are_not_freed(tmp_path, capsys):
    made_up(tmp_path)
    tar = put(tmp_path, f"{OLD}/shards/00001.tar", "x" * 2_000_000)
    os.link(tar, tmp_path / "elsewhere.tar")
    clean(tmp_path, 1, yes=False)
    assert "versions: 3 files, 0.0 MB" in capsys.readouterr().out
    (tmp_path / "elsewhere.tar").unlink()
    clean(tmp_path, 1, yes=False)
    assert "versions: 3 files, 2.0 MB" in capsys.readouterr().out


def test_a_workspace_at_an_address_is_cleaned(capsys):
    pytest.importorskip("upath", reason="no universal_pathlib: pip install '.[s3]'")
    workspace = made_up(place("memory://clean"))
    # A store says itself when an object was put: all but what comes now is of finished builds.
    clean(workspace, 1, yes=True)
    put(workspace, f"{NEW}/manifest.json", "{}")
    clean(workspace, 1, yes=True)
    left = [str(path) for path in workspace.rglob("*") if path.is_file()]
    assert not [path for path in left if OLD in path or "a" * 16 in path]
    assert [path for path in left if "b" * 16 in path]


def test_pictures_that_only_a_shard_holds_go_back_before_it_goes(tmp_path):
    part = part_of(tmp_path)
    give_up(tmp_path, OLD, publish(tmp_path, OLD, 1, 3))
    put(tmp_path, f"{OLD}/manifest.json", "{}")
    fetched = put(tmp_path, "images/settings/part/fetched.parquet")
    listing = {"fetched": [fetched.relative_to(tmp_path).as_posix()]}
    put(tmp_path, "work/FetchRound/9.json", listing)
    put(tmp_path, f"work/BuildWIT/{NEW}.json", {"stages": ["work/FetchRound/9.json"]})
    put(tmp_path, f"{NEW}/manifest.json", "{}", 9e9)
    put(tmp_path, "latest.json", {"version": NEW})
    assert (part / MOVED).exists()
    clean(tmp_path, 1, yes=True)
    assert not (tmp_path / OLD).exists()
    assert dict(read_images(part, *EVERY)) == PICTURES


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--out", "{}", "--keep", "0"], "--keep 0: expected 1 or more"),
        (["--out", "{}/gone", "--keep", "1"], "gone: expected a build"),
        (["--out", f"{{}}/{NEW}", "--keep", "1"], "expected a workspace; it is a build of"),
    ],
)
def test_a_mistake_is_told_in_a_line(tmp_path, capsys, words, expected):
    made_up(tmp_path)
    assert main(["clean", *(word.format(tmp_path) for word in words)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


def test_a_workspace_that_is_held_or_in_a_takedown_is_refused(tmp_path, capsys):
    made_up(tmp_path)
    words = ["clean", "--out", str(tmp_path), "--keep", "1", "--yes"]
    before = files(tmp_path)
    held = Workspace(tmp_path, Settings.model_construct()).lock()
    assert main(words) == 2
    assert "another build is at work in this workspace" in capsys.readouterr().err
    os.close(held)
    pending = put(tmp_path, "takedown.pending.parquet")
    assert main(words) == 2
    assert "a takedown was not finished" in capsys.readouterr().err
    pending.unlink()
    assert files(tmp_path) == before


@pytest.mark.parametrize("path", ["../gone", "/etc/hosts", "runs/mine/model.pt", "", "latest.json"])
def test_a_note_of_a_removal_reaches_nothing_else(tmp_path, path):
    put(tmp_path, "work/pair/a.parquet")
    with pytest.raises(InputError, match="expected paths of work, images and versions"):
        remove(tmp_path, ["work/pair/a.parquet", path])
    assert (tmp_path / "work/pair/a.parquet").exists()
    (tmp_path / "work" / JOURNAL).unlink()
    finish(tmp_path)


# --- real builds -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server():
    with ImageServer() as server:
        yield server


def cleaning(out: Path) -> list[str]:
    words = ["clean", "--out", str(out), "--keep", "1", "--yes"]
    return [sys.executable, "-m", "pipeline", *words]


def resized(settings: Path) -> Path:
    """The same build of smaller pictures: it shares no image part with the other."""
    path = settings.with_name("resized.toml")
    path.write_text(settings.read_text().replace("size = 64", "size = 32"))
    return path


@pytest.mark.slow
def test_a_rebuild_after_a_clean_fetches_nothing_and_a_killed_clean_is_finished(server, tmp_path):
    out, hold = tmp_path / "wit", Hold(tmp_path / "hold")
    small = Small(tmp_path / "in", server.url(""))
    small.write_captions(40)
    settings = small.settings(workers=1, rows_per_part=200)
    older = small.build(out, workers=1, rows_per_part=200)
    content = published(older)
    newer_settings = resized(settings)
    done = small.luigi(out, newer_settings)
    assert done.returncode == 0, done.stderr
    (newer,) = {path.parent for path in out.glob("[0-9a-f]*/manifest.json")} - {older}
    n_asked, newer_content = len(server.paths), published(newer)
    moments = (
        "clean[.]json",  # nothing is removed yet
        "/FetchRound/[0-9a-f]{16}[.]json",
        f"{older.name}/manifest[.]json",
    )
    for number, moment in enumerate(moments):
        copy = shutil.copytree(out, tmp_path / f"{number}")
        hold.names(moment)
        program = subprocess.Popen(cleaning(copy), env=os.environ | hold.environment)
        hold.reached(program)
        program.kill()
        program.wait(WAIT_S)
        hold.let_go()
        done = small.luigi(copy, newer_settings)
        assert done.returncode == 0, done.stderr
        assert published(copy / newer.name) == newer_content
        assert not (copy / "work" / JOURNAL).exists()
        assert (copy / older.name).exists() == (number == 0)
    bytes_before = size(out)
    done = subprocess.run(cleaning(out), check=True, capture_output=True, text=True)
    freed = float(re.search(r"frees ([0-9.]+) MB", done.stdout)[1])
    assert freed == pytest.approx((bytes_before - size(out)) / 1e6, abs=0.06)
    assert not older.exists()
    assert queries(["check", "--build", str(newer)]) == 0
    shutil.rmtree(newer)  # a rebuild: the version is made again of the work that stayed
    stays = files(out / "work")
    done = small.luigi(out, newer_settings)
    assert done.returncode == 0, done.stderr
    assert published(newer) == newer_content
    assert files(out / "work") == stays
    assert len(server.paths) == n_asked
    assert published(small.build(out, workers=1, rows_per_part=200)) == content
