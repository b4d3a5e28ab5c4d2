"""Writes that fail and a clock that jumps, in every process of a build: shim.c, compiled here.

Python, Arrow and DuckDB all write through functions of libc. The compiled file replaces these
functions; a hook in Python would not reach Arrow and DuckDB.
"""

import os
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
NUMBERS = struct.Struct("8q")  # calls, first, last, error, clock_at, clock_s, hit, and one spare
ALWAYS = 1 << 62


def why_not() -> str | None:
    """Why this machine has no shim, if it has none."""
    if sys.platform != "linux":
        return "libc's functions are wrapped on Linux alone"
    return None if shutil.which("cc") else "no C compiler, cc, is on this machine"


@dataclass(frozen=True)
class Plan:
    """What goes wrong: nothing, by default. Calls are counted from 1."""

    first: int = 0  # call that fails
    last: int = 0  # and the first after it that does not
    error: int = 0  # errno
    clock_at: int = 0  # call from which on
    clock_s: int = 0  # the clock is so many seconds off


NOTHING = Plan()


class Shim:
    """The compiled shim in a folder of its own. Raises OSError or CalledProcessError."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.library, self.numbers = folder / "shim.so", folder / "numbers"
        command = ["cc", "-O2", "-shared", "-fPIC", "-o", self.library, SOURCE, "-ldl"]
        subprocess.run([str(word) for word in command], check=True)

    def environment(self, below: Path, plan: Plan = NOTHING) -> dict[str, str]:
        """What a process needs to be disturbed in what it writes below the folder."""
        numbers = (0, plan.first, plan.last, plan.error, plan.clock_at, plan.clock_s, 0, 0)
        self.numbers.write_bytes(NUMBERS.pack(*numbers))
        return {
            "LD_PRELOAD": str(self.library),
            "BUILDWIT_CHAOS": str(self.numbers),
            "BUILDWIT_CHAOS_BELOW": str(below.resolve()) + os.sep,
        }

    @property
    def calls(self) -> int:
        """Calls that were made since the environment was asked for."""
        return NUMBERS.unpack(self.numbers.read_bytes())[0]

    @property
    def hit(self) -> int:
        """Calls that failed since then."""
        return NUMBERS.unpack(self.numbers.read_bytes())[6]
