"""A build, and the folder that it is published as, read by what people have already.

No reader asks a network: Hugging Face's libraries are told that there is none.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.__main__ import main
from pipeline.publish.shards import JSON_COLUMNS
from pipeline.publish.version import publish
from queries.questions import views
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from tests.image_server import ImageServer
from tests.processes import WAIT_S
from tests.small_build import Small
from tests.tables import build_row, rows

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
def public(built) -> Path:
    folder = built.parent.parent / "public"
    assert main(["publish", str(built), "--to", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def embedded(built) -> Path:
    folder = built.parent.parent / "embedded"
    assert main(["publish", str(built), "--to", str(folder), "--embed"]) == 0
    return folder


ORIGINALS = [("jpg", "JPEG", None), ("png", "PNG", "CC0"), ("webp", "WEBP", "CC BY 4.0")] * 3


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> Path:
    """A published build that kept pictures as they were served, of three endings in turns."""
    folder = tmp_path_factory.mktemp("originals")
    shard, samples = folder / "shard.parquet", []
    with tarfile.open(shard.with_suffix(".tar"), "w", format=tarfile.USTAR_FORMAT) as tar:
        for number, (ending, form, license_) in enumerate(ORIGINALS):
            key, picture = f"{number:016x}", io.BytesIO()
            Image.new("RGB", (40 + number, 40)).save(picture, form)
            row = {"pair_id": number, "key": key, "license": license_}
            samples.append({**row, "caption": f"picture {number}", "width": 40 + number})
            about = {name: samples[-1].get(name) for name in JSON_COLUMNS}
            files = (picture.getvalue(), b"picture %d" % number, json.dumps(about).encode())
            for suffix, content in zip((ending, "txt", "json"), files, strict=True):
                member = tarfile.TarInfo(f"{key}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    write_part(shard, TABLES["sample"], rows("sample", *samples).to_batches())
    tables = {"build": build_row(), "query": rows("query", {"text": "dog"})}
    about = {"settings": {"images": {"keep_originals": True}}}
    build = publish(folder / "wit", "v1", tables, [shard], about)
    assert main(["publish", str(build), "--to", str(folder / "public")]) == 0
    return folder / "public"


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


# What a stranger writes who has the folder: its card says what the default is.
LOAD_FOLDER = """
import json, sys
from datasets import load_dataset

for folder in sys.argv[1:]:
    for streaming in (False, True):
        for row in load_dataset(folder, split="train", streaming=streaming):
            pictures = (row.get(name) for name in ("jpg", "png", "webp", "image"))
            (picture,) = filter(None, pictures)
            caption = row.get("txt") or row["caption"]
            about = row.get("json") or row
            print(json.dumps([about["key"], caption, picture.size, about["license"], streaming]))
"""


def test_datasets_reads_a_folder_by_its_cards_default(
    built, public, embedded, originals, samples, tmp_path
):
    """Of the build, of what is published, of Parquet with embedded pictures, and of three endings.

    Who guesses the columns from the first samples ends at the first licence behind them.
    """
    pytest.importorskip("datasets", reason="datasets is not installed: pip install '.[test]'")
    assert main(["card", "--build", str(built)]) == 0
    offline = {name: "1" for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")}
    done = subprocess.run(
        [sys.executable, "-c", LOAD_FOLDER, *map(str, (built, public, embedded, originals))],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env={**os.environ, **offline, "HF_HOME": str(tmp_path), "HF_DATASETS_CACHE": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    every = [
        [row["key"], row["caption"], [row["width"], row["height"]], row["license"], streaming]
        for row in samples
        for streaming in (False, True)
    ] * 3
    every += [
        [f"{number:016x}", f"picture {number}", [40 + number, 40], license_, streaming]
        for number, (_, _, license_) in enumerate(ORIGINALS)
        for streaming in (False, True)
    ]
    assert sorted(map(json.loads, done.stdout.splitlines()), key=str) == sorted(every, key=str)


def test_webdataset_reads_originals_of_three_endings_that_are_all_named(originals):
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    read = webdataset.WebDataset(str(originals / "train/0.tar"), shardshuffle=False)
    pairs = list(
        read.decode(webdataset.imagehandler("pil", ["jpg", "png", "webp"])).to_tuple(
            "jpg;png;webp", "txt"
        )
    )
    assert [(picture.size, caption) for picture, caption in pairs] == [
        ((40 + number, 40), f"picture {number}") for number in range(len(ORIGINALS))
    ]


def test_wids_finds_each_sample_of_a_published_folder_by_its_number(public, samples, tmp_path):
    wids = pytest.importorskip("wids", reason="webdataset is not installed, or is of 1.0")
    read = wids.ShardListDataset(str(public / "train/index.json"), cache_dir=str(tmp_path))
    assert len(read) == len(samples)
    rows = [read[number] for number in range(len(read))]
    assert sorted((row["__key__"], row[".txt"], row[".jpg"].size) for row in rows) == [
        (row["key"], row["caption"], (row["width"], row["height"])) for row in samples
    ]


def test_clip_benchmark_reads_a_published_folder_as_a_retrieval_set(public, samples):
    """By its own reader where it is installed, else as that reader does."""
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    assert (public / "dataset_type.txt").read_text() == "retrieval\n"
    last = int((public / "train/nshards.txt").read_text()) - 1
    try:
        from clip_benchmark.datasets.builder import build_wds_dataset as build
    except ImportError:
        handler = webdataset.autodecode.ImageHandler("pil", extensions=["webp", "png", "jpg"])
        names = str(public / "train" / f"{{0..{last}}}.tar")
        read = webdataset.WebDataset(names, shardshuffle=False).decode(handler)
        pairs = read.to_tuple("webp;png;jpg;jpeg", "txt").map_tuple(None, str.splitlines)
    else:
        pairs = build("mine", lambda picture: picture, split="train", data_dir=str(public))
    assert sorted((captions[0], picture.size) for picture, captions in pairs) == sorted(
        (row["caption"], (row["width"], row["height"])) for row in samples
    )


def test_open_clips_sizes_are_those_of_the_shards(public, samples):
    train = pytest.importorskip("open_clip_train.data", reason="no open_clip_torch[training]")
    last = int((public / "train/nshards.txt").read_text()) - 1
    size, n_shards = train.get_dataset_size(str(public / "train" / f"{{0..{last}}}.tar"))
    assert (size, n_shards) == (len(samples), last + 1)


TINY = {  # a model that trains in seconds
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {
        **{"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    },
}


def test_open_clip_trains_on_a_published_folder(public, samples, tmp_path):
    """In an environment of its own, which has torchvision."""
    python = os.environ.get("OPEN_CLIP_PYTHON", "")
    if not python:
        pytest.skip("no OPEN_CLIP_PYTHON, the Python of an environment with open_clip's training")
    half = [0.5, 0.5, 0.5]
    about = {"size": [32, 32], "mode": "RGB", "mean": half, "std": half}
    config = {"model_cfg": TINY, "preprocess_cfg": about}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    last = int((public / "train/nshards.txt").read_text()) - 1
    words = f"""-m open_clip_train.main --dataset-type webdataset --model local-dir:{tmp_path}
        --train-data {public}/train/{{0..{last}}}.tar --batch-size 8 --epochs 1 --workers 1
        --precision fp32 --warmup 1 --logs {tmp_path} --name run"""
    done = subprocess.run(
        [python, *words.split()], capture_output=True, text=True, timeout=WAIT_S, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    assert (tmp_path / "run/checkpoints/epoch_1.pt").exists()


@pytest.mark.parametrize("kind", ["public", "embedded"])
def test_mlcroissant_finds_no_fault_and_reads_pictures_and_captions(
    kind, samples, request, tmp_path, monkeypatch
):
    """In a cache of its own: mlcroissant 1.1 takes tars of one name for one, whatever they hold."""
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs mlcroissant")
    extract = "mlcroissant._src.operation_graph.operations.extract.EXTRACT_PATH"
    monkeypatch.setattr(extract, type(mlcroissant._src.core.constants.EXTRACT_PATH)(tmp_path))
    folder = request.getfixturevalue(kind)
    told = mlcroissant.Dataset(folder / "croissant.json")
    assert told.metadata.ctx.issues.errors == set()
    assert told.metadata.ctx.issues.warnings == set()
    assert told.metadata.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1"
    by_set = {"pictures": "image", "captions": "caption"}
    if kind == "embedded":
        by_set = {"default": "image"}
    for records, column in by_set.items():
        rows = list(told.records(records))
        keys = [row[f"{records}/key"].decode() for row in rows]
        assert sorted(keys) == [row["key"] for row in samples]
        if column == "image":
            sizes = {row[f"{records}/image"].size for row in rows}
            assert sizes == {(row["width"], row["height"]) for row in samples}


def test_polars_reads_rows_tables_and_embedded_pictures(embedded, samples):
    polars = pytest.importorskip("polars", reason="polars is not installed: pip install '.[test]'")
    rows = polars.read_parquet(embedded / "data/*.parquet").sort("key")
    assert rows["caption"].to_list() == [row["caption"] for row in samples]
    assert all(bytes_[:2] == b"\xff\xd8" for bytes_ in rows["image"].struct.field("bytes"))
    assert polars.read_parquet(embedded / "samples/*.parquet").height == len(samples)
    assert polars.read_parquet(embedded / "tables/query/*.parquet").height > 0


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
