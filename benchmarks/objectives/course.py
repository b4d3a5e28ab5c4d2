"""A course is run once and kept: the curve of each of its phases, by images seen.

What is kept is named by all that decides it, so a benchmark that was killed goes on with the
courses that are left.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path

import torch

from benchmarks.harness import cpu_seconds
from benchmarks.objectives.answers import accuracies
from benchmarks.objectives.learners import (
    RECIPE,
    TEXT,
    Learner,
    Phase,
    Texts,
    model_config,
)
from benchmarks.objectives.material import Material, Scale, batch
from queries.tables.parts import digest, write_json
from trainer.training.optim import dtype, learning_rate

VERSION = 1  # raise it when a change of code changes results
Curve = list[dict[str, float]]  # a point a checkpoint: images, cpu_s, and top-1 by what is asked


def kept(
    course: tuple[Phase, ...], seed: int, material: Material, texts: Texts, scale: Scale, to: Path
) -> dict[str, Curve]:
    """The curve of each phase: read, or run and written."""
    made_of = [asdict(replace(scale, seeds=())), asdict(RECIPE), asdict(TEXT), str(dtype("auto"))]
    names = [phase.name for phase in course]
    path = to / f"course-{digest(VERSION, made_of, names, seed)}.json"
    if not path.is_file():
        write_json(path, run(course, seed, material, texts, scale))
    return json.loads(path.read_text())


def run(
    course: tuple[Phase, ...], seed: int, material: Material, texts: Texts, scale: Scale
) -> dict[str, Curve]:
    """Train each phase for as many images; a later one goes on where the one before ended."""
    learner: Learner | None = None
    curves: dict[str, Curve] = {}
    for before, phase in enumerate(course):
        torch.manual_seed(seed)
        learner = phase.make(model_config(scale), texts, learner)
        curve: Curve = []
        spent = 0.0
        for step in range(scale.steps):
            began = cpu_seconds()
            lr = learning_rate(RECIPE, scale.steps, step / scale.steps)
            learner.step(batch(material, scale.batch, seed, step), lr)
            spent += cpu_seconds() - began
            if step + 1 in scale.checkpoints:
                images = (before * scale.steps + step + 1) * scale.batch
                found = accuracies(learner, material, probe=step + 1 == scale.steps)
                curve.append({"images": images, "cpu_s": round(spent, 2), **found})
        curves[phase.name] = curve
    return curves
