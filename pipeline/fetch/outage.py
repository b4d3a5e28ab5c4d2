"""Tells an outage of this machine's network from hosts that are gone.

Of a part whose hosts mostly cannot be reached nothing is believed: it is asked again after a wait.
Hosts that are truly gone are believed where another public host is still reached.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.web.url import Target, as_address, is_public

UNREACHED = {"no_such_host", "resolver_failed", "refused", "connect_timeout", "host_unreachable"}
SKIPPED = "skipped"  # a row that was not asked for, as nothing was reached any more
WAITS = (5, 15, 30)  # times `backoff_s`, before the part is asked again
LEAST_HOSTS = 5  # fewer may all be gone by chance
OVERLOADED = 0.1  # of the hosts, for which no name server answers
RECENT = 50  # hosts in a row of which none is reached: the rest of the part is not asked
WITNESSES = 5  # hosts that were reached, and are asked whether they still are


@dataclass
class Outage:
    """What became of the hosts of a part. Threads share one.

    `first`: no part was published before, so that nothing shows that this machine ever fetched.
    """

    first: bool = False

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._reached: set[str] = set()
        self._witnesses: dict[str, Target] = {}
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self._recent_hosts: set[str] = set()

    def begin(self) -> None:
        """The part, or what is left of it, is asked from now on."""
        self._recent.clear()
        self._recent_hosts.clear()

    def goes_on(self) -> bool:
        """Whether none of the last hosts was reached."""
        with self._lock:
            return len(self._recent) == RECENT and not any(self._recent)

    def reached(self, target: Target, address: str) -> None:
        """A connection to the host was made."""
        with self._lock:
            self._reached.add(target.host)
            self._recent.append(True)
            literal = as_address(address)
            if literal and is_public(literal) and len(self._witnesses) < WITNESSES:
                self._witnesses[target.origin] = target

    def failed(self, host: str) -> None:
        """A host could not be reached."""
        with self._lock:
            if host not in self._recent_hosts:
                self._recent_hosts.add(host)
                self._recent.append(False)

    def unreached(self, rows: Iterable[dict[str, Any]], host: Callable[[str], str]) -> set[str]:
        """The hosts of these lost rows that nobody reached, but for rows asked once more."""
        hosts = {host(row["url"]) for row in rows if row["attempt"] == 1}
        return hosts - self._reached

    def is_likely(self, gone: set[str], still_reached: Callable[[Target], bool]) -> bool:
        """Whether so many hosts that cannot be reached are this machine's fault."""
        n = len(gone | self._reached)
        if not gone or 2 * len(gone) <= n:
            return False
        if n < LEAST_HOSTS:
            return self.first and not self._reached
        return not any(still_reached(target) for target in self._witnesses.values())


def unresolved(
    rows: list[dict[str, Any]], host: Callable[[str], str], n_hosts: int
) -> list[dict[str, Any]]:
    """The lost rows to ask for again as the resolver fails: it does for many of the hosts.

    A few domains have broken name servers of their own, and these rows are believed.

    >>> rows = [{"url": n, "reason": "resolver_failed", "attempt": 1} for n in range(6)]
    >>> len(unresolved(rows, str, 50)), unresolved(rows, str, 1000)
    (6, [])
    """
    failed = [row for row in rows if row["reason"] == "resolver_failed" and row["attempt"] == 1]
    hosts = {host(row["url"]) for row in failed}
    return failed if len(hosts) >= max(LEAST_HOSTS, OVERLOADED * n_hosts) else []


def in_a_line(gone: set[str], reasons: Counter[str]) -> str:
    """
    >>> in_a_line({"a.org"}, Counter(refused=2))[:67]
    'most hosts could not be reached, in 4 tries, such as a.org (2 refus'
    """
    why = ", ".join(f"{n:,} {reason}" for reason, n in reasons.most_common())
    few = ", ".join(sorted(gone)[:3])
    tries = len(WAITS) + 1
    return (
        f"most hosts could not be reached, in {tries} tries, such as {few} ({why}): "
        "is this machine online?"
    )
