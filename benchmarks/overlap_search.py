"""The search of overlap: a million training embeddings against 10,000 evaluation pictures.

    python -m benchmarks.overlap_search [--quick]

Exact, by FAISS's flat inner product a block at a time, as `trainer overlap` does it: every picture
and its mirror image, so 20,000 vectors. The peer is the same by NumPy: a product of blocks, its
greatest and all above the limit. Embeddings are drawn by chance; 1,000 of the sought are copies of
trained ones, and both must find exactly these. Memory is that of a process of its own, the
embeddings in it included.
"""

import argparse
import sys
import time

import numpy as np

from benchmarks.harness import Row, child, cpu_seconds, peak_mb, show, take_turns
from trainer.copies.detector import EMBED
from trainer.copies.neighbours import near_vectors

WIDTH = EMBED + 2  # what a score adds: trainer/copies/detector.py
TRAINED, SOUGHT = 1_000_000, 10_000
COPIES = 1_000
LEAST = 0.9
BLOCK = 4_096  # rows of a block of the peer's
GOAL_S, GOAL_MB = 30, 1_500
CORES = 2


def drawn(n_trained: int, n_sought: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of length 1 (n, WIDTH): trained, and sought, of which some are all but trained."""
    chance = np.random.default_rng(0)
    trained = chance.standard_normal((n_trained, WIDTH), np.float32)
    sought = chance.standard_normal((2 * n_sought, WIDTH), np.float32)
    for rows in (trained, sought):
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    copies = min(COPIES, n_sought)
    sought[:copies] = trained[:: n_trained // copies][:copies] + 0.1 * sought[:copies]
    sought[:copies] /= np.linalg.norm(sought[:copies], axis=1, keepdims=True)
    return trained, sought


def ours(trained: np.ndarray, sought: np.ndarray) -> set[tuple[int, int]]:
    blocks = (
        (np.arange(at, min(at + BLOCK, len(trained))), trained[at : at + BLOCK])
        for at in range(0, len(trained), BLOCK)
    )
    found = near_vectors(sought, blocks, LEAST)
    return set(zip(found.row.tolist(), found.pair_id.tolist(), strict=True))


def by_numpy(trained: np.ndarray, sought: np.ndarray) -> set[tuple[int, int]]:
    nearest, found = np.full(len(sought), -np.inf, np.float32), set()
    for at in range(0, len(trained), BLOCK):
        scores = sought @ trained[at : at + BLOCK].T
        np.maximum(nearest, scores.max(axis=1), out=nearest)
        found |= {(int(row), int(at + other)) for row, other in np.argwhere(scores >= LEAST)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.overlap_search", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data: ends within a minute")
    parser.add_argument("--worker", action="store_true", help="one search of ours, for its memory")
    options = parser.parse_args()
    part = 20 if options.quick else 1
    n_trained, n_sought = TRAINED // part, SOUGHT // part
    trained, sought = drawn(n_trained, n_sought)
    if options.worker:
        began, before = time.monotonic(), cpu_seconds()
        ours(trained, sought)
        spent = {"wall_s": time.monotonic() - began, "cpu_s": cpu_seconds() - before}
        print(f'{{"peak_mb": {peak_mb()}, "wall_s": {spent["wall_s"]}, "cpu_s": {spent["cpu_s"]}}}')
        return
    found = ours(trained, sought)
    if found != by_numpy(trained, sought) or len(found) != min(COPIES, n_sought):
        raise SystemExit("the two searches differ, or have not found the copies")
    contest = {"ours": lambda: ours(trained, sought), "peer": lambda: by_numpy(trained, sought)}
    seconds = take_turns(contest, rounds=3)
    command = [sys.executable, "-m", "benchmarks.overlap_search", "--worker"]
    alone = child([*command, *(["--quick"] if options.quick else [])])
    pairs = n_trained * len(sought)
    show(
        f"{n_trained:,} embeddings, {n_sought:,} pictures and their mirror images",
        [Row("search", "CPU s", seconds["ours"], "NumPy, blocks", seconds["peer"])],
        wall_s=round(alone["wall_s"], 1),
        cores=CORES,
        peak_mb=round(alone["peak_mb"]),
        pairs_per_cpu_second=round(pairs / float(np.median(seconds["ours"]))),
        goal=f"at most {GOAL_S} s on {CORES} cores and {GOAL_MB:,} MB",
    )


if __name__ == "__main__":
    main()
