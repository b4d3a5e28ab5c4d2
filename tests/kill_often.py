"""Builds that are killed at moments drawn by chance, and what must be true of the next ones.

    python -m tests.kill_often --runs 10   # the table of docs/reliability.md

A moment is a number of files in the workspace, so that it means the same on a slow machine, and a
part of a second after it. All that a build starts is known by a variable of its environment.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from queries.build import BuildError, find
from tests.image_server import ImageServer
from tests.small_build import LUIGI, ROOT, Small, published, table

MARK = "BUILDWIT_KILLED_AS"
KINDS = ("worker", "luigi", "everything", "SIGINT", "SIGTERM")
WAIT_S = 60


@dataclass(frozen=True)
class Killed:
    """What became of a run that was killed."""

    moment: int  # files that were there
    whom: str
    returncode: int
    said: str  # on its terminal
    finished: bool  # it had published before


@dataclass(frozen=True)
class Undisturbed:
    """A build that nobody killed: what the others must equal."""

    small: Small
    out: Path
    n_files: int


def undisturbed(small: Small, out: Path) -> Undisturbed:
    small.build(out)
    return Undisturbed(small, out, n_files(out))


def killed_and_mended(kind: str, moments: Sequence[int], seed: int, model: Undisturbed, out: Path):
    """Kill a build at each moment in turn, go on after each, and hold the end to the model's.

    Returns what became of the killed runs; raises AssertionError.
    """
    chance = random.Random(f"{kind} {seed}")
    settings = model.small.settings(workers=2)
    runs = [killed(kind, moment, chance, settings, out) for moment in sorted(moments)]
    for run in runs:
        assert run.returncode != 0 or run.finished, run
        assert "Traceback" not in run.said, run
    done = model.small.luigi(out, settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_equal(out, model.out)
    return runs


def moments(kind: str, seed: int, n: int, model: Undisturbed) -> list[int]:
    chance = random.Random(f"moments {kind} {seed}")
    return [chance.randint(1, model.n_files) for _ in range(n)]


def killed(kind: str, moment: int, chance: random.Random, settings: Path, out: Path) -> Killed:
    """Start a build, kill at the moment, and see that nothing stays alive."""
    mark = uuid.uuid4().hex
    command = [LUIGI, "--module", "pipeline", "BuildWIT", "--settings", settings, "--out", out]
    with tempfile.TemporaryFile() as said:
        program = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=ROOT,
            env={**os.environ, MARK: mark},
            start_new_session=True,
        )
        try:
            # A build that goes on may be past the moment at once: wait until it has begun, since
            # what Python says of a signal while it imports luigi is not ours.
            wait_for(lambda: program.poll() is not None or holds_a_lock(program.pid))
            wait_for(lambda: n_files(out) >= moment or program.poll() is not None)
            time.sleep(chance.random() / 5)
            there = n_files(out)
            whom = kill(kind, program, mark, chance)
            program.wait(WAIT_S)
            wait_for(lambda: not family(mark))
        finally:
            for process in family(mark):
                with suppress(psutil.Error):
                    process.kill()
            program.wait()
        said.seek(0)
        text = said.read().decode("utf-8", "replace")
    return Killed(there, whom, program.returncode, text, is_published(out))


def kill(kind: str, program: subprocess.Popen, mark: str, chance: random.Random) -> str:
    """Do it, and say whom it met."""
    if kind == "everything":  # as when the machine stops
        for process in family(mark):
            with suppress(psutil.Error):
                process.kill()
        return "all"
    if kind == "worker":
        wait_for(lambda: workers(program) or program.poll() is not None)
        found = sorted(workers(program), key=lambda process: process.pid)
        with suppress(psutil.Error, IndexError):
            one = chance.choice(found)
            command = " ".join(one.cmdline())
            one.kill()
            return "of img2dataset" if "fetch_worker" in command else "of the engine"
        return "nobody"
    program.send_signal(signal.SIGKILL if kind == "luigi" else signal.Signals[kind])
    return "luigi"


def workers(program: subprocess.Popen) -> list[psutil.Process]:
    """The processes that work for the build: img2dataset's and those of the engine."""
    with suppress(psutil.Error):
        children = psutil.Process(program.pid).children(recursive=True)
        return [one for one in children if is_worker(one)]
    return []


def is_worker(process: psutil.Process) -> bool:
    """Not the standard library's tracker, whose death harms nobody."""
    with suppress(psutil.Error):
        command = " ".join(process.cmdline())
        return "fetch_worker" in command or "spawn_main" in command
    return False


def family(mark: str) -> list[psutil.Process]:
    """The living processes that a program with this mark has started, and itself."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and process.environ().get(MARK) == mark:
                found.append(process)
    return found


def wait_for(what: Callable[[], object]) -> None:
    until = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < until, f"not within {WAIT_S} s"
        time.sleep(0.01)


def n_files(folder: Path) -> int:
    """Files and folders below it, with those that are being written."""
    return sum(len(folders) + len(files) for _, folders, files in os.walk(folder))


def is_published(out: Path) -> bool:
    with suppress(BuildError):
        return bool(find(out))
    return False


def image_files(out: Path) -> dict[str, bytes]:
    """Every file of the image parts, with its content."""
    paths = sorted((out / "images").rglob("*"))
    return {str(one.relative_to(out)): one.read_bytes() for one in paths if one.is_file()}


def holds_a_lock(pid: int) -> bool:
    """Whether the process holds a lock on a file: a build does on its workspace."""
    return any(f" {pid} " in line for line in Path("/proc/locks").read_text().splitlines())


def torn(out: Path) -> Iterator[Path]:
    """What a killed process was writing: its name begins with a dot."""
    return (path for path in out.rglob(".*") if path != out / ".lock")


def assert_equal(out: Path, model: Path) -> None:
    """The build and its pictures are the model's, whole, with nothing beside."""
    build = find(out)
    assert published(build) == published(find(model))
    assert image_files(out) == image_files(model)
    assert list(torn(out)) == []
    check = [sys.executable, "-m", "queries", "check", "--build", str(build)]
    done = subprocess.run(check, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    attempts = pa.concat_tables(
        pq.read_table(one) for one in out.glob("images/*/*/fetched.parquet")
    )
    asked = attempts["pair_id"].to_pylist()
    assert len(set(asked)) == len(asked)
    assert set(asked) == set(table(build, "outcome")["pair_id"].to_pylist())


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.kill_often", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print("| killed | seed | files there | whom | exit | the next run |\n|---|---|---|---|---|---|")
    with ImageServer() as server, tempfile.TemporaryDirectory() as folder:
        small = Small(Path(folder) / "inputs", server.url(""))
        model = undisturbed(small, Path(folder) / "model")
        for kind in KINDS:
            for seed in range(asked.seed, asked.seed + asked.runs):
                out = Path(folder) / kind / str(seed)
                moment = moments(kind, seed, 1, model)
                try:
                    (run,) = killed_and_mended(kind, moment, seed, model, out)
                    end = "finished before" if run.finished else "equal"
                except AssertionError as error:
                    raise SystemExit(f"{kind}, seed {seed}: {error}") from error
                what = (kind, seed, run.moment, run.whom, run.returncode, end)
                print("| " + " | ".join(map(str, what)) + " |", flush=True)


if __name__ == "__main__":
    main()
