"""Predictions: the best classes of every picture, and the tables that keep them."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from trainer.evaluation.sets import EvalSet
from trainer.run_folder import RunFolder

KEPT = 5  # best classes kept per picture


@dataclass(frozen=True)
class Predictions:
    """One row per picture: name, right class, and the five best classes, best first."""

    names: list[str]
    labels: np.ndarray  # (N,); -1 in a multi-label set
    best: np.ndarray  # (N, at most 5)
    several: list[tuple[int, ...]] = field(default_factory=list)  # of a multi-label set: classes
    cosines: np.ndarray | None = None  # (N, C) of a multi-label set

    @property
    def hits(self) -> np.ndarray:
        """bool (N, at most 5): the class is the right one, or one of the picture's."""
        if self.several:
            return np.stack(
                [np.isin(best, own) for best, own in zip(self.best, self.several, strict=True)]
            )
        return np.equal(self.best, self.labels[:, None])

    @property
    def top1(self) -> np.ndarray:
        """bool (N,): the best class is the right one."""
        return self.hits[:, 0]

    @property
    def top5(self) -> np.ndarray:
        """bool (N,): the right class is among the best five."""
        return np.any(self.hits, axis=1)

    def own_classes(self) -> list[int]:
        """The right class of each picture, and of several each."""
        if self.several:
            return [label for own in self.several for label in own]
        return self.labels.tolist()

    def targets(self) -> np.ndarray:
        """bool (N, C): which classes a picture of a multi-label set has."""
        if self.cosines is None:
            raise ValueError("one class a picture, expected several")
        targets = np.zeros(self.cosines.shape, bool)
        for row, own in enumerate(self.several):
            targets[row, list(own)] = True
        return targets


def best_classes(scores: np.ndarray) -> np.ndarray:
    """(N, C) -> (N, at most 5): each row's greatest columns, best first; the first of equals.

    >>> best_classes(np.array([[1.0, 3.0, 3.0]])).tolist()
    [[1, 2, 0]]
    """
    return np.argsort(-scores, axis=1, kind="stable")[:, :KEPT]


def keep_predictions(
    run: RunFolder, task: str, eval_set: EvalSet, predictions: Predictions
) -> None:
    """Write the set's rows of the tables prediction and class_result."""
    classes, name = eval_set.classes, eval_set.name
    n, hits = len(predictions.names), predictions.hits
    labels = pa.array(np.where(predictions.labels >= 0, predictions.labels, 0), pa.int64())
    named = pa.array(classes, pa.string())
    right = pa.array(predictions.labels >= 0)
    nothing = pa.scalar(None, pa.int64())
    first = pa.array(predictions.best[:, 0], pa.int64())
    rank = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0)
    rows = {
        "task": pa.array([task] * n, pa.string()),
        "eval_set": pa.array([name] * n, pa.string()),
        "image": pa.array(predictions.names, pa.string()),
        "class_number": pa.compute.if_else(right, labels, nothing),
        "class_name": pa.compute.if_else(right, named.take(labels), pa.scalar(None, pa.string())),
        "predicted_number": first,
        "predicted_name": named.take(first),
        "correct": pa.array(hits[:, 0]),
        "rank": pa.array(rank, pa.int64(), mask=rank == 0),
    }
    _write(run, "prediction", f"{task}-{name}", rows)
    _write(run, "class_result", f"{task}-{name}", _by_class(task, name, classes, predictions))


def _by_class(
    task: str, name: str, classes: list[str], predictions: Predictions
) -> dict[str, pa.Array]:
    n_classes = len(classes)
    counts = Counter(predictions.own_classes())
    n_of_class = np.array([counts[label] for label in range(n_classes)])
    if predictions.cosines is None:
        right = np.bincount(predictions.labels, predictions.top1, n_classes)
        values, figure = right / np.maximum(n_of_class, 1), "accuracy"
    else:
        values = average_precisions(predictions.cosines, predictions.targets())
        figure = "average_precision"
    return {
        "task": pa.array([task] * n_classes, pa.string()),
        "eval_set": pa.array([name] * n_classes, pa.string()),
        "class_number": pa.array(range(n_classes), pa.int64()),
        "class_name": pa.array(classes, pa.string()),
        "n": pa.array(n_of_class, pa.int64()),
        "name": pa.array([figure] * n_classes, pa.string()),
        "value": pa.array(values, pa.float64(), mask=n_of_class == 0),
    }


def average_precisions(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(N, C) and bool (N, C) -> (C,): the mean of the precisions at each right picture.

    Of equal scores the first picture comes first. A class without a right picture has 0, as
    CLIP_benchmark has it.

    >>> average_precisions(np.array([[0.9], [0.8], [0.7]]), np.array([[1], [0], [1]], bool))
    array([0.83333333])
    """
    ranks = np.arange(1, len(scores) + 1)
    values = np.zeros(scores.shape[1])
    for label in range(scores.shape[1]):
        right = targets[np.argsort(-scores[:, label], kind="stable"), label]
        if right.any():
            values[label] = (right.cumsum()[right] / ranks[right]).mean()
    return values


def _write(run: RunFolder, table: str, file: str, columns: dict[str, pa.Array]) -> None:
    declared = TABLES[table]
    arrays = [columns[field.name] for field in declared.schema]
    batch = pa.RecordBatch.from_arrays(arrays, schema=declared.schema)
    write_part(run.root / "tables" / table / f"{file}.parquet", declared, [batch])
