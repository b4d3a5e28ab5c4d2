"""The plot of robustness, and how every plot is saved and shows a name.

Equal results give equal bytes.
"""

import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from scipy.special import expit, logit

from queries.tables.parts import written_whole

SIDE = 4.2  # inches of a panel
COLOURS = {"zero-shot": "#7b3fa0", "probe": "#d9822b"}
TICKS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.99, 0.999)
EDGE = 1e-4


def save(figure: Figure, place: Path) -> None:
    """Write a plot as SVG, the same bytes each time."""
    with (
        mpl.rc_context({"svg.hashsalt": "buildwit", "svg.fonttype": "none"}),
        written_whole(place) as beside,
    ):
        figure.savefig(beside, format="svg", metadata={"Date": None})


def plain(name: str) -> str:
    """A set's name, its dollar signs escaped: they would begin a formula.

    >>> print(plain("a$b"))
    a\\$b
    """
    return name.replace("$", r"\$")


def draw_robustness(results: Path, place: Path) -> None:
    """Draw every pair of a robustness.json, a panel each, as SVG."""
    pairs = json.loads(results.read_text())
    figure = Figure(figsize=(SIDE * len(pairs), SIDE), layout="constrained")
    FigureCanvasSVG(figure)
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    for axes, pair in zip(panels, pairs.values(), strict=True):
        draw_pair(axes, pair)
    save(figure, place)


def draw_pair(axes: Axes, pair: dict) -> None:
    """The reference models and their line, zero-shot and probe with 95% intervals, and y = x."""
    models = pair["reference"]
    x, y = (clipped([model[key] for model in models]) for key in ("accuracy", "shifted"))
    axes.scatter(x, y, s=18, color="#8a8a8a", label="reference models")
    every = [*x, *y]
    for way, colour in COLOURS.items():
        at = [pair[f"{way}_{where}"] for where in ("in", "shifted")]
        spans = [pair[f"{way}_{where}_interval_95"] for where in ("in", "shifted")]
        reach = [
            np.abs(np.array(span) - value)[:, None] for span, value in zip(spans, at, strict=True)
        ]
        (across,), (up,) = clipped(at[:1]), clipped(at[1:])
        axes.errorbar(
            across, up, xerr=reach[0], yerr=reach[1], fmt="o", color=colour, label=way, capsize=2
        )
        every += clipped([*spans[0], *spans[1]])
    low, high = expit(logit(min(every)) - 0.3), expit(logit(max(every)) + 0.3)
    along = expit(np.linspace(logit(low), logit(high), 50))
    axes.plot(along, along, color="#222222", linewidth=0.8, linestyle=":", label="ideal: no loss")
    if line := pair["line"]:
        fit = expit(line["slope"] * logit(along) + line["intercept"])
        axes.plot(along, fit, color="#8a8a8a", linewidth=1, label="fitted to the reference")
    axes.set(xscale="logit", yscale="logit", xlim=(low, high), ylim=(low, high))
    ticks = [tick for tick in TICKS if low <= tick <= high]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks, labels=[f"{100 * tick:g}" for tick in ticks])
        axis.set_ticks([], minor=True)
    axes.set_xlabel(f"accuracy on {plain(pair['in_distribution'])}, %")
    axes.set_ylabel(f"accuracy on {plain(pair['shifted'])}, %")
    axes.legend(fontsize="small")


def inside(accuracy: float) -> float:
    """An accuracy clipped to EDGE..1 - EDGE, as 0 and 1 have no logit.

    >>> inside(1.0)
    0.9999
    """
    return min(max(accuracy, EDGE), 1 - EDGE)


def clipped(rates: list[float]) -> list[float]:
    return [inside(rate) for rate in rates]
