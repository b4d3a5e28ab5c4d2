"""Whose fault a failed connection is: a host's, the resolver's, or this machine's own.

A shortage of this machine never counts against a host: the fetch waits and goes on, and if the
shortage stays, the part ends in one line.
"""

import contextlib
import errno
import os
import resource
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

# What this machine lacks, whatever host is asked.
SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
# No way to any host: but for an IPv6 address, which a machine may have no way to at any time.
NO_NETWORK = {errno.EADDRNOTAVAIL, errno.ENETDOWN, errno.ENETUNREACH}
NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
PATIENCE_S = 60.0  # of a shortage without any connection in between
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0
MOST_FILES = 65_536  # the limit is raised to; some systems have none
SPARE_FILES = 48  # for the tables that are written, certificates, libraries


class ShortageError(Exception):
    """This machine lacks something for now."""


class OutageError(Exception):
    """This machine cannot fetch: one line that says why. It ends the part."""


class UnreachedError(OSError):
    """A host that was not reached, with the reason of queries/tables/reasons.py.

    `counts` against the host: with some of these in a row it is given up. `late`: nothing came in
    the time that was left.
    """

    def __init__(self, reason: str, message: str, *, counts: bool = True, late: bool = False):
        super().__init__(message)
        self.reason, self.counts, self.late = reason, counts, late


def blamed(error: OSError, address: str = "") -> UnreachedError:
    """The failure of a look-up or of a connection with its reason. Raises ShortageError.

    >>> blamed(ConnectionRefusedError(111, "refused"), "1.1.1.1").reason
    'refused'
    >>> blamed(socket.gaierror(socket.EAI_NONAME, "unknown")).reason
    'no_such_host'
    """
    raise_shortage(error, address)
    if isinstance(error, UnreachedError):
        return error
    if isinstance(error, socket.gaierror):
        if error.errno in NO_SUCH_NAME:
            return UnreachedError("no_such_host", str(error))
        return UnreachedError("resolver_failed", str(error), counts=False)
    if isinstance(error, TimeoutError):
        return UnreachedError("connect_timeout", str(error), late=True)
    if isinstance(error, ConnectionRefusedError):
        return UnreachedError("refused", str(error))
    return UnreachedError("host_unreachable", str(error), counts=error.errno not in NO_NETWORK)


def raise_shortage(error: BaseException, address: str = "") -> None:
    """Raise ShortageError if this machine's lack is what failed; `address` was asked, if any."""
    number = getattr(error, "errno", None)
    if isinstance(error, socket.gaierror):
        short = number == socket.EAI_MEMORY or _out_of_files()  # a resolver's answer without files
    else:
        short = number in SHORTAGES or (number in NO_NETWORK and ":" not in address)
    if short or (isinstance(error, RuntimeError) and "start new thread" in str(error)):
        raise ShortageError(str(error)) from None


def _out_of_files() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in SHORTAGES
    return False


def raise_file_limit() -> None:
    """Raise this process's soft limit of open files to its hard limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _places() -> int:
    """How many connections may be open, each with a look-up."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = MOST_FILES if soft == resource.RLIM_INFINITY else soft
    with contextlib.suppress(OSError):
        soft -= len(os.listdir("/dev/fd"))
    return max(1, (soft - SPARE_FILES) // 2)


@dataclass
class Machine:
    """What this machine can do at a time, shared by all threads; `now` and `sleep` are its clock.

    `connections` are as many as the limit of open files allows.

    >>> machine = Machine(now=lambda: 0.0, sleep=print)
    >>> machine.wait(ShortageError("too many open files"))
    0.2
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    connections: threading.Semaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(_places())
    )

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._short_since: float | None = None

    def went_well(self) -> None:
        """A connection was made: no shortage goes on."""
        if self._short_since is not None:
            with self._lock:
                self._short_since = None

    def wait(self, shortage: ShortageError, tries: int = 1) -> None:
        """Wait before the next try. Raises OutageError for a shortage that stays."""
        with self._lock:
            if self._short_since is None:
                self._short_since = self.now()
            for_s = self.now() - self._short_since
        if for_s > PATIENCE_S:
            raise OutageError(f"this machine cannot connect, for {for_s:.0f} s: {shortage}")
        self.sleep(min(FIRST_WAIT_S * 2 ** (tries - 1), LONGEST_WAIT_S))
