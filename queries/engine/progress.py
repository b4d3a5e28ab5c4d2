"""How a build goes, told while it runs: one line on the terminal, the same words to a listener.

A thread looks at the step under way, so the work itself waits for no terminal and no scheduler.
Where there is no terminal, a line a minute is printed instead.
"""

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

Listener = Callable[[int | None, str], object]  # percent, where one is known, and words

LOOK_S = 0.5  # between two looks at the step under way
TELL_S = 2.0  # between two words to a listener: each may be a request to a server
LINE_S = 60.0  # between two lines where there is no terminal
SHORT_S = 1.0  # a stage that took less leaves no line
WIDTH = 20  # characters of a bar
CLEAR = "\r\x1b[K"


@dataclass
class Step:
    """The progress of one step: units done, and their total where it is known.

    >>> step = Step("match", 5, "parts")
    >>> step.update(2)
    >>> step.words()
    'match: 2 of 5 parts, 00:00'
    """

    about: str
    total: int | None = None
    unit: str = ""
    rate: bool = False  # tell the units a second and the time left, too
    n: int = 0
    note: str = ""
    before: int = 0  # units that were done when the step began: no part of its rate
    measure: Callable[[], float | None] | None = None  # its share, where no units tell it
    _began: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def update(self, n: int = 1) -> None:
        self.n += n

    def say(self, text: str) -> None:
        """Words that stand after the figures."""
        self.note = text

    @contextmanager
    def measured(self, measure: Callable[[], float | None]) -> Iterator[None]:
        """Ask `measure` for the step's share of 1 in here, and never again after."""
        self.measure = measure
        try:
            yield
        finally:
            with self._lock:
                self.measure = None

    def share(self) -> float | None:
        with self._lock:
            if self.measure is not None:
                return self.measure()
        return self.n / self.total if self.total else None

    def words(self) -> str:
        seconds = time.monotonic() - self._began
        of = f" of {self.total:,}" if self.total else ""
        figures = [f"{self.n:,}{of} {self.unit}"] if self.unit else []
        figures.append(clock(seconds))
        if self.rate and (n := self.n - self.before):
            figures.append(f"{n / seconds:,.1f} a second")
            if self.total:
                figures.append(f"{clock(seconds * (self.total - self.n) / n)} left")
        return f"{self.about}: " + ", ".join([*figures, *([self.note] if self.note else [])])


def clock(seconds: float) -> str:
    """
    >>> clock(75), clock(7_384)
    ('01:15', '2:03:04')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def drawn(share: float | None) -> str:
    """
    >>> drawn(0.4)
    '████████░░░░░░░░░░░░  40%'
    """
    if share is None:
        return " " * (WIDTH + 5)
    full = int(share * WIDTH)
    return f"{'█' * full}{'░' * (WIDTH - full)} {share:4.0%}"


@dataclass
class Progress:
    """What is under way: the stage of a build, and the step of it."""

    quiet: bool = False
    step: Step | None = None
    _drawing: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def showing(self, step: Step) -> Iterator[Step]:
        around, self.step = self.step, step
        try:
            yield step
        finally:
            self.step = around

    def measured(self, measure: Callable[[], float | None]) -> AbstractContextManager[None]:
        """Within, the step under way, if there is one, is as far as `measure` says."""
        return self.step.measured(measure) if self.step else nullcontext()

    @contextmanager
    def of_stage(self, name: str, listener: Listener | None) -> Iterator[None]:
        """Tell of the steps in here; of a stage that ends well and was not short, leave a line."""
        began, ended = time.monotonic(), threading.Event()
        threading.Thread(target=self._watch, args=(name, ended), daemon=True).start()
        if listener is not None:
            threading.Thread(target=self._tell, args=(listener, ended), daemon=True).start()
        left = ""
        try:
            yield
            seconds = time.monotonic() - began
            left = f"{name:<24}{clock(seconds)}\n" if name and seconds >= SHORT_S else ""
        finally:
            with self._drawing:
                ended.set()
            self._print(left)

    def _watch(self, name: str, ended: threading.Event) -> None:
        on_terminal = sys.stderr.isatty()
        while not ended.wait(LOOK_S if on_terminal else LINE_S):
            step = self.step
            line = f"{name:<24}" if name else ""
            if step:
                line += f"{drawn(step.share())}  {step.words()}"
            if on_terminal:
                line = line[: shutil.get_terminal_size().columns - 1]
            else:
                line = " ".join(line.split()) + "\n"
            with self._drawing:
                if not ended.is_set():
                    self._print(line)

    def _tell(self, listener: Listener, ended: threading.Event) -> None:
        status = None
        while not ended.wait(TELL_S if status else LOOK_S):
            if step := self.step:
                share = step.share()
                status = (None if share is None else int(100 * share), step.words())
                listener(*status)

    def _print(self, text: str) -> None:
        if self.quiet:
            return
        print((CLEAR if sys.stderr.isatty() else "") + text, end="", file=sys.stderr, flush=True)


@contextmanager
def shown(
    about: str, total: int | None = None, unit: str = "", *, before: int = 0, rate: bool = False
) -> Iterator[Step]:
    """A step of a command that is no build: shown while it lasts, and it leaves no line."""
    progress = Progress()
    step = Step(about, total, unit, rate, n=before, before=before)
    with progress.of_stage("", None), progress.showing(step):
        yield step
