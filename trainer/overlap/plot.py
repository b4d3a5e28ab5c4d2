"""The plot of overlap, as CLIP's figure 5: contamination against the difference in accuracy.

Equal results give equal bytes.
"""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from trainer.evaluation.plots import plain, save

SIDE = 4.6  # inches of a panel
SIGNIFICANT = 0.05
SURE, UNSURE = "#7b3fa0", "#8a8a8a"


def draw(results: Sequence[dict], place: Path) -> None:
    """Draw the results of several sets, as overlap.json holds them, as SVG."""
    figure = Figure(figsize=(2 * SIDE, SIDE), layout="constrained")
    FigureCanvasSVG(figure)
    left, right = figure.subplots(1, 2)
    drawn = [
        result
        for result in results
        if result.get("gain") is not None and result.get("overlap_interval")
    ]
    for result in drawn:
        _overlap_less_clean(left, result)
        _all_less_clean(right, result)
    for axes, label in ((left, "Overlap - Clean, points"), (right, "All - Clean, points")):
        axes.axhline(0, color="#222222", linewidth=0.8, linestyle=":")
        axes.set_xlabel("contamination, % of the set")
        axes.set_ylabel(label)
        if not drawn:
            axes.text(0.5, 0.5, "no set overlaps", ha="center", transform=axes.transAxes)
    left.set_title("with the 99.5% Clopper-Pearson interval", fontsize="medium")
    right.set_title("purple: p < .05 after Bonferroni", fontsize="medium")
    save(figure, place)


def _overlap_less_clean(axes: Axes, result: dict) -> None:
    x, clean = 100 * result["contamination"], result["clean_accuracy"]
    y = 100 * (result["overlap_accuracy"] - clean)
    low, high = (100 * (bound - clean) for bound in result["overlap_interval"])
    reach = [[max(0.0, y - low)], [max(0.0, high - y)]]
    axes.errorbar([x], [y], yerr=reach, fmt="o", color=UNSURE, capsize=2)
    _named(axes, result, x, y)


def _all_less_clean(axes: Axes, result: dict) -> None:
    x, y = 100 * result["contamination"], 100 * result["gain"]
    sure = result["p_bonferroni"] is not None and result["p_bonferroni"] < SIGNIFICANT
    axes.scatter([x], [y], color=SURE if sure else UNSURE)
    _named(axes, result, x, y)


def _named(axes: Axes, result: dict, x: float, y: float) -> None:
    name = plain(result["eval_set"])
    axes.annotate(name, (x, y), (4, 4), textcoords="offset points", fontsize="small")
