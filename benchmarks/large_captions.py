"""3 GiB of captions: train, train on a condition, and score; is the memory bounded?

    python -m benchmarks.large_captions             # 3 GiB: minutes
    python -m benchmarks.large_captions --quick     # 48 MiB

A build of 65,536 pairs whose captions have 48 KiB each is made up. The trainer's commands run on
it, each a process of its own, and the most memory that each had is printed beside the captions' own
size: they are in memory once. It fails where a command had more than the captions, a shard of them
for each thread and ROOM_BYTES. Not against a peer: open_clip keeps no captions and chooses by none.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import Row, show
from queries.tables.schemas import TABLES
from queries.tables.tars import with_places
from tests.trainer_fixtures import CLASSES, jpeg, picture, write_tar

CAPTION_BYTES = 48 << 10
SHARDS, PER_SHARD, QUICK_PER_SHARD = 8, 8_192, 128
ROOM_BYTES = 2 << 30  # Python, torch and a model; a batch; DuckDB's 1 GB
SECONDS = 20  # of a training


def make_build(root: Path, per_shard: int) -> int:
    """Write the build; the bytes of its captions. Each caption says its number first."""
    data = [jpeg(picture(name, 0)[::3, ::3].copy()) for name in CLASSES]
    total = 0
    for shard in range(SHARDS):
        ids = range(shard * per_shard, (shard + 1) * per_shard)
        tar = root / "shards" / f"{shard:05d}.tar"
        write_tar(tar, {f"{n:016x}.jpg": data[n % len(data)] for n in ids})
        tail = " a red house by the sea" * (CAPTION_BYTES // 23)
        captions = pa.array([f"{n} {CLASSES[n % len(data)]}{tail}" for n in ids], pa.large_string())
        total += captions.nbytes
        columns = {"pair_id": np.array(ids), "key": [f"{n:016x}" for n in ids]}
        _write(tar, columns, captions)
    (root / "manifest.json").write_text(json.dumps({"version": f"captions-{per_shard}"}))
    return total


def _write(tar: Path, columns: dict, captions: pa.Array) -> None:
    """The rows beside a tar, all other columns as empty as their types allow."""
    schema = TABLES["sample"].schema
    empty = {pa.string(): "", pa.int64(): 0, pa.int32(): 0, pa.float64(): 0.0, pa.bool_(): False}
    arrays = []
    for field in schema:
        if field.name == "caption":
            arrays.append(captions.cast(pa.string()))
        elif field.name in columns:
            arrays.append(pa.array(columns[field.name], field.type))
        else:
            arrays.append(pa.array([empty.get(field.type)] * len(captions), field.type))
    table = with_places(pa.Table.from_arrays(arrays, schema=schema), tar)
    pq.write_table(table, tar.with_suffix(".parquet"), row_group_size=1_024, compression="zstd")


def most_memory(command: list[str]) -> int:
    """Run a command of the trainer to its end; the most bytes that it had in memory."""
    process = subprocess.Popen([sys.executable, "-m", "trainer", *command])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: status {process.returncode}")
    return usage.ru_maxrss << 10


def measured(root: Path, per_shard: int, seconds: float) -> tuple[int, dict[str, int]]:
    """The bytes of the captions, and the most memory of each command."""
    total = make_build(root / "build", per_shard)
    data = ["--data", f"{root}/build"]
    budget = ["--max-seconds", f"{seconds}", "--epochs", "1"]
    where = "pair_id % 2 = 0 and caption like '%sea'"
    return total, {
        "train": most_memory(["train", *data, "--run", f"{root}/run", *budget]),
        "train --where": most_memory(
            ["train", *data, "--run", f"{root}/half", *budget, "--where", where]
        ),
        "score": most_memory(["score", *data, "--run", f"{root}/run"]),
    }


def limit(total: int) -> int:
    """The most memory that a command may have."""
    return total + len(os.sched_getaffinity(0)) * total // SHARDS + ROOM_BYTES


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="48 MiB of captions")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as root:
        total, most = measured(Path(root), QUICK_PER_SHARD if quick else PER_SHARD, SECONDS)
    rows = [
        Row(name, "GiB", [n_bytes / 2**30], "the captions", [total / 2**30])
        for name, n_bytes in most.items()
    ]
    show("The most memory of a command", rows, limit_gib=round(limit(total) / 2**30, 2))
    if max(most.values()) > limit(total):
        sys.exit("more memory than the limit")


if __name__ == "__main__":
    main()
