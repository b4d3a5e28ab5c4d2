"""A moment of other processes, held until a test lets them go on.

A test that polls for a file which exists for a fraction of a second misses it on a busy machine.
Here the processes themselves wait: each Python process that was started with the environment of
a Hold stands still before it gives a finished file its name, or removes a file, where the name is
one of the test's.

    hold = Hold(tmp_path / "hold")
    program = subprocess.Popen(command, env={**os.environ, **hold.environment})
    hold.names("/match/[^/]*[.]parquet")        # before the program can come there
    process = hold.reached(program)
    ...                                         # it has written the file, and not named it
    hold.let_go()

The other half, `at_start.py`, is copied to where Python looks for what to run when it starts.
"""

import os
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from tests.processes import is_alive, wait_while

AT_START = Path(__file__).with_name("at_start.py")


class Hold:
    """What the processes wait for, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder, self.pattern = folder, folder / "names"
        shutil.copy(AT_START, folder / "sitecustomize.py")

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, [str(self.folder), os.environ.get("PYTHONPATH")]))
        return {"PYTHONPATH": path}

    @property
    def python(self) -> Path:
        """A Python with this environment, for what starts one by its path alone."""
        program = self.folder / "python"
        words = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        program.write_text(f'#!/bin/sh\n{" ".join(words)} exec {sys.executable} "$@"\n')
        program.chmod(0o755)
        return program

    def names(self, pattern: str) -> None:
        """From now on processes stand still before they name or remove a file that ends so."""
        for pid in self.folder.glob("[0-9]*"):
            pid.unlink()
        written = self.folder / "pattern.new"
        written.write_text(f"{pattern}$")
        written.replace(self.pattern)

    def reached(self, program: subprocess.Popen) -> psutil.Process:
        """The first process that stands still; the program must not end before."""

        def standing() -> psutil.Process | None:
            for pid in self.folder.glob("[0-9]*"):
                with suppress(psutil.Error):
                    process = psutil.Process(int(pid.name))
                    if is_alive(process):
                        return process
            return None

        return wait_while(program, standing, f"a file is named {self.pattern.read_text()}")

    def let_go(self) -> None:
        self.pattern.unlink()
