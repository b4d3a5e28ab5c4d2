"""Robustness to natural distribution shift: zero-shot against a probe, on pairs of sets.

Source: CLIP, section 3.3, and Taori et al. 2020. Effective robustness is the accuracy under shift
less the accuracy that the line of reference models, fitted on logit axes, gives for the same
in-distribution accuracy. Relative robustness is the gain of accuracy under shift itself.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.special import expit, logit

from trainer.data.pixels import centre
from trainer.evaluation.features import (
    Features,
    embeddings,
    enough,
    features,
    text_embeddings,
)
from trainer.evaluation.intervals import rate
from trainer.evaluation.plots import draw_robustness, inside
from trainer.evaluation.probe import HELD_OUT, drawn, fit_best, held_out
from trainer.evaluation.results import Result, keep, percent
from trainer.evaluation.sets import EvalSet, Picture
from trainer.evaluation.zeroshot import about
from trainer.model.checkpoint import Checkpoint
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError

TITLE = "robustness"
THUMBNAIL = 16  # pixels a side of a reference model's input
SHOTS = (1, 2, 4, 16, 64)  # train pictures per class of the reference models; one more has all
WAYS = ("zero-shot", "probe")
COLUMNS = ("in_distribution", "shifted", "model", "accuracy", "shifted_accuracy")


@dataclass(frozen=True)
class Model:
    """A reference model's accuracy, 0..1, in distribution and under the shift."""

    name: str
    accuracy: float
    shifted: float


@dataclass(frozen=True)
class Line:
    """logit(accuracy under shift) = slope * logit(accuracy) + intercept."""

    slope: float
    intercept: float

    def at(self, accuracy: float) -> float:
        """The accuracy under shift that a reference model of this accuracy would have."""
        return float(expit(self.slope * logit(inside(accuracy)) + self.intercept))


@dataclass(frozen=True)
class Pair:
    """A set, its shift, and the classes that both name: the model chooses among these."""

    home: EvalSet
    shifted: EvalSet
    classes: list[str]
    reference: Sequence[Model]  # models that learned `home`; none: regressions on its thumbnails

    @property
    def name(self) -> str:
        return f"{self.home.name} to {self.shifted.name}"

    @property
    def where(self) -> str:
        """The folders that tell a pair from others of its name."""
        return f"{self.home.where} to {self.shifted.where}"

    def lengthen(self, n_parts: int) -> None:
        """Name both sets by the last folders of their paths."""
        self.home.lengthen(n_parts)
        self.shifted.lengthen(n_parts)


@dataclass(frozen=True)
class Views:
    """The pictures of a split: the model's features, and thumbnails for reference models."""

    model: Features
    pixels: Features

    def of_classes(self, eval_set: EvalSet, classes: Sequence[str]) -> "Views":
        """The pictures of these classes alone; a label is then a place in `classes`."""
        place = [classes.index(name) if name in classes else -1 for name in eval_set.classes]
        labels = np.array(place)[self.model.labels]
        return Views(_relabelled(self.model, labels), _relabelled(self.pixels, labels))


def pair_of(home: EvalSet, shifted: EvalSet, reference: Sequence[Model] = ()) -> Pair:
    """The pair. Raises TrainerError if it shares fewer than two classes, or has no split train."""
    names = set(shifted.classes)
    classes = [name for name in dict.fromkeys(home.classes) if name in names]
    if len(classes) < 2:
        raise TrainerError(
            f"{shifted.root}: {len(classes)} classes of {home.root}'s names, expected at least 2"
        )
    if not home.has("train"):
        raise TrainerError(f"{home.root}: no split train, expected one to fit a probe to")
    return Pair(home, shifted, classes, reference)


def evaluate(run: RunFolder, checkpoint: Checkpoint, pair: Pair) -> Result:
    """Evaluate both ways on both sets, keep the result in robustness.json, draw robustness.svg."""
    bad: dict[str, str] = {}
    train = read_views(checkpoint, pair.home, "train", bad)
    tests = [
        read_views(checkpoint, eval_set, "test", bad).of_classes(eval_set, pair.classes)
        for eval_set in (pair.home, pair.shifted)
    ]
    for eval_set, seen in zip((pair.home, pair.shifted), tests, strict=True):
        if not len(seen.model):
            raise TrainerError(f"{eval_set.root}: no readable picture of the shared classes")
    hits = {
        "zero-shot": zero_shot(checkpoint, pair, tests),
        "probe": probed(pair, train.model, tests),
    }
    reference = pair.reference or pixel_models(pair, train.pixels, tests)
    line = fit_line(reference)
    rates = {
        f"{way}_{where}": rate(f"{way}{label}", right, 1 / len(pair.classes))
        for way in WAYS
        for where, label, right in zip(("in", "shifted"), ("", ", shifted"), hits[way], strict=True)
    }
    at = {way: (rates[f"{way}_in"].value, rates[f"{way}_shifted"].value) for way in WAYS}
    context = {
        **about(checkpoint, pair.home),
        "path": pair.where,
        "classes": len(pair.classes),
        "bad_images": bad,
        "in_distribution": pair.home.name,
        "shifted": pair.shifted.name,
        "reference": [asdict(model) for model in reference],
        "line": None if line is None else asdict(line),
        "effective": {way: effective(*at[way], line) for way in WAYS},
        "beyond_reference": {way: beyond(at[way][0], reference) for way in WAYS},
        "relative": at["probe"][1] - at["zero-shot"][1],
    }
    kept = keep(run, Result("robustness", pair.name, context, rates))
    draw_robustness(run.root / "robustness.json", run.root / "robustness.svg")
    return kept


def read_views(checkpoint: Checkpoint, eval_set: EvalSet, split: str, bad: dict[str, str]) -> Views:
    """A split's features and thumbnails; unreadable pictures are noted in `bad`."""
    small: list[np.ndarray] = []
    size = max(enough(checkpoint), 4 * THUMBNAIL)
    model = features(checkpoint, eval_set, _noted(eval_set.pictures(split, size), small))
    bad.update({f"{eval_set.name}/{split}/{name}": why for name, why in eval_set.bad.items()})
    pixels = np.stack(small).reshape(len(small), -1).astype(np.float32) / 255
    return Views(model, Features(model.names, model.labels, pixels, model.captions))


def _noted(pictures: Iterable[Picture], small: list[np.ndarray]) -> Iterator[Picture]:
    for picture in pictures:
        square = centre(picture.pixels, 4 * THUMBNAIL)
        small.append(cv2.resize(square, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA))
        yield picture


def _relabelled(seen: Features, labels: np.ndarray) -> Features:
    kept = Features(seen.names, labels, seen.values, seen.captions)
    return kept.rows(labels >= 0)


def zero_shot(checkpoint: Checkpoint, pair: Pair, tests: Sequence[Views]) -> list[np.ndarray]:
    """bool (N,) for each set: the pictures classified right among the shared classes, zero-shot."""
    right = []
    for eval_set, seen in zip((pair.home, pair.shifted), tests, strict=True):
        prompts = [eval_set.prompts(eval_set.classes.index(name)) for name in pair.classes]
        cosines = embeddings(checkpoint, seen.model.values) @ text_embeddings(checkpoint, prompts).T
        right.append(cosines.numpy().argmax(axis=1) == seen.model.labels)
    return right


def probed(pair: Pair, train: Features, tests: Sequence[Views]) -> list[np.ndarray]:
    """bool (N,) for each set, by a probe of all of `home`'s classes; a fifth of train validates."""
    held = _validation(pair, train)
    seen = [views.model for views in tests]
    return _right(pair, train.rows(~held), train.rows(held), seen, refit=True)


def pixel_models(pair: Pair, train: Features, tests: Sequence[Views]) -> list[Model]:
    """Reference models: regressions on thumbnails, of SHOTS and of all train pictures per class."""
    held, models = _validation(pair, train), {}
    rest = train.rows(~held)
    for shots in (*SHOTS, len(rest)):
        places = [of_class[:shots] for of_class in drawn(rest.labels, seed=0)]
        few = rest.rows(np.concatenate(places))
        seen = [views.pixels for views in tests]
        right = _right(pair, few, train.rows(held), seen, refit=False)
        name = f"{len(few)} thumbnails"
        models[name] = Model(name, float(right[0].mean()), float(right[1].mean()))
    return list(models.values())


def _validation(pair: Pair, train: Features) -> np.ndarray:
    held = held_out(train.labels, HELD_OUT)
    if not held.any():
        raise TrainerError(f"{pair.home.root}: one train picture a class, expected more")
    return held


def _right(
    pair: Pair, train: Features, validation: Features, tests: Sequence[Features], *, refit: bool
) -> list[np.ndarray]:
    fitted = fit_best(train, validation, refit=refit)
    columns = [pair.home.classes.index(name) for name in pair.classes]
    n = len(pair.home.classes)
    return [
        fitted.scores(test.values, n)[:, columns].argmax(axis=1) == test.labels for test in tests
    ]


def fit_line(models: Sequence[Model]) -> Line | None:
    """The line by least squares on logit axes; None for fewer than two different accuracies.

    >>> fit_line([Model("", 0.5, 0.5)])
    """
    x, y = (
        logit([inside(value) for value in values])
        for values in ([m.accuracy for m in models], [m.shifted for m in models])
    )
    if len(set(x.tolist())) < 2:
        return None
    slope, intercept = np.polyfit(x, y, 1)
    return Line(float(slope), float(intercept))


def effective(accuracy: float, shifted: float, line: Line | None) -> float | None:
    """Effective robustness: accuracy under shift less the line's at this accuracy.

    >>> effective(0.5, 0.75, Line(slope=1.0, intercept=0.0))
    0.25
    """
    return None if line is None else shifted - line.at(accuracy)


def beyond(accuracy: float, models: Sequence[Model]) -> bool:
    """Whether an accuracy lies outside those of the models, where the line extrapolates.

    >>> beyond(0.5, [Model("", 0.4, 0.3), Model("", 0.6, 0.5)])
    False
    """
    accuracies = [model.accuracy for model in models]
    return not min(accuracies) <= accuracy <= max(accuracies)


def read_reference(path: Path | None) -> dict[tuple[str, str], list[Model]]:
    """Reference models by pair, from a CSV of COLUMNS, accuracies 0..1. Raises TrainerError."""
    models: dict[tuple[str, str], list[Model]] = {}
    if path is None:
        return models
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TrainerError(f"{path}: {error}, expected a CSV of {', '.join(COLUMNS)}") from None
    for number, row in enumerate(rows, start=2):
        try:
            home, shifted, name = (row[column] for column in COLUMNS[:3])
            rates = [float(row[column]) for column in COLUMNS[3:]]
        except (KeyError, TypeError, ValueError) as error:
            expected = f"expected {', '.join(COLUMNS)}"
            raise TrainerError(f"{path}, line {number}: {error}, {expected}") from None
        if not all(0 <= accuracy <= 1 for accuracy in rates):
            raise TrainerError(f"{path}, line {number}: {rates}, expected accuracies of 0 to 1")
        models.setdefault((home, shifted), []).append(Model(name, *rates))
    return models


def remarks(result: Result) -> list[str]:
    """The effective and relative robustness, in points, and whether the line extrapolates."""
    effective = ", ".join(f"{way} {percent(result.about['effective'][way])}" for way in WAYS)
    lines = [
        f"above the reference models' line, in points: {effective}",
        f"probe over zero-shot, under shift, in points: {percent(result.about['relative'])}",
    ]
    guess = "more or less accurate than every reference model, its line a guess there"
    return lines + [f"{way} is {guess}" for way in WAYS if result.about["beyond_reference"][way]]
