"""Ask an unknown server for one picture, within limits that the server cannot extend.

    attempt("http://example.org/cat.png", settings)  # Answer(reason=None, body=b"…", status=200, …)

Every hop's host is resolved and checked, and the connection is made to the address that was
checked. One clock runs over a whole attempt; it is paused only while this process makes it wait:
for a slot at a host, for its robots.txt (which has its own deadline), for room for a large body.
Proxies of the environment are not used: the address that they connect to cannot be checked here.
"""

import http.client
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pipeline.fetch.blame import Machine, ShortageError, UnreachedError, blamed, raise_shortage
from pipeline.fetch.hosts import Hosts, LaterError, RobotsAnswer, TdmAnswer
from pipeline.fetch.ledger import Evidence, Ledger
from pipeline.fetch.outage import UNREACHED, Outage
from pipeline.fetch.wire import (
    CONNECT_S,
    AttemptError,
    Clock,
    Wire,
    connect,
    encrypted,
    named_failures,
    read_body,
    request,
    response,
)
from pipeline.rights.signals import FIELDS, Statement, statements
from pipeline.rights.tdmrep import PLACE, parse_tdmrep
from pipeline.settings.consent import ConsentSettings
from pipeline.settings.fetch import GuardSettings
from pipeline.web.manners import retry_after_s
from pipeline.web.robots import MAX_ROBOTS_BYTES, parse_robots
from pipeline.web.url import Target, as_address, may_be_asked, parse_url, redirected

MAX_ADDRESSES = 4  # of a host that are tried
REMEMBER_S = 300.0  # how long a host's addresses are kept; each connection checks them anew
MAX_LOOKUPS = 128  # threads; the system's resolver knows no deadline, so a stuck one is left behind
REDIRECTS = {301, 302, 303, 307, 308}
AGAIN = {408, 425, 429, *range(500, 600)}
STATUS_REASONS = {401: "forbidden", 403: "forbidden", 451: "forbidden"}
STATUS_REASONS |= {404: "not_found", 410: "not_found"}
FAILED_S = 30.0  # how long a failed look-up is kept: a slow resolver is not asked for each row
TRIED_AGAIN = {"timeout", "connection_error", *UNREACHED}
# Reasons that hold for the whole host: if its robots.txt fails so, its pictures would, too.
OF_THE_HOST = {*UNREACHED, "private_address", "retry_later"}
OF_THE_HOST |= {"tls_expired", "tls_wrong_name", "tls_untrusted", "tls_error"}

Resolve = Callable[[str, int], list[str]]


@dataclass(frozen=True)
class Answer:
    """The outcome of an attempt: a body, or a reason of queries/tables/reasons.py."""

    reason: str | None
    body: bytes | None = None
    content_type: str | None = None
    status: int | None = None
    url: str | None = None  # the last one asked, after redirects
    hops: int = 0  # redirects that were followed
    wait_s: float | None = None  # asked for by the server
    again: bool = False  # whether another attempt may end otherwise
    message: str | None = None  # for a log: free text
    evidence: tuple[Evidence, ...] = ()  # what was heard of training on the way


def attempt(url: str, settings: GuardSettings, hosts: Hosts | None = None) -> Answer:
    """One attempt at a URL; threads that ask in one process share `hosts`.

    >>> attempt("ftp://example.org/", GuardSettings()).reason
    'bad_url'
    >>> attempt("http://0x7f.1/", GuardSettings(robots="ignore")).reason
    'private_address'
    """
    return Guard(settings, hosts or Hosts(settings)).attempt(url)


def look_up(host: str, port: int) -> list[str]:
    """The host's addresses. A dot at the end keeps the machine's own domains out of the search."""
    name = f"{host}." if "." in host else host
    entries = socket.getaddrinfo(name.encode(), port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in entries]


@dataclass
class Guard:
    """Asks for pictures; threads share one. `resolve` gives a host's addresses."""

    settings: GuardSettings
    hosts: Hosts
    resolve: Resolve = look_up
    machine: Machine = field(default_factory=Machine)
    outage: Outage = field(default_factory=Outage)
    consent: ConsentSettings = field(default_factory=ConsentSettings)
    lookups: threading.Semaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(MAX_LOOKUPS)
    )

    def __post_init__(self) -> None:
        self._networks = [ipaddress.ip_network(text) for text in self.settings.allow_networks]
        self._looked_up: dict[str, tuple[float, list[str] | UnreachedError]] = {}

    @contextmanager
    def fetched(self, url: str) -> Iterator[Answer]:
        """The answer of the first attempt that does not call for another, or of the last one.

        A large body holds one of the LARGE_BODIES places until the block ends: decode it there.
        """
        target = parse_url(url)
        with ExitStack() as room:
            if target is None:
                yield Answer("bad_url")
            else:
                yield self._retried(target, True, room)

    def fetch(self, url: str) -> Answer:
        """The answer of `fetched`, for a caller that may hold large bodies."""
        with self.fetched(url) as answer:
            return answer

    def attempt(self, url: str) -> Answer:
        """One attempt, with all its redirects."""
        target = parse_url(url)
        with ExitStack() as room:
            return Answer("bad_url") if target is None else self._follow(target, True, room)

    def _retried(self, target: Target, picture: bool, room: ExitStack) -> Answer:
        tries = 1
        while True:
            answer = self._follow(target, picture, room)
            if not answer.again or tries > self.settings.retries:
                return answer
            self.hosts.sleep(max(answer.wait_s or 0.0, self.hosts.backoff_s(target.url, tries)))
            tries += 1

    def _follow(self, target: Target, picture: bool, room: ExitStack) -> Answer:
        """The answer at the end of the redirects, to a picture or to a robots.txt.

        Raises OutageError if this machine cannot fetch.
        """
        clock, seen, shortages = Clock(self.settings.deadline_s), {target}, 0
        ledger = Ledger(self.consent) if picture else None
        while True:
            try:
                if ledger and self.settings.robots != "ignore":
                    with clock.paused():
                        self._heed_robots(target, ledger)
                        self._heed_tdmrep(target, ledger)
                answer, location = self._ask(target, clock, ledger, room)
                if location is None:
                    evidence = ledger.rows if ledger else ()
                    return replace(answer, hops=len(seen) - 1, evidence=evidence)
                target = self._next(target, location, seen)
            except ShortageError as shortage:  # of this machine: the same request once more
                room.close()
                shortages += 1
                with clock.paused():
                    self.machine.wait(shortage, shortages)
            except AttemptError as refused:
                room.close()
                may_pass = refused.reason in TRIED_AGAIN and not refused.final
                # others wait for a robots.txt, whose deadline should pass no more than once
                may_pass &= picture or refused.reason != "timeout"
                return Answer(
                    refused.reason,
                    url=target.url,
                    hops=len(seen) - 1,
                    wait_s=refused.wait_s,
                    again=may_pass and not self.hosts.is_dead(target.origin),
                    message=str(refused),
                    evidence=ledger.rows if ledger else (),
                )

    def _next(self, target: Target, location: str, seen: set[Target]) -> Target:
        following = redirected(target, location)
        if following is None:
            raise AttemptError("bad_redirect", f"to {location[:200]!r}")
        if following in seen or len(seen) > self.settings.max_redirects:
            raise AttemptError("too_many_redirects", f"to {following.url}")
        seen.add(following)
        return following

    def _heed_robots(self, target: Target, ledger: Ledger) -> None:
        """Raise AttemptError unless the host's robots.txt lets us ask for the path, and use it."""
        answer = self.hosts.robots(target.origin, lambda: self._robots(target))
        if answer.reason is not None:
            raise AttemptError(answer.reason, "at robots.txt", final=True)
        if answer.rules is None and self.settings.robots == "require":
            raise AttemptError("robots", "there is no robots.txt")
        if answer.rules is not None:
            place = replace(target, path="/robots.txt").url
            if not answer.rules.allows(target.path):
                ledger.note([Statement("robots", "disallow")], "robots.txt", place)
            self.hosts.space(target.host, answer.rules.delay_s)
            crawlers = answer.rules.refused_others(target.path)
            heard = statements(answer.rules.usage(target.path))
            heard += [Statement("ai_crawlers", name) for name in crawlers]
            ledger.note(heard, "robots.txt", place)

    def _heed_tdmrep(self, target: Target, ledger: Ledger) -> None:
        """Raise AttemptError where the host's tdmrep.json reserves the path."""
        place = replace(target, path=PLACE)
        rules = self.hosts.robots(target.origin, lambda: RobotsAnswer(None)).rules
        if rules is None or rules.allows(PLACE):
            file = self.hosts.tdmrep(target.origin, lambda: self._tdmrep(place)).file
            ledger.note(statements(file.lines(target.path)), "tdmrep.json", place.url)

    def _tdmrep(self, place: Target) -> TdmAnswer:
        """The file, asked for once; a host that fails to give it has none."""
        answer = self._follow(place, False, ExitStack())
        if answer.body is None:
            return TdmAnswer(reason=answer.reason)
        return TdmAnswer(parse_tdmrep(answer.body.decode("utf-8", "replace")))

    def _robots(self, target: Target) -> RobotsAnswer:
        """RFC 9309, section 2.3.1: a missing file allows all, an unreachable one allows nothing."""
        place = replace(target, path="/robots.txt")
        answer = self._retried(place, False, ExitStack())
        if answer.body is not None:
            text = answer.body.decode("utf-8", "replace")
            return RobotsAnswer(parse_robots(text, others=self.consent.tokens))
        if answer.reason in OF_THE_HOST and not answer.hops:
            return RobotsAnswer(None, answer.reason)
        gone = 400 <= (answer.status or 0) < 500 and not answer.again
        gone = gone or answer.reason in ("too_many_redirects", "bad_redirect")
        return RobotsAnswer(None, None if gone else "robots_error")

    def _ask(
        self, target: Target, clock: Clock, ledger: Ledger | None, room: ExitStack
    ) -> tuple[Answer, str | None]:
        """One request: its answer, or the place that it redirects to. Raises AttemptError.

        A picture has a ledger, a file about its host has none.
        """
        with ExitStack() as held:
            try:
                with clock.paused():
                    held.enter_context(self.hosts.slot(target.host))
                    held.enter_context(self.machine.connections)
            except LaterError as later:
                raise AttemptError("retry_later", str(later), later.wait_s) from None
            connection = held.enter_context(self._connected(target, clock))
            with named_failures():
                if target.scheme == "https":
                    tls = encrypted(connection, target.host, self.settings.ca_file, clock)
                    connection = held.enter_context(tls)
                connection.settimeout(clock.left_s())
                connection.sendall(request(target, self.settings.contact))
                reply = held.enter_context(response(Wire(connection, clock)))
                location = reply.headers.get("Location")
                if reply.status in REDIRECTS and location is not None:
                    return Answer(None), location
                answer = self._judged(target, reply, ledger)
                if answer.reason is not None:
                    return answer, None

                def take_room() -> None:
                    with clock.paused():
                        room.enter_context(self.hosts.large_bodies)

                max_bytes = self.settings.max_bytes if ledger else MAX_ROBOTS_BYTES
                body = read_body(reply, max_bytes, cut=not ledger, take_room=take_room)
                return replace(answer, body=body), None

    def _judged(
        self, target: Target, reply: http.client.HTTPResponse, ledger: Ledger | None
    ) -> Answer:
        """The answer by status and headers. Raises AttemptError for an opt-out or a long wait."""
        status, headers = reply.status, reply.headers
        answer = Answer(None, None, headers.get("Content-Type"), status, target.url)
        if 200 <= status < 300 and status != 206:
            lines = [(name, line) for name in FIELDS for line in headers.get_all(name, [])]
            if ledger and lines:  # on a robots.txt they are for search
                ledger.note(statements(lines, datetime.now(UTC)), "header", target.url)
            return answer
        message = f"HTTP {status}"
        if status not in AGAIN:
            return replace(answer, reason=STATUS_REASONS.get(status, "http_error"), message=message)
        wait_s = retry_after_s(headers.get("Retry-After", ""), time.time())
        if wait_s or status == 429:
            self.hosts.pause(target.host, wait_s or self.hosts.backoff_s(target.url, 1))
        if wait_s > self.settings.max_wait_s:
            raise AttemptError("retry_later", message, wait_s)
        return replace(answer, reason="http_error", wait_s=wait_s, again=True, message=message)

    @contextmanager
    def _connected(self, target: Target, clock: Clock) -> Iterator[socket.socket]:
        """A connection to an address of the host that was checked. Raises AttemptError."""
        if self.hosts.is_dead(target.origin):
            message = "given up after failures in a row"
            raise AttemptError(self.hosts.last_failure(target.origin), message)
        late = True
        try:
            late = clock.left_s() < min(CONNECT_S, self.settings.deadline_s / 2)
            addresses = self._addresses(target, clock)
            connection = connect(addresses, target.port, clock)
        except UnicodeError as error:  # no name that a resolver can be asked for
            raise self._unreached(target, UnreachedError("no_such_host", str(error))) from None
        except OSError as error:
            failure = blamed(error)
            if late and failure.late:  # earlier hops took the time, not this host
                raise AttemptError("timeout", "no time left to connect") from None
            raise self._unreached(target, failure) from None
        with connection:
            self.machine.went_well()
            self.hosts.reached(target.origin)
            self.outage.reached(target, addresses[0])
            yield connection

    def _unreached(self, target: Target, failure: UnreachedError) -> AttemptError:
        self.outage.failed(target.host)
        if failure.counts:
            self.hosts.failed(target.origin, failure.reason)
        return AttemptError(failure.reason, str(failure))

    def still_reaches(self, target: Target) -> bool:
        """Whether the host of the target can be reached now."""
        with ExitStack() as held:
            self._looked_up.pop(target.host, None)
            try:
                clock = Clock(min(2 * CONNECT_S, self.settings.deadline_s))
                held.enter_context(self._connected(target, clock))
            except (AttemptError, ShortageError):
                return False
            return True

    def forget_failures(self) -> None:
        """Ask hosts that were given up once more, as if nothing had failed."""
        self.hosts.forget_failures(UNREACHED)
        self._looked_up.clear()

    def _addresses(self, target: Target, clock: Clock) -> list[str]:
        """The host's addresses that may be asked. Raises AttemptError if there is none."""
        literal = as_address(target.host)
        addresses = [target.host] if literal else self._look_up(target, clock)
        fitting = [
            address
            for address in dict.fromkeys(addresses)
            if may_be_asked(ipaddress.ip_address(address), self._networks)
        ]
        if not fitting:
            raise AttemptError("private_address", f"{target.host} is {', '.join(addresses)[:200]}")
        return fitting[:MAX_ADDRESSES]

    def _look_up(self, target: Target, clock: Clock) -> list[str]:
        """The host's addresses. Raises OSError, with TimeoutError, and UnicodeError."""
        until, remembered = self._looked_up.get(target.host, (0.0, []))
        if time.monotonic() < until:
            if isinstance(remembered, UnreachedError):
                raise UnreachedError(remembered.reason, str(remembered), counts=False)
            return remembered
        with clock.paused():
            self.lookups.acquire()
        lookup: Future[list[str]] = Future()
        in_time = clock.left_s() >= self.settings.deadline_s / 2

        def look() -> None:
            try:
                lookup.set_result(self.resolve(target.host, target.port))
            except Exception as error:
                lookup.set_exception(error)
            finally:
                self.lookups.release()

        try:
            threading.Thread(target=look, daemon=True).start()
        except RuntimeError as error:
            self.lookups.release()
            raise_shortage(error)
            raise
        try:
            addresses = lookup.result(clock.left_s())
            if not addresses:
                raise UnreachedError("no_such_host", "no address")
        except TimeoutError:
            message = "no answer in time"
            failure = UnreachedError("resolver_failed", message, counts=False, late=True)
            raise self._remember(target, failure) if in_time else failure from None
        except OSError as error:
            raise self._remember(target, blamed(error)) from None
        self._looked_up[target.host] = time.monotonic() + REMEMBER_S, addresses
        return addresses

    def _remember(self, target: Target, failure: UnreachedError) -> UnreachedError:
        """Keep a resolver's failure for a while: the rows of one host may be many."""
        if not failure.counts:
            self._looked_up[target.host] = time.monotonic() + FAILED_S, failure
        return failure
