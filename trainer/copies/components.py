"""Groups of near pictures: connected components of a graph whose edges come a block at a time.

A page shows one "image not available" 20,000 times: that is 200 million pairs, and one group. So
equal hashes are one node, and no pair is kept once its ends are in one component.
"""

from collections.abc import Iterator

import faiss
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from trainer.copies.hash_parts import MOST_BITS, n_candidates, pairs_by_parts

COMPARED = 1 << 16  # hashes or vectors that stand in an index at a time
COST = 16  # of a pair of the join, in pairs that FAISS compares
QUERIES = 512  # at a time: the most pairs of a block are QUERIES * COMPARED


class Components:
    """The components of nodes 0..n-1; `label` (n,) is the lowest node of each node's component."""

    def __init__(self, n: int):
        self.label = np.arange(n)

    def apart(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """bool (P,): whether the nodes of each pair are in different components."""
        return self.label[first] != self.label[second]

    def join(self, first: np.ndarray, second: np.ndarray) -> None:
        """Add an edge between the nodes of each pair, (P,) each.

        >>> components = Components(4)
        >>> components.join(np.array([0, 1]), np.array([1, 3]))
        >>> components.label.tolist()
        [0, 0, 2, 0]
        """
        apart = self.apart(first, second)
        if not apart.any():
            return
        ends = self.label[np.concatenate([first[apart], second[apart]])]
        labels, node = np.unique(ends, return_inverse=True)
        edges = node.reshape(2, -1)
        graph = coo_array((np.ones(edges.shape[1], bool), tuple(edges)), shape=(len(labels),) * 2)
        _, component = connected_components(graph, directed=False)
        _, lowest = np.unique(component, return_index=True)
        renamed = np.arange(len(self.label))
        renamed[labels] = labels[lowest[component]]
        self.label = renamed[self.label]


def near_hash_pairs(
    hashes: np.ndarray, near_bits: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Every pair of hashes (N,) within so many bits, once: blocks of (first, second, bits).

    first < second, as rows of `hashes`. Hashes are joined by their parts (hash_parts.py), or, where
    too many have a part in common or too many bits are asked for, all pairs are compared, by FAISS:
    half a million million pairs, which are those of a million hashes, take five minutes of a core.

    >>> [block] = near_hash_pairs(np.array([7, 6, 0]), near_bits=1)
    >>> [column.tolist() for column in block]
    [[0], [1], [1]]
    """
    if near_bits <= MOST_BITS and COST * n_candidates(hashes) < len(hashes) ** 2:
        yield from pairs_by_parts(hashes, near_bits)
        return
    codes = np.ascontiguousarray(hashes).view(np.uint8).reshape(len(hashes), 8)
    for begin in range(0, len(codes), COMPARED):
        index = faiss.IndexBinaryFlat(64)
        index.add(codes[begin : begin + COMPARED])
        for at in range(0, min(begin + COMPARED, len(codes)), QUERIES):
            queries = codes[at : at + QUERIES]
            # FAISS's radius leaves out what equals it.
            ends, bits, second = index.range_search(queries, near_bits + 1)
            first = at + _rows(ends)
            ordered = first < second + begin
            if ordered.any():
                yield first[ordered], second[ordered] + begin, bits[ordered].astype(np.int64)


def _rows(ends: np.ndarray) -> np.ndarray:
    """The query of each result, of FAISS's ends of the results of each query."""
    n_near = (ends[1:] - ends[:-1]).astype(np.int64)
    return np.repeat(np.arange(len(n_near)), n_near)


def near_vector_pairs(
    sought: np.ndarray, mirrored: np.ndarray, compared: np.ndarray, least: float
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pairs of pictures whose inner product is at least `least`: blocks of (first, second, score).

    float32 (N, D) each, of which at most COMPARED rows are read at a time. A pair may come twice,
    as first and second and, since one is sought mirrored, as second and first.
    """
    for begin in range(0, len(compared), COMPARED):
        index = faiss.IndexFlatIP(compared.shape[1])
        index.add(np.ascontiguousarray(compared[begin : begin + COMPARED]))
        for vectors in (sought, mirrored):
            # A straight score is that of the exchanged pair, too; a mirrored one only about.
            last = min(begin + COMPARED, len(vectors)) if vectors is sought else len(vectors)
            for at in range(0, last, QUERIES):
                queries = np.ascontiguousarray(vectors[at : min(at + QUERIES, last)])
                below = float(np.nextafter(np.float32(least), np.float32(-9)))
                ends, scores, second = index.range_search(queries, below)
                first = at + _rows(ends)
                second = second + begin
                pairs = first < second if vectors is sought else first != second
                if pairs.any():
                    yield first[pairs], second[pairs], scores[pairs]
