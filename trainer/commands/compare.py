"""The command compare: arms, sets and a recipe to a table of differences."""

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console

from queries.options import LocalPath
from trainer.commands.arguments import Commands, add_choice, add_command, add_sets
from trainer.commands.evaluate import sets_to_classify
from trainer.settings import MODELS, OBJECTIVES, TrainerError, read

TEXT = """\
compare builds, or conditions on them, by what a model learns from each

examples:
  python -m trainer compare --arm all=OUT --arm capped=OUT2 --eval SET SET --to DIR
      the tiny ResNet from three seeds on each of two builds; every run sees as many samples, in
      batches as large, as the model's own epochs of the first arm would be
  python -m trainer compare --arm all=OUT --arm 'long=OUT where n_words > 3' --eval SET --to DIR
      all pairs of a build, and those that meet a condition on the table sample
  python -m trainer compare --arms arms.toml --eval SET --to DIR --samples 100000 --seeds 5
      arms of a file: [arm.NAME] with data, and perhaps where and scores (trainer train --help)

The first arm is the baseline. The table says of each arm how many samples, steps and pictures its
runs took (equal compute is an error where counts differ), its zero-shot top-1, and how much that is
above the baseline's: of the same seeds and the same pictures, with a 95% interval over both. Head,
middle and tail are thirds of the classes, by how many pairs of the baseline name them.

The folder gets comparison.svg (accuracy against samples seen), comparison.parquet and .json, a run
for each arm and seed, and tables that `python -m queries audit comparison --run DIR` reads. The
same command goes on where one was ended; more --seeds add to those that are there. A folder that
holds another comparison is refused, unless --anew deletes it. docs/curation.md says how to read it.
"""


def add_compare(commands: Commands) -> None:
    """compare, its arms, and the settings of its runs."""
    command = add_command(commands, compare, "compare", TEXT)
    about = "an arm: a name, a build or WebDataset, perhaps a condition; the first is the baseline"
    command.add_argument(
        "--arm", action="append", default=[], metavar="NAME=DATA[ where SQL]", help=about
    )
    about = "a file of arms, after those of --arm"
    command.add_argument("--arms", action=LocalPath, metavar="TOML", help=about)
    add_sets(command)
    command.add_argument(
        "--to", action=LocalPath, required=True, metavar="DIR", help="folder to write"
    )
    about = "that each run sees; default: the model's own epochs of the first arm"
    command.add_argument("--samples", type=int, metavar="N", help=about)
    command.add_argument("--seeds", type=int, default=3, metavar="N", help="runs an arm; default 3")
    about = "of training at which accuracy is measured; default 8"
    command.add_argument("--points", type=int, default=8, metavar="N", help=about)
    command.add_argument("--settings", action=LocalPath, metavar="TOML", help="of train")
    command.add_argument("--model", metavar="NAME", help=f"default tiny-rn; {', '.join(MODELS)}")
    command.add_argument("--objective", choices=OBJECTIVES, help="default clip")
    command.add_argument("--batch", type=int, metavar="N", help="pairs; default: the model's own")
    command.add_argument("--lr", type=float, metavar="RATE", help="peak; default: the model's own")
    about = "between saves; default 300"
    command.add_argument("--save-seconds", type=float, default=300, metavar="S", help=about)
    about = "where the folder holds another comparison: delete that work first"
    command.add_argument("--anew", action="store_true", help=about)
    add_choice(command)


def compare(args: argparse.Namespace) -> int:
    """Compare, and print what came of it; 128 + its number where a signal ended it."""
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise TrainerError("torchrun: expected one process, which trains one run after another")
    sections = {"": ("model",), "recipe": ("objective", "batch", "lr")}
    flags = {
        section: {name: getattr(args, name) for name in names if getattr(args, name) is not None}
        for section, names in sections.items()
    }
    settings = read(args.settings, flags)
    sets = sets_to_classify(args)
    from trainer.compare.arms import read_arms
    from trainer.compare.results import last_rows
    from trainer.compare.study import PLOT, Size, costs, read_comparison
    from trainer.compare.study import compare as run_comparison
    from trainer.compare.text import show, sure
    from trainer.training.stop import StoppedError

    size = Size(args.samples, args.seeds, args.points)
    arms = read_arms(args.arm, args.arms)
    comparison = read_comparison(args.to, arms, sets, settings, size)
    try:
        rows = run_comparison(comparison, size, save_seconds=args.save_seconds, anew=args.anew)
    except StoppedError as stopped:
        print(f"{args.to}: {stopped}", file=sys.stderr)
        return 128 + stopped.number
    show(rows, costs(list(comparison.units(size.seeds))), console())
    print(sure(last_rows(rows)))
    print(Path(args.to) / PLOT)
    return 0


def console() -> Console:
    """Of the terminal's width, and where there is none, wide enough for every column."""
    return Console(width=None if sys.stdout.isatty() else 140)
