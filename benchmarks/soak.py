"""A long build on a small machine: does anything grow? Memory, open files, processes, images/s.

    python -m benchmarks.soak                       # 200,000 candidates, 100,000 images: minutes
    python -m benchmarks.soak --candidates 10000

One luigi command builds from a picture server in a process of its own. Every second each of the
build's processes is looked at; what it has in the last quarter of the fetch is compared with the
first. Not timed against a peer: the build is its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pyarrow.compute as pc

from benchmarks.harness import Row, show
from queries.tables.manifest import find
from tests.chaos.server import MortalServer
from tests.small_build import LUIGI, ROOT, Small, table

CANDIDATES, QUICK = 200_000, 2_000  # half of them contain a query, and are asked for
PARTS = 40  # image parts of a run: each is fetched by a new process
LEAST_ROWS = 250  # of an image part
SAMPLES_PER_SHARD = 1_000
SAMPLE_S = 1.0
ROLES = {"pipeline.fetch.worker": "fetch", "multiprocessing": "engine"}


@dataclass
class Moment:
    """What the build's processes have at one time, by role: MB, open files, their number."""

    at_s: float
    rss_mb: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    handles: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    fetch_cpu_s: dict[int, float] = field(default_factory=dict)  # by process
    processes: int = 0
    threads: int = 0


class Half(Small):
    """Inputs of which every second caption contains a query; some of its pictures are no good."""

    def caption(self, one: int) -> tuple[str, str]:
        place = one // 2
        kind = {7: "404", 17: "html", 27: "pixel", 37: "500"}.get(place % 50, "picture")
        said = "ohne jeden Treffer, Nummer" if one % 2 else "red house number"
        return f"{self.server_url}/{kind}/{one}.png", f"{said} {one}"


def role_of(process: psutil.Process) -> str:
    words = " ".join(process.cmdline())
    return next((role for name, role in ROLES.items() if name in words), "luigi")


def moment(program: psutil.Process, began: float) -> Moment:
    found = Moment(time.monotonic() - began)
    for process in [program, *program.children(recursive=True)]:
        with suppress(psutil.Error), process.oneshot():
            role = role_of(process)
            found.rss_mb[role] += process.memory_info().rss / 1e6
            found.handles[role] += process.num_fds()
            found.threads += process.num_threads()
            if role == "fetch":
                found.fetch_cpu_s[process.pid] = sum(process.cpu_times()[:2])
            found.processes += 1
    return found


def watched(command: list[str]) -> tuple[list[Moment], float]:
    """Run a build to its end; what its processes had, second by second, and its seconds."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as said:
        program = subprocess.Popen(command, stdout=said, stderr=said, cwd=ROOT)
        moments = []
        while program.poll() is None:
            with suppress(psutil.Error):
                moments.append(moment(psutil.Process(program.pid), began))
            time.sleep(SAMPLE_S)
        if program.returncode:
            said.seek(0)
            sys.exit(said.read().decode("utf-8", "replace"))
    return moments, time.monotonic() - began


def rates(out: Path) -> list[float]:
    """Images/s of each image part, in their order."""
    lines = map(json.loads, (out / "fetch_log.jsonl").read_text().splitlines())
    return [line["rows_per_s"] for line in lines if "kept" in line]


def cpu_ms(moments: list[Moment], rows_per_part: int) -> list[float]:
    """CPU ms an image of each part's process, as far as it was seen: other programs change it
    little."""
    of_process: dict[int, float] = {}
    for one in moments:
        of_process |= one.fetch_cpu_s
    return [1000 * seconds / rows_per_part for seconds in of_process.values()]


def quarters(values: list[float]) -> tuple[list[float], list[float]]:
    """The last quarter and the first.

    >>> quarters([1, 2, 3, 4, 5, 6, 7, 8])
    ([7, 8], [1, 2])
    """
    n = max(1, len(values) // 4)
    return values[-n:], values[:n]


def compared(moments: list[Moment], per_part: list[float], rows_per_part: int) -> Iterator[Row]:
    """The last quarter of the fetch beside the first."""
    fetching = [one for one in moments if one.handles.get("fetch")]
    for role in sorted({role for one in fetching for role in one.handles}):
        for what, unit, values in (
            (f"{role}: memory", "MB", [one.rss_mb.get(role, 0.0) for one in fetching]),
            (f"{role}: open files", "", [float(one.handles.get(role, 0)) for one in fetching]),
        ):
            last, first = quarters(values)
            yield Row(what, unit, last, "first quarter", first)
    for name in ("processes", "threads"):
        last, first = quarters([float(getattr(one, name)) for one in fetching])
        yield Row(name, "", last, "first quarter", first)
    for what, unit, values in (
        ("fetch: images/s of a part", "1/s", per_part),
        ("fetch: CPU an image", "ms", cpu_ms(moments, rows_per_part)),
    ):
        last, first = quarters(values)
        yield Row(what, unit, last, "first quarter", first)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data: a few minutes")
    parser.add_argument("--candidates", type=int, default=CANDIDATES, help=f"{CANDIDATES}")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    n = QUICK if options.quick else options.candidates
    with tempfile.TemporaryDirectory() as folder, MortalServer() as server:
        small, out = Half(Path(folder) / "in", server.url), Path(folder) / "wit"
        small.write_captions(n)
        rows_per_part = max(LEAST_ROWS, n // 2 // PARTS)
        settings = small.settings(
            cap=n, rows_per_part=rows_per_part, samples_per_shard=SAMPLES_PER_SHARD
        )
        words = ["--module", "pipeline", "BuildWIT", "--settings", settings, "--out", out]
        moments, seconds = watched([str(LUIGI), *map(str, words)])
        per_part, build = rates(out), find(out)
        outcome, stage = table(build, "outcome"), table(build, "stage").to_pylist()
        show(
            f"A build of {n:,} candidates: the last quarter of its fetch, and the first",
            list(compared(moments, per_part, rows_per_part)),
            seconds=round(seconds),
            rows_in=sum(row["rows_in"] for row in stage if row["stage"] == "collect"),
            rows_accounted=sum(
                row["rows_kept"] + row["rows_dropped"] for row in stage if row["stage"] == "collect"
            ),
            images_asked_for=outcome.num_rows,
            images_kept=pc.sum(pc.is_null(outcome["reason"])).as_py(),
            image_parts=len(per_part),
            peak_mb={
                role: round(max(one.rss_mb.get(role, 0.0) for one in moments))
                for role in sorted({role for one in moments for role in one.rss_mb})
            },
            cores=len(os.sched_getaffinity(0)),
            load_at_end=round(os.getloadavg()[0], 1),
        )


if __name__ == "__main__":
    main()
