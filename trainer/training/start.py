"""The start of a run: the build read, the folder made ready, the model made or restored."""

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from queries.tables.errors import first_line
from queries.tables.parts import written_whole
from trainer.data import negatives
from trainer.data.loader import Loader, draws, shares
from trainer.data.reading import Data, data_sets, missing_line, read_samples
from trainer.data.samples import Samples
from trainer.model import CLIP, checkpoint, start_weights, tokenizer
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError, TrainSettings
from trainer.training import saves
from trainer.training.claim import claimed
from trainer.training.distributed import Group, share_batch_statistics
from trainer.training.heldout import HeldOut, held_out
from trainer.training.log import Progress
from trainer.training.losses import Objective
from trainer.training.optim import Clock, adamw, dtype, halve_text, set_arithmetic
from trainer.training.saves import Save
from trainer.training.step import Stepper, prepare

TOKENIZER_CAPTIONS = 1_000_000  # more hardly change the merges
CLIP_MERGES = "bpe_simple_vocab_16e6.txt.gz"
TOKENIZER_CHARACTERS = 1 << 27  # of these captions: a million of the usual length have 6e7


@dataclass(frozen=True)
class Habits:
    """How often a run saves and reports; no field changes a weight."""

    save_seconds: float = 300.0  # between saves: a kill loses at most this much work
    log_every: int = 10  # steps
    tensorboard: bool = False
    keep_every: int = 0  # epochs between weights that are kept, each in a file; 0: none are


@dataclass(frozen=True)
class Run:
    """Everything that the steps of a run need."""

    folder: RunFolder
    settings: TrainSettings
    habits: Habits
    loader: Loader
    stepper: Stepper
    clock: Clock
    held_out: HeldOut | None = None
    of_init: dict[str, str] = field(default_factory=dict)  # the digest of the first weights

    @property
    def modules(self) -> nn.ModuleDict:
        return nn.ModuleDict({"model": self.stepper.model, "objective": self.stepper.objective})


def start(
    data: Data,
    folder: RunFolder,
    settings: TrainSettings,
    habits: Habits,
    group: Group,
    device: torch.device,
    anew: bool,
) -> tuple[Run, Progress]:
    """Read the data, make the model, and restore the newest save of a killed run, if any."""
    clock = Clock(settings.max_seconds)
    vision, recipe = settings.config.vision, settings.recipe
    if recipe.batch % group.world:
        raise TrainerError(f"batch {recipe.batch}: expected a multiple of {group.world} processes")
    side = round(vision.pixels * (1 + recipe.margin))
    scores = None if settings.scores is None else Path(settings.scores)
    if scores and scores.resolve().is_relative_to(folder.root.resolve()):
        raise TrainerError(f"scores {scores}: of the run that is to be trained, expected another's")
    chosen = (settings.where, scores, settings.captions, settings.weights)
    samples = read_samples(data, side, *chosen)
    if group.first and samples.missing:
        print(missing_line(samples), file=sys.stderr)
    out = held_out(samples.pair_ids, settings.val)
    if settings.val and min(out.sum(), (~out).sum()) < 2:
        raise TrainerError(
            f"val {settings.val}: {out.sum()} of {len(out):,} pairs, expected at least 2 to hold "
            "out and 2 to train on"
        )
    apart = samples.chosen(out, vision.pixels)
    samples = samples.chosen(~out, side) if settings.val else samples
    of_init = {}
    if settings.init is not None:
        of_init["init_sha256"] = start_weights.digest(Path(settings.init))
    expected = {
        "settings": asdict(settings),
        "build_version": samples.version,
        "build_digest": samples.digest,
        "scores_sha256": settings.scores_digest(),
        **of_init,
    }
    save = make_folder(folder, samples, settings, expected, anew) if group.first else None
    save = group.gather_objects(save)[0]  # also waits for the tokenizer
    words = tokenizer.load(folder.tokenizer)
    loader = Loader(
        samples,
        words,
        settings.config.text.context,
        vision.pixels,
        recipe.batch // group.world,
        settings.seed,
        group.rank,
        group.world,
        **arrangement(data, samples, settings),
    )
    stepper = make_stepper(settings, group, device, fresh=save is None)
    done = Progress(recipe.epochs * loader.steps_per_epoch)
    measure = None
    if settings.val:
        measure = HeldOut(apart, words, loader.context, vision.pixels, stepper.kind)
    run = Run(folder, settings, habits, loader, stepper, clock, measure, of_init)
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
        run.loader.samples.n_decoded = int(state.get("decoded", 0))
        before, cpu = float(state["seconds"]), float(state.get("cpu_seconds", 0))
        return replace(run, clock=replace(run.clock, before=before, cpu_before=cpu)), done
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
    """Read the merges file, take those of the weights that training starts from, or learn merges
    from the first million captions in the seed's order."""
    vocabulary = settings.config.text.vocabulary
    if settings.merges:
        return tokenizer.read_merges(Path(settings.merges), vocabulary)
    if settings.init is not None and settings.init_tower != "image":
        source = start_weights.read_source(Path(settings.init))
        return source.tokenizer or tokenizer.read_merges(clip_merges(source.path), vocabulary)
    bits = draws(samples.pair_ids, settings.seed, 0)
    rows = np.argsort(bits, kind="stable")[:TOKENIZER_CAPTIONS]
    record = {"seed": settings.seed, "captions": 0, "size_asked": vocabulary}
    captions = _learned_from(samples, rows, shares(bits[rows]), record)
    return tokenizer.train(captions, vocabulary, record)


def arrangement(data: Data, samples: Samples, settings: TrainSettings) -> dict[str, Any]:
    """The loader's argument `ordered` if there are hard negatives; otherwise nothing."""
    together = settings.recipe.hard_negatives
    if not together:
        return {}
    pair_ids = samples.pair_ids
    build = data_sets(data)[0]
    if len(samples.named) > 1 or set(settings.weights) - {1.0}:
        raise TrainerError("hard_negatives: expected one build, each of its pairs once an epoch")
    matches = negatives.read_matches(build, pair_ids)
    query = negatives.rarest_query(len(pair_ids), *matches)
    return {
        "ordered": partial(negatives.order, pair_ids, query, seed=settings.seed, together=together)
    }


def _learned_from(
    samples: Samples, rows: np.ndarray, at: np.ndarray, record: dict[str, Any]
) -> Iterator[str]:
    """The rows' captions, until they have TOKENIZER_CHARACTERS; `record` says how many they are."""
    characters = 0
    for row, share in zip(rows, at, strict=True):
        (caption,) = samples.captions(row[None], share[None])
        record["captions"] += 1
        characters += len(caption)
        yield caption
        if characters >= TOKENIZER_CHARACTERS:
            return


def clip_merges(weights: Path) -> Path:
    """CLIP's merges, which the weights of its text tower need: as open_clip or clip brings them."""
    for package in ("open_clip", "clip"):
        spec = find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            if (path := Path(folder) / CLIP_MERGES).is_file():
                return path
    raise TrainerError(
        f"init {weights}: expected --merges with the merges of its text tower: {CLIP_MERGES}, "
        "which the packages open_clip_torch and clip hold"
    )


def take_weights(both: nn.ModuleDict, settings: TrainSettings) -> None:
    """Put the weights of `init` into the model, and SigLIP's bias into its objective."""
    assert settings.init is not None
    model, objective = both["model"], both["objective"]
    assert isinstance(model, CLIP)
    assert isinstance(objective, Objective)
    source = start_weights.read_source(Path(settings.init))
    weights = start_weights.fitted(source, model, settings.model, settings.init_tower)
    bias = source.weights.get(checkpoint.LOGIT_BIAS)
    if settings.recipe.objective == "siglip":
        if bias is None or bias.numel() != 1:
            weights.pop("logit_scale", None)  # of a softmax: SigLIP starts from its own
        elif "logit_scale" in weights:
            objective.logit_bias.data.copy_(bias.reshape(()))
    model.load_state_dict(model.state_dict() | weights)


def make_stepper(
    settings: TrainSettings, group: Group, device: torch.device, *, fresh: bool = True
) -> Stepper:
    """The model with its first weights, equal in every process, and its optimiser.

    They are from the seed, and those of `init`; of a run that is not fresh they need not be read.
    """
    torch.manual_seed(settings.seed)
    model = CLIP(settings.config)
    both = nn.ModuleDict({"model": model, "objective": Objective(model, settings.recipe)})
    if settings.init is not None and fresh:
        take_weights(both, settings)
    if settings.lock:
        model.lock(settings.lock)
    if group.world > 1:
        share_batch_statistics(both)
    both.to(device).train()
    model.channels_last()
    prepare(model, settings.means)
    set_arithmetic(settings.means, device)
    kind = dtype(settings.precision, device.type)
    if settings.recipe.half_text:
        if kind == torch.float32 or not model.config.text.layers:
            raise TrainerError("half_text: expected a text transformer, and precision bf16 or fp16")
        halve_text(model)
    optimizer = adamw(both, settings.recipe, settings.seed)
    scaler = torch.amp.GradScaler(device.type) if kind == torch.float16 else None
    objective = both["objective"]
    assert isinstance(objective, Objective)
    bound = settings.recipe.grad_clip_norm
    return Stepper(model, objective, optimizer, kind, settings.means, group, scaler, bound)
