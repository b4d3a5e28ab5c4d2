"""Manners towards each host, shared by all threads that ask: turns, pauses, robots, dead hosts.

Knows no network: who asks says what came.
"""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipeline.settings.fetch import GuardSettings
from pipeline.web.manners import backoff_s, chance
from pipeline.web.robots import Robots

LARGE_BODIES = 8  # at a time, of all threads: so many times max_bytes is the memory they may fill


class LaterError(Exception):
    """The host has asked for a wait that is longer than the settings bear."""

    def __init__(self, wait_s: float):
        super().__init__(f"to be asked again in {wait_s:.0f} s")
        self.wait_s = wait_s


@dataclass
class _Host:
    """One host's places, and the moments of the clock before which it is not asked."""

    places: threading.Semaphore
    next_turn: float = 0.0
    paused_until: float = 0.0
    closed_until: float = 0.0


@dataclass(frozen=True)
class RobotsAnswer:
    """What came of asking for robots.txt: rules, or none there, or why it is not known."""

    rules: Robots | None
    reason: str | None = None


@dataclass
class Hosts:
    """What one process knows of the hosts that it asks. `now` and `sleep` are a clock's."""

    settings: GuardSettings
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    large_bodies: threading.Semaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(LARGE_BODIES)
    )

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: dict[str, _Host] = {}
        self._robots: dict[str, Future[RobotsAnswer]] = {}
        self._failures: Counter[str] = Counter()

    @contextmanager
    def turn(self, host: str) -> Iterator[None]:
        """Hold one of the host's places, from the moment its rate and its pauses leave.

        Raises LaterError. Who holds a turn must not ask for another: two could wait for each other.
        """
        with self._lock:
            if host not in self._hosts:
                self._hosts[host] = _Host(threading.Semaphore(self.settings.per_host))
            one = self._hosts[host]
        with one.places:
            while wait_s := self._until_turn(one):
                self.sleep(wait_s)
            yield

    def _until_turn(self, one: _Host) -> float:
        """The seconds to wait before looking again; 0 takes the turn."""
        with self._lock:
            now = self.now()
            if now < one.closed_until:
                raise LaterError(one.closed_until - now)
            wait_s = max(one.next_turn, one.paused_until) - now
            if wait_s <= 0:
                one.next_turn = now + 1 / self.settings.per_host_rate
            return max(0.0, wait_s)

    def pause(self, host: str, wait_s: float) -> None:
        """Leave the host alone for so long, in the middle of a turn; all its URLs feel it.

        A wait beyond `max_wait_s` is not waited for: until then every turn ends in LaterError.
        """
        with self._lock:
            one, until = self._hosts[host], self.now() + wait_s
            if wait_s > self.settings.max_wait_s:
                one.closed_until = max(one.closed_until, until)
            else:
                one.paused_until = max(one.paused_until, until)

    def n_waiting(self) -> int:
        """How many hosts have asked to be left alone for a while that is not over."""
        with self._lock:
            now = self.now()
            pauses = (max(one.paused_until, one.closed_until) for one in self._hosts.values())
            return sum(until > now for until in pauses)

    def backoff_s(self, url: str, tries: int) -> float:
        """Seconds before the next try, `max_wait_s` at most."""
        return min(backoff_s(self.settings.backoff_s, url, tries), self.settings.max_wait_s)

    def is_dead(self, origin: str) -> bool:
        """Whether its last `dead_after` connections all failed."""
        with self._lock:
            return self._failures[origin] >= self.settings.dead_after

    def failed(self, origin: str) -> None:
        """No connection came about."""
        with self._lock:
            self._failures[origin] += 1

    def reached(self, origin: str) -> None:
        """A connection came about."""
        with self._lock:
            del self._failures[origin]

    def robots(self, origin: str, ask: Callable[[], RobotsAnswer]) -> RobotsAnswer:
        """What the first who wanted to know was told; those who come meanwhile wait for it."""
        with self._lock:
            first = origin not in self._robots
            answer = self._robots.setdefault(origin, Future())
        if first:
            try:
                answer.set_result(ask())
            except BaseException as error:
                answer.set_exception(error)
                raise
        return answer.result()


def interleaved(hosts: Sequence[str]) -> list[int]:
    """The rows in an order that spreads every host evenly from the first to the last.

    A host of many rows is begun early, so that its rate does not leave a long tail, and hosts of
    one row lie anywhere between, each by a hash of its name.

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
