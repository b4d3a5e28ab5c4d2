"""The state of each host, shared by all threads that ask: slots, pauses, robots.txt, failures.

Nothing here uses the network: the guard asks, and reports what came.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from pipeline.rights.tdmrep import TdmFile
from pipeline.settings.fetch import GuardSettings
from pipeline.web.manners import backoff_s, chance
from pipeline.web.robots import Robots

LARGE_BODIES = 8  # held at a time by all threads: they fill at most 8 * max_bytes of memory


class LaterError(Exception):
    """The host asked for a wait that is longer than `max_wait_s`."""

    def __init__(self, wait_s: float):
        super().__init__(f"to be asked again in {wait_s:.0f} s")
        self.wait_s = wait_s


@dataclass
class _Host:
    """One host's slots, and the times, in seconds of `now`, before which it is not asked."""

    slots: threading.Semaphore
    next_start: float = 0.0
    paused_until: float = 0.0
    closed_until: float = 0.0
    delay_s: float = 0.0  # from one request to the next, as its robots.txt asks


@dataclass(frozen=True)
class RobotsAnswer:
    """The outcome of asking for robots.txt: its rules, None without one, or why nobody knows."""

    rules: Robots | None
    reason: str | None = None


@dataclass(frozen=True)
class TdmAnswer:
    """The outcome of asking for tdmrep.json: its rules, none without one, or why nobody knows."""

    file: TdmFile = field(default_factory=TdmFile)
    reason: str | None = None


FileAnswer = TypeVar("FileAnswer", RobotsAnswer, TdmAnswer)
Files = dict[str, Future[FileAnswer]]


@dataclass
class Hosts:
    """What one process knows of the hosts that it asks; `now` and `sleep` are its clock."""

    settings: GuardSettings
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    large_bodies: threading.Semaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(LARGE_BODIES)
    )

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}
        self._robots: Files[RobotsAnswer] = {}
        self._tdmrep: Files[TdmAnswer] = {}
        self._failures: defaultdict[str, list[str]] = defaultdict(list)

    @contextmanager
    def slot(self, host: str) -> Iterator[None]:
        """Hold one of the host's `per_host` slots, once its rate and its pauses allow a request.

        Raises LaterError. A thread that holds a slot must not ask for another: deadlock.
        """
        with self._lock:
            state = self._state(host)
        with state.slots:
            while wait_s := self._start_or_wait_s(state):
                self.sleep(wait_s)
            yield

    def _state(self, host: str) -> _Host:
        if host not in self._hosts:
            self._hosts[host] = _Host(threading.Semaphore(self.settings.per_host))
        return self._hosts[host]

    def space(self, host: str, delay_s: float) -> None:
        """Begin a request to the host every so many seconds at most: its Crawl-delay."""
        with self._lock:
            self._state(host).delay_s = delay_s * self.settings.crawl_delay

    def _start_or_wait_s(self, state: _Host) -> float:
        """The seconds to wait before the next look; 0 begins a request."""
        with self._lock:
            now = self.now()
            if now < state.closed_until:
                raise LaterError(state.closed_until - now)
            wait_s = max(state.next_start, state.paused_until) - now
            if state.delay_s > self.settings.max_wait_s and wait_s > self.settings.max_wait_s:
                raise LaterError(wait_s)
            if wait_s <= 0:
                state.next_start = now + max(1 / self.settings.per_host_rate, state.delay_s)
            return max(0.0, wait_s)

    def pause(self, host: str, wait_s: float) -> None:
        """Ask the host for nothing for `wait_s` seconds; it applies to all its URLs.

        With a wait beyond `max_wait_s` nobody waits: until then every slot ends in LaterError.
        """
        with self._lock:
            state, until = self._state(host), self.now() + wait_s
            if wait_s > self.settings.max_wait_s:
                state.closed_until = max(state.closed_until, until)
            else:
                state.paused_until = max(state.paused_until, until)

    def n_waiting(self) -> int:
        """The number of hosts that are paused now."""
        with self._lock:
            now = self.now()
            pauses = (max(state.paused_until, state.closed_until) for state in self._hosts.values())
            return sum(until > now for until in pauses)

    def backoff_s(self, url: str, tries: int) -> float:
        """Seconds before the next try, `max_wait_s` at most."""
        return min(backoff_s(self.settings.backoff_s, url, tries), self.settings.max_wait_s)

    def is_dead(self, origin: str) -> bool:
        """Whether its last `dead_after` connections all failed."""
        with self._lock:
            return len(self._failures[origin]) >= self.settings.dead_after

    def last_failure(self, origin: str) -> str:
        """The reason of the last failed connection of a dead host."""
        with self._lock:
            return self._failures[origin][-1]

    def failed(self, origin: str, reason: str = "host_unreachable") -> None:
        """Count a failed connection."""
        with self._lock:
            self._failures[origin].append(reason)

    def reached(self, origin: str) -> None:
        """Forget the failures: a connection was made."""
        with self._lock:
            self._failures.pop(origin, None)

    def forget_failures(self, reasons: Collection[str]) -> None:
        """Forget all failed connections, and each file about a host that was not reached."""
        with self._lock:
            self._failures.clear()
            _forget(self._robots, reasons)
            _forget(self._tdmrep, reasons)

    def robots(self, origin: str, ask: Callable[[], RobotsAnswer]) -> RobotsAnswer:
        """The origin's robots.txt: the first thread asks for it, the others wait for its answer."""
        return self._once(self._robots, origin, ask)

    def tdmrep(self, origin: str, ask: Callable[[], TdmAnswer]) -> TdmAnswer:
        """The origin's tdmrep.json, in the same way."""
        return self._once(self._tdmrep, origin, ask)

    def _once(
        self, files: Files[FileAnswer], origin: str, ask: Callable[[], FileAnswer]
    ) -> FileAnswer:
        with self._lock:
            first = origin not in files
            answer = files.setdefault(origin, Future())
        if first:
            try:
                answer.set_result(ask())
            except BaseException as error:
                answer.set_exception(error)
                raise
        return answer.result()


def _forget(files: Files[FileAnswer], reasons: Collection[str]) -> None:
    """Drop the answers of files that failed, or that have one of the reasons."""
    for origin, answer in list(files.items()):
        if answer.done() and (answer.exception() or answer.result().reason in reasons):
            del files[origin]


def interleaved(hosts: Sequence[str]) -> list[int]:
    """The rows in an order that spreads every host evenly from the first to the last.

    A host of many rows begins early, or its rate would leave a long tail. A host of one row lies
    anywhere, by a hash of its name.

    >>> interleaved(["a", "a", "a", "a", "b"])
    [4, 0, 1, 2, 3]
    """
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, host in enumerate(hosts):
        rows[host].append(row)
    places = []
    for host, its_rows in rows.items():
        offset = chance(host)
        places += [((n + offset) / len(its_rows), row) for n, row in enumerate(its_rows)]
    return [row for _, row in sorted(places)]
