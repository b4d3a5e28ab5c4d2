"""Progress of a fetch: what a person sees while it runs, and the same numbers in fetch_log.jsonl.

Times and rates are here and nowhere else: no table depends on them.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

STATUS_S = 10.0  # between two lines of the log while a part is fetched
TOP = 3  # reasons that are shown

Reasons = dict[str, int]  # rows that ended with each reason; '' is kept


@dataclass
class FetchStatus:
    """Shows what `advance` gets as the words of a step: the share kept, and why others are lost.

    >>> shown: list[str] = []
    >>> class Shown:
    ...     update = say = lambda self, value: shown.append(value)
    >>> FetchStatus(Shown())({"": 3, "timeout": 1}, waiting=2)
    >>> shown
    [4, 'kept 75%, timeout 25%, 2 hosts waiting']
    """

    step: Any
    counts: Counter[str] = field(default_factory=Counter)

    def __call__(self, reasons: Reasons, waiting: int) -> None:
        self.counts.update(reasons)
        total = sum(self.counts.values())
        self.step.update(sum(reasons.values()))
        if total:
            shares = [("kept", self.counts[""]), *top_reasons(self.counts)]
            words = [f"{name} {n / total:.0%}" for name, n in shares]
            hosts = [f"{waiting} hosts waiting"] if waiting else []
            self.step.say(", ".join([*words, *hosts]))


def top_reasons(counts: Counter[str]) -> list[tuple[str, int]]:
    """The most frequent reasons why rows were lost.

    >>> top_reasons(Counter({"": 9, "timeout": 1, "not_found": 2}))
    [('not_found', 2), ('timeout', 1)]
    """
    return Counter({name: n for name, n in counts.items() if name}).most_common(TOP)


@dataclass
class FetchLog:
    """The lines of one part in fetch_log.jsonl: a status every STATUS_S, the part, its lost rows.

    A status has: rows that ended, images a second, the share kept, the top reasons, paused hosts,
    seconds left at this rate.
    """

    path: Path
    part: str
    n_rows: int
    now: Callable[[], float] = time.monotonic
    counts: Counter[str] = field(default_factory=Counter)
    waiting: int = 0

    def __post_init__(self) -> None:
        self._started = self._last = self.now()

    def count(self, reasons: Reasons, waiting: int) -> None:
        """Add the rows that ended since the last call; called at least twice a second."""
        self.counts.update(reasons)
        self.waiting = waiting
        if self.now() - self._last >= STATUS_S:
            self._last = self.now()
            self._append([self._status()])

    def _status(self) -> dict[str, Any]:
        seconds, done = self.now() - self._started, sum(self.counts.values())
        left_s = round(seconds * (self.n_rows - done) / done) if done else None
        ended = {"part": self.part, "ended": done, "of": self.n_rows, "left_s": left_s}
        return ended | self._rate(done, seconds)

    def _rate(self, done: int, seconds: float) -> dict[str, Any]:
        return {
            "seconds": round(seconds, 3),
            "rows_per_s": round(done / seconds, 1) if seconds else None,
            "kept_share": round(self.counts[""] / done, 4) if done else None,
            "top_reasons": dict(top_reasons(self.counts)),
            "hosts_waiting": self.waiting,
        }

    def end(self, fetched: Iterable[dict[str, Any]], messages: dict[int, str | None]) -> None:
        """The part is published: a line for it, and one for each row of `fetched` that is lost."""
        rows = list(fetched)
        self.counts = Counter(row["reason"] or "" for row in rows)
        day = datetime.now(UTC).date().isoformat()
        whole = {"part": self.part, "day": day, "rows": self.n_rows, "kept": self.counts[""]}
        lines = [whole | self._rate(len(rows), self.now() - self._started)]
        for row in filter(lambda row: row["reason"], rows):
            about = {"part": self.part} | {
                key: row[key] for key in ("pair_id", "attempt", "reason")
            }
            lines.append(about | {"message": messages.get(row["pair_id"], "lost by img2dataset")})
        self._append(lines)

    def _append(self, lines: Iterable[dict[str, Any]]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines))
