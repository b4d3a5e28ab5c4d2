"""Near duplicates by perceptual hash: every evaluation picture against every training picture.

May import numpy, pyarrow. The search is exact; it costs E x N popcounts, 1e9 in about 3 s of one
core.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

BLOCK = 1 << 20  # distances computed at a time


@dataclass(frozen=True)
class Neighbours:
    """The nearest training pair of each of E pictures, and all K near ones, nearest first."""

    nearest_distance: np.ndarray  # (E,) bits of 64
    nearest_pair_id: np.ndarray  # (E,) the lowest of equals
    row: np.ndarray  # (K,) the picture, 0..E-1
    pair_id: np.ndarray  # (K,)
    distance: np.ndarray  # (K,) bits of 64


def trained_hashes(build: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(pair_ids, phashes) of each shard, int64, in order of pair_id."""
    for path in sorted((build / "shards").glob("*.parquet")):
        rows = pq.read_table(path, columns=["pair_id", "phash"])
        if rows.num_rows:
            yield rows["pair_id"].to_numpy(), rows["phash"].to_numpy()


def neighbours(
    hashes: np.ndarray, trained: Iterable[tuple[np.ndarray, np.ndarray]], near_bits: int
) -> Neighbours:
    """Compare int64 hashes (E,) with all (pair_ids, phashes), which come in order of pair_id.

    >>> found = neighbours(np.array([7]), [(np.array([1, 2]), np.array([6, 0]))], near_bits=1)
    >>> found.nearest_distance.tolist(), found.pair_id.tolist()
    ([1], [1])
    """
    nearest = np.full(len(hashes), 65, np.int64)  # further than any
    nearest_id = np.full(len(hashes), -1, np.int64)
    near: list[np.ndarray] = [np.empty((3, 0), np.int64)]
    for pair_ids, theirs in trained:
        n_rows = max(1, BLOCK // len(theirs))
        for start in range(0, len(hashes), n_rows):
            block = slice(start, start + n_rows)
            xor = hashes[block, None] ^ theirs[None]  # (rows, N)
            distance = np.bitwise_count(xor.view(np.uint64))  # of int64 it would count |xor|
            first = distance.argmin(axis=1)
            least = distance.min(axis=1)
            nearest_id[block] = np.where(least < nearest[block], pair_ids[first], nearest_id[block])
            nearest[block] = np.minimum(least, nearest[block])
            row, other = np.nonzero(distance <= near_bits)
            near.append(np.stack([row + start, distance[row, other], pair_ids[other]]))
    row, bits, pair_id = (found := np.concatenate(near, axis=1))[:, np.lexsort(found[::-1])]
    return Neighbours(nearest, nearest_id, row, pair_id, bits)
