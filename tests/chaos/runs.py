"""One run: a build is disturbed, continues, and equals an undisturbed build."""

import random
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from queries.tables.manifest import find
from tests.chaos import disk, shim
from tests.chaos.builds import (
    assert_equal,
    assert_same_choice,
    built,
    lost_in_passing,
    n_bytes,
    n_files,
)
from tests.chaos.faults import FAULTS, OF_THE_DISK, Disturbed, Model, message
from tests.chaos.server import MortalServer
from tests.small_build import Small

N_CAPTIONS = 200
KINDS = tuple(FAULTS)
KILLS = ("worker", "luigi", "everything", "SIGINT", "SIGTERM")


@dataclass(frozen=True)
class Run:
    """The faults of a run that passed; a run that fails raises AssertionError."""

    seed: int
    kind: str
    disturbed: tuple[Disturbed, ...]
    retried: bool  # what was lost had to be asked for again


@contextmanager
def modelled(folder: Path) -> Iterator[Model]:
    """The undisturbed build, with its server."""
    with MortalServer() as server:
        small = Small(folder / "inputs", server.url)
        small.write_captions(N_CAPTIONS)
        settings, out = small.settings(), folder / "model"
        wrapped = None if shim.why_not() else shim.Shim(folder / "shim")
        env = wrapped.environment(out) if wrapped else None
        code, lines = built(settings, out, env=env)
        assert code == 0, lines
        yield Model(
            settings,
            out,
            server,
            wrapped,
            n_files=n_files(out),
            n_calls=wrapped.calls if wrapped else 0,
            n_requests=server.asked,
            n_bytes=n_bytes(out),
        )


def why_not(kind: str, folder: Path) -> str | None:
    """Why this machine cannot make a kind of fault; None if it can."""
    if kind == "full disk":
        return disk.why_not(folder)
    return shim.why_not() if kind in ("ENOSPC", "EIO", "clock") else None


def kind_of(seed: int) -> str:
    """Seeds take turns among the kinds."""
    return KINDS[seed % len(KINDS)]


def run(seed: int, model: Model, folder: Path, times: int | None = None) -> Run:
    """Disturb a build so often, once or twice by default, go on, and compare.

    Raises AssertionError.
    """
    kind = kind_of(seed)
    chance = random.Random(f"{kind} {seed}")
    with ExitStack() as stack:
        folder.mkdir(parents=True)
        stack.callback(shutil.rmtree, folder)
        if kind == "full disk":
            mounted = disk.Disk(folder)
            assert mounted.mount("size=256m").returncode == 0
            stack.callback(mounted.unmount)
        out = folder / "wit"
        times = times or chance.choice((1, 1, 2))
        found = tuple(FAULTS[kind](model, out, chance) for _ in range(times))
        for one in found:
            assert_ended_well(kind, one)
        retried = mended(model, out, may_have_lost=kind in ("server", "clock"))
        compare = assert_same_choice if retried else assert_equal
        compare(out, model.out)
    return Run(seed, kind, found, retried)


def assert_ended_well(kind: str, found: Disturbed) -> None:
    """A disturbed build has finished, or says why not: of the disk's faults in one line."""
    assert found.returncode != 0 or found.finished, found
    assert not any("Traceback" in line for line in found.lines), found
    if kind in OF_THE_DISK and found.returncode != 0:
        assert len([line for line in found.lines if message(kind) in line]) == 1, found


def mended(model: Model, out: Path, may_have_lost: bool) -> bool:
    """Go on, undisturbed, until the build is done; whether anything was asked for again."""
    code, lines = built(model.settings, out)
    assert code == 0, lines
    lost = lost_in_passing(find(out))
    if not lost:
        return False
    assert may_have_lost, f"{len(lost)} pairs were lost"
    code, lines = built(model.settings, out, "--retry", "passing")
    assert code == 0, lines
    assert not lost_in_passing(find(out))
    return True
