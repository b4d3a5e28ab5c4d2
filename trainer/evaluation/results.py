"""Results of evaluations: kept in the run's folder as JSON and as a table, and shown."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from queries.tables.parts import write_json, write_part
from queries.tables.schemas import TABLES
from trainer.evaluation.intervals import Figure
from trainer.run_folder import RunFolder


@dataclass(frozen=True)
class Result:
    """What a task found on an evaluation set: figures by name, and what else is to be known."""

    task: str  # such as zeroshot
    eval_set: str
    about: dict
    figures: dict[str, Figure]

    def json(self) -> dict:
        """The figures flat beside the rest: NAME, NAME_interval_95, NAME_chance, NAME_n."""
        flat: dict = {"eval_set": self.eval_set, **self.about}
        for name, one in self.figures.items():
            flat[name], flat[f"{name}_interval_95"] = one.value, [one.low, one.high]
            flat[f"{name}_chance"], flat[f"{name}_n"] = one.chance, one.n
        return flat


def keep(run: RunFolder, result: Result) -> Result:
    """Write the result to RUN/TASK.json and RUN/tables/evaluation, and return it."""
    add_result(run, f"{result.task}.json", result.json())
    declared, labels = TABLES["evaluation"], {"task": result.task, "eval_set": result.eval_set}
    rows = [{**labels, **asdict(replace(one, name=key))} for key, one in result.figures.items()]
    path = run.root / "tables" / declared.name / f"{result.task}-{result.eval_set}.parquet"
    write_part(path, declared, [pa.RecordBatch.from_pylist(rows, declared.schema)])
    return result


def add_result(run: RunFolder, name: str, result: dict) -> None:
    """Put the result under its evaluation set's name into one of the run's JSON files."""
    path = run.root / name
    before = json.loads(path.read_text()) if path.is_file() else {}
    write_json(path, before | {result["eval_set"]: result})


def show_figures(title: str, results: Sequence[Result], console: Console) -> None:
    """A line for each figure: value, 95% interval and chance, in percent; then what was bad."""
    table = Table(title=title)
    for heading in ("set", "", "n", "%", "95% interval", "chance"):
        table.add_column(heading, justify="right" if heading not in ("set", "") else "left")
    for result in results:
        table.add_section()
        for place, one in enumerate(result.figures.values()):
            interval = f"{percent(one.low)} to {percent(one.high)}"
            numbers = (f"{one.n:,}", percent(one.value), interval, percent(one.chance))
            table.add_row("" if place else escape(result.eval_set), one.name, *numbers)
    console.print(table)
    for result in results:
        if bad := result.about["bad_images"]:
            first, why = next(iter(bad.items()))
            told = f"{result.eval_set}: {len(bad)} unreadable, such as {first}: {why}"
            console.print(told, markup=False, soft_wrap=True)


def percent(rate: float | None) -> str:
    """
    >>> percent(0.125), percent(None)
    ('12.50', '-')
    """
    return "-" if rate is None else f"{100 * rate:.2f}"
