"""A build as others read it: the readers that people have already find pictures and rows as made.

No reader asks a network: Hugging Face's libraries are told that there is none.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from queries.questions import views
from tests.image_server import ImageServer
from tests.processes import WAIT_S
from tests.small_build import Small

pytestmark = pytest.mark.slow

# In a process of its own: the library reads its environment when it is imported.
LOAD_DATASET = """
import json, sys
from datasets import load_dataset

tars = sys.argv[1:]
for streaming in (False, True):
    rows = load_dataset(
        "webdataset", data_files={"train": tars}, split="train", streaming=streaming
    )
    for row in rows:
        picture = row["jpg"].convert("RGB")
        said = [row["__key__"], row["txt"], picture.size, row["json"]["url"], streaming]
        print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    with ImageServer() as server:
        small = Small(tmp_path_factory.mktemp("small"), server.url(""))
        return small.build(tmp_path_factory.mktemp("built") / "wit")


@pytest.fixture(scope="module")
def samples(built) -> list[dict]:
    rows = pa.concat_tables(map(pq.read_table, sorted((built / "shards").glob("*.parquet"))))
    return sorted(rows.to_pylist(), key=lambda row: row["key"])


def tars(built: Path) -> list[str]:
    return [str(path) for path in sorted((built / "shards").glob("*.tar"))]


def test_datasets_reads_every_sample_whole_and_as_a_stream(built, samples, tmp_path):
    pytest.importorskip("datasets", reason="datasets is not installed: pip install '.[test]'")
    offline = {
        one: "1" for one in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY")
    }
    done = subprocess.run(
        [sys.executable, "-c", LOAD_DATASET, *tars(built)],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env={**os.environ, **offline, "HF_HOME": str(tmp_path), "HF_DATASETS_CACHE": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    found = sorted(json.loads(line) for line in done.stdout.splitlines())
    assert found == sorted(
        [row["key"], row["caption"], [row["width"], row["height"]], row["url"], streaming]
        for row in samples
        for streaming in (False, True)
    )


def test_webdataset_reads_every_sample_with_its_picture(built, samples):
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    read = webdataset.WebDataset(tars(built), shardshuffle=False).decode("rgb8")
    found = sorted(
        (key, caption, picture.shape, about["pair_id"])
        for key, picture, caption, about in read.to_tuple("__key__", "jpg", "txt", "json")
    )
    assert found == [
        (row["key"], row["caption"], (row["height"], row["width"], 3), row["pair_id"])
        for row in samples
    ]


def test_duckdb_reads_the_shards_rows_and_the_views(built, samples, tmp_path):
    shards = f"read_parquet('{built}/shards/*.parquet')"
    asked = f"SELECT key, caption, width, sha256 FROM {shards} ORDER BY key"
    assert in_duckdb(asked) == [
        {name: row[name] for name in ("key", "caption", "width", "sha256")} for row in samples
    ]
    lines = "\n".join(views(built))
    (kept,) = in_duckdb(f"{lines}\nSELECT COUNT(DISTINCT pair_id) AS n FROM kept_match")
    assert kept == {"n": len(samples)}


def in_duckdb(sql: str) -> list[dict]:
    """What DuckDB's own shell answers, which knows nothing of ours."""
    shell = Path(sys.executable).parent / "duckdb"
    if not shell.exists():
        pytest.skip("duckdb's shell is not installed: pip install '.[test]'")
    done = subprocess.run(
        [shell, "-json"], input=sql, capture_output=True, text=True, timeout=WAIT_S
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
