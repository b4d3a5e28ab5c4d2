"""Moments and text weights in 16 bits beside 32: the bytes they take, and the losses of a run.

A tiny ViT learns coloured shapes on near-white, each with a caption of a few words, by bf16
autocast and the same batches; CLIP's paper (section 2.5) says that such state was used, and not
what it cost. The last tenth of the steps is what the losses are compared by.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import nn

from benchmarks import harness
from tests.trainer_fixtures import CLASSES, picture
from trainer.model import build, tokenizer
from trainer.settings import MODELS, Recipe, recipe
from trainer.training.losses import Objective
from trainer.training.optim import adamw, halve_text, learning_rate
from trainer.training.pieces import Inputs
from trainer.training.step import Stepper

PLAIN = replace(recipe("tiny-vit"), batch=32)
KINDS: dict[str, Recipe] = {
    "fp32": PLAIN,
    "half moments": replace(PLAIN, half_moments=True),
    "half moments and text": replace(PLAIN, half_moments=True, half_text=True),
}
SENTENCES = ("a {} on a page", "drawn by hand: {}", "{}", "the {} in the middle of white paper")


@dataclass(frozen=True)
class Ended:
    """A run: bytes of weights, gradients and moments, and the loss of every step."""

    n_bytes: int
    losses: list[float]


def pairs(step: int, side: int, words: tokenizer.Tokenizer) -> Inputs:
    """A batch that depends on the number of the step alone."""
    draw = np.random.default_rng(step)
    names = [CLASSES[at] for at in draw.integers(0, len(CLASSES), PLAIN.batch)]
    images = np.stack(
        [cv2.resize(picture(name, int(draw.integers(1 << 30))), (side, side)) for name in names]
    )
    captions = [SENTENCES[int(draw.integers(len(SENTENCES)))].format(name) for name in names]
    return Inputs(images.transpose(0, 3, 1, 2), words.encode(captions, 32))


def train(kind: Recipe, steps: int) -> Ended:
    """The run of one kind, from the same weights."""
    torch.manual_seed(0)
    model = build("tiny-vit").train()
    if kind.half_text:
        halve_text(model)
    objective = Objective(model, kind)
    optimizer = adamw(nn.ModuleList([model, objective]), kind)
    stepper = Stepper(model, objective, optimizer, torch.bfloat16)
    text = [sentence.format(name) for sentence in SENTENCES for name in CLASSES]
    words = tokenizer.train(text, MODELS["tiny-vit"].text.vocabulary, {})
    losses = []
    for step in range(steps):
        inputs = pairs(step, MODELS["tiny-vit"].vision.pixels, words)
        lr = learning_rate(kind, steps, step / steps)
        losses.append(stepper.step(inputs, lr).loss.item())
    moments = [value for state in optimizer.state.values() for value in state.values()]
    weights = [*model.parameters()]
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    return Ended(sum(tensor.nbytes for tensor in (*weights, *gradients, *moments)), losses)


def tail(losses: list[float]) -> list[float]:
    return losses[-len(losses) // 10 :]


def by_tenths(losses: list[float]) -> str:
    return " ".join(f"{np.mean(tenth):.3f}" for tenth in np.array_split(losses, 10))


def main() -> None:
    args = harness.arguments("benchmarks.half_state", (__doc__ or "").splitlines()[0])
    torch.set_num_threads(1)
    steps = 50 if args.quick else 1_000
    ended = {name: train(kind, steps) for name, kind in KINDS.items()}
    plain = ended["fp32"]
    for name, run in ended.items():
        print(f"{name}: mean loss by tenths of the run: {by_tenths(run.losses)}")
    rows = []
    for name, run in ended.items():
        if run is plain:
            continue
        megabytes = [run.n_bytes / 1e6], "fp32", [plain.n_bytes / 1e6]
        rows.append(harness.Row(f"{name}: weights, gradients, moments", "MB", *megabytes))
        losses = tail(run.losses), "fp32", tail(plain.losses)
        rows.append(harness.Row(f"{name}: loss, last tenth of {steps} steps", "loss", *losses))
    harness.show("half-precision state", rows, peer="float32 state", threads=1)


if __name__ == "__main__":
    main()
