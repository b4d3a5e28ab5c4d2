"""A build as a process that tests disturb, and the comparisons of two builds.

A variable in the environment marks all processes that a build starts.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from queries.tables.manifest import BuildError, find
from queries.tables.reasons import PASSING
from tests.processes import kill, marked, wait_for
from tests.small_build import LUIGI, ROOT, published, table

MARK = "BUILDWIT_DISTURBED_AS"
BUILD_S = 400  # for a whole build, beside other programs


# --- a build that runs --------------------------------------------------------------------------


@dataclass
class Build:
    """A build that runs or has ended."""

    program: subprocess.Popen
    mark: str
    out: Path
    output: IO[bytes] = field(repr=False)

    @property
    def said(self) -> str:
        """What the build wrote to its terminal."""
        self.output.seek(0)
        return self.output.read().decode("utf-8", "replace")

    @property
    def lines(self) -> list[str]:
        """The terminal's text without progress bars."""
        return [one for one in self.said.splitlines() if one.strip() and "%" not in one]

    @property
    def has_ended(self) -> bool:
        return self.program.poll() is not None

    def end(self) -> int:
        """Wait for the build and all its processes; return its exit status."""
        self.program.wait(BUILD_S)
        wait_for(lambda: not family(self.mark), "all that a build started ends")
        return self.program.returncode


@contextmanager
def building(
    settings: Path, out: Path, *more: str, env: Mapping[str, str] | None = None
) -> Iterator[Build]:
    """A build that has begun: it holds its workspace's lock, or has ended.

    What Python says of a signal while it still imports luigi is not ours.
    """
    mark = uuid.uuid4().hex
    command = [LUIGI, "--module", "pipeline", "BuildWIT", "--settings", settings, "--out", out]
    with tempfile.TemporaryFile() as said:
        program = subprocess.Popen(
            [*map(str, command), *more],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "120", **(env or {}), MARK: mark},
            start_new_session=True,
        )
        try:
            wait_for(
                lambda: program.poll() is not None or holds_a_lock(program.pid),
                "the build begins",
            )
            yield Build(program, mark, out, said)
        finally:
            kill(*family(mark))
            program.wait()


def built(
    settings: Path, out: Path, *more: str, env: Mapping[str, str] | None = None
) -> tuple[int, list[str]]:
    """Build undisturbed; return the exit status and the terminal's text."""
    with building(settings, out, *more, env=env) as build:
        return build.end(), build.lines


def family(mark: str) -> list[psutil.Process]:
    """The living processes with this mark: a program and all that it has started."""
    return marked(MARK, mark)


def holds_a_lock(pid: int) -> bool:
    """Whether the process holds a lock on a file: a build does on its workspace."""
    return any(f" {pid} " in line for line in Path("/proc/locks").read_text().splitlines())


# --- what it leaves -----------------------------------------------------------------------------


def n_files(folder: Path) -> int:
    """Files and folders below the folder, also those that are being written."""
    return sum(len(folders) + len(files) for _, folders, files in os.walk(folder))


def n_bytes(folder: Path) -> int:
    """Bytes on the disk of all files below the folder; a file with two names counts once."""
    blocks = {one.stat().st_ino: one.stat().st_blocks for one in folder.rglob("*")}
    return 512 * sum(blocks.values())


def is_published(out: Path) -> bool:
    with suppress(BuildError):
        return bool(find(out))
    return False


def image_files(out: Path) -> dict[str, bytes]:
    """The content of every file of the image parts."""
    paths = sorted((out / "images").rglob("*"))
    return {str(one.relative_to(out)): one.read_bytes() for one in paths if one.is_file()}


def torn(out: Path) -> list[Path]:
    """Files that a killed process was writing: their names begin with a dot."""
    return [path for path in out.rglob(".*") if path != out / ".lock"]


def lost_in_passing(build: Path) -> set[int]:
    """Pairs lost to temporary faults, without answers 500, which these servers always repeat."""
    rows = table(build, "outcome").to_pylist()
    return {row["pair_id"] for row in rows if row["reason"] in {*PASSING} - {"http_error"}}


# --- what two builds have in common -------------------------------------------------------------


def assert_equal(out: Path, model: Path) -> None:
    """Check that the build and its pictures equal the model's, with no other files."""
    build = find(out)
    assert published(build) == published(find(model))
    assert (build / "manifest.json").read_bytes() == (find(model) / "manifest.json").read_bytes()
    assert image_files(out) == image_files(model)
    assert_sound(out)
    attempts = pa.concat_tables(
        pq.read_table(one) for one in out.glob("images/*/*/fetched.parquet")
    )
    asked = attempts["pair_id"].to_pylist()
    assert len(set(asked)) == len(asked)
    assert set(asked) == set(table(build, "outcome")["pair_id"].to_pylist())


def assert_same_choice(out: Path, model: Path) -> None:
    """Check that kept matches and shards equal the model's; attempts may differ."""
    build, other = find(out), find(model)
    assert table(build, "kept_match").equals(table(other, "kept_match"))
    assert shard_rows(build).equals(shard_rows(other))
    assert shard_files(build) == shard_files(other)
    assert_sound(out)


def assert_sound(out: Path) -> None:
    """Check that no file is cut and that every check of the build passes."""
    assert torn(out) == []
    check = [sys.executable, "-m", "queries", "check", "--build", str(find(out))]
    done = subprocess.run(check, capture_output=True, text=True, timeout=BUILD_S, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def shard_rows(build: Path) -> pa.Table:
    """The rows of all shards; a workspace's first version decides the number of shards."""
    shards = sorted((build / "shards").glob("*.parquet"))
    return pa.concat_tables(map(pq.read_table, shards)).combine_chunks()


def shard_files(build: Path) -> dict[str, bytes]:
    """The content of every file of all tars."""
    found = {}
    for shard in sorted((build / "shards").glob("*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                found[member.name] = tar.extractfile(member).read()
    return found
