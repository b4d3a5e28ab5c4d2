"""How long a server asks to be left alone: RFC 9110, section 10.2.3."""

from email.utils import parsedate_to_datetime


def retry_after_s(value: str, now: float) -> float:
    """The seconds that a Retry-After asks for, as a number or a date; 0 if it is neither.

    >>> retry_after_s("3", 0), retry_after_s("Thu, 01 Jan 1970 00:00:05 GMT", 3)
    (3.0, 2.0)
    """
    if value.isascii() and value.isdecimal():
        return float(value[:9])  # years are enough
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return 0.0
