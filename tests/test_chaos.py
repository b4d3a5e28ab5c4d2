"""Builds that are disturbed: killed, out of room, at a wrong time, without their server; made whole
by the same command. `python -m tests.chaos` does more of it.
"""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import shim
from tests.chaos.runs import KILLS, KINDS, modelled, run, why_not

SEEDS = range(10)  # one of each kind


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    with modelled(tmp_path_factory.mktemp("chaos")) as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS, ids=KINDS)
def test_a_build_that_is_disturbed_ends_as_if_nothing_had_been(seed, model, tmp_path):
    if reason := why_not(KINDS[seed], tmp_path):
        pytest.skip(reason)
    done = run(seed, model, tmp_path / "run", 3 if KINDS[seed] in KILLS else None)
    assert done.disturbed


# --- what disturbs does disturb -----------------------------------------------------------------
WRITERS = {
    "Python": "with open(path, 'w') as file: file.write('a')",
    "Arrow": "import pyarrow as pa, pyarrow.parquet as pq; "
    "pq.write_table(pa.table({'a': [1]}), path)",
    "DuckDB": "import duckdb; duckdb.sql(f\"COPY (SELECT 1) TO '{path}' (FORMAT csv)\")",
    "tarfile": "import tarfile; tarfile.open(path, 'w').close()",
    "rename": "import os; os.replace(__file__, path)",
}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    if reason := shim.why_not():
        pytest.skip(reason)
    return shim.Shim(tmp_path_factory.mktemp("shim"))


def ran(code: str, program: Path, env: dict[str, str]) -> subprocess.CompletedProcess:
    program.write_text(code)
    command = [sys.executable, str(program)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env})


@pytest.mark.parametrize("writer", WRITERS)
def test_a_write_that_is_to_fail_does_whoever_writes(writer, library, tmp_path):
    plan = shim.Plan(first=1, last=shim.ALWAYS, error=errno.EIO)
    below, beside = tmp_path / "below", tmp_path / "beside"
    below.mkdir()
    beside.mkdir()
    for folder, code in ((below, 1), (beside, 0)):
        env = library.environment(below, plan)
        code_of = f"path = {str(folder / 'a')!r}\n{WRITERS[writer]}"
        done = ran(code_of, tmp_path / "program.py", env)
        assert done.returncode == code, done.stderr
        assert (library.hit > 0) == bool(code)


def test_the_clock_jumps_at_its_call_and_the_monotonic_one_does_not(library, tmp_path):
    code = f"""
import time
before, steady = time.time(), time.monotonic()
with open({str(tmp_path / "a")!r}, "w") as file:
    file.write("a")
print(time.time() - before, time.monotonic() - steady)
"""
    env = library.environment(tmp_path, shim.Plan(clock_at=1, clock_s=3600))
    done = ran(code, tmp_path / "program.py", env)
    jumped, passed = map(float, done.stdout.split())
    assert 3600 <= jumped < 3660
    assert passed < 60
