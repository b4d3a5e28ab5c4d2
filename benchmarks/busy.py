"""The sample build beside programs that take every core: its samples, and the undisturbed build's.

    python -m benchmarks.busy [--quick]

For each core of this machine one process loops for ever, at the build's own priority. The two
builds are made one after the other, as the sample is served on one port. --quick changes nothing.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.harness import Row, Timed, arguments, show
from queries.tables.manifest import find
from tests.processes import leave_none_behind
from tests.small_build import LUIGI, ROOT, table

SETTINGS = ROOT / "pipeline/builds/sample.toml"
COUNTING = "while True: pass"


@contextmanager
def busy(n: int) -> Iterator[None]:
    """So many processes that do nothing but work."""
    counting = [subprocess.Popen([sys.executable, "-c", COUNTING]) for _ in range(n)]
    try:
        yield
    finally:
        for one in counting:
            one.kill()
            one.wait()


def built(out: Path) -> tuple[int, dict[str, int], float]:
    """Samples of a sample build, what its pictures were lost to, and its seconds by the clock."""
    words = ["--module", "pipeline", "BuildWIT", "--settings", SETTINGS, "--out", out]
    with Timed() as timed:
        subprocess.run([LUIGI, *words], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    build = find(out)
    reasons = Counter(filter(None, table(build, "attempt")["reason"].to_pylist()))
    samples = sum(pq.read_metadata(path).num_rows for path in build.glob("shards/*.parquet"))
    return samples, dict(reasons), timed.wall


def main() -> None:
    arguments("benchmarks.busy", __doc__ or "")
    leave_none_behind()
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        alone, lost_alone, seconds_alone = built(Path(folder) / "alone")
        with busy(cores):
            beside, lost_beside, seconds_beside = built(Path(folder) / "beside")
    show(
        "The sample build beside a program on every core",
        [
            Row("samples", "", [beside], "undisturbed", [alone]),
            Row("by the clock", "s", [seconds_beside], "undisturbed", [seconds_alone]),
        ],
        lost_busy=lost_beside,
        lost_undisturbed=lost_alone,
        cores=cores,
        load_at_end=round(os.getloadavg()[0], 1),
    )


if __name__ == "__main__":
    main()
