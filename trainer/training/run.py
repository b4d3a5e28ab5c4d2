"""Train a CLIP model on a build: `train(build, run, settings)` is the whole of it.

Source: CLIP, section 2.5. Every batch is a hash of seed, epoch and pair_id, so a run that was
killed goes on from its last save as if it had not been; under `torchrun` each process takes its
part of every batch, and the first one writes the files.
"""

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from queries.tables.contracts import manifest_digest
from queries.tables.errors import first_line
from queries.tables.manifest import manifest
from queries.tables.parts import write_json, written_whole
from trainer.data import negatives
from trainer.data.loader import Batch, Loader, draws, mixed, order
from trainer.data.prefetch import prefetched
from trainer.data.samples import Samples, read_samples
from trainer.model import CLIP, build, checkpoint, tokenizer
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError, TrainSettings, checked, config
from trainer.training import saves
from trainer.training.claim import claimed, locked
from trainer.training.distributed import Group, process_group, share_batch_statistics
from trainer.training.log import Log, Progress
from trainer.training.losses import Objective
from trainer.training.optim import Clock, adamw, dtype, learning_rate
from trainer.training.saves import Save
from trainer.training.slip import views
from trainer.training.step import Inputs, Stepper, prepare
from trainer.training.stop import StoppedError, signals_heeded

TOKENIZER_CAPTIONS = 1_000_000  # more hardly change the merges


@dataclass(frozen=True)
class Habits:
    """How often a run saves and reports; no field changes a weight."""

    save_seconds: float = 300.0  # between saves: a kill loses at most this much work
    log_every: int = 10  # steps
    tensorboard: bool = False


@dataclass(frozen=True)
class Run:
    """Everything that the steps of a run need."""

    folder: RunFolder
    settings: TrainSettings
    habits: Habits
    version: str  # of the build
    build_digest: str
    loader: Loader
    stepper: Stepper
    clock: Clock

    @property
    def modules(self) -> nn.ModuleDict:
        return nn.ModuleDict({"model": self.stepper.model, "objective": self.stepper.objective})


def train(
    build_path: Path,
    folder: RunFolder,
    settings: TrainSettings,
    habits: Habits | None = None,
    anew: bool = False,
) -> dict:
    """Train from the seed, or from the newest save of a killed run; return the record of run.json.

    Two runs with equal settings, build, torch and number of threads give equal weights, unless
    `max_seconds` ends them. Processes other than the first return {}. Raises TrainerError, also for
    a folder that holds the work of another run: with `anew` that is deleted. Raises StoppedError
    after SIGTERM or SIGINT, when the run is saved.
    """
    settings = checked(asdict(settings))
    with ExitStack() as open_:
        group, device = open_.enter_context(process_group())
        if group.first:
            open_.enter_context(locked(folder))
        run, done = start(build_path, folder, settings, habits or Habits(), group, device, anew)
        run_steps(run, done)
        gather_corrupt(run)
        record = finish(build_path, run, done) if group.first else {}
        group.wait()
    return record


def start(
    build_path: Path,
    folder: RunFolder,
    settings: TrainSettings,
    habits: Habits,
    group: Group,
    device: torch.device,
    anew: bool,
) -> tuple[Run, Progress]:
    """Read the build, make the model, and restore the newest save of a killed run, if any."""
    clock = Clock(settings.max_seconds)
    vision, recipe = config(settings.model).vision, settings.recipe
    if recipe.batch % group.world:
        raise TrainerError(f"batch {recipe.batch}: expected a multiple of {group.world} processes")
    build_digest = manifest_digest(build_path)
    side = round(vision.pixels * (1 + recipe.margin))
    scores = None if settings.scores is None else Path(settings.scores)
    if scores and scores.resolve().is_relative_to(folder.root.resolve()):
        raise TrainerError(f"scores {scores}: of the run that is to be trained, expected another's")
    samples = read_samples(build_path, side, settings.where, scores)
    version = manifest(build_path)["version"]
    expected = {
        "settings": asdict(settings),
        "build_version": version,
        "build_digest": build_digest,
        "scores_sha256": settings.scores_digest(),
    }
    save = make_folder(folder, samples, settings, expected, anew) if group.first else None
    save = group.gather_objects(save)[0]  # also waits for the tokenizer
    words = tokenizer.load(folder.tokenizer)
    loader = Loader(
        samples,
        words,
        config(settings.model).text.context,
        vision.pixels,
        recipe.batch // group.world,
        settings.seed,
        group.rank,
        group.world,
        **arrangement(build_path, samples, settings),
    )
    stepper = make_stepper(settings, group, device)
    done = Progress(recipe.epochs * loader.steps_per_epoch)
    run = Run(folder, settings, habits, version, build_digest, loader, stepper, clock)
    return (run, done) if save is None else restored(run, save)


def restored(run: Run, save: Save) -> tuple[Run, Progress]:
    """The run as it was when it was saved. Raises TrainerError for a save of another form."""
    state, scaler = save.state, run.stepper.scaler
    try:
        saves.restore(save.path, run.modules, run.stepper.optimizer)
        done = Progress(**state["progress"])
        run.loader.samples.corrupt.update(state["corrupt"])
        if scaler is not None:
            scaler.load_state_dict(state["scaler"])
        return replace(run, clock=replace(run.clock, before=float(state["seconds"]))), done
    except checkpoint.DAMAGE as error:
        raise TrainerError(
            f"{save.path}: expected a save of this version ({first_line(error):.200}); "
            "delete it to begin again"
        ) from None


def make_folder(
    folder: RunFolder, samples: Samples, settings: TrainSettings, expected: dict, anew: bool
) -> Save | None:
    """The save to go on from; None in a folder with a tokenizer and settings alone."""
    save = claimed(folder, expected, anew)
    if save is None:
        learn_tokenizer(samples, settings).save(folder.tokenizer)
        with written_whole(folder.settings) as beside:
            beside.write_text(settings.toml())
    return save


def learn_tokenizer(samples: Samples, settings: TrainSettings) -> tokenizer.Tokenizer:
    """Read the merges file, or learn merges from the first million captions in the seed's order."""
    if settings.merges:
        return tokenizer.read_merges(Path(settings.merges), config(settings.model).text.vocabulary)
    rows = order(samples.rows["pair_id"].to_numpy(), settings.seed, 0)[:TOKENIZER_CAPTIONS]
    captions = samples.rows["caption"].take(rows).to_pylist()
    vocabulary = config(settings.model).text.vocabulary
    record = {"seed": settings.seed, "captions": len(captions), "size_asked": vocabulary}
    return tokenizer.train(captions, vocabulary, record)


def arrangement(build_path: Path, samples: Samples, settings: TrainSettings) -> dict[str, Any]:
    """The loader's argument `ordered` if there are hard negatives; otherwise nothing."""
    together = settings.recipe.hard_negatives
    if not together:
        return {}
    pair_ids = samples.rows["pair_id"].to_numpy()
    matches = negatives.read_matches(build_path, pair_ids)
    query = negatives.rarest_query(len(pair_ids), *matches)
    return {
        "ordered": partial(negatives.order, pair_ids, query, seed=settings.seed, together=together)
    }


def make_stepper(settings: TrainSettings, group: Group, device: torch.device) -> Stepper:
    """The model with weights from the seed, equal in every process, and its optimiser."""
    torch.manual_seed(settings.seed)
    model = build(settings.model)
    both = nn.ModuleDict({"model": model, "objective": Objective(model, settings.recipe)})
    if group.world > 1:
        share_batch_statistics(both)
    both.to(device).train()
    model.channels_last()
    prepare(model, settings.means)
    optimizer = adamw(both, settings.recipe)
    kind = dtype(settings.precision, device.type)
    scaler = torch.amp.GradScaler(device.type) if kind == torch.float16 else None
    objective = both["objective"]
    assert isinstance(objective, Objective)
    return Stepper(model, objective, optimizer, kind, settings.means, group, scaler)


def run_steps(run: Run, done: Progress) -> None:
    """Run all epochs, or end when `max_seconds` have passed."""
    stepper, group = run.stepper, run.stepper.group
    device = stepper.model.logit_scale.device
    saved = time.monotonic()
    with ExitStack() as open_:
        stop = open_.enter_context(signals_heeded())
        log = open_.enter_context(closing(open_log(run, done))) if group.first else None
        batches = open_.enter_context(closing(prefetched(batches_of(run, done.batches))))
        while done.batches < done.steps_planned:
            progress = run.clock.progress(done.steps, done.steps_planned)
            if run.settings.max_seconds:
                progress = group.broadcast(progress, device)
            if progress >= 1:
                done.ended_by = "seconds"
                break
            batch, inputs = next(batches)
            due = group.first and time.monotonic() - saved >= run.habits.save_seconds
            own = [len(inputs.images), int(due), stop.signal]
            columns = zip(*group.numbers(own, device), strict=True)
            n_images, n_due, signal = sum(next(columns)), sum(next(columns)), max(next(columns))
            if signal:
                save(run, done)
                raise StoppedError(signal, done.steps)
            done.batches += 1
            if n_images >= 2:  # fewer, where samples are corrupt, cannot be contrasted
                lr = learning_rate(run.settings.recipe, done.steps_planned, progress)
                take_step(stepper, inputs, lr, done)
                done.images += n_images
                if log:
                    log.step(done, lr, temperature(stepper.model), batch.keys, batches.waited_s)
            batch.release()
            if group.first:
                end_epoch(run, done)
            if n_due:
                save(run, done)
                saved = time.monotonic()
    if done.steps == 0:
        raise TrainerError("no step was done: the time was too short, or every picture is corrupt")


def open_log(run: Run, done: Progress) -> Log:
    charts = run.folder.root / "tensorboard" if run.habits.tensorboard else None
    return Log(run.folder.log, charts, run.habits.log_every, run.clock, done)


def batches_of(run: Run, first: int) -> Iterator[tuple[Batch, Inputs]]:
    """Each batch and the inputs made of it, from batch `first` of the run on."""
    begin, step = divmod(first, run.loader.steps_per_epoch)
    seed, n_views = run.settings.seed, run.stepper.objective.views
    for epoch in range(begin, run.settings.recipe.epochs):
        for batch in run.loader.epoch(epoch, step):
            pair_ids = np.array([int(key, 16) for key in batch.keys], np.int64)
            bits = draws(pair_ids, seed, epoch)
            drawn = [views(batch.images, mixed(bits + np.uint64(n))) for n in range(1, n_views + 1)]
            yield batch, Inputs(batch.images, batch.tokens, tuple(drawn))
        step = 0


def take_step(stepper: Stepper, inputs: Inputs, lr: float, done: Progress) -> None:
    """Take and count one step. Raises TrainerError where the loss is not finite."""
    done.loss = stepper.step(inputs, lr)
    done.steps += 1
    done.epoch_loss += done.loss
    done.epoch_steps += 1
    if not math.isfinite(done.loss):
        kept = "no epoch was finished, so no weights are kept"
        if done.best_loss is not None:
            kept = f"best.safetensors keeps the epoch of the mean loss {done.best_loss:.4f}"
        raise TrainerError(
            f"step {done.steps}: loss {done.loss}, expected a number; a lower lr may help; {kept}"
        )


def end_epoch(run: Run, done: Progress) -> None:
    """After the last batch of an epoch: keep its weights if its mean loss is the lowest."""
    if done.batches % run.loader.steps_per_epoch or not done.epoch_steps:
        return
    mean = done.epoch_loss / done.epoch_steps
    done.epoch_loss, done.epoch_steps = 0.0, 0
    if done.best_loss is None or mean < done.best_loss:
        done.best_loss = mean
        keep_weights(run, done, run.folder.best)


def keep_weights(run: Run, done: Progress, path: Path) -> None:
    """Write the model alone, without the optimiser's moments."""
    model, digest_ = run.stepper.model, run.build_digest
    checkpoint.save(run.folder, model, run.settings, done.steps, run.version, digest_, path)


def save(run: Run, done: Progress) -> None:
    """Save the run's whole state, so that a later process continues exactly: all processes call."""
    gather_corrupt(run)
    if not run.stepper.group.first:
        return
    scaler = run.stepper.scaler
    state = {
        "progress": asdict(done),
        "settings": asdict(run.settings),
        "toml": run.settings.toml(),
        "build_digest": run.build_digest,
        "scores_sha256": run.settings.scores_digest(),
        "tokenizer": run.loader.tokenizer.digest(),
        "corrupt": dict(run.loader.samples.corrupt),
        "scaler": None if scaler is None else scaler.state_dict(),
        "seconds": run.clock.seconds(),
    }
    saves.write(run.folder, run.modules, run.stepper.optimizer, state)


def gather_corrupt(run: Run) -> None:
    """Every process learns which pictures the others found corrupt."""
    for corrupt in run.stepper.group.gather_objects(run.loader.samples.corrupt):
        run.loader.samples.corrupt.update(corrupt)


def finish(build_path: Path, run: Run, done: Progress) -> dict:
    """Write the weights, then run.json: its presence means that the run is finished."""
    model, words = run.stepper.model, run.loader.tokenizer
    keep_weights(run, done, run.folder.checkpoint)
    record = {
        "build": str(build_path.resolve()),
        "build_version": run.version,
        "scores_sha256": run.settings.scores_digest(),
        "settings": asdict(run.settings),
        "precision": str(run.stepper.kind).removeprefix("torch."),
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokenizer": words.record | {"size": len(words), "digest": words.digest()},
        "samples": len(run.loader.samples),
        "corrupt": dict(sorted(run.loader.samples.corrupt.items())),
        "temperature": temperature(model),
        "seconds": round(run.clock.seconds(), 2),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processes": run.stepper.group.world,
    } | asdict(done)
    write_json(run.folder.done, record)
    run.folder.last.unlink(missing_ok=True)
    run.folder.previous.unlink(missing_ok=True)
    return record


def temperature(model: CLIP) -> float:
    """1 / scale: 0.07 at first, 0.01 at least (CLIP, section 2.5)."""
    return model.logit_scale.neg().exp().item()
