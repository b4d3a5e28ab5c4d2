"""Pairs of hashes within a few bits, by their parts, as components.near_hash_pairs has them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

PARTS, KEYS = 4, 1 << 16  # a hash is four numbers of 16 bits
MOST_BITS = 2 * PARTS - 1  # of a pair, of which one part then differs by one bit at most
MASKS = (0, *(1 << bit for bit in range(16)))
CANDIDATES = 1 << 22  # compared at a time

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]


def n_candidates(hashes: np.ndarray) -> int:
    """How many pairs `pairs_by_parts` compares."""
    total = 0
    for part in range(PARTS):
        counts = np.bincount(_keys(hashes, part), minlength=KEYS)
        total += sum(int(counts @ counts[np.arange(KEYS) ^ mask]) for mask in MASKS)
    return total


def pairs_by_parts(hashes: np.ndarray, near_bits: int) -> Iterator[Pairs]:
    """Every pair of hashes int64 (N,) within near_bits, at most MOST_BITS, once.

    Blocks of (first, second, bits); first < second. Of a pair within 7 bits one of four parts
    differs by at most one bit (Norouzi, Punjani and Fleet 2012, multi-index hashing).

    >>> [block] = pairs_by_parts(np.array([7, 6, 0]), near_bits=1)
    >>> [column.tolist() for column in block]
    [[0], [1], [1]]
    """
    for part in range(PARTS):
        keys = _keys(hashes, part)
        order = np.argsort(keys, kind="stable")
        begins = np.searchsorted(keys[order], np.arange(KEYS + 1))
        for mask in MASKS:
            rows = order[keys[order] & mask == 0]  # of two keys that differ by it, one
            join = Join(rows, keys[rows] ^ mask, order, begins, twice=mask == 0)
            yield from _within(hashes, near_bits, part, join)


@dataclass(frozen=True)
class Join:
    """Rows (R,) of hashes, and the keys (R,) of the hashes that each is compared with."""

    rows: np.ndarray
    keys: np.ndarray
    order: np.ndarray  # (N,) all rows by their key
    begins: np.ndarray  # (KEYS + 1,) where the rows of a key begin in `order`
    twice: bool  # each pair comes twice, once as second and first


def _within(hashes: np.ndarray, near_bits: int, part: int, join: Join) -> Iterator[Pairs]:
    """The near pairs of a join, but those that an earlier part has given."""
    rows, keys, order, begins = join.rows, join.keys, join.order, join.begins
    sizes = begins[keys + 1] - begins[keys]
    ends = np.cumsum(sizes)
    at = 0
    while at < len(rows):
        seen = ends[at - 1] if at else 0
        until = max(at + 1, int(np.searchsorted(ends, seen + CANDIDATES, side="right")))
        block = slice(at, until)
        first = np.repeat(rows[block], sizes[block])
        place = np.arange(len(first)) - np.repeat(ends[block] - sizes[block] - seen, sizes[block])
        second = order[np.repeat(begins[keys[block]], sizes[block]) + place]
        differ = hashes[first] ^ hashes[second]
        bits = np.bitwise_count(differ.view(np.uint64)).astype(np.int64)
        near = (bits <= near_bits) & (first != second)
        first, second, differ, bits = first[near], second[near], differ[near], bits[near]
        new = np.ones(len(first), bool)
        for earlier in range(part):
            new &= np.bitwise_count(_keys(differ, earlier)) > 1
        if join.twice:
            new &= first < second
        first, second = np.minimum(first, second), np.maximum(first, second)
        if new.any():
            yield first[new], second[new], bits[new]
        at = until


def _keys(hashes: np.ndarray, part: int) -> np.ndarray:
    return (hashes >> 16 * part) & (KEYS - 1)
