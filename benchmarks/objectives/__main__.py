"""The papers' objectives in miniature: which learns most from as many images?

    python -m benchmarks.objectives [--quick] [--to FOLDER]

Nine objectives, one image tower, the same pictures in the same order: CLIP's figure 2 (a
transformer language model, a bag of words predicted, a bag of words contrasted, CLIP), visual
n-grams (Li et al. 2017), and SLIP's comparisons (SimCLR alone, CLIP with SimCLR's augmentations,
SimCLR first and CLIP after, SLIP). They learn emoji of three vendors, and are asked about a
fourth's: concepts that they know, and concepts held out of every vendor. FOLDER gets the plot, and
what each course has found: a benchmark that was killed goes on from there.
"""

import argparse
import sys
from pathlib import Path

import torch

from benchmarks.emoji_data import load
from benchmarks.harness import cache
from benchmarks.objectives.answers import pixels
from benchmarks.objectives.course import Curve, kept
from benchmarks.objectives.learners import COURSES, read_texts
from benchmarks.objectives.material import QUICK, Scale, material
from benchmarks.objectives.report import draw, tell


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.objectives", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--quick", action="store_true", help="less data: ends within a minute")
    parser.add_argument(
        "--to", type=Path, default=cache() / "objectives", help="a folder for plot and results"
    )
    asked = parser.parse_args()
    torch.set_num_threads(1)
    scale = QUICK if asked.quick else Scale()
    of = material(load(cache()), scale)
    texts = read_texts(of)
    asked.to.mkdir(parents=True, exist_ok=True)
    curves: dict[str, list[Curve]] = {}
    for seed in scale.seeds:
        for course in COURSES:
            print(f"seed {seed}: {', '.join(one.name for one in course)}", file=sys.stderr)
            for name, curve in kept(course, seed, of, texts, scale, asked.to).items():
                curves.setdefault(name, []).append(curve)
    baselines = {test.title: (test.chance, pixels(test)) for test in of.tests}
    draw(curves, baselines, asked.to / "objectives.svg")
    tell(curves, baselines, scale)


if __name__ == "__main__":
    main()
