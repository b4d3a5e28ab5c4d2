"""Train the copy detector on the pictures of a build: `train(build, to, budget)`.

Source: CLIP, appendix C: of a batch of synthetic copies, the two of one picture are to be matched
(symmetric InfoNCE at a fixed temperature of .07). With SSCD's entropy regulariser (Pizzi et al.
2022, section 4.2), which keeps different pictures apart. A tenth of the pictures is kept out of
training to measure the scores of different pictures.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from queries.engine.progress import shown
from queries.pixels.fingerprint import phash
from queries.tables.contracts import MOST_BITS
from queries.tables.manifest import manifest
from trainer.copies.detector import Detector, Network, save
from trainer.copies.neighbours import bits_between
from trainer.copies.synthetic import copy
from trainer.copies.thresholds import Greatest, above_rate
from trainer.copies.thumbnails import chosen_pictures, thumbnail
from trainer.data.prefetch import prefetched
from trainer.settings import MOST, TrainerError
from trainer.training.optim import dtype

TEMPERATURE = 0.07
LR, WEIGHT_DECAY, BETAS = 2e-3, 0.05, (0.9, 0.98)
BATCH = 128  # pictures
WARMUP_STEPS = 50
APART = 1.0  # weight of the regulariser
LEAST_DISTANCE = 1e-4  # of two embeddings, whose logarithm is taken
FIRST_STRENGTH = 0.3  # of the first of two copies; the second's is 1
ALIKE = 8  # pictures of like colours that stand together in half of a batch: the hard negatives
COLOURS = 8  # pixels a side of the thumbnails whose colours are compared
MOST_PICTURES = 16_384  # 450 MB
KEPT_OUT, MOST_KEPT_OUT = 0.1, 1_000
RATES = (1e-4, 1e-5, 1e-6)  # false positives per pair, whose thresholds are noted
VIEWS, STEPS = 0, 1  # streams of random numbers


@dataclass(frozen=True)
class Budget:
    """When training ends: after `steps`; or sooner, with less, after `seconds` of CPU time.

    The learning rate follows the steps alone, so that equal steps are equal training anywhere.
    """

    steps: int = 2_000
    seconds: float = math.inf
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.seconds > 0:
            raise TrainerError(
                f"steps {self.steps}, seconds {self.seconds}: expected at least 1, and more than 0"
            )
        for name, value in (("steps", self.steps), ("seed", self.seed)):
            if not 0 <= value <= MOST:
                raise TrainerError(f"{name} {value}: expected 0 to {MOST}")


def train(build: Path, to: Path, budget: Budget) -> Detector:
    """Train on a build's pictures, write the detector to the file `to`, and return it.

    Equal pictures, seed and steps give equal weights on one machine; `seconds` does not.
    """
    began = time.process_time()
    pictures, corrupt = chosen_pictures(build, MOST_PICTURES, budget.seed)
    n_out = min(MOST_KEPT_OUT, int(len(pictures) * KEPT_OUT))
    kept_out, shown = pictures[:n_out], pictures[n_out:]
    network, steps = fitted(shown, budget, began)
    about = {
        "build_version": manifest(build)["version"],
        "pictures": len(shown),
        "corrupt": len(corrupt),
        "steps": steps,
        "steps_planned": budget.steps,
        "seed": budget.seed,
        "cpu_seconds": round(time.process_time() - began, 1),
    }
    about["thresholds"] = calibrated(Detector(network.eval(), about), kept_out, budget.seed)
    return save(to, network, about)


def fitted(pictures: np.ndarray, budget: Budget, began: float) -> tuple[Network, int]:
    """A network trained on pictures uint8 (N, STORED, STORED, 3), and the number of its steps."""
    torch.manual_seed(budget.seed)
    network = Network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer, done = _optimizer(network), 0.0
    with (
        closing(prefetched(batches(pictures, budget.seed))) as views,
        shown("detector") as shown_step,
        shown_step.measured(lambda: done),
    ):
        for step in range(budget.steps):
            done = step / budget.steps
            if time.process_time() - began >= budget.seconds:
                return network, step
            for group in optimizer.param_groups:
                group["lr"] = rate_of(step, done)
            loss = contrast(network, next(views))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            shown_step.say(f"loss {loss.item():.3f}")
    return network, budget.steps


def _optimizer(network: nn.Module) -> torch.optim.AdamW:
    matrices = [weights for weights in network.parameters() if weights.ndim > 1]
    gains = [weights for weights in network.parameters() if weights.ndim == 1]
    groups = [
        {"params": matrices, "weight_decay": WEIGHT_DECAY},
        {"params": gains, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=LR, betas=BETAS)


def rate_of(step: int, done: float) -> float:
    """The learning rate: a linear warm-up, then a cosine over `done`, 0..1, to a thousandth of LR.

    >>> [round(rate_of(step, done) / LR, 3) for step, done in ((24, 0.0), (49, 0.0), (99, 1.0))]
    [0.5, 1.001, 0.001]
    """
    return LR * min(1, (step + 1) / WARMUP_STEPS) * (0.5 + 0.5 * math.cos(math.pi * done) + 1e-3)


def batches(pictures: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Two copies of each of at most BATCH pictures, uint8 (2 * B, SIDE, SIDE, 3), without end."""
    size, alike, step = min(BATCH, len(pictures)), neighbours_by_colour(pictures), 0
    while True:
        rows = chosen_rows(alike, size, np.random.default_rng((seed, STEPS, step)))
        yield views_of(pictures[rows], (FIRST_STRENGTH, 1.0), (seed, VIEWS, step))
        step += 1


def views_of(
    pictures: np.ndarray, strengths: Sequence[float], seeds: tuple[int, ...]
) -> np.ndarray:
    """A copy of each picture (B, STORED, STORED, 3) at each strength, (len(strengths) * B, ...)."""
    others = np.roll(pictures, len(pictures) // 2, axis=0)  # no neighbour by colour
    return np.stack(
        [
            copy(picture, other, np.random.default_rng((*seeds, view, row)), strength)
            for view, strength in enumerate(strengths)
            for row, (picture, other) in enumerate(zip(pictures, others, strict=True))
        ]
    )


def neighbours_by_colour(pictures: np.ndarray) -> np.ndarray:
    """int64 (N, K): of each picture the K = 3 * ALIKE most similar in colours, with itself."""
    small = np.stack([thumbnail(picture, COLOURS) for picture in pictures])
    rows = small.reshape(len(small), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) + 1e-3
    k = min(3 * ALIKE, len(rows))
    nearest = [
        np.argpartition(-(block @ rows.T), k - 1, axis=1)[:, :k]
        for block in np.array_split(rows, -(-len(rows) // 1_024))
    ]
    return np.concatenate(nearest)


def chosen_rows(alike: np.ndarray, size: int, chance: np.random.Generator) -> np.ndarray:
    """`size` different rows: half of them in groups of ALIKE similar pictures, the rest random.

    Random pictures are easily told apart: a batch of them lacks the pairs that a search confuses.
    """
    order = chance.permutation(len(alike))
    groups = [chance.permuted(alike[place])[:ALIKE] for place in order[: size // (2 * ALIKE)]]
    every = np.concatenate([*groups, order])
    _, first = np.unique(every, return_index=True)
    return every[np.sort(first)][:size]


def contrast(network: Network, views: np.ndarray) -> Tensor:
    """The loss of a batch of first, then second copies (2 * B, SIDE, SIDE, 3)."""
    images = torch.from_numpy(views).permute(0, 3, 1, 2)
    kind = dtype("auto")
    with torch.autocast("cpu", kind, enabled=kind is not torch.float32):
        first, second = network(images).float().chunk(2)
    similar = first @ second.T
    same = torch.arange(len(first))
    logits = similar / TEMPERATURE
    matched = (F.cross_entropy(logits, same) + F.cross_entropy(logits.T, same)) / 2
    return matched + APART * crowded(first, second)


def crowded(first: Tensor, second: Tensor) -> Tensor:
    """Minus the mean logarithm of each embedding's distance to the nearest of another picture.

    (B, D) each, of length 1: copies of the same pictures. SSCD, section 4.2 (Sablayrolles et al.
    2019).
    """
    both = torch.cat([first, second])
    picture = torch.arange(len(first)).repeat(2)
    similar = both @ both.T - 4.0 * (picture[:, None] == picture)
    nearest = similar.max(dim=1).values.clamp(max=1.0)
    return -torch.log((2 - 2 * nearest).clamp(min=LEAST_DISTANCE**2)).mean() / 2


def calibrated(detector: Detector, kept_out: np.ndarray, seed: int) -> dict[str, float]:
    """The least score at each of RATES, measured on copies of pictures kept out of training.

    Pairs within MOST_BITS of pHash are left out: they may be real near duplicates.
    """
    if len(kept_out) < 2:
        return {}
    small = np.stack([thumbnail(picture) for picture in kept_out])
    detector = detector.beside(small)
    views = views_of(kept_out, (1.0,), (seed, VIEWS))
    hashes = np.array([phash(picture) for picture in small], np.int64)
    differ = bits_between(hashes, hashes) > MOST_BITS
    compared, scores = detector.compared(detector.embed(small)).T, Greatest()
    for seen in (small, views):
        sought = (detector.sought(view) for view in detector.embed_views(seen))
        scores.add(np.max([view @ compared for view in sought], axis=0)[differ])
    if not scores.n:
        return {}
    return {f"{rate:g}": round(above_rate(scores, rate).value, 4) for rate in RATES}
