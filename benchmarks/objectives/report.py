"""The curves as a plot and as tables: accuracy by images seen, and what the papers claim.

An accuracy is the mean of the seeds; its interval is Wilson's over the pictures asked about, which
are the same for every seed, and the seeds' extremes stand beside it.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.harness import Row, show
from benchmarks.objectives.answers import NEAREST, PROBE
from benchmarks.objectives.course import Curve
from benchmarks.objectives.learners import (
    AFTER,
    AUGMENTED,
    BAG,
    CBOW,
    CLIP_,
    LANGUAGE,
    NGRAMS,
    PER_WORD,
    SIMCLR,
    SLIP,
    ZERO_SHOT,
)
from benchmarks.objectives.material import Scale
from trainer.evaluation.fewshot import equal_shots
from trainer.evaluation.intervals import wilson
from trainer.evaluation.plots import save

VENDOR, CONCEPTS = "unseen vendor", "unseen concepts"
BY_NAMES = tuple(f"{test}, {way}" for test in (VENDOR, CONCEPTS) for way in (ZERO_SHOT, PER_WORD))
BY_PICTURES = (f"{VENDOR}, {NEAREST}", f"{CONCEPTS}, {NEAREST}", f"{CONCEPTS}, {PROBE}")
DRAWN = (BY_NAMES[0], BY_NAMES[2], *BY_PICTURES[:2])
CLAIMS = (
    (BAG, LANGUAGE, BY_NAMES[0]),
    (CBOW, BAG, BY_NAMES[0]),
    (CLIP_, LANGUAGE, BY_NAMES[0]),
    (CLIP_, NGRAMS, BY_NAMES[0]),
    (SLIP, CLIP_, BY_NAMES[0]),
    (SLIP, AUGMENTED, BY_NAMES[0]),
    (SLIP, AFTER, BY_NAMES[0]),
    (SLIP, CLIP_, BY_PICTURES[2]),
    (SLIP, SIMCLR, BY_PICTURES[2]),
)
COLOURS = dict(
    zip(
        (LANGUAGE, BAG, NGRAMS, CBOW, CLIP_, AUGMENTED, SIMCLR, AFTER, SLIP),
        mpl.color_sequences["tab10"],
        strict=False,
    )
)
Curves = dict[str, list[Curve]]  # by objective, one a seed
Baselines = dict[str, tuple[float, float]]  # by test set: chance, and the nearest by pixels


@dataclass(frozen=True)
class Summary:
    """A percentage: the seeds' mean, the interval over pictures, and each seed's."""

    mean: float
    low: float
    high: float
    seeds: list[float]

    def as_list(self) -> list[float]:
        """Mean, low, high, then each seed's."""
        return [round(one, 2) for one in (self.mean, self.low, self.high, *self.seeds)]

    def __str__(self) -> str:
        """
        >>> str(Summary(20.0, 15.0, 26.0, [19.0, 21.0]))
        '20.0 [15-26] (19.0-21.0)'
        """
        spread = f"({min(self.seeds):.1f}-{max(self.seeds):.1f})"
        return f"{self.mean:.1f} [{self.low:.0f}-{self.high:.0f}] {spread}"


def summary(rates: list[float], n: int) -> Summary:
    """Of the seeds' rates over the same n pictures.

    >>> str(summary([0.5, 0.7], 100))
    '60.0 [50-69] (50.0-70.0)'
    """
    low, high = wilson(mean(rates) * n, n)
    return Summary(100 * mean(rates), 100 * low, 100 * high, [100 * rate for rate in rates])


def last(curves: Curves, name: str, asked: str) -> list[float]:
    """Each seed's rate at the end; none of what the objective cannot be asked."""
    return [curve[-1][asked] for curve in curves[name] if asked in curve[-1]]


def better_way(curves: Curves, name: str, asked: str) -> str:
    """What stands for zero-shot: for those that predict the text, the better of their two ways.

    Whole likelihoods favour short names, per word long ones; neither is to decide a comparison.
    """
    ways = [asked, asked.replace(ZERO_SHOT, PER_WORD)]
    known = [way for way in ways if last(curves, name, way)]
    return max(known, key=lambda way: mean(last(curves, name, way)), default=asked)


def tell(curves: Curves, baselines: Baselines, scale: Scale) -> None:
    """Print the accuracies at the end, those on the way, the claims, and all as JSON."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    found = summaries(curves, scale)
    for columns in (BY_NAMES, BY_PICTURES):
        console.print(at_the_end(found, columns, baselines, len(scale.seeds)))
    for asked in (BY_NAMES[0], BY_NAMES[2]):
        console.print(on_the_way(curves, asked))
    show(
        "What the papers lead us to expect: the first is to be the better",
        claims(curves),
        fewer_images=fewer_images(curves),
        accuracy={
            name: {asked: one.as_list() for asked, one in row.items()}
            for name, row in found.items()
        },
        chance_and_nearest_by_pixels=baselines,
        scale=vars(scale),
        threads=torch.get_num_threads(),
        torch=torch.__version__,
    )


def summaries(curves: Curves, scale: Scale) -> dict[str, dict[str, Summary]]:
    """Of every objective, by what it can be asked."""
    n = {VENDOR: scale.vendor_classes, CONCEPTS: scale.concept_classes}
    return {
        name: {
            asked: summary(last(curves, name, asked), n[test_of(asked)])
            for asked in (*BY_NAMES, *BY_PICTURES)
            if last(curves, name, asked)
        }
        for name in curves
    }


def test_of(asked: str) -> str:
    """
    >>> test_of("unseen vendor, zero-shot")
    'unseen vendor'
    """
    return asked.split(", ")[0]


def at_the_end(
    found: dict[str, dict[str, Summary]],
    columns: Sequence[str],
    baselines: Baselines,
    n_seeds: int,
) -> Table:
    """A row an objective, and those that need no model."""
    grid = Table(
        "top-1 %: mean [95%] (seeds)", *columns, title=f"after all images, {n_seeds} seeds"
    )
    for name, row in found.items():
        if any(asked in row for asked in columns):
            grid.add_row(name, *(str(row.get(asked, "-")) for asked in columns))
    of = [baselines[test_of(asked)] for asked in columns]
    if any(NEAREST in asked for asked in columns):
        near = [
            f"{100 * one:.1f}" if NEAREST in asked else "-"
            for asked, (_, one) in zip(columns, of, strict=True)
        ]
        grid.add_row("nearest by pixels", *near)
    grid.add_row("chance", *(f"{100 * chance:.2f}" for chance, _ in of))
    return grid


def on_the_way(curves: Curves, asked: str) -> Table:
    """The seeds' mean at each checkpoint, and the CPU seconds of all the training."""
    points = [point["images"] for point in curves[CLIP_][0]]
    title = f"{asked} (the better way), top-1 %"
    grid = Table("images seen", *(f"{at:,}" for at in points), "CPU s", title=title)
    for name in curves:
        way = better_way(curves, name, asked)
        if last(curves, name, way):
            seconds = mean(curve[-1]["cpu_s"] for curve in curves[name])
            means = (f"{100 * rate:.1f}" for _, rate in means_of(curves[name], way))
            grid.add_row(name, *means, f"{seconds:.0f}")
    return grid


def means_of(seeds: list[Curve], asked: str) -> list[tuple[int, float]]:
    """Images seen, and the seeds' mean rate, at each checkpoint."""
    return [
        (int(points[0]["images"]), mean(point[asked] for point in points))
        for points in zip(*seeds, strict=True)
    ]


def claims(curves: Curves) -> list[Row]:
    """Each pair of objectives: the ratio is above 1 where the papers' order holds."""
    rows = []
    for better, worse, asked in CLAIMS:
        percent = [
            [100 * rate for rate in last(curves, name, better_way(curves, name, asked))]
            for name in (better, worse)
        ]
        rows.append(Row(f"{better}; {asked}", "top-1 %", percent[0], worse, percent[1]))
    return rows


def fewer_images(curves: Curves) -> dict[str, str]:
    """How many times fewer images than the language model's all reach its last accuracy."""
    asked = BY_NAMES[0]
    goal = mean(last(curves, LANGUAGE, better_way(curves, LANGUAGE, asked)))
    found = {}
    for name in (BAG, NGRAMS, CBOW, CLIP_):
        points = means_of(curves[name], better_way(curves, name, asked))
        met = equal_shots(goal, points)
        sign = {"": "", "fewer": "more than ", "more": "less than "}[met["equal_bound"]]
        found[name] = f"{sign}{points[-1][0] / met['equal_shots']:.1f}"
    return found


def draw(curves: Curves, baselines: Baselines, path: Path) -> None:
    """Four panels of accuracy by images seen: lines are means of seeds, bands their extremes."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    FigureCanvasSVG(figure)
    panels = figure.subplots(2, 2, sharex=True)
    for axes, asked in zip(panels.flat, DRAWN, strict=True):
        draw_panel(axes, curves, asked, baselines[test_of(asked)])
    handles, labels = panels[1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize="small")
    save(figure, path)


def draw_panel(axes: Axes, curves: Curves, asked: str, baseline: tuple[float, float]) -> None:
    chance, near = baseline
    axes.axhline(100 * chance, color="#888888", linewidth=0.8, linestyle=":", label="chance")
    if NEAREST in asked:
        axes.axhline(
            100 * near, color="#888888", linewidth=0.8, linestyle="--", label="nearest by pixels"
        )
    for name, seeds in curves.items():
        way = better_way(curves, name, asked)
        if not last(curves, name, way):
            continue
        images = [at for at, _ in means_of(seeds, way)]
        rates = [[100 * point[way] for point in points] for points in zip(*seeds, strict=True)]
        axes.plot(images, [mean(one) for one in rates], "o-", color=COLOURS[name], label=name)
        low, high = [min(one) for one in rates], [max(one) for one in rates]
        axes.fill_between(images, low, high, color=COLOURS[name], alpha=0.15, linewidth=0)
    axes.set(title=asked, xscale="log", xlabel="images seen", ylabel="top-1 %")
