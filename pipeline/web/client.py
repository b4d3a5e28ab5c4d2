"""A polite HTTP client: it names itself, keeps the waits asked for, and retries passing failures.

Servers are not trusted: the size of a list, the length of a wait and the number of redirects are
bounded, and only http and https are used.
"""

import ipaddress
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from pipeline.settings.whole import DownloadSettings
from pipeline.web.hub import authorization, refusal
from pipeline.web.manners import backoff_s, retry_after_s, user_agent
from queries.tables.errors import InputError, UserError

CHUNK_BYTES = 1 << 16
GAIN_BYTES = 1 << 20  # an attempt that brought this much resets the count of failures
MAX_LIST_BYTES = 16 << 20
MAX_REDIRECTS = 5
LEAST_BYTES_PER_S = 1_000  # a slower answer is given up

T = TypeVar("T")


class DownloadError(UserError):
    """A file that could not be downloaded: one line that says why."""


class StatusError(DownloadError):
    """An answer with an HTTP status that no retry will change."""

    def __init__(self, url: str, status: int):
        super().__init__(url, status)  # the arguments, as the engine's processes pickle it
        self.status = status

    def __str__(self) -> str:
        return "{}: HTTP {}".format(*self.args) + refusal(*self.args)


class AgainError(Exception):
    """A failure that may pass, after `wait_s` seconds where the server said so."""

    def __init__(self, about: str, wait_s: float = 0.0):
        super().__init__(about)
        self.wait_s = wait_s
        self.gained = 0  # bytes that the attempt brought before it failed


@dataclass
class Client:
    """Asks servers, and retries failures that may pass. Threads may share a client."""

    settings: DownloadSettings
    stop: threading.Event = field(default_factory=threading.Event)
    contact_key: str = "downloads.contact"  # what the settings call it
    keeps: bool = False  # connections, for the next request; then only one thread may use it
    _kept: "_Session | None" = field(default=None, repr=False)

    def close(self) -> None:
        """Close the connections that it keeps."""
        if self._kept is not None:
            self._kept.close()
        self._kept = None

    def admit(self, url: str) -> None:
        """Raise InputError unless this is an http or https address and a contact is set."""
        try:
            parts = urlsplit(url)
            host = parts.hostname if parts.scheme in ("http", "https") else None
        except ValueError:  # such as brackets without an IPv6 address
            host = None
        if not host:
            raise InputError(f"{url[:200]!r}: expected an http or https address")
        if not self.settings.contact.strip() and not _is_loopback(host):
            raise InputError(
                f"{self.contact_key} = '': expected an address of yours, which tells {host} "
                f"whom to ask if the downloads are a burden"
            )

    def read_list(self, url: str) -> str:
        """A short text, such as a list of sums. Raises InputError and DownloadError."""

        def attempt() -> str:
            body = bytearray()
            with self.opened(url, {}) as response:
                for chunk in self.chunks(response):
                    body += chunk
                    if len(body) > MAX_LIST_BYTES:
                        raise DownloadError(f"{url}: expected at most {MAX_LIST_BYTES} bytes")
            return body.decode("utf-8", "replace")

        return self.retried(url, attempt)

    def retried(self, url: str, attempt: Callable[[], T]) -> T:
        """The result of the first attempt that succeeds; DownloadError after `retries` failures."""
        tries = 0
        while True:
            try:
                return attempt()
            except AgainError as again:
                tries = 1 if again.gained >= GAIN_BYTES else tries + 1
                if tries > self.settings.retries:
                    raise DownloadError(f"{url}: {again}, asked {tries} times") from None
                if again.wait_s > (most := self.settings.max_wait_s):
                    wait = f"asks to be left alone for {again.wait_s:,.0f} s"
                    advice = f"{wait}, longer than max_wait_s = {most:g}: try again later"
                    raise DownloadError(f"{url}: {again}; {advice}") from None
                self._wait(max(again.wait_s, backoff_s(self.settings.backoff_s, url, tries)))

    def _wait(self, seconds: float) -> None:
        if self.stop.wait(min(seconds, self.settings.max_wait_s)):
            raise DownloadError("stopped")

    @contextmanager
    def opened(self, url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
        """The answer to a GET: 200, or 206 or 416 to a Range. Raises AgainError, DownloadError.

        Each answer has its own connection, which is closed with it, unless the client keeps them:
        then that of an answer that was read to its end serves the next.
        """
        try:
            with self._session() as session, self._get(session, url, headers) as response:
                _check_status(url, response, headers)
                yield response
        except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
            raise AgainError(f"no whole answer ({_cause(error)})") from None
        except requests.RequestException as error:  # such as an address with an impossible host
            raise DownloadError(f"{url}: cannot be asked for ({_cause(error)})") from None

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        if not self.keeps:
            with _Session() as session:
                yield session
            return
        self._kept = self._kept or _Session()
        self._kept.cookies.clear()
        yield self._kept

    def _get(
        self, session: requests.Session, url: str, headers: dict[str, str]
    ) -> requests.Response:
        """The answer at the end of a few redirects, whose own bodies are never read."""
        agent = user_agent(self.settings.contact)
        headers = {"User-Agent": agent, "Accept-Encoding": "identity", **headers}
        place, timeout_s = url, self.settings.timeout_s
        for _ in range(MAX_REDIRECTS + 1):
            self.admit(place)
            sent = headers | authorization(place)
            response = session.get(
                place, headers=sent, timeout=timeout_s, stream=True, allow_redirects=False
            )
            try:
                target = requests.Session.get_redirect_target(session, response)
                if target is None:
                    return response
                response.close()
                place = urljoin(place, target)
            except ValueError:
                raise DownloadError(f"{url}: redirected to what is no address") from None
        raise DownloadError(f"{url}: expected at most {MAX_REDIRECTS} redirects")

    def chunks(self, response: requests.Response) -> Iterator[bytes]:
        """The body as sent: a .gz file stays packed, even if the server calls gzip its encoding."""
        since, n_bytes = time.monotonic(), 0
        # read1 returns the bytes that have come; read would wait for a whole chunk.
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
            if self.stop.is_set():
                raise DownloadError("stopped")
            yield chunk
            n_bytes += len(chunk)
            if (seconds := time.monotonic() - since) > self.settings.timeout_s:
                if n_bytes < LEAST_BYTES_PER_S * seconds:
                    raise AgainError(f"fewer than {LEAST_BYTES_PER_S} bytes a second")
                since, n_bytes = time.monotonic(), 0


class _Session(requests.Session):
    """A session that leaves redirects alone: requests reads their bodies whole, however long."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def _check_status(url: str, response: requests.Response, headers: dict[str, str]) -> None:
    status = response.status_code
    if status == 200 or (status in (206, 416) and "Range" in headers):
        return
    if status in (408, 429) or status >= 500:
        wait = response.headers.get("Retry-After", "")
        raise AgainError(f"HTTP {status}", retry_after_s(wait, time.time()))
    raise StatusError(url, status)


def _is_loopback(host: str) -> bool:
    """
    >>> _is_loopback("127.0.0.1"), _is_loopback("localhost"), _is_loopback("example.org")
    (True, True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _cause(error: BaseException) -> str:
    """The innermost cause's name, such as ReadTimeoutError: the messages quote objects."""
    causes = [getattr(error, "reason", None), *error.args]
    inner = next((cause for cause in causes if isinstance(cause, BaseException)), None)
    return _cause(inner) if inner else type(error).__name__
