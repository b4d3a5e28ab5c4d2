"""The limits of one input: a second of CPU time, 500 MB, and a minute by the clock.

CPU time does not depend on other programs of the machine. Memory is the peak that the kernel
measured, less the memory before the input.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MOST_S = 1.0
MOST_BYTES = 500_000_000
MOST_WALL_S = 60
MAX_PIXELS = 10_000_000  # of pictures: at up to 20 bytes each, 500 MB hold any
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5): the peak is set to what is resident now


class LimitError(AssertionError):
    """An input that took too much."""


@contextmanager
def limited() -> Iterator[None]:
    """Raise LimitError if the block takes more than it may."""
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(MOST_WALL_S)
    measured = CLEAR.exists()
    if measured:
        CLEAR.write_text(RESET_PEAK)
    before, started = (_peak_bytes() if measured else 0), time.process_time()
    try:
        yield
    finally:
        signal.alarm(0)
    took_s = time.process_time() - started
    # Memory first: to get it takes time, too, and on a busy machine much.
    if measured and (grown := _peak_bytes() - before) > MOST_BYTES:
        raise LimitError(f"{grown} bytes, expected at most {MOST_BYTES}")
    if took_s > MOST_S:
        raise LimitError(f"{took_s:.1f} s, expected at most {MOST_S:.0f}")


def watched(run: Callable[[Any], object]) -> Callable[[Any], None]:
    """The function, each of its calls within the limits."""

    def one(given: Any) -> None:
        with limited():
            run(given)

    return one


def _too_long(*_: object) -> None:
    raise LimitError(f"more than {MOST_WALL_S} s by the clock")


def _peak_bytes() -> int:
    line = next(one for one in STATUS.read_text().splitlines() if one.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
