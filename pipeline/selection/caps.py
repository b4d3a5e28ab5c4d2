"""The caps of a worldwide build: each language's is where its own tail has the reference's share.

The tail of a language are its queries with no more matches than its cap: they lose nothing to it.
A share of matches means the same in a language with many captions and in one with few, where one
number of matches does not (MetaCLIP 2: Chuang et al. 2025, section 3.3). All by whole numbers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

import pyarrow as pa

from queries.tables.schemas import TABLES


@dataclass(frozen=True)
class Caps:
    """What the settings say: the reference with its cap, and the languages with a cap of their own.

    `languages`: all codes, in order.
    """

    languages: tuple[str, ...]
    reference: str
    cap: int
    fixed: Mapping[str, int]


@dataclass(frozen=True)
class Counts:
    """How many queries of a language have how many matches: {n_matches: n_queries}."""

    queries_with: Mapping[int, int]

    @property
    def matches(self) -> int:
        return sum(n * queries for n, queries in self.queries_with.items())

    def tail(self, cap: int) -> int:
        """Matches of the queries that have no more than the cap."""
        return sum(n * queries for n, queries in self.queries_with.items() if n <= cap)

    def tails(self) -> Iterator[tuple[int, int]]:
        """(cap, matches of its tail) where the tail grows: at each number that a query has."""
        numbers = sorted(self.queries_with)
        sums = accumulate(n * self.queries_with[n] for n in numbers)
        return zip(numbers, sums, strict=True)


def nearest_cap(counts: Counts, tail: int, matches: int) -> int:
    """The cap at which the tail's share is nearest to tail / matches; of two as near the larger.

    >>> nearest_cap(Counts({1: 6, 4: 1, 10: 1}), tail=5, matches=10)  # shares 6, 10, 20 of 20
    4
    """
    of = counts.matches
    return min(counts.tails(), key=lambda one: (abs(one[1] * matches - tail * of), -one[0]))[0]


def language_caps(match_count: pa.Table, caps: Caps) -> pa.Table:
    """The table `language_cap`, from the table `match_count`.

    A language without a match has the reference's cap; so have all if the reference has no match.
    """
    counts = _by_language(match_count, caps.languages)
    reference = counts[caps.reference]
    cap_of = {caps.reference: caps.cap, **caps.fixed}
    tail = reference.tail(cap_of[caps.reference])
    rows = []
    for code, of in counts.items():
        set_by = "reference" if code == caps.reference else "fixed" if code in cap_of else "tail"
        cap = cap_of.get(code, cap_of[caps.reference])
        if set_by == "tail" and of.matches and reference.matches:
            cap = nearest_cap(of, tail, reference.matches)
        rows.append(
            {
                "language": code,
                "cap": cap,
                "set_by": set_by,
                "matches": of.matches,
                "tail_matches": of.tail(cap),
                "tail_share": of.tail(cap) / of.matches if of.matches else None,
                "reference": caps.reference,
            }
        )
    return pa.Table.from_pylist(rows, TABLES["language_cap"].schema)


def _by_language(match_count: pa.Table, languages: tuple[str, ...]) -> dict[str, Counts]:
    queries_with: dict[str, dict[int, int]] = {code: {} for code in languages}
    for code, *numbers in zip(*match_count.to_pydict().values(), strict=True):
        n_matches, n_queries = numbers
        queries_with[code][n_matches] = n_queries
    return {code: Counts(of) for code, of in queries_with.items()}
