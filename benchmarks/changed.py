"""Pictures that changed between collection and fetch: each of them is lost, and no other.

    python -m benchmarks.changed [--quick]

A server on loopback serves a picture a row, a hundred of them with other bytes than those that were
hashed for the list; the list is fetched once with each algorithm, and `content_changed` counted.
The cost is the CPU time of the comparison for each picture.
"""

import hashlib
import io
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.harness import Row, arguments, show
from pipeline.fetch.changed import ALGORITHMS, changed
from pipeline.fetch.part import fetch_part
from pipeline.settings.fetch import FetchSettings
from pipeline.settings.images import ImageSettings
from queries.tables.schemas import TABLES
from tests.guard_server import GuardServer

N_CHANGED = 100


def pictures(n: int) -> dict[str, bytes]:
    """Small PNG files, each of its own bytes, by name."""
    noise = np.random.default_rng(0)
    files = {}
    for number in range(n):
        file = io.BytesIO()
        Image.fromarray(noise.integers(0, 255, (16, 16, 3), np.uint8)).save(file, "PNG")
        files[str(number)] = file.getvalue()
    return files


def lost(server: GuardServer, stated: dict[str, str], folder: Path) -> list[str]:
    """Names of the pictures that are lost as changed, fetched with the hashes that were stated."""
    names = list(stated)
    rows = [
        {"pair_id": n, "url": server.url(f"/body/{name}"), "attempt": 1, "source_hash": hash}
        for n, (name, hash) in enumerate(stated.items())
    ]
    fetch = FetchSettings(
        check_hash=True,
        robots="ignore",
        allow_networks=("127.0.0.0/8",),
        per_host=32,
        per_host_rate=10_000.0,
    )
    table = pa.Table.from_pylist(rows, TABLES["ask"].schema)
    fetch_part(table, folder, ImageSettings(), fetch, folder.parent / "log.jsonl")
    fetched = pq.read_table(folder / "fetched.parquet").to_pylist()
    return [names[row["pair_id"]] for row in fetched if row["reason"] == "content_changed"]


def main() -> None:
    asked = arguments("benchmarks.changed", "pictures that changed are lost, and no other")
    n = 1_000 if asked.quick else 10_000
    files, rows = pictures(n), []
    others = [str(one) for one in range(0, n, n // N_CHANGED)]
    with GuardServer() as server, TemporaryDirectory() as scratch:
        server.bodies = files | {name: files[name] + b"\0" for name in others}
        for algorithm in ALGORITHMS.values():
            stated = {name: hashlib.new(algorithm, of).hexdigest() for name, of in files.items()}
            seen = lost(server, stated, Path(scratch) / algorithm)
            wrong = len(set(seen) ^ set(others))
            rows.append(
                Row(f"{algorithm}: changed", "", [float(len(seen))], "expected", [float(N_CHANGED)])
            )
            rows.append(Row(f"{algorithm}: wrongly judged", "", [float(wrong)], "limit", [0.0]))
    body = bytes(100_000)
    stated_hash = hashlib.sha256(body).hexdigest()
    started = time.thread_time()
    for _ in range(n):
        changed(body, stated_hash)
    cost = (time.thread_time() - started) / n
    show(f"{n:,} pictures, {len(others)} changed", rows, us_for_100_kb=round(1e6 * cost, 1))


if __name__ == "__main__":
    main()
