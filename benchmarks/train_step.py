"""A step of training beside open_clip's: same weights, pairs, threads and optimiser's settings.

What differs is how it is computed: texts trimmed and grouped by length, convolutions in
channels-last memory, plain attention on a CPU, a fused AdamW, pictures normalised from uint8 in
the model. The peer gets normalised floats for free, as its loader makes them. The loss of the
first step must be equal. On one thread: with more, those that wait count as working. `make peers`
installs open_clip.

Operations of matrix products and convolutions are counted by torch, forwards and backwards: of
ours, of ours if the last block computed all rows, and of the peer. What a step makes of the machine
is its operations a second as a share of what a large matrix product reaches in the same minute.
"""

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import harness
from tests import peers
from trainer.model import CLIP
from trainer.model.export import open_clip_config
from trainer.model.towers import Transformer, rows_of
from trainer.settings import MODELS, ModelConfig, TextConfig, VisionConfig, recipe
from trainer.training.losses import Objective
from trainer.training.optim import adamw
from trainer.training.pieces import Inputs
from trainer.training.step import Stepper

TEXT = TextConfig(width=512, heads=8)  # as RN50's and ViT-B's: 12 layers, context 77
NETWORKS = {
    "ViT": ModelConfig(512, VisionConfig(64, 384, (12,), 6, 8), TEXT),  # 65 tokens
    "RN50": replace(MODELS["RN50"], vision=replace(MODELS["RN50"].vision, pixels=64)),
}
KINDS = {"fp32": torch.float32, "bf16": torch.bfloat16}
RECIPE = recipe("ViT-B-32")
TOKENS = (14, 0.6)  # median of a caption's tokens, and the spread of their logarithm
FULL = (77, 0.0)
PEAK_SIDE = 2_048  # of the matrices whose product shows what the machine can do
# The ratios of full texts before the last block computed one row alone, and what is asked of them
# now: this share of the operations that this saves. Of captions as they come: this ratio.
BEFORE = {
    ("ViT", "fp32"): 1.20,
    ("ViT", "bf16"): 1.50,
    ("RN50", "fp32"): 1.25,
    ("RN50", "bf16"): 1.39,
}
SHARE_OF_SAVING, OF_CAPTIONS = 0.95, 2.4


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


def operations(task: Task, inputs: Inputs) -> dict[str, int]:
    """Of the matrix products and convolutions of a step; attention counts as its products.

    Counted on the device "meta", which computes nothing: "ours", "peer" and "all rows".
    """
    config, counts = NETWORKS[task.network], {}
    with torch.device("meta"):
        model, peer = CLIP(config), peers.open_clip().CLIP(**open_clip_config(config))
        pixels = torch.empty(inputs.images.shape)
        tokens = torch.empty(inputs.tokens.shape, dtype=torch.int64)
    objective = Objective(model, RECIPE)
    stepper = Stepper(model, objective, torch.optim.SGD(model.parameters()))
    with FlopCounterMode(display=False) as counter:
        stepper.gradients(inputs)
    counts["ours"] = counter.get_total_flops()
    with all_rows(), FlopCounterMode(display=False) as counter:
        stepper.gradients(inputs)
    counts["all rows"] = counter.get_total_flops()
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        peers.open_clip().ClipLoss()(*peer(pixels, tokens)).backward()
    counts["peer"] = counter.get_total_flops()
    return counts


@contextmanager
def all_rows() -> Iterator[None]:
    """Within, the last block computes every row, also those that nobody reads."""

    def forward(self: Transformer, x: Tensor, row: Tensor | int | None = None) -> Tensor:
        for block in self.resblocks:
            x = block(x)
        return x if row is None else rows_of(x, row)

    with patch.object(Transformer, "forward", forward):
        yield


def peak(precision: str) -> float:
    """Operations a CPU second of a product of two large matrices: the best of eight."""
    a, b = torch.randn(2, PEAK_SIDE, PEAK_SIDE, dtype=KINDS[precision])
    seconds = harness.take_turns({"product": lambda: (a @ b, None)[1]}, 8)["product"]
    return 2 * PEAK_SIDE**3 / min(seconds)


def measure(task: Task, rounds: int) -> list[harness.Row]:
    """Images per CPU second of both, after a step each that must have the same loss; what share of
    the machine that is; and the ratio beside what is asked of it."""
    torch.manual_seed(0)
    model, inputs = CLIP(NETWORKS[task.network]), pairs(task)
    steps = {"peer": theirs(task, model, inputs), "ours": ours(task, model, inputs)}
    losses = [step() for step in steps.values()]
    tolerance = 1e-3 if task.precision == "fp32" else 3e-2
    if abs(losses[0] - losses[1]) > tolerance:
        raise RuntimeError(f"{task.name}: losses {losses} of the same weights and pairs")
    counts = operations(task, inputs)
    saving = counts["all rows"] / counts["ours"] - 1
    if task.tokens == FULL:
        steps["all rows"] = all_rows()(steps["ours"])

    def run(step: Callable[[], float]) -> Callable[[], None]:
        return lambda: (step(), None)[1]  # a float would count as seconds

    best = peak(task.precision)
    seconds = harness.take_turns({name: run(step) for name, step in steps.items()}, rounds)
    best = max(best, peak(task.precision))
    rates = {name: harness.rates(task.batch, one) for name, one in seconds.items()}
    shares = {name: harness.rates(counts[name] / best, one) for name, one in seconds.items()}
    saved = harness.Row(f"{task.name}: saved by the last block", "share", [saving], "", [0])
    if task.tokens == FULL:  # as measured, beside the part of the count that is asked for
        both = zip(seconds["all rows"], seconds["ours"], strict=True)
        gains = [whole_rows / one_row - 1 for whole_rows, one_row in both]
        saved = harness.Row(saved.what, "share", gains, "at least", [SHARE_OF_SAVING * saving])
    whole = harness.Row(task.name, "images/CPU s", rates["ours"], "open_clip", rates["peer"])
    asked = OF_CAPTIONS
    if task.tokens == FULL:
        asked = BEFORE[task.network, task.precision] * (1 + SHARE_OF_SAVING * saving)
    print(
        f"{task.name}: {counts['ours'] / 1e9:,.0f} billion operations, the peer's "
        f"{counts['peer'] / 1e9:,.0f}; the last block saves {saving:.1%}; a product reaches "
        f"{best / 1e9:,.0f} billion a second; ratio {whole.ratio:.2f}, asked {asked:.2f}",
        file=sys.stderr,
    )
    of_peak = f"{task.name}: of the product of matrices"
    return [
        whole,
        harness.Row(of_peak, "share", shares["ours"], "open_clip", shares["peer"]),
        harness.Row(f"{task.name}: ratio", "x", [whole.ratio or 0], "at least", [asked]),
        saved,
    ]


def tasks(quick: bool) -> list[Task]:
    """All; quickly, of a smaller batch."""
    batch = 16 if quick else 64
    return [
        Task(*one[:2], batch, one[2]) for one in itertools.product(NETWORKS, KINDS, (TOKENS, FULL))
    ]


def main() -> None:
    args = harness.arguments("benchmarks.train_step", __doc__.splitlines()[0])
    torch.set_num_threads(1)
    try:
        version = peers.open_clip().__version__
    except ImportError as error:
        sys.exit(f"{error}: make peers")
    rows = [row for task in tasks(args.quick) for row in measure(task, 1 if args.quick else 5)]
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
