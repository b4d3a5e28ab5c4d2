"""What a build holds, for people: a table on the terminal and report.html.

May import queries. Both are derived from the build's tables and can be remade; neither is part of
the manifest. What strangers wrote is escaped, and the page loads nothing from anywhere.
"""

import base64
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import jinja2
import pyarrow as pa
from markupsafe import Markup
from rich.console import Console
from rich.table import Table as Grid

from queries.build import manifest
from queries.engine import DuckEngine
from queries.parts import written_whole
from queries.questions import answer, sql, tables, title

SHOWN_PICTURES = 48
SHOWN_QUERIES = 30
Tables = Mapping[str, list[Path] | pa.Table]

COUNTS = {
    "queries": "SELECT COUNT(*) FROM query",
    "queries offered by words": "SELECT COUNT(*) FROM query WHERE sources % 2 >= 1",
    "queries offered by bigrams": "SELECT COUNT(*) FROM query WHERE sources % 4 >= 2",
    "queries offered by titles": "SELECT COUNT(*) FROM query WHERE sources % 8 >= 4",
    "queries offered by WordNet": "SELECT COUNT(*) FROM query WHERE sources % 16 >= 8",
    "candidates": "SELECT SUM(rows_in) FROM stage WHERE stage = 'collect'",
    "pairs with a query": "SELECT COUNT(*) FROM pair",
    "matches": "SELECT COUNT(*) FROM match",
    "matches kept": "SELECT COUNT(*) FROM kept_match",
    "images asked for": "SELECT COUNT(*) FROM outcome",
    "images fetched": "SELECT COUNT(DISTINCT pair_id) FROM attempt WHERE reason IS NULL",
    "samples": "SELECT COUNT(*) FROM sample",
    "shards": "SELECT COUNT(*) FROM file WHERE path LIKE 'shards/%.tar'",
    "words in captions": "SELECT COALESCE(SUM(n_words), 0) FROM sample",
}


def counts(engine: DuckEngine, inputs: Tables) -> dict[str, int]:
    """The numbers that matter first."""
    return {
        name: int(answer(engine, inputs, question).column(0)[0].as_py() or 0)
        for name, question in COUNTS.items()
    }


def announce(build: Path, verdict: str) -> None:
    """Print where the build is."""
    Console().print(
        f"build {build.name}: {verdict}\n"
        f"  dataset  {build}\n"
        f"  report   {build / 'report.html'}\n"
        f"  audits   python -m queries audit --build {build}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def print_counts(build: Path) -> None:
    """Print the numbers that matter first, with the drops by reason."""
    engine, inputs = DuckEngine(quiet=True), tables(build)
    grid = Grid("", "rows")
    grid.columns[1].justify = "right"
    for name, n in counts(engine, inputs).items():
        grid.add_row(name, f"{n:,}")
        if name == "candidates":
            for row in answer(engine, inputs, sql("audit", "drops_by_reason")).to_pylist():
                grid.add_row(f"  dropped by {row['stage']}: {row['reason']}", f"{row['n']:,}")
    Console().print(grid)


def write_report(build: Path, run: Path | None = None) -> Path:
    """Write BUILD/report.html, with the results of a trainer's run where one is given."""
    engine, inputs = DuckEngine(quiet=True), tables(build, run)
    answers = {
        name: answer(engine, inputs, sql("audit", name))
        for name in ("funnel", "drops_by_reason", "query_sources", "rounds", "total_words")
    }
    per_query = answer(engine, inputs, sql("audit", "pairs_per_query"))
    page = _template().render(
        version=build.name,
        settings=manifest(build)["settings"],
        counts=counts(engine, inputs),
        answers=[(title("audit", name), name, _grid(found)) for name, found in answers.items()],
        plot=Markup(plot_pairs_per_query(per_query)),  # noqa: S704  # drawn here, from numbers
        heads=_grid(per_query.slice(0, SHOWN_QUERIES)),
        pictures=list(pictures(build, engine, inputs)),
        results=list(run_results(run)) if run else [],
    )
    with written_whole(build / "report.html") as beside:
        beside.write_text(page, "utf-8")
    return build / "report.html"


def run_results(run: Path) -> Iterator[tuple[str, dict]]:
    """(title, grid) of each result that a trainer's run holds; there may be none yet."""
    names: tuple[str, ...]
    if trained := _json(run / "run.json"):
        names = ("parameters", "samples", "images", "steps", "seconds", "loss")
        yield "Training", {"names": names, "rows": [[_number(trained[one]) for one in names]]}
    if sets := _json(run / "zeroshot.json"):
        names = ("set", "images", "classes", "top-1 %", "95% interval", "top-5 %", "chance %")
        yield "Zero-shot", {"names": names, "rows": [_zeroshot(*one) for one in sets.items()]}
    if sets := _json(run / "overlap.json"):
        names = (
            "set",
            "images",
            "overlap",
            "contamination %",
            "all %",
            "clean %",
            "overlap %",
            "all - clean",
            "p (one-sided)",
        )
        rows = [_overlap(*one) for one in sets.items()]
        yield "What the evaluation set shares with the dataset", {"names": names, "rows": rows}


def _zeroshot(name: str, of: dict) -> list:
    interval = " to ".join(map(_percent, of["top1_interval_95"]))
    return [
        name,
        of["images"],
        of["classes"],
        _percent(of["top1"]),
        interval,
        _percent(of["top5"]),
        _percent(of["chance"]),
    ]


def _overlap(name: str, of: dict) -> list:
    shares = [
        of[one]
        for one in ("contamination", "accuracy", "clean_accuracy", "overlap_accuracy", "gain")
    ]
    p = "" if of["p"] is None else f"{of['p']:.2g}"
    return [name, of["n"], of["n_overlap"], *map(_percent, shares), p]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"


def _json(path: Path) -> dict:
    return json.loads(path.read_text()) if path.exists() else {}


def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    return jinja2.Environment(loader=loader, autoescape=True).get_template("report.html")


def _grid(found: pa.Table) -> dict:
    rows = [
        [f"{value:,}" if isinstance(value, int) else value for value in row.values()]
        for row in found.to_pylist()
    ]
    return {"names": [name.replace("_", " ") for name in found.column_names], "rows": rows}


def plot_pairs_per_query(per_query: pa.Table) -> str:
    """Pairs of each query by its rank, before and after the cap, both axes logarithmic: an SVG.

    Nothing where no pair contains a query: a logarithmic axis has no place for it.
    """
    if not any(per_query["matched"].to_pylist()):
        return ""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    with pyplot.rc_context({"svg.fonttype": "none", "svg.hashsalt": "buildwit"}):
        figure, axes = pyplot.subplots(figsize=(7, 3.6), layout="constrained")
        for name, style in (("matched", "--"), ("kept", "-")):
            values = sorted((n for n in per_query[name].to_pylist() if n), reverse=True)
            label = "before the cap" if name == "matched" else "after the cap"
            if values:
                axes.plot(range(1, len(values) + 1), values, style, label=label)
        axes.set(xscale="log", yscale="log", xlabel="rank of the query", ylabel="pairs")
        axes.legend()
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
        pyplot.close(figure)
    return text.getvalue()[text.getvalue().index("<svg") :]


def pictures(build: Path, engine: DuckEngine, inputs: Tables) -> Iterator[dict]:
    """Some samples with their captions and queries: the first in the order of selection."""
    wanted = answer(engine, inputs, sql("audit", "first_samples")).slice(0, SHOWN_PICTURES)
    by_key = {row["key"]: row for row in wanted.to_pylist()}
    for shard in sorted((build / "shards").glob("*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                key, _, suffix = member.name.partition(".")
                if suffix == "jpg" and key in by_key:
                    content = tar.extractfile(member)
                    assert content is not None
                    data = base64.b64encode(content.read()).decode()
                    yield {**by_key[key], "data": data}
