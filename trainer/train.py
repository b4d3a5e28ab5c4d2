"""Train a CLIP model on a build: `train(build, run, settings)` is the whole of it.

May import torch, queries and trainer. Source: CLIP, section 2.5.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from queries.build import manifest
from queries.parts import write_json
from trainer import checkpoint, tokenizer
from trainer.data import Batch, Loader, Samples, order, prefetched, read_samples
from trainer.losses import contrastive
from trainer.model import CLIP, build
from trainer.optim import Clock, adamw, dtype, learning_rate
from trainer.settings import RunFolder, TrainerError, TrainSettings, config

LOG_EVERY = 10  # steps
TOKENIZER_CAPTIONS = 1_000_000  # more hardly change the merges
SHOWN = ("loss", "images_per_s", "temperature")  # of a log line, beside the bar
RESULTS = ("run.json", "checkpoint.safetensors", "zeroshot.json", "overlap.json", "train.jsonl")
RESULT_TABLES = ("overlap", "neighbour")


@dataclass
class Progress:
    """What a run has done so far."""

    steps_planned: int
    steps: int = 0
    images: int = 0
    loss: float = float("nan")  # of the last step
    ended_by: str = "epochs"  # or seconds


def train(build_path: Path, run: RunFolder, settings: TrainSettings) -> dict:
    """Train from the seed to the last epoch or second; the run's record, as in run.json.

    Two runs with equal settings, build, torch and number of threads give equal weights, as long
    as the bound in seconds does not end them.
    """
    clock = Clock(settings.max_seconds)
    torch.manual_seed(settings.seed)
    version = manifest(build_path)["version"]
    vision, recipe = config(settings.model).vision, settings.recipe
    samples = read_samples(build_path, round(vision.pixels * (1 + recipe.margin)))
    clear(run)
    words = learn_tokenizer(samples, settings)
    words.save(run.tokenizer)
    model = build(settings.model).channels_last()
    context = model.config.text.context
    loader = Loader(samples, words, context, vision.pixels, recipe.batch, settings.seed)
    done = run_steps(model, loader, settings, clock, run)
    checkpoint.save(run, model.eval(), settings, done.steps, version)
    record = {
        "build": str(build_path.resolve()),
        "build_version": version,
        "settings": asdict(settings),
        "precision": str(dtype(settings.precision)).removeprefix("torch."),
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokenizer": words.record | {"size": len(words), "digest": words.digest()},
        "samples": len(samples),
        "corrupt": dict(sorted(samples.corrupt.items())),
        "temperature": temperature(model),
        "seconds": round(clock.seconds(), 2),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    } | asdict(done)
    write_json(run.done, record)
    return record


def clear(run: RunFolder) -> None:
    """Remove what an earlier model left in the run's folder: its results are not the new one's."""
    run.root.mkdir(parents=True, exist_ok=True)
    for name in RESULTS:  # run.json first: from then on the run counts as unfinished
        (run.root / name).unlink(missing_ok=True)
    for name in RESULT_TABLES:
        shutil.rmtree(run.root / "tables" / name, ignore_errors=True)


def learn_tokenizer(samples: Samples, settings: TrainSettings) -> tokenizer.Tokenizer:
    """From the build's captions, or from the first million of them in the order of the seed."""
    rows = order(samples.rows["pair_id"].to_numpy(), settings.seed, 0)[:TOKENIZER_CAPTIONS]
    captions = samples.rows["caption"].take(rows).to_pylist()
    vocabulary = config(settings.model).text.vocabulary
    record = {"seed": settings.seed, "captions": len(captions), "size_asked": vocabulary}
    return tokenizer.train(captions, vocabulary, record)


def run_steps(
    model: CLIP, loader: Loader, settings: TrainSettings, clock: Clock, run: RunFolder
) -> Progress:
    """Run all epochs, or as much of them as time allows; log every LOG_EVERY steps."""
    recipe, kind = settings.recipe, dtype(settings.precision)
    optimizer = adamw(model, recipe)
    done = Progress(recipe.epochs * loader.steps_per_epoch)
    bar = tqdm(total=done.steps_planned, unit="step", disable=None, leave=False, file=sys.stderr)
    model.train()
    with bar, run.log.open("w") as log, closing(prefetched(_epochs(loader, recipe.epochs))) as all_:
        for batch in all_:
            progress = clock.progress(done.steps, done.steps_planned)
            if progress >= 1:
                done.ended_by = "seconds"
                break
            lr = learning_rate(recipe, done.steps_planned, progress)
            done.loss = train_step(model, optimizer, batch, lr, kind)
            done.steps += 1
            done.images += len(batch.images)
            bar.update()
            if done.steps % LOG_EVERY == 0 or done.steps == done.steps_planned:
                line = log_line(model, done, lr, clock)
                log.write(json.dumps(line) + "\n")
                log.flush()
                bar.set_postfix({name: line[name] for name in SHOWN})
    if done.steps == 0:
        raise TrainerError("no step was done: the time was too short, or every picture is corrupt")
    return done


def _epochs(loader: Loader, epochs: int) -> Iterator[Batch]:
    for epoch in range(epochs):
        yield from loader.epoch(epoch)


def train_step(
    model: CLIP, optimizer: torch.optim.Optimizer, batch: Batch, lr: float, kind: torch.dtype
) -> float:
    """One step at one learning rate; the loss before it. Weights stay float32."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    images, tokens = torch.from_numpy(batch.images), torch.from_numpy(batch.tokens)
    with torch.autocast("cpu", kind, enabled=kind != torch.float32):
        image, text, scale = model(images, tokens)
    loss = contrastive(image, text, scale)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    model.clamp_scale()
    return loss.item()


def log_line(model: CLIP, done: Progress, lr: float, clock: Clock) -> dict:
    """What a line of train.jsonl says."""
    seconds = clock.seconds()
    return {
        "step": done.steps,
        "loss": round(done.loss, 4),
        "lr": round(lr, 8),
        "temperature": round(temperature(model), 4),
        "images_per_s": round(done.images / seconds),
        "seconds": round(seconds, 2),
    }


def temperature(model: CLIP) -> float:
    """1 / scale: .07 at the start, at least .01."""
    return model.logit_scale.neg().exp().item()
