"""Parse what a host says to robots in its robots.txt: RFC 9309.

Hosts are not trusted, so parsing takes time linear in the length. The best library for robots.txt
keeps every rule once for each agent named above it: 500 KB of agents and rules become 400 million
rules. Here only the rules meant for us are kept.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import quote

AGENT = "buildwit"  # our product token, in robots.txt and the User-Agent
MAX_ROBOTS_BYTES = 512_000  # RFC 9309, section 2.5: at least 500 KiB are to be read
MOST_LINE = 16_663  # characters of a line that count, as in Google's parser
BLANKS = " \t\v\f"
AGENT_KEYS = ("user-agent", "useragent", "user agent")
DISALLOW_KEYS = ("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw")
USAGE_KEYS = ("content-signal", "content-signals", "content-usage")
ACCESS, DELAY, USE = "access", "delay", "use"  # what a group holds
UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")


@dataclass(frozen=True)
class Rule:
    """One Allow or Disallow: the pieces between its stars, and whether it must reach the end."""

    allow: bool
    length: int
    pieces: tuple[str, ...]
    to_the_end: bool

    @classmethod
    def of(cls, value: str, allow: bool = False) -> "Rule":
        """A pattern as a line writes it.

        Its length is that of the value as written, stars and all; letters beyond ASCII are coded.
        """
        pattern = _canonical(re.sub(r"\*+", "*", value))
        pieces = _literal(pattern.removesuffix("$")).split("*")
        return cls(allow, len(_coded(value)), tuple(pieces), pattern.endswith("$"))

    def matches(self, path: str) -> bool:
        """Whether it matches a path, spelt by `comparable`."""
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
    """The rules for us, the longest first, and an Allow before a Disallow of its length.

    `usages` are the lines about the use of what may be asked for, the longest first: (name, paths,
    text). `others` are the rules for other crawlers that were asked about and that the file names.
    """

    rules: tuple[Rule, ...] = ()
    delay_s: float = 0.0  # Crawl-delay: seconds from one request to the next
    usages: tuple[tuple[str, Rule, str], ...] = ()
    others: tuple[tuple[str, tuple[Rule, ...]], ...] = ()

    def allows(self, path: str) -> bool:
        """Whether a path with its query may be asked for.

        >>> robots = parse_robots("User-agent: *\\nDisallow: /private/\\nAllow: /*.png$")
        >>> robots.allows("/private/a.png"), robots.allows("/a.png")
        (False, True)
        """
        return _allowed(self.rules, comparable(path))

    def usage(self, path: str) -> list[tuple[str, str]]:
        """The lines about the use of a path, (name, text): of each name those of the longest match.

        >>> text = "User-agent: *\\nContent-Usage: train-ai=n\\nContent-Usage: /ok/ train-ai=y"
        >>> parse_robots(text).usage("/ok/a.png"), parse_robots(text).usage("/a.png")
        ([('content-usage', 'train-ai=y')], [('content-usage', 'train-ai=n')])
        """
        path, longest = comparable(path) if self.usages else path, dict[str, int]()
        lines = []
        for name, rule, text in self.usages:
            if rule.length >= longest.get(name, 0) and rule.matches(path):
                longest[name] = rule.length
                lines.append((name, text))
        return lines

    def refused_others(self, path: str) -> list[str]:
        """Those of the other crawlers that may not ask for a path."""
        path = comparable(path) if self.others else path
        return [name for name, rules in self.others if not _allowed(rules, path)]


def comparable(path: str) -> str:
    """A path as rules match it."""
    return _literal(_canonical(path)).replace("*", "%2A")


def _allowed(rules: tuple[Rule, ...], path: str) -> bool:
    return next((rule.allow for rule in rules if rule.matches(path)), True)


@dataclass
class _Group:
    """What the groups of one agent say."""

    rules: list[Rule] = field(default_factory=list)
    delay_s: float = 0.0
    usages: list[tuple[str, Rule, str]] = field(default_factory=list)

    def ordered(self) -> tuple[Rule, ...]:
        return tuple(sorted(self.rules, key=lambda rule: (-rule.length, not rule.allow)))


def parse_robots(text: str, agent: str = AGENT, others: Collection[str] = ()) -> Robots:
    """What all groups that name the agent say, else all that name `*`.

    `others` are crawlers, in small letters, whose rules are asked about where the file names them.
    Allow and Disallow end a group's list of agents, and nothing else does (RFC 9309, 2.2.1, 2.2.4).
    Only for lines of their own kind do delays and lines about use end it: what stands between two
    agents is not for the second. A line about use before all groups is for everybody.

    As Google's parser reads it (google/robotstxt), typing errors and all, except that percent codes
    of letters are letters, as RFC 9309 has it.
    """
    groups = {name: _Group() for name in (*others, "*", agent)}
    named = False
    meant = {ACCESS: set[str](), DELAY: set[str](), USE: {agent, "*"}}  # by the lines that follow
    closed = {USE}  # of these a line came since the last agent: the next one begins a group
    for line in re.split(r"[\r\n]", text.removeprefix("\ufeff")):
        key, value = _key_and_value(line[:MOST_LINE])
        if key.startswith(AGENT_KEYS):
            names = {product(value), value.partition("/")[0].strip().lower()} & groups.keys()
            for kind in meant:
                meant[kind] = names if kind in closed else meant[kind] | names
            closed = set()
            named |= agent in names
        elif key.startswith(("allow", *DISALLOW_KEYS)):
            closed = set(meant)
            if value:
                rule = Rule.of(value, key.startswith("allow"))
                for name in meant[ACCESS]:
                    groups[name].rules.append(rule)
        elif key in USAGE_KEYS:
            closed.add(USE)
            where, heard = _path_and_usage(value)
            for name in meant[USE] & {agent, "*"}:
                groups[name].usages.append((key, Rule.of(where), heard))
        elif key == "crawl-delay":
            closed.add(DELAY)
            for name in meant[DELAY]:
                groups[name].delay_s = max(groups[name].delay_s, _seconds(value))
    best = groups[agent if named else "*"]
    usages = sorted(best.usages, key=lambda usage: -usage[1].length)
    named_others = [(name, groups[name].ordered()) for name in others if groups[name].rules]
    return Robots(best.ordered(), best.delay_s, tuple(usages), tuple(named_others))


def _key_and_value(line: str) -> tuple[str, str]:
    """A line's key in small letters, and its value; two words without a colon are a pair, too.

    >>> _key_and_value("Disallow /a  # b"), _key_and_value("these are words")
    (('disallow', '/a'), ('', ''))
    """
    line = line.partition("#")[0].strip(BLANKS)
    key, colon, value = line.partition(":")
    if not colon:
        words = line.split()
        key, value = words if len(words) == 2 else ("", "")
    return key.strip(BLANKS).lower(), value.strip(BLANKS)


def product(value: str) -> str:
    """Whom a User-agent line or a tag names: `*` alone, or the letters up to a version.

    >>> product("BuildWIT/1.0"), product("* # all"), product("*WordPress*")
    ('buildwit', '*', '')
    """
    token = re.match(r"\*(?=\s|$)|[A-Za-z_-]*", value)
    return token[0].lower() if token else ""


def _seconds(value: str) -> float:
    """A Crawl-delay; 0 for what is no number.

    >>> _seconds("2.5"), _seconds("-1"), _seconds("nan"), _seconds("1e99")
    (2.5, 0.0, 0.0, 0.0)
    """
    return float(value) if re.fullmatch(r"\d{1,9}(\.\d{0,9})?", value, re.ASCII) else 0.0


def _path_and_usage(value: str) -> tuple[str, str]:
    """The paths and the preferences of a line about use; without paths it is for all.

    >>> _path_and_usage("/ok/ train-ai=y"), _path_and_usage("search=yes, ai-train=no")
    (('/ok/', 'train-ai=y'), ('/', 'search=yes, ai-train=no'))
    """
    if not value.startswith(("/", "*")):
        return "/", value
    where, _, heard = value.replace("\t", " ").partition(" ")
    return where, heard.strip(BLANKS)


def _literal(path: str) -> str:
    """A path or a piece of a pattern with each `$` as its code: here it ends nothing."""
    return path.replace("$", "%24")


def _canonical(path: str) -> str:
    """A path or pattern with one spelling for each character: RFC 9309, section 2.2.2.

    >>> _canonical("/%7ejoe/ä%2f")
    '/~joe/%C3%A4%2F'
    """
    return re.sub(r"%[0-9A-Fa-f]{2}", _one_spelling, _coded(path))


def _coded(path: str) -> str:
    return re.sub(r"[^\x21-\x7e]+", lambda match: quote(match[0], errors="replace"), path)


def _one_spelling(code: re.Match[str]) -> str:
    character = chr(int(code[0][1:], 16))
    return character if UNRESERVED.fullmatch(character) else code[0].upper()
