"""`python -m pipeline init|report|explore|card|builds|publish|clean|takedown`.

All but making builds: Luigi makes them (see README).
"""

import argparse
import sys

from queries import endings

with endings.importing(__name__):
    from pipeline.explore.command import add_explore_options, run_explore
    from pipeline.publish.card import write_card
    from pipeline.publish.command import add_publish_options, run_publish
    from pipeline.publish.rights import write_rights
    from pipeline.publish.told import told_in
    from pipeline.report.builds import add_builds_options, run_builds
    from pipeline.report.page import announce, print_counts, write_report
    from pipeline.sources.tables.command import add_init_options, run_init
    from pipeline.takedown.command import add_takedown_options, run_takedown
    from pipeline.workspace.clean import add_clean_options, run_clean
    from queries.options import LocalPath, parsed
    from queries.tables.manifest import find, run_folder

EXAMPLES = """\
examples:
  luigi --module pipeline BuildWIT --settings my.toml --out wit   make a build, or go on with it
  luigi --module pipeline BuildQueries --settings list.toml --out wit      the query list alone
  python -m pipeline init captions.csv                            write settings for a table
  python -m pipeline report --build wit --run wit/runs/sample     report on build and model
  python -m pipeline explore wit --run wit/runs/sample            see and search it in a browser
  python -m pipeline card --build wit --name mine                 describe the dataset to its users
  python -m pipeline rights --build wit                           credits, and the EU's summary
  python -m pipeline builds wit                                   its versions, and what changed
  python -m pipeline publish wit --to public --embed              a folder for others, or a hub
  python -m pipeline clean --out wit --keep 2                     what older builds take; --yes
  python -m pipeline takedown --settings my.toml --out wit --list gone.csv
  python -m pipeline takedown --out wit --check                   search for what is left

docs/takedown.md says what a takedown removes, docs/filters.md how a list of exclusions is written.
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "python -m pipeline",
        description="Begin, describe or reduce builds; luigi makes them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    add_init_options(
        verbs.add_parser("init", help="write the settings of a build by looking at its table")
    )
    report = verbs.add_parser("report", help="write BUILD/report.html again and print the counts")
    report.add_argument("--build", required=True, help="a build, or a workspace")
    report.add_argument(
        "--run", action=LocalPath, help="a run of the trainer, whose results are shown"
    )
    add_explore_options(verbs.add_parser("explore", help="see, search and question a build"))
    card = verbs.add_parser("card", help="write README.md, datasheet.md and croissant.json")
    card.add_argument("--build", required=True, help="a build, or a workspace")
    card.add_argument(
        "--run", action=LocalPath, help="a run of the trainer, whose results are shown"
    )
    card.add_argument("--name", default="", help="name of the dataset; buildwit by default")
    card.add_argument(
        "--settings", action=LocalPath, help="a TOML whose [card] says what people know"
    )
    rights = verbs.add_parser(
        "rights", help="write whom to credit, and the summary of training content that the EU asks"
    )
    rights.add_argument("--build", required=True, help="a build, or a workspace")
    add_builds_options(verbs.add_parser("builds", help="list the builds, and compare the last two"))
    add_publish_options(
        verbs.add_parser("publish", help="make a folder of a build that others can read, or a hub")
    )
    add_clean_options(
        verbs.add_parser("clean", help="remove older builds and the work that no kept one needs")
    )
    add_takedown_options(
        verbs.add_parser(
            "takedown", help="take pairs and pictures out of a workspace and all its builds"
        )
    )
    options = parsed(parser.parse_args, arguments)
    runs = {"takedown": run_takedown, "init": run_init, "publish": run_publish}
    runs |= {"clean": run_clean, "builds": run_builds, "explore": run_explore}
    runs["rights"] = describe_rights
    work = runs.get(options.verb, describe_build)
    return endings.run(f"pipeline {options.verb}", lambda: work(options))


def describe_rights(options: argparse.Namespace) -> None:
    """Write the lists of authors and the summary, and print where they are."""
    for path in write_rights(find(options.build)):
        print(path)


def describe_build(options: argparse.Namespace) -> None:
    """Write the report or the card, and print where it is."""
    build = find(options.build)
    run_folder(options.run)
    if options.verb == "card":
        card_settings = told_in(options.settings) if options.settings else None
        for path in write_card(build, options.run, options.name, card_settings):
            print(path)
        return
    write_report(build, options.run)
    print_counts(build)
    announce(build, "report written")


if __name__ == "__main__":
    sys.exit(main())
