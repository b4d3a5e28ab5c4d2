"""The report's charts: each an SVG for a wide page and one for a phone, in the page's colours.

Charts show numbers and our own words only, never what strangers wrote. Colours are marked while
drawing, and left to the page, which has one set for light and one for dark; both are Okabe and
Ito's, which the colour-blind tell apart. Equal rows give equal bytes.
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from pipeline.report.head import percent

WIDE, NARROW = 7.4, 3.7  # inches, of which the page makes about 100 and 96 pixels
MARKS = {  # a colour while drawing, and what the page is told instead
    "#010101": "currentColor",
    "#010102": "var(--line)",
    "#0101a1": "var(--first)",
    "#0101a2": "var(--second)",
}
INK, LINE, FIRST, SECOND = MARKS
MOST_POINTS = 500  # of a line: more cannot be told apart
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "buildwit",
    "text.parse_math": False,
    "font.size": 10,
    **{f"{part}color": INK for part in ("text.", "axes.edge", "axes.label", "xtick.", "ytick.")},
    "grid.color": LINE,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Chart:
    """One chart: what it shows, in words for those who cannot see it, and the two drawings."""

    name: str
    about: str
    wide: Markup
    narrow: Markup


def funnel(rows: pa.Table) -> Chart | None:
    """The kept rows of each stage beside those that came in; columns stage, rows_in, kept.

    The stage `read` is left out: it takes pages, and the others the sources' rows.
    """
    stages = [row for row in rows.to_pylist() if row["stage"] != "read"]
    first = stages[0]["rows_in"] if stages else 0
    if not first:
        return None
    labels = [
        f"{row['stage']}\n{row['kept']:,} of {row['rows_in']:,}, {percent(row['kept'], first)}"
        for row in stages
    ]

    def paint(axes) -> None:
        places = range(len(stages))
        into, kept = ([row[name] for row in stages] for name in ("rows_in", "kept"))
        axes.barh(places, into, color=LINE, height=0.7, label="rows that came in")
        axes.barh(places, kept, color=FIRST, height=0.4, label="kept")
        axes.set(xlim=(0, None), yticks=places, yticklabels=labels, xlabel="rows")
        axes.xaxis.set_major_locator(_locator(4))
        axes.xaxis.set_major_formatter(_thousands)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)

    summary = "; ".join(label.replace("\n", " keeps ") for label in labels)
    about = f"Rows that each stage keeps, with their share of the {first:,} candidates: {summary}."
    return chart("funnel", about, paint, 4.4)


def pairs_per_query(rows: pa.Table) -> Chart | None:
    """Pairs of each query by its rank, before and after the cap; columns matched, kept.

    None where fewer than two queries have a pair: one point is no line.
    """
    columns = (rows[name].to_numpy() for name in ("matched", "kept"))
    matched, kept = (np.sort(column[column > 0])[::-1] for column in columns)
    if len(matched) < 2:
        return None

    def paint(axes) -> None:
        for values, style, colour, label in (
            (matched, "--", SECOND, "before the cap"),
            (kept, "-", FIRST, "after the cap"),
        ):
            if len(values):
                rank = _some(len(values))
                axes.plot(rank + 1, values[rank], style, color=colour, label=label, linewidth=2)
        axes.set(xscale="log", yscale="log", xlabel="rank of the query", ylabel="pairs")
        _powers(axes.xaxis)
        _powers(axes.yaxis)

    most = f"The greatest is {matched[0]:,} before"
    most += f" and {kept[0]:,} after." if len(kept) else "; after it nothing is kept."
    about = "Pairs of each query by rank of the query, before and after the cap, on two logarithmic"
    return chart("pairs_per_query", f"{about} axes. {most}", paint, 3.6)


def query_shares(rows: pa.Table) -> Chart | None:
    """How each source's queries fare: brought_by, queries, with_a_match, with_a_pair."""
    sources = rows.to_pylist()
    if not sources:
        return None

    def paint(axes) -> None:
        places = range(len(sources))
        kept = [row["with_a_pair"] for row in sources]
        matched = [row["with_a_match"] - row["with_a_pair"] for row in sources]
        none = [row["queries"] - row["with_a_match"] for row in sources]
        first = np.add(kept, matched)
        axes.barh(places, kept, color=FIRST, label="keep a pair")
        axes.barh(places, matched, left=kept, color=SECOND, hatch="//", label="match, keep none")
        axes.barh(places, none, left=first, color=LINE, label="no match")
        labels = [
            f"{row['brought_by']}\n{row['with_a_pair']:,} of {row['queries']:,}" for row in sources
        ]
        axes.set(yticks=places, yticklabels=labels, xlabel="queries")
        axes.xaxis.set_major_locator(_locator(4))
        axes.xaxis.set_major_formatter(_thousands)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)

    summary = "; ".join(
        f"{row['brought_by']} brings {row['queries']:,}, of which {row['with_a_match']:,} match "
        f"and {row['with_a_pair']:,} keep a pair"
        for row in sources
    )
    return chart("query_shares", f"Queries by the source that brings them: {summary}.", paint, 3.2)


def image_sides(rows: pa.Table) -> Chart | None:
    """Samples by the shorter side of the original, in half octaves; columns pixels, samples."""
    pixels, samples = rows["pixels"].to_numpy(), rows["samples"].to_numpy()
    if not samples.sum():
        return None
    octaves = np.log2(np.maximum(pixels, 1))
    edges = np.arange(np.floor(octaves.min() * 2) - 1, np.floor(octaves.max() * 2) + 3) / 2
    heights, _ = np.histogram(octaves, edges, weights=samples)
    middle = int(pixels[np.searchsorted(samples.cumsum(), samples.sum() / 2)])

    def paint(axes) -> None:
        axes.stairs(heights, 2**edges, fill=True, color=FIRST)
        axes.axvline(middle, color=SECOND, linestyle="--", label=f"median {middle:,}")
        axes.set(xscale="log", xlabel="shorter side of the original, pixels", ylabel="samples")
        low, high = 2 ** edges[0], 2 ** edges[-1]
        ticks = [2**n for n in range(17) if low <= 2**n <= high] or [middle]
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks], rotation=45)
        axes.set_xticks([], minor=True)
        axes.yaxis.set_major_formatter(_thousands)

    about = f"from {pixels.min():,} to {pixels.max():,} pixels, median {middle:,}"
    return chart(
        "image_sides", f"Samples by the shorter side of the original: {about}.", paint, 3.2
    )


def rounds(rows: pa.Table) -> Chart | None:
    """Pairs that each round asked for and that survived; columns round, asked, survived.

    None for one round: its figures stand in the table.
    """
    fetch_rounds = rows.to_pylist()
    if len(fetch_rounds) < 2:
        return None

    def paint(axes) -> None:
        numbers = [row["round"] for row in fetch_rounds]
        for name, style, colour in (("asked", "o--", SECOND), ("survived", "s-", FIRST)):
            axes.plot(numbers, [row[name] for row in fetch_rounds], style, color=colour, label=name)
        axes.set(xlabel="round", ylabel="pairs")
        axes.set_yscale("symlog", linthresh=1)  # a round may ask for none
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(_short)
        axes.xaxis.set_major_locator(_locator(8))

    summary = "; ".join(
        f"round {row['round']} asked for {row['asked']:,}, {row['survived']:,} survived"
        for row in fetch_rounds[:20]
    )
    return chart("rounds", f"Pairs asked for and survived, by round: {summary}.", paint, 3.2)


def losses(lines: Sequence[dict]) -> Chart | None:
    """The loss of a training run by step: each line of train.jsonl has a step and a loss.

    None for one line: its figures stand in the run's table.
    """
    if len(lines) < 2:
        return None
    chosen = [lines[n] for n in np.unique(np.linspace(0, len(lines) - 1, MOST_POINTS).astype(int))]

    def paint(axes) -> None:
        steps = [line["step"] for line in chosen]
        style = "o-" if len(chosen) < 20 else "-"
        axes.plot(steps, [line["loss"] for line in chosen], style, color=FIRST, label="loss")
        if "lr" in chosen[0]:
            rate = axes.twinx()
            rates = [line["lr"] for line in chosen]
            rate.plot(steps, rates, style + "-", color=SECOND, label="learning rate")
            rate.set(ylabel="learning rate", ylim=(0, None))
            rate.grid(visible=False)
            rate.spines["right"].set_visible(True)
        axes.set(xlabel="step", ylabel="loss", xlim=(0, steps[-1] * 1.02), ylim=(0, None))
        axes.xaxis.set_major_locator(_locator(5))

    first, last = lines[0], lines[-1]
    about = f"from {first['loss']:.3f} at step {first['step']:,}"
    about += f" to {last['loss']:.3f} at step {last['step']:,}"
    return chart("losses", f"The training loss by step, {about}; and the rate.", paint, 3.4)


def chart(name: str, about: str, paint: Callable, height: float) -> Chart:
    """Both drawings of what `paint` puts on the axes, `height` inches high."""
    wide, narrow = (_svg(f"{name}-{width:g}", paint, width, height) for width in (WIDE, NARROW))
    return Chart(name, about, wide, narrow)


def _svg(name: str, paint: Callable, width: float, height: float) -> Markup:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(width, height), layout="constrained")
        paint(axes)
        legends = [drawn.get_legend_handles_labels() for drawn in figure.axes]
        if handles := [handle for drawn, _ in legends for handle in drawn]:
            labels = [label for _, names in legends for label in names]
            figure.legend(handles, labels, loc="outside upper left", ncols=2 if width < 5 else 3)
        text = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(text, format="svg", metadata=nothing, transparent=True)
        pyplot.close(figure)
    return Markup(in_page(text.getvalue(), name))  # noqa: S704  # drawn here, from numbers


def in_page(svg: str, name: str) -> str:
    """The SVG without its prologue, its ids made its own, in the page's colours and size.

    >>> in_page('<?xml?><svg width="5pt" height="4pt"><g id="a" style="fill: #010101"/></svg>', "b")
    '<svg><g id="b-a" style="fill: currentColor"/></svg>'
    """
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(
        r'^(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r' height="[^"]*"', "", svg, count=1)
    )
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    for mark, colour in MARKS.items():
        svg = svg.replace(mark, colour)
    return svg


def _some(n: int) -> np.ndarray:
    """Places 0..n - 1, those of a long line in equal steps of a logarithmic axis, ends included.

    >>> _some(3), len(_some(500_000)) <= MOST_POINTS
    (array([0, 1, 2]), True)
    """
    return np.unique(np.geomspace(1, n, MOST_POINTS).round().astype(int)) - 1


def _powers(axis) -> None:
    """Ticks at powers of ten, written short, on a logarithmic axis."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(numticks=8))
    axis.set_major_formatter(_short)
    axis.set_minor_formatter(NullFormatter())


def _locator(most: int):
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(most, integer=True)


def _short(value: float, _: object) -> str:
    """
    >>> [_short(value, None) for value in (0, 1, 100, 10_000, 1e6, 1e10)]
    ['0', '1', '100', '10k', '1M', '10G']
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _thousands(value: float, _: object) -> str:
    """
    >>> _thousands(20_000.0, None)
    '20,000'
    """
    return f"{value:,.0f}"
