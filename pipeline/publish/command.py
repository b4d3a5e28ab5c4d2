"""`python -m pipeline publish`: a build as a folder for others, as hubs have it."""

import argparse

from pipeline.publish.hub import Choice, checked_place, note_place, publish_folder
from pipeline.publish.told import keep_told, told_in
from queries.options import LocalPath
from queries.tables.errors import InputError
from queries.tables.manifest import LATEST, find, unchanged
from queries.tables.store import is_store


def add_publish_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("build", help="a build, or a workspace for its newest")
    parser.add_argument("--to", required=True, help="a folder, or an address such as s3://me/wit")
    parser.add_argument(
        "--settings", action=LocalPath, help="a TOML whose [card] says what people know"
    )
    parser.add_argument(
        "--with-drops",
        action="store_true",
        help="with the addresses and captions of what was dropped, and the lists of exclusions",
    )
    parser.add_argument(
        "--embed",
        action="store_true",
        help="beside the shards, Parquet with the pictures in it, which hubs show",
    )


def run_publish(options: argparse.Namespace) -> None:
    """Publish, and print what readers are told. Raises UserError."""
    build = find(options.build)
    if not any((build / "shards").glob("*.tar")):
        raise InputError(f"{build}: expected a build with shards, which BuildWIT makes")
    checked_place(options.to)  # before it is noted: what was noted is published to by takedowns
    if options.settings:
        keep_told(build, told_in(options.settings))
    choice = Choice(options.with_drops, options.embed)
    in_workspace = not is_store(build) and (build.parent / LATEST).exists()
    if in_workspace:  # before the first file: a takedown must find what a kill left
        note_place(build.parent, options.to, choice)
    with unchanged(build):
        target = publish_folder(build, options.to, choice)
    print(f"{target}: build {build.name} is published")
    print(f'  load_dataset("{target}", split="train")   datasets; docs/publishing.md has others')
