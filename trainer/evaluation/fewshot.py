"""Few-shot: how many labelled pictures a class a probe needs to equal zero-shot.

Source: CLIP, section 3.1.5 and figures 6 and 7: probes of 1, 2, 4, 8, 16 and all pictures of each
class, and log-linear interpolation between them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from trainer.evaluation.features import Features
from trainer.evaluation.intervals import Figure, wilson
from trainer.evaluation.probe import SEED, SplitFeatures, describe, drawn, fit_best, read_splits
from trainer.evaluation.results import Result, keep, percent
from trainer.evaluation.sets import EvalSet
from trainer.evaluation.zeroshot import about, best_prompts, figures
from trainer.model.checkpoint import Checkpoint
from trainer.run_folder import RunFolder

SHOTS = (1, 2, 4, 8, 16)
DRAWS = 3  # random choices of pictures, whose mean is a point
TITLE = f"few-shot probes, mean top-1 of {DRAWS} draws"
MOST_VALIDATION = 4  # pictures per class that choose C, but never more than shots


@dataclass(frozen=True)
class Point:
    """Probes of `shots` pictures per class: mean accuracy, and the least and most of the draws."""

    shots: float
    figure: Figure
    least: float
    most: float


def evaluate(run: RunFolder, checkpoint: Checkpoint, eval_set: EvalSet) -> Result:
    """Fit probes of few and of all pictures, and keep the result in the run's fewshot.json."""
    split, n_classes = read_splits(checkpoint, eval_set), len(eval_set.classes)
    top1 = figures(best_prompts(checkpoint, eval_set, split.test)[1], n_classes)["top1"]
    rows = smallest_class(split.train.labels)
    points = [point(split, shots, n_classes) for shots in SHOTS if shots <= rows]
    fitted = fit_best(split.train, split.validation)
    full = figures(fitted.predict(split.test, n_classes), n_classes)["top1"]
    n_fitted = len(split.train) + len(split.validation)
    points.append(
        Point(n_fitted / len(np.unique(split.train.labels)), full, full.value, full.value)
    )
    context = {
        **about(checkpoint, eval_set),
        **describe(split, fitted),
        "bad_images": split.bad,
        "smallest_class": rows,
        "draws": DRAWS,
        "points": [
            {"shots": p.shots, "value": p.figure.value, "least": p.least, "most": p.most}
            for p in points
        ],
        **equal_shots(top1.value, [(p.shots, p.figure.value) for p in points]),
    }
    rates = {"zeroshot": replace(top1, name="zero-shot")}
    rates |= {f"shots_{p.shots:g}": p.figure for p in points[:-1]}
    every = points[-1]
    rates["all"] = replace(every.figure, name=f"all, {every.shots:.4g} a class")
    return keep(run, Result("fewshot", eval_set.name, context, rates))


def smallest_class(labels: np.ndarray) -> int:
    return int(np.unique(labels, return_counts=True)[1].min())


def point(split: SplitFeatures, shots: int, n_classes: int) -> Point:
    """The mean top-1 accuracy on the test pictures of DRAWS probes, `shots` pictures per class."""
    accuracies = []
    for draw in range(DRAWS):
        train, validation = draw_shots(split, shots, SEED + 1 + draw)
        fitted = fit_best(train, validation, refit=False)
        accuracies.append(float(fitted.predict(split.test, n_classes).top1.mean()))
    mean, n = float(np.mean(accuracies)), len(split.test)
    low, high = wilson(mean * n, n)
    figure = Figure(f"{shots} a class", mean, low, high, 1 / n_classes, n)
    return Point(shots, figure, min(accuracies), max(accuracies))


def draw_shots(split: SplitFeatures, shots: int, seed: int) -> tuple[Features, Features]:
    """`shots` train pictures of each class, and as many validation pictures, at most four.

    Draws of one seed are nested: those of 8 shots hold those of 4.
    """
    chosen = np.concatenate([rows[:shots] for rows in drawn(split.train.labels, seed)])
    n = min(shots, MOST_VALIDATION)
    checked = np.concatenate([rows[:n] for rows in drawn(split.validation.labels, seed)])
    return split.train.rows(chosen), split.validation.rows(checked)


def equal_shots(zero_shot: float, points: Sequence[tuple[float, float]]) -> dict:
    """The shots at which the line through (shots, accuracy), log-linear, first meets zero-shot.

    equal_bound says what equal_shots is: "" the number itself; "fewer": an upper bound, as the
    first point is above zero-shot; "more": a lower bound, as the last point is below.

    >>> equal_shots(0.5, [(1, 0.2), (2, 0.4), (8, 0.6)])
    {'equal_shots': 4.0, 'equal_bound': ''}
    >>> equal_shots(0.1, [(1, 0.2)]), equal_shots(0.7, [(1, 0.2), (2, 0.4)])
    ({'equal_shots': 1, 'equal_bound': 'fewer'}, {'equal_shots': 2, 'equal_bound': 'more'})
    """
    if points[0][1] > zero_shot:
        return {"equal_shots": points[0][0], "equal_bound": "fewer"}
    for (shots, low), (more_shots, high) in pairwise(points):
        if low == zero_shot:
            return {"equal_shots": shots, "equal_bound": ""}
        if low < zero_shot <= high:
            part = (zero_shot - low) / (high - low)
            log2 = math.log2(shots) + part * (math.log2(more_shots) - math.log2(shots))
            return {"equal_shots": round(2**log2, 6), "equal_bound": ""}
    bound = "" if points[-1][1] == zero_shot else "more"
    return {"equal_shots": points[-1][0], "equal_bound": bound}


def remarks(result: Result) -> list[str]:
    """The shots at which a probe equals zero-shot, and the range of the draws."""
    curve = result.about
    meets = {"": "at", "fewer": "at fewer than", "more": "at more than"}[curve["equal_bound"]]
    draws = ", ".join(
        f"{point['shots']:g}: {percent(point['least'])} to {percent(point['most'])}"
        for point in curve["points"][:-1]
    )
    return [
        f"a probe equals zero-shot {meets} {curve['equal_shots']:.3g} pictures a class "
        f"(smallest class {curve['smallest_class']})",
        f"least and most of the draws, {draws}",
    ]
