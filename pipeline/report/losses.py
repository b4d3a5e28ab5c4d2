"""What became of a build's rows, for people: the last lines on the terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.text import Text

from queries.engine.duck import DuckEngine
from queries.questions import answer, counts, sql
from queries.tables.manifest import files_by_table, manifest
from queries.tables.reasons import PASSING, REASONS

ROWS = {  # of a stage, as people say
    "collect": "rows read",
    "filter": "candidates",
    "pool": "candidates that passed the filters",
    "match": "captions",
    "fetch": "pictures asked for",
}
Tables = Mapping[str, list[Path] | pa.Table]


def losses(engine: DuckEngine, inputs: Tables, sources: Sequence[str] = ()) -> list[str]:
    """A line for each stage that lost most rows to one reason, and first one for an empty build.

    `sources` are the names of those that the settings have: one without a pair is told.
    """
    lines = [
        f"{row['n']:,} of {row['came']:,} {ROWS[row['stage']]}: {row['reason']} "
        f"({REASONS[row['reason']]}){advice(row['reason'])}"
        for row in answer(engine, inputs, sql("report", "losses")).to_pylist()
    ]
    lines += _without_pairs(answer(engine, inputs, sql("report", "rows_by_source")), sources)
    (numbers,) = answer(engine, inputs, sql("report", "counts")).to_pylist()
    return lines if numbers["samples"] else ["every row: the build has 0 samples", *lines]


def _without_pairs(by_source: pa.Table, sources: Sequence[str]) -> list[str]:
    """A line for each source that gave no pair, with what most of its rows were lost to."""
    rows: dict[str, dict[str | None, int]] = {name: {} for name in sources}
    for row in by_source.to_pylist():
        rows.setdefault(row["source"], {})[row["reason"]] = row["n"]
    lines = []
    for name in sources:
        if not rows[name]:
            lines.append(f"source {name}: it gave no row")
        elif None not in rows[name]:
            reason, n = next((reason or "", n) for reason, n in rows[name].items())
            lines.append(
                f"source {name}: it gave no pair; {n:,} of its {sum(rows[name].values()):,} rows: "
                f"{reason} ({REASONS[reason]})"
            )
    return lines


def became(engine: DuckEngine, inputs: Tables) -> list[str]:
    """What became of the rows: how many there were, how many are kept, the three largest reasons.

    >>> share(1_234, 4_936), share(0, 0)
    ('25.0%', '0.0%')
    """
    numbers = counts(engine, inputs)
    rows, samples = numbers["candidates"], numbers["samples"]
    largest = answer(engine, inputs, sql("report", "largest_losses")).to_pylist()
    reasons = ", ".join(f"{row['reason']} {row['n']:,}" for row in largest) or "nothing"
    return [
        f"  rows     {rows:,} candidates, {samples:,} kept as samples ({share(samples, rows)})",
        f"  lost to  {reasons}",
    ]


def share(part: int, whole: int) -> str:
    return f"{part / max(whole, 1):.1%}"


def advice(reason: str) -> str:
    """
    >>> advice("timeout")
    '; --retry timeout asks again'
    """
    return f"; --retry {reason} asks again" if reason in PASSING else ""


def print_losses(build: Path) -> None:
    """Print what most rows were lost to; nothing where no reason took most rows of a stage."""
    engine, inputs = DuckEngine(quiet=True), files_by_table(build)
    for line in losses(engine, inputs, source_names(build)):
        Console().print(Text(f"LOST: {line}", style="bold"), soft_wrap=True)


def source_names(build: Path) -> list[str]:
    """The names of the sources that the settings of a build have."""
    sources = manifest(build).get("settings", {}).get("sources", [])
    return [source["name"] for source in sources if isinstance(source, dict) and "name" in source]
