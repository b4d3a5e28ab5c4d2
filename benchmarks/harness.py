"""What benchmarks share: interleaved runs, the table of figures, and environments for peers.

Times are CPU seconds, because machines that run benchmarks run other things, too. Functions that
are compared take turns, so that what disturbs one disturbs the other.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table as Grid


@dataclass(frozen=True)
class Row:
    """One comparison: a figure of each run of ours and of the peer's, both in the unit."""

    what: str
    unit: str
    ours: Sequence[float]
    peer_name: str
    peer: Sequence[float]

    @property
    def ratio(self) -> float | None:
        """Ours to the peer's, of one round: the median, or that of the medians if rounds differ.

        >>> Row("read", "MB/s", [10, 30, 20], "theirs", [10, 10, 20]).ratio
        1.0
        >>> Row("read", "MB/s", [10, 30, 20], "theirs", [10]).ratio
        2.0
        """
        if not all(self.peer):
            return None
        if len(self.ours) == len(self.peer):
            return median(ours / peer for ours, peer in zip(self.ours, self.peer, strict=True))
        return median(self.ours) / median(self.peer)

    def as_json(self) -> dict[str, Any]:
        sides = {"ours": self.ours, "peer": self.peer}
        return {
            "what": self.what,
            "unit": self.unit,
            "peer_name": self.peer_name,
            **{
                f"{side}_{name}": round(function(runs), 4)
                for side, runs in sides.items()
                for name, function in (("median", median), ("min", min), ("max", max))
            },
            "ratio": None if self.ratio is None else round(self.ratio, 3),
        }


def arguments(module: str, about: str) -> argparse.Namespace:
    """The command line that all benchmarks have."""
    parser = argparse.ArgumentParser(f"python -m {module}", description=about)
    parser.add_argument("--quick", action="store_true", help="less data: ends within a minute")
    return parser.parse_args()


def take_turns(
    functions: Mapping[str, Callable[[], Any]],
    rounds: int,
    clock: Callable[[], float] | None = None,
) -> dict[str, list[float]]:
    """Run every function once a round, and return the seconds of each run.

    A function that returns a float has measured itself (a peer in another process, without its
    start). `clock` is CPU seconds by default.
    """
    clock = clock or cpu_seconds
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            before = clock()
            itself = function()
            took = clock() - before
            seconds[name].append(itself if isinstance(itself, float) else took)
    return seconds


def cpu_seconds() -> float:
    """CPU seconds of this process, and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def family_cpu_seconds() -> float:
    """CPU seconds of this process and of all that it started, Java's Python processes too."""
    total = cpu_seconds()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])  # user, system, and those of ended children
    return total


class Timed:
    """Wall and CPU seconds of what is done within."""

    def __enter__(self) -> "Timed":
        self.wall, self.cpu = time.monotonic(), family_cpu_seconds()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall, self.cpu = time.monotonic() - self.wall, family_cpu_seconds() - self.cpu


def peak_mb() -> float:
    """The most memory that this process has had, MB.

    From /proc: the maximum that getrusage tells is inherited from a parent that was larger.
    """
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def rates(amount: float, seconds: Sequence[float]) -> list[float]:
    """
    >>> rates(10, [2.0, 5.0])
    [5.0, 2.0]
    """
    return [amount / one for one in seconds]


def show(title: str, rows: Sequence[Row], **notes: Any) -> None:
    """Print the table, then all figures as one line of JSON."""
    grid = Grid("", "unit", "ours", "peer's", "peer", "ratio", title=title)
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        grid.add_row(row.what, row.unit, _runs(row.ours), _runs(row.peer), row.peer_name, ratio)
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(grid)
    for name, note in notes.items():
        console.print(f"{name.replace('_', ' ')}: {note}", markup=False)  # lists are no styles
    print(json.dumps({"rows": [row.as_json() for row in rows], **notes}))


def _runs(runs: Sequence[float]) -> str:
    """
    >>> _runs([3.0, 1.0, 2.0]), _runs([12345.0])
    ('2.00 (1.00-3.00)', '12,345')
    """
    if len(runs) == 1:
        return _number(runs[0])
    return f"{_number(median(runs))} ({_number(min(runs))}-{_number(max(runs))})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 or value == int(value) >= 10 else f"{value:.2f}"


def cache() -> Path:
    """Where what is fetched stays: ~/.cache/buildwit-benchmarks, or $BUILDWIT_BENCH_CACHE."""
    chosen = os.environ.get("BUILDWIT_BENCH_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache/buildwit-benchmarks"


def peer_environment(name: str, packages: Sequence[str]) -> Path:
    """The Python of an environment in `cache()` that has these packages, made on first use."""
    state = hashlib.sha256(json.dumps([*packages, sys.version]).encode()).hexdigest()[:8]
    folder = cache() / f"{name}-{state}"
    python, whole = folder / "bin" / "python", folder / "whole"
    if not whole.exists():  # written last
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        print(f"installing {', '.join(packages)} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
        whole.touch()
    return python


def child(command: Sequence[str | Path]) -> Any:
    """Run a command, and return what its last line says in JSON."""
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])
