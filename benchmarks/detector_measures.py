"""How good scores of pairs are: micro-AP, recall at a precision and at rates of false pairs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.detector_changes import NEVER_TRAINED

RATES = (1e-6, 1e-5)  # false pairs per pair known to differ
PRECISION = 0.9


@dataclass(frozen=True)
class Quality:
    """In percent. `recall` is of each change, at each of RATES."""

    micro_ap: float
    at_p90: float
    recall: tuple[dict[str, float], ...]

    @property
    def trained(self) -> float:
        """The mean recall at 1e-6 of all changes but those of NEVER_TRAINED."""
        at = self.recall[0]
        return float(np.mean([at[name] for name in at if name not in NEVER_TRAINED]))

    @property
    def never_trained(self) -> float:
        at = self.recall[0]
        return float(np.mean([at[name] for name in at if name in NEVER_TRAINED]))


def measured(scores: Mapping[str, np.ndarray], rows: np.ndarray, differ: np.ndarray) -> Quality:
    """The quality of scores (Q, N) by change; rows (Q,): the original; differ: bool (Q, N)."""
    own = {name: values[np.arange(len(rows)), rows] for name, values in scores.items()}
    false = np.sort(np.concatenate([values[differ] for values in scores.values()]))[::-1]
    true = np.sort(np.concatenate([*own.values()]))[::-1]
    limits = [false[int(rate * len(false))] for rate in RATES]
    recall = tuple(
        {name: round(100 * float((values > limit).mean()), 2) for name, values in own.items()}
        for limit in limits
    )
    precision = precisions(true, false)
    precise = np.flatnonzero(precision >= PRECISION)
    at_p90 = 0.0 if not len(precise) else (precise[-1] + 1) / len(true)
    return Quality(100 * float(precision.mean()), 100 * float(at_p90), recall)


def precisions(true: np.ndarray, false: np.ndarray) -> np.ndarray:
    """The precision at each true score (T,), both greatest first; of equals the false come first.

    Their mean is micro-AP, as DISC2021 has it (Douze et al. 2021, section 4).

    >>> precisions(np.array([3.0, 1.0]), np.array([2.0, 1.0])).tolist()
    [1.0, 0.5]
    """
    as_high = np.searchsorted(-false, -true, side="right")
    ranks = np.searchsorted(-true, -true, side="right")  # equal true scores are taken together
    return ranks / (ranks + as_high)
