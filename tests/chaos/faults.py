"""Kinds of faults, one function each; a seed decides the moment of each fault.

Each function disturbs one build in a workspace and returns the outcome. Moments are counted in
units that do not depend on the machine's speed: files, calls that write, requests, bytes.
"""

import errno
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psutil

from tests import processes
from tests.chaos.builds import Build, building, family, is_published, n_files
from tests.chaos.disk import Disk
from tests.chaos.server import MortalServer
from tests.chaos.shim import ALWAYS, Plan, Shim
from tests.processes import command_of, descendants, wait_for

NOT_REACHED = "not reached"  # a build that goes on from a disturbed one has less to do
HOURS = (1, -1, 24, -24, 24 * 365 * 10, -24 * 365 * 10)  # that a clock jumps


@dataclass(frozen=True)
class Model:
    """The undisturbed build, what it used, and what makes the faults of the other builds."""

    settings: Path
    out: Path
    server: MortalServer
    shim: Shim | None  # none where there is no compiler
    n_files: int
    n_calls: int
    n_requests: int
    n_bytes: int


@dataclass(frozen=True)
class Disturbed:
    """The outcome of a disturbed build."""

    moment: str
    what: str
    returncode: int
    lines: list[str]  # that it said, without bars of progress
    finished: bool  # it had published


Fault = Callable[[Model, Path, random.Random], Disturbed]


# --- processes that are killed ------------------------------------------------------------------


def kill(whom: str, model: Model, out: Path, chance: random.Random) -> Disturbed:
    """Kill a process when that many files exist, or up to 0.2 s later."""
    moment = chance.randint(1, model.n_files)
    with building(model.settings, out) as build:
        wait_for(lambda: n_files(out) >= moment or build.has_ended, f"{moment} files")
        time.sleep(chance.random() / 5)
        there = n_files(out)
        met = killed(whom, build, chance)
        build.end()
        return disturbed(build, f"{there} files", met)


def killed(whom: str, build: Build, chance: random.Random) -> str:
    """Kill `whom`, and return which process was hit."""
    if whom == "everything":  # as when the machine stops
        processes.kill(*family(build.mark))
        return "all processes"
    if whom != "worker":
        build.program.send_signal(signal.SIGKILL if whom == "luigi" else signal.Signals[whom])
        return "luigi"
    wait_for(lambda: workers(build) or build.has_ended, "a worker starts")
    candidates = sorted(workers(build), key=lambda process: process.pid)
    with suppress(psutil.Error, IndexError):
        worker = chance.choice(candidates)
        command = command_of(worker)
        worker.kill()
        return "of img2dataset" if "pipeline.fetch.worker" in command else "of the engine"
    return "nobody"


def workers(build: Build) -> list[psutil.Process]:
    """The build's worker processes: img2dataset's and the engine's."""
    return [process for process in descendants(build.program.pid) if is_worker(process)]


def is_worker(process: psutil.Process) -> bool:
    """Whether it is no resource tracker of the standard library, whose death has no effect."""
    command = command_of(process)
    return "pipeline.fetch.worker" in command or "spawn_main" in command


# --- disks, clocks, servers ---------------------------------------------------------------------


def full_disk(model: Model, out: Path, chance: random.Random) -> Disturbed:
    """Build on a disk with room for a part of the build; then enlarge the disk."""
    room = chance.randrange(model.n_bytes // 20, model.n_bytes * 3 // 4) >> 10
    disk = Disk(out.parent)
    disk.mount(f"remount,size={room}k")
    try:
        found = whole(model, out, f"{room} KiB", "no room on the disk")
        return found if found.returncode else replace(found, what="room enough")
    finally:
        disk.mount("remount,size=256m")


def failing_writes(number: int, model: Model, out: Path, chance: random.Random) -> Disturbed:
    """One call that writes fails, or that call and all after it."""
    first = chance.randint(1, model.n_calls)
    lasting = chance.random() < 0.5
    plan = Plan(first, ALWAYS if lasting else first + 1, number)
    what = f"{errno.errorcode[number]}{' from then on' if lasting else ' once'}"
    return whole(model, out, f"call {first}", what, plan)


def clock(model: Model, out: Path, chance: random.Random) -> Disturbed:
    """The wall clock jumps; in the next build it is correct."""
    at, hours = chance.randint(1, model.n_calls), chance.choice(HOURS)
    return whole(model, out, f"call {at}", f"{hours:+} h", Plan(clock_at=at, clock_s=hours * 3600))


def server_dies(model: Model, out: Path, chance: random.Random) -> Disturbed:
    """The image server dies at a request, and starts again later."""
    dies_at, away_s = chance.randint(1, model.n_requests), chance.random() * 3
    model.server.start(dies_at, away_s)
    found = whole(model, out, f"request {dies_at}", f"away for {away_s:.1f} s")
    return found if model.server.back() else replace(found, what=NOT_REACHED)


def whole(model: Model, out: Path, moment: str, what: str, plan: Plan | None = None) -> Disturbed:
    """Build until the build ends, with or without success."""
    if plan is None or model.shim is None:
        shim, env = None, None
    else:
        shim, env = model.shim, model.shim.environment(out, plan)
    with building(model.settings, out, env=env) as build:
        build.end()
        reached = shim is None or shim.calls >= max(plan.first, plan.clock_at)
        return disturbed(build, moment, what if reached else NOT_REACHED)


def disturbed(build: Build, moment: str, what: str) -> Disturbed:
    finished = is_published(build.out)
    return Disturbed(moment, what, build.program.returncode, build.lines, finished)


KILLS = ("worker", "luigi", "everything", "SIGINT", "SIGTERM")
FAULTS: dict[str, Fault] = {
    **{whom: partial(kill, whom) for whom in KILLS},
    "full disk": full_disk,
    "ENOSPC": partial(failing_writes, errno.ENOSPC),
    "EIO": partial(failing_writes, errno.EIO),
    "clock": clock,
    "server": server_dies,
}
OF_THE_DISK = {"full disk": errno.ENOSPC, "ENOSPC": errno.ENOSPC, "EIO": errno.EIO}


def message(kind: str) -> str:
    """The system's message with which a build ends after a fault of the disk."""
    return os.strerror(OF_THE_DISK[kind])
