"""One unit of a comparison: an arm trained from a seed, and its answers at every point.

A unit is whole when its answers are kept. Until then it goes on from the run's last save, and a
run that is finished is not trained again.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from trainer.compare.arms import Arm
from trainer.compare.plan import Plan
from trainer.data.pixels import centre
from trainer.evaluation.features import enough, features
from trainer.evaluation.predictions import Predictions
from trainer.evaluation.sets import EvalSet, Picture
from trainer.evaluation.zeroshot import best_prompts
from trainer.model import checkpoint
from trainer.model.checkpoint import Checkpoint
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError, TrainSettings
from trainer.training.run import train
from trainer.training.start import Habits

KEPT_BYTES = 1 << 30  # pictures of evaluation sets, in memory between evaluations
SHOWN = 3  # corrupt pictures named


@dataclass(frozen=True)
class Unit:
    """A run of an arm from a seed: its folder, its settings, and how many pairs it has."""

    arm: Arm
    seed: int
    pairs: int
    root: Path  # of the comparison
    settings: TrainSettings

    @property
    def name(self) -> str:
        return f"{self.arm.name}-{self.seed}"

    @property
    def run(self) -> RunFolder:
        return RunFolder(self.root / "runs" / self.name)

    def part(self, table: str) -> Path:
        """Where the unit's rows of a table are."""
        return self.root / "tables" / table / f"{self.name}.parquet"

    @property
    def whole(self) -> bool:
        return self.part("compared_answer").is_file()


def settings_of(settings: TrainSettings, arm: Arm, seed: int, plan: Plan, n: int) -> TrainSettings:
    """The recipe's settings for an arm of n pairs: an epoch shows `plan.shown` of them."""
    return replace(
        settings,
        seed=seed,
        where=arm.where,
        scores=arm.scores,
        weights=(plan.shown / n,),
        recipe=replace(settings.recipe, epochs=plan.epochs, batch=plan.batch),
    )


def finish(unit: Unit, plan: Plan, sets: Sequence["KeptSet"], save_seconds: float) -> None:
    """Train the unit where it is not, then ask it about every set, and keep cost and answers."""
    run = unit.run
    epochs = plan.epochs_measured()
    if not (run.done.is_file() and all(run.of_epoch(epoch).is_file() for epoch in epochs)):
        habits = Habits(save_seconds=save_seconds, keep_every=plan.every)
        train(unit.arm.data, run, unit.settings, habits)
    record = json.loads(run.done.read_text())
    need_equal(unit, plan, record)
    answers = [
        _rows(unit, epoch * plan.shown, kept.eval_set.name, kept.answers(run.at_epoch(epoch)))
        for epoch in epochs
        for kept in sets
    ]
    declared = TABLES["compared_run"]
    cost = pa.RecordBatch.from_pylist([_cost(unit, record)], declared.schema)
    write_part(unit.part(declared.name), declared, [cost])
    write_part(unit.part("compared_answer"), TABLES["compared_answer"], answers)
    run.drop_epochs()


def need_equal(unit: Unit, plan: Plan, record: dict) -> None:
    """Raise TrainerError unless the run saw as many samples as the plan says, in as many steps."""
    seen = (record["images"], record["steps"])
    if seen == (plan.samples, plan.steps * plan.epochs):
        return
    corrupt = list(record["corrupt"].items())[:SHOWN]
    examples = "; ".join(f"{key}: {why}" for key, why in corrupt)
    raise TrainerError(
        f"arm {unit.arm.name}, seed {unit.seed}: {seen[0]:,} samples seen in {seen[1]:,} steps, "
        f"expected {plan.samples:,} in {plan.steps * plan.epochs:,} as of every arm; "
        f"{len(record['corrupt']):,} pictures are corrupt ({examples}); a condition may leave "
        "them out"
    )


def _cost(unit: Unit, record: dict) -> dict:
    return {
        "arm": unit.arm.name,
        "seed": unit.seed,
        "data": record["build"],
        "version": record["build_version"],
        "condition": unit.arm.where,
        "pairs": unit.pairs,
        "samples_seen": record["images"],
        "steps": record["steps"],
        "decoded": record["decoded"],
        "cpu_seconds": record["cpu_seconds"],
        "seconds": record["seconds"],
    }


def _rows(unit: Unit, samples_seen: int, eval_set: str, answers: Predictions) -> pa.RecordBatch:
    schema, n = TABLES["compared_answer"].schema, len(answers.names)
    columns = {
        "arm": pa.repeat(unit.arm.name, n),
        "seed": pa.repeat(pa.scalar(unit.seed, pa.int64()), n),
        "samples_seen": pa.repeat(pa.scalar(samples_seen, pa.int64()), n),
        "eval_set": pa.repeat(eval_set, n),
        "image": pa.array(answers.names, pa.string()),
        "class_number": pa.array(answers.labels, pa.int64()),
        "correct": pa.array(np.asarray(answers.top1, bool)),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


class KeptSet:
    """An evaluation set whose pictures are decoded once, and kept where they are not too many."""

    def __init__(self, eval_set: EvalSet, most_bytes: int = KEPT_BYTES):
        self.eval_set, self.most_bytes = eval_set, most_bytes
        self._kept: list[Picture] | None = None
        self._tried = False

    def answers(self, run: RunFolder) -> Predictions:
        """The answers of the run's weights, zero-shot, as `trainer zeroshot` has them."""
        loaded = checkpoint.load(run)
        loaded.model.to("cuda" if torch.cuda.is_available() else "cpu")
        seen = features(loaded, self.eval_set, self._pictures(loaded))
        return best_prompts(loaded, self.eval_set, seen)[1]

    def _pictures(self, loaded: Checkpoint) -> Iterable[Picture]:
        side = loaded.state.model.vision.pixels
        if self._kept is None and not self._tried:
            self._tried = True
            self._kept = self._few(self._read(loaded, side), self.most_bytes // (3 * side**2))
        return self._read(loaded, side) if self._kept is None else self._kept

    def _read(self, loaded: Checkpoint, side: int) -> Iterable[Picture]:
        for picture in self.eval_set.pictures(size=enough(loaded)):
            yield replace(picture, pixels=centre(picture.pixels, side).copy())

    @staticmethod
    def _few(pictures: Iterable[Picture], most: int) -> list[Picture] | None:
        few = list(islice(pictures, most + 1))
        return few if len(few) <= most else None
