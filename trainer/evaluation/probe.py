"""A linear probe: logistic regression on the features of a frozen model.

Source: CLIP, section 3.2 and appendix A.3: L-BFGS, at most 1,000 iterations. The strength of L2 is
searched over 96 steps and chosen on validation pictures; the probe is then fitted again to both
train and validation pictures.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from trainer.evaluation.features import Features, enough, features
from trainer.evaluation.predictions import Predictions, best_classes, keep_predictions
from trainer.evaluation.results import Result, keep
from trainer.evaluation.sets import EvalSet
from trainer.evaluation.zeroshot import about, figures
from trainer.model.checkpoint import Checkpoint
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError

TITLE = "linear probe"
MAX_ITERATIONS = 1_000
STEPS = 96  # of C from 1e-6 to 1e6: eight a decade
FIRST = 16  # steps between the first seven
HELD_OUT = 0.2  # share of each train class that validates where val/ is missing; not in the paper
SEED = 0


@dataclass(frozen=True)
class SplitFeatures:
    """The features of a set's train, validation and test pictures."""

    train: Features
    validation: Features
    test: Features
    validation_of: str  # the split that the validation pictures are from
    bad: dict[str, str]


@dataclass(frozen=True)
class Scale:
    """Features less their mean (D,), divided by one standard deviation of all features.

    The family of probes stays the same, with C in this unit. L-BFGS converges: unscaled, on
    features of a deviation of .004, it did not within 1,000 iterations.
    """

    mean: np.ndarray  # (D,)
    deviation: float

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return (values.astype(np.float64) - self.mean) / self.deviation


def scale_of(values: np.ndarray) -> Scale:
    mean = values.mean(axis=0, dtype=np.float64)
    deviation = float(np.sqrt(((values - mean) ** 2).mean()))
    return Scale(mean, deviation or 1.0)


@dataclass(frozen=True)
class Fitted:
    """A probe, the scale and C of its fit, and whether L-BFGS converged."""

    model: LogisticRegression
    scale: Scale
    c: float
    converged: bool

    def scores(self, values: np.ndarray, n_classes: int) -> np.ndarray:
        """(N, D) -> log-probabilities (N, n_classes); -inf of a class without a train picture."""
        margins = self.model.decision_function(self.scale(values))
        if margins.ndim == 1:  # of two classes: log-odds of the second
            margins = np.stack([np.zeros_like(margins), margins], axis=1)
        scores = np.full((len(values), n_classes), -np.inf)
        scores[:, self.model.classes_] = log_softmax(margins, axis=1)
        return scores

    def likelihood(self, seen: Features) -> float:
        """The mean log-probability of the right classes, over the classes that the probe knows."""
        n_classes = int(max(seen.labels.max(), self.model.classes_.max())) + 1
        scores = self.scores(seen.values, n_classes)
        right = scores[np.arange(len(seen)), seen.labels]
        return float(right[np.isfinite(right)].mean())

    def predict(self, seen: Features, n_classes: int) -> Predictions:
        best = best_classes(self.scores(seen.values, n_classes))
        return Predictions(seen.names, seen.labels, best)


def evaluate(run: RunFolder, checkpoint: Checkpoint, eval_set: EvalSet) -> Result:
    """Fit, evaluate, and keep the result in the run's probe.json."""
    split = read_splits(checkpoint, eval_set)
    fitted = fit_best(split.train, split.validation)
    context = {
        **about(checkpoint, eval_set),
        **describe(split, fitted),
        "bad_images": split.bad,
        "features": split.train.values.shape[1],
    }
    predictions = fitted.predict(split.test, len(eval_set.classes))
    rates = figures(predictions, len(eval_set.classes))
    keep_predictions(run, "probe", eval_set, predictions)
    return keep(run, Result("probe", eval_set.name, context, rates))


def describe(split: SplitFeatures, fitted: Fitted) -> dict:
    """The numbers of pictures, C and convergence of a fitted probe, as results keep them."""
    return {
        "train_images": len(split.train),
        "validation_images": len(split.validation),
        "validation_of": split.validation_of,
        "images": len(split.test),
        "c": fitted.c,
        "converged": fitted.converged,
    }


def read_splits(checkpoint: Checkpoint, eval_set: EvalSet) -> SplitFeatures:
    """The features of every split; without val/ a fifth of each train class validates.

    Raises TrainerError if no class has a second train picture to validate.
    """
    bad: dict[str, str] = {}

    def read(split: str) -> Features:
        seen = features(checkpoint, eval_set, eval_set.pictures(split, enough(checkpoint)))
        bad.update({f"{split}/{name}": why for name, why in eval_set.bad.items()})
        return seen

    train = read("train")
    if eval_set.has("val"):
        return SplitFeatures(train, read("val"), read("test"), "val", bad)
    held = held_out(train.labels, HELD_OUT)
    if not held.any():
        raise TrainerError(f"{eval_set.root}: one train picture a class, expected more, or val/")
    return SplitFeatures(train.rows(~held), train.rows(held), read("test"), "train", bad)


def held_out(labels: np.ndarray, share: float) -> np.ndarray:
    """bool (N,): the pictures that validate, a share of each class; 1 at least of 2 and more.

    >>> held_out(np.array([0, 0, 0, 0, 0, 1]), 0.2).sum()
    np.int64(1)
    """
    held = np.zeros(len(labels), bool)
    for rows in drawn(labels, SEED):
        n = max(1, round(share * len(rows))) if len(rows) > 1 else 0
        held[rows[:n]] = True
    return held


def drawn(labels: np.ndarray, seed: int) -> list[np.ndarray]:
    """The rows of each class of labels (N,), in the random order of the seed."""
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(labels))
    return [order[labels[order] == label] for label in np.unique(labels)]


def fit_best(train: Features, validation: Features, *, refit: bool = True) -> Fitted:
    """The probe of the C that validates best, fitted to train, and with `refit` to both.

    The best C has the greatest log-probability of the right classes. Accuracy is flat over three
    decades of C: by it, test accuracies on digits were .7 points lower (mean of ten orders).
    Raises TrainerError if train has fewer than two classes, or none of validation's.
    """
    classes = np.unique(train.labels)
    if len(classes) < 2 or not np.isin(validation.labels, classes).any():
        raise TrainerError("expected train pictures of at least 2 classes, and of those of val/")
    fits: dict[int, Fitted] = {}

    def likelihood(step: int) -> float:
        fits[step] = fit(train.values, train.labels, c_of(step))
        return fits[step].likelihood(validation)

    best = search(likelihood)
    if not refit:
        return fits[best]
    values = np.concatenate([train.values, validation.values])
    return fit(values, np.concatenate([train.labels, validation.labels]), c_of(best))


def search(score: Callable[[int], float]) -> int:
    """The best step of 0..96 by the paper's search: seven steps, then halving around the best.

    Of equal scores the lowest step wins: the strongest L2.

    >>> search(lambda step: -abs(step - 37))
    37
    """
    distance = FIRST
    scores = {step: score(step) for step in range(0, STEPS + 1, distance)}
    while distance > 1:
        distance //= 2
        peak = best_step(scores)
        for step in (peak - distance, peak + distance):
            if 0 <= step <= STEPS and step not in scores:
                scores[step] = score(step)
    return best_step(scores)


def best_step(scores: dict[int, float]) -> int:
    """The step of the greatest score; of equals the lowest."""
    return max(scores, key=lambda step: (scores[step], -step))


def c_of(step: int) -> float:
    """scikit-learn's C, the inverse of the strength of L2.

    >>> c_of(0), c_of(48), c_of(96)
    (1e-06, 1.0, 1000000.0)
    """
    return float(10.0 ** (step / 8 - 6))


def fit(values: np.ndarray, labels: np.ndarray, c: float) -> Fitted:
    """Logistic regression on (N, D) and (N,), in float64."""
    model, scale = LogisticRegression(C=c, max_iter=MAX_ITERATIONS), scale_of(values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # n_iter_ says it
        model.fit(scale(values), labels)
    return Fitted(model, scale, c, bool(model.n_iter_.max() < MAX_ITERATIONS))


def remarks(result: Result) -> list[str]:
    """The pictures that the probe was fitted to, C, and whether it converged."""
    fit = result.about
    converged = "" if fit["converged"] else ", not converged"
    images = f"{fit['train_images']:,} + {fit['validation_images']:,} pictures"
    return [f"{images}, C {fit['c']:.3g}{converged}"]
