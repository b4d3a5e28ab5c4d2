"""The trainer's commands: `python -m trainer --help`.

Torch is imported by the command that needs it, so help, a wrong argument and "nothing to do"
answer at once.
"""

import argparse
import sys

from queries import endings
from queries.options import parsed
from trainer.commands.clusters import add_clusters
from trainer.commands.compare import add_compare
from trainer.commands.embed import add_embed
from trainer.commands.evaluate import add_evaluations
from trainer.commands.export import add_export
from trainer.commands.overlap import add_overlap
from trainer.commands.score import add_score
from trainer.commands.train import add_train

ABOUT = "Train a CLIP model on a build, and report honestly what it learned and had seen."
STEPS = """\
the usual way:
  python -m trainer train    --data OUT --run RUN
  python -m trainer zeroshot --run RUN --eval SET
  python -m trainer overlap  --data OUT --run RUN --eval SET
  python -m trainer export   --run RUN --to DIR
"""


def parser() -> argparse.ArgumentParser:
    """Every command, its arguments and, as `run_command`, its function."""
    top = argparse.ArgumentParser(
        prog="python -m trainer",
        description=ABOUT,
        epilog=STEPS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_train(commands)
    add_evaluations(commands)
    add_compare(commands)
    add_overlap(commands)
    add_score(commands)
    add_embed(commands)
    add_clusters(commands)
    add_export(commands)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command: 0 done, 2 cannot run, 130 interrupted, 143 ended by SIGTERM."""
    args = parsed(parser().parse_args, argv)
    trains = args.command in ("train", "compare")
    end = "it goes on from its last save" if trains else "nothing was finished"
    name = f"trainer {args.command}"
    return endings.run(name, lambda: args.run_command(args), end, prefix=f"{name}: ")


if __name__ == "__main__":
    sys.exit(main())
