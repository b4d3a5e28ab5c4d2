"""What a test run started ends with it, however it ends."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests import ROOT
from tests.hold import Hold
from tests.pipeline.sources import mediawiki_server
from tests.processes import WAIT_S, command_of, descendants, free_port, is_alive, kill, wait_for
from tests.queries.engine.spark_cluster import spark_home

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
S3 = ("queries/tables/test_store_s3.py", "moto_server")
SERVERS = [
    *[(*S3, how) for how in SIGNALS],
    ("pipeline/sources/test_mediawiki.py", "php -S", signal.SIGKILL),
    ("pipeline/sources/sample/test_sample.py", "sample.server", signal.SIGKILL),
    ("pipeline/fetch/test_part.py", "pipeline.fetch.worker", signal.SIGKILL),
    ("trainer/training/test_distributed.py", "tests.trainer", signal.SIGKILL),
    pytest.param(
        *("queries/engine/test_spark_cluster.py", "Worker", signal.SIGKILL),
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize(("file", "words", "how"), SERVERS)
def test_no_server_outlives_a_test_run_that_is_ended(file, words, how, tmp_path):
    skip_where_it_cannot_run(file)
    command = [sys.executable, "-m", "pytest", "-q", "-x", f"tests/{file}"]
    options = ["-p", "no:cacheprovider", "--basetemp", tmp_path / "theirs"]
    with (tmp_path / "output").open("w+") as output:
        run = subprocess.Popen(
            [*map(str, [*command, *options])], stdout=output, stderr=output, cwd=ROOT
        )
        started: list[psutil.Process] = []

        def serves() -> bool:
            assert run.poll() is None, (tmp_path / "output").read_text()
            started[:] = descendants(run.pid)
            return any(words in command_of(process) for process in started)

        try:
            wait_for(serves, words)
            os.kill(run.pid, how)
            assert run.wait(WAIT_S) != 0
            wait_for(lambda: not any(map(is_alive, started)), f"{words} ends")
        finally:
            kill(*started)


def skip_where_it_cannot_run(file: str) -> None:
    if "mediawiki" in file and mediawiki_server.missing():
        pytest.skip(mediawiki_server.missing())
    if "spark" in file:
        spark_home()


def test_a_process_that_has_ended_has_no_name_and_no_child():
    ended = psutil.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert (command_of(ended), descendants(ended), is_alive(ended)) == ("", [], False)
    zombie = psutil.Popen([sys.executable, "-c", ""])
    wait_for(lambda: zombie.status() == psutil.STATUS_ZOMBIE, "a zombie")
    assert (command_of(zombie), descendants(zombie), is_alive(zombie)) == ("", [], False)
    zombie.wait()


NAMING = "import sys; from pathlib import Path; Path(sys.argv[1]).rename(sys.argv[2])"


def test_a_process_that_is_held_has_written_its_file_and_not_named_it(tmp_path):
    hold, written, named = Hold(tmp_path / "hold"), tmp_path / "a", tmp_path / "b"
    hold.names("/b")
    written.touch()
    command = [hold.python, "-c", NAMING, written, named]
    with subprocess.Popen(list(map(str, command))) as program:
        assert hold.reached(program).pid == program.pid
        assert written.exists() > named.exists()
        hold.let_go()
    assert program.returncode == 0
    assert written.exists() < named.exists()


def test_no_other_program_is_given_a_free_port():
    ports = [free_port() for _ in range(50)]
    given_out = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if not given_out.exists():
        pytest.skip(f"no {given_out}, which says what ports the kernel gives out")
    assert max(ports) < int(given_out.read_text().split()[0])


def test_no_test_has_a_time_in_its_name():
    """gzip writes the second into what it packs: two processes of one run then collect tests of
    different names, and the run ends before it begins."""
    calls = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "gzip.compress"
        and "mtime" not in {keyword.arg for keyword in node.keywords}
    ]
    assert calls == []
