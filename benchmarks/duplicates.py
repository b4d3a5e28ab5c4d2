"""Groups of near duplicates among a million hashes, of which 20,000 are equal.

    python -m benchmarks.duplicates [--quick]

As `trainer duplicates` finds them, at 0, 2, 4 and 6 bits of pHash. Hashes are drawn by chance;
1,000 are another with four bits changed. Memory and time are those of a process of its own. The
peer is the plain way, NumPy's distances of all pairs and SciPy's components of their graph, of as
many hashes as it has memory for; both must find equal groups.
"""

import argparse
import json
import sys
import time

import numpy as np

from benchmarks.harness import Row, child, cpu_seconds, peak_mb, show, take_turns
from trainer.copies.neighbours import bits_between
from trainer.overlap.duplicates import RADII, Groups, groups, groups_by_hash

HASHES, EQUAL, NEAR = 1_000_000, 20_000, 1_000
QUICK = 20  # one of so many
COMPARED = 8_000  # hashes that the peer has memory for
CHANGED = 0b1001_0010_0100 << 17  # bits of a near hash
GOAL_MB = 1_500


def drawn(n: int, n_equal: int, n_near: int) -> np.ndarray:
    """Hashes int64 (n,): n_equal are equal, n_near are near another, the rest are far."""
    hashes = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, n)
    hashes[:n_equal] = hashes[0]
    hashes[n_equal : n_equal + n_near] = hashes[-n_near:] ^ CHANGED
    return hashes


def by_numpy(hashes: np.ndarray) -> list[Groups]:
    from scipy.sparse.csgraph import connected_components

    distance = bits_between(hashes, hashes)
    labels = (connected_components(distance <= radius, directed=False)[1] for radius in RADII)
    return [groups("phash", radius, label) for radius, label in zip(RADII, labels, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.duplicates", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data: ends within a minute")
    parser.add_argument("--worker", action="store_true", help="one search, for its memory")
    options = parser.parse_args()
    part = QUICK if options.quick else 1
    if options.worker:
        hashes = drawn(HASHES // part, EQUAL // part, NEAR // part)
        began, before = time.monotonic(), cpu_seconds()
        widest = groups_by_hash(hashes, RADII)[-1]
        about = {"wall_s": time.monotonic() - began, "cpu_s": cpu_seconds() - before}
        about |= {"groups": widest.groups, "largest": widest.largest, "peak_mb": peak_mb()}
        print(json.dumps(about))
        return
    few = drawn(COMPARED, COMPARED // 4, COMPARED // 8)
    if groups_by_hash(few, RADII) != by_numpy(few):
        raise SystemExit("the two ways differ")
    ways = {"ours": lambda: groups_by_hash(few, RADII), "peer": lambda: by_numpy(few)}
    seconds = take_turns(ways, rounds=3)
    command = [sys.executable, "-m", "benchmarks.duplicates", "--worker"]
    alone = child([*command, *(["--quick"] if options.quick else [])])
    planted, by_chance = NEAR // part + 1, 10  # two pairs of a million drawn hashes are near
    if not planted <= alone["groups"] <= planted + by_chance or alone["largest"] != EQUAL // part:
        raise SystemExit(f"expected each planted group, and few others: {alone}")
    rows = [Row(f"groups of {COMPARED:,}", "CPU s", seconds["ours"], "NumPy", seconds["peer"])]
    show(
        f"Groups among {HASHES // part:,} hashes, {EQUAL // part:,} of them equal",
        rows,
        wall_s=round(alone["wall_s"], 1),
        cpu_s=round(alone["cpu_s"], 1),
        peak_mb=round(alone["peak_mb"]),
        goal=f"at most {GOAL_MB:,} MB",
    )


if __name__ == "__main__":
    main()
