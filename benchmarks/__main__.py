"""Every benchmark in turn, and docs/benchmarks.md from what they printed.

    python -m benchmarks [NAME …] [--full]

Without --full each takes less data, and minutes at most. What a benchmark's last line says is kept
in benchmarks/results/, quick and full apart, with machine and date; the page shows both. A
benchmark that fails is told, and its last result stays.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.harness import child
from queries.tables.parts import write_json
from tests.processes import leave_none_behind

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks/results", ROOT / "docs/benchmarks.md"
SIZES = ("full", "quick")
HEAD = """# Benchmarks

`make bench` runs all of them on little data and writes this page; `python -m benchmarks --full`
takes hours. Ratio is ours to the peer's, of runs that took turns: the median, with the least and
the most of the runs in brackets. Each module says what is compared, and prints more than stands
here. What a quick run says of a trained model is of a few seconds' training: that it runs, no more.
"""


def main() -> None:
    names = [*found()]
    parser = argparse.ArgumentParser("python -m benchmarks", description=(__doc__ or "")[:78])
    parser.add_argument("name", nargs="*", choices=[*names, []], help=f"of {', '.join(names)}")
    parser.add_argument("--full", action="store_true", help="all the data: hours")
    parser.add_argument("--page", action="store_true", help="only write the page anew")
    asked = parser.parse_args()
    leave_none_behind()
    size = SIZES[0] if asked.full else SIZES[1]
    failed = [] if asked.page else [one for one in asked.name or names if not kept(one, size)]
    PAGE.write_text(page(names))
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def found() -> Iterator[str]:
    """The modules that are benchmarks: those that can be run."""
    for path in sorted((ROOT / "benchmarks").iterdir()):
        whole = path / "__main__.py" if path.is_dir() else path
        if whole.exists() and path.stem != "__main__" and "def main" in whole.read_text():
            yield path.stem


def kept(name: str, size: str) -> bool:
    """Run a benchmark and keep what it says; False if it fails."""
    print(f"{name}, {size}", file=sys.stderr)
    began = time.monotonic()
    flags = ["--quick"] if size == "quick" else []
    try:
        said = child([sys.executable, "-m", f"benchmarks.{name}", *flags])
    except (subprocess.CalledProcessError, ValueError, IndexError):
        return False
    record(name, size, said, time.monotonic() - began)
    return True


def record(name: str, size: str, said: dict[str, Any], seconds: float) -> None:
    about = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine()}
    result = about | {"seconds": round(seconds)} | said
    write_json(RESULTS / size / f"{name}.json", result)


def machine() -> str:
    """What figures depend on: processor, cores, memory, Python."""
    lines = (
        Path("/proc/cpuinfo").read_text().splitlines() if os.path.exists("/proc/cpuinfo") else []
    )
    models = [line.split(": ")[1] for line in lines if line.startswith("model name")]
    memory = psutil.virtual_memory().total / 2**30
    model = models[0] if models else platform.machine()
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def page(names: list[str]) -> str:
    results = {
        (name, size): json.loads(path.read_text())
        for name in names
        for size in SIZES
        if (path := RESULTS / size / f"{name}.json").exists()
    }
    parts = [HEAD, *(section(name, results) for name in names)]
    return "\n".join(parts)


def section(name: str, results: dict[tuple[str, str], dict]) -> str:
    """The heading, what is compared, and a table for each size that has been run."""
    lines = [f"## {name}", "", about(name), ""]
    for size in SIZES:
        if result := results.get((name, size)):
            lines += [*table(size, result), ""]
    return "\n".join(lines)


def about(name: str) -> str:
    path = ROOT / "benchmarks" / name
    whole = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    return whole.read_text().splitlines()[0].strip('"')


def table(size: str, result: dict) -> Iterator[str]:
    """
    >>> row = {"what": "read", "unit": "MB/s", "peer_name": "theirs", "ratio": 2.0}
    >>> row |= {f"ours_{one}": 4 for one in ("median", "min", "max")}
    >>> row |= {f"peer_{one}": 2 for one in ("median", "min", "max")}
    >>> about = {"date": "2026-01-02", "machine": "m", "seconds": 3, "rows": [row]}
    >>> print(*list(table("quick", about))[-1:])
    | read | MB/s | 4 | theirs | 2 | 2.00 |
    """
    yield f"{size}, {result['date']}, {result['seconds']:,} s, {result['machine']}:"
    yield ""
    yield "| | unit | ours | peer | peer's | ratio |"
    yield "|---|---|---:|---|---:|---:|"
    for row in result["rows"]:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        sides = [spread(row, side) for side in ("ours", "peer")]
        cells = (row["what"], row["unit"], sides[0], row["peer_name"], sides[1], ratio)
        yield f"| {' | '.join(cells)} |"


def spread(row: dict, side: str) -> str:
    """The median, with the least and most where they differ."""
    middle, least, most = (row[f"{side}_{one}"] for one in ("median", "min", "max"))
    return number(middle) + (f" ({number(least)}-{number(most)})" if least != most else "")


def number(value: float) -> str:
    """
    >>> number(12345.6), number(0.1234), number(40)
    ('12,346', '0.123', '40')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    main()
