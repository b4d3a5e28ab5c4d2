"""Parse /.well-known/tdmrep.json: which paths of a host reserve text and data mining.

W3C community group report "TDM Reservation Protocol" of 2024-05-10: an array of rules, each with a
location, tdm-reservation and perhaps tdm-policy; the first whose location matches the path counts.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.web.robots import Rule, comparable

PLACE = "/.well-known/tdmrep.json"
MOST_RULES = 10_000


@dataclass(frozen=True)
class TdmFile:
    """The rules of a host, in their order: (location, lines as headers would have them)."""

    rules: tuple[tuple[Rule, tuple[tuple[str, str], ...]], ...] = ()

    def lines(self, path: str) -> tuple[tuple[str, str], ...]:
        """What the host says of a path, as lines of headers.

        >>> text = '[{"location": "/a/*.png$", "tdm-reservation": 1}]'
        >>> parse_tdmrep(text).lines("/a/b.png"), parse_tdmrep(text).lines("/a/b.jpg")
        ((('tdm-reservation', '1'),), ())
        """
        path = comparable(path)
        return next((lines for rule, lines in self.rules if rule.matches(path)), ())


def parse_tdmrep(text: str) -> TdmFile:
    """The rules of a file; none of one that is no list in JSON."""
    try:
        entries = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return TdmFile()
    entries = [entries] if isinstance(entries, dict) else entries
    return TdmFile(tuple(_rules(entries if isinstance(entries, list) else ())))


def _rules(entries: Iterable[Any]) -> Iterable[tuple[Rule, tuple[tuple[str, str], ...]]]:
    for entry in list(entries)[:MOST_RULES]:
        if not isinstance(entry, dict) or not isinstance(location := entry.get("location"), str):
            continue
        reservation, policy = entry.get("tdm-reservation"), entry.get("tdm-policy")
        if not isinstance(reservation, (int, float, str)):  # true is 1
            continue
        lines = [("tdm-reservation", str(reservation))]
        if isinstance(policy, str):
            lines.append(("tdm-policy", policy))
        yield Rule.of(location.strip() or "/"), tuple(lines)
