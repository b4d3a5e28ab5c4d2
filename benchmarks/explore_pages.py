"""Pages of the explorer over a build of ten million samples: their times, and what it holds.

    python -m benchmarks.explore_pages [--quick]

The build is made up (benchmarks/explore_build.py). A real server is asked over HTTP, one request
after the other; every request of a kind differs from the others, so that no answer is a kept one.
The first counts of all samples are asked once. Beside the seconds on the clock stand the server's
CPU seconds, for a machine that runs other programs; the ratio of the two says how busy it was.
"""

import argparse
import itertools
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import psutil

from benchmarks.explore_build import HOSTS, LANGUAGES, SOURCES, build_of, vocabulary
from benchmarks.harness import Row, cache, show
from tests.pipeline.explore.made_build import served

ROWS, QUICK_ROWS = 10_000_000, 2_000_000
ASKED = 30  # requests of a kind
CAPTION_S, COUNTS_S, OPENING_S, MEMORY_MB = 1.5, 1.0, 5.0, 1_000
Paths = Iterator[str]


def kinds(words: list[str]) -> dict[str, tuple[float | None, Paths]]:
    """By kind of request: the limit of its p95 in seconds, if there is one, and addresses."""
    draw = np.random.default_rng(5)
    frequent = (words[at] for at in draw.permutation(np.arange(3, 300)))
    seldom = (words[at] for at in draw.permutation(np.arange(5_000, 40_000)))
    chinese = (words[at] for at in range(49, 5_000, 50))
    counted = (words[at] for at in draw.permutation(np.arange(300, 3_000)))
    facet = itertools.cycle(["source=crawl", "language=de", "license=CC0-1.0", "size=512"])
    hosts = (f"host=img{at}.example.org" for at in range(1, HOSTS))
    return {
        "first page": (None, (f"/?page={page}" for page in range(1, 500))),
        "frequent word": (CAPTION_S, (f"/?q={word}" for word in frequent)),
        "seldom word": (CAPTION_S, (f"/?q={word}" for word in seldom)),
        "Chinese word": (CAPTION_S, (f"/?q={word}" for word in chinese)),
        "two words that no caption has": (CAPTION_S, (f"/?q=qq{n}+zz" for n in range(99))),
        "whole word": (CAPTION_S, (f"/?q={word}&words=on" for word in seldom)),
        "samples of a query": (None, (f"/?query={number}" for number in range(40, 999))),
        "ordered by size": (None, (f"/?{next(facet)}&order=large&page={n}" for n in range(1, 99))),
        "counts of a word": (COUNTS_S, (f"/facets?q={word}" for word in counted)),
        "counts of a query": (COUNTS_S, (f"/facets?query={number}" for number in range(100, 999))),
        "counts of a host": (COUNTS_S, (f"/facets?{host}" for host in hosts)),
        "counts of a large facet": (COUNTS_S, large()),
    }


def large() -> Paths:
    """Views that hold a great part of the samples, each once."""
    for side, source, language in itertools.product((0, 256, 512, 1024), SOURCES, LANGUAGES):
        yield f"/facets?size={side}&source={source}&language={language or 'none'}"


def measured(
    paths: Paths, n: int, ask: Callable[[str], object], cpu: Callable[[], float]
) -> dict[str, list[float]]:
    """Seconds on the clock, and of the server's CPU, of n requests."""
    wall_s, cpu_s = [], []
    for path in itertools.islice(paths, n):
        began, before = time.monotonic(), cpu()
        ask(path)
        wall_s.append(time.monotonic() - began)
        cpu_s.append(cpu() - before)
    return {"wall": wall_s, "cpu": cpu_s}


def server_of(address: str) -> psutil.Process:
    """The process of this one's children that listens there."""
    port = int(address.rstrip("/").rsplit(":", 1)[1])
    for process in psutil.Process().children(recursive=True):
        if any(one.laddr.port == port for one in process.net_connections() if one.laddr):
            return process
    raise SystemExit(f"no child listens at {address}")


def held_mb(process: psutil.Process) -> dict[str, float]:
    """The most memory that a process has had, and what it has now that no file backs, MB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    kb = dict(re.findall(r"^(VmHWM|RssAnon):\s+(\d+) kB", status, re.MULTILINE))
    return {name: round(int(value) * 1024 / 1e6) for name, value in kb.items()}


def percentile(values: list[float], percent: float) -> float:
    return float(np.percentile(values, percent))


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.explore_pages", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two million samples")
    parser.add_argument("--rows", type=int, help="another number of samples")
    options = parser.parse_args()
    rows = options.rows or (QUICK_ROWS if options.quick else ROWS)
    build = build_of(cache() / f"explore-build-{rows}", rows)
    began, table, notes, late = time.monotonic(), [], {}, []
    with served(build) as client:
        client.timeout = 60.0

        def ask(path: str) -> None:
            answer = client.get(path)
            if answer.status_code != httpx.codes.OK:
                raise SystemExit(f"{path}: {answer.status_code} {answer.text[:2_000]}")

        ask("/")
        opening = time.monotonic() - began
        server = server_of(str(client.base_url))

        def cpu() -> float:
            return sum(server.cpu_times()[:4])

        whole = measured(iter(["/facets"]), 1, ask, cpu)
        notes["first_counts_of_all_s"] = {name: round(some[0], 2) for name, some in whole.items()}
        for name, (limit, paths) in kinds(vocabulary()).items():
            seconds = measured(paths, ASKED, ask, cpu)
            for percent in (50, 95):
                value = percentile(seconds["wall"], percent)
                spent = percentile(seconds["cpu"], percent)
                table.append(Row(f"{name}, p{percent}", "s", [value], "its CPU", [spent]))
            if limit and value > limit:
                late.append(f"{name}: {value:.2f} s, expected {limit} s")
            print(
                name,
                {key: round(percentile(some, 95), 3) for key, some in seconds.items()},
                file=sys.stderr,
            )
        memory = held_mb(server)
    notes |= {"opening_s": round(opening, 2), "memory_mb": memory, "requests_a_kind": ASKED}
    disk = sum(path.stat().st_size for path in build.rglob("*.parquet"))
    notes |= {"disk_mb": round(disk / 1e6), "load": [round(one, 1) for one in os.getloadavg()]}
    notes["late"] = late
    show(f"Pages of the explorer over {rows:,} samples", table, **notes)
    if opening > OPENING_S or memory["VmHWM"] > MEMORY_MB or late:
        raise SystemExit(json.dumps({"late": late, "opening_s": opening, "memory_mb": memory}))


if __name__ == "__main__":
    main()
