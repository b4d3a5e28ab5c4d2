"""The commands about overlap: from arguments to results that are kept and printed.

Sets and settings are checked before torch is imported.
"""

import argparse
import math
from pathlib import Path

from rich.console import Console

from queries.tables.manifest import find
from trainer.commands.evaluate import need_names_apart
from trainer.evaluation.sets import EvalSet, read_eval_set
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError

PHASH = "phash"


def overlap(args: argparse.Namespace) -> None:
    """Compare sets with the training data, and print the table."""
    build, sets = find(args.data), read_sets(args)
    from trainer.overlap import audit

    run = RunFolder(args.run) if args.run else None
    results = audit.overlap(build, run, sets, search_of(args), args.write_exclusions)
    audit.show(results, Console())
    if run is not None:
        print(*(run.root / name for name in (audit.PLOT, *(result["page"] for result in results))))


def decontaminate(args: argparse.Namespace) -> None:
    """Exclude and build again until nothing is near."""
    find(args.data)
    sets = read_sets(args)
    if args.rounds < 1:
        raise TrainerError(f"rounds {args.rounds}: expected at least 1")
    from trainer.overlap.decontaminate import decontaminate as rebuild

    done = rebuild(args.data, sets, search_of(args), args.exclude, args.settings, args.rounds)
    print(f"{done[-1].build}: no pair is near, after {len(done) - 1} builds")


def duplicates(args: argparse.Namespace) -> None:
    """Print the groups of near duplicates."""
    build = find(args.data)
    from trainer.overlap import duplicates as within

    run = RunFolder(args.run) if args.run else None
    within.show(within.duplicates(build, run, search_of(args)), Console())


def detector(args: argparse.Namespace) -> None:
    """Train a copy detector, and say what it is."""
    build = find(args.data)
    if args.to.is_dir():
        raise TrainerError(f"--to {args.to}: a folder, expected a file to write")
    from trainer.copies.training import Budget, train

    seconds = math.inf if args.seconds is None else args.seconds
    done = train(build, args.to, Budget(args.steps, seconds, args.seed))
    about = done.about
    print(
        f"{args.to}: {done.name}, {about['pictures']:,} pictures, {about['steps']:,} steps, "
        f"{about['cpu_seconds']:.0f} CPU seconds"
    )


def read_sets(args: argparse.Namespace) -> list[EvalSet]:
    sets = [read_eval_set(root) for root in args.eval]
    need_names_apart([eval_set.name for eval_set in sets], "--eval")
    return sets


def search_of(args: argparse.Namespace):
    """The Search that the arguments ask for."""
    from trainer.overlap.search import Search

    if args.detector == PHASH:
        return Search(None, args.threshold, args.rate)
    from trainer.copies.detector import load

    return Search(load(Path(args.detector)), args.threshold, args.rate)
