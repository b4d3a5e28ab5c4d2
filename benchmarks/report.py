"""The report of a large build: how long it takes, in how much memory, and how large the page is.

    python -m benchmarks.report [--quick]

The tables are made up: 500,000 queries, 10 million samples in 1,000 shards, 60 million matches of
which 30 million are kept, 12 million outcomes, 20 million drops, captions in several languages.
The report runs in a process of its own; it must end within two minutes, and its page stay under
20 MB, which is what stands in the peer's column. --quick has a fiftieth of all rows.
"""

import argparse
import json
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq

from benchmarks.harness import Row, child, cpu_seconds, peak_mb, show
from pipeline.report.page import write_report
from queries.engine.duck import DuckEngine
from queries.tables.parts import write_json, write_part
from queries.tables.schemas import TABLES
from queries.tables.tars import with_places
from tests.tables import build_row, rows

LIMIT_S, LIMIT_MB = 120.0, 20.0
SHARD_ROWS = 10_000
TARS = 8  # shards whose tar is there: those that the page takes pictures of
CAPTION = (
    "list_value('A photo of lighthouse ', 'ein rotes Haus ', 'Ο φάρος ', '灯台 ')[1 + {i} % 4]"
    " || 'no ' || {i} || ' by the sea, seen from ' || hash({i}) % 9973"
)
URL = "'https://images' || hash({i}) % 50021 || '.example.org/pictures/' || {i} || '.jpg'"


@dataclass(frozen=True)
class Size:
    """How many rows the made-up tables have; a pair's id is its number times `step`."""

    queries: int
    samples: int

    @property
    def pairs(self) -> int:
        return self.samples * 3 // 2

    @property
    def step(self) -> int:
        return (1 << 62) // self.samples | 1  # odd, so that ids have every remainder

    def selects(self) -> dict[str, str]:
        """Each table's rows: of the pairs 0.. the samples come first, then what fetching lost."""
        n, step, heads = self.samples, self.step, max(1, self.queries // 1500)
        pair = (
            f"i * {step} AS pair_id, hash(i) // 2 AS priority, {URL.format(i='i')} AS url, "
            f"{CAPTION.format(i='i')} AS caption, 'web' AS source, NULL AS license, "
            "NULL AS page_url, 'en' AS language"
        )
        lost = "list_value('not_found', 'timeout', 'near_duplicate')[1 + i // 8 % 3]"
        reason = f"CASE WHEN i >= {n} THEN {lost} END AS reason"
        image = "256 AS width, 171 AS height, 300 + hash(i) % 4000 AS original_width, "
        image += "200 + hash(i + 7) % 3000 AS original_height, 9000 AS image_bytes, "
        image += f"repeat('0', 64) AS sha256, hash(i % {n}) // 2 AS phash"
        kept = f"(i // 3) * {step} AS pair_id, hash(i) % {self.queries} AS query_id"
        head = f"(hash(i + 1) % {n}) * {step} AS pair_id, hash(i) % {heads} AS query_id"
        drop = "i AS pair_id, 'filter' AS stage, 'web' AS source, "
        drop += "list_value('wrong_language', 'caption_too_short')[1 + i % 2] AS reason, "
        drop += f"{URL.format(i='i')} AS url, {CAPTION.format(i='i')} AS caption"
        return {
            "query": f"SELECT i AS query_id, 'query ' || i AS text, 'query' AS display, "
            f"list_value('word', 'bigram', 'title', 'wordnet')[1 + i % 4] AS entered_by, "
            f"1 + i % 15 AS sources, i AS rank FROM range({self.queries}) AS r (i)",
            "pair": f"SELECT {pair} FROM range({self.pairs}) AS r (i)",
            "match": f"SELECT {kept}, hash(i // 3) // 2 AS priority FROM range({3 * n}) AS r (i) "
            f"UNION ALL SELECT {head}, i AS priority FROM range({3 * n}) AS r (i)",
            "kept_match": f"SELECT {kept} FROM range({3 * n}) AS r (i)",
            "attempt": f"SELECT i * {step} AS pair_id, 1 AS attempt, {reason}, {image}, "
            f"50.0 AS spread FROM range({n * 6 // 5}) AS r (i)",
            "outcome": f"SELECT i * {step} AS pair_id, 1 AS attempt, {reason} "
            f"FROM range({n * 6 // 5}) AS r (i)",
            "drop": f"SELECT {drop} FROM range({2 * n}) AS r (i)",
            "sample": f"SELECT printf('%016x', i * {step}) AS key, {pair}, {image}, "
            "11 AS n_words FROM range({start}, {stop}) AS r (i)",
        }


FULL, QUICK = Size(500_000, 10_000_000), Size(10_000, 200_000)


def write_build(build: Path, size: Size) -> None:
    """Write the tables, the shards' Parquet files and the first tars of a made-up build."""
    with DuckEngine(quiet=True).connect({}) as connection:
        for name, select in size.selects().items():
            if name != "sample":
                copy(connection, name, select, build / "tables" / name / "00000.parquet")
                continue
            for number, start in enumerate(range(0, size.samples, SHARD_ROWS)):
                some = select.format(start=start, stop=start + SHARD_ROWS)
                copy(connection, name, some, build / "shards" / f"{number:05d}.parquet")
    stage = {"part": "0", "rows_in": 3 * size.samples, "rows_kept": size.pairs}
    small = {
        "stage": rows("stage", {"stage": "filter", **stage, "rows_dropped": size.pairs}),
        "round": rows("round", {"round": 0, "n_unsettled": 9, "n_asked": 9, "n_survived": 8}),
        "build": build_row(cap=20_000, near_bits=2),
    }
    for name, table in small.items():
        path = build / "tables" / name / "00000.parquet"
        write_part(path, TABLES[name], table.to_batches())
    for number in range(TARS):
        write_tar(build / "shards" / f"{number:05d}.tar")
    settings = {"selection": {"cap": 20_000, "near_bits": 2}}
    write_json(build / "manifest.json", {"version": build.name, "settings": settings, "files": []})


def copy(connection: Any, name: str, select: str, path: Path) -> None:
    """Write the rows of a SELECT as the declared columns of a table; those it lacks are null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    given = connection.sql(f"SELECT * FROM ({select}) LIMIT 0").columns
    kinds = {"int32": "INTEGER", "int64": "BIGINT", "double": "DOUBLE", "string": "VARCHAR"}
    columns = ", ".join(
        f"CAST({column.name if column.name in given else 'NULL'} AS {kinds[str(column.type)]}) "
        f'AS "{column.name}"'
        for column in TABLES[name].schema
    )
    connection.execute(f"COPY (SELECT {columns} FROM ({select})) TO '{path}' (FORMAT parquet)")


def write_tar(path: Path) -> None:
    """A tar of the samples of the Parquet file beside it, which gets the places of its pictures."""
    pixels = np.random.default_rng(0).integers(0, 255, (12, 18, 3), np.uint8)
    photo = cv2.resize(pixels, (256, 171), interpolation=cv2.INTER_CUBIC)
    jpg = cv2.imencode(".jpg", photo)[1].tobytes()
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for key in pq.read_table(path.with_suffix(".parquet"), columns=["key"])["key"].to_pylist():
            for suffix, content in (("jpg", jpg), ("txt", b"caption"), ("json", b"{}")):
                member = tarfile.TarInfo(f"{key}.{suffix}")
                member.size = len(content)
                tar.addfile(member, BytesIO(content))
    rows = pq.read_table(path.with_suffix(".parquet"))
    pq.write_table(with_places(rows, path), path.with_suffix(".parquet"))


def measured(build: Path) -> dict[str, Any]:
    """What one report takes."""
    began, before = time.monotonic(), cpu_seconds()
    page = write_report(build)
    return {
        "seconds": time.monotonic() - began,
        "cpu_seconds": cpu_seconds() - before,
        "memory_mb": peak_mb(),
        "page_mb": page.stat().st_size / 1e6,
        "pictures": page.read_text().count("<img"),
    }


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.report", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the rows")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.build:
        print(json.dumps(measured(asked.build)))
        return
    size = QUICK if asked.quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        build = Path(folder) / "wit" / "made-up"
        write_build(build, size)
        command = [sys.executable, "-m", "benchmarks.report", "--build", build]
        runs = [child(command) for _ in range(2 if asked.quick else 3)]
    show(
        "The report of a large build",
        [
            Row("made", "s", [run["seconds"] for run in runs], "limit", [LIMIT_S]),
            Row("page", "MB", [run["page_mb"] for run in runs], "limit", [LIMIT_MB]),
        ],
        queries=size.queries,
        million_samples=size.samples / 1e6,
        cpu_seconds=round(max(run["cpu_seconds"] for run in runs), 1),
        memory_mb=round(max(run["memory_mb"] for run in runs)),
        pictures=runs[0]["pictures"],
        within_limits=all(run["seconds"] < LIMIT_S and run["page_mb"] < LIMIT_MB for run in runs),
    )


if __name__ == "__main__":
    main()
