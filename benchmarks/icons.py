"""Icons of makers never seen: the trainer beside open_clip on the same batches, and pixels.

    python -m benchmarks.icons [--quick]

The tiny ResNet with the mean of the words learns Material Design's and Phosphor's icons by their
names in 400 steps, with augmentation, and 3% of the pairs held out: the weights of the best epoch
by them are asked. It is asked about Ionicons and Carbon, icons whose name the training packs have,
too: zero-shot, by the bare names, among the pack's such names. open_clip has no mean of the words:
it learns the same batches with the tiny ResNet and a transformer, from the trainer's first weights
and at its rates, by its own loss and torch's AdamW; its best epoch counts, too.
Beside them ours learns batches twice as large, so twice the epochs in as many steps.
Nearest by pixels is the closest training picture among those of the names asked about, by the
better of two distances. Three seeds. What has been trained is kept, so a benchmark that was
killed goes on. `--quick` trains for a few steps: its figures mean nothing. `make peers` installs
open_clip.
"""

import io
import json
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.emoji_answers import correlations, distances
from benchmarks.harness import Row, arguments, cache, show
from benchmarks.icons_data import ASKED, TRAINED_ON, Icons, known, load
from queries.tables.parts import digest, write_json
from tests import peers
from trainer.data.prefetch import prefetched
from trainer.evaluation.features import text_embeddings
from trainer.evaluation.intervals import wilson
from trainer.model import CLIP
from trainer.model.checkpoint import Checkpoint, State
from trainer.model.checkpoint import load as load_checkpoint
from trainer.model.export import open_clip_config
from trainer.run_folder import RunFolder
from trainer.settings import TrainSettings, read
from trainer.training.distributed import Group
from trainer.training.optim import learning_rate
from trainer.training.run import batches_of, train
from trainer.training.start import Habits, Run, start

STEPS, EPOCHS, SEEDS = 400, 10, (0, 1, 2)
QUICK_STEPS, QUICK_EPOCHS = 6, 2
VAL = 0.03
MODEL, PEERS_MODEL = "tiny-rn-cbow", "tiny-rn"
# What differs from the model's own, beside epochs and batch. Chosen on the training packs alone.
RECIPE = {"margin": 0.0, "affine": 1.0, "strokes": 0.8}
BATCH = 256  # pictures embedded at a time
OURS, PEER, DOUBLE = "ours", "open_clip", "ours_double"
VERSION = 2  # raise it when a change of code changes results
Rates = dict[str, float]  # by pack: the share of right answers


def settings(seed: int, n: int, quick: bool, double: bool = False) -> TrainSettings:
    """Those of a run of STEPS steps on n pairs; `double`: in as many steps twice the epochs."""
    steps, epochs = (QUICK_STEPS, QUICK_EPOCHS) if quick else (STEPS, EPOCHS)
    epochs *= 1 + double
    batch = 32 * (1 + double) if quick else -(-n * epochs // steps)
    recipe = {**RECIPE, "epochs": epochs, "batch": batch}
    return read(None, {"": {"model": MODEL, "seed": seed, "val": VAL}, "recipe": recipe})


def write_tar(icons: Icons, path: Path) -> None:
    """A WebDataset of the drawings, each with its name as the caption."""
    with tarfile.open(path, "w") as tar:
        for at, (name, picture) in enumerate(zip(icons.names, icons.pictures, strict=True)):
            png = cv2.imencode(".png", picture[..., ::-1])[1].tobytes()
            for suffix, data in (("png", png), ("txt", str(name).encode())):
                member = tarfile.TarInfo(f"{at:06d}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


# --- who learns -----------------------------------------------------------------------------
def ours(data: Path, folder: Path, chosen: TrainSettings) -> Checkpoint:
    """The best epoch of a run of the trainer."""
    train(str(data), RunFolder(folder), chosen, anew=True)
    return load_checkpoint(RunFolder(folder, best=True))


def theirs(data: Path, folder: Path, chosen: TrainSettings) -> Checkpoint:
    """The best epoch of open_clip's model, in ours: the weights have the same names."""
    folder.mkdir(parents=True, exist_ok=True)
    begun = (Habits(), Group(), torch.device("cpu"), True)
    chosen = replace(chosen, model=PEERS_MODEL)
    run, progress = start(str(data), RunFolder(folder), chosen, *begun)
    model, open_clip = run.stepper.model, peers.open_clip()
    peer = open_clip.CLIP(**open_clip_config(model.config)).train()
    peer.load_state_dict(model.state_dict())
    step_of = peer_step(run, peer, open_clip.ClipLoss())
    best, lowest = model.state_dict(), float("inf")
    with closing(prefetched(batches_of(run, 0))) as batches:
        for step, (batch, inputs) in enumerate(batches):
            lr = learning_rate(chosen.recipe, progress.steps_planned, step / progress.steps_planned)
            step_of(inputs.images, inputs.tokens, lr)
            batch.release()
            if (step + 1) % run.loader.steps_per_epoch == 0:
                model.load_state_dict(peer.state_dict())
                assert run.held_out
                loss = run.held_out.measure(model)["loss"]
                if loss < lowest:
                    lowest, best = loss, {k: v.clone() for k, v in peer.state_dict().items()}
    model.load_state_dict(best)
    return Checkpoint(model.eval(), run.loader.tokenizer, State(model.config, {}, 0, "", ""))


def peer_step(
    run: Run, peer: torch.nn.Module, loss_of: torch.nn.Module
) -> Callable[[np.ndarray, np.ndarray, float], None]:
    """A step of open_clip's own training loop, in the run's precision."""
    model, kind, recipe = run.stepper.model, run.stepper.kind, run.settings.recipe
    groups = [
        {"params": [p for p in peer.parameters() if p.ndim >= 2]},
        {"params": [p for p in peer.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    given = {"betas": (0.9, recipe.beta2), "eps": recipe.eps, "weight_decay": recipe.weight_decay}
    optimizer = torch.optim.AdamW(groups, recipe.lr, **given)  # type: ignore[arg-type]
    context = run.loader.context

    def step(images: np.ndarray, tokens: np.ndarray, lr: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = lr
        pixels = (torch.from_numpy(images).float() - model.mean) / model.std
        padded = torch.from_numpy(np.pad(tokens, [(0, 0), (0, context - tokens.shape[1])]))
        optimizer.zero_grad()
        with torch.autocast("cpu", kind, enabled=kind != torch.float32):
            loss = loss_of(*peer(pixels, padded))
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            peer.logit_scale.clamp_(0, 4.6052)

    return step


LEARNERS = {OURS: ours, PEER: theirs, DOUBLE: ours}


# --- what they know -------------------------------------------------------------------------
def right(checkpoint: Checkpoint, asked: Icons) -> float:
    """Zero-shot by names, among the names of the drawings: the share of right answers."""
    names, labels = np.unique(asked.names, return_inverse=True)
    weights = text_embeddings(checkpoint, [[str(name)] for name in names])
    cosines = embedded(checkpoint.model, asked.pictures) @ weights.T
    return float((cosines.argmax(dim=1).numpy() == labels).mean())


@torch.inference_mode()
def embedded(model: CLIP, pictures: np.ndarray) -> torch.Tensor:
    """uint8 (N, S, S, 3) -> (N, embed) of length 1."""
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    return F.normalize(
        torch.cat([model.encode_image(some) for some in images.split(BATCH)]), dim=-1
    )


def nearest(asked: Icons, trained: Icons) -> float:
    """The share of right names of the nearest training pictures by pixels, by the better way."""
    bank = trained.named(asked.names)
    rates = [
        (bank.names[way(asked.pictures, bank.pictures).argmin(axis=1)] == asked.names).mean()
        for way in (distances, correlations)
    ]
    return float(max(rates))


# --- the comparison -------------------------------------------------------------------------
def kept(who: str, seed: int, trained: Icons, asked: list[Icons], quick: bool) -> Rates:
    """The rates of a learner by pack: read, or trained for and written."""
    chosen = settings(seed, round(len(trained) * (1 - VAL)), quick, who == DOUBLE)
    made_of = (VERSION, who, asdict(chosen), [len(one) for one in (trained, *asked)])
    path = cache() / "icons" / f"{who}-{seed}-{digest(*made_of)}.json"
    if not path.is_file():
        data, folder = path.with_suffix(".tar"), path.with_suffix("")
        data.parent.mkdir(parents=True, exist_ok=True)
        write_tar(trained, data)
        checkpoint = LEARNERS[who](data, folder, chosen)
        write_json(path, {str(one.packs[0]): right(checkpoint, one) for one in asked})
        data.unlink()
    rates: Rates = json.loads(path.read_text())
    print(f"{who}, seed {seed}: {rates}", file=sys.stderr)
    return rates


def main() -> None:
    quick = arguments("benchmarks.icons", (__doc__ or "").splitlines()[0]).quick
    icons = load(cache())
    trained = icons.of(*TRAINED_ON)
    asked = [known(icons.of(pack), trained) for pack in ASKED]
    rows, notes = [], {}
    found = {
        who: [kept(who, seed, trained, asked, quick) for seed in (SEEDS[:1] if quick else SEEDS)]
        for who in LEARNERS
    }
    for pack, one in zip(ASKED, asked, strict=True):
        what = f"{pack}: {len(one):,} icons of {len(np.unique(one.names)):,} names"
        right_of = {who: [100 * rates[pack] for rates in found[who]] for who in LEARNERS}
        pixels = "nearest by pixels", [100 * nearest(one, trained)]
        rows.append(Row(what, "top-1 %", right_of[OURS], PEER, right_of[PEER]))
        rows.append(Row(what, "top-1 %", right_of[OURS], *pixels))
        rows.append(Row(f"{what}, twice the batch", "top-1 %", right_of[DOUBLE], *pixels))
        for who, rates in right_of.items():
            interval = wilson(np.mean(rates) / 100 * len(one), len(one))
            notes[f"interval_95_{who}_{pack}"] = [round(100 * end, 1) for end in interval]
        notes[f"chance_{pack}"] = round(100 / len(np.unique(one.names)), 2)
    show("Icons of makers never seen", rows, **notes, trained_on=len(trained), **RECIPE)


if __name__ == "__main__":
    main()
