"""A small CLIP learns emoji: asked for a vendor that it never saw, and for concepts, too.

    python -m benchmarks.emoji [--quick]

Trained on Google's, OpenMoji's and Fluent's pictures with names and keywords, tested on Twitter's:
on the 1,667 concepts that it was trained on, and on 185 that were held out of every vendor. Three
seeds. Beside it stand chance and what needs no model: the nearest training picture by pixels, and
of its words the class with most in common. The first run fetches the pictures (about 160 MB) by
npm. One thread; CPU seconds of each training are printed. `--quick` trains for a few steps, to
show that all of it runs: its figures mean nothing.
"""

import sys
from statistics import mean
from typing import Any

import torch

from benchmarks.emoji_answers import (
    UNSEEN_CONCEPTS,
    UNSEEN_VENDOR,
    Answers,
    by_model,
    without_a_model,
)
from benchmarks.emoji_data import load
from benchmarks.emoji_train import Plan, Trained, train
from benchmarks.harness import Row, arguments, cache, show
from trainer.evaluation.intervals import Figure, wilson

PLAN, SEEDS = Plan(steps=2_000), (0, 1, 2)
QUICK, QUICK_SEEDS = Plan(steps=8), (0,)
TARGETS = {UNSEEN_VENDOR: 28.0, UNSEEN_CONCEPTS: 10.0}  # percent, mean of the seeds
CPU_BUDGET = 600.0  # seconds a seed


def rows(found: list[Answers], plain: Answers) -> list[Row]:
    """A row for each way to ask the model, beside the best that needs none."""
    made = []
    for who, title in found[0]:
        peers = {name: one.value for (name, about), one in plain.items() if about == title}
        best = max(peers, key=lambda name: peers[name])
        ours = [100 * answers[who, title].value for answers in found]
        made.append(Row(f"{title}, {who}", "top-1 %", ours, best, [100 * peers[best]]))
    return made


def percent(figure: Figure) -> list[float]:
    """The rate and its 95% interval over the pictures."""
    return [round(100 * one, 2) for one in (figure.value, figure.low, figure.high)]


def of_seeds(figures: list[Figure]) -> list[float]:
    """The seeds' mean, and its interval over the pictures."""
    value, n = mean(one.value for one in figures), figures[0].n
    return [round(100 * one, 2) for one in (value, *wilson(value * n, n))]


def notes(found: list[Answers], plain: Answers, trained: list[Trained]) -> dict[str, Any]:
    """What stands beside the table: chance, intervals, baselines, and what training took."""
    first = found[0]
    return {
        "chance_percent": {
            title: round(100 * one.chance, 3) for (_, title), one in sorted(first.items())
        },
        "mean_and_interval_95": {
            f"{title}, {who}": of_seeds([answers[who, title] for answers in found])
            for who, title in first
        },
        "without_a_model": {f"{title}, {who}": percent(one) for (who, title), one in plain.items()},
        "targets_percent": TARGETS,
        "cpu_seconds_a_seed": [round(one.cpu_seconds, 1) for one in trained],
        "cpu_budget_a_seed": CPU_BUDGET,
        "images_a_seed": trained[0].images,
        "last_loss": [round(one.loss, 3) for one in trained],
        "parameters": sum(p.numel() for p in trained[0].model.parameters()),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def main() -> None:
    asked = arguments("benchmarks.emoji", __doc__)
    torch.set_num_threads(1)
    emoji = load(cache())
    trained, found = [], []
    for seed in QUICK_SEEDS if asked.quick else SEEDS:
        one = train(emoji, QUICK if asked.quick else PLAN, seed)
        trained.append(one)
        found.append(by_model(emoji, one))
        rates = ", ".join(f"{100 * rate.value:.1f}" for rate in found[-1].values())
        print(f"seed {seed}: {one.cpu_seconds:.0f} CPU s, top-1 {rates}", file=sys.stderr)
    plain = without_a_model(emoji)
    show("Emoji of an unseen vendor", rows(found, plain), **notes(found, plain, trained))


if __name__ == "__main__":
    main()
