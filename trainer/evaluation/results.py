"""Results of evaluations: kept in the run's folder as JSON and as a table, and shown."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from queries.tables.parts import write_json, write_part
from queries.tables.schemas import TABLES
from trainer.evaluation.intervals import Figure
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError

MOST_PARTS = 64  # folders of a path in a name


@dataclass(frozen=True)
class Result:
    """The result of an evaluation on a set: figures by name, and the context as `about`."""

    task: str  # such as zeroshot
    eval_set: str
    about: dict
    figures: dict[str, Figure]

    def json(self) -> dict:
        """One flat object: `about`, and NAME, NAME_interval_95, NAME_chance, NAME_n per figure."""
        flat: dict = {"eval_set": self.eval_set, **self.about}
        for name, figure in self.figures.items():
            flat[name], flat[f"{name}_interval_95"] = figure.value, [figure.low, figure.high]
            flat[f"{name}_chance"], flat[f"{name}_n"] = figure.chance, figure.n
        return flat


def keep(run: RunFolder, result: Result) -> Result:
    """Write the result to RUN/TASK.json and RUN/tables/evaluation, and return it."""
    add_result(run, f"{result.task}.json", result.json())
    declared, labels = TABLES["evaluation"], {"task": result.task, "eval_set": result.eval_set}
    rows = [
        {**labels, **asdict(replace(figure, name=key))} for key, figure in result.figures.items()
    ]
    path = run.root / "tables" / declared.name / f"{result.task}-{result.eval_set}.parquet"
    write_part(path, declared, [pa.RecordBatch.from_pylist(rows, declared.schema)])
    return result


def add_result(run: RunFolder, name: str, result: dict) -> None:
    """Put the result under its evaluation set's name into one of the run's JSON files."""
    before = read_results(run, name)
    write_json(run.root / name, before | {result["eval_set"]: result})


def read_results(run: RunFolder, name: str) -> dict[str, dict]:
    """The results of one of the run's JSON files, by evaluation set."""
    path = run.root / name
    return json.loads(path.read_text()) if path.is_file() else {}


class Named(Protocol):
    """A set, or a pair of sets, that results are kept by."""

    @property
    def name(self) -> str:
        """What results are kept by."""

    @property
    def where(self) -> str:
        """Its place, which tells it from others of its name."""

    def lengthen(self, n_parts: int) -> None:
        """Be named by the last `n_parts` folders of the place."""


def tell_apart(subjects: Sequence[Named], kept: Mapping[str, Mapping]) -> list[str]:
    """Give longer names to sets whose name another set has, here or in the results `kept`.

    So no result of another set is replaced. Returns a line for each. Raises TrainerError for one
    set that stands twice.
    """
    places = {name: result.get("path") for name, result in kept.items()}
    lines = []
    for i, subject in enumerate(subjects):
        if subject.where in [other.where for other in subjects[:i]]:
            raise TrainerError(f"{subject.name} stands twice, expected different sets")
        short, n_parts = subject.name, 1
        # A result of an earlier version has no path: it is replaced, as it was then.
        while (place := places.get(subject.name)) not in (None, subject.where):
            n_parts += 1
            subject.lengthen(n_parts)
            if n_parts > MOST_PARTS:
                raise TrainerError(f"{subject.where}: the results have {short} of {place}")
        if subject.name != short:
            lines.append(f"{subject.where}: is {subject.name} here, as {short} is {places[short]}")
        places[subject.name] = subject.where
    return lines


class Evaluation(Protocol):
    """The interface of each evaluation's module; `trainer.commands.evaluate` has their table."""

    TITLE: str  # of the table that is printed

    def evaluate(self, run: RunFolder, checkpoint: Any, subject: Any) -> Result:
        """Evaluate the checkpoint on a set (or a pair of sets), and keep the result in the run."""

    def remarks(self, result: Result) -> list[str]:
        """Lines to print below the figures of a result."""


def show(evaluation: Evaluation, results: Sequence[Result], console: Console) -> None:
    """Print a row for each figure: value, 95% interval and chance, in percent; then remarks."""
    table = Table(title=evaluation.TITLE)
    for heading in ("set", "", "n", "%", "95% interval", "chance"):
        table.add_column(heading, justify="right" if heading not in ("set", "") else "left")
    for result in results:
        table.add_section()
        for place, figure in enumerate(result.figures.values()):
            interval = f"{percent(figure.low)} to {percent(figure.high)}"
            numbers = (f"{figure.n:,}", percent(figure.value), interval, percent(figure.chance))
            table.add_row("" if place else escape(result.eval_set), figure.name, *numbers)
    console.print(table)
    for result in results:
        lines = evaluation.remarks(result)
        if bad := result.about["bad_images"]:
            first, why = next(iter(bad.items()))
            lines = [f"{len(bad)} unreadable, such as {first}: {why}", *lines]
        for line in lines:
            console.print(f"{result.eval_set}: {line}", markup=False, soft_wrap=True)


def percent(rate: float | None) -> str:
    """
    >>> percent(0.125), percent(None)
    ('12.50', '-')
    """
    return "-" if rate is None else f"{100 * rate:.2f}"
