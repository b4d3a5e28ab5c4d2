"""`python -m pipeline takedown`: take pairs and pictures out of a workspace and all its builds.

The order of the steps makes a kill harmless. First the clues by which the pairs can be recognised
are written, then the log, from which all else follows. Next the work and the image parts are swept,
and BuildWIT makes the next version without the pairs. Only then do older versions change.
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
from pipeline.publish.hub import is_published, publish_folder, published_places
from pipeline.settings.whole import load
from pipeline.takedown.files import versions
from pipeline.takedown.find import PENDING, add_clues, read_clues, resolve
from pipeline.takedown.hashes import n_unknown
from pipeline.takedown.verify import Clues, find_remains
from pipeline.takedown.versions import (
    n_lost,
    recover,
    runs_in,
    runs_trained_on,
    sweep_runs,
    sweep_versions,
    write_reports,
)
from pipeline.takedown.work import sweep_work
from pipeline.workspace.folder import ENGINES, Workspace
from pipeline.workspace.takedown_log import LOG, TakedownLog, read_log, write_log
from queries import endings
from queries.options import LocalPath
from queries.tables import store
from queries.tables.errors import InputError
from queries.tables.manifest import find

Row = dict[str, Any]
SHOWN = 20  # files in which something is left


def add_takedown_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", action=LocalPath, required=True, help="the workspace")
    parser.add_argument("--settings", action=LocalPath, help="the TOML of the next version")
    parser.add_argument("--list", action=LocalPath, help="what to take down: a list of exclusions")
    parser.add_argument(
        "--runs", action=LocalPath, help="folder of the trainer's runs; OUT/runs by default"
    )
    parser.add_argument(
        "--keep-older", action="store_true", help="leave older versions and runs as they are"
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing, only search for what is left"
    )
    parser.add_argument(
        "--engine", choices=ENGINES, default="duckdb", help="what makes the next version"
    )


def run_takedown(options: argparse.Namespace) -> int:
    """Take down, or only search with --check; 1 if anything is left, 2 for a wrong input."""
    return endings.run(f"{options.out}", lambda: taken_down(options), endings.GOES_ON)


def taken_down(options: argparse.Namespace) -> int:
    """Take down, or only search; the exit code. Raises UserError."""
    workspace = options.out.absolute()
    if not workspace.is_dir():
        raise InputError(f"--out {options.out}: expected a workspace, a folder with builds")
    if options.check:
        return report_remains(workspace, options)
    return take_down(workspace, options)


def take_down(workspace: Path, options: argparse.Namespace) -> int:
    if options.settings is None:
        raise InputError("--settings is missing: expected the TOML of the next version")
    if not options.settings.is_file():
        raise InputError(f"--settings {options.settings}: expected the TOML of a build")
    ws = Workspace(workspace, load(options.settings), options.engine)
    log, before = log_and_sweep(ws, options.list), TakedownLog()
    if not log:
        print(f"{workspace}: no pair in it is named, and none was taken down before")
        return 0
    while log != before:  # a pair that fills a place up may have one of the pictures
        if code := build_next_version(workspace, options):
            print(
                f"{workspace}: the next version was not made, and older versions are as they were; "
                "the same command goes on from here",
                file=sys.stderr,
            )
            return code
        log, before = log_and_sweep(ws, options.list), log
    if not options.keep_older:
        with locked(ws):
            sweep_versions(workspace, log, taken_down_urls(workspace))
            write_reports(workspace)
            runs = runs_folder(options)
            sweep_runs(runs, set(runs_trained_on(workspace, runs, log)), log)
    failed = publish_again(workspace)
    return report_remains(workspace, options) or failed


def publish_again(workspace: Path) -> int:
    """Publish the next version wherever the workspace has published; the exit code.

    A folder that somebody has taken away since stays away. A place that fails is told, and the
    others are published to all the same.
    """
    code = endings.DONE
    for place, choice in published_places(workspace).items():
        try:
            if is_published(place):
                target = publish_folder(find(workspace), place, choice)
                print(f"{target}: published again", flush=True)
            else:
                print(f"{place}: published once, and there no more", flush=True)
        except Exception as error:
            end = endings.ending(error, place)
            if end is None and not isinstance(error, store.faults()):
                raise
            end = end or endings.Ending(endings.MACHINE, store.said(place, error))
            print(
                f"{end.line}\n{place}: not published again, so it may hold what was taken down; "
                f"{endings.GOES_ON}",
                file=sys.stderr,
            )
            code = max(code, end.code)
    return code


def log_and_sweep(ws: Workspace, path: Path | None) -> TakedownLog:
    """Log what the list names, and take all that the log names out of work and images."""
    with locked(ws):
        recover(ws.folder)
        log = extend_log(ws.folder, path)
        sweep_work(ws.folder, log, taken_down_urls(ws.folder))
    return log


@contextmanager
def locked(ws: Workspace) -> Iterator[None]:
    lock = ws.lock()
    try:
        yield
    finally:
        os.close(lock)


def extend_log(workspace: Path, path: Path | None) -> TakedownLog:
    """Write what the list names to the log. Returns the whole log."""
    before = read_log(workspace)
    today = datetime.now(UTC).date().isoformat()
    listed = read_list(path) if path else []
    say_what_is_not_compared(workspace, path, listed)
    log = resolve(workspace, listed, today, before)
    if not log:
        return log
    add_clues(workspace, log)
    if log != before:
        write_log(workspace, log)
        n_new = len(log.pairs) - len(before.pairs)
        print(f"{n_new} pairs named, {len(log.pairs)} in all: {workspace / LOG}", flush=True)
    return log


def say_what_is_not_compared(workspace: Path, path: Path | None, listed: list[Row]) -> None:
    """Print a line for an empty list, and for pictures of which a hash of the list is unknown."""
    if path and not listed:
        print(f"{path}: it has no line, so it names nothing")
    kinds = {row["kind"] for row in listed} & {"md5", "sha1"}
    if n := n_unknown(workspace, kinds):
        print(
            f"{n} pictures have no {' and '.join(sorted(kinds))} on record and were not compared: "
            f"name the list in the settings' exclusions, too, and the next build leaves them out"
        )


def read_list(path: Path) -> list[Row]:
    """The rows of a list of exclusions. Raises InputError."""
    if not path.is_file():
        raise InputError(f"--list {path}: expected a list of exclusions, a file")
    paths = pa.RecordBatch.from_pydict({"path": [str(path.absolute())]})
    return [row for batch in read_exclusions(iter([paths])) for row in batch.to_pylist()]


def taken_down_urls(workspace: Path) -> frozenset[str]:
    """The addresses that are being taken down, as sources spell them and as url_keys."""
    rows = read_clues(workspace).to_pylist()
    return frozenset(row["value"] for row in rows if row["kind"] == "url")


def build_next_version(workspace: Path, options: argparse.Namespace) -> int:
    """Run BuildWIT, which leaves out what the log names. Returns its exit status."""
    words = ["--module", "pipeline", "BuildWIT", "--settings", options.settings, "--out", workspace]
    command = [sys.executable, "-m", "luigi", *words, "--engine", options.engine]
    return subprocess.run(list(map(str, command)), check=False).returncode  # noqa: S603  # ours


def runs_folder(options: argparse.Namespace) -> Path:
    return Path(options.runs or options.out / "runs").absolute()


def report_remains(workspace: Path, options: argparse.Namespace) -> int:
    """Print which versions and runs are concerned and what is left; 1 if anything is left."""
    clues, folders = Clues.read(workspace), [workspace]
    for version in versions(workspace):
        if n := n_lost(version):
            print(f"version {version.name}: lost {n} pairs by takedown")
    trained = list(runs_trained_on(workspace, runs_folder(options), clues.log))
    for run in trained:
        print(f"run {run}: trained on a version that held what was taken down")
        folders += [] if workspace in run.parents else [run]
    places = [place for place in published_places(workspace) if not store.is_address(place)]
    public = [Path(place) for place in places if is_published(place)]
    folders += [path for path in public if workspace not in path.parents]
    remains = list(find_remains(workspace, folders, clues))
    if options.keep_older:
        kept = {*versions(workspace)} - {find(workspace)} | {*runs_in(runs_folder(options))}
        remains = [(path, remnant) for path, remnant in remains if kept.isdisjoint(path.parents)]
    for path, remnant in remains[:SHOWN]:
        print(f"left: {path}: {remnant}")
    if remains:
        print(f"{len(remains)} things are left of what was taken down", file=sys.stderr)
        return 1
    print(f"nothing is left of {len(clues.log.pairs)} pairs in {workspace}")
    if not options.check:
        (workspace / PENDING).unlink(missing_ok=True)
    return 0
