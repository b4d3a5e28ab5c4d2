"""Zero-shot classification: `zeroshot(run, found, eval_set)`.

Source: CLIP, section 3.1: a class is the mean of its prompts' normalised embeddings, normalised
again; a picture's class is the one of the greatest cosine.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from torch import Tensor

from trainer.evaluation.features import Features, embeddings, features, text_embeddings
from trainer.evaluation.intervals import Figure, mean_per_class, rate
from trainer.evaluation.results import Result, keep, percent, show_figures
from trainer.evaluation.sets import EvalSet, Picture
from trainer.model.checkpoint import Checkpoint
from trainer.run_folder import RunFolder

KEPT = 5  # best classes of a picture
BLOCK = 4_096  # pictures compared with all classes at a time


@dataclass(frozen=True)
class Predictions:
    """One row per picture: its name, its class, and the five best classes, best first."""

    names: list[str]
    labels: np.ndarray  # (N,)
    best: np.ndarray  # (N, at most 5)

    @property
    def top1(self) -> np.ndarray:
        """bool (N,): the best class is the right one."""
        return self.best[:, 0] == self.labels

    @property
    def top5(self) -> np.ndarray:
        """bool (N,): the right class is among the best five."""
        return (self.best == self.labels[:, None]).any(axis=1)


def class_weights(found: Checkpoint, eval_set: EvalSet) -> Tensor:
    """(classes, embed), each of length 1: the ensemble of the class's prompts."""
    return text_embeddings(found, [eval_set.prompts(i) for i in range(len(eval_set.classes))])


def classify(found: Checkpoint, eval_set: EvalSet, pictures: Iterable[Picture]) -> Predictions:
    """The pictures' five best classes, in float32."""
    return predict(found, class_weights(found, eval_set), features(found, eval_set, pictures))


def predict(found: Checkpoint, weights: Tensor, seen: Features) -> Predictions:
    """The five best of the classes whose weights (C, embed) are given; the first of equals."""
    blocks = embeddings(found, seen.values).split(BLOCK)
    best = [best_classes((block @ weights.T).numpy()) for block in blocks]
    return Predictions(seen.names, seen.labels, np.concatenate(best))


def best_classes(scores: np.ndarray) -> np.ndarray:
    """(N, C) -> the places of each row's five greatest, best first; the first of equals.

    >>> best_classes(np.array([[1.0, 3.0, 3.0]])).tolist()
    [[1, 2, 0]]
    """
    return np.argsort(-scores, axis=1, kind="stable")[:, :KEPT]


def figures(predictions: Predictions, n_classes: int) -> dict[str, Figure]:
    """Top-1, top-5 and the mean of the classes' accuracies, each beside chance."""
    top1, labels = predictions.top1, predictions.labels
    return {
        "top1": rate("top-1", top1, 1 / n_classes),
        "top5": rate("top-5", predictions.top5, min(KEPT, n_classes) / n_classes),
        "mean_per_class": mean_per_class(top1, labels, 1 / n_classes),
    }


def about(found: Checkpoint, eval_set: EvalSet) -> dict:
    """What every result says: which model, which classes and prompts, what was unreadable."""
    return {
        "build_version": found.state.build_version,
        "step": found.state.step,
        "classes": len(eval_set.classes),
        "templates": list(eval_set.templates),
        "bad_images": dict(eval_set.bad),
    }


def zeroshot(run: RunFolder, found: Checkpoint, eval_set: EvalSet) -> Result:
    """Evaluate, and keep the result in the run's zeroshot.json under the set's name."""
    predictions = classify(found, eval_set, eval_set.pictures())
    n, shown = len(predictions.names), figures(predictions, len(eval_set.classes))
    told = {
        **about(found, eval_set),
        "images": n,
        "chance": shown["top1"].chance,
        "chance_top5": shown["top5"].chance,
        "commonest_class": max(Counter(predictions.labels.tolist()).values()) / n,
    }
    return keep(run, Result("zeroshot", eval_set.name, told, shown))


def show(results: Sequence[Result], console: Console) -> None:
    """Print the figures of every set, chance and the commonest class beside the model."""
    show_figures("zero-shot", results, console)
    for one in results:
        classes, commonest = one.about["classes"], percent(one.about["commonest_class"])
        told = f"{one.eval_set}: {classes:,} classes; always the commonest: {commonest}%"
        console.print(told, markup=False, soft_wrap=True)
