"""The exact cap by threshold, beside sampling that keeps it on average, and a plain window.

    python -m benchmarks.cap [--quick]

The matches are made up in the shape that captions have: 374 of 500,000 queries have more than
20,000 matches and hold 73 % of all 100 million. They lie on disk as a build keeps them, by query
and priority. Each way reads them in a process of its own, with two threads and, in DuckDB, 2 GB
of memory, and writes the matches within the cap of 20,000. Ours is all that a build's first round
does to find them. The sampling is the published rule in numpy: a match is kept with p = cap /
matches of its query. The last row is the end of a build: an outcome of every pair within the cap
is known, and the kept matches are written in the order of publication.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.harness import Row, child, cpu_seconds, peak_mb, show
from pipeline.selection.rule import select
from queries.engine import BATCH_ROWS
from queries.engine.duck import DuckEngine
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES

CAP = 20_000
N_QUERIES, N_HEADS = 500_000, 374
FULL = 100_000_000  # matches at which N_HEADS queries have more than CAP
HEAD_SHARE = 0.73
N_PAIRS = 24_999_983  # a prime, so that every step through the pairs meets each once
ROWS_AT_ONCE = 4_000_000
MEMORY = "2GB"
QUERIES_SEED, PRIORITY_SEED = 1, 2
VERDICT = "verdict.parquet"
WITHIN = TABLES["kept_match"]
EXACT = ("ours", "window", "settled")
NONE = {name: TABLES[name].empty() for name in ("pair", "fetched")}
RULES = {"min_side": 0, "min_area": 0, "max_aspect": 5.0, "min_spread": 0.0, "near_bits": -1}
BUILD = pa.table(
    {name: [value] for name, value in {"cap": CAP, "round_factor": 1.0, **RULES}.items()}
)
PLAIN_WINDOW = f"""
SELECT pair_id, query_id
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY query_id ORDER BY priority, pair_id) AS place
    FROM match
)
WHERE place <= {CAP}
"""


def matches_of_queries(rows: int) -> np.ndarray:
    """How many matches each query has: falling as a power of its rank, slower in the heads.

    >>> n = matches_of_queries(FULL)
    >>> len(n), int((n > CAP).sum()), round(n.sum() / 1e6), round(n[:N_HEADS].sum() / 1e6)
    (500000, 374, 100, 73)
    """
    rank = np.arange(1, N_QUERIES + 1) / (N_HEADS + 0.5)
    heads, tails = rank[:N_HEADS], rank[N_HEADS:]
    share = np.concatenate([power(heads, HEAD_SHARE * FULL), power(tails, (1 - HEAD_SHARE) * FULL)])
    spread = np.random.default_rng(QUERIES_SEED).random(N_QUERIES)
    exact = share * rows / FULL
    return np.floor(exact + np.where(exact < CAP, spread, 0)).astype(np.int64)


def power(rank: np.ndarray, total: float) -> np.ndarray:
    """CAP * rank**-p, with the p that gives this sum."""
    low, high = 0.0, 5.0
    for _ in range(60):
        p = (low + high) / 2
        too_steep = (CAP * rank**-p).sum() > total
        steeper = too_steep == (rank[0] > 1)
        low, high = (p, high) if steeper else (low, p)
    return CAP * rank**-p


def mixed(numbers: np.ndarray, seed: int) -> np.ndarray:
    """63 bits that look like chance for each number: a bijection of 64 bits, and the top ones."""
    with np.errstate(over="ignore"):
        x = numbers.astype(np.uint64) + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((x ^ (x >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)


def matches(rows: int) -> Iterator[pa.RecordBatch]:
    """The matches by query and priority: each query takes every so-manyth pair, round and round."""
    n = matches_of_queries(rows)
    chance = np.random.default_rng(QUERIES_SEED)
    start, step = chance.integers(0, N_PAIRS, N_QUERIES), chance.integers(1, N_PAIRS, N_QUERIES)
    chunk = np.cumsum(n) // ROWS_AT_ONCE
    for one in np.unique(chunk):
        of = np.flatnonzero(chunk == one)
        query = np.repeat(of, n[of])
        nth = np.arange(len(query)) - np.repeat(np.cumsum(n[of]) - n[of], n[of])
        pair_id = mixed((start[query] + step[query] * nth) % N_PAIRS, seed=0)
        priority = mixed(pair_id, PRIORITY_SEED)
        order = np.lexsort((pair_id, priority, query))
        columns = [pair_id[order], query[order], priority[order]]
        yield pa.RecordBatch.from_arrays(
            [pa.array(c) for c in columns], schema=TABLES["match"].schema
        )


# --- the ways: each writes the matches within the cap, and returns the files ----------------------
def from_nothing(given: Path, out: Path) -> list[Path]:
    """Ours, as the first round of a build: the heads in order, and every match of the others."""
    known = (BUILD, NONE["pair"], parts(given), NONE["fetched"])
    chosen = select(engine(out), *known, out, for_request=True)
    return [*chosen.standing, chosen.open_match]


def settled(given: Path, out: Path) -> list[Path]:
    """Ours, as the end of a build that lost nothing: kept matches, in the order of publication."""
    os.link(given / VERDICT, out / VERDICT)  # select() makes no table that is there
    chosen = select(engine(out), BUILD, NONE["pair"], parts(given), NONE["fetched"], out)
    return [chosen.kept_match]


def window(given: Path, out: Path) -> list[Path]:
    """Every match put in order."""
    with engine(out).connect({"match": parts(given)}) as connection:
        rows = connection.sql(PLAIN_WINDOW).to_arrow_reader(BATCH_ROWS)
        return [write_part(out / "window.parquet", WITHIN, rows).path]


def sampling(given: Path, out: Path) -> list[Path]:
    """The published way, unseeded as it is: the cap holds on average."""
    n = np.zeros(N_QUERIES, np.int64)
    for batch in read(given, ["query_id"]):
        n += np.bincount(batch["query_id"], minlength=N_QUERIES)
    p, chance = np.minimum(1, CAP / np.maximum(n, 1)), np.random.default_rng()
    kept = (
        batch.filter(pa.array(chance.random(batch.num_rows) < p[batch["query_id"]]))
        for batch in read(given, WITHIN.schema.names)
    )
    return [write_part(out / "sampling.parquet", WITHIN, kept).path]


WAYS: dict[str, Callable[[Path, Path], list[Path]]] = {
    "ours": from_nothing,
    "sampling": sampling,
    "window": window,
    "settled": settled,
}


def engine(scratch: Path) -> DuckEngine:
    return DuckEngine(workers=2, memory=MEMORY, scratch=scratch, quiet=True)


def parts(given: Path) -> list[Path]:
    return sorted(given.glob("match*.parquet"))


def read(given: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    for path in parts(given):
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(1_000_000, columns=columns)


def within(files: list[Path]) -> Iterator[pa.RecordBatch]:
    """The matches within the cap: a round looks one place further."""
    for path in files:
        for batch in pq.ParquetFile(path).iter_batches(1_000_000):
            if "place" in batch.schema.names:
                batch = batch.filter(pc.less_equal(batch["place"], CAP))
            yield batch.select(WITHIN.schema.names)


def digest(files: list[Path]) -> str:
    """Their number, and a sum over them that no order changes."""
    rows, total = 0, 0
    for batch in within(files):
        pair_id, query_id = (column.to_numpy() for column in batch.columns)
        rows += len(pair_id)
        total += int(mixed(pair_id ^ mixed(query_id, seed=3), seed=4).astype(np.uint64).sum())
    return f"{rows:,} {total % 2**64:016x}"


# --- the comparison -------------------------------------------------------------------------------
def write_given(given: Path, rows: int) -> None:
    """The matches, and verdicts by which every pair within the cap survives."""
    for number, batch in enumerate(matches(rows)):
        write_part(given / f"match{number:03}.parquet", TABLES["pair_match"], [batch])
    with tempfile.TemporaryDirectory(dir=given) as out:
        found = within(from_nothing(given, Path(out)))
        ids = np.unique(np.concatenate([batch["pair_id"].to_numpy() for batch in found]))
    schema = TABLES["verdict"].schema
    told = {"pair_id": ids, "priority": mixed(ids, PRIORITY_SEED), "attempt": ids > 0}
    columns = [
        pa.array(told[one.name]).cast(one.type)
        if one.name in told
        else pa.nulls(len(ids), one.type)
        if one.nullable
        else pa.repeat(pa.scalar("", one.type), len(ids))
        for one in schema
    ]
    verdicts = pa.Table.from_arrays(columns, schema=schema)
    write_part(given / VERDICT, TABLES["verdict"], verdicts.to_batches())


def measured(way: str, given: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=given) as out:
        before = cpu_seconds()
        files = WAYS[way](given, Path(out))
        taken = {"cpu": cpu_seconds() - before, "memory": peak_mb()}
        return {**taken, "digest": digest(files)}


def rounds(given: Path, n_rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Each way in a process of its own, so often, one after another."""
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(n_rounds):
        for way, of in runs.items():
            of.append(child([sys.executable, "-m", "benchmarks.cap", "--way", way, given]))
    return runs


def compare(quick: bool) -> None:
    sizes = [FULL // 100, FULL // 10] if quick else [FULL // 10, FULL]
    runs = []
    for rows in sizes:
        with tempfile.TemporaryDirectory() as name:
            child([sys.executable, "-m", "benchmarks.cap", "--write", str(rows), name])
            runs.append(rounds(Path(name), 1 if quick else 3))
    small, large = runs
    cpu = {way: [run["cpu"] for run in of] for way, of in large.items()}
    memory = {way: [run["memory"] for run in of] for way, of in large.items()}
    growth = [b["cpu"] / a["cpu"] for a, b in zip(small["ours"], large["ours"], strict=True)]
    numpy, plain = "numpy sampling", "a plain window"
    show(
        f"The cap of {CAP:,} over {sizes[1]:,} matches",
        [
            Row("matches within the cap", "CPU s", cpu["ours"], numpy, cpu["sampling"]),
            Row("matches within the cap", "CPU s", cpu["ours"], plain, cpu["window"]),
            Row("most memory", "MB", memory["ours"], numpy, memory["sampling"]),
            Row("most memory", "MB", memory["ours"], plain, memory["window"]),
            Row("10 times the matches", "times the CPU", growth, "linear", [10]),
            Row("end of a build, in order", "CPU s", cpu["settled"], numpy, cpu["sampling"]),
            Row("end of a build, in order", "CPU s", cpu["settled"], plain, cpu["window"]),
            Row("its most memory", "MB", memory["settled"], plain, memory["window"]),
        ],
        matches_within_the_cap=large["ours"][0]["digest"],
        equal_to_the_window=len({r["digest"] for way in EXACT for r in large[way]}) == 1,
        kept_by_sampling=large["sampling"][0]["digest"],
    )


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.cap", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the matches")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--write", type=int, help=argparse.SUPPRESS)
    parser.add_argument("folder", type=Path, nargs="?", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.write:
        write_given(asked.folder, asked.write)
        print(json.dumps(asked.write))
    elif asked.way:
        print(json.dumps(measured(asked.way, asked.folder)))
    else:
        compare(asked.quick)


if __name__ == "__main__":
    main()
