"""Personal data in texts: where it stands, and how it is shown without being shown.

found(captions, hosts)  # {row: [Span, …]}, by gates over whole arrays
spans(text, host)       # the plain form of one text; a test holds both equal
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from publicsuffixlist import PublicSuffixList

from pipeline.filters.privacy.addresses import ADDRESS_GATES, find_addresses
from pipeline.filters.privacy.numbers import GATE, find_cards, find_ibans, find_national_ids
from pipeline.filters.privacy.phones import PHONE_GATE, find_phones, region_of
from pipeline.filters.privacy.shapes import (
    COPYRIGHT,
    EMAIL,
    EMAIL_BESIDE,
    HANDLE,
    NOT_NAMES,
    PROFILE,
)

# Patterns of RE2, whose time is linear in the text: what cannot hold a kind is not searched for it.
SIGN = (
    r"[@＠]|©|[\[({] ?(?:at|AT) ?[\])}]|(?i:(?:com|net|me|tv|org|fm|app)/|\(c\)|copyr|reserv"
    r"|vorbehalt|réserv|riservati|voorbehoud|zastrz|защищ|deviantart|tumblr|livejournal)"
)
LONG_NUMBER = r"[0-9](?:[ ().+\-/]{0,2}[0-9]){6}|[A-Z]{4}[0-9]{2}"
GATES = {  # in the order of precedence: of two kinds at one place the first stays
    "email": r"[@＠]|[\[({] ?(?:at|AT) ?[\])}]",
    "account": r"@|(?i:(?:com|net|me|tv|org|fm|app)/|deviantart|tumblr|livejournal)",
    "iban": r"[A-Z]{2}[0-9]{2}",
    "card": r"[0-9](?:[ -]?[0-9]){13}",
    "national_id": GATE,
    "phone": PHONE_GATE,
    "address": "",  # two patterns of its own
    "copyright": "",
}
HOST_OF_PEOPLE = (
    r"^https?://(?:(?:www|m|mobile|web)\.)?(?:facebook|instagram|twitter|x|tiktok|pinterest|github|"
    r"soundcloud|vk|t|threads|medium|patreon|vimeo|behance|dribbble|500px|twitch|flickr|linkedin|"
    r"reddit|youtube|bsky|last)\.[a-z]{2,4}/|^https?://[a-z0-9_-]+\.(?:deviantart|tumblr|livejournal)\."
)
MAIL_IN_URL = r"(?:@|%40)[^/]*\.[A-Za-z]"
KINDS = tuple(GATES)
IN_URLS = ("email", "account")  # of numbers in an address nobody can tell what they are
LONGEST = 4_000  # characters of a text that are searched; filters drop longer captions by default
MASK = "***"
# Forms of a sign that are read as ASCII's: the full width of East Asia, spaces and hyphens of
# typesetting. Each is one character for one, so places stay. "＠" is left as it is: Japanese
# captions have it before the name of a place, which is no account.
PLAIN = {wide: chr(wide - 0xFEE0) for wide in range(0xFF01, 0xFF5F) if wide != ord("＠")}
PLAIN |= dict.fromkeys([0xA0, *range(0x2000, 0x200B), 0x202F, 0x3000], " ")
PLAIN |= dict.fromkeys([*range(0x2010, 0x2016), 0x2212], "-")
NOT_PLAIN = (  # of RE2, the same characters
    r"[\x{FF01}-\x{FF5E}\x{A0}\x{2000}-\x{200A}\x{2010}-\x{2015}\x{202F}\x{2212}\x{3000}]"
)
# What decides which numbers exist, besides this code.
LIBRARIES = [f"{name} {version(name)}" for name in ("phonenumbers", "python-stdnum")]


@dataclass(frozen=True)
class Span:
    """A piece of a text that is personal data of a kind."""

    kind: str
    begin: int
    end: int


def spans(text: str, url: str = "", kinds: tuple[str, ...] = KINDS) -> list[Span]:
    """The plain form: what is personal in a text, in order.

    Of two kinds at one place the first of KINDS stays; a notice of copyright may hold any other.

    >>> [span.kind for span in spans("© Erika, erika@example.org, Tel. 030 1234567")]
    ['copyright', 'email', 'phone']
    """
    searched = text[:LONGEST].translate(PLAIN)
    taken: list[Span] = []
    for kind in kinds:
        for begin, end in _find(kind, searched, url):
            free = not any(begin < span.end and span.begin < end for span in taken)
            if free or kind == "copyright":
                taken.append(Span(kind, begin, end))
    return sorted(taken, key=lambda span: span.begin)


def found(texts: pa.StringArray, urls: pa.StringArray) -> dict[int, list[Span]]:
    """The spans of each text that has any, by its row; `urls`: keys of the pictures' addresses."""
    may_be = gates(_plain(texts))
    rows = np.flatnonzero(np.any(list(may_be.values()), axis=0))
    passed = pa.array(rows)
    pairs = zip(texts.take(passed).to_pylist(), urls.take(passed).to_pylist(), strict=True)
    of_row = {}
    for row, (text, url) in zip(rows.tolist(), pairs, strict=True):
        if there := spans(text, url, tuple(kind for kind in KINDS if may_be[kind][row])):
            of_row[row] = there
    return of_row


def _plain(texts: pa.StringArray) -> pa.StringArray:
    """The texts with the signs of PLAIN read as ASCII's; few have any."""
    mask = _matches(texts, NOT_PLAIN)
    if not mask.any():
        return texts
    changed = [text.translate(PLAIN) for text in texts.filter(pa.array(mask)).to_pylist()]
    return pc.replace_with_mask(texts, pa.array(mask), pa.array(changed, pa.string()))


def gates(texts: pa.StringArray) -> dict[str, np.ndarray]:
    """For each kind an (N,) bool mask of the texts that may hold it, by a few patterns of RE2."""
    masks = {kind: np.zeros(len(texts), bool) for kind in KINDS}

    def narrow(rows: np.ndarray, *kinds: str) -> None:
        taken = texts.take(pa.array(rows))
        for kind in kinds:
            masks[kind][rows] = _matches(taken, GATES[kind])

    narrow(np.flatnonzero(_matches(texts, SIGN)), "email", "account", "copyright")
    numbered = np.flatnonzero(_matches(texts, "[0-9]"))
    with_digit = texts.take(pa.array(numbered))
    masks["address"][numbered] = np.any(
        [_matches(with_digit, gate) for gate in ADDRESS_GATES], axis=0
    )
    narrow(numbered[_matches(with_digit, LONG_NUMBER)], "iban", "card", "national_id", "phone")
    return masks


def in_url(url: str) -> tuple[str, list[Span]]:
    """An image's address decoded, with its e-mail addresses and names of accounts.

    >>> text, there = in_url("https://a.example/?u=erika%40example.org")
    >>> [text[span.begin : span.end] for span in there]
    ['erika@example.org']
    """
    text = unquote(url[:LONGEST])
    return text, spans(text, "", IN_URLS)


def may_be_in_url(urls: pa.StringArray) -> np.ndarray:
    """(N,) bool mask of the addresses that may hold any of it."""
    may_be = _matches(urls, HOST_OF_PEOPLE)
    rows = np.flatnonzero(~may_be)
    may_be[rows] = _matches(urls.take(pa.array(rows)), MAIL_IN_URL)
    return may_be


def masked(text: str, there: list[Span]) -> str:
    """The text with *** over the spans: marks that are no word, so no query matches them.

    >>> text = "sofa, erika@example.org"
    >>> masked(text, spans(text))
    'sofa, ***'
    """
    pieces, at = [], 0
    for span in there:
        pieces += [text[at : span.begin], MASK]
        at = span.end
    return "".join([*pieces, text[at:]])


def shown(text: str) -> str:
    """The shape of what was found: the first letter of each word, # for digits.

    >>> shown("erika.m@example.org"), shown("030 1234567")
    ('e****.m@e******.o**', '### #######')
    """
    hidden = re.sub(r"(?<=[^\W\d_])[^\W\d_]", "*", text)
    return re.sub(r"\d", "#", hidden)


def _matches(texts: pa.StringArray, pattern: str) -> np.ndarray:
    return np.asarray(pc.match_substring_regex(texts, pattern))


def _find(kind: str, text: str, url: str) -> Iterator[tuple[int, int]]:
    if kind == "phone":
        return find_phones(text, region_of(url))
    return FINDERS[kind](text)


def _find_emails(text: str) -> Iterator[tuple[int, int]]:
    for match in EMAIL_BESIDE.finditer(text):
        if is_domain(match["host"]):
            yield match.span()
    for match in EMAIL.finditer(text):
        spelt = re.sub(r"(?i)[\[({ ]+dot[\])} ]+|[\[({ ]+\.[\])} ]+", ".", match["spelt"] or "")
        if is_domain(match["host"] or spelt):
            yield match.span()


def _find_accounts(text: str) -> Iterator[tuple[int, int]]:
    for match in PROFILE.finditer(text):
        if not match[0].startswith(NOT_NAMES):
            yield match.span()
    for match in HANDLE.finditer(text):
        yield match.span()


def _find_pattern(pattern: re.Pattern[str]) -> Callable[[str], Iterator[tuple[int, int]]]:
    return lambda text: (match.span() for match in pattern.finditer(text))


FINDERS: dict[str, Callable[[str], Iterator[tuple[int, int]]]] = {
    "email": _find_emails,
    "account": _find_accounts,
    "iban": find_ibans,
    "card": find_cards,
    "national_id": find_national_ids,
    "address": find_addresses,
    "copyright": _find_pattern(COPYRIGHT),
}


@lru_cache(1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False)


def is_domain(name: str) -> bool:
    """Whether a name ends in a domain of the public suffix list: "a@2x.png" is no address.

    >>> is_domain("example.org"), is_domain("2x.png")
    (True, False)
    """
    return _suffixes().privatesuffix(name.lower()) is not None
