"""The evaluation commands: from arguments to results that are kept and printed.

Sets and settings are checked before torch is imported and the model loaded.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from trainer.evaluation.sets import EvalSet, read_captioned_set, read_eval_set, read_templates
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError

if TYPE_CHECKING:
    from trainer.model.checkpoint import Checkpoint


def evaluate(args: argparse.Namespace) -> None:
    """Evaluate every set in the way that the command names, and print what came of it."""
    if args.command == "robustness":
        return robustness(args)
    if args.command in ("probe", "fewshot"):
        sets = read_sets_to_fit(args)
    else:
        sets = read_sets(args, read_captioned_set if args.command == "retrieval" else read_eval_set)
    task = import_module(f"trainer.evaluation.{args.command}")
    run, found = load(args)
    task.show([getattr(task, args.command)(run, found, one) for one in sets], Console())


def robustness(args: argparse.Namespace) -> None:
    """Compare zero-shot with a probe on every pair of a set and its shift."""
    need_sklearn("robustness")
    templates = read_templates(args.templates)
    sets = [[read_eval_set(root, templates) for root in pair] for pair in args.pair]
    from trainer.evaluation import robustness as task

    reference = task.read_reference(args.reference)
    pairs = [task.pair_of(*one) for one in sets]
    alone([pair.name for pair in pairs], "--pair")
    known = [reference.get((one.home.name, one.shifted.name), []) for one in pairs]
    for pair, models in zip(pairs, known, strict=True):
        if args.reference and not models:
            raise TrainerError(f"{args.reference}: no model of {pair.name}, expected some")
    run, found = load(args)
    done = [task.robustness(run, found, *one) for one in zip(pairs, known, strict=True)]
    task.show(done, Console())
    print(run.root / "robustness.svg")


def read_sets_to_fit(args: argparse.Namespace) -> list[EvalSet]:
    """The sets, all of which have pictures to fit to."""
    need_sklearn(args.command)
    sets = read_sets(args, read_eval_set)
    for one in sets:
        if not one.has("train"):
            raise TrainerError(f"{one.root}: no split train, expected train/ beside test/")
    return sets


def read_sets(
    args: argparse.Namespace, read: Callable[[Path, dict[str, list[str]]], EvalSet]
) -> list[EvalSet]:
    templates = read_templates(args.templates)
    sets = [read(root, templates) for root in args.eval]
    alone([one.name for one in sets], "--eval")
    return sets


def alone(names: Sequence[str], flag: str) -> None:
    """Raise TrainerError if two sets have one name: results are kept by it."""
    if twice := [name for name, n in Counter(names).items() if n > 1]:
        raise TrainerError(f"{flag}: {twice[0]} stands twice, expected sets of different names")


def need_sklearn(command: str) -> None:
    if find_spec("sklearn") is None:
        raise TrainerError(
            f"no package scikit-learn, expected by {command}: pip install '.[probe]'"
        )


def load(args: argparse.Namespace) -> "tuple[RunFolder, Checkpoint]":
    """The run and its model, on the accelerator if there is one."""
    import torch

    from trainer.model import checkpoint

    run = RunFolder(args.run)
    found = checkpoint.load(run)
    found.model.to("cuda" if torch.cuda.is_available() else "cpu")
    return run, found
