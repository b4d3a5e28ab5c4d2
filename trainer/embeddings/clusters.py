"""Near duplicates of meaning by SemDeDup: k-means clusters, and in each what is alike.

Pairs of a cluster are taken from the farthest from its centre to the nearest. One that is alike to
a pair before it, by a cosine above 1 - epsilon, is dropped; so of what is alike the pair with the
lowest cosine to the centre stays. Source: Abbas et al. 2023, SemDeDup, section 3: k-means on
vectors of length 1, duplicates sought within clusters alone, the least prototypical of them kept.

Rows are read a part at a time, sorted into a file of 16-bit numbers on the disk, and compared a
cluster at a time: memory is that of some numbers a row, whatever their width.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import faiss
import numpy as np

from queries.engine.progress import shown
from queries.tables.embeddings import Embeddings, Kind
from trainer.data.loader import draws

PAIRS_A_CLUSTER = 1_000  # on average; SemDeDup has 50,000 clusters for 440 million
MOST_CLUSTERS = 50_000
SAMPLE_A_CLUSTER, MOST_SAMPLE = 64, 1 << 19  # rows that the centres are learned from
ROUNDS = 10  # of k-means
WINDOW = 1 << 15  # pairs before it that a pair is compared with: only a huge cluster has more
ROWS = 1 << 10  # compared at a time


@dataclass(frozen=True)
class Clustered:
    """N pairs in order of pair_id: (N,) each. `earlier` and `cosine` are SemDeDup's comparison."""

    pair_ids: np.ndarray
    cluster: np.ndarray  # int32
    centre_cosine: np.ndarray  # float32
    nearest: np.ndarray  # row of the most alike pair farther from the centre; -1: none is
    nearest_cosine: np.ndarray  # float32; -1 where there is none

    def kept(self, epsilon: float) -> np.ndarray:
        """bool (N,): what SemDeDup keeps at this epsilon."""
        return self.nearest_cosine <= np.float32(1 - epsilon)

    def epsilon_for(self, share: float) -> float:
        """The least epsilon at which no more than this share, 0..1, is kept, but for equals."""
        ascending = np.sort(self.nearest_cosine)
        n = max(1, round(share * len(ascending)))
        return float(1 - ascending[n - 1])

    def groups(self, epsilon: float) -> np.ndarray:
        """int64 (N,): the row of the kept pair that stands for each, its own where it is kept.

        A dropped pair goes with the pair before it that is most alike, and so to the kept one.
        """
        kept = self.kept(epsilon)
        root = np.where(kept, np.arange(len(kept)), self.nearest)
        while not kept[root].all():
            root = root[root]
        return root


def clusters(
    embeddings: Embeddings, kind: Kind, n_clusters: int | None = None, seed: int = 0
) -> Clustered:
    """Cluster the vectors of a kind, and compare the pairs of each cluster.

    Equal embeddings and seed give equal clusters on one machine.
    """
    ids = embeddings.pair_ids()
    n = n_clusters or min(MOST_CLUSTERS, max(1, len(ids) // PAIRS_A_CLUSTER))
    centres = _centres(embeddings, kind, ids, min(n, len(ids)), seed)
    cluster, cosine = _assigned(embeddings, kind, centres)
    order = np.lexsort((ids, cosine, cluster))
    with TemporaryDirectory(dir=embeddings.folder.parent, prefix=".clusters.") as room:
        vectors = _sorted_rows(embeddings, kind, order, Path(room) / "rows")
        nearest, nearest_cosine = _compared(vectors, cluster[order])
    of_row = np.empty(len(ids), np.int64)
    of_row[order] = np.where(nearest < 0, -1, order[nearest])
    values = np.empty(len(ids), np.float32)
    values[order] = nearest_cosine
    return Clustered(ids, cluster, cosine, of_row, values)


def _centres(embeddings: Embeddings, kind: Kind, ids: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Centres float32 (n, width) of length 1, learned from rows that a hash chooses."""
    most = min(len(ids), MOST_SAMPLE, max(n * SAMPLE_A_CLUSTER, n))
    rows = np.sort(np.argsort(draws(ids, seed, 0), kind="stable")[:most])
    sample = np.empty((most, embeddings.width), np.float32)
    begin = 0
    with shown("sample", embeddings.n, "pairs") as step:
        for block_ids, vectors in embeddings.blocks(kind):
            first, last = np.searchsorted(rows, [begin, begin + len(block_ids)])
            sample[first:last] = vectors[rows[first:last] - begin]
            begin += len(block_ids)
            step.update(len(block_ids))
    with shown("k-means"):
        kmeans = faiss.Kmeans(
            embeddings.width,
            n,
            niter=ROUNDS,
            seed=seed,
            spherical=True,
            min_points_per_centroid=1,
            max_points_per_centroid=max(1, -(-most // n)),
        )
        kmeans.train(sample)
    return np.asarray(kmeans.centroids)


def _assigned(
    embeddings: Embeddings, kind: Kind, centres: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The cluster of each row, int32 (N,), and the cosine to its centre, float32 (N,)."""
    index = faiss.IndexFlatIP(embeddings.width)
    index.add(centres)
    cluster, cosine = [np.empty(0, np.int32)], [np.empty(0, np.float32)]
    with shown("clusters", embeddings.n, "pairs", rate=True) as step:
        for block_ids, vectors in embeddings.blocks(kind):
            values, numbers = index.search(vectors.astype(np.float32), 1)
            cluster.append(numbers[:, 0].astype(np.int32))
            cosine.append(values[:, 0])
            step.update(len(block_ids))
    return np.concatenate(cluster), np.concatenate(cosine)


def _sorted_rows(embeddings: Embeddings, kind: Kind, order: np.ndarray, path: Path) -> np.ndarray:
    """The vectors float16 (N, width) in this order, in a file."""
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    shape = (max(1, len(order)), embeddings.width)
    vectors = np.memmap(path, np.float16, "w+", shape=shape)
    begin = 0
    for ids, block in embeddings.blocks(kind):
        vectors[place[begin : begin + len(ids)]] = block
        begin += len(ids)
    return vectors


def _compared(vectors: np.ndarray, cluster: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each row, the most alike row before it in its cluster, and their cosine; -1 and -1."""
    nearest = np.full(len(cluster), -1, np.int64)
    cosine = np.full(len(cluster), -1, np.float32)
    with shown("compare", len(cluster), "pairs", rate=True) as step:
        for begin, end in _runs(cluster):
            for first in range(begin, end, ROWS):
                last = min(first + ROWS, end)
                low = max(begin, first - WINDOW)
                rows = np.asarray(vectors[first:last], np.float32)
                before = np.asarray(vectors[low:last], np.float32)
                products = np.minimum(rows @ before.T, 1)
                own = np.arange(last - low) >= (np.arange(first, last) - low)[:, None]
                products[own] = -2
                best = products.argmax(axis=1)  # of equals the first
                value = products[np.arange(len(best)), best]
                has = value > -2
                nearest[first:last] = np.where(has, low + best, -1)
                cosine[first:last] = np.where(has, np.maximum(value, -1), -1)
                step.update(last - first)
    return nearest, cosine


def _runs(values: np.ndarray) -> Iterator[tuple[int, int]]:
    """Where equal values begin and end, in an ascending array.

    >>> list(_runs(np.array([0, 0, 2])))
    [(0, 2), (2, 3)]
    """
    if len(values):
        borders = np.flatnonzero(np.diff(values)) + 1
        yield from pairwise([0, *borders.tolist(), len(values)])
