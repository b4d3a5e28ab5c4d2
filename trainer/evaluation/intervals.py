"""95% intervals of rates: of independent pictures, of captions that share one, of a mean of rates.

All are Wilson's score interval (Wilson 1927), which stays within 0..1 and has a width even where
every answer is right. Where answers are not independent, the number of answers is replaced by the
effective number: of independent answers that would be as uncertain (Korn and Graubard 1998).
"""

import math
from dataclasses import dataclass

import numpy as np

Z_95 = 1.959964  # 97.5% quantile of the normal distribution
Interval = tuple[float, float]


@dataclass(frozen=True)
class Figure:
    """A rate of n answers, its 95% interval low..high, and the rate of guessing; all 0..1."""

    name: str  # such as top-1
    value: float
    low: float
    high: float
    chance: float
    n: int


def wilson(hits: float, n: float, z: float = Z_95) -> Interval:
    """Wilson's score interval of hits / n, 95% by default.

    >>> [round(bound, 3) for bound in wilson(8, 10)]
    [0.49, 0.943]
    """
    rate, spread = hits / n, z * z / n
    middle = rate + spread / 2
    half = z * math.sqrt(rate * (1 - rate) / n + spread / (4 * n))
    low, high = (middle - half) / (1 + spread), (middle + half) / (1 + spread)
    return max(0.0, min(low, rate)), min(1.0, max(high, rate))  # at 0 and 1 rounding goes beyond


def rate(name: str, hits: np.ndarray, chance: float) -> Figure:
    """The share of a bool array (N,) that is true: N independent answers."""
    n = len(hits)
    low, high = wilson(int(hits.sum()), n)
    return Figure(name, float(hits.mean()), low, high, chance, n)


def mean_per_class(correct: np.ndarray, labels: np.ndarray, chance: float) -> Figure:
    """The mean of the accuracies of the classes that have a picture; bool and int (N,).

    >>> mean_per_class(np.array([True, False, True]), np.array([0, 0, 1]), 0.5).value
    0.75
    """
    _, place, n_of_class = np.unique(labels, return_inverse=True, return_counts=True)
    accuracies = np.bincount(place, correct) / n_of_class
    low, high = mean_of_rates(accuracies, n_of_class)
    return Figure("mean per class", float(accuracies.mean()), low, high, chance, len(correct))


def mean_of_rates(rates: np.ndarray, n: np.ndarray, z: float = Z_95) -> Interval:
    """The interval of the mean of C rates (C,), each of n answers (C,): Wilson's, of n_effective.

    The variance of the mean is sum(p (1 - p) / n) / C^2. In small classes p is uncertain itself,
    and 2 right of 2 would say that there is no variance; so p gets z^2 answers, half of them right,
    shared out by 1 / n (as Agresti and Coull 1998 do for one rate). Where all classes have one
    accuracy, C^2 / sum(1 / n) answers are as uncertain; the fewer answers of the two count.

    >>> mean_of_rates(np.array([0.5, 0.5]), np.array([10, 10])) == wilson(10, 20)
    True
    """
    mean, inverse = float(rates.mean()), 1 / n
    added = z * z * inverse / inverse.sum()
    smooth = (rates * n + added / 2) / (n + added)
    variance = float((smooth * (1 - smooth) * inverse).sum()) / len(n) ** 2
    centre = float(smooth.mean())
    n_alike = len(n) ** 2 / float(inverse.sum())
    n_effective = min(n_alike, centre * (1 - centre) / variance)
    return wilson(mean * n_effective, n_effective, z)


def clustered(name: str, hits: np.ndarray, groups: np.ndarray, chance: float) -> Figure:
    """The share of hits, bool (N,), where the answers of one group, (N,), are correlated.

    Five captions of a picture are found or missed together. The variance is that between
    groups (Kish 1965, section 6.3); the interval lies between that of as many independent
    answers as groups and that of N.

    >>> together = clustered("R@1", np.repeat([True, False], 50), np.arange(100) // 10, 0.01)
    >>> (together.low, together.high) == wilson(5, 10)
    True
    """
    value, n = float(hits.mean()), len(hits)
    _, place = np.unique(groups, return_inverse=True)
    n_groups = int(place.max()) + 1
    residues = np.bincount(place, hits - value)
    variance = n_groups / max(1, n_groups - 1) * float((residues**2).sum()) / n**2
    alone = value * (1 - value)
    n_alone = min(float(n), max(float(n_groups), alone / variance)) if variance else n_groups
    low, high = wilson(value * n_alone, n_alone)
    return Figure(name, value, low, high, chance, n)
