"""A standalone Spark cluster on loopback: a master, and workers of one core that tests kill.

    with Cluster(folder) as cluster:
        cluster.add_worker()
        cluster.master  # spark://127.0.0.1:…

Also what a test needs to know before it starts Java, and settings that make Java start sooner.
"""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from tests import processes
from tests.processes import command_of, descendants, free_port, name_of, wait_for

JAVA = "-XX:TieredStopAtLevel=1"  # half the processor time of a short run
WORKER = "org.apache.spark.deploy.worker.Worker"


def spark_home() -> Path:
    """Where pyspark is; skips the test without it or without Java."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        pytest.skip("no pyspark: pip install '.[spark]'")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        pytest.skip("no Java: apt-get install openjdk-17-jre-headless")
    return Path(spec.origin).parent


class Cluster:
    """The daemons, children of this process; all that they start is killed at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, spark_home()
        self.port = free_port()
        self.master = f"spark://127.0.0.1:{self.port}"
        self.daemons: list[psutil.Process] = []

    def __enter__(self) -> "Cluster":
        self.folder.mkdir(parents=True, exist_ok=True)
        self.start("master.Master", "--port", str(self.port))
        return self

    def __exit__(self, *_: object) -> None:
        for daemon in self.daemons:
            self.kill(daemon)

    def start(self, daemon: str, *more: str) -> psutil.Process:
        shape = ["--host", "127.0.0.1", "--webui-port", "0"]
        command = [
            self.home / "bin/spark-class",
            f"org.apache.spark.deploy.{daemon}",
            *shape,
            *more,
        ]
        of_daemon = {"SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": JAVA}
        with self.log.open("ab") as log:
            started = psutil.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, **of_daemon, "SPARK_LOCAL_IP": "127.0.0.1"},
            )
        self.daemons.append(started)
        return started

    @property
    def log(self) -> Path:
        return self.folder / "daemons.log"

    def add_worker(self) -> None:
        """Start a worker, and wait until the master has it."""
        registered = self.log.read_text().count("Registering worker") + 1
        work = self.folder / f"worker{len(self.daemons)}"
        self.start("worker.Worker", "-c", "1", "-m", "1g", "-d", str(work), self.master)
        wait_for(lambda: self.log.read_text().count("Registering worker") >= registered, "a worker")

    def processes(self) -> list[psutil.Process]:
        """All that the workers started."""
        return [child for daemon in self.daemons for child in descendants(daemon)]

    def executors(self) -> list[psutil.Process]:
        return [process for process in self.processes() if "java" in name_of(process)]

    def worker_of(self, process: psutil.Process) -> psutil.Process | None:
        """The worker that started the process; None where the process has ended."""
        with suppress(psutil.Error):
            parents = process.parents()
            return next((parent for parent in parents if WORKER in command_of(parent)), None)
        return None

    def kill(self, daemon: psutil.Process) -> None:
        """SIGKILL to it and all that it started, as when its machine stops."""
        with suppress(psutil.Error):
            daemon.suspend()  # so that it starts nothing more
        processes.kill(daemon, *descendants(daemon))
        with suppress(psutil.Error):
            daemon.wait()


def settings_for(master: str, python: Path = Path(sys.executable), **conf: str) -> str:
    """The section [engine.spark] of a small build, at the end of the TOML."""
    java = {f"spark.{who}.extraJavaOptions": JAVA for who in ("driver", "executor")}
    every = {**java, "spark.driver.host": "127.0.0.1", **conf}
    lines = "\n".join(f'"{key}" = "{value}"' for key, value in every.items())
    return f"""
[engine.spark]
master = "{master}"
memory = "512MB"
partitions = 2
fetchers = 2
derive_in_driver = "0MB"
python = "{python}"
[engine.spark.conf]
{lines}
"""
