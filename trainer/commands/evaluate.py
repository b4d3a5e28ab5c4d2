"""The evaluation commands: from arguments to results that are kept and printed.

Sets and settings are checked before torch is imported and the model loaded.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from trainer.evaluation.results import Evaluation, show
from trainer.evaluation.sets import EvalSet, read_captioned_set, read_eval_set, read_templates
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError


def _zeroshot() -> Evaluation:
    from trainer.evaluation import zeroshot

    return zeroshot


def _retrieval() -> Evaluation:
    from trainer.evaluation import retrieval

    return retrieval


def _probe() -> Evaluation:
    from trainer.evaluation import probe

    return probe


def _fewshot() -> Evaluation:
    from trainer.evaluation import fewshot

    return fewshot


def _robustness() -> Evaluation:
    from trainer.evaluation import robustness

    return robustness


def sets_to_classify(args: argparse.Namespace) -> list[EvalSet]:
    """The sets of --eval, with the templates of --templates. Raises TrainerError."""
    return _read_sets(args, read_eval_set)


def captioned_sets(args: argparse.Namespace) -> list[EvalSet]:
    """The captioned sets of --eval. Raises TrainerError."""
    return _read_sets(args, read_captioned_set)


def sets_to_fit(args: argparse.Namespace) -> list[EvalSet]:
    """The sets of --eval, all of which have train pictures. Raises TrainerError."""
    need_sklearn(args.command)
    sets = _read_sets(args, read_eval_set)
    for eval_set in sets:
        if not eval_set.has("train"):
            raise TrainerError(f"{eval_set.root}: no split train, expected train/ beside test/")
    return sets


def pairs_of_sets(args: argparse.Namespace) -> list[Any]:
    """Each set of --pair with its shift and its reference models. Raises TrainerError."""
    need_sklearn(args.command)
    templates = read_templates(args.templates)
    sets = [[read_eval_set(root, templates) for root in pair] for pair in args.pair]
    from trainer.evaluation.robustness import pair_of, read_reference

    reference = read_reference(args.reference)
    pairs = [pair_of(a, b, reference.get((a.name, b.name), ())) for a, b in sets]
    need_names_apart([pair.name for pair in pairs], "--pair")
    for pair in pairs:
        if args.reference and not pair.reference:
            raise TrainerError(f"{args.reference}: no model of {pair.name}, expected some")
    return pairs


@dataclass(frozen=True)
class Command:
    """How a command reads what it evaluates on, and the module that evaluates, imported late."""

    read: Callable[[argparse.Namespace], list[Any]]
    evaluation: Callable[[], Evaluation]


COMMANDS = {
    "zeroshot": Command(sets_to_classify, _zeroshot),
    "retrieval": Command(captioned_sets, _retrieval),
    "probe": Command(sets_to_fit, _probe),
    "fewshot": Command(sets_to_fit, _fewshot),
    "robustness": Command(pairs_of_sets, _robustness),
}


def evaluate(args: argparse.Namespace) -> None:
    """Evaluate every set in the way that the command names, and print what came of it."""
    command = COMMANDS[args.command]
    subjects = command.read(args)
    evaluation = command.evaluation()
    run = RunFolder(args.run)
    checkpoint = load(run)
    results = [evaluation.evaluate(run, checkpoint, subject) for subject in subjects]
    show(evaluation, results, Console())
    if args.command == "robustness":
        print(run.root / "robustness.svg")


def _read_sets(
    args: argparse.Namespace, read: Callable[[Path, dict[str, list[str]]], EvalSet]
) -> list[EvalSet]:
    templates = read_templates(args.templates)
    sets = [read(root, templates) for root in args.eval]
    need_names_apart([eval_set.name for eval_set in sets], "--eval")
    return sets


def need_names_apart(names: Sequence[str], flag: str) -> None:
    """Raise TrainerError if two sets have one name: results are kept by it."""
    if twice := [name for name, n in Counter(names).items() if n > 1]:
        raise TrainerError(f"{flag}: {twice[0]} stands twice, expected sets of different names")


def need_sklearn(command: str) -> None:
    """Raise TrainerError if scikit-learn, an extra, is not installed."""
    if find_spec("sklearn") is None:
        raise TrainerError(
            f"no package scikit-learn, expected by {command}: pip install '.[probe]'"
        )


def load(run: RunFolder) -> Any:
    """The run's checkpoint, on the accelerator if there is one."""
    import torch

    from trainer.model.checkpoint import load as load_checkpoint

    checkpoint = load_checkpoint(run)
    checkpoint.model.to("cuda" if torch.cuda.is_available() else "cpu")
    return checkpoint
