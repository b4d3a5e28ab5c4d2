"""`python -m pipeline builds`: the versions of a workspace, what changed from each to the next.

A version names settings and inputs, the content what the web answered, too: two builds of one
version that hold other things are told apart here.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.text import Text

from queries.answers import grid
from queries.engine.duck import DuckEngine
from queries.questions import answer, sql, tables
from queries.tables.folder import flat
from queries.tables.manifest import MANIFEST, BuildError, content, manifest
from queries.tables.store import place, reach

LONGEST = 60  # characters of a setting's value that are shown
SHOWN = 12  # characters of a digest, settings of a change, causes of a comparison


@dataclass(frozen=True)
class Version:
    """A build as it is listed."""

    folder: Path
    made: datetime
    content: str
    samples: int
    lost: int  # pairs, to takedowns
    settings: dict[str, str]

    @classmethod
    def of(cls, folder: Path) -> "Version":
        about = manifest(folder)
        of_shards = [row for row in about["files"] if str(row["path"]).startswith("shards/")]
        return cls(
            folder,
            datetime.fromtimestamp((folder / MANIFEST).stat().st_mtime, UTC),
            content(folder),
            sum(row["rows"] or 0 for row in of_shards),
            about.get("taken_down", 0),
            dict(flat(about.get("settings"))),
        )


def add_builds_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "workspaces", nargs="*", default=["wit"], help="workspaces or builds; wit by default"
    )
    parser.add_argument(
        "--alone", action="store_true", help="only list: compare no build with the one before"
    )


def run_builds(options: argparse.Namespace) -> None:
    """List the builds in order of their making, and compare the last with the one before it."""
    versions = [Version.of(folder) for text in options.workspaces for folder in folders(text)]
    versions.sort(key=lambda version: (version.made, str(version.folder)))
    console = Console()
    for line in listed(versions):
        console.print(Text(line), soft_wrap=True)
    for line in same_version(versions):
        console.print(Text(line, style="bold"), soft_wrap=True)
    if len(versions) > 1 and not options.alone:
        before, last = versions[-2:]
        console.print(
            Text(f"{last.folder.name} compared with {before.folder.name} before it", style="bold")
        )
        console.print(grid(compared(before, last), SHOWN))


def folders(text: str) -> list[Path]:
    """The builds of a workspace, or the build itself. Raises UserError where there is none."""
    path = place(text)
    reach(path)
    if (path / MANIFEST).exists():
        return [path]
    builds = sorted(manifest.parent for manifest in path.glob(f"[!.]*/{MANIFEST}"))
    if not builds:
        raise BuildError(
            f"{path}: expected a workspace with builds, such as wit; luigi --module pipeline "
            f"BuildWIT --out {path} makes one"
        )
    return builds


def listed(versions: list[Version]) -> Iterator[str]:
    """Lines for each build: version, time, samples, content, and what changed since the last."""
    for number, version in enumerate(versions):
        lost = f"  {version.lost:,} pairs taken down" if version.lost else ""
        held = f"{version.samples:,} samples  content {version.content[:SHOWN]}{lost}"
        yield f"{version.folder.name}  {version.made:%Y-%m-%d %H:%M} UTC  {held}"
        if number:
            yield from (f"    {line}" for line in changes(versions[number - 1], version))


def changes(before: Version, version: Version) -> list[str]:
    """The settings that differ, by name; among them are inputs, with the digests of their bytes."""
    names = before.settings.keys() | version.settings.keys()
    changed = [
        f"{name}: {_short(before, name)} -> {_short(version, name)}"
        for name in sorted(names)
        if before.settings.get(name) != version.settings.get(name)
    ]
    more = [f"and {len(changed) - SHOWN} settings more"] if len(changed) > SHOWN else []
    return [*changed[:SHOWN], *more] or ["no setting changed"]


def _short(version: Version, name: str) -> str:
    value = version.settings.get(name, "not set")
    return value if len(value) <= LONGEST else f"{value[:LONGEST]} …"


def same_version(versions: list[Version]) -> list[str]:
    """A line for each version that was built twice with other content."""
    lines = []
    by_name: dict[str, list[Version]] = {}
    for version in versions:
        by_name.setdefault(version.folder.name, []).append(version)
    for name, of in by_name.items():
        if len({version.content for version in of}) > 1:
            held = ", ".join(
                f"{version.folder}: sha256:{version.content[:SHOWN]}" for version in of
            )
            lines.append(
                f"{name}: one version, other content: settings and inputs are the same, the web's "
                f"answers were not ({held})"
            )
    return lines


def compared(before: Version, last: Version) -> pa.Table:
    """Pairs gained and lost from one build to the next, and why."""
    question = sql("audit", "two_builds")
    inputs = tables(last.folder, other=before.folder, asked=question)
    return answer(DuckEngine(quiet=True), inputs, question)
