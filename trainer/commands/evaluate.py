"""The evaluation commands: from arguments to results that are kept and printed.

Sets and settings are checked before torch is imported and the model loaded.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from queries.options import LocalPath
from trainer.commands.arguments import (
    EVAL,
    Commands,
    add_choice,
    add_command,
    add_sets,
    add_trained_run,
)
from trainer.evaluation.results import Evaluation, read_results, show, tell_apart
from trainer.evaluation.sets import (
    Choice,
    EvalSet,
    Templates,
    read_captioned_set,
    read_eval_set,
    read_templates,
)
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError

ZEROSHOT = """\
classify evaluation sets by their class names alone

example:
  python -m trainer zeroshot --run RUN --eval SET SET
      top-1, top-5 and the mean of the classes' top-1, with 95% intervals, beside chance; kept in
      RUN/zeroshot.json and RUN/tables/evaluation

A template says where the class goes, as in "a photo of a {c}."; the embeddings of a class's
prompts are averaged (CLIP, section 3.1.4). docs/evaluation.md says how each figure is made.
"""
RETRIEVAL = """\
find captions by pictures, and pictures by captions

example:
  python -m trainer retrieval --run RUN --eval SET
      recall at 1, 5 and 10 from pictures to captions and back, with 95% intervals, beside chance;
      kept in RUN/retrieval.json and RUN/tables/evaluation

In a template, "a photo of {c}" by default, {c} is the caption (CLIP, section 3.1.4).
"""
PROBE = """\
fit a linear classifier to the model's features

example:
  python -m trainer probe --run RUN --eval SET
      accuracies of a logistic regression on the features of the frozen model; kept in
      RUN/probe.json and RUN/tables/evaluation

The strength of L2 is chosen on val/, or on a fifth of train/ (CLIP, section 3.2 and appendix A.3).
Needs scikit-learn: pip install '.[probe]'.
"""
FEWSHOT = """\
how many labelled pictures zero-shot is worth

example:
  python -m trainer fewshot --run RUN --eval SET
      probes of 1, 2, 4, 8, 16 and all train pictures a class, beside zero-shot, and the number of
      pictures at which a probe equals zero-shot (CLIP, section 3.1.5); kept in RUN/fewshot.json
      and RUN/tables/evaluation
"""
ROBUSTNESS = """\
what a shift of the pictures costs zero-shot and a probe

example:
  python -m trainer robustness --run RUN --pair SET SHIFTED --pair SET OTHER
      zero-shot and a probe of SET, on SET and under its shift; kept in RUN/robustness.json,
      RUN/robustness.svg and RUN/tables/evaluation

SHIFTED's classes are those of SET, or some of them, by name; only these are told apart. The
reference models are those of a CSV (in_distribution, shifted, model, accuracy, shifted_accuracy;
sets by their folders' names), or regressions on thumbnails of SET (CLIP, section 3.3).
"""
CAPTIONED = (
    "a captioned set: test/*.tar of pictures with a .txt each, a caption a line, or a folder of "
    "pictures with a .txt beside each"
)
FITTED = f"{EVAL}; with train/ and, if there is one, val/ beside test/"
ReadSet = Callable[[Path, Mapping[str, Templates], Choice], EvalSet]


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


def choice_of(args: argparse.Namespace) -> Choice:
    """What the arguments choose about sets."""
    return Choice(args.classnames, args.split, upright=not args.as_stored)


def sets_of(args: argparse.Namespace, read: ReadSet) -> list[EvalSet]:
    """The sets of --eval. Raises TrainerError."""
    templates, choice = read_templates(args.templates), choice_of(args)
    return [read(root, templates, choice) for root in args.eval]


def sets_to_classify(args: argparse.Namespace) -> list[EvalSet]:
    """The sets of --eval, whose classes have names. Raises TrainerError."""
    sets = sets_of(args, read_eval_set)
    for eval_set in sets:
        eval_set.need_text()
    return sets


def captioned_sets(args: argparse.Namespace) -> list[EvalSet]:
    """The captioned sets of --eval. Raises TrainerError."""
    return sets_of(args, read_captioned_set)


def sets_to_fit(args: argparse.Namespace) -> list[EvalSet]:
    """The sets of --eval, all of which have train pictures of one class. Raises TrainerError."""
    need_sklearn(args.command)
    sets = sets_of(args, read_eval_set) if args.command == "probe" else sets_to_classify(args)
    for eval_set in sets:
        need_train(eval_set, args.command)
    return sets


def need_train(eval_set: EvalSet, command: str) -> None:
    """Raise TrainerError if no probe can be fitted to the set."""
    eval_set.need_single(command)
    if not eval_set.has("train"):
        raise TrainerError(f"{eval_set.root}: no split train, expected train/ beside test/")


def pairs_of_sets(args: argparse.Namespace) -> list[Any]:
    """Each set of --pair with its shift and its reference models. Raises TrainerError."""
    need_sklearn(args.command)
    templates, choice = read_templates(args.templates), choice_of(args)
    sets = [[read_eval_set(root, templates, choice) for root in pair] for pair in args.pair]
    for eval_set in [eval_set for pair in sets for eval_set in pair]:
        eval_set.need_text()
        eval_set.need_single(args.command)
    from trainer.evaluation.robustness import pair_of, read_reference

    reference = read_reference(args.reference)
    pairs = [pair_of(a, b, reference.get((a.name, b.name), ())) for a, b in sets]
    for pair in pairs:
        if args.reference and not pair.reference:
            raise TrainerError(f"{args.reference}: no model of {pair.name}, expected some")
    return pairs


@dataclass(frozen=True)
class Command:
    """An evaluation's help, how its sets are read, and its module, which is imported late."""

    text: str
    sets: str  # help of --eval; "": the sets are pairs, of --pair
    read: Callable[[argparse.Namespace], list[Any]]
    evaluation: Callable[[], Evaluation]


COMMANDS = {
    "zeroshot": Command(ZEROSHOT, EVAL, sets_to_classify, _zeroshot),
    "retrieval": Command(RETRIEVAL, CAPTIONED, captioned_sets, _retrieval),
    "probe": Command(PROBE, FITTED, sets_to_fit, _probe),
    "fewshot": Command(FEWSHOT, FITTED, sets_to_fit, _fewshot),
    "robustness": Command(ROBUSTNESS, "", pairs_of_sets, _robustness),
}


def add_evaluations(commands: Commands) -> None:
    """Every command of the table, and its arguments."""
    for name, command in COMMANDS.items():
        arguments = add_command(commands, evaluate, name, command.text)
        add_trained_run(arguments)
        if command.sets:
            add_sets(arguments, command.sets)
        else:
            _add_pairs(arguments)
        add_choice(arguments, texts=name != "probe")  # a probe reads no text


def _add_pairs(command: argparse.ArgumentParser) -> None:
    about, names = f"{FITTED}; and a set of its classes under a shift", ("SET", "SHIFTED")
    command.add_argument(
        "--pair", type=Path, required=True, nargs=2, action="append", metavar=names, help=about
    )
    command.add_argument("--reference", action=LocalPath, metavar="CSV", help="reference models")


def evaluate(args: argparse.Namespace) -> None:
    """Evaluate every set in the way that the command names, and print what came of it."""
    command = COMMANDS[args.command]
    subjects = command.read(args)
    evaluation = command.evaluation()
    run = RunFolder(args.run, best=args.best)
    for line in tell_apart(subjects, read_results(run, f"{args.command}.json")):
        print(line)
    checkpoint = load(run)
    results = [evaluation.evaluate(run, checkpoint, subject) for subject in subjects]
    show(evaluation, results, Console())
    if args.command == "robustness":
        print(run.root / "robustness.svg")


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
