"""Manners towards every server: the User-Agent, and how long to wait before the next try."""

from email.utils import parsedate_to_datetime
from functools import lru_cache
from importlib.metadata import version

from pipeline.web.robots import AGENT
from queries.tables.parts import digest


@lru_cache
def user_agent(contact: str) -> str:
    """The User-Agent of every request: our name, version and whom to ask.

    >>> user_agent("mailto:me").split(" ", 1)[1]
    '(mailto:me)'
    """
    return f"{AGENT}/{version('buildwit')} ({contact})".removesuffix(" ()")


def chance(*pieces: object) -> float:
    """A number of [0, 1) that the pieces alone decide."""
    return int(digest(*pieces), 16) / 2**64


def backoff_s(first_s: float, url: str, tries: int) -> float:
    """Seconds before the next try: doubled each time, times 0.5 to 1.5 by a hash of the address.

    >>> 1 <= backoff_s(2.0, "http://example.org/", 1) < 3
    True
    """
    return first_s * 2 ** (tries - 1) * (0.5 + chance(url, tries))


def retry_after_s(value: str, now: float) -> float:
    """The seconds that a Retry-After asks for (RFC 9110, 10.2.3), a number or date; 0 if neither.

    >>> retry_after_s("3", 0), retry_after_s("Thu, 01 Jan 1970 00:00:05 GMT", 3)
    (3.0, 2.0)
    """
    if value.isascii() and value.isdecimal():
        return float(value[:9])  # years are enough
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return 0.0
