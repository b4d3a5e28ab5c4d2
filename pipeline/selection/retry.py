"""Selects the lost pairs of a build for another attempt (`--retry`).

A later attempt never removes a kept picture, so a retry loses nothing.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from queries.tables import store
from queries.tables.errors import InputError
from queries.tables.manifest import files_by_table
from queries.tables.parts import read_rows
from queries.tables.reasons import FETCH, PASSING
from queries.tables.schemas import TABLES


def reasons(text: str) -> tuple[str, ...]:
    """The reasons that `--retry` names, sorted. Raises InputError for an unknown reason.

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

    Raises InputError if there is no such pair; the message names the reasons for which the build
    lost pairs.
    """
    files = files_by_table(build)
    outcome = read_rows(files["outcome"], columns=["pair_id", "attempt", "reason"])
    lost = outcome.filter(pc.is_in(outcome["reason"], pa.array(names)))
    if not lost.num_rows:
        reasons_of_build = pc.unique(outcome["reason"]).to_pylist()
        losses = sorted(reason for reason in reasons_of_build if reason in FETCH)
        raise InputError(
            f"--retry: {build} lost no pair for {', '.join(names)}; it lost some for: "
            f"{', '.join(losses) or 'nothing'}"
        )
    attempt = read_rows(files["attempt"], columns=["pair_id", "attempt"])
    last = attempt.group_by("pair_id").aggregate([("attempt", "max")])
    pair = _pairs(files["pair"])
    ask = lost.select(["pair_id"]).join(last, "pair_id").join(pair, "pair_id")
    ask = ask.append_column(
        TABLES["ask"].schema.field("attempt"),
        pc.cast(pc.add(ask["attempt_max"], 1), pa.int32()),
    )
    ask = ask.sort_by("pair_id").select(TABLES["ask"].schema.names)
    return ask.cast(TABLES["ask"].schema)


def _pairs(paths: list[Path]) -> pa.Table:
    """pair_id, url and source_hash; the last is null in builds of 0.1.0, which lack it."""
    names = ["pair_id", "url", "source_hash"]
    if all(names[-1] in pq.read_schema(store.opened(path)).names for path in paths):
        return read_rows(paths, columns=names)
    pair = read_rows(paths, columns=names[:2])
    return pair.append_column(names[-1], pa.nulls(pair.num_rows, pa.string()))
