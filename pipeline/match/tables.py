"""The matcher's data: a hash table of words, one of steps, and the layout of their bits.

`pipeline.match` says how they are used; its two kernels, numpy's and the compiled one, search the
same tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.text.arrays import Split, equal_words, word_hashes

# Odd, and tried in order until no two words share a hash; the first fails for a million words
# once in 10^7 lists. They are splitmix64's (Steele, Lea, Flood 2014).
MULTIPLIERS = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)

SHORT = 8  # bytes: a word that one 64-bit number holds
# A node's value, an int64: from the top query_id + 1, or 0 where the node is no query; LONG where
# the node is a first word of more than SHORT bytes; the node's number; LEADS_ON where a step does.
QUERY_SHIFT, NODE_SHIFT = 32, 1
LONG = 1 << 31
NODE_MASK = (1 << 30) - 1
LEADS_ON = 1
STEP_SHIFT = 32  # of the node, in the key of a step from the node by a word: the word stands below
FLAG_BITS = 22  # 512 KB of flags
FREE = -1  # the value where a table has no key


class Table:
    """Values by distinct 64-bit keys, of which many are looked up at once.

    >>> places, values = Table(np.array([7, 9], "u8"), np.array([70, 90])).find(
    ...     np.array([9, 8, 7, 9], "u8"))
    >>> places.tolist(), values.tolist()
    ([0, 2, 3], [90, 70, 90])

    Keys ascend; each is at the place that its first bits name, or at the next free one behind
    (ordered linear probing: Amble and Knuth 1974). So a search ends at the first key not below.
    """

    def __init__(self, keys: np.ndarray, values: np.ndarray):
        order = np.argsort(keys)
        self.bits = max(4 * len(keys), 2).bit_length()  # an eighth to a quarter full
        nth = np.arange(len(keys))
        places = nth + np.maximum.accumulate(self._wish(keys[order]) - nth)
        size = max(1 << self.bits, places.max(initial=0) + 1) + 1  # the last one stays free
        flags = np.zeros(1 << FLAG_BITS, np.bool_)
        flags[keys >> np.uint64(64 - FLAG_BITS)] = True
        self.flags = np.packbits(flags, bitorder="little")
        # Key and value side by side, so that both come from memory at once; a free place's key
        # is below no other.
        self.cells = np.tile(np.array([-1, FREE]).view(np.uint64), size)
        self.cells[places * 2] = keys[order]
        self.cells[places * 2 + 1] = values[order].view(np.uint64)

    def find(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The places of those keys that are in the table, and their values."""
        at = self._wish(keys) << 1
        there = self.cells.take(at)
        before = np.flatnonzero(there < keys)
        while len(before):
            at[before] += 2
            there[before] = self.cells.take(at.take(before))
            before = before.compress(there.take(before) < keys.take(before))
        hit = np.flatnonzero(there == keys)
        values = self.cells.take(at.take(hit) + 1).view(np.int64)
        if values.min(initial=0) == FREE:  # one of them is the very key of the free places
            return hit.compress(values != FREE), values.compress(values != FREE)
        return hit, values

    def find_few(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `find`, where most keys are not in the table: a flag for each value of the first
        FLAG_BITS, small enough for the cache, says so of nearly all of them."""
        flags = (keys >> np.uint64(64 - FLAG_BITS)).view(np.int64)
        may = self.flags.take(flags >> 3) >> (flags & 7).astype(np.uint8)
        may &= 1
        likely = np.flatnonzero(may.view(np.bool_))
        hit, values = self.find(keys.take(likely))
        return likely.take(hit), values

    def _wish(self, keys: np.ndarray) -> np.ndarray:
        return (keys >> np.uint64(64 - self.bits)).view(np.int64)


@dataclass(frozen=True)
class Vocabulary:
    """The words of the queries, by number: their spans, their hashes, and how these are made."""

    words: Split
    hashes: np.ndarray
    multiplier: int
    longest: int


def vocabulary(queries: Split, multipliers: Sequence[int]) -> tuple[Vocabulary, np.ndarray]:
    """The queries' distinct words, and the number of each word of each query."""
    longest = int(queries.lengths.max(initial=0))
    for multiplier in multipliers:
        if multiplier % 2 == 0:
            raise ValueError(
                f"multiplier {multiplier}: expected an odd one, which parts short words"
            )
        hashes, at, numbers = np.unique(
            word_hashes(queries, multiplier, longest), return_index=True, return_inverse=True
        )
        if equal_words(queries, np.arange(len(numbers)), queries, at[numbers]).all():
            words = Split(queries.text, queries.starts[at], queries.lengths[at], queries.first)
            return Vocabulary(words, hashes, multiplier, longest), numbers
    raise ValueError(f"two words have one hash, with each of {len(multipliers)} multipliers")


def tree(queries: Split, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The keys of the steps to all nodes but the first words', and the value of every node.

    LONG is set later. The nodes of first words have the words' numbers.
    """
    n_words, ids = np.diff(queries.first), np.arange(len(queries.first) - 1)
    node_of_query, inner = np.empty(len(ids), np.int64), [np.empty(0, np.int64)]
    nodes, n_nodes = numbers[queries.first[:-1]], numbers.max(initial=-1) + 1
    keys = [np.empty(0, np.uint64)]
    while len(ids):
        whole = n_words[ids] == len(keys)
        node_of_query[ids[whole]] = nodes[whole]
        ids, nodes = ids[~whole], nodes[~whole]
        inner.append(nodes)
        steps = step(nodes, numbers[queries.first[ids] + len(keys)])
        new, nth = np.unique(steps, return_inverse=True)
        keys.append(new)
        nodes, n_nodes = n_nodes + nth, n_nodes + len(new)
    values = np.arange(n_nodes) << NODE_SHIFT
    values[np.concatenate(inner)] |= LEADS_ON
    values[node_of_query] |= np.arange(1, len(node_of_query) + 1) << QUERY_SHIFT
    return np.concatenate(keys), values


def step(nodes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The keys of the steps from nodes by words: distinct, as the multiplier is odd."""
    return (nodes << STEP_SHIFT | numbers).view(np.uint64) * np.uint64(MULTIPLIERS[0])


# Numba compiles these three for the kernel, too.
def node(values: np.ndarray) -> np.ndarray:
    """The numbers of the nodes, int64."""
    return (values >> NODE_SHIFT) & NODE_MASK


def query_number(values: np.ndarray) -> np.ndarray:
    """query_id + 1 of the nodes, int64; 0 of those that are no query."""
    return values >> QUERY_SHIFT


def leads_on(values: np.ndarray) -> np.ndarray:
    """1 where a step leads on from the node, else 0, int64."""
    return values & LEADS_ON
