"""Nearest neighbours: every sought picture against every training picture, exactly.

Perceptual hashes are compared by popcount, 1e9 pairs in about 3 s of a core; embeddings by FAISS's
flat inner product, a block at a time, so that memory does not grow with the build.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import faiss
import numpy as np
import pyarrow.parquet as pq

BLOCK = 1 << 20  # distances computed at a time
ROWS = 1 << 16  # embeddings that are searched at a time
FURTHEST = 65.0  # bits: more than two hashes can differ by


@dataclass(frozen=True)
class Neighbours:
    """The nearest training pair of each of E pictures, and all K near ones, nearest first.

    `value` is bits of 64 that differ, or a score; `nearest_pair_id` is -1 where nothing was
    compared.
    """

    nearest: np.ndarray  # (E,)
    nearest_pair_id: np.ndarray  # (E,) the lowest of equals
    row: np.ndarray  # (K,) the picture, 0..E-1
    pair_id: np.ndarray  # (K,)
    value: np.ndarray  # (K,)

    def where(self, kept: np.ndarray) -> "Neighbours":
        """The same with only the near ones of a mask, bool (K,)."""
        near = {name: getattr(self, name)[kept] for name in ("row", "pair_id", "value")}
        return replace(self, **near)


def trained_hashes(build: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(pair_ids, phashes) of each shard, int64, in order of pair_id."""
    for path in sorted((build / "shards").glob("*.parquet")):
        rows = pq.read_table(path, columns=["pair_id", "phash"])
        if rows.num_rows:
            yield rows["pair_id"].to_numpy(), rows["phash"].to_numpy()


def bits_between(hashes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Bits that differ between int64 hashes (E,) and (N,): uint8 (E, N).

    >>> bits_between(np.array([0, -1]), np.array([3])).tolist()
    [[2], [62]]
    """
    xor = hashes[:, None] ^ others[None]
    return np.bitwise_count(xor.view(np.uint64))  # of int64 it would count |xor|


def near_hashes(
    hashes: np.ndarray, trained: Iterable[tuple[np.ndarray, np.ndarray]], near_bits: float
) -> Neighbours:
    """Compare int64 hashes (E,) with all (pair_ids, phashes), which come in order of pair_id.

    >>> near = near_hashes(np.array([7]), [(np.array([1, 2]), np.array([6, 0]))], near_bits=1)
    >>> near.nearest.tolist(), near.pair_id.tolist()
    ([1.0], [1])
    """
    nearest = _NearestSoFar(len(hashes), -FURTHEST)
    for pair_ids, theirs in trained:
        n_rows = max(1, BLOCK // len(theirs))
        for start in range(0, len(hashes), n_rows):
            distance = bits_between(hashes[start : start + n_rows], theirs)
            first = distance.argmin(axis=1)
            nearest.best(start, -distance.min(axis=1).astype(np.float64), pair_ids[first])
            row, other = np.nonzero(distance <= near_bits)
            nearest.near(row + start, pair_ids[other], -distance[row, other].astype(np.float64))
    done = nearest.sorted()
    return replace(done, nearest=-done.nearest, value=-done.value)


def near_vectors(
    sought: np.ndarray, trained: Iterable[tuple[np.ndarray, np.ndarray]], least: float | np.ndarray
) -> Neighbours:
    """Compare vectors float32 (E, D) with all (pair_ids, vectors): the score is the inner product.

    `least` is the least score of a near one: one for all, or (E,).
    """
    nearest = _NearestSoFar(len(sought), -np.inf)
    limits = np.broadcast_to(np.asarray(least, np.float32), len(sought))
    # A vector with its limit as one more number: so one radius serves all rows.
    limited = np.column_stack([sought, -limits]).astype(np.float32)
    for pair_ids, vectors in regrouped(trained):
        index = faiss.IndexFlatIP(limited.shape[1])
        index.add(np.column_stack([vectors, np.ones(len(vectors), np.float32)]))
        scores, first = index.search(limited, 1)
        nearest.best(0, (scores[:, 0] + limits).astype(np.float64), pair_ids[first[:, 0]])
        rows = np.flatnonzero(scores[:, 0] >= 0)
        if len(rows):
            # FAISS's radius leaves out what equals it.
            ends, above, others = index.range_search(limited[rows], -1e-7)
            n_near = (ends[1:] - ends[:-1]).astype(np.int64)
            row = np.repeat(rows, n_near)
            nearest.near(row, pair_ids[others], (above + limits[row]).astype(np.float64))
    return nearest.sorted()


def regrouped(
    trained: Iterable[tuple[np.ndarray, np.ndarray]],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The same rows in blocks of about ROWS: a small block costs as much to begin as a large one.

    >>> blocks = [(np.arange(3), np.zeros((3, 2))), (np.arange(2), np.ones((2, 2)))]
    >>> [len(ids) for ids, _ in regrouped(blocks)]
    [5]
    """
    waiting: list[tuple[np.ndarray, np.ndarray]] = []
    rows = 0
    for block in trained:
        waiting.append(block)
        rows += len(block[0])
        if rows >= ROWS:
            yield _joined(waiting)
            waiting, rows = [], 0
    if rows:
        yield _joined(waiting)


def _joined(blocks: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    ids, vectors = zip(*blocks, strict=True)
    return np.concatenate(ids), np.concatenate(vectors)


class _NearestSoFar:
    """The nearest of each row, and all near ones, of the blocks so far; greater is nearer."""

    def __init__(self, n: int, furthest: float):
        self.nearest = np.full(n, furthest)
        self.nearest_id = np.full(n, -1, np.int64)
        self.rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def best(self, start: int, values: np.ndarray, pair_ids: np.ndarray) -> None:
        """The best of a block, for the rows from `start` on; an earlier one of equals stays."""
        block = slice(start, start + len(values))
        better = values > self.nearest[block]
        self.nearest_id[block] = np.where(better, pair_ids, self.nearest_id[block])
        self.nearest[block] = np.where(better, values, self.nearest[block])

    def near(self, row: np.ndarray, pair_id: np.ndarray, value: np.ndarray) -> None:
        self.rows.append((row, pair_id, value))

    def sorted(self) -> Neighbours:
        empty = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
        row, pair_id, value = (
            np.concatenate(column) for column in zip(empty, *self.rows, strict=True)
        )
        order = np.lexsort((pair_id, -value, row))
        return Neighbours(self.nearest, self.nearest_id, row[order], pair_id[order], value[order])


def folded(near: Neighbours, n: int, nearer: Callable[..., np.ndarray]) -> Neighbours:
    """Neighbours of n pictures in one orientation after the other -> of n, the nearest of them.

    nearer: np.min for bits, np.max for scores.
    """
    views = near.nearest.reshape(-1, n)
    nearest = nearer(views, axis=0)
    first = (views == nearest).argmax(axis=0)
    ids = near.nearest_pair_id.reshape(-1, n)[first, np.arange(n)]
    row = near.row % n if n else near.row
    sign = 1.0 if nearer is np.min else -1.0
    order = np.lexsort((sign * near.value, near.pair_id, row))
    row, pair_id, value = row[order], near.pair_id[order], near.value[order]
    new = np.ones(len(row), bool)
    new[1:] = (row[1:] != row[:-1]) | (pair_id[1:] != pair_id[:-1])
    row, pair_id, value = row[new], pair_id[new], value[new]
    order = np.lexsort((pair_id, sign * value, row))
    return Neighbours(nearest, ids, row[order], pair_id[order], value[order])


def within_most(row: np.ndarray, most: int) -> np.ndarray:
    """bool (K,): the first `most` neighbours of each row; `row` (K,) ascends.

    >>> within_most(np.array([3, 3, 3, 5]), 2).tolist()
    [True, True, False, True]
    """
    _, first, node = np.unique(row, return_index=True, return_inverse=True)
    return np.arange(len(row)) - first[node] < most
