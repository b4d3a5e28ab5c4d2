"""The plan of a comparison: how every arm sees equally many samples, in equally large batches.

An epoch shows the same number of pairs in every arm: of the smallest arm nearly all, of a larger
one a window that moves on from epoch to epoch, so over a run each pair is shown about as often as
any other of its arm. No pair stands twice in an epoch, so no batch contrasts a pair with itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from trainer.settings import TrainerError


@dataclass(frozen=True)
class Plan:
    """Epochs of `steps` batches of `batch` pairs; accuracy is measured at `points` of them."""

    batch: int
    steps: int
    epochs: int
    points: int

    @property
    def shown(self) -> int:
        """Pairs that an epoch shows."""
        return self.batch * self.steps

    @property
    def samples(self) -> int:
        """Samples that a run sees in all."""
        return self.shown * self.epochs

    @property
    def every(self) -> int:
        """Epochs from one point to the next."""
        return self.epochs // self.points

    def epochs_measured(self) -> list[int]:
        """The epochs after which accuracy is measured, counted from 1.

        >>> Plan(batch=8, steps=2, epochs=6, points=3).epochs_measured()
        [2, 4, 6]
        """
        return list(range(self.every, self.epochs + 1, self.every))


def make_plan(pairs: Mapping[str, int], batch: int, samples: int, points: int) -> Plan:
    """The plan for arms with these numbers of pairs: at least `samples`, and few more.

    Raises TrainerError where an arm has fewer pairs than a batch.

    >>> make_plan({"all": 1_000, "capped": 130}, batch=32, samples=3_000, points=4)
    Plan(batch=32, steps=4, epochs=24, points=4)
    """
    name, least = min(pairs.items(), key=lambda item: item[1])
    if least < batch:
        raise TrainerError(
            f"arm {name}: {least:,} pairs, expected at least a batch of {batch:,}; --batch sets it"
        )
    wanted = -(-samples // batch)  # steps of a run
    points = min(points, wanted)
    epochs = max(points, -(-wanted // (least // batch)))
    epochs = points * -(-epochs // points)
    return Plan(batch, -(-wanted // epochs), epochs, points)
