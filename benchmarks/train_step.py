"""A step of training beside open_clip's: same weights, pairs, threads and optimiser's settings.

What differs is how it is computed: texts trimmed and grouped by length, convolutions in
channels-last memory, plain attention on a CPU, a fused AdamW, pictures normalised from uint8 in
the model. The peer gets normalised floats for free, as its loader makes them. The loss of the
first step must be equal. On one thread: with more, those that wait count as working. `make peers`
installs open_clip.
"""

import itertools
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from benchmarks import harness
from tests import peers
from trainer.model import CLIP
from trainer.model.export import open_clip_config
from trainer.settings import MODELS, ModelConfig, TextConfig, VisionConfig, recipe
from trainer.training.losses import Objective
from trainer.training.optim import adamw
from trainer.training.step import Inputs, Stepper

TEXT = TextConfig(width=512, heads=8)  # as RN50's and ViT-B's: 12 layers, context 77
NETWORKS = {
    "ViT": ModelConfig(512, VisionConfig(64, 384, (12,), 6, 8), TEXT),  # 65 tokens
    "RN50": replace(MODELS["RN50"], vision=replace(MODELS["RN50"].vision, pixels=64)),
}
KINDS = {"fp32": torch.float32, "bf16": torch.bfloat16}
RECIPE = recipe("ViT-B-32")
TOKENS = (14, 0.6)  # median of a caption's tokens, and the spread of their logarithm
FULL = (77, 0.0)


@dataclass(frozen=True)
class Task:
    """A network, how it is computed, and the captions that it reads."""

    network: str
    precision: str
    batch: int
    tokens: tuple[int, float]

    @property
    def name(self) -> str:
        texts = "full texts" if self.tokens == FULL else "captions"
        return f"{self.network}, 64 px, {self.precision}, {texts}"


def pairs(task: Task) -> Inputs:
    """Random pictures, and random ids as long as captions are; padded to 77 as a peer's are."""
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (task.batch, 3, 64, 64), dtype=np.uint8)
    median, spread = task.tokens
    lengths = np.exp(draw.normal(np.log(median), spread, task.batch)).clip(3, 77).round()
    tokens = np.zeros((task.batch, 77), np.int64)
    for row, n in zip(tokens, lengths.astype(int), strict=True):
        row[:n] = [49_406, *draw.integers(0, 49_406, n - 2), 49_407]
    return Inputs(np.ascontiguousarray(images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2), tokens)


def ours(task: Task, model: CLIP, inputs: Inputs) -> Callable[[], float]:
    """One step after another; the loss before it."""
    objective = Objective(model, RECIPE)
    optimizer = adamw(nn.ModuleList([model, objective]), RECIPE)
    stepper = Stepper(model.train().channels_last(), objective, optimizer, KINDS[task.precision])
    return lambda: stepper.step(inputs, 1e-6).loss.item()


def theirs(task: Task, model: CLIP, inputs: Inputs) -> Callable[[], float]:
    """The step of open_clip's own training loop: its model, its loss, torch's AdamW as it is."""
    open_clip = peers.open_clip()
    peer = open_clip.CLIP(**open_clip_config(model.config)).train()
    peer.load_state_dict(model.state_dict())
    decayed = [p for p in peer.parameters() if p.ndim >= 2]
    groups = [
        {"params": decayed, "weight_decay": RECIPE.weight_decay},
        {"params": [p for p in peer.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, 1e-6, (0.9, RECIPE.beta2), RECIPE.eps)
    with torch.no_grad():
        pixels = ((torch.from_numpy(inputs.images).float() - model.mean) / model.std).contiguous()
    tokens, loss_of = torch.from_numpy(inputs.tokens), open_clip.ClipLoss()
    kind = KINDS[task.precision]

    def step() -> float:
        optimizer.zero_grad()
        with torch.autocast("cpu", kind, enabled=kind != torch.float32):
            loss = loss_of(*peer(pixels, tokens))
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            peer.logit_scale.clamp_(0, 4.6052)
        return loss.item()

    return step


def measure(task: Task, rounds: int) -> harness.Row:
    """Images per CPU second of both, after a step each that must have the same loss."""
    torch.manual_seed(0)
    model, inputs = CLIP(NETWORKS[task.network]), pairs(task)
    steps = {"peer": theirs(task, model, inputs), "ours": ours(task, model, inputs)}
    losses = [step() for step in steps.values()]
    tolerance = 1e-3 if task.precision == "fp32" else 3e-2
    if abs(losses[0] - losses[1]) > tolerance:
        raise RuntimeError(f"{task.name}: losses {losses} of the same weights and pairs")

    def run(step: Callable[[], float]) -> Callable[[], None]:
        return lambda: (step(), None)[1]  # a float would count as seconds

    seconds = harness.take_turns({name: run(step) for name, step in steps.items()}, rounds)
    rates = {name: harness.rates(task.batch, one) for name, one in seconds.items()}
    return harness.Row(task.name, "images/CPU s", rates["ours"], "open_clip", rates["peer"])


def tasks(quick: bool) -> list[Task]:
    """All; quickly, a smaller batch, and captions of full length left out."""
    texts = (TOKENS,) if quick else (TOKENS, FULL)
    batch = 16 if quick else 64
    return [Task(*one[:2], batch, one[2]) for one in itertools.product(NETWORKS, KINDS, texts)]


def main() -> None:
    args = harness.arguments("benchmarks.train_step", __doc__.splitlines()[0])
    torch.set_num_threads(1)
    try:
        version = peers.open_clip().__version__
    except ImportError as error:
        sys.exit(f"{error}: make peers")
    rows = [measure(task, 1 if args.quick else 7) for task in tasks(args.quick)]
    harness.show(
        "one step of training",
        rows,
        peer=f"open_clip {version}",
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        captions=f"median {TOKENS[0]} tokens, lognormal, spread {TOKENS[1]}; full texts are 77",
        native_bf16=bool(torch.cpu._is_avx512_bf16_supported()),
    )


if __name__ == "__main__":
    main()
