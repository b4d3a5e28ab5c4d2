"""`python -m pipeline clean`: remove older versions, and the work that no kept version needs.

A version notes the stages that it comes from, and a stage's listing notes the parts that it made or
read. What no kept version needs goes, except what was made after the newest version: that is of a
build which is not finished.
"""

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.images.parts import restore_pictures
from pipeline.settings.whole import Settings
from pipeline.workspace.folder import Workspace
from pipeline.workspace.removal import JOURNAL, ROOTS, is_version, remove
from queries.tables import store
from queries.tables.contracts import FETCHED
from queries.tables.errors import InputError
from queries.tables.manifest import LISTS, MANIFEST, find
from queries.tables.store import FileState

STAYS = ("work/search/", "work/inputs/", "work/scratch/", f"work/{JOURNAL}")
PENDING = ("*.taken", "takedown.pending.parquet")  # of a takedown that was not finished
KINDS = {"work": "work", "images": "image parts", "downloads": "downloads", LISTS: "query lists"}


@dataclass
class Plan:
    """Which versions stay and which go, with all files that go."""

    kept: list[Path]
    removed: list[Path]
    files: list[FileState] = field(default_factory=list)
    unnoted: list[Path] = field(default_factory=list)  # kept versions that note no work

    def paths(self, workspace: Path) -> list[str]:
        """What is removed, listings first: files of the work, and folders of versions."""
        versions = [_relative(version, workspace) for version in self.removed]
        own = (state.path for state in self.files if state.path.split("/")[0] in ROOTS)
        return [*sorted(own, key=lambda path: not path.endswith(".json")), *versions]


def add_clean_options(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Without --yes nothing is removed: what would go is listed, and how much that frees. The "
        "newest builds stay, and all that they were made from, so making one again fetches nothing."
    )
    parser.add_argument("--out", default="wit", help="the workspace: a folder or an address")
    parser.add_argument("--keep", type=int, required=True, help="how many builds stay")
    parser.add_argument("--yes", action="store_true", help="remove, instead of only listing")


def run_clean(options: argparse.Namespace) -> None:
    """List what no kept version needs, and remove it with --yes. Raises UserError."""
    if options.keep < 1:
        raise InputError(f"--keep {options.keep}: expected 1 or more; the newest build stays")
    workspace = find(options.out).parent
    workspace = workspace.parent if workspace.name == LISTS else workspace
    if workspace != store.place(options.out):
        raise InputError(f"--out {options.out}: expected a workspace; it is a build of {workspace}")
    # The lock asks no setting, and a removal none either.
    held = Workspace(workspace.absolute(), Settings.model_construct()).lock()
    try:
        clean(workspace.absolute(), options.keep, yes=options.yes)
    finally:
        os.close(held)


def clean(workspace: Path, keep: int, *, yes: bool) -> None:
    """Print what goes, and remove it if `yes`. The workspace is locked by the caller."""
    for pattern in PENDING:
        if any(workspace.glob(pattern)):
            raise InputError(f"{workspace}: a takedown was not finished: give its command again")
    plan = planned(workspace, keep)
    for line in lines(plan, workspace, yes):
        print(line)
    if yes and plan.files:
        _restore(workspace, plan)
        remove(workspace, plan.paths(workspace))


def planned(workspace: Path, keep: int) -> Plan:
    """What stays and what goes if so many of the newest builds, and query lists, are kept.

    A version that is a link lies elsewhere, so it stays, with what it needs.
    """
    newest, older = [], []
    for each in (versions(workspace), versions(workspace / LISTS)):
        newest += each[:keep]
        older += each[keep:]
    linked = [version for version in older if not store.is_store(version) and version.is_symlink()]
    plan = Plan(newest + linked, [version for version in older if version not in linked])
    for version in plan.removed:
        plan.files += _below(workspace, version)
    needed = Needed.by(workspace, plan.kept)
    plan.unnoted = needed.unnoted
    if not plan.unnoted:
        last = max(map(_made, (version / MANIFEST for version in plan.kept)))
        files = [state for root in ROOTS for state in _below(workspace, workspace / root)]
        plan.files += unneeded(files, needed, last)
    return plan


def versions(root: Path) -> list[Path]:
    """The versions in a folder: the one that latest.json names, then the others, newest first."""
    folders = [path.parent for path in root.glob(f"*/{MANIFEST}") if is_version(path.parent.name)]
    if not folders:
        return []
    newest = find(root).name
    made = {folder: _made(folder / MANIFEST) for folder in folders}
    return sorted(folders, key=lambda folder: (folder.name != newest, -made[folder], folder.name))


@dataclass
class Needed:
    """What kept versions need of the workspace, by the notes of their stages."""

    digests: set[str] = field(default_factory=set)  # of stages: they name derived files
    paths: set[str] = field(default_factory=set)  # without the ending: a shard is two files
    unnoted: list[Path] = field(default_factory=list)

    @classmethod
    def by(cls, workspace: Path, kept: Iterable[Path]) -> "Needed":
        needed = cls()
        for version in kept:
            notes = [workspace / "work" / name / f"{version.name}.json" for name in NOTED]
            note = next((note for note in notes if note.exists()), None)
            listings = _read(note)["stages"] if note else []
            there = store.there([workspace / path for path in listings])
            if note is None or len(there) < len(listings):
                needed.unnoted.append(version)
                continue
            needed.add(_relative(note, workspace))
            for listing in there:
                needed.add(_relative(listing, workspace))
                for paths in _read(listing).values():
                    needed.paths |= {_stem(path) for path in paths}
        return needed

    def add(self, path: str) -> None:
        self.paths.add(_stem(path))
        self.digests.add(PurePosixPath(path).stem)

    def has(self, path: str) -> bool:
        parts = PurePosixPath(path).parts
        if not self.digests.isdisjoint((*parts[:-1], parts[-1].split(".")[0])):
            return True
        return _stem(path) in self.paths


NOTED = ("BuildWIT", "BuildQueries")  # tasks that publish


def unneeded(files: list[FileState], needed: Needed, newest: float) -> Iterator[FileState]:
    """The files that no kept version needs and that were there before the newest version.

    An image part stays or goes as a whole.
    """
    parts = {_image_part(state.path) for state in files if state.changed > newest}
    parts |= {_image_part(f"{path}.") for path in needed.paths}
    for state in files:
        stays = state.path.startswith(STAYS) or state.changed > newest or needed.has(state.path)
        if not stays and (part := _image_part(state.path)) is not None:
            stays = part in parts
        if not stays:
            yield state


def _image_part(path: str) -> str | None:
    """
    >>> _image_part("images/9a/77/fetched.parquet"), _image_part("work/pair/9a.parquet")
    ('images/9a/77', None)
    """
    parts = path.split("/")
    return "/".join(parts[:3]) if parts[0] == "images" and len(parts) > 3 else None


def lines(plan: Plan, workspace: Path, yes: bool) -> Iterator[str]:
    """What is told: versions, then what their removal frees by kind."""
    for version in plan.kept:
        yield f"keep    {_relative(version, workspace)}"
    for version in plan.removed:
        yield f"remove  {_relative(version, workspace)}"
    for version in plan.unnoted:
        yield (
            f"all work and pictures stay: {_relative(version, workspace)} does not note what it "
            "needs, since an older release made it or a takedown changed it; make it again by its "
            f"command{', or keep fewer builds' if len(plan.kept) > 1 else ''}"
        )
    n_files, n_bytes = freed(plan.files)
    for kind in n_files:
        yield f"{kind}: {n_files[kind]:,} files, {n_bytes[kind] / 1e6:,.1f} MB"
    total = f"{sum(n_bytes.values()) / 1e6:,.1f} MB"
    if not plan.files:
        yield f"{workspace}: nothing to remove"
    elif yes:
        yield f"{workspace}: frees {total}"
    else:
        yield f"{workspace}: would free {total}; the same command with --yes removes it"


def freed(files: Iterable[FileState]) -> tuple[Counter[str], Counter[str]]:
    """How many files go and how many bytes that frees, by kind.

    The bytes of a file with several hard links are free only when the last link goes.
    """
    n_files: Counter[str] = Counter()
    n_bytes: Counter[str] = Counter()
    links: Counter[object] = Counter()
    for state in files:
        kind = KINDS.get(state.path.split("/")[0], "versions")
        n_files[kind] += 1
        links[state.inode] += 1
        n_bytes[kind] += state.bytes if links[state.inode] == state.n_links else 0
    return n_files, n_bytes


def _restore(workspace: Path, plan: Plan) -> None:
    """Give image parts back the pictures whose bytes are in a shard that goes (`prune`)."""
    going = {
        path.resolve() for version in plan.removed for path in (version / "shards").glob("*.tar")
    }
    files = set(plan.paths(workspace))
    for fetched in workspace.glob(f"images/*/[!.]*/{FETCHED}"):
        if _relative(fetched, workspace) not in files:
            restore_pictures(fetched.parent, going)


def _below(workspace: Path, folder: Path) -> Iterator[FileState]:
    return store.files_below(folder, _relative(folder, workspace))


def _made(path: Path) -> float:
    return store.changed_at(path)


def _relative(path: Path, workspace: Path) -> str:
    return path.relative_to(workspace).as_posix()


def _stem(path: str) -> str:
    return str(PurePosixPath(path).with_suffix(""))


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))
