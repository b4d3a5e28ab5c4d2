"""Ask again: which lost pairs of a build are worth another attempt.

A later attempt never takes a kept picture away, so asking again can only win.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from queries.tables.errors import InputError
from queries.tables.manifest import files_by_table
from queries.tables.parts import read_rows
from queries.tables.reasons import FETCH, PASSING
from queries.tables.schemas import TABLES


def reasons(text: str) -> tuple[str, ...]:
    """The reasons that `--retry` names, sorted. Raises InputError for one that is none.

    >>> reasons("timeout, http_error"), reasons("passing") == tuple(sorted(PASSING))
    (('http_error', 'timeout'), True)
    """
    names = (
        sorted(PASSING)
        if text == "passing"
        else sorted({reason.strip() for reason in text.split(",")})
    )
    unknown = [name for name in names if name not in FETCH]
    if unknown:
        raise InputError(
            f"--retry {unknown[0]!r}: expected passing, for all that may pass, or some of: "
            f"{', '.join(FETCH)}"
        )
    return tuple(names)


def lost_pairs(build: Path, names: tuple[str, ...]) -> pa.Table:
    """Rows of `ask` for another attempt at each pair that the build lost for these reasons.

    Raises InputError if no pair is lost for them; the error lists the build's reasons.
    """
    of = files_by_table(build)
    outcome = read_rows(of["outcome"], columns=["pair_id", "attempt", "reason"])
    wanted = outcome.filter(pc.is_in(outcome["reason"], pa.array(names)))
    if not wanted.num_rows:
        there = pc.unique(outcome["reason"]).to_pylist()
        lost = sorted(reason for reason in there if reason in FETCH)
        raise InputError(
            f"--retry: {build} lost no pair for {', '.join(names)}; it lost some for: "
            f"{', '.join(lost) or 'nothing'}"
        )
    attempt = read_rows(of["attempt"], columns=["pair_id", "attempt"])
    last = attempt.group_by("pair_id").aggregate([("attempt", "max")])
    pair = read_rows(of["pair"], columns=["pair_id", "url"])
    asked = wanted.select(["pair_id"]).join(last, "pair_id").join(pair, "pair_id")
    asked = asked.append_column(
        TABLES["ask"].schema.field("attempt"),
        pc.cast(pc.add(asked["attempt_max"], 1), pa.int32()),
    )
    asked = asked.sort_by("pair_id").select(TABLES["ask"].schema.names)
    return asked.cast(TABLES["ask"].schema)
