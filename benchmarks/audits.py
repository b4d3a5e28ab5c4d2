"""Every audit of a large build, and the comparison of two, under 2 GB of memory.

    python -m benchmarks.audits [--quick]

The tables are made up: 500,000 queries, 170 million matches of which a cap of 20,000 keeps 106
million, 32 million pairs of which a fifth is lost in the fetch, 25 million samples. A second build
of the same pairs lost others. Each audit runs in a process of its own with two threads and 2 GB for
DuckDB, as a person would ask it alone, its rows fetched. It must answer within a minute, and the
audits that compare builds within five minutes in all: the limits are what stands in the peer's
column. The slowest ones take two turns more.

A machine that does other things shows in the seconds and not in the CPU seconds: half of these is
what two idle cores would need at least. --quick has a hundredth of all rows,
and asks all audits in one process.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.audit_tables import FULL, QUICK, write_build
from benchmarks.harness import Row, child, cpu_seconds, peak_mb, show
from queries.__main__ import MEMORY
from queries.engine.duck import DuckEngine
from queries.questions import answer, compares, names, sql, tables

THREADS = 2
Runs = dict[str, list[dict[str, Any]]]
LIMIT_S, COMPARING_LIMIT_S = 60.0, 300.0
AGAIN = 5  # so many of the slowest are asked again, twice


def measured(name: str, build: Path, other: Path) -> dict[str, Any]:
    """What one audit takes, from the question to its last row."""
    question = sql("audit", name)
    given = tables(build, None, other if compares(question) else None, question)
    with tempfile.TemporaryDirectory(dir=build) as scratch:
        engine = DuckEngine(workers=THREADS, memory=MEMORY, scratch=Path(scratch), quiet=True)
        began, before = time.monotonic(), cpu_seconds()
        found = answer(engine, given, question)
        taken = {"seconds": time.monotonic() - began, "cpu_seconds": cpu_seconds() - before}
    return {**taken, "memory_mb": peak_mb(), "rows": found.num_rows}


def asked(some: list[str], folder: Path) -> Runs:
    """A run of each of some audits, in one process."""
    runs = child([sys.executable, "-m", "benchmarks.audits", "--folder", folder, *some])
    for name, run in runs.items():
        told = f"{name}: {run['seconds']:.1f} s, {run['cpu_seconds']:.1f} CPU s"
        print(told, file=sys.stderr)
    return {name: [run] for name, run in runs.items()}


def ask_all(folder: Path, quick: bool) -> Runs:
    """Every audit in a process of its own, and the slowest of them again; quick: all in one."""
    every = names("audit")
    if quick:
        return asked(every, folder)
    runs = {name: asked([name], folder)[name] for name in every}
    slowest = sorted(runs, key=lambda name: runs[name][0]["seconds"])[-AGAIN:]
    for _ in range(2):
        for name in slowest:
            runs[name] += asked([name], folder)[name]
    return runs


def compare(folder: Path, quick: bool) -> None:
    size = QUICK if quick else FULL
    build = write_build(folder / "one", size, seed=0)
    write_build(folder / "other", size, seed=1, like=build)
    runs = ask_all(folder, quick)
    two = {name: runs.pop(name) for name in list(runs) if compares(sql("audit", name))}
    seconds = {name: [run["seconds"] for run in of] for name, of in runs.items()}
    order = sorted(runs, key=lambda name: -max(seconds[name]))
    rows = [Row(name, "s", seconds[name], "limit", [LIMIT_S]) for name in order]
    both = [sum(of[0]["seconds"] for of in two.values())]
    every = [run for of in (*runs.values(), *two.values()) for run in of]
    show(
        f"Audits of {size.matches:,} matches, two threads, {MEMORY} for DuckDB",
        [*rows, Row("two builds compared", "s", both, "limit", [COMPARING_LIMIT_S])],
        slowest=order[0],
        cpu_seconds={
            name: round(max(one["cpu_seconds"] for one in runs[name]), 1) for name in order
        },
        cpu_seconds_of_two=round(sum(of[0]["cpu_seconds"] for of in two.values()), 1),
        most_memory_mb=round(max(run["memory_mb"] for run in every)),
    )


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.audits", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the rows")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("audits", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        builds = (options.folder / "one", options.folder / "other")
        print(json.dumps({name: measured(name, *builds) for name in options.audits}))
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), options.quick)


if __name__ == "__main__":
    main()
