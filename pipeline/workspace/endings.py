"""How a build ends that cannot go on, or that is interrupted: with one line, and at once."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from pathlib import Path

from queries.endings import GOES_ON, MACHINE, Ending, disk_fault, ending
from queries.tables.errors import first_line
from queries.tables.store import faults, is_store, said


@contextmanager
def ending_in_one_line(folder: Path) -> Iterator[None]:
    """End the program with one line for what is wrong before any stage is at work."""
    try:
        yield
    except KeyboardInterrupt:
        end_interrupted(folder, signal.SIGINT)
    except Exception as error:
        end = ending(error, folder)
        if end is None and isinstance(error, faults()):  # a store's, or a file's: its text names it
            end = Ending(MACHINE, str(error) if isinstance(error, OSError) else said(folder, error))
        if end is None:
            raise
        print(end.line, file=sys.stderr)
        sys.exit(end.code)


def in_one_line(folder: Path, logged: set[int], record: logging.LogRecord) -> bool:
    """Let Luigi log a fault that the user can mend by its line, without a traceback.

    A disk that fails does so in every later stage: `logged` holds its faults that were logged.
    """
    error = record.exc_info[1] if record.exc_info else None
    if line := line_of(error, folder):
        record.exc_info, record.msg, record.args = None, line, None
        if fault := disk_fault(error):
            if fault in logged:
                return False
            logged.add(fault)
    return True


def line_of(error: BaseException | None, folder: Path) -> str | None:
    """The line of a stage's fault that is the user's or the machine's; None for any other.

    >>> line_of(OSError(28, "No space left on device"), Path("wit"))
    'wit: [Errno 28] No space left on device'
    >>> line_of(FileNotFoundError(2, "a fault of the program"), Path("wit"))
    """
    if isinstance(error, BrokenExecutor):
        return f"{folder}: a process of the engine was killed; {GOES_ON}"
    if error and disk_fault(error):
        return f"{folder}: {first_line(error)}"
    if is_store(folder) and isinstance(error, faults()):
        return said(folder, error)
    if isinstance(error, OSError):
        return None
    end = ending(error, folder)
    return end and end.line


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
    line = f"\n{folder}: interrupted; {GOES_ON}\n"
    os.write(sys.stderr.fileno(), line.encode())  # print may be what was interrupted
    os._exit(128 + number)
