"""The selection rule in SQL: which pairs a round asks for, and which are kept.

The rule is docs/design.md's walk. tests/pipeline/selection holds these tables equal to that walk,
written as a plain loop.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.selection.near import derive_near
from queries.engine import DERIVE, Engine, Rows
from queries.tables.parts import compact, digest, read_rows, write_part
from queries.tables.schemas import TABLES

# What attempts are judged by beside their measures.
JUDGES = ("exclusion", "hashed", "pdq_near", "scored", "scorer", "heard", "policy")


@dataclass(frozen=True)
class Selection:
    """The tables that `select` derives, as files."""

    verdict: Path
    excluded_picture: Path
    suppressed: Path
    near_skipped: Path
    standing: list[Path]
    open_match: Path
    kept_match: Path
    n_passes: int


def select(
    engine: Engine,
    build: pa.Table,
    pair: Rows,
    pair_match: Rows,
    fetched: Rows,
    folder: Path,
    *,
    judges: Mapping[str, Rows] | None = None,
    query_cap: Rows = (),
    for_request: bool = False,
) -> Selection:
    """Judge the known attempts and cap each query, in tables under `folder`.

    `judges` are the tables of JUDGES; a table that is missing counts as empty. `query_cap` has the
    queries with another cap than the build's.
    Near duplicates make the cap depend on itself. So each pass keeps pairs without the suppressed
    ones, then suppresses the later neighbours of the kept ones, until nothing changes. Each pass
    settles a longer prefix of the order, so the loop ends. A selection `for_request` derives kept
    matches only where near duplicates need them.
    """

    def derive(name: str, *needed: Rows, **inputs: Rows) -> Path:
        """A table; without rows that it needs it is empty, and Spark is not asked for a second."""
        path = folder / f"{name}.parquet"
        if all(map(len, needed)):
            return engine.derive(DERIVE / f"{name}.sql", inputs, path).path
        return path if path.exists() else write_part(path, TABLES[name], []).path

    judging: dict[str, Rows] = {name: () for name in JUDGES} | dict(judges or {})
    near_bits = build["near_bits"][0].as_py()
    attempts: dict[str, Rows] = {"fetched": fetched, "exclusion": judging["exclusion"]}
    by_hash: dict[str, Rows] = {name: judging[name] for name in ("hashed", "pdq_near")}
    excluded = derive(
        "excluded_picture",
        by_hash["hashed"] or by_hash["pdq_near"],
        *attempts.values(),
        **attempts,
        **by_hash,
        pair=pair,
    )
    judging["excluded_picture"] = [excluded]
    del judging["pdq_near"]  # of which the verdict needs no more
    judging["excluded_hash"] = [derive("excluded_hash", *attempts.values(), **attempts)]
    verdict = derive("verdict", fetched, fetched=fetched, pair=pair, build=build, **judging)
    judged = (verdict, excluded)
    if near_bits > 0 and len(fetched):
        near, skipped = derive_near(engine, build, verdict, folder)
    else:
        near, skipped = derive("near", ()), derive("near_skipped", ())
    caps: dict[str, Rows] = {"query_cap": query_cap, "build": build}
    head = derive("head", pair_match=pair_match, verdict=[verdict], **caps)
    matches: dict[str, Rows] = {"pair_match": pair_match, "head": [head], "verdict": [verdict]}
    open_match = derive("open_match", **matches)
    none_near = near_bits < 0 or not len(fetched)
    before = TABLES["suppressed"].empty()
    matches["suppressed"] = before
    n_passes = 0
    while True:
        part = folder / f"{n_passes}"
        standing, kept = stand(engine, matches, part), part / "kept_match.parquet"
        n_passes += 1
        if not (none_near and for_request):
            inputs = {**matches, "standing": standing, "open_match": [open_match]}
            engine.derive(DERIVE / "kept_match.sql", inputs, kept)
        if none_near:
            nothing = derive("suppressed", ())
            return Selection(*judged, nothing, skipped, standing, open_match, kept, n_passes)
        inputs = {"verdict": [verdict], "near": [near], "kept_match": [kept], "build": build}
        suppressed = engine.derive(
            DERIVE / "suppressed.sql", inputs, part / "suppressed.parquet"
        ).path
        after = read_rows(suppressed)
        if after.equals(before):
            return Selection(*judged, suppressed, skipped, standing, open_match, kept, n_passes)
        before = after
        matches["suppressed"] = [suppressed]


def stand(engine: Engine, matches: Mapping[str, Rows], folder: Path) -> list[Path]:
    """Put the heads' first survivors in order: a file for each reach that proved too short.

    Only matches within reach are put in order. A head that has fewer survivors there than a
    round may look at, and more matches beyond, is looked at again with at least twice the reach.
    """
    standing: list[Path] = []
    head = matches["head"]
    while True:
        place = folder / f"reach{len(standing)}"
        inputs = {**matches, "head": head}
        part = engine.derive(DERIVE / "standing.sql", inputs, place / "standing.parquet")
        standing.append(part.path)
        rows = read_rows(head)
        room = pc.sum(pc.subtract(rows["most"], rows["stood"]), min_count=0).as_py()
        if part.rows_kept == room:
            return standing  # every head has as many as a round may look at
        reached = {"head": head, "standing": standing}
        short = engine.derive(DERIVE / "short_head.sql", reached, place / "short_head.parquet")
        if not short.rows_kept:
            return standing
        head = [short.path]


def request(
    engine: Engine, build: pa.Table, pair: Rows, selection: Selection, number: int, folder: Path
) -> pa.Table:
    """The pairs that round `number` asks for, by pair_id; none when every query is settled."""
    now = pa.Table.from_pylist([{"round": number}], TABLES["now"].schema)
    inputs: dict[str, Rows] = {
        "standing": selection.standing,
        "open_match": [selection.open_match],
        "now": now,
    }
    engine.derive(DERIVE / "unsettled.sql", inputs, folder / "unsettled.parquet")
    inputs |= {"build": build, "pair": pair}
    engine.derive(DERIVE / "request.sql", inputs, folder / "request.parquet")
    return read_rows(folder / "request.parquet")


def cut_request(rows: pa.Table, size: int) -> list[tuple[str, pa.Table]]:
    """The rows of a request, cut into image parts: (name that its rows decide, rows of `ask`)."""
    rows = rows.select(TABLES["ask"].schema.names)
    parts = [compact(rows.slice(start, size)) for start in range(0, rows.num_rows, size)]
    return [(digest("image_part", part.to_pydict()), part) for part in parts]
