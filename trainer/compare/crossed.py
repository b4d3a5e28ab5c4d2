"""The 95% interval of a mean over seeds and pictures, which are crossed: each seed meets each.

The S x N answers (or differences of two arms' answers) are taken as mean + seed + picture + rest,
all three by chance. The variance of the mean is then what the means of seeds say, and what those
of pictures say, less what both contain (Cameron, Gelbach and Miller 2011, section 2.1; Owen 2007
has the same for the bootstrap, which with three seeds would be too sure). The interval is
Student's, with the degrees of freedom of Satterthwaite (1946): where seeds decide, three of them
give an interval of 4.3 standard errors, and where pictures decide, one of 1.96.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from trainer.evaluation.intervals import wilson

SURE = 0.975  # the quantile of a 95% interval of two sides


@dataclass(frozen=True)
class Mean:
    """A mean and its 95% interval."""

    value: float
    low: float
    high: float


def mean_of(values: np.ndarray) -> Mean:
    """The mean of values (S, N) of S >= 2 seeds and N pictures, each -1..1.

    Where all are equal, nothing was seen that could vary, and the interval is as wide as Wilson's
    of N answers that are all the same: few pictures prove little.

    >>> mean = mean_of(np.array([[1, 0, 1, 1], [1, 0, 0, 1], [1, 1, 1, 1]]))
    >>> round(mean.value, 3), round(mean.low, 3), round(mean.high, 3)
    (0.75, 0.11, 1.39)
    """
    value = float(values.mean())
    variance, freedom = variance_of_mean(values)
    if variance == 0.0:
        half = wilson(0, values.shape[1])[1]
    else:
        half = float(student.ppf(SURE, freedom)) * variance**0.5
    return Mean(value, value - half, value + half)


def variance_of_mean(values: np.ndarray) -> tuple[float, float]:
    """The variance of the mean of values (S, N), and its degrees of freedom."""
    n_seeds, n_pictures = values.shape
    seeds, pictures = values.mean(axis=1), values.mean(axis=0)
    rest = values - seeds[:, None] - pictures[None, :] + values.mean()
    of_seeds = float(seeds.var(ddof=1)) / n_seeds
    of_pictures = float(pictures.var(ddof=1)) / n_pictures if n_pictures > 1 else of_seeds
    free = (n_seeds - 1, max(1, n_pictures - 1))
    of_both = float((rest**2).sum()) / (free[0] * free[1]) / values.size
    if n_pictures == 1:
        of_both = of_seeds
    # By chance the difference may fall below one of its parts, which the truth never does.
    variance = max(of_seeds + of_pictures - of_both, of_seeds, of_pictures)
    if variance < 1e-18:  # equal but for rounding
        return 0.0, 1.0
    parts = ((of_seeds, free[0]), (of_pictures, free[1]), (of_both, free[0] * free[1]))
    return variance, variance**2 / sum(part**2 / n for part, n in parts)
