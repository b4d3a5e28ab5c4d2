"""The selection rule as a plain loop: the reference that the SQL is held equal to."""

from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction


def walk(
    queries_of: dict[int, list[int]],
    priority: dict[int, int],
    survives: dict[int, bool],
    near: set[frozenset[int]],
    cap: int | Mapping[int, int],
) -> tuple[dict[int, set[int]], set[int]]:
    """(kept pair -> queries in which it took a place, pairs asked for).

    `cap`: of each query, or of all.
    """

    def cap_of(query: int) -> int:
        return cap if isinstance(cap, int) else cap[query]

    taken: dict[int, int] = defaultdict(int)
    kept: dict[int, set[int]] = {}
    asked: set[int] = set()
    for pair in sorted(queries_of, key=lambda one: (priority[one], one)):
        room = {query for query in queries_of[pair] if taken[query] < cap_of(query)}
        if not room:
            continue
        asked.add(pair)
        if survives[pair] and not any(frozenset((pair, other)) in near for other in kept):
            kept[pair] = room
            for query in room:
                taken[query] += 1
    return kept, asked


def tail_share(counts: list[int], cap: int) -> Fraction:
    """The share of matches that lie in queries with no more than the cap, by a count a query."""
    return Fraction(sum(n for n in counts if n <= cap), sum(counts))


def cap_by_tail(counts: list[int], share: Fraction) -> int:
    """Of all caps the one whose tail's share is nearest; the larger tail, then the smaller cap."""
    caps = range(min(counts), max(counts) + 1)
    return min(
        caps, key=lambda cap: (abs(tail_share(counts, cap) - share), -tail_share(counts, cap), cap)
    )
