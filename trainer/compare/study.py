"""A comparison in its folder: what it compares, its units in turn, and its tables and plot.

`DIR/compare.json` says what is compared, and another comparison is refused there. `DIR/runs` has a
run for each arm and seed, `DIR/tables` the tables that SQL can query as those of a run, and
`DIR/comparison.parquet`, `comparison.json` and `comparison.svg` the results. More seeds than before
are added to those that are there.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from queries.tables.parts import write_json, write_part, written_whole
from queries.tables.schemas import TABLES
from trainer.compare import words
from trainer.compare.arms import Arm
from trainer.compare.plan import Plan, make_plan
from trainer.compare.plot import draw
from trainer.compare.results import read_answers, rows_of
from trainer.compare.unit import KeptSet, Unit, finish, settings_of
from trainer.data.reading import read_samples
from trainer.evaluation.sets import EvalSet
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError, TrainSettings
from trainer.training.claim import locked

RECORD = "compare.json"
RESULT, FIGURES, PLOT = "comparison.parquet", "comparison.json", "comparison.svg"
FORMAT = 1  # raise it when equal input would give other answers


@dataclass(frozen=True)
class Size:
    """How much is trained: samples a run sees (None: the recipe's epochs of the first arm), runs an
    arm, and points of training at which accuracy is measured."""

    samples: int | None = None
    seeds: int = 3
    points: int = 8

    def __post_init__(self) -> None:
        for name, least in (("samples", 1), ("seeds", 2), ("points", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                why = ": of one seed nobody knows what is chance" if name == "seeds" else ""
                raise TrainerError(f"{name} {value}: expected at least {least}{why}")


@dataclass(frozen=True)
class Comparison:
    """What is compared, all of it read: pairs of each arm and how many name each class."""

    root: Path
    arms: list[Arm]
    sets: list[EvalSet]
    settings: TrainSettings
    plan: Plan
    pairs: dict[str, int]
    digests: dict[str, dict]  # of each arm: its data, its condition
    naming: dict[str, dict[str, np.ndarray]]  # arm -> set -> (C,) pairs that name each class

    def units(self, seeds: int) -> Iterator[Unit]:
        """Seed by seed, so that all arms have a run early."""
        for seed in range(seeds):
            for arm in self.arms:
                n = self.pairs[arm.name]
                chosen = settings_of(self.settings, arm, seed, self.plan, n)
                yield Unit(arm, seed, n, self.root, chosen)

    def record(self) -> dict:
        """What makes it this comparison; runs of another are never taken for its own."""
        settings = asdict(self.settings) | {"means": None}
        return {
            "format": FORMAT,
            "arms": self.digests,
            "plan": asdict(self.plan),
            "settings": json.loads(json.dumps(settings)),
            "sets": {eval_set.name: about(eval_set) for eval_set in self.sets},
        }


def about(eval_set: EvalSet) -> dict:
    """What an evaluation set asks."""
    prompts = eval_set.by_class or eval_set.templates
    return {"classes": eval_set.classes, "prompts": prompts, "chosen": eval_set.chosen}


def read_comparison(
    root: Path, arms: list[Arm], sets: list[EvalSet], settings: TrainSettings, size: Size
) -> Comparison:
    """Read every arm's pairs, and plan the runs. Raises TrainerError where that fails."""
    need_one_of_each_name(sets)
    need_recipe(settings)
    pairs, digests, naming = {}, {}, {}
    for arm in arms:
        scores = None if arm.scores is None else Path(arm.scores)
        chosen = (settings.config.vision.pixels, arm.where, scores, settings.captions)
        try:
            samples = read_samples(arm.data, *chosen)
        except TrainerError as error:
            raise TrainerError(f"arm {arm.name}: {error}") from None
        own = settings_of(settings, arm, 0, Plan(1, 1, 1, 1), len(samples))
        pairs[arm.name] = len(samples)
        digests[arm.name] = {
            "data": samples.digest,
            "where": arm.where,
            "scores_sha256": own.scores_digest(),
        }
        counts = words.naming(
            words.texts(samples.rows["caption"]),
            [name for eval_set in sets for name in eval_set.classes],
        )
        ends = np.cumsum([len(eval_set.classes) for eval_set in sets])
        each = np.split(counts, ends[:-1])
        naming[arm.name] = {eval_set.name: part for eval_set, part in zip(sets, each, strict=True)}
    recipe = settings.recipe
    wanted = size.samples or recipe.epochs * pairs[arms[0].name]
    plan = make_plan(pairs, recipe.batch, wanted, size.points)
    return Comparison(root, arms, sets, settings, plan, pairs, digests, naming)


def need_one_of_each_name(sets: Sequence[EvalSet]) -> None:
    """Raise TrainerError for two sets of one name, or one whose pictures have several classes."""
    names = [eval_set.name for eval_set in sets]
    for eval_set in sets:
        eval_set.need_text()
        eval_set.need_single("compare")
        if names.count(eval_set.name) > 1:
            raise TrainerError(
                f"{eval_set.where}: a second set named {eval_set.name}, expected a name each; "
                "a link of another name will do"
            )


def need_recipe(settings: TrainSettings) -> None:
    """Raise TrainerError for settings that a comparison decides itself, or that end runs apart."""
    decided = {
        "seed": settings.seed,
        "where": settings.where,
        "scores": settings.scores,
        "weights": settings.weights,
        "max_seconds": settings.max_seconds,
        "val": settings.val,
        "patience": settings.patience,
    }
    for name, value in decided.items():
        if value:
            raise TrainerError(
                f"{name} {value}: expected none, as every arm sees equally many samples of its own"
            )
    if settings.recipe.objective == "simclr":
        raise TrainerError("objective simclr: expected one with texts, as classes have names alone")


def compare(comparison: Comparison, size: Size, *, save_seconds: float, anew: bool) -> list[dict]:
    """Run every unit that is not whole, and write tables, figures and plot; returns the rows of the
    table `comparison`. Raises TrainerError, and StoppedError after a signal: the same call goes on.
    """
    root = comparison.root
    with locked(RunFolder(root)):
        claim(comparison, anew=anew)
        sets = [KeptSet(eval_set) for eval_set in comparison.sets]
        units = list(comparison.units(size.seeds))
        for unit in units:
            if not unit.whole:
                finish(unit, comparison.plan, sets, save_seconds)
                print(unit_line(unit, units), flush=True)
        return write_results(comparison, units)


def claim(comparison: Comparison, *, anew: bool) -> None:
    """Make the folder this comparison's. Raises TrainerError where another's work is in it.

    Only a comparison's work is ever deleted: a workspace, too, has a folder of runs.
    """
    root, record = comparison.root, comparison.record()
    path = root / RECORD
    try:
        before = json.loads(path.read_text()) if path.is_file() else None
    except (OSError, ValueError):
        before = {}
    if before is None and any((root / "runs").glob("*")):
        raise TrainerError(f"{root}: has runs that are of no comparison, expected another folder")
    if before == record and not anew:
        return
    if before is not None and not anew:
        parts = [name for name, value in record.items() if before.get(name) != value]
        raise TrainerError(
            f"{root}: holds another comparison (other {', '.join(parts)}), expected another "
            "folder, or --anew, which deletes that work"
        )
    for name in ("runs", "tables"):
        shutil.rmtree(root / name, ignore_errors=True)
    for name in (RECORD, RESULT, FIGURES, PLOT):
        (root / name).unlink(missing_ok=True)
    write_json(path, record)


def unit_line(unit: Unit, units: Sequence[Unit]) -> str:
    cost = pq.read_table(unit.part("compared_run")).to_pylist()[0]
    return (
        f"{unit.arm.name}, seed {unit.seed}: {cost['samples_seen']:,} samples of "
        f"{cost['pairs']:,} pairs in {cost['cpu_seconds']:,.0f} CPU s; "
        f"{sum(each.whole for each in units)} of {len(units)} runs"
    )


def write_results(comparison: Comparison, units: Sequence[Unit]) -> list[dict]:
    """Write the tables of classes and results, the figures and the plot."""
    root, baseline = comparison.root, comparison.arms[0].name
    group_of = {name: words.groups(counts) for name, counts in comparison.naming[baseline].items()}
    rows_by_class = list(class_rows(comparison, group_of))
    _write(root / "tables/compared_class/classes.parquet", "compared_class", rows_by_class)
    parts = {
        arm.name: [unit.part("compared_answer") for unit in units if unit.arm == arm]
        for arm in comparison.arms
    }
    rows = [
        row
        for answers in read_answers(parts)
        for row in rows_of(answers, baseline, group_of[answers.eval_set])
    ]
    _write(root / "tables/comparison/comparison.parquet", "comparison", rows)
    with written_whole(root / RESULT) as beside:
        shutil.copyfile(root / "tables/comparison/comparison.parquet", beside)
    figures = {"comparison": rows, "runs": costs(units), "plan": asdict(comparison.plan)}
    write_json(root / FIGURES, figures)
    draw(rows, root / PLOT)
    return rows


def class_rows(comparison: Comparison, group_of: Mapping[str, np.ndarray]) -> Iterator[dict]:
    """The rows of the table `compared_class`."""
    for arm in comparison.arms:
        for eval_set in comparison.sets:
            counts = comparison.naming[arm.name][eval_set.name]
            for number, name in enumerate(eval_set.classes):
                yield {
                    "arm": arm.name,
                    "eval_set": eval_set.name,
                    "class_number": number,
                    "class_name": name,
                    "pairs": int(counts[number]),
                    "class_group": str(group_of[eval_set.name][number]),
                }


def costs(units: Sequence[Unit]) -> list[dict]:
    """The rows of the table `compared_run`."""
    return [pq.read_table(unit.part("compared_run")).to_pylist()[0] for unit in units]


def _write(path: Path, table: str, rows: Sequence[dict]) -> None:
    declared = TABLES[table]
    write_part(path, declared, [pa.RecordBatch.from_pylist(list(rows), declared.schema)])
