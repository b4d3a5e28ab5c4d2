"""A build on a cluster whose machines and whose driver are killed: equal to that of one machine."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from queries.tables.manifest import BuildError, find
from queries.tables.parts import read_part
from tests.image_server import ImageServer
from tests.processes import command_of, name_of, wait_for
from tests.queries.engine.spark_cluster import Cluster, settings_for, spark_home
from tests.small_build import LUIGI, ROOT, Small, published

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    spark_home()
    with Cluster(tmp_path_factory.mktemp("cluster")) as started:
        for _ in range(2):
            started.add_worker()
        yield started


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    with ImageServer() as server:
        yield Small(tmp_path_factory.mktemp("small"), server.url(""))


@contextmanager
def running(command: list[object], said: Path) -> Iterator[subprocess.Popen]:
    with said.open("wb") as output:
        program = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable},
        )
    try:
        yield program
    finally:
        program.kill()
        program.wait()


def kill_the_worker_of(
    cluster: Cluster, find_process: Callable[[], psutil.Process | None], driver: subprocess.Popen
) -> None:
    """Kill the machine on which the process runs, and let a new machine take its place."""

    def worker() -> psutil.Process | None:
        assert driver.poll() is None, "the driver ended before"
        process = find_process()
        return process and cluster.worker_of(process)

    cluster.kill(wait_for(worker, "the process whose machine is to be killed"))
    cluster.add_worker()


def that_writes(cluster: Cluster, folder: Path) -> psutil.Process | None:
    """The process that writes a file of this folder, made to stand still while it does.

    Writing takes a fraction of a second: all processes stand still before their files are listed.
    """
    workers = [process for process in cluster.processes() if "python" in name_of(process)]
    if not any(folder.glob(".*")):
        return None
    for worker in workers:
        with suppress(psutil.Error):
            worker.suspend()
    writing = [worker for worker in workers if folder in folders_of_open_files(worker)]
    for worker in workers:
        if worker not in writing[:1]:
            with suppress(psutil.Error):
                worker.resume()
    return writing[0] if writing else None


def folders_of_open_files(process: psutil.Process) -> set[Path]:
    folders = set()
    with suppress(OSError):  # the process has ended
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            with suppress(OSError):  # the file is closed
                folders.add(link.readlink().parent)
    return folders


def that_fetches(cluster: Cluster) -> psutil.Process | None:
    fetchers = (it for it in cluster.processes() if "pipeline.fetch.worker" in command_of(it))
    return next(fetchers, None)


def that_caps(cluster: Cluster, out: Path) -> psutil.Process | None:
    """A process of an executor, while Spark writes a table of the cap."""
    writing = any((out / "work/scratch").glob("derive-*/rows/_temporary"))
    under_way = any((out / "work/cap").glob("*/verdict.parquet"))
    if writing and under_way and not any((out / "work/cap").glob("*/*/kept_match.parquet")):
        return next(iter(cluster.executors()), None)
    return None


def test_a_cluster_of_which_machines_are_killed_makes_the_build_of_one_machine(
    cluster, small, tmp_path
):
    model = small.build(tmp_path / "duckdb", near_bits=2)
    settings, out = small.settings(near_bits=2), tmp_path / "spark"
    alone = settings.read_text()
    settings.write_text(alone + settings_for(cluster.master))
    build = ["--module", "pipeline", "BuildWIT", "--engine", "spark"]
    build += ["--settings", str(settings), "--out", str(out)]

    said = tmp_path / "said"
    with running([LUIGI, *build], said) as driver:
        match = out / "work" / "match"
        kill_the_worker_of(cluster, lambda: that_writes(cluster, match), driver)
        wait_for(lambda: any((out / "images").glob("*/.*")) or driver.poll() is not None, "a fetch")
        assert driver.poll() is None, said.read_text()
        driver.send_signal(signal.SIGKILL)
    with pytest.raises(BuildError):
        find(out)
    assert not list(out.glob("*/manifest.json"))
    whole = [read_part(path) for path in (out / "work").rglob("[!.]*.parquet") if no_scratch(path)]
    assert len(whole) > 20
    wait_for(lambda: not cluster.executors(), "the executors of a driver that is gone to end")

    # The same command by spark-submit, whose --master counts before that of the settings.
    settings.write_text(alone + settings_for("local[1]"))
    submit = [cluster.home / "bin/spark-submit", "--master", cluster.master]
    program = find_spec("luigi.__main__").origin
    with running([*submit, program, *build], said) as driver:
        kill_the_worker_of(cluster, lambda: that_fetches(cluster), driver)
        kill_the_worker_of(cluster, lambda: that_caps(cluster, out), driver)
        driver.wait()
    assert driver.returncode == 0, said.read_text()
    assert published(find(out)) == published(model)
    assert find(out).name == model.name


def no_scratch(path: Path) -> bool:
    return "scratch" not in path.parts
