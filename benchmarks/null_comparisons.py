"""Comparisons of a build with itself: how often `trainer compare` says that nothing differs.

    python -m benchmarks.null_comparisons [--quick]

A bank of 12 seeds learns one build of coloured shapes, as units of a comparison. 20 times six of
them are drawn, three for each of two arms: these differ by chance alone, and a 95% interval of
their difference should hold zero 19 times. The draws share the bank, so they are no 20 independent
trials. `--quick` trains for four steps.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.harness import Row, Timed, arguments, show
from tests.trainer_fixtures import make_build, make_eval_set
from trainer.compare.arms import Arm
from trainer.compare.crossed import mean_of
from trainer.compare.study import Size, compare, read_comparison
from trainer.evaluation.sets import read_eval_set
from trainer.settings import read

BANK, DRAWN, COMPARISONS = 12, 3, 20
BATCH, STEPS, QUICK_STEPS = 16, 24, 4
PER_CLASS = 10  # pictures of the evaluation set


def bank(root: Path, steps: int) -> np.ndarray:
    """bool (BANK, N): the answers of each seed's run to the N pictures of the set."""
    make_build(root / "build", per_class=8)
    make_eval_set(root / "shapes", first=1000, per_class=PER_CLASS)
    settings = read(None, {"recipe": {"batch": BATCH}})
    size = Size(BATCH * steps, BANK, points=1)
    arms = [Arm("all", str(root / "build"))]
    sets = [read_eval_set(root / "shapes")]
    comparison = read_comparison(root / "to", arms, sets, settings, size)
    compare(comparison, size, save_seconds=3_600, anew=False)
    parts = [unit.part("compared_answer") for unit in comparison.units(BANK)]
    return np.stack([pq.read_table(part)["correct"].to_numpy() for part in parts])


def main() -> None:
    quick = arguments("benchmarks.null_comparisons", (__doc__ or "").splitlines()[0]).quick
    with tempfile.TemporaryDirectory() as name, Timed() as took:
        answers = bank(Path(name), QUICK_STEPS if quick else STEPS).astype(float)
    draw = np.random.default_rng(0)
    means = []
    for _ in range(COMPARISONS):
        seeds = draw.permutation(BANK)[: 2 * DRAWN]
        means.append(mean_of(answers[seeds[:DRAWN]] - answers[seeds[DRAWN:]]))
    hold = sum(mean.low <= 0 <= mean.high for mean in means)
    rates = answers.mean(axis=1)
    print(f"top-1 of the seeds: {np.round(100 * rates, 1).tolist()}", file=sys.stderr)
    widths = [100 * (mean.high - mean.low) for mean in means]
    show(
        "Comparisons of a build with itself",
        [Row("intervals that hold zero", f"of {COMPARISONS}", [hold], "95%", [19])],
        top1_percent=round(100 * float(rates.mean()), 1),
        spread_of_seeds_percent=round(100 * float(rates.std(ddof=1)), 1),
        median_width_percent=round(float(np.median(widths)), 1),
        cpu_seconds=round(took.cpu),
    )


if __name__ == "__main__":
    main()
