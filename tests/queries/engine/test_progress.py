"""How a build is told while it runs: to a real luigid, to a terminal, to a log file."""

import json
import os
import pty
import re
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from queries.engine.duck import DuckEngine
from queries.engine.progress import Progress, Step
from tests.image_server import ImageServer
from tests.processes import WAIT_S, free_port, wait_until_it_listens, wait_while
from tests.small_build import LUIGI, ROOT, Small

ROWS = 20_000_000


@contextmanager
def luigid(folder: Path) -> Iterator[int]:
    """A scheduler of Luigi's on a free port of this machine."""
    port = free_port()
    command = [LUIGI.with_name("luigid"), "--address", "127.0.0.1", "--port", str(port)]
    command += ["--state-path", folder / "state"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, cwd=folder)
    try:
        wait_until_it_listens(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=WAIT_S)


def asked(port: int, what: str, **data: object) -> dict:
    query = urllib.parse.urlencode({"data": json.dumps(data)})
    url = f"http://127.0.0.1:{port}/api/{what}?{query}"
    with urllib.request.urlopen(url, timeout=WAIT_S) as said:
        return json.load(said)["response"]


def messages(port: int) -> list[str]:
    tasks = [*asked(port, "task_list", status="RUNNING", upstream_status="")]
    told = [asked(port, "get_task_status_message", task_id=key) for key in tasks]
    return [one["statusMessage"] or "" for one in told]


@pytest.mark.slow
def test_luigid_shows_how_far_the_long_tasks_of_a_build_are(tmp_path):
    with ImageServer() as server, luigid(tmp_path) as port:
        small = Small(tmp_path / "small", server.url(""))
        command = [LUIGI, "--module", "pipeline", "BuildWIT", "--scheduler-host", "127.0.0.1"]
        command += ["--scheduler-port", port, "--settings", small.settings()]
        server.answering.clear()  # until luigid has heard of the fetch
        with (tmp_path / "build").open("w") as log:
            build = subprocess.Popen(
                [*map(str, command), "--out", str(tmp_path / "wit")],
                env={**os.environ, "LUIGI_CONFIG_PATH": "luigid.cfg"},
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )
        try:
            fetch = re.compile(r"fetch round 0: \d+ of \d+ images, \d\d:\d\d")
            wait_while(build, lambda: any(map(fetch.match, messages(port))), "the fetch is told")
            server.answering.set()
            assert build.wait(timeout=WAIT_S) == 0, (tmp_path / "build").read_text()
        finally:
            build.kill()
            build.wait(timeout=WAIT_S)
        tasks = asked(port, "task_list", status="DONE", upstream_status="")
        known = [asked(port, "get_task_progress_percentage", task_id=key) for key in tasks]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=WAIT_S) as page:
            assert b"Luigi Task Visualiser" in page.read()
    stages = {one["name"] for one in tasks.values()}
    assert {"ReadWikipedia", "MatchPairs", "FetchRound", "PackShards", "BuildWIT"} <= stages
    percents = [one["progressPercentage"] for one in known]
    assert any(0 <= one <= 100 for one in percents if one is not None)


def test_a_listener_hears_how_far_a_query_is(tmp_path, monkeypatch):
    monkeypatch.setattr("queries.engine.progress.LOOK_S", 0.01)
    monkeypatch.setattr("queries.engine.progress.TELL_S", 0.01)
    engine, heard = DuckEngine(workers=1, quiet=True), []
    select = f"SELECT hash(i) % 1000000 AS k, COUNT(*) FROM range({ROWS}) AS r (i) GROUP BY k"
    with (
        engine.progress.of_stage("stage", lambda *told: heard.append(told)),
        engine.step("counts"),
        engine._selected(select, {}) as batches,
    ):
        assert sum(batch.num_rows for batch in batches) == 1_000_000
    percents = [percent for percent, _ in heard if percent is not None]
    assert percents == sorted(percents)
    assert len(set(percents)) > 3
    assert all(re.fullmatch(r"counts: \d\d:\d\d", words) for _, words in heard)


def test_a_step_within_another_one_leaves_that_one_under_way():
    progress = Progress(quiet=True)
    with progress.showing(Step("fetch")):
        with progress.showing(Step("exclusion")):
            assert progress.step.about == "exclusion"
        assert progress.step.about == "fetch"
    assert progress.step is None


def test_a_listener_that_hangs_or_fails_does_not_hold_up_the_work(monkeypatch):
    monkeypatch.setattr("queries.engine.progress.LOOK_S", 0.01)
    progress = Progress(quiet=True)
    called, let_go, ended = (threading.Event() for _ in range(3))

    def hangs(*_: object) -> None:
        called.set()
        let_go.wait(WAIT_S)
        ended.set()

    with progress.of_stage("stage", hangs), progress.showing(Step("work")):
        assert called.wait(WAIT_S)
    assert not ended.is_set()
    let_go.set()


STAGES = """
import time
from queries.engine.progress import Progress, Step

progress = Progress()
for name in ("1/2 first", "2/2 second"):
    with progress.of_stage(name, None), progress.showing(Step("match", 4, "parts")) as step:
        for _ in range(4):
            step.update()
            time.sleep(0.4)
"""


def test_a_terminal_has_one_line_that_moves_and_one_for_each_stage_that_is_done():
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", STAGES], stderr=theirs, cwd=ROOT)
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert process.wait(timeout=WAIT_S) == 0
    shown = seen.decode().replace("\r\n", "\n").rstrip("\n")
    assert "█" in shown
    assert "2 of 4 parts" in shown
    lines = [line.rpartition("\r\x1b[K")[2] for line in shown.split("\n")]
    assert [stage_of(line) for line in lines] == ["1/2 first", "2/2 second"]


def test_a_log_file_has_a_line_for_each_stage_that_took_long():
    done = subprocess.run(
        [sys.executable, "-c", STAGES], capture_output=True, text=True, cwd=ROOT, timeout=WAIT_S
    )
    assert list(map(stage_of, done.stderr.splitlines())) == ["1/2 first", "2/2 second"]


def stage_of(line: str) -> str:
    """The stage that a line names; its time is at least a second, and longer on a busy machine."""
    *words, duration = line.split()
    minutes, seconds = map(int, duration.split(":"))
    assert 60 * minutes + seconds >= 1
    return " ".join(words)
