"""Train a CLIP model on a build: `train(build, run, settings)` is the whole of it.

Source: CLIP, section 2.5. Every batch is a hash of seed, epoch and pair_id, so a run that was
killed goes on from its last save as if it had not been; under `torchrun` each process takes its
part of every batch, and the first one writes the files.
"""

import errno
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from queries.tables.errors import first_line
from queries.tables.parts import write_json
from trainer.data.loader import Batch, mixed
from trainer.data.prefetch import prefetched
from trainer.data.reading import Data, data_sets
from trainer.model import checkpoint
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError, TrainSettings, checked
from trainer.training import saves
from trainer.training.augment import augmented_batch
from trainer.training.claim import locked
from trainer.training.distributed import process_group
from trainer.training.log import Log, Progress, Tally
from trainer.training.optim import learning_rate
from trainer.training.pieces import Inputs
from trainer.training.slip import views
from trainer.training.start import Habits, Run, start
from trainer.training.stop import StoppedError, signals_heeded

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
MOST_NAMED = 1_000  # samples that lack something, in the record
LEAST_STEPS = 3  # whatever the bound in seconds: a busy machine still ends with a model


def train(
    data: Data,
    folder: RunFolder,
    settings: TrainSettings,
    habits: Habits | None = None,
    anew: bool = False,
) -> dict:
    """Train on builds or WebDatasets from the seed, or from the newest save of a killed run.

    Return the record of run.json.

    Two runs with equal settings, build, torch and number of threads give equal weights, unless
    `max_seconds` ends them. Processes other than the first return {}. Raises TrainerError, also for
    a folder that holds the work of another run: with `anew` that is deleted. Raises StoppedError
    after SIGTERM or SIGINT, when the run is saved.
    """
    settings = checked(asdict(settings))
    with ExitStack() as open_:
        open_.enter_context(room_needed(folder))
        group, device = open_.enter_context(process_group())
        if group.first:
            open_.enter_context(locked(folder))
        run, done = start(data, folder, settings, habits or Habits(), group, device, anew)
        run_steps(run, done)
        gather_corrupt(run)
        record = finish(data, run, done) if group.first else {}
        group.wait()
    return record


@contextmanager
def room_needed(folder: RunFolder) -> Iterator[None]:
    """Raise TrainerError where a disk has no room for a file, or does not take it."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise TrainerError(f"{folder.root}: cannot be written: {first_line(error)}") from None


def run_steps(run: Run, done: Progress) -> None:
    """Run all epochs, or end when `max_seconds` have passed, but not before LEAST_STEPS."""
    stepper, group = run.stepper, run.stepper.group
    device = stepper.model.logit_scale.device
    saved = time.monotonic()
    with ExitStack() as open_:
        stop = open_.enter_context(signals_heeded())
        log = open_.enter_context(closing(open_log(run, done))) if group.first else None
        tally = Tally(done, device)
        batches = prefetched(batches_of(run, done.batches), inputs_bytes(run))
        open_.enter_context(closing(batches))
        while done.batches < done.steps_planned:
            progress = run.clock.progress(done.steps, done.steps_planned)
            if run.settings.max_seconds:
                progress = group.broadcast(progress)
            if progress >= 1 and done.steps >= LEAST_STEPS:
                done.ended_by = "seconds"
                break
            batch, inputs = next(batches)
            due = group.first and time.monotonic() - saved >= run.habits.save_seconds
            own = [len(inputs.images), int(due), stop.signal]
            rows, dues, signals = zip(*group.numbers(own), strict=True)
            n_images, signal = sum(rows), max(signals)
            if signal:
                tally.settle(done)
                save(run, done)
                raise StoppedError(signal, done.steps)
            done.batches += 1
            if n_images >= 2:  # fewer, where samples are corrupt, cannot be contrasted
                lr = learning_rate(run.settings.recipe, done.steps_planned, progress)
                tally.add(stepper.step(inputs, lr, rows), done)
                done.images += n_images
                if log:
                    log.step(done, tally, lr, stepper.model, batch.keys, batches.waited_s)
            batch.release()
            end_epoch(run, done, tally)
            if run.settings.patience and done.stale >= run.settings.patience:
                done.ended_by = "patience"
                break
            if any(dues):
                tally.settle(done)
                save(run, done)
                saved = time.monotonic()
        tally.settle(done)
        if run.held_out and done.epoch_steps and done.steps:  # in the middle of an epoch
            keep_best(run, done, measure(run, done))
    if done.steps == 0:
        raise TrainerError("no step was done: every picture is corrupt")


def open_log(run: Run, done: Progress) -> Log:
    charts = run.folder.root / "tensorboard" if run.habits.tensorboard else None
    return Log(run.folder.log, charts, run.habits.log_every, run.clock, done)


def batches_of(run: Run, first: int) -> Iterator[tuple[Batch, Inputs]]:
    """Each batch and the inputs made of it, from batch `first` of the run on."""
    begin, step = divmod(first, run.loader.steps_per_epoch)
    n_views = run.stepper.objective.views
    for epoch in range(begin, run.settings.recipe.epochs):
        for batch in run.loader.epoch(epoch, step):
            numbers = (np.uint64(n) for n in range(1, n_views + 1))
            drawn = [views(batch.images, mixed(batch.draws + n)) for n in numbers]
            images = augmented_batch(batch.images, batch.draws, run.settings.recipe)
            inputs = Inputs(images, batch.tokens, tuple(drawn))
            if on_gpu(run):  # copied here, beside the steps; they copy from it without waiting
                inputs = inputs.pinned()
                batch.release()
            yield batch, inputs
        step = 0


def inputs_bytes(run: Run) -> int:
    """Of the pictures of a batch, in the host's memory. CUDA takes powers of two of it."""
    n_bytes = run.loader.batch_bytes
    if on_gpu(run):
        n_bytes = 1 << (n_bytes - 1).bit_length()
    return n_bytes * (1 + run.stepper.objective.views)


def on_gpu(run: Run) -> bool:
    return run.stepper.model.logit_scale.is_cuda


def end_epoch(run: Run, done: Progress, tally: Tally) -> None:
    """After the last batch of an epoch: keep its weights if its loss is the lowest, that of the
    pairs held out or, without them, the mean of its steps."""
    if not done.batches % run.loader.steps_per_epoch and done.epoch_steps:
        mean = tally.end_epoch(done)
        keep_best(run, done, measure(run, done) if run.held_out else mean)
        epoch, every = done.batches // run.loader.steps_per_epoch, run.habits.keep_every
        if every and not epoch % every and run.stepper.group.first:
            keep_weights(run, done, run.folder.of_epoch(epoch))


def keep_best(run: Run, done: Progress, loss: float) -> None:
    """Keep the weights if the loss is the lowest."""
    done.stale += 1
    if done.best_loss is None or loss < done.best_loss:
        done.best_loss, done.stale = loss, 0
        if run.stepper.group.first:
            keep_weights(run, done, run.folder.best)


def measure(run: Run, done: Progress) -> float:
    """The loss of the pairs held out, which the first process measures; a line of val.jsonl."""
    group, model = run.stepper.group, run.stepper.model
    if group.first and run.held_out:
        done.held_out = run.held_out.measure(model)
        with run.folder.val_log.open("a") as file:
            file.write(json.dumps({"step": done.steps, **done.held_out}) + "\n")
    return group.broadcast(done.held_out.get("loss", 0.0))


def keep_weights(run: Run, done: Progress, path: Path) -> None:
    """Write the model alone, without the optimiser's moments."""
    samples, model = run.loader.samples, run.stepper.model
    digests = [digest for _, digest in samples.named]
    about = (done.steps, samples.version, samples.digest, path, digests)
    bias = getattr(run.stepper.objective, checkpoint.LOGIT_BIAS, None)
    checkpoint.save(run.folder, model, run.settings, *about, logit_bias=bias)


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
        "build_digest": run.loader.samples.digest,
        "data_digests": [digest for _, digest in run.loader.samples.named],
        "scores_sha256": run.settings.scores_digest(),
        **run.of_init,
        "tokenizer": run.loader.tokenizer.digest(),
        "corrupt": dict(run.loader.samples.corrupt),
        "scaler": None if scaler is None else scaler.state_dict(),
        "seconds": run.clock.seconds(),
        "cpu_seconds": run.clock.cpu_seconds(),
        "decoded": run.loader.samples.n_decoded,
    }
    saves.write(run.folder, run.modules, run.stepper.optimizer, state)


def gather_corrupt(run: Run) -> None:
    """Every process learns which pictures the others found corrupt."""
    for corrupt in run.stepper.group.gather_objects(run.loader.samples.corrupt):
        run.loader.samples.corrupt.update(corrupt)


def corrupt_held_out(run: Run) -> dict[str, str]:
    return run.held_out.samples.corrupt if run.held_out else {}


def finish(data: Data, run: Run, done: Progress) -> dict:
    """Write the weights, then run.json: its presence means that the run is finished."""
    model, words = run.stepper.model, run.loader.tokenizer
    keep_weights(run, done, run.folder.checkpoint)
    samples, paths = run.loader.samples, data_sets(data)
    record = {
        "build": ", ".join(_resolved(str(path)) for path in paths),
        "build_version": samples.version,
        "data_versions": [version for version, _ in samples.named],
        "scores_sha256": run.settings.scores_digest(),
        **run.of_init,
        "settings": asdict(run.settings),
        "precision": str(run.stepper.kind).removeprefix("torch."),
        "parameters": sum(p.numel() for p in model.parameters()),
        "tokenizer": words.record | {"size": len(words), "digest": words.digest()},
        "samples": len(samples),
        "corrupt": dict(sorted((samples.corrupt | corrupt_held_out(run)).items())),
        "n_missing": len(samples.missing),
        "missing": dict(list(samples.missing.items())[:MOST_NAMED]),
        "temperature": model.temperature(),
        "seconds": round(run.clock.seconds(), 2),
        "cpu_seconds": round(run.clock.cpu_seconds(), 2),  # of this process
        "decoded": samples.n_decoded,  # pictures, by this process
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processes": run.stepper.group.world,
    } | asdict(done)
    write_json(run.folder.done, record)
    run.folder.last.unlink(missing_ok=True)
    run.folder.previous.unlink(missing_ok=True)
    return record


def _resolved(path: str) -> str:
    return path if "://" in path else str(Path(path).resolve())
