"""From the answers of all runs to the table of a comparison: means, differences, intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trainer.compare.crossed import Mean, mean_of
from trainer.compare.words import GROUPS
from trainer.settings import TrainerError

ALL = "all"  # the group of every class


@dataclass(frozen=True)
class Answers:
    """The answers of a set at a point: bool (S, N) for each arm, same seeds, same pictures."""

    eval_set: str
    samples_seen: int
    correct: dict[str, np.ndarray]
    classes: np.ndarray  # (N,)


def read_answers(parts: dict[str, list[Path]]) -> Iterator[Answers]:
    """The answers of each set at each point, of parts (arm -> its seeds' in order) in one order.

    Raises TrainerError where arms were asked about different pictures: a set changed meanwhile.
    """
    tables = {arm: [pq.read_table(path) for path in paths] for arm, paths in parts.items()}
    first = next(iter(tables.values()))[0]
    asked = ["samples_seen", "eval_set", "image", "class_number"]
    for arm, runs in tables.items():
        for run in runs:
            if not run.select(asked).equals(first.select(asked)):
                raise TrainerError(
                    f"arm {arm}: other pictures than the first arm's, expected sets that stay as "
                    "they are; --anew begins again"
                )
    correct = {
        arm: np.stack([run["correct"].to_numpy() for run in runs]) for arm, runs in tables.items()
    }
    classes = first["class_number"].to_numpy()
    for eval_set, samples_seen, rows in _blocks(first):
        of_block = {arm: answers[:, rows] for arm, answers in correct.items()}
        yield Answers(eval_set, samples_seen, of_block, classes[rows])


def _blocks(table: pa.Table) -> Iterator[tuple[str, int, np.ndarray]]:
    """The rows of each set at each point, in the order of the file."""
    names = table["eval_set"].combine_chunks().dictionary_encode()
    codes, seen = names.indices.to_numpy(), table["samples_seen"].to_numpy()
    for code, name in enumerate(names.dictionary.to_pylist()):
        own = codes == code
        for samples in np.unique(seen[own]).tolist():
            yield name, samples, np.flatnonzero(own & (seen == samples))


def rows_of(answers: Answers, baseline: str, group_of: np.ndarray) -> Iterator[dict]:
    """The rows of the table `comparison` of a set at a point; group_of (C,): each class's."""
    for group in (ALL, *GROUPS):
        of_group = np.full(len(answers.classes), True)
        if group != ALL:
            of_group = group_of[answers.classes] == group
        if not of_group.any():
            continue
        base = answers.correct[baseline][:, of_group].astype(float)
        for arm, every in answers.correct.items():
            own = every[:, of_group].astype(float)
            less = None if arm == baseline else mean_of(own - base)
            yield {
                "arm": arm,
                "eval_set": answers.eval_set,
                "class_group": group,
                "samples_seen": answers.samples_seen,
                "seeds": own.shape[0],
                "images": own.shape[1],
                **_accuracy(mean_of(own)),
                "baseline": baseline,
                "difference": less and less.value,
                "difference_low": less and less.low,
                "difference_high": less and less.high,
            }


def _accuracy(mean: Mean) -> dict[str, float]:
    return {"accuracy": mean.value, "low": max(0.0, mean.low), "high": min(1.0, mean.high)}


def last_rows(rows: Sequence[dict]) -> list[dict]:
    """The rows of the last point of each set."""
    last = max(row["samples_seen"] for row in rows)
    return [row for row in rows if row["samples_seen"] == last]
