"""The selection rule as a plain loop: the reference that the SQL is held equal to."""

from collections import defaultdict


def walk(
    queries_of: dict[int, list[int]],
    priority: dict[int, int],
    survives: dict[int, bool],
    near: set[frozenset[int]],
    cap: int,
) -> tuple[dict[int, set[int]], set[int]]:
    """(kept pair -> queries in which it took a place, pairs asked for)."""
    taken: dict[int, int] = defaultdict(int)
    kept: dict[int, set[int]] = {}
    asked: set[int] = set()
    for pair in sorted(queries_of, key=lambda one: (priority[one], one)):
        room = {query for query in queries_of[pair] if taken[query] < cap}
        if not room:
            continue
        asked.add(pair)
        if survives[pair] and not any(frozenset((pair, other)) in near for other in kept):
            kept[pair] = room
            for query in room:
                taken[query] += 1
    return kept, asked
