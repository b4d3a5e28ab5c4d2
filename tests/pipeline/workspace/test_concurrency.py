"""Who reads or builds while others write: a whole version, or a line that refuses."""

import io
import json
import os
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from pipeline.publish.version import publish
from pipeline.takedown.versions import sweep_versions
from pipeline.workspace.takedown_log import TakedownLog
from queries.__main__ import main
from queries.tables.manifest import BuildError, find, unchanged
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from queries.tables.tars import with_places
from tests.chaos.builds import building
from tests.hold import Hold
from tests.image_server import ImageServer
from tests.processes import WAIT_S
from tests.small_build import LUIGI, ROOT, Small, published
from tests.tables import build_row, rows
from trainer.data.reading import read_samples
from trainer.settings import TrainerError

N = 60  # samples of a made-up build, in two shards
WHOLE = """
SELECT
    (SELECT COUNT(*) FROM sample) AS samples,
    (SELECT COUNT(*) FROM "drop") AS dropped,
    (SELECT COUNT(*) FROM pair) AS pairs,
    (SELECT SUM(pair_id % 1000) FROM kept_match) AS kept
"""


def ask(build: Path, folder: Path) -> tuple[int, str, str]:
    """Exit status, answer and message of a question to a build; `folder` is for the answer."""
    message, place = io.StringIO(), folder / "own.json"
    words = ["audit", "--sql", WHOLE, "--format", "json", "--out", str(folder)]
    with redirect_stderr(message), redirect_stdout(io.StringIO()):
        code = main([*words, "--build", str(build)])
    told = place.read_text() if code == 0 else ""
    place.unlink(missing_ok=True)
    return code, told, message.getvalue()


# --- a version that a takedown makes anew -------------------------------------------------------


def content(pair_id: int) -> bytes:
    """A picture, as long as many others and unlike all of them."""
    return b"picture %04d" % pair_id * 50


def made_up(folder: Path) -> Path:
    """A build of N samples in two shards, each kept for one query."""
    parts = []
    for number, ids in enumerate((range(N // 2), range(N // 2, N))):
        samples = [
            {
                "key": f"{one:016x}",
                "pair_id": one,
                "url": f"http://a.org/{one}",
                "caption": "a kite",
            }
            for one in ids
        ]
        parts.append(folder / f"{number}.parquet")
        with tarfile.open(parts[-1].with_suffix(".tar"), "w") as tar:
            for row in samples:
                member = tarfile.TarInfo(f"{row['key']}.jpg")
                member.size = len(content(row["pair_id"]))
                tar.addfile(member, io.BytesIO(content(row["pair_id"])))
        sample = with_places(rows("sample", *samples), parts[-1].with_suffix(".tar"))
        write_part(parts[-1], TABLES["sample"], sample.to_batches())
    ids = [{"pair_id": one} for one in range(N)]
    tables = {
        "query": rows("query", {"query_id": 0, "text": "kite"}),
        "pair": rows("pair", *ids),
        "match": rows("match", *ids),
        "kept_match": rows("kept_match", *ids),
        "outcome": rows("outcome", *ids),
        "drop": rows("drop", {"pair_id": 999, "stage": "filter", "reason": "wrong_language"}),
        "stage": rows("stage"),
        "build": build_row(cap=N),
    }
    return publish(folder / "wit", "0" * 16, tables, parts, {"settings": {}})


@contextmanager
def taken_down_meanwhile(build: Path) -> Iterator[None]:
    """Within, pairs are taken down one after another."""

    def take_down() -> None:
        for one in range(0, N, 20):
            log = TakedownLog({n: ("", "") for n in range(one + 1)})
            sweep_versions(build.parent, log, frozenset())

    thread = threading.Thread(target=take_down)
    thread.start()
    yield
    thread.join()


def is_whole(said: str) -> bool:
    """Whether an answer is that of a version without some of the first pairs."""
    (row,) = json.loads(said)
    lost = N - row["samples"]
    return row == {
        "samples": N - lost,
        "dropped": 1 + lost,
        "pairs": N - lost,
        "kept": sum(range(lost, N)),
    }


@pytest.mark.slow
def test_an_audit_during_a_takedown_is_of_a_whole_version_or_refused(tmp_path):
    build = made_up(tmp_path)
    assert is_whole(ask(build, tmp_path)[1])
    with taken_down_meanwhile(build):
        answers = [ask(build, tmp_path) for _ in range(20)]
    assert is_whole(ask(build, tmp_path)[1])
    for code, told, said in answers:
        assert is_whole(told) if code == 0 else refuses(said), (code, told, said)


def refuses(said: str) -> bool:
    lines = said.splitlines()
    changed = "it was changed while it was read: ask again"
    return len(lines) == 1 and (changed in lines[0] or "expected a build" in lines[0])


def test_what_reads_a_build_that_is_made_anew_is_told_so(tmp_path):
    build = made_up(tmp_path)
    changed = "it was changed while it was read: ask again"
    with pytest.raises(BuildError, match=changed), unchanged(build):
        sweep_versions(build.parent, TakedownLog({1: ("", "")}), frozenset())
    with unchanged(build):
        assert find(build) == build


def test_a_trainer_never_takes_another_picture_for_one_of_a_shard_that_is_made_anew(tmp_path):
    build = made_up(tmp_path)
    samples = read_samples(build, 32)
    sweep_versions(build.parent, TakedownLog({3: ("", "")}), frozenset())
    for place in (5, N - 1):  # of the shard that lost a sample, and of the other
        with pytest.raises(TrainerError, match=r"0000.\.tar: changed while it was read"):
            samples.bytes_of(place)
    again = read_samples(build, 32)
    ids = again.rows["pair_id"].to_pylist()
    assert ids == [one for one in range(N) if one != 3]
    assert [again.bytes_of(n) for n in range(N - 1)] == [content(one) for one in ids]


def test_a_trainer_that_reads_during_takedowns_has_a_whole_version_or_is_refused(tmp_path):
    build = made_up(tmp_path)
    read = refused = 0
    with taken_down_meanwhile(build):
        until = time.monotonic() + 3
        while time.monotonic() < until or not read:
            try:
                samples = read_samples(build, 32)
                ids = samples.rows["pair_id"].to_pylist()
                assert ids == list(range(N - len(ids), N))
                assert [samples.bytes_of(n) for n in range(len(ids))] == list(map(content, ids))
                read += 1
            except (TrainerError, BuildError):
                refused += 1
    assert read


# --- a build that is made beside ---------------------------------------------------------------


@pytest.mark.slow
def test_an_audit_while_a_build_writes_is_of_a_whole_version(tmp_path):
    older = made_up(tmp_path)
    out, answers, hold = older.parent, [], Hold(tmp_path / "hold")
    with ImageServer() as server:
        small = Small(tmp_path / "in", server.url(""))
        small.write_captions(40)
        settings = small.settings(workers=1, rows_per_part=200)
        hold.names("/[0-9a-f]{16}")
        with building(settings, out, env=hold.environment) as build:
            hold.reached(build.program)
            answers += [ask(out, tmp_path) for _ in range(3)]
            hold.let_go()
            while not build.has_ended:
                answers.append(ask(out, tmp_path))
            assert build.end() == 0, build.lines
    answers.append(ask(out, tmp_path))
    of_older, of_newer = ask(older, tmp_path), ask(find(out), tmp_path)
    assert of_older != of_newer
    turn = answers.index(of_newer)
    assert answers == [of_older] * turn + [of_newer] * (len(answers) - turn)
    assert turn >= 3


@pytest.mark.slow
def test_where_no_build_is_there_yet_an_audit_is_refused_in_a_line(tmp_path):
    code, told, said = ask(tmp_path, tmp_path)
    assert (code, told) == (2, "")
    assert refuses(said)


# --- two builds at once ------------------------------------------------------------------------


@pytest.mark.slow
def test_two_builds_of_one_command_in_two_folders_are_made_at_once(tmp_path):
    """The commands are alike to the letter, and another user has the folder of Luigi's lock."""
    (tmp_path / "luigi").touch()  # none may write below it
    hold = Hold(tmp_path / "hold")
    with ImageServer() as server:
        small = Small(tmp_path / "in", server.url(""))
        small.write_captions(20)
        settings = small.settings(workers=1, rows_per_part=200)
        command = [LUIGI, "--module", "pipeline", "BuildWIT", "--settings", settings, "--out"]
        environment = {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}

        def started(folder: str, out: str = "wit", **more: str) -> subprocess.Popen:
            (tmp_path / folder).mkdir(exist_ok=True)
            return subprocess.Popen(
                [*map(str, command), out],
                cwd=tmp_path / folder,
                env=os.environ | environment | more,
                stderr=subprocess.PIPE,
                text=True,
            )

        hold.names("/[0-9a-f]{16}")
        held = os.pathsep.join([hold.environment["PYTHONPATH"], str(ROOT)])
        first = started("first", PYTHONPATH=held)
        hold.reached(first)
        third = started("third", out="../first/wit")
        assert "another build is at work in this workspace" in third.communicate(timeout=WAIT_S)[1]
        assert third.returncode == 2
        second = started("second")
        assert second.wait(WAIT_S) == 0, second.stderr.read()
        hold.let_go()
        assert first.wait(WAIT_S) == 0, first.stderr.read()
    first_build, second_build = (find(tmp_path / name / "wit") for name in ("first", "second"))
    assert published(first_build) == published(second_build)
