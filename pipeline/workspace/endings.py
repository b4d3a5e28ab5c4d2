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

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


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


def in_one_line(folder: Path, logged: set[str], record: logging.LogRecord) -> bool:
    """Let Luigi log a fault that the user can mend by its line, without a traceback.

    A disk that fails does so in every later stage: `logged` holds its faults that were logged.
    """
    error = record.exc_info[1] if record.exc_info else None
    if line := line_of(error, folder):
        record.exc_info, record.msg, record.args = None, line, None
        if fault := fault_of_the_disk(error):
            if fault in logged:
                return False
            logged.add(fault)
    return True


def line_of(error: BaseException | None, folder: Path) -> str | None:
    """The line that tells of a fault of the user's or of the machine; None for any other.

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
    """The system's words for a fault of the disk, or "": DuckDB's errors have no number."""
    texts = map(os.strerror, DISK_ERRORS)
    return next((text for text in texts if text in str(error)), "")


@contextmanager
def interruptible(folder: Path) -> Iterator[None]:
    """End the program on Ctrl-C and on SIGTERM: Luigi would go on with another task.

    Files that were being written are removed first, and the process that fetches is ended; the
    engine's processes end with this one.
    """
    caught: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        caught.append(number)
        raise KeyboardInterrupt

    before = {n: signal.signal(n, interrupt) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except BaseException:
        if not caught:  # DuckDB makes an error of its own of an interrupt
            raise
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)
    if caught:
        end_interrupted(folder, caught[0])


def end_interrupted(folder: Path, number: int, _frame: object = None) -> None:
    """End the program at once by this signal: between two stages nothing is being made."""
    line = f"\n{folder}: interrupted; the same command goes on from here\n"
    os.write(sys.stderr.fileno(), line.encode())  # print may be what was interrupted
    os._exit(128 + number)
