"""How a build ends that cannot go on, or that is interrupted: with one line, and at once."""

import errno
import logging
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from pathlib import Path

from queries.tables.errors import UserError, first_line
from queries.tables.store import faults, is_store, said

OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


@contextmanager
def ending_in_one_line(folder: Path) -> Iterator[None]:
    """End the program with status 2 and one line for what is wrong before any stage is at work."""
    try:
        yield
    except Exception as error:
        line = line_of(error, folder)
        if line is None and isinstance(error, faults()):  # a file's: its text names it
            line = str(error)
        if line is None:
            raise
        print(line, file=sys.stderr)
        sys.exit(2)


def in_one_line(folder: Path, told: set[str], record: logging.LogRecord) -> bool:
    """Let Luigi log a fault that the user can mend by its line, without a traceback.

    A disk that fails does so in every stage that is tried after it: `told` has what was said of it.
    """
    error = record.exc_info[1] if record.exc_info else None
    if line := line_of(error, folder):
        record.exc_info, record.msg, record.args = None, line, None
        if fault := fault_of_the_disk(error):
            if fault in told:
                return False
            told.add(fault)
    return True


def line_of(error: BaseException | None, folder: Path) -> str | None:
    """What a user is told of a fault that is theirs or the machine's; None if it is neither.

    >>> line_of(OSError(errno.ENOSPC, "No space left on device"), Path("wit"))
    'wit: [Errno 28] No space left on device'
    >>> line_of(ValueError("a fault of the program"), Path("wit"))
    """
    text = str(error)
    if isinstance(error, BrokenExecutor):
        return f"{folder}: a process of the engine was killed; the same command goes on from here"
    if isinstance(error, UserError):
        return text
    if error and fault_of_the_disk(error):
        return f"{folder}: {first_line(error)}"
    if is_store(folder) and isinstance(error, faults()):
        return said(folder, error)
    return None


def fault_of_the_disk(error: BaseException | None) -> str:
    """What the system calls it, by which it is known: DuckDB's errors have no number."""
    words = map(os.strerror, OF_THE_DISK)
    return next((one for one in words if one in str(error)), "")


@contextmanager
def interruptible(folder: Path) -> Iterator[None]:
    """End the program on Ctrl-C and on SIGTERM: Luigi would go on with another task.

    What was being made is cleared away first, and the process that fetches ended; the engine's
    processes end with this one.
    """

    seen: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    before = {one: signal.signal(one, interrupt) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except BaseException:
        if not seen:  # DuckDB makes an error of its own of an interrupt
            raise
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    if seen:
        end_interrupted(folder, seen[0])


def end_interrupted(folder: Path, number: int, _frame: object = None) -> None:
    """End the program at once by this signal: between two stages nothing is being made."""
    said = f"\n{folder}: interrupted; the same command goes on from here\n"
    os.write(sys.stderr.fileno(), said.encode())  # print may be what was interrupted
    os._exit(128 + number)
