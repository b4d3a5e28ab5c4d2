"""How a command is declared, and the arguments that several commands have."""

import argparse
from collections.abc import Callable, Mapping
from itertools import islice
from typing import TypeAlias

from queries.options import LocalPath

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Run = Callable[[argparse.Namespace], int | None]  # an exit status other than 0
SHOWN = 100  # corrupt samples
EVAL = (
    "an evaluation set in CLIP_benchmark's layout (classnames.txt, "
    "zeroshot_classification_templates.txt, test/*.tar), or a folder with a folder of pictures "
    "per class"
)
TEMPLATES = (
    "a TOML, [templates] with a list for a set's folder's name, which goes before the set's own "
    'list, or for `default`, which serves sets without a list; "a photo of a {c}." otherwise; in '
    "place of a list, a table of the prompts of each class; or a JSON of these, as CLIP_benchmark's"
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


def add_any_data(command: argparse.ArgumentParser, *, required: bool = True) -> None:
    """--data of builds and WebDatasets, and where these have their captions."""
    about = (
        "a build, its workspace, or a WebDataset: a folder of tars, a glob, or a name such as "
        "s3://bucket/{00000..00099}.tar; several are joined"
    )
    command.add_argument("--data", required=required, nargs="+", metavar="PATH", help=about)
    about = (
        "where a WebDataset has its captions: txt, the default, or a key of a JSON such as "
        "json:caption; several are chosen among by their shares"
    )
    command.add_argument("--caption", nargs="+", type=caption, metavar="FILE[=SHARE]", help=about)


def caption(text: str) -> tuple[str, float]:
    """
    >>> caption("txt=.25"), caption("json:caption")
    (('txt', 0.25), ('json:caption', 1.0))
    """
    name, _, share = text.partition("=")
    if not name or not (0 < float(share or 1) < float("inf")):
        raise ValueError
    return name.lstrip("."), float(share or 1)


def add_trained_run(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--run", action=LocalPath, required=True, metavar="RUN", help="a trained run"
    )
    about = "the weights of the best epoch: of the lowest held-out loss, or without --val mean loss"
    command.add_argument("--best", action="store_true", help=about)


def add_sets(command: argparse.ArgumentParser, about: str = EVAL) -> None:
    command.add_argument(
        "--eval", action=LocalPath, required=True, nargs="+", metavar="SET", help=about
    )


def add_choice(command: argparse.ArgumentParser, *, texts: bool = True) -> None:
    """What may be chosen about evaluation sets; without `texts` no templates."""
    command.set_defaults(templates=None)
    if texts:
        command.add_argument("--templates", action=LocalPath, metavar="FILE", help=TEMPLATES)
    about = (
        "names of the classes: one a line in order of the labels or folders, lines of a folder and "
        "its name such as ImageNet's LOC_synset_mapping.txt, or JSON; default: files of the set"
    )
    command.add_argument("--classnames", action=LocalPath, metavar="FILE", help=about)
    about = "the split to evaluate; default: test, or val where there is no test"
    command.add_argument("--split", metavar="NAME", help=about)
    about = "do not turn pictures as their EXIF orientation says: CLIP_benchmark does not"
    command.add_argument("--as-stored", action="store_true", help=about)


def data_of(args: argparse.Namespace) -> list[str]:
    """Each --data: the folder of its build, or a WebDataset as it was named. Raises UserError."""
    from trainer.data.dataset import find_data

    return [str(dataset.build or dataset.path) for dataset in map(find_data, args.data)]


def show_corrupt(corrupt: Mapping[str, str]) -> None:
    """Name pictures that could not be read, the first SHOWN of them."""
    for key, why in islice(corrupt.items(), SHOWN):
        print(f"corrupt sample {key}: {why}")
    if len(corrupt) > SHOWN:
        print(f"and {len(corrupt) - SHOWN:,} more corrupt samples")
