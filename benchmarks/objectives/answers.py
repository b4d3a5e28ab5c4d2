"""What a learner knows: zero-shot by names, nearest neighbour and linear probe by pictures."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.objectives.learners import Learner
from benchmarks.objectives.material import Material, TestSet
from trainer.evaluation.probe import fit

NEAREST, PROBE = "nearest neighbour", "linear probe"
C = 1.0  # of the probe's L2, on features of unit variance


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Statistics of training, no gradients."""
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train()


def accuracies(learner: Learner, material: Material, *, probe: bool) -> dict[str, float]:
    """Top-1 by "test set, way": zero-shot where the objective reads text; the probe if asked for.

    The probe is of the unseen concepts alone: pictures of them that no training has shown.
    """
    found: dict[str, float] = {}
    with evaluating(learner.model):
        for test in material.tests:
            for way, scores in learner.scores(test.asked, test.names).items():
                found[f"{test.title}, {way}"] = top1(scores)
            asked = learner.features(test.asked)
            bank = torch.stack([learner.features(images) for images in test.bank])
            found[f"{test.title}, {NEAREST}"] = nearest(asked, bank)
    if probe:
        found[f"{test.title}, {PROBE}"] = probed(test, asked, bank)
    return {asked: round(rate, 6) for asked, rate in found.items()}


def top1(scores: Tensor) -> float:
    """(C, C), picture i being of class i -> the share whose class has the greatest score."""
    return (scores.argmax(dim=1) == torch.arange(len(scores))).float().mean().item()


def nearest(asked: Tensor, bank: Tensor) -> float:
    """(C, D) and (V, C, D) -> the share whose nearest neighbour by cosine is of their class."""
    cosines = F.normalize(asked, dim=-1) @ F.normalize(bank, dim=-1).flatten(0, 1).T
    return (cosines.argmax(dim=1) % len(asked) == torch.arange(len(asked))).float().mean().item()


def probed(test: TestSet, asked: Tensor, bank: Tensor) -> float:
    """A linear probe on the bank's pictures: logistic regression by L-BFGS (CLIP, section 3.2).

    Features are standardised by the bank's, and L2 is the same for all: the paper's search for it
    would take longer than the training.
    """
    mean, std = bank.mean(dim=(0, 1)), bank.std(dim=(0, 1)) + 1e-6
    values, own = (((one - mean) / std).numpy() for one in (bank, asked))  # (V, C, D), (C, D)
    labels = np.arange(len(own))
    fitted = fit(np.concatenate(values), np.tile(labels, len(values)), C)
    return float(fitted.model.score(own, labels))


def pixels(test: TestSet) -> float:
    """The trivial baseline: the nearest picture of the bank, pixel by pixel."""
    asked, bank = (torch.from_numpy(one).float().flatten(-3) for one in (test.asked, test.bank))
    far = torch.cdist(asked, bank.flatten(0, 1))
    return (far.argmin(dim=1) % len(asked) == torch.arange(len(asked))).float().mean().item()
