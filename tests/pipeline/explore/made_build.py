"""A build of 70 literal samples that has something for every page, and a server of it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pyarrow as pa

from pipeline.publish.version import publish
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from tests import ROOT
from tests.image_server import picture
from tests.pipeline.report.report_build import write_shard
from tests.processes import WAIT_S
from tests.tables import build_row, rows

SCRIPT = "<script>document.title = 'ran'</script><img src=x onerror=\"document.title='ran'\">"
CAPTIONS = [
    SCRIPT,
    "A cat on a red house",
    "Two CATS of the category",
    "100% wool_sock",
    "猫と赤い家",
    "แมวสีแดง",
    "Ein Haus in Zürich",
    "Ein Haus in Zu\u0308rich, decomposed",
    "кошка и красный дом",
    "bi\u202edi \u05d0",
]
N = 70
HALF = 1 << 62  # ids from here on are in the second shard
REFUSING, NEAR_ID, LOST_ID = 3, 4, HALF + 999
SERVER_WORDS = "pipeline explore"


def id_of(n: int) -> int:
    """The pair_id of the n-th sample: even ones are in the first shard, odd ones in the second."""
    return n if n % 2 == 0 else HALF + n


def samples_of(numbers: range) -> list[dict]:
    return [
        {
            **{"pair_id": id_of(n), "key": f"{id_of(n):016x}", "priority": 1_000 - n},
            "caption": CAPTIONS[n] if n < len(CAPTIONS) else f"picture number {n}",
            "url": f"https://host{n % 3}.example.org/{n}.jpg",
            "page_url": f"https://host{n % 3}.example.org/page/{n}.html",
            "source": "commons" if n % 4 else "crawl",
            "license": "CC0" if n % 2 else None,
            "license_id": "CC0-1.0" if n % 2 else None,
            "language": ("en", "de", None)[n % 3],
            **{"width": 64, "height": 64, "original_width": 200 * (n + 1), "original_height": 900},
            **{"n_words": 3, "phash": 7 if n in (2, NEAR_ID) else (n * 0x9E3779B97F4A7C15) % HALF},
            "sha256": f"{n:064x}",
        }
        for n in numbers
    ]


def explored_build(workspace: Path, version: str = "v1", numbers: range = range(N)) -> Path:
    """A build of these samples: each is kept for the query `picture`, the second for `cat` too."""
    samples = samples_of(numbers)
    shards = []
    for place, low in enumerate((0, HALF)):
        inside = [row for row in samples if low <= row["pair_id"] < low + HALF]
        shards.append(workspace / f"{version}-{place}.parquet")
        inside.sort(key=lambda row: row["pair_id"])
        write_shard(
            shards[-1], inside, {row["key"]: picture(row["pair_id"] % 97) for row in inside}
        )
    pairs = [{name: row[name] for name in row if name in COLUMNS_OF_PAIR} for row in samples]
    lost = {"pair_id": LOST_ID, "url": "https://gone.example.org/x.jpg", "caption": "a lost cat"}
    kept = [{"pair_id": row["pair_id"], "query_id": 0} for row in samples]
    kept.append({"pair_id": id_of(1), "query_id": 1})
    matches = [*kept, {"pair_id": id_of(1), "query_id": 2}, {"pair_id": LOST_ID, "query_id": 1}]
    statement = {"signal": "robots", "value": "noai", "refuses": True, "place": "header"}
    statement |= {"url": "https://host0.example.org/robots.txt", "seen": "2026-11-02"}
    tables: dict[str, list | pa.Table] = {
        "query": rows(
            "query",
            {"query_id": 0, "text": "picture", "display": "picture", "entered_by": "word"},
            {"query_id": 1, "text": "cat", "display": "cat", "entered_by": "title", "rank": 2},
            {"query_id": 2, "text": "red house", "display": "red house", "entered_by": "bigram"},
            {"query_id": 3, "text": SCRIPT, "display": SCRIPT, "entered_by": "title", "rank": 4},
        ),
        "pair": rows("pair", *pairs, lost),
        "match": rows("match", *matches),
        "kept_match": rows("kept_match", *kept),
        "attempt": rows(
            "attempt",
            {"pair_id": LOST_ID, "attempt": 1, "reason": "timeout"},
            {"pair_id": LOST_ID, "attempt": 2, "reason": "not_found"},
            *[
                {"pair_id": row["pair_id"], "attempt": 1, "width": 64, "height": 64}
                for row in samples
            ],
        ),
        "outcome": rows(
            "outcome",
            *[{"pair_id": row["pair_id"], "attempt": 1} for row in samples],
            {"pair_id": LOST_ID, "attempt": 2, "reason": "not_found"},
        ),
        "drop": rows(
            "drop",
            *[
                {
                    **{"pair_id": 5_000 + n, "stage": "filter", "source": "commons"},
                    "reason": "caption_too_short" if n % 2 else "wrong_language",
                    **{"url": f"https://host9.example.org/{n}.jpg", "caption": f"x {n} {SCRIPT}"},
                }
                for n in range(70)
            ],
        ),
        "consent": rows("consent", {"pair_id": id_of(REFUSING), "policy": "record", **statement}),
        "score": rows(
            "score",
            *[
                {"pair_id": row["pair_id"], "scorer": "beauty", "score": n / N}
                for n, row in enumerate(samples)
            ],
        ),
        "scorer": rows("scorer", {"scorer": "beauty", "kind": "onnx"}),
        "round": rows("round", {"round": 0, "n_unsettled": 2, "n_asked": 71, "n_survived": 70}),
        "build": build_row(cap=100),
    }
    return publish(workspace, version, tables, shards, {"settings": {"selection": {"cap": 100}}})


COLUMNS_OF_PAIR = set(TABLES["pair"].schema.names)


def explored_run(folder: Path) -> Path:
    """A run whose evaluation set has a picture near the sample NEAR_ID, and scores of all."""
    near = {"eval_set": "shapes", "image": "7.png", "pair_id": id_of(NEAR_ID), "distance": 3}
    scores = [{"pair_id": id_of(n), "clip_score": n / 100} for n in range(N)]
    for name, listed in (("neighbour", [near]), ("clip_score", scores)):
        path = folder / "tables" / name / "0.parquet"
        write_part(path, TABLES[name], rows(name, *listed).to_batches())
    return folder


@contextmanager
def served(build: Path, *options: str | Path) -> Iterator[httpx.Client]:
    """A client of an explorer of the build, in a process that ends with the block."""
    words = ["-m", "pipeline", "explore", build, "--port", "0", "--no-open", *options]
    command = [sys.executable, *map(str, words)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split(" ", 1)[0].strip()
            assert address.startswith("http://"), "the server said no address"
            with httpx.Client(base_url=address, timeout=WAIT_S) as client:
                yield client
        finally:
            server.terminate()
