"""Zero-shot classification: `zeroshot(run, eval_set)`.

May import torch and trainer. Source: CLIP, section 3.1: a class is the mean of its prompts'
normalised embeddings, normalised again; a picture's class is the one of the greatest cosine.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from queries.parts import write_json
from trainer import checkpoint
from trainer.checkpoint import Checkpoint
from trainer.evalset import EvalSet, Picture
from trainer.pictures import centre, stacked
from trainer.settings import RunFolder, TrainerError

BATCH = 128
Z_95 = 1.959964  # 97.5% quantile of the normal distribution


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


@torch.inference_mode()
def class_weights(found: Checkpoint, eval_set: EvalSet) -> Tensor:
    """(classes, embed), each of length 1: the ensemble of the class's prompts."""
    context = found.state.model.text.context
    labels = range(len(eval_set.classes))
    weights = []
    for some in _batches(labels, max(1, BATCH // len(eval_set.templates))):
        prompts = [prompt for label in some for prompt in eval_set.prompts(label)]
        tokens = torch.from_numpy(found.tokenizer.encode(prompts, context))
        embeddings = F.normalize(found.model.encode_text(tokens), dim=-1)
        weights.append(embeddings.unflatten(0, (len(some), -1)).mean(dim=1))
    return F.normalize(torch.cat(weights), dim=-1)


@torch.inference_mode()
def classify(found: Checkpoint, eval_set: EvalSet, pictures: Iterable[Picture]) -> Predictions:
    """The pictures' five best classes, in float32."""
    weights = class_weights(found, eval_set)
    pixels, k = found.state.model.vision.pixels, min(5, len(weights))
    names: list[str] = []
    labels: list[int] = []
    best = []
    for some in _batches(tqdm(pictures, unit="image", disable=None, leave=False), BATCH):
        images = torch.from_numpy(stacked([centre(p.pixels, pixels) for p in some]))
        cosines = F.normalize(found.model.encode_image(images), dim=-1) @ weights.T
        best.append(cosines.topk(k).indices.numpy())
        names += [picture.name for picture in some]
        labels += [picture.label for picture in some]
    if not names:
        raise TrainerError(f"{eval_set.root}: no readable picture; {len(eval_set.bad)} are not")
    return Predictions(names, np.array(labels), np.concatenate(best))


def _batches(rows: Iterable, size: int) -> Iterator[list]:
    left = iter(rows)
    while batch := list(islice(left, size)):
        yield batch


def wilson(hits: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of hits / n, 95% by default.

    >>> [round(bound, 3) for bound in wilson(8, 10)]
    [0.49, 0.943]
    """
    rate, spread = hits / n, z * z / n
    middle = rate + spread / 2
    half = z * math.sqrt(rate * (1 - rate) / n + spread / (4 * n))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))


def summary(eval_set: EvalSet, found: Checkpoint, predictions: Predictions) -> dict:
    """What the predictions come to; every rate is 0..1."""
    n, n_classes = len(predictions.names), len(eval_set.classes)
    hits = int(predictions.top1.sum())
    return {
        "eval_set": eval_set.name,
        "build_version": found.state.build_version,
        "step": found.state.step,
        "images": n,
        "bad_images": dict(eval_set.bad),
        "classes": n_classes,
        "templates": eval_set.templates,
        "chance": 1 / n_classes,
        "chance_top5": min(1.0, 5 / n_classes),
        "commonest_class": max(Counter(predictions.labels.tolist()).values()) / n,
        "top1": hits / n,
        "top1_interval_95": list(wilson(hits, n)),
        "top5": float(predictions.top5.mean()),
    }


def zeroshot(run: RunFolder, eval_set: EvalSet) -> dict:
    """Evaluate, add the summary to the run's zeroshot.json under the set's name, return it."""
    found = checkpoint.load(run)
    predictions = classify(found, eval_set, eval_set.pictures())
    result = summary(eval_set, found, predictions)
    add_result(run, "zeroshot.json", result)
    return result


def add_result(run: RunFolder, name: str, result: dict) -> None:
    """Put the result under its evaluation set's name into one of the run's JSON files."""
    path = run.root / name
    before = json.loads(path.read_text()) if path.is_file() else {}
    write_json(path, before | {result["eval_set"]: result})


def show(result: dict, console: Console) -> None:
    """Print the summary, chance and the commonest class beside the model."""
    n, n_classes = result["images"], result["classes"]
    table = Table(title=f"zero-shot, {result['eval_set']}: {n:,} images, {n_classes:,} classes")
    for heading in ("", "top-1 %", "95% interval", "top-5 %"):
        table.add_column(heading, justify="right" if heading else "left")
    low, high = result["top1_interval_95"]
    table.add_row(
        "model",
        f"{100 * result['top1']:.2f}",
        f"{100 * low:.2f} to {100 * high:.2f}",
        f"{100 * result['top5']:.2f}",
    )
    table.add_row(
        "chance", f"{100 * result['chance']:.2f}", "", f"{100 * result['chance_top5']:.2f}"
    )
    table.add_row("always the commonest class", f"{100 * result['commonest_class']:.2f}", "", "")
    console.print(table)
    if result["bad_images"]:
        first, why = next(iter(result["bad_images"].items()))
        console.print(f"{len(result['bad_images'])} unreadable, such as {first}: {why}")
