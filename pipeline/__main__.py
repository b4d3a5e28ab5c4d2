"""`python -m pipeline report|card|takedown`: what is made of a build, or taken out of all.

Luigi makes builds (see README).
"""

import argparse
import sys
from pathlib import Path

from pipeline.publish.card import write_card
from pipeline.report.page import announce, print_counts, write_report
from pipeline.takedown import command as takedown
from queries.tables.errors import UserError
from queries.tables.manifest import find

EXAMPLES = """\
examples:
  luigi --module pipeline BuildWIT --settings my.toml --out wit   makes a build, or goes on with it
  python -m pipeline report --build wit --run wit/runs/sample     the newest build's, with a model's
  python -m pipeline card --build wit --name mine                 for who gets the dataset
  python -m pipeline takedown --settings my.toml --out wit --list gone.csv
  python -m pipeline takedown --out wit --check                   is anything left of it?

docs/takedown.md says what goes, docs/filters.md what a list of exclusions looks like.
"""


def main(arguments: list[str] | None = None) -> int:
    made = argparse.ArgumentParser(
        "python -m pipeline",
        description="What is made of a build, or taken out of all; luigi makes builds.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = made.add_subparsers(dest="verb", required=True)
    report = verbs.add_parser("report", help="remake BUILD/report.html and print the counts")
    report.add_argument("--build", required=True, help="a build, or a workspace")
    report.add_argument("--run", type=Path, help="a run of the trainer, for its results")
    card = verbs.add_parser("card", help="write README.md, datasheet.md and croissant.json")
    card.add_argument("--build", required=True, help="a build, or a workspace")
    card.add_argument("--run", type=Path, help="a run of the trainer, for its results")
    card.add_argument("--name", default="buildwit", help="of the dataset; buildwit by default")
    takedown.add_options(
        verbs.add_parser(
            "takedown", help="take pairs and pictures out of a workspace and all its builds"
        )
    )
    options = made.parse_args(arguments)
    if options.verb == "takedown":
        return takedown.run(options)
    try:
        of_build(options)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def of_build(options: argparse.Namespace) -> None:
    """Write what was asked for, and say where it is."""
    build = find(options.build)
    if options.verb == "card":
        for path in write_card(build, options.run, options.name):
            print(path)
        return
    write_report(build, options.run)
    print_counts(build)
    announce(build, "report written")


if __name__ == "__main__":
    sys.exit(main())
