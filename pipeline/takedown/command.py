"""`python -m pipeline takedown`: take pairs and pictures out of a workspace and all its builds.

Its order makes it safe to kill: what is known is noted, then the log written, from which all else
follows; work and image parts are cleared, the next version is made without them by the command that
makes every build, and only then do older versions change.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.filters.exclusions import read_exclusions
from pipeline.settings.whole import load
from pipeline.takedown.files import versions
from pipeline.takedown.find import PENDING, note_known, read_known, resolve
from pipeline.takedown.verify import Sought, left
from pipeline.takedown.versions import (
    lost,
    recover,
    sweep_run,
    sweep_versions,
    trained_on,
    write_reports,
)
from pipeline.takedown.work import sweep
from pipeline.workspace.folder import ENGINES, Workspace
from pipeline.workspace.takedown_log import LOG, TakenDown, read_log, write_log
from queries.tables.errors import InputError, UserError
from queries.tables.manifest import find

SHOWN = 20  # files in which something is left


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="the workspace")
    parser.add_argument("--settings", type=Path, help="of the version that is made without them")
    parser.add_argument("--list", type=Path, help="what to take down: a list of exclusions")
    parser.add_argument(
        "--runs", type=Path, help="folder of the trainer's runs; OUT/runs by default"
    )
    parser.add_argument(
        "--keep-older", action="store_true", help="leave older versions and runs as they are"
    )
    parser.add_argument("--check", action="store_true", help="only look for what is left")
    parser.add_argument("--engine", choices=ENGINES, default="duckdb")


def run(options: argparse.Namespace) -> int:
    """Do it, or look for what is left; 1 if anything is, 2 if it cannot be done."""
    try:
        workspace = options.out.absolute()
        if not workspace.is_dir():
            raise InputError(f"--out {options.out}: expected a workspace, a folder with builds")
        if options.check:
            return told(workspace, options)
        return taken_down(workspace, options)
    except (UserError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\n{options.out}: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def taken_down(workspace: Path, options: argparse.Namespace) -> int:
    if options.settings is None or not options.settings.is_file():
        raise InputError(f"--settings {options.settings}: expected the TOML of a build")
    ws = Workspace(workspace, load(options.settings), options.engine)
    taken, before = cleared(ws, options.list), TakenDown()
    if not taken:
        print(f"{workspace}: nothing in it is named, and nothing was taken down before")
        return 0
    while taken != before:  # what fills the places up may turn out to be the same picture
        if code := built(workspace, options):
            print(
                f"{workspace}: the version without them was not made; older ones are as they were: "
                "the same command goes on from here",
                file=sys.stderr,
            )
            return code
        taken, before = cleared(ws, options.list), taken
    if not options.keep_older:
        with locked(ws):
            sweep_versions(workspace, taken, addresses(workspace))
            write_reports(workspace)
            for one in trained_on(workspace, runs(options), taken):
                sweep_run(one, taken)
    return told(workspace, options)


def cleared(ws: Workspace, path: Path | None) -> TakenDown:
    """All that was ever taken down, with what the list names, out of the work and the images."""
    with locked(ws):
        recover(ws.folder)
        taken = noted(ws.folder, path)
        sweep(ws.folder, taken, addresses(ws.folder))
    return taken


@contextmanager
def locked(ws: Workspace) -> Iterator[None]:
    held = ws.lock()
    try:
        yield
    finally:
        os.close(held)


def noted(workspace: Path, path: Path | None) -> TakenDown:
    """All that was ever taken down, with what the list names: in the log from now on."""
    log = read_log(workspace)
    today = datetime.now(UTC).date().isoformat()
    taken = resolve(workspace, listed(path) if path else [], today, log)
    if not taken:
        return taken
    note_known(workspace, taken)
    if taken != log:
        write_log(workspace, taken)
        new = len(taken.pairs) - len(log.pairs)
        print(f"{new} pairs named, {len(taken.pairs)} in all: {workspace / LOG}", flush=True)
    return taken


def listed(path: Path) -> list[dict[str, Any]]:
    """The rows of a list of exclusions. Raises InputError."""
    if not path.is_file():
        raise InputError(f"--list {path}: expected a list of exclusions, a file")
    given = pa.RecordBatch.from_pydict({"path": [str(path.absolute())]})
    return [row for batch in read_exclusions(iter([given])) for row in batch.to_pylist()]


def addresses(workspace: Path) -> frozenset[str]:
    """The addresses of what is being taken down, as given and as keys."""
    rows = read_known(workspace).to_pylist()
    return frozenset(row["value"] for row in rows if row["kind"] == "url")


def built(workspace: Path, options: argparse.Namespace) -> int:
    """Make the version without them, as every build is made; its exit status."""
    words = ["--module", "pipeline", "BuildWIT", "--settings", options.settings, "--out", workspace]
    command = [sys.executable, "-m", "luigi", *words, "--engine", options.engine]
    return subprocess.run(list(map(str, command)), check=False).returncode  # noqa: S603  # ours


def runs(options: argparse.Namespace) -> Path:
    return Path(options.runs or options.out / "runs").absolute()


def told(workspace: Path, options: argparse.Namespace) -> int:
    """Say which versions and checkpoints are concerned and what is left; 1 if anything is."""
    sought, folders = Sought.of(workspace), [workspace]
    for version in versions(workspace):
        if n := lost(version):
            print(f"version {version.name}: lost {n} pairs by takedown")
    trained = list(trained_on(workspace, runs(options), sought.taken))
    for one in trained:
        print(f"run {one}: trained on a version that held what was taken down")
        folders += [] if workspace in one.parents else [one]
    found = list(left(workspace, folders, sought))
    if options.keep_older:
        kept = {*versions(workspace)} - {find(workspace)} | {*trained}
        found = [(path, what) for path, what in found if kept.isdisjoint(path.parents)]
    for path, what in found[:SHOWN]:
        print(f"left: {path}: {what}")
    if found:
        print(f"{len(found)} things are left of what was taken down", file=sys.stderr)
        return 1
    print(f"nothing is left of {len(sought.taken.pairs)} pairs in {workspace}")
    if not options.check:
        (workspace / PENDING).unlink(missing_ok=True)
    return 0
