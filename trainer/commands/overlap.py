"""The commands about overlap: from arguments to results that are kept and printed.

Sets and settings are checked before torch is imported.
"""

import argparse
import math
from pathlib import Path

from rich.console import Console

from queries.options import LocalPath
from queries.tables.manifest import find
from trainer.commands.arguments import EVAL, Commands, add_choice, add_command, add_data, add_sets
from trainer.commands.evaluate import sets_of
from trainer.evaluation.results import read_results, tell_apart
from trainer.evaluation.sets import EvalSet, read_any_set
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError

PHASH = "phash"
ANY_SET = f"{EVAL}; or a captioned set, or a folder of pictures"
OVERLAP = """\
report what evaluation sets share with the training data

examples:
  python -m trainer overlap --data OUT --run RUN --eval SET SET
      accuracy on all pictures, on those without and on those with a near duplicate among the
      training pictures (CLIP, section 5); kept in RUN/overlap.json, RUN/overlap.svg and
      RUN/tables/, with a page of the neighbours around the threshold in RUN/overlap/
  python -m trainer overlap --data OUT --eval SET --detector FILE --write-exclusions FILE
      the same search with a learned detector, without a model; and a list for BuildWIT --exclude

A threshold is the number of bits of pHash that may differ (always even: 4 equals 5), or the least
score of a learned detector. Without --threshold it is chosen for each set: at --rate false
positives per pair, on pairs of pictures of different classes. docs/overlap.md says how.
"""
DECONTAMINATE = """\
exclude pairs that are near evaluation sets, and build again, until none is

example:
  python -m trainer decontaminate --data OUT --eval SET --exclude excluded.csv --settings TOML
      searches the newest build for SET, adds the pairs found to the list, makes the next version
      without them (BuildWIT --exclude), and searches again until no pair is near
"""
DUPLICATES = """\
near duplicates among a build's own pictures

example:
  python -m trainer duplicates --data OUT --detector FILE --run RUN
      groups of near duplicates among a build's own pictures: how many, how large, what share;
      kept in RUN/duplicates.json
"""
DETECTOR = """\
train a copy detector for overlap on a build's pictures

example:
  python -m trainer detector --data OUT --to detector.safetensors
      a copy detector trained on the build's own pictures and their synthetic copies (CLIP,
      appendix C); one frozen file, which results name by its digest

Equal pictures, seed and steps give equal weights on one machine. --seconds, of CPU time, may end
training before its last step, and then says so.
"""


def add_overlap(commands: Commands) -> None:
    """overlap, decontaminate and duplicates, which search with a detector, and detector."""
    audit = add_command(commands, overlap, "overlap", OVERLAP)
    audit.add_argument("--run", action=LocalPath, metavar="RUN", help="a trained run, to evaluate")
    about = "a list of pairs to exclude, made or added to"
    audit.add_argument("--write-exclusions", action=LocalPath, metavar="FILE", help=about)

    clean = add_command(commands, decontaminate, "decontaminate", DECONTAMINATE)
    clean.add_argument("--exclude", action=LocalPath, required=True, metavar="FILE", help=about)
    clean.add_argument(
        "--settings", action=LocalPath, metavar="TOML", help="of the build; default: own"
    )
    clean.add_argument("--rounds", type=int, default=5, metavar="N", help="most builds; default 5")

    within = add_command(commands, duplicates, "duplicates", DUPLICATES)
    within.add_argument("--run", action=LocalPath, metavar="RUN", help="folder for duplicates.json")

    for command in (audit, clean, within):
        add_data(command)
        about = "phash, the default; a file of `trainer detector`; or an .onnx, or its .toml"
        command.add_argument("--detector", default="phash", metavar="FILE", help=about)
        about = "bits, or a score; default: chosen by --rate"
        command.add_argument("--threshold", type=float, metavar="X", help=about)
        about = "false positives per pair, to choose a threshold by"
        command.add_argument("--rate", type=float, metavar="R", help=about)
    for command in (audit, clean):
        add_sets(command, ANY_SET)
        add_choice(command, texts=command is audit)  # of the model's accuracy

    command = add_command(commands, detector, "detector", DETECTOR)
    add_data(command)
    command.add_argument(
        "--to", action=LocalPath, required=True, metavar="FILE", help="file to write"
    )
    command.add_argument("--steps", type=int, default=2_000, metavar="N", help="default 2000")
    command.add_argument("--seconds", type=float, metavar="S", help="of CPU, an upper bound")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="default 0")


def overlap(args: argparse.Namespace) -> None:
    """Compare sets with the training data, and print the table."""
    build, sets = find(args.data), sets_of(args, read_any_set)
    run = RunFolder(args.run) if args.run else None
    if run:
        for eval_set in sets:
            eval_set.need_text()
    named_apart(sets, run)
    from trainer.overlap import audit
    from trainer.overlap.exclusions import need_extendable

    if args.write_exclusions:
        need_extendable(args.write_exclusions, search_of(args))
    results = audit.overlap(build, run, sets, search_of(args), args.write_exclusions)
    audit.show(results, Console())
    if run is not None:
        print(*(run.root / name for name in (audit.PLOT, *(result["page"] for result in results))))


def named_apart(sets: list[EvalSet], run: RunFolder | None) -> None:
    """Give longer names to sets that another set, here or in the run's results, has the name of."""
    for line in tell_apart(sets, read_results(run, "overlap.json") if run else {}):
        print(line)


def decontaminate(args: argparse.Namespace) -> None:
    """Exclude and build again until nothing is near."""
    find(args.data)
    sets = sets_of(args, read_any_set)
    named_apart(sets, None)
    if args.rounds < 1:
        raise TrainerError(f"rounds {args.rounds}: expected at least 1")
    from trainer.overlap.decontaminate import decontaminate as rebuild
    from trainer.overlap.exclusions import need_extendable

    need_extendable(args.exclude, search_of(args))
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
    if about["steps"] < about["steps_planned"]:
        print(
            f"--seconds {seconds:g} ended it after {about['steps']:,} of "
            f"{about['steps_planned']:,} steps: it finds less, and another machine may do other "
            "steps; raise --seconds or lower --steps"
        )


def search_of(args: argparse.Namespace):
    """The Search that the arguments ask for."""
    from trainer.overlap.search import Search

    if args.detector == PHASH:
        return Search(None, args.threshold, args.rate)
    from trainer.copies.detector import load

    return Search(load(Path(args.detector)), args.threshold, args.rate)
