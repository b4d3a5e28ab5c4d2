"""`python -m pipeline publish`: a build as a folder for others, as hubs have it."""

import argparse
from pathlib import Path

from pipeline.publish.hub import (
    Choice,
    checked_place,
    note_place,
    place_name,
    publish_folder,
    published_places,
    version_in,
)
from pipeline.publish.told import keep_told, told_in
from queries.options import LocalPath
from queries.tables.errors import InputError
from queries.tables.manifest import LATEST, MANIFEST, find, unchanged
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
    place = checked_place(
        options.to
    )  # before it is noted: what was noted is published to by takedowns
    if options.settings:
        keep_told(build, told_in(options.settings))
    choice = Choice(options.with_drops, options.embed)
    if held := version_of_others(build, options.to, place):
        print(
            f"{place}: it held build {held} of another workspace, which build {build.name} replaces"
        )
    in_workspace = not is_store(build) and (build.parent / LATEST).exists()
    if in_workspace:  # before the first file: a takedown must find what a kill left
        note_place(build.parent, options.to, choice)
    with unchanged(build):
        target = publish_folder(build, options.to, choice)
    print(f"{target}: build {build.name} is published")
    print(f'  load_dataset("{target}", split="train")   datasets; docs/publishing.md has others')


def version_of_others(build: Path, to: str, place: Path) -> str:
    """The version that is replaced at a place where this workspace has not published; or nothing.

    A build that has no workspace replaces only what is its own version.
    """
    held = version_in(place)
    beside = build.parent
    if held == build.name or (held and (beside / held / MANIFEST).exists()):
        return ""
    return "" if not is_store(build) and place_name(to) in published_places(beside) else held
