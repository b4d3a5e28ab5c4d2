"""The effect of overlap on accuracy: the splits, the test and the interval of CLIP, section 5."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

CONFIDENCE = 0.995  # of the interval on the overlap's accuracy: CLIP, figure 17


@dataclass(frozen=True)
class Splits:
    """Accuracy on All, Clean and Overlap; None where a split is empty."""

    n: int
    n_overlap: int
    contamination: float  # n_overlap / n
    accuracy: float
    clean_accuracy: float | None
    overlap_accuracy: float | None
    gain: float | None  # accuracy - clean_accuracy: what the overlap adds
    p: float | None  # one-sided binomial: this many hits on Overlap, at Clean's accuracy
    overlap_interval: tuple[float, float] | None  # Clopper-Pearson, 99.5%


def splits(correct: np.ndarray, overlap: np.ndarray) -> Splits:
    """The accuracies of a set by `correct` and `overlap`, bool (N,), one row per picture.

    >>> splits(np.array([True, True, False, False]), np.array([True, False, False, False])).p
    0.3333333333333333
    """
    n, n_overlap, hits = len(correct), int(overlap.sum()), int(correct[overlap].sum())
    accuracy = float(correct.mean())
    clean = float(correct[~overlap].mean()) if n_overlap < n else None
    test = binomtest(hits, n_overlap, clean or 0.0, "greater") if n_overlap else None
    interval = binomtest(hits, n_overlap).proportion_ci(CONFIDENCE) if n_overlap else None
    return Splits(
        n=n,
        n_overlap=n_overlap,
        contamination=n_overlap / n,
        accuracy=accuracy,
        clean_accuracy=clean,
        overlap_accuracy=hits / n_overlap if n_overlap else None,
        gain=None if clean is None else accuracy - clean,
        p=None if test is None or clean is None else float(test.pvalue),
        overlap_interval=None if interval is None else (float(interval.low), float(interval.high)),
    )


def bonferroni(ps: Sequence[float | None]) -> list[float | None]:
    """Each p of several tests, corrected for their number; None where there was no test.

    >>> bonferroni([0.01, None, 0.7])
    [0.02, None, 1.0]
    """
    n = sum(p is not None for p in ps)
    return [None if p is None else min(1.0, p * n) for p in ps]
