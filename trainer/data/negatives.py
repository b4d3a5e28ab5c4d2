"""Hard negatives: an order of the pairs in which those of a rare query stand together.

Two pairs whose captions share a rare query (a species, a town) are harder to tell apart than two at
random; the match table names them at no cost, where the usual way, neighbours by a model's
embeddings, needs a model first.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from queries.tables import store
from trainer.data.loader import draws, mixed
from trainer.settings import TrainerError


def read_matches(build: Path | str, pair_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The build's matches of these pairs: row in `pair_ids` and query_id, one entry a match."""
    folder = store.place(build) / "tables" / "match"
    paths = sorted(folder.glob("*.parquet"))
    if not paths:
        raise TrainerError(f"{build}: no table match, expected one for hard negatives")
    order = np.argsort(pair_ids)
    rows, queries = [], []
    for path in paths:
        with pq.ParquetFile(store.opened(path)) as file:
            for batch in file.iter_batches(columns=["pair_id", "query_id"]):
                ids, query = (_numbers(batch.column(name)) for name in ("pair_id", "query_id"))
                at = np.searchsorted(pair_ids, ids, sorter=order).clip(max=len(pair_ids) - 1)
                kept = pair_ids[order[at]] == ids  # most pairs were matched and not kept
                rows.append(order[at][kept])
                queries.append(query[kept])
    return np.concatenate(rows), np.concatenate(queries)


def _numbers(column: pa.Array) -> np.ndarray:
    return column.to_numpy(zero_copy_only=False).astype(np.int64)


def rarest_query(n: int, rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Each pair's query that the fewest pairs share, at least two; -1 if there is none (n,).

    >>> rarest_query(3, np.array([0, 1, 2, 0, 1]), np.array([7, 7, 7, 5, 5])).tolist()
    [5, 5, 7]
    """
    rarest = np.full(n, -1, np.int64)
    if len(queries) == 0:
        return rarest
    _, which, counts = np.unique(queries, return_inverse=True, return_counts=True)
    shared = counts[which] > 1
    rows, queries, counts = rows[shared], queries[shared], counts[which][shared]
    rarest_last = np.lexsort((-queries, -counts))  # of equal ones, the lowest query_id is last
    rarest[rows[rarest_last]] = queries[rarest_last]
    return rarest


def order(
    pair_ids: np.ndarray, query: np.ndarray, epoch: int, *, seed: int, together: int
) -> np.ndarray:
    """The rows (N,) of an epoch: every pair once, up to `together` of one query side by side.

    query: as `rarest_query` gives it. Which of a query's pairs meet, and where they stand, is a
    hash of seed and epoch. Pairs of no shared query stand alone, anywhere.
    """
    draw = draws(pair_ids, seed, epoch)
    rows = np.lexsort((draw, query))  # by query, and within it by chance
    starts = np.r_[True, query[rows][1:] != query[rows][:-1]]
    first = np.maximum.accumulate(np.where(starts, np.arange(len(rows)), 0))
    leads = ((np.arange(len(rows)) - first) % together == 0) | (query[rows] < 0)
    party = np.cumsum(leads) - 1  # the pairs that stay together
    place = mixed(draw[rows[leads]])[party]
    return rows[np.lexsort((np.arange(len(rows)), place))]
