"""One reader of what owners say of training: lines of headers and of <meta> to statements.

    statements([("X-Robots-Tag", "noai"), ("TDM-Reservation", "1")])

A line is a name and a text. A statement is a signal, which is a key of the settings' [consent], and
its value. Whoever says it is not trusted: reading takes time linear in the text.
"""

import re
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from pipeline.settings.consent import ConsentSettings
from pipeline.web.robots import AGENT, product

# Header fields, in small letters, that hold a signal; a crawl's reader asks for these alone.
SIGNAL_FIELDS = ("content-signal", "content-signals")
FIELDS = ("x-robots-tag", "tdm-reservation", "tdm-policy", "content-usage", *SIGNAL_FIELDS)
REASONS = {"robots": "robots", "robots_tag": "opted_out"}  # of the others: opted_out_SIGNAL
ROBOTS_META = {"robots", AGENT}  # names of <meta> that mean what X-Robots-Tag means
MOST_CHARACTERS = 1 << 16  # of a line
MOST_VALUE = 200  # of a value that is kept as evidence

# Words of X-Robots-Tag that keep a picture out of indices or of training.
AGAINST_TRAINING = {"noai", "noimageai", "noml", "noimageindex"}
OF_A_PAGE_ITSELF = {"noindex", "none"}  # heard of a page they speak of the page, not its pictures
LAPSED = "unavailable_after"  # with a date that is past
OPT_OUTS = AGAINST_TRAINING | OF_A_PAGE_ITSELF
WORDS = OPT_OUTS | {"all", "index", "follow", "nofollow", "noarchive", "nocache", "nosnippet"}
WORDS |= {"notranslate", "indexifembedded", "nositelinkssearchbox", "archive"}
WITH_VALUE = {LAPSED, "max-snippet", "max-image-preview", "max-video-preview"}

# Of TDM-Reservation, and of tdmrep.json: 1 and 0, and how programs write them (RFC 9651: ?1, ?0).
RESERVATIONS = {"1": "1", "1.0": "1", "true": "1", "?1": "1"}
RESERVATIONS |= {"0": "0", "0.0": "0", "false": "0", "?0": "0"}

# Of Content-Usage: categories that hold training, of the drafts of today and of before.
TRAINING = {"train-ai", "train-genai", "ai", "genai", "tdm", "bots"}
# Of Content-Signal (contentsignals.org). No grammar binds who writes it: pairs are found between
# commas, semicolons or blanks, and in quotes.
SIGNALLED = re.compile(
    r"""(?<![a-z0-9_.-])ai-train["'\s]*[=:]["'\s]*(yes|no)(?![a-z0-9_.-])""", re.ASCII
)
MEMBER = re.compile(r"\s*([a-z*][a-z0-9_.*-]{0,60})\s*=\s*([a-z?0-9]{1,20})\s*(?:;.*)?", re.S)


class Statement(NamedTuple):
    """What an owner says: the signal, and its value in the owner's words."""

    signal: str
    value: str


def statements(
    lines: Iterable[tuple[str, str | None]], now: datetime | None = None
) -> list[Statement]:
    """What lines of headers, or of <meta>, say of training, each once, in their order.

    `now`: whether a date of unavailable_after is past; without it the date is not judged.

    >>> statements([("x-robots-tag", "otherbot: noai"), ("TDM-Reservation", "1")])
    [Statement(signal='tdm_reservation', value='1')]
    >>> statements([("Content-Usage", "train-ai=n, search=y")])
    [Statement(signal='content_usage', value='train-ai=n')]
    """
    heard: dict[Statement, None] = {}
    for name, text in lines:
        field, text = name.strip().lower(), (text or "")[:MOST_CHARACTERS]
        if field == "x-robots-tag" or product(field) in ROBOTS_META:
            heard |= {Statement("robots_tag", word): None for word in _words(text, now)}
        elif field == "tdm-reservation":
            parts = (part.strip(" \t\"'").lower() for part in re.split("[,;]", text))
            values = {RESERVATIONS[part] for part in parts if part in RESERVATIONS}
            heard |= {Statement("tdm_reservation", value): None for value in sorted(values)}
        elif field == "tdm-policy" and text.strip():
            heard[Statement("tdm_reservation", f"policy={text.strip()[:MOST_VALUE]}")] = None
        elif field == "content-usage":
            members = preferences(text, TRAINING, ("y", "n"))
            heard |= {Statement("content_usage", member): None for member in members}
        elif field in SIGNAL_FIELDS:
            answers = dict.fromkeys(SIGNALLED.findall(text.lower()))
            heard |= {Statement("content_signal", f"ai-train={word}"): None for word in answers}
    return list(heard)


def refuses(statement: Statement, of_page: bool = False) -> bool:
    """Whether the statement says no to training; `of_page`: it stands on the page of a picture.

    >>> noindex = Statement("robots_tag", "noindex")
    >>> refuses(noindex), refuses(noindex, of_page=True)
    (True, False)
    """
    signal, value = statement
    if signal == "robots_tag":
        return value in AGAINST_TRAINING or (not of_page and value in OPT_OUTS | {LAPSED})
    if signal == "tdm_reservation":
        return value == "1"
    if signal in ("content_usage", "content_signal"):
        return value.endswith(("=n", "=no"))
    if signal == "xmp":
        return value.startswith("DMI-PROHIBITED")
    if signal == "c2pa":
        name, _, use = value.rpartition("=")
        return use.lower() in ("notallowed", "constrained") and not name.endswith("ai_inference")
    return signal in ("robots", "ai_crawlers")


def refused(
    heard: Iterable[Statement], consent: ConsentSettings, of_page: bool = False
) -> Statement | None:
    """The first statement that says no and that the settings obey."""
    return next((no for no in heard if consent.obeys(no.signal) and refuses(no, of_page)), None)


def reason_of(signal: str) -> str:
    """The reason, of queries/tables/reasons.py, for a picture that a signal refuses.

    >>> reason_of("robots_tag"), reason_of("content_signal")
    ('opted_out', 'opted_out_content_signal')
    """
    return REASONS.get(signal, f"opted_out_{signal}")


def written(heard: Iterable[Statement]) -> str | None:
    """Statements as a column has them: signal=value, spaces between; None where there are none.

    >>> written([Statement("robots_tag", "noai"), Statement("content_usage", "train-ai=n")])
    'robots_tag=noai content_usage=train-ai=n'
    """
    words = (f"{signal}={'%20'.join(value.split())}" for signal, value in heard)
    return " ".join(words) or None


def read(column: str | None) -> list[Statement]:
    """The statements that `written` wrote.

    >>> read("robots_tag=noai content_usage=train-ai=n")[1]
    Statement(signal='content_usage', value='train-ai=n')
    """
    return [Statement(*word.split("=", 1)) for word in (column or "").split() if "=" in word]


def preferences(text: str, keys: Collection[str], answers: Collection[str]) -> list[str]:
    """The members of a dictionary in a text, key=answer, that have one of the keys and answers.

    The form is that of a structured field's dictionary (RFC 9651, 3.2). Of conflicting members both
    are in the list; what is no member is passed over.

    >>> preferences("search=y, train-ai=n;x=1, train-ai=maybe", {"train-ai"}, ("y", "n"))
    ['train-ai=n']
    """
    members: dict[str, None] = {}
    for part in text.split(","):
        member = MEMBER.fullmatch(part.lower())
        if member and member[1] in keys and member[2] in answers:
            members[f"{member[1]}={member[2]}"] = None
    return list(members)


def _words(value: str, now: datetime | None) -> list[str]:
    """What one X-Robots-Tag says to us.

    It is made of words, words with a value, and agents that the words after them are for. Quotes
    have no meaning.
    """
    ours, heard = True, list[str]()
    parts = re.split("[,;]", re.sub("[\"']", " ", value.lower()))
    for n, part in enumerate(parts):
        word, colon, rest = (piece.strip() for piece in part.partition(":"))
        if colon and word not in WITH_VALUE and _is_directive(rest):
            ours = product(word) in (AGENT, "*")
            word, colon, rest = (piece.strip() for piece in rest.partition(":"))
        if not ours:
            continue
        if word == LAPSED:
            if now and _is_past([rest, *parts[n + 1 : n + 3]], now):
                heard.append(LAPSED)
        elif not colon:
            heard += [each for each in word.split() if each in OPT_OUTS]
    return heard


def _is_directive(text: str) -> bool:
    words = text.partition(":")[0].split()
    return bool(words) and WORDS.union(WITH_VALUE).issuperset(words)


def _is_past(pieces: list[str], now: datetime) -> bool:
    """Whether a date is past that begins with the first piece, and may hold commas.

    Of RFC 822, RFC 850, asctime and ISO 8601; False for other texts.

    >>> _is_past(["25 jun 2010 15:00:00 gmt", "noindex"], datetime(2026, 1, 1, tzinfo=UTC))
    True
    >>> _is_past(["friday", " 25-jun-30 15:00:00 gmt"], datetime(2026, 1, 1, tzinfo=UTC))
    False
    """
    for end in range(1, len(pieces) + 1):
        text = " ".join(",".join(pieces[:end]).upper().split())
        for spelling in (text, text.replace(",", " ")):
            for read in (parsedate_to_datetime, datetime.fromisoformat):
                try:
                    moment = read(spelling)
                except (ValueError, TypeError, IndexError, OverflowError):
                    continue
                return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) < now
    return False
