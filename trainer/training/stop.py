"""SIGTERM and SIGINT while a run trains: the step under way is finished, and the run saved."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

HEEDED = (signal.SIGTERM, signal.SIGINT)


class StoppedError(Exception):
    """The run was told to stop, and is saved: number of the signal, steps done."""

    def __init__(self, number: int, steps: int):
        super().__init__(number, steps)
        self.number, self.steps = number, steps

    def __str__(self) -> str:
        name = signal.Signals(self.number).name
        return f"stopped by {name}, saved at step {self.steps:,}; the same command goes on"


@dataclass
class Stop:
    """The signal that came; 0: none."""

    signal: int = 0

    def note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number


@contextmanager
def signals_heeded() -> Iterator[Stop]:
    """Until the end, a signal is only noted: between two steps a run can be saved exactly.

    A thread other than the main one gets no signals, and notes none.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.note) for number in HEEDED}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
