"""The ledger of an attempt: who heard what of training, where, and whether it is obeyed.

ledger = Ledger(consent)
ledger.note(statements(lines), "header", url)  # raises AttemptError for a no that is obeyed
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from pipeline.fetch.wire import AttemptError
from pipeline.rights.signals import Statement, reason_of, refused, refuses
from pipeline.settings.consent import ConsentSettings


class Evidence(NamedTuple):
    """A statement, whether it says no, and where it was read."""

    signal: str
    value: str
    refuses: bool
    place: str  # robots.txt, tdmrep.json, header or picture
    url: str


class Ledger:
    """What one attempt heard."""

    def __init__(self, consent: ConsentSettings):
        self.consent = consent
        self._rows: dict[Evidence, None] = {}

    def note(self, heard: Iterable[Statement], place: str, url: str) -> None:
        """Keep the statements. Raises AttemptError where one says no and the settings obey it."""
        if not (heard := list(heard)):
            return
        self._rows |= {
            Evidence(*statement, refuses(statement), place, url): None for statement in heard
        }
        if no := refused(heard, self.consent):
            raise AttemptError(reason_of(no.signal), f"{place}: {no.signal}={no.value}", final=True)

    @property
    def rows(self) -> tuple[Evidence, ...]:
        return tuple(self._rows)


def as_text(rows: Iterable[Evidence]) -> str | None:
    """The evidence of an attempt for a column of text, with the day; None where there is none."""
    listed = [list(row) for row in rows]
    return json.dumps([f"{datetime.now(UTC):%Y-%m-%d}", listed]) if listed else None


def rows_of(text: str | None, pair_id: int, attempt: int) -> list[dict[str, object]]:
    """Rows of table `heard` from what as_text wrote.

    >>> row = Evidence("robots_tag", "noai", True, "header", "http://a.org/")
    >>> [one["value"] for one in rows_of(as_text([row]), 7, 1)], rows_of(None, 7, 1)
    (['noai'], [])
    """
    day, listed = json.loads(text) if text else (None, [])
    keys = {"pair_id": pair_id, "attempt": attempt, "seen": day}
    return [keys | Evidence(*row)._asdict() for row in listed]
