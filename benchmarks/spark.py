"""The same build on Spark and on DuckDB, on one machine; and Spark's cap beside a plain window.

    python -m benchmarks.spark [--quick]

The build: 375,000 captions drawn as benchmarks/match.py draws them, in eight parts, and 50,000
queries, from the filters to what the first round of fetching asks for. Each engine runs it in
processes of its own, two at once, the start of Java included; "captions matched" is the map
alone. Every table must be equal. `--captions 2000000` takes more of them.

The cap: 10 million matches in the shape of benchmarks/cap.py, and beside them one query that is in
54 % of the pairs. Both ways run in turns in one session of Spark, after a run of each that does
not count. What single tasks took is read in Spark's own event log: processor time, and of stages
whose longest task took a second or more.

CPU seconds count all processes that an engine started.
"""

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.cap import BUILD as CAP_BUILD
from benchmarks.cap import NONE, PLAIN_WINDOW, PRIORITY_SEED, WITHIN, digest, matches, mixed
from benchmarks.harness import Row, Timed, child, show
from benchmarks.match import draw_captions, draw_queries, templates
from pipeline.filters.rows import filter_pairs
from pipeline.match.lists import match_pairs
from pipeline.selection.rule import request, select
from pipeline.settings.whole import FilterSettings
from queries.engine import DERIVE, Engine, MapInput, Rows
from queries.engine.duck import DuckEngine
from queries.engine.spark import SparkEngine
from queries.tables.parts import Part, write_part
from queries.tables.schemas import TABLES

N_PARTS, N_QUERIES, CAP = 8, 50_000, 20_000
FULL = {"captions": 375_000, "matches": 10_000_000, "rounds": 3}
QUICK = {"captions": 20_000, "matches": 200_000, "rounds": 1}
HEAD_SHARE, HEAD_ID = 0.54, 1 << 40
LONG_S = 1.0  # a stage whose longest task took less is not looked at
IN_NO_ORDER = {"standing", "open_match"}
RULES = {
    "min_side": 0,
    "min_area": 0,
    "max_aspect": 5.0,
    "min_spread": 0.0,
    "near_bits": -1,
    "boilerplate_max": 100,
}
ROW = {"cap": CAP, "round_factor": 1.0, **RULES}
BUILD = pa.table({name: [value] for name, value in ROW.items()})


# --- what is given --------------------------------------------------------------------------------
def write_captions(given: Path, n: int) -> None:
    """Candidates in parts, and the query list."""
    texts = templates()
    query = draw_queries(texts)[:: 500_000 // N_QUERIES]
    listed = pa.table({"query_id": pa.array(range(len(query)), pa.int64()), "text": query})
    pq.write_table(listed, given / "query.parquet")
    captions = list(draw_captions(texts, n))
    for part, numbers in enumerate(np.array_split(np.arange(n), N_PARTS)):
        ids = mixed(numbers, seed=0)
        urls = [f"https://{number % 4999}.example/{number}.jpg" for number in numbers]
        columns = {
            "pair_id": ids,
            "priority": mixed(ids, PRIORITY_SEED),
            "url": urls,
            "caption": [captions[number] for number in numbers],
            "source": ["made up"] * len(ids),
            "row": numbers,
            "url_key": urls,
        }
        schema = TABLES["candidate"].schema
        arrays = [
            pa.array(columns[one.name]) if one.name in columns else pa.nulls(len(ids), one.type)
            for one in schema
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
        write_part(given / f"candidate{part}.parquet", TABLES["candidate"], [batch])


def write_matches(given: Path, rows: int) -> None:
    """The matches of many queries, and of one that 54 % of their pairs have."""
    pairs: list[np.ndarray] = []
    for number, batch in enumerate(matches(rows)):
        write_part(given / f"match{number:03}.parquet", TABLES["pair_match"], [batch])
        pairs.append(np.unique(batch["pair_id"].to_numpy()))
    every = np.unique(np.concatenate(pairs))
    ids = every[mixed(every, seed=5) < HEAD_SHARE * 2**63]
    priority = mixed(ids, PRIORITY_SEED)
    order = np.lexsort((ids, priority))
    columns = [ids[order], np.full(len(ids), HEAD_ID), priority[order]]
    batch = pa.RecordBatch.from_arrays(
        [pa.array(one) for one in columns], schema=TABLES["pair_match"].schema
    )
    write_part(given / "match_head.parquet", TABLES["pair_match"], [batch])


# --- the build ------------------------------------------------------------------------------------
def engine_of(name: str, out: Path, **conf: str) -> Engine:
    if name == "duckdb":
        return DuckEngine(workers=2, memory="4GB", scratch=out, quiet=True)
    about = {"derive_in_driver": "0MB"} if conf else {}  # what is logged is Spark's own work
    log = out / "spark.log"
    return SparkEngine(folder=out, log=log, memory="4GB", conf=conf, quiet=True, **about)


def built(name: str, given: Path) -> dict[str, Any]:
    """Run the build: its seconds, those of the match, and a fingerprint of each table."""
    with tempfile.TemporaryDirectory(dir=given) as folder:
        out = Path(folder)
        with Timed() as whole:
            engine = engine_of(name, out)
            filtered = mapped(
                engine,
                "filtered",
                partial(filter_pairs, settings=FilterSettings()),
                sorted(given.glob("candidate*.parquet")),
                out,
            )
            with Timed() as matching:
                function = partial(match_pairs, query_file=given / "query.parquet")
                match = mapped(engine, "match", function, filtered, out)
            derive_rest(engine, sorted(given.glob("candidate*")), filtered, match, out)
            engine.close()
        paths = sorted(path for path in out.rglob("*.parquet") if "derive-" not in str(path))
        return {
            "whole": vars(whole),
            "match": vars(matching),
            "tables": {str(path.relative_to(out)): fingerprint(path) for path in paths},
        }


def mapped(
    engine: Engine, table: str, function: Callable[..., Any], files: Sequence[Path], out: Path
) -> list[Path]:
    inputs = [MapInput(path.stem, path) for path in files]
    return paths_of(engine.map(table, function, inputs, TABLES[table], out / table))


def paths_of(parts: list[Part]) -> list[Path]:
    return [part.path for part in parts]


def derive_rest(
    engine: Engine, candidate: list[Path], filtered: list[Path], match: list[Path], out: Path
) -> None:
    def derive(name: str, **inputs: Rows) -> list[Path]:
        return [engine.derive(DERIVE / f"{name}.sql", inputs, out / f"{name}.parquet").path]

    pooled = derive("pooled", filtered=filtered, exclusion=(), excluded_host=(), build=BUILD)
    pair = derive("pair", pooled=pooled, match=match)
    derive("drop", candidate=candidate, filtered=filtered, pooled=pooled, match=match, pair=pair)
    pair_match = derive("pair_match", match=match, pair=pair)
    chosen = select(engine, BUILD, pair, pair_match, (), out, for_request=True)
    request(engine, BUILD, pair, chosen, 0, out)


def fingerprint(path: Path) -> str:
    """The file's own bytes; of a table in no order, the rows in order."""
    if path.stem not in IN_NO_ORDER:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    rows = pq.read_table(path)
    rows = rows.sort_by([(name, "ascending") for name in rows.schema.names])
    return hashlib.sha256(b"".join(one.to_numpy().tobytes() for one in rows.columns)).hexdigest()


# --- the cap on Spark -----------------------------------------------------------------------------
def capped(given: Path, rounds: int) -> dict[str, Any]:
    """Seconds of both ways in one session, what they found, and the tasks of ours."""
    with tempfile.TemporaryDirectory(dir=given) as folder:
        out = Path(folder)
        log = out / "events"
        log.mkdir()
        logged = {
            "enabled": "true",
            "dir": f"file://{log}",
            "rolling.enabled": "false",
            "compress": "false",
        }
        engine = engine_of("spark", out, **{f"spark.eventLog.{k}": v for k, v in logged.items()})
        ways = {"ours": threshold, "window": window}
        found: dict[str, Any] = {way: [] for way in ways} | {"digest": []}
        for number in range(rounds + 1):
            for way, function in ways.items():
                here = out / f"{way}{number}"
                here.mkdir()
                engine.session.sparkContext.setJobGroup(way, way)
                with Timed() as taken:
                    files = function(engine, sorted(given.glob("match*.parquet")), here)
                found["digest"].append(digest(files))
                found[way] += [vars(taken)] if number else []  # the first warms up
                shutil.rmtree(here)
        engine.close()
        (events,) = log.iterdir()
        return found | {"skew": skew(events)}


def threshold(engine: SparkEngine, given: list[Path], out: Path) -> list[Path]:
    chosen = select(engine, CAP_BUILD, NONE["pair"], given, NONE["fetched"], out, for_request=True)
    return [*chosen.standing, chosen.open_match]


def window(engine: SparkEngine, given: list[Path], out: Path) -> list[Path]:
    with engine._selected(PLAIN_WINDOW, {"match": given}) as rows:
        return [write_part(out / "window.parquet", WITHIN, rows).path]


def skew(events: Path) -> list[list[float]]:
    """Of each stage of ours: its longest task / the median, and both in CPU seconds."""
    ours: set[int] = set()
    seconds: dict[int, list[float]] = defaultdict(list)
    for line in events.read_text().splitlines():
        event = json.loads(line)
        if event["Event"] == "SparkListenerJobStart":
            if event["Properties"].get("spark.jobGroup.id") == "ours":
                ours |= set(event["Stage IDs"])
        elif event["Event"] == "SparkListenerTaskEnd" and event.get("Task Metrics"):
            used = event["Task Metrics"]["Executor CPU Time"] / 1e9
            seconds[event["Stage ID"]].append(used)
    tasks = [of for stage, of in seconds.items() if stage in ours and len(of) > 2]
    looked = [of for of in tasks if max(of) >= LONG_S]
    return sorted(([max(of) / median(of), max(of), median(of)] for of in looked), reverse=True)


# --- the comparison -------------------------------------------------------------------------------
def turns(given: Path, rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Each engine in a process of its own, so often, one after another."""
    runs: dict[str, list[dict[str, Any]]] = {"spark": [], "duckdb": []}
    for _ in range(rounds):
        for way, of in runs.items():
            of.append(again("--way", way, given))
    return runs


def again(*words: object) -> Any:
    return child([sys.executable, "-m", "benchmarks.spark", *map(str, words)])


def compare(n_captions: int, n_matches: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        again("--write", "captions", n_captions, name)
        runs = turns(Path(name), rounds)
    with tempfile.TemporaryDirectory() as name:
        again("--write", "matches", n_matches, name)
        cap = again("--cap", rounds, name)
    tables = [run["tables"] for of in runs.values() for run in of]
    rows = []
    for what, stage in (("filters to request", "whole"), ("captions matched", "match")):
        for unit, clock in (("s", "wall"), ("CPU s", "cpu")):
            ours, peer = ([run[stage][clock] for run in runs[way]] for way in runs)
            rows.append(Row(f"{what}, {n_captions:,}", unit, ours, "DuckDB", peer))
    for unit, clock in (("s", "wall"), ("CPU s", "cpu")):
        ours, peer = ([run[clock] for run in cap[way]] for way in ("ours", "window"))
        rows.append(Row(f"cap of {n_matches:,} matches", unit, ours, "plain window on Spark", peer))
    show(
        "A build on Spark, local[2]",
        rows,
        tables_equal=all(one == tables[0] for one in tables),
        n_tables=len(tables[0]),
        caps_equal=len(set(cap["digest"])) == 1,
        longest_task_to_median=[[round(one, 2) for one in stage] for stage in cap["skew"][:5]],
    )


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.spark", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data: ends within a minute")
    parser.add_argument("--captions", type=int, help="captions of the build")
    parser.add_argument("--write", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=["duckdb", "spark"], help=argparse.SUPPRESS)
    parser.add_argument("--cap", type=int, help=argparse.SUPPRESS)
    parser.add_argument("folder", type=Path, nargs="?", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.write:
        what, n = asked.write
        {"captions": write_captions, "matches": write_matches}[what](asked.folder, int(n))
        print(json.dumps(n))
    elif asked.way:
        print(json.dumps(built(asked.way, asked.folder)))
    elif asked.cap:
        print(json.dumps(capped(asked.folder, asked.cap)))
    else:
        sizes = QUICK if asked.quick else FULL
        compare(asked.captions or sizes["captions"], sizes["matches"], sizes["rounds"])


if __name__ == "__main__":
    main()
