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
LEAST_TAIL, MOST_TAIL = 20, 10_000  # pairs
LEAST_PAIRS = 1_000  # fewer pairs measure no rate


@dataclass(frozen=True)
class Threshold:
    """The least score, or the most bits, of a near duplicate, and how it was chosen."""

    value: float
    rate: float | None  # of false positives, per pair; None: given, not chosen
    n_pairs: int  # known to differ, that it was measured on
    how: str  # "measured", "tail", "detector" or "given"


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
        # Just above the first that is one too many.
        return Threshold(
            float(np.nextafter(best[allowed], np.float32(9))), rate, scores.n, "measured"
        )
    n_tail = int(min(len(best) - 1, max(LEAST_TAIL, scores.n * TAIL)))
    begin = float(best[n_tail])
    excess = float((best[:n_tail] - begin).mean())  # of an exponential tail: its only number
    beyond = excess * np.log(n_tail / (scores.n * rate))
    return Threshold(max(float(best[0]), begin + beyond), rate, scores.n, "tail")


def bits_within_rate(distances: Iterable[np.ndarray], rate: float) -> Threshold:
    """The most bits of pHash, 0 to MOST_BITS, that at most a share `rate` of pairs differs by.

    0 may come with a greater rate: pictures of equal hashes are near whatever their classes.

    >>> bits_within_rate([np.repeat([4, 30], [1, 2_000])], 1e-6).value
    3.0
    """
    counts = np.zeros(65, np.int64)
    for block in distances:
        counts += np.bincount(block.ravel().astype(np.int64), minlength=65)
    n = int(counts.sum())
    within = np.cumsum(counts)[: MOST_BITS + 1] <= n * rate
    return Threshold(float(max(0, within.sum() - 1)), rate, n, "measured")  # equal is near
