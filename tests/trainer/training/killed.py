"""A run in a process of its own that is killed, signalled or out of room at a moment of its work.

The moment is a number of calls of Python functions, or the call of a function by name: no clock is
waited for. The processes are forked from one that has imported torch, so each begins at once.
"""

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from trainer.run_folder import RunFolder
from trainer.settings import TrainerError, read
from trainer.training.run import train
from trainer.training.start import Habits
from trainer.training.stop import StoppedError

EVERY_STEP = Habits(save_seconds=0, log_every=1)
CALLS, REFUSED, STOPPED = "calls", 2, 3  # of a whole run; exit codes
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["tests.trainer.training.killed"])


def after_calls(n: int, number: int) -> Callable[[FrameType, str, Any], None]:
    """A profiler that sends the process a signal at its n-th call of a Python function."""
    left = n

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal left
        left -= event == "call"
        if left == 0:
            left = -1
            os.kill(os.getpid(), number)

    return profile


def at_function(module: str, name: str, nth: int, number: int) -> Callable:
    """A profiler that sends a signal when a function of a module is called for the nth time."""
    left = nth

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal left
        code = frame.f_code
        if event == "call" and code.co_name == name and code.co_filename.endswith(module):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), number)

    return profile


def run(
    build: Path,
    folder: Path,
    settings: dict,
    calls: int = 0,
    function: tuple[str, str, int] | None = None,
    number: int = signal.SIGKILL,
    room: int | None = None,
) -> None:
    """Train in this process until the moment; exit with a code, and one line in `error.txt`.

    room: the most bytes of a file that the process may write.
    """
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if room is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    if function is not None:
        sys.setprofile(at_function(*function, number))
    else:
        sys.setprofile(after_calls(calls, number) if calls else None)
    try:
        train(build, RunFolder(folder), read(None, settings), EVERY_STEP)
    except (TrainerError, StoppedError) as error:
        sys.setprofile(None)
        folder.with_suffix(".error").write_text(str(error))
        os._exit(STOPPED if isinstance(error, StoppedError) else REFUSED)
    os._exit(0)


def ended(build: Path, folder: Path, settings: dict, **moment: Any) -> tuple[int, str]:
    """The exit code of such a process, below 0 for a signal, and its line."""
    line = folder.with_suffix(".error")
    line.unlink(missing_ok=True)
    process = FORKED.Process(target=run, args=(build, folder, settings), kwargs=moment)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode, line.read_text() if line.exists() else ""
