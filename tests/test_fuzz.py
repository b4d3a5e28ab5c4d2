"""Inputs that are made up from a seed, some on each reader: `python -m tests.fuzz` tries more."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import strategies as st

from tests.fuzz.limits import MOST_BYTES, LimitError, watched
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS
from tests.fuzz.trying import Trying
from tests.small_build import ROOT


@pytest.mark.slow
def test_no_reader_fails_at_what_strangers_may_write():
    command = [sys.executable, "-m", "tests.fuzz", "--seconds", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2_000:]
    tried = json.loads(done.stdout.splitlines()[-1])["inputs"]
    assert set(tried) == set(TARGETS)
    assert min(tried.values()) > 0


# --- a failure is seen --------------------------------------------------------------------------
def failure(tmp_path, run) -> str | None:
    trying = Trying(Target("made", st.integers(0, 1_000), run), tmp_path / "input")
    return trying.chunk(0, most=300, seconds=60)


def test_an_exception_is_a_failure_of_the_smallest_input_that_raises_it(tmp_path):
    def run(number: int) -> None:
        if number > 7:
            raise KeyError(number)

    found = failure(tmp_path, run)
    assert found is not None
    assert "KeyError: 8" in found
    assert failure(tmp_path, lambda number: None) is None


def test_an_input_that_takes_too_long_is_a_failure():
    def spin(_: object) -> None:
        until = time.process_time() + 1.1
        while time.process_time() < until:
            pass

    with pytest.raises(LimitError, match="expected at most 1"):
        watched(spin)(None)


def test_an_input_that_takes_too_much_memory_is_a_failure():
    with pytest.raises(LimitError, match="bytes, expected at most"):
        watched(lambda n_bytes: b"a" * n_bytes)(MOST_BYTES + 100_000_000)


def test_a_reader_that_kills_the_process_is_told_with_its_input(tmp_path):
    code = """
import os, signal, sys
from hypothesis import strategies as st
from tests.fuzz import targets
from tests.fuzz.target import Target
dies = Target("dies", st.just("last words"), lambda _: os.kill(os.getpid(), signal.SIGSEGV))
targets.TARGETS["dies"] = dies
from tests.fuzz.__main__ import child, parser
child(parser().parse_args(["dies", "--seconds", "1", "--child", sys.argv[1]]))
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, timeout=300, cwd=ROOT, env=os.environ)
    assert done.returncode == -signal.SIGSEGV
    assert (tmp_path / "input").read_text() == "dies: 'last words'"
