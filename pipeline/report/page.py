"""What a build holds, for people: a table on the terminal and report.html.

Both are derived from the build's tables and can be remade; neither is part of the manifest. What
strangers wrote is escaped, the page loads nothing from anywhere, and only the one script whose hash
it names runs.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

import jinja2
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from pipeline.report import charts
from pipeline.report import run as report_run
from pipeline.report.audits import audit_groups
from pipeline.report.gallery import gallery, near_duplicates, neighbours, shortened
from pipeline.report.grids import grid, number
from pipeline.report.head import head
from pipeline.report.losses import became, print_losses
from pipeline.report.query_list import print_shortfalls, shortfalls, unsegmented
from queries.engine.duck import DuckEngine
from queries.questions import answer, counts, sql, tables
from queries.tables.manifest import files_by_table, manifest
from queries.tables.parts import written_whole
from queries.tables.store import workroom

REPORT = "report.html"
HEAD_QUERIES = 30
EXAMPLE_CHARACTERS = 300  # of a dropped caption or address
Tables = Mapping[str, list[Path] | pa.Table]

COUNTS = {  # in words, and as queries/report/counts.sql has it
    "queries": "queries",
    "queries offered by words": "offered_by_words",
    "queries offered by bigrams": "offered_by_bigrams",
    "queries offered by titles": "offered_by_titles",
    "queries offered by WordNet": "offered_by_wordnet",
    "candidates": "candidates",
    "pairs with a query": "pairs",
    "matches": "matches",
    "matches kept": "kept",
    "images asked for": "asked",
    "images fetched": "fetched",
    "samples": "samples",
    "shards": "shards",
    "words in captions": "words",
}


def shown_counts(engine: DuckEngine, inputs: Tables) -> dict[str, int]:
    """The main counts, by their names in words."""
    numbers = counts(engine, inputs)
    return {words: numbers[column] for words, column in COUNTS.items()}


def announce(build: Path, verdict: str) -> None:
    """Print where the build is, what became of its rows, and last what its user should know."""
    lines = [
        f"build {build.name}: {verdict}",
        f"  dataset  {build}",
        f"  report   {build / REPORT}",
        f"  audits   python -m queries audit --build {build}",
        *became(DuckEngine(quiet=True), files_by_table(build)),
    ]
    Console().print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    print_shortfalls(build)
    print_losses(build)


def print_counts(build: Path) -> None:
    """Print the numbers that matter first, with the drops by reason."""
    engine, inputs = DuckEngine(quiet=True), tables(build)
    counted = Table("", "rows")
    counted.columns[1].justify = "right"
    drops = answer(engine, inputs, sql("audit", "settings_cost")).to_pylist()
    for name, n in shown_counts(engine, inputs).items():
        counted.add_row(name, f"{n:,}")
        for row in drops:
            if name == ("queries" if row["stage"] == "read" else "candidates"):
                lost = f"{row['rows_lost']:,}"
                counted.add_row(f"  dropped by {row['stage']}: {row['reason']}", lost)
    Console().print(counted)


def write_report(build: Path, run: Path | None = None) -> Path:
    """Write BUILD/report.html, with the results of a trainer's run where one is given."""
    with workroom(build.parent, prefix=".report.") as scratch:
        engine = DuckEngine(quiet=True, scratch=scratch)
        inputs = tables(build, run, asked="domain")
        page = _template().render(
            version=build.name,
            settings=manifest(build)["settings"],
            **_of_build(build, engine, inputs),
            audits=list(audit_groups(engine, inputs, run is not None)),
            **(_of_run(build, run, engine, inputs) if run else {}),
        )
    with written_whole(build / REPORT) as beside:
        beside.write_text(page, "utf-8")
    return build / REPORT


def _of_build(build: Path, engine: DuckEngine, inputs: Tables) -> dict:
    """What the page shows of the build itself."""

    def audit(name: str) -> pa.Table:
        return answer(engine, inputs, sql("audit", name))

    def asked(name: str) -> pa.Table:
        return answer(engine, inputs, sql("report", name))

    funnel, per_query, rounds = audit("funnel"), audit("pairs_per_query"), audit("rounds")
    shares, stages = asked("query_shares"), funnel["stage"].to_pylist()
    return {
        **head(build, engine, inputs, counts(engine, inputs)),
        "counts": shown_counts(engine, inputs),
        "shortfalls": shortfalls(engine, inputs) + unsegmented(build),
        "list_sources": grid(asked("list_sources")),
        "funnel": charts.funnel(funnel),
        "funnel_grid": grid(funnel),
        "pairs_per_query": charts.pairs_per_query(per_query),
        "heads": grid(per_query.slice(0, HEAD_QUERIES)),
        "query_shares": charts.query_shares(shares),
        "sources": grid(audit("query_sources")),
        "query_samples": list(_samples_by_source(asked("query_samples"))),
        "drops": list(_drops(audit("settings_cost"), asked("drop_examples"), stages)),
        "image_sides": charts.image_sides(asked("image_sides")),
        "rounds": charts.rounds(rounds),
        "rounds_grid": grid(rounds),
        "hosts": asked("hosts").to_pylist(),
        "gallery": gallery(build, engine, inputs),
        "near_duplicates": near_duplicates(build, engine, inputs),
        "near_skipped": grid(audit("near_skipped")),
        "languages": bool(inputs.get("language_cap")),
    }


def _of_run(build: Path, run: Path, engine: DuckEngine, inputs: Tables) -> dict:
    """The page's values from a trainer's run."""
    return {
        "results": list(report_run.results(run)),
        "losses": charts.losses(report_run.training_lines(run)),
        "neighbours": neighbours(build, engine, inputs),
    }


def _samples_by_source(rows: pa.Table) -> Iterator[tuple[str, list[str]]]:
    for source, rows_of_source in groupby(rows.to_pylist(), key=lambda row: row["entered_by"]):
        yield source, [row["text"] for row in rows_of_source]


def _drops(drops: pa.Table, examples: pa.Table, stages: list[str]) -> Iterator[dict]:
    """Each reason with its number, its meaning and its examples, in the order of the stages."""
    by_reason: dict[tuple[str, str], list[dict]] = {}
    for row in examples.to_pylist():
        shown = {name: shortened(row[name], EXAMPLE_CHARACTERS) for name in ("caption", "url")}
        by_reason.setdefault((row["stage"], row["reason"]), []).append(shown)
    places = {stage: place for place, stage in enumerate(stages)}
    for row in sorted(drops.to_pylist(), key=lambda row: places.get(row["stage"], len(places))):
        shown_examples = by_reason.get((row["stage"], row["reason"]), [])
        yield {**row, "examples": shown_examples}


def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.ChainableUndefined
    )
    environment.filters |= {"sha256": _sha256, "number": number}
    return environment.get_template("page.html")


def _sha256(script: str) -> str:
    """The hash by which a content security policy names a script.

    >>> _sha256("")
    'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
    """
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
