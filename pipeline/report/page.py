"""What a build holds, for people: a table on the terminal and report.html.

Both are derived from the build's tables and can be remade; neither is part of the manifest. What
strangers wrote is escaped, the page loads nothing from anywhere, and only the one script whose hash
it names runs.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import jinja2
import pyarrow as pa
from rich.console import Console
from rich.table import Table as Grid

from pipeline.report import charts
from pipeline.report import run as report_run
from pipeline.report.gallery import gallery, near_duplicates, neighbours, shortened
from pipeline.report.head import head
from pipeline.report.losses import became, print_losses
from pipeline.report.query_list import print_shortfalls, shortfalls, unsegmented
from queries.engine.duck import DuckEngine
from queries.questions import answer, counts, sql, title
from queries.tables.manifest import files_by_table, manifest
from queries.tables.parts import written_whole
from queries.tables.reasons import REASONS
from queries.tables.store import workroom

REPORT = "report.html"
HEAD_QUERIES = 30
CONSENT_HOSTS = 20  # that say no: those with the most pairs are shown
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
    engine, inputs = DuckEngine(quiet=True), files_by_table(build)
    grid = Grid("", "rows")
    grid.columns[1].justify = "right"
    drops = answer(engine, inputs, sql("audit", "drops_by_reason")).to_pylist()
    for name, n in shown_counts(engine, inputs).items():
        grid.add_row(name, f"{n:,}")
        for row in drops:
            if name == ("queries" if row["stage"] == "read" else "candidates"):
                grid.add_row(f"  dropped by {row['stage']}: {row['reason']}", f"{row['n']:,}")
    Console().print(grid)


def write_report(build: Path, run: Path | None = None) -> Path:
    """Write BUILD/report.html, with the results of a trainer's run where one is given."""
    with workroom(build.parent, prefix=".report.") as scratch:
        engine = DuckEngine(quiet=True, scratch=scratch)
        page = _template().render(
            version=build.name,
            settings=manifest(build)["settings"],
            **_of_build(build, engine, files_by_table(build, run)),
            **(_of_run(build, run, engine, files_by_table(build, run)) if run else {}),
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
        "list_sources": _grid(asked("list_sources")),
        "funnel": charts.funnel(funnel),
        "funnel_grid": _grid(funnel),
        "pairs_per_query": charts.pairs_per_query(per_query),
        "heads": _grid(per_query.slice(0, HEAD_QUERIES)),
        "query_shares": charts.query_shares(shares),
        "sources": _grid(audit("query_sources")),
        "query_samples": list(_samples_by_source(asked("query_samples"))),
        "drops": list(_drops(audit("drops_by_reason"), asked("drop_examples"), stages)),
        "image_sides": charts.image_sides(asked("image_sides")),
        "words": _grid(audit("total_words")),
        "words_title": title("audit", "total_words"),
        "rounds": charts.rounds(rounds),
        "rounds_grid": _grid(rounds),
        "consent": _grid(audit("consent")),
        "consent_title": title("audit", "consent"),
        "consent_hosts": _grid(audit("consent_by_host").slice(0, CONSENT_HOSTS)),
        "consent_hosts_title": title("audit", "consent_by_host"),
        "hosts": asked("hosts").to_pylist(),
        "gallery": gallery(build, engine, inputs),
        "near_duplicates": near_duplicates(build, engine, inputs),
        "near_skipped": _grid(audit("near_skipped")),
        **_languages(inputs, audit),
    }


def _languages(inputs: Tables, audit: Callable[[str], pa.Table]) -> dict:
    """What the page shows of the languages of a worldwide build; of others nothing."""
    if not inputs.get("language_cap"):
        return {}
    names = ("languages_caps", "languages_drops")
    return {"languages": [(title("audit", name), _grid(audit(name))) for name in names]}


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
        yield {**row, "about": REASONS.get(row["reason"], ""), "examples": shown_examples}


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


def _grid(rows: pa.Table) -> dict:
    """
    >>> _grid(pa.table({"rows_in": [1234], "percent": [4.3]}))
    {'names': ['rows in', 'percent'], 'rows': [[1234, 4.3]], 'places': [0, 1]}
    """
    names = [name.replace("_", " ") for name in rows.column_names]
    places = [decimals(column.to_pylist()) for column in rows.columns]
    return {
        "names": names,
        "rows": [list(row.values()) for row in rows.to_pylist()],
        "places": places,
    }


def decimals(values: Sequence[object]) -> int:
    """The decimals of a column of numbers: as many as any of them has, at most two.

    Each number is so rounded once, where it is made, and none is shown with digits that it lost.

    >>> decimals([4.3, 12.0, None, "x"]), decimals([4.25, 12.5]), decimals([1234.5, 3])
    (1, 2, 0)
    """
    floats = [value for value in values if isinstance(value, float) and 1 <= abs(value) < 1000]
    texts = [f"{value:.2f}".rstrip("0").partition(".")[2] for value in floats]
    return max(map(len, texts), default=0)


def number(value: float, places: int) -> str:
    """A number of a column with so many decimals; below 1 its first four digits.

    >>> number(1234, 2), number(4.3, 2), number(0.01234, 2), number(1234.5, 0)
    ('1,234', '4.30', '0.01234', '1,234')
    """
    if isinstance(value, int):
        return f"{value:,}"
    if 0 < abs(value) < 1:
        return f"{value:,.4g}"
    return f"{value:,.{places if abs(value) < 1000 else 0}f}"
