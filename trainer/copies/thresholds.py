"""Thresholds of near duplicates, chosen at a stated rate of false positives.

The rate is per pair of pictures, measured on pairs that are known to differ: pictures of different
classes of one evaluation set. A set of a few hundred pictures has too few pairs to show a rate of
one in a million; beyond what its pairs show, the tail of their scores is continued as an
exponential one. Similarities have a greatest value, so their tail is lighter than that, and the
threshold errs towards precision, as the paper wants (CLIP, appendix C).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from queries.tables.contracts import MOST_BITS

TAIL = 1e-3  # share of the pairs, the greatest scores, that the tail is fitted to
BITS_TAIL = 1e-2  # the same of distances in bits, whose steps are coarse
LEAST_TAIL, MOST_TAIL = 20, 10_000  # pairs
LEAST_PAIRS = 250  # fewer pairs measure no rate


@dataclass(frozen=True)
class Threshold:
    """The least score, or the most bits, of a near duplicate, and how it was chosen."""

    value: float
    rate: float | None  # of false positives, per pair; None: given, not chosen
    n_pairs: int  # known to differ, that it was measured on
    how: str  # "measured", "tail", "detector", "beyond", "default" or "given"
    n_false: int = 0  # of these pairs, that are as near


class Greatest:
    """The greatest of many numbers, seen a block at a time, and how many there were."""

    def __init__(self, keep: int = MOST_TAIL):
        self.n, self._keep = 0, keep
        self._best = np.empty(0, np.float32)

    def add(self, values: np.ndarray) -> None:
        self.n += values.size
        if len(self._best) == self._keep:
            values = values[values > self._best.min()]
        best = np.concatenate([self._best, values.ravel().astype(np.float32)])
        if len(best) > self._keep:
            best = np.partition(best, -self._keep)[-self._keep :]
        self._best = best

    def sorted(self) -> np.ndarray:
        """The greatest, greatest first."""
        return np.sort(self._best)[::-1]


def above_rate(scores: Greatest, rate: float) -> Threshold:
    """The score that at most a share `rate` of pairs known to differ reaches.

    >>> scores = Greatest()
    >>> scores.add(np.arange(10_000) / 1e4)
    >>> threshold = above_rate(scores, 1e-3)
    >>> round(threshold.value, 4), threshold.how
    (0.9989, 'measured')
    """
    best, allowed = scores.sorted(), int(scores.n * rate)
    if 1 <= allowed < len(best):
        value = _just_above(best[allowed])  # the first that is one too many
        return Threshold(value, rate, scores.n, "measured", int((best >= value).sum()))
    n_tail = int(min(len(best) - 1, MOST_TAIL, max(LEAST_TAIL, scores.n * TAIL)))
    begin = float(best[n_tail])
    excess = float((best[:n_tail] - begin).mean())  # of an exponential tail: its only number
    beyond = excess * np.log(n_tail / (scores.n * rate))
    if allowed:  # more than are kept: the tail is followed back
        return Threshold(min(begin, begin + beyond), rate, scores.n, "tail", allowed)
    return Threshold(max(_just_above(best[0]), begin + beyond), rate, scores.n, "tail")


def _just_above(score: np.float32) -> float:
    return float(np.nextafter(score, np.float32(9)))


def bits_within_rate(distances: Iterable[np.ndarray], rate: float) -> Threshold:
    """The most bits of pHash, 0 to MOST_BITS, that at most a share `rate` of pairs differs by.

    Where the pairs are too few to show the rate, no pair may be as near, and the tail of the
    distances is continued as an exponential one, down to the rate. 0 may come with a greater rate:
    pictures of equal hashes are near whatever their classes.

    >>> bits_within_rate([np.repeat([4, 30], [1, 2_000])], 1e-6).value
    3.0
    """
    counts = np.zeros(65, np.int64)
    for block in distances:
        counts += np.bincount(block.ravel().astype(np.int64), minlength=65)
    n, within = int(counts.sum()), np.cumsum(counts)
    most = int((within[: MOST_BITS + 1] <= n * rate).sum()) - 1
    shown = n * rate >= 1
    if n and not shown:
        most = min(most, _bits_of_the_tail(within, rate))
    bits = max(0, most)  # equal is near
    return Threshold(float(bits), rate, n, "measured" if shown else "tail", int(within[bits]))


def _bits_of_the_tail(within: np.ndarray, rate: float) -> int:
    """The bits at which an exponential tail has the rate; `within` (65,): pairs up to n bits."""
    n = int(within[-1])
    n_tail = min(n, max(LEAST_TAIL, int(n * BITS_TAIL)))
    begin = int(np.searchsorted(within, n_tail))
    nearer = float(within[:begin].sum()) / n_tail  # the mean of begin - bits of the nearest n_tail
    return int(np.floor(begin - nearer * np.log(n_tail / (n * rate))))
