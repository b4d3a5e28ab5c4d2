"""A build on a cluster whose machines and whose driver are killed: equal to that of one machine."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from queries.tables.manifest import BuildError, find
from queries.tables.parts import read_part
from tests.hold import Hold
from tests.image_server import ImageServer
from tests.processes import command_of, wait_for, wait_while
from tests.queries.engine.spark_cluster import Cluster, settings_for, spark_home
from tests.small_build import LUIGI, ROOT, Small, published

OF_SPARK = {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    spark_home()
    with Cluster(tmp_path_factory.mktemp("cluster")) as started:
        for _ in range(2):
            started.add_worker()
        yield started


@pytest.fixture(scope="module")
def server():
    with ImageServer() as started:
        yield started


@pytest.fixture(scope="module")
def small(server, tmp_path_factory):
    return Small(tmp_path_factory.mktemp("small"), server.url(""))


@contextmanager
def running(command: list[object], said: Path, hold: Hold) -> Iterator[subprocess.Popen]:
    with said.open("wb") as output:
        program = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env={**os.environ, **hold.environment, **OF_SPARK},
        )
    try:
        yield program
    finally:
        program.kill()
        program.wait()


def kill_the_worker_of(cluster: Cluster, process: psutil.Process) -> None:
    """Kill the machine on which the process runs, and let a new machine take its place."""
    worker = cluster.worker_of(process)
    assert worker is not None, process
    cluster.kill(worker)
    cluster.add_worker()


def that_fetches(cluster: Cluster) -> psutil.Process | None:
    fetchers = (it for it in cluster.processes() if "pipeline.fetch.worker" in command_of(it))
    return next(fetchers, None)


def test_a_cluster_of_which_machines_are_killed_makes_the_build_of_one_machine(
    cluster, small, server, tmp_path
):
    shape = {"near_bits": 2, "deadline_s": 600}  # an answer may have to wait for this test
    model = small.build(tmp_path / "duckdb", **shape)
    settings, out = small.settings(**shape), tmp_path / "spark"
    alone = settings.read_text()
    hold = Hold(tmp_path / "hold")
    settings.write_text(alone + settings_for(cluster.master, hold.python))
    build = ["--module", "pipeline", "BuildWIT", "--engine", "spark"]
    build += ["--settings", str(settings), "--out", str(out)]

    hold.names("/match/[^/]*[.]parquet")
    server.answering.clear()
    said = tmp_path / "said"
    with running([LUIGI, *build], said, hold) as driver:
        writer = hold.reached(driver)
        assert any((out / "work" / "match").glob(".*"))
        kill_the_worker_of(cluster, writer)
        hold.let_go()
        wait_while(driver, lambda: server.paths, "a request for a picture")
        driver.send_signal(signal.SIGKILL)
    with pytest.raises(BuildError):
        find(out)
    assert not list(out.glob("*/manifest.json"))
    whole = [read_part(path) for path in (out / "work").rglob("[!.]*.parquet") if no_scratch(path)]
    assert len(whole) > 20
    wait_for(lambda: not cluster.executors(), "the executors of a driver that is gone to end")
    server.paths.clear()

    # The same command by spark-submit, whose --master counts before that of the settings.
    settings.write_text(alone + settings_for("local[1]", hold.python))
    submit = [cluster.home / "bin/spark-submit", "--master", cluster.master]
    program = find_spec("luigi.__main__").origin
    hold.names("/cap/[^/]*/verdict[.]parquet")
    with running([*submit, program, *build], said, hold) as driver:
        wait_while(driver, lambda: server.paths, "a request for a picture")
        kill_the_worker_of(cluster, wait_while(driver, lambda: that_fetches(cluster), "a fetch"))
        server.answering.set()
        hold.reached(driver)
        stand_still(*cluster.executors())  # so that Spark does not end what it makes of the cap
        hold.let_go()
        workers = {cluster.worker_of(executor) for executor in cluster.executors()} - {None}
        assert workers  # of which each may run several executors
        for worker in workers:
            cluster.kill(worker)
            cluster.add_worker()
        driver.wait()
    assert driver.returncode == 0, said.read_text()
    assert published(find(out)) == published(model)
    assert find(out).name == model.name


def stand_still(*executors: psutil.Process) -> None:
    for executor in executors:
        with suppress(psutil.Error):
            executor.suspend()


def no_scratch(path: Path) -> bool:
    return "scratch" not in path.parts
