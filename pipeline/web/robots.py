"""Parse what a host says to robots: robots.txt (RFC 9309), X-Robots-Tag and TDM-Reservation.

Hosts are not trusted, so parsing takes time linear in the length. The best library for robots.txt
keeps every rule once for each agent named above it: 500 KB of agents and rules become 400 million
rules. Here only the rules meant for us are kept.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote

AGENT = "buildwit"  # our product token, in robots.txt and the User-Agent
MAX_ROBOTS_BYTES = 512_000  # RFC 9309, section 2.5: at least 500 KiB are to be read
UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")

# X-Robots-Tag words that keep a picture out of indices or of training.
OPT_OUTS = {"noindex", "none", "noimageindex", "noai", "noimageai"}
WORDS = OPT_OUTS | {"all", "index", "follow", "nofollow", "noarchive", "nocache", "nosnippet"}
WORDS |= {"notranslate", "indexifembedded", "nositelinkssearchbox", "archive"}
WITH_VALUE = {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}


@dataclass(frozen=True)
class Rule:
    """One Allow or Disallow: the pieces between its stars, and whether it must reach the end."""

    allow: bool
    length: int
    pieces: tuple[str, ...]
    to_the_end: bool

    def matches(self, path: str) -> bool:
        first, *others = self.pieces
        if not path.startswith(first):
            return False
        if not others:
            return not self.to_the_end or path == first
        place = len(first)
        for piece in others[:-1]:
            if (start := path.find(piece, place)) < 0:
                return False
            place = start + len(piece)
        if self.to_the_end:
            return path.endswith(others[-1]) and len(path) - len(others[-1]) >= place
        return path.find(others[-1], place) >= 0


@dataclass(frozen=True)
class Robots:
    """The rules for us, the longest first, and an Allow before a Disallow of its length."""

    rules: tuple[Rule, ...] = ()

    def allows(self, path: str) -> bool:
        """Whether a path with its query may be asked for.

        >>> robots = parse_robots("User-agent: *\\nDisallow: /private/\\nAllow: /*.png$")
        >>> robots.allows("/private/a.png"), robots.allows("/a.png")
        (False, True)
        """
        path = _canonical(path)
        return next((rule.allow for rule in self.rules if rule.matches(path)), True)


def parse_robots(text: str, agent: str = AGENT) -> Robots:
    """The rules of all groups that name the agent, else of all that name `*`."""
    rules: dict[str, list[Rule]] = {agent: [], "*": []}
    named, meant, in_rules = False, set[str](), False
    for line in text.removeprefix("\ufeff").splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon:
            continue
        if key in ("user-agent", "useragent", "user agent"):
            if in_rules:
                meant, in_rules = set(), False
            token = re.match(r"\*|[a-z_-]*", value.lower())
            meant |= {token[0]} & rules.keys() if token else set()
            named |= agent in meant
        elif key in ("allow", "disallow"):
            in_rules = True
            if value:
                rule = _rule(key == "allow", value)
                for name in meant:
                    rules[name].append(rule)
    best = rules[agent] if named else rules["*"]
    return Robots(tuple(sorted(best, key=lambda rule: (-rule.length, not rule.allow))))


def _rule(allow: bool, value: str) -> Rule:
    pattern = _canonical(re.sub(r"\*+", "*", value))
    to_the_end = pattern.endswith("$")
    pieces = tuple(pattern.removesuffix("$").split("*"))
    return Rule(allow, len(pattern), pieces, to_the_end)


def _canonical(path: str) -> str:
    """A path or pattern with one spelling for each character: RFC 9309, section 2.2.2.

    >>> _canonical("/%7ejoe/ä%2f")
    '/~joe/%C3%A4%2F'
    """
    path = re.sub(r"[^\x21-\x7e]+", lambda match: quote(match[0], errors="replace"), path)
    return re.sub(r"%[0-9A-Fa-f]{2}", _one_spelling, path)


def _one_spelling(code: re.Match[str]) -> str:
    character = chr(int(code[0][1:], 16))
    return character if UNRESERVED.fullmatch(character) else code[0].upper()


def opted_out(robots_tags: Iterable[str], tdm: Iterable[str], now: datetime | None = None) -> bool:
    """Whether X-Robots-Tag or TDM-Reservation headers ask not to use the answer.

    >>> opted_out(["otherbot: noindex, nofollow"], []), opted_out([], ["1"])
    (False, True)
    """
    now = now or datetime.now(UTC)
    if any("1" in (part.strip() for part in value.split(",")) for value in tdm):
        return True
    return any(_tag_opts_out(value, now) for value in robots_tags)


def _tag_opts_out(value: str, now: datetime) -> bool:
    """Read one header: words, words with a value, and agents that the words after them are for."""
    ours = True
    parts = re.split("[,;]", value.lower())
    for n, part in enumerate(parts):
        word, colon, rest = (piece.strip() for piece in part.partition(":"))
        if colon and word not in WITH_VALUE and _is_directive(rest):
            ours = word in (AGENT, "*")
            word, colon, rest = (piece.strip() for piece in rest.partition(":"))
        if not ours:
            continue
        if word == "unavailable_after":
            # a date may begin with a weekday and a comma
            date = f"{rest},{parts[n + 1]}" if rest.isalpha() and n + 1 < len(parts) else rest
            if _is_past(date, now):
                return True
        elif word in OPT_OUTS and not colon:
            return True
    return False


def _is_directive(text: str) -> bool:
    return text in WORDS or text.partition(":")[0].strip() in WITH_VALUE


def _is_past(date: str, now: datetime) -> bool:
    """Whether a date of RFC 822, RFC 850 or ISO 8601 is past; False for other texts.

    >>> _is_past("25 jun 2010 15:00:00 gmt", datetime(2026, 1, 1, tzinfo=UTC))
    True
    """
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(date.strip().upper())
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) < now
    return False
