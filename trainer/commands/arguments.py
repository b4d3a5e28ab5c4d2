"""How a command is declared, and the arguments that several commands have."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Run = Callable[[argparse.Namespace], int | None]  # an exit status other than 0
EVAL = (
    "an evaluation set in CLIP_benchmark's layout (classnames.txt, "
    "zeroshot_classification_templates.txt, test/*.tar), or a folder with a folder of pictures "
    "per class"
)


def add_command(commands: Commands, run: Run, name: str, text: str) -> argparse.ArgumentParser:
    """Add a command; its text for --help is a line about it, a blank line, and examples."""
    about, _, examples = text.partition("\n\n")
    command = commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run_command=run)
    return command


def add_data(command: argparse.ArgumentParser) -> None:
    about = "a build, or the workspace that `luigi --module pipeline BuildWIT --out` wrote"
    command.add_argument("--data", required=True, metavar="PATH", help=about)


def add_trained_run(command: argparse.ArgumentParser) -> None:
    command.add_argument("--run", type=Path, required=True, metavar="RUN", help="a trained run")


def add_sets(command: argparse.ArgumentParser, about: str = EVAL) -> None:
    command.add_argument("--eval", type=Path, required=True, nargs="+", metavar="SET", help=about)
