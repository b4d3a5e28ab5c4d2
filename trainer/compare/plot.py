"""The plot of a comparison: accuracy against samples seen, a panel a set and group of classes.

Equal results give equal bytes.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from trainer.compare.results import ALL
from trainer.compare.words import GROUPS
from trainer.evaluation.plots import plain, save

SIDE = 3.2  # inches of a panel
# Okabe and Ito's colours, which people with any colour vision tell apart, without their yellow.
COLOURS = ("#000000", "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7")
MARKS = ("o", "s", "^", "D", "v")


def draw(rows: Sequence[dict], place: Path) -> None:
    """Draw the rows of a table `comparison` as SVG: lines with 95% intervals, an arm each."""
    sets = list(dict.fromkeys(row["eval_set"] for row in rows))
    groups = [name for name in (ALL, *GROUPS) if any(row["class_group"] == name for row in rows)]
    size = (SIDE * len(groups), SIDE * len(sets) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasSVG(figure)
    panels = figure.subplots(len(sets), len(groups), squeeze=False)
    for line, eval_set in zip(panels, sets, strict=True):
        for axes, group in zip(line, groups, strict=True):
            own = [
                row for row in rows if (row["eval_set"], row["class_group"]) == (eval_set, group)
            ]
            draw_panel(axes, own)
            axes.set_title(f"{plain(eval_set)}: {group}", fontsize="medium")
        line[0].set_ylabel("zero-shot top-1, %")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize="small")
    save(figure, place)


def draw_panel(axes: Axes, rows: Sequence[dict]) -> None:
    """Accuracy of each arm against samples seen, with intervals."""
    for number, arm in enumerate(dict.fromkeys(row["arm"] for row in rows)):
        own = sorted(
            (row for row in rows if row["arm"] == arm), key=lambda row: row["samples_seen"]
        )
        x = np.array([row["samples_seen"] for row in own])
        y, low, high = (
            100 * np.array([row[name] for row in own]) for name in ("accuracy", "low", "high")
        )
        colour, mark = COLOURS[number % len(COLOURS)], MARKS[number % len(MARKS)]
        axes.plot(x, y, color=colour, marker=mark, markersize=3, linewidth=1, label=plain(arm))
        axes.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
    axes.set_xlabel("samples seen")
    axes.set_ylim(bottom=0)
