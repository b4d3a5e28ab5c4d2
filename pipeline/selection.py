"""The selection rule in SQL: which pairs a round asks for, and which are kept.

May import queries. The rule is docs/design.md's walk; tests/test_selection.py holds these tables
equal to that walk, written as a plain loop.
"""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from queries.engine import DuckEngine, Rows
from queries.parts import digest
from queries.schemas import TABLES


@dataclass(frozen=True)
class Selection:
    """What is selected, given all that is known: a file for each table."""

    verdict: Path
    suppressed: Path
    standing: Path
    kept_match: Path
    n_passes: int


def select(
    engine: DuckEngine, build: pa.Table, pair: Rows, pair_match: Rows, fetched: Rows, folder: Path
) -> Selection:
    """Judge the known attempts and cap each query, in tables under `folder`.

    Near duplicates make the cap depend on itself: keep without the suppressed, suppress the later
    neighbours of the kept, until nothing changes. Each pass settles a longer prefix of the order,
    so it ends.
    """
    verdict = folder / "verdict.parquet"
    near = folder / "near.parquet"
    engine.derive("verdict", {"fetched": fetched, "pair": pair, "build": build}, verdict)
    n_near = engine.derive("near", {"verdict": [verdict], "build": build}, near).rows_kept
    suppressed: Rows = TABLES["suppressed"].empty()
    before = TABLES["suppressed"].empty()
    n_passes = 0
    while True:
        part = folder / f"{n_passes}"
        standing, kept = part / "standing.parquet", part / "kept_match.parquet"
        known = {"pair_match": pair_match, "verdict": [verdict], "suppressed": suppressed}
        engine.derive("standing", known, standing)
        engine.derive("kept_match", {"standing": [standing], "build": build}, kept)
        engine.derive(
            "suppressed", {"near": [near], "kept_match": [kept]}, part / "suppressed.parquet"
        )
        after = pq.read_table(part / "suppressed.parquet")
        n_passes += 1
        if n_near == 0 or after.equals(before):
            return Selection(verdict, part / "suppressed.parquet", standing, kept, n_passes)
        suppressed, before = [part / "suppressed.parquet"], after


def request(
    engine: DuckEngine, build: pa.Table, pair: Rows, selection: Selection, number: int, folder: Path
) -> pa.Table:
    """The pairs that round `number` asks for, by pair_id; none when every query is settled."""
    now = pa.Table.from_pylist([{"round": number}], TABLES["now"].schema)
    standing = {"standing": [selection.standing], "build": build, "now": now}
    engine.derive("unsettled", standing, folder / "unsettled.parquet")
    engine.derive("request", {**standing, "pair": pair}, folder / "request.parquet")
    return pq.read_table(folder / "request.parquet")


def image_parts(rows: pa.Table, size: int) -> list[tuple[str, pa.Table]]:
    """The rows of a request, cut into image parts: (name that its rows decide, rows of `ask`)."""
    rows = rows.select(TABLES["ask"].schema.names)
    cut = [rows.slice(start, size) for start in range(0, rows.num_rows, size)]
    return [(digest("image_part", one.to_pydict()), one) for one in cut]
