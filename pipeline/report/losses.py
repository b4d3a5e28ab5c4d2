"""What most rows of a build were lost to, for people: the last lines on the terminal."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.text import Text

from queries.engine.duck import DuckEngine
from queries.questions import answer, sql
from queries.tables.manifest import files_by_table
from queries.tables.reasons import PASSING, REASONS

ROWS = {  # of a stage, as people say
    "collect": "rows read",
    "filter": "candidates",
    "pool": "candidates that passed the filters",
    "match": "captions",
    "fetch": "pictures asked for",
}
Tables = Mapping[str, list[Path] | pa.Table]


def losses(engine: DuckEngine, inputs: Tables) -> list[str]:
    """A line for each stage that lost most rows to one reason, and first one for an empty build."""
    lines = [
        f"{row['n']:,} of {row['came']:,} {ROWS[row['stage']]}: {row['reason']} "
        f"({REASONS[row['reason']]}){advice(row['reason'])}"
        for row in answer(engine, inputs, sql("report", "losses")).to_pylist()
    ]
    (numbers,) = answer(engine, inputs, sql("report", "counts")).to_pylist()
    return lines if numbers["samples"] else ["every row: the build has 0 samples", *lines]


def advice(reason: str) -> str:
    """
    >>> advice("timeout")
    '; --retry timeout asks again'
    """
    return f"; --retry {reason} asks again" if reason in PASSING else ""


def print_losses(build: Path) -> None:
    """Print what most rows were lost to; nothing where no reason took most rows of a stage."""
    for line in losses(DuckEngine(quiet=True), files_by_table(build)):
        Console().print(Text(f"LOST: {line}", style="bold"), soft_wrap=True)
