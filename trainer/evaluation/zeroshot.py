"""Zero-shot classification: the class of a picture, by the names of the classes alone.

Source: CLIP, section 3.1. A class is the mean of its prompts' normalised embeddings, normalised
again; a picture gets the class of the greatest cosine.
"""

from collections import Counter
from dataclasses import replace

import numpy as np
from torch import Tensor

from trainer.evaluation import multilabel
from trainer.evaluation.features import (
    Features,
    embeddings,
    enough,
    features,
    text_embeddings,
)
from trainer.evaluation.intervals import Figure, mean_per_class, rate
from trainer.evaluation.predictions import Predictions, best_classes, keep_predictions
from trainer.evaluation.results import Result, keep, percent
from trainer.evaluation.sets import BARE_TEMPLATES, DEFAULT_TEMPLATES, EvalSet
from trainer.model.checkpoint import Checkpoint
from trainer.run_folder import RunFolder

TITLE = "zero-shot"
BLOCK = 4_096  # pictures compared with all classes at a time


def class_weights(checkpoint: Checkpoint, eval_set: EvalSet) -> Tensor:
    """(classes, embed), each of length 1: the ensemble of the class's prompts."""
    return text_embeddings(checkpoint, [eval_set.prompts(i) for i in range(len(eval_set.classes))])


def classify(checkpoint: Checkpoint, eval_set: EvalSet) -> Predictions:
    """The pictures' five best classes, in float32, by the best of the set's prompts."""
    pictures = eval_set.pictures(size=enough(checkpoint))
    return best_prompts(checkpoint, eval_set, features(checkpoint, eval_set, pictures))[1]


def predict(checkpoint: Checkpoint, weights: Tensor, seen: Features) -> Predictions:
    """The five best classes by weights (C, embed); of equal cosines the first."""
    blocks = embeddings(checkpoint, seen.values).split(BLOCK)
    scores = ((block @ weights.T).numpy() for block in blocks)
    if seen.several:
        cosines = np.concatenate([*scores])
        best = best_classes(cosines)
        return Predictions(seen.names, seen.labels, best, seen.several, cosines)
    return Predictions(seen.names, seen.labels, np.concatenate([*map(best_classes, scores)]))


def figures(predictions: Predictions, n_classes: int) -> dict[str, Figure]:
    """Top-1, top-5 and the mean of the classes' accuracies, each beside chance."""
    if predictions.cosines is not None:
        return multilabel.figures(predictions)
    top1, labels = predictions.top1, predictions.labels
    kept = predictions.best.shape[1]
    return {
        "top1": rate("top-1", top1, 1 / n_classes),
        "top5": rate("top-5", predictions.top5, kept / n_classes),
        "mean_per_class": mean_per_class(top1, labels, 1 / n_classes),
    }


def about(checkpoint: Checkpoint, eval_set: EvalSet) -> dict:
    """The context of every result: the model, the classes and prompts, the unreadable pictures."""
    return {
        "path": eval_set.where,
        "upright": eval_set.upright,
        "build_version": checkpoint.state.build_version,
        "step": checkpoint.state.step,
        "weights": checkpoint.weights,
        "classes": len(eval_set.classes),
        "templates": "of each class" if eval_set.by_class else list(eval_set.templates),
        "bad_images": dict(eval_set.bad),
    }


def evaluate(run: RunFolder, checkpoint: Checkpoint, eval_set: EvalSet) -> Result:
    """Evaluate, and keep the result in the run's zeroshot.json under the set's name."""
    seen = features(checkpoint, eval_set, eval_set.pictures(size=enough(checkpoint)))
    eval_set, predictions, tried = best_prompts(checkpoint, eval_set, seen)
    n, rates = len(predictions.names), figures(predictions, len(eval_set.classes))
    context = {
        **about(checkpoint, eval_set),
        "prompts_tried": tried,
        "images": n,
        "chance": rates["top1"].chance,
        "commonest_class": max(Counter(predictions.own_classes()).values(), default=0) / n,
    }
    if "top5" in rates:
        context["chance_top5"] = rates["top5"].chance
    keep_predictions(run, "zeroshot", eval_set, predictions)
    return keep(run, Result("zeroshot", eval_set.name, context, rates))


def best_prompts(
    checkpoint: Checkpoint, eval_set: EvalSet, seen: Features
) -> tuple[EvalSet, Predictions, dict[str, float]]:
    """The set with the templates whose top-1 is higher, its predictions, and every top-1.

    Templates that somebody chose are used as they are. Otherwise "a photo of a {c}." is tried
    beside the bare name: on icons it cost two thirds of the accuracy. Of equals the paper's wins.
    """
    if eval_set.chosen:
        return eval_set, predict(checkpoint, class_weights(checkpoint, eval_set), seen), {}
    tries = [replace(eval_set, templates=list(t)) for t in (DEFAULT_TEMPLATES, BARE_TEMPLATES)]
    answers = [predict(checkpoint, class_weights(checkpoint, trial), seen) for trial in tries]
    rates = [float(answer.top1.mean()) for answer in answers]
    best = int(np.argmax(rates))
    tried = {trial.templates[0]: top1 for trial, top1 in zip(tries, rates, strict=True)}
    return tries[best], answers[best], tried


def remarks(result: Result) -> list[str]:
    """The number of classes, the accuracy of always naming the commonest one, the prompts tried."""
    commonest = percent(result.about["commonest_class"])
    lines = [f"{result.about['classes']:,} classes; always the commonest: {commonest}%"]
    if tried := result.about["prompts_tried"]:
        prompts = ", ".join(f'"{prompt}" {percent(top1)}%' for prompt, top1 in tried.items())
        lines.append(f"the set has no prompts of its own, so the better of two counts: {prompts}")
    return lines
