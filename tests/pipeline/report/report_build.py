"""A build of a few literal rows that has something for every part of the report, and a run."""

import io
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.publish.version import publish
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from queries.tables.tars import with_places
from tests.image_server import picture
from tests.tables import build_row, rows

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "right \u202eto left\u202c again \u200f\u05d0",
    "{{ 7 * 7 }}",
    "long " * 2_000,
    "</title></style></script><svg onload=alert(1)>",
    "a&amp;b <!-- x --> $\\frac$ \x00 \x1b",
    "w" * 10_000,
]
QUERIES = ["<b>lighthouse</b>", "red house", '"><script>alert(2)</script>', "$x$", "\u202etower"]
SETTINGS = {"selection": {"cap": 2, "near_bits": 0}, "note": "</pre><script>alert(3)</script>"}
ENDS = (  # of the query list: titles and the whole list are as long as they were asked to be
    {"source": "word", "quota": 1000, "least": 5, "offered": 999, "entered": 999, "missing": 1},
    {"source": "bigram", "quota": 4000, "least": 9, "offered": 0, "missing": 4000},
    {"source": "title", "quota": 2, "least": 70, "offered": 3, "entered": 2},
    {"source": "list", "quota": 1000, "offered": 1002, "entered": 1000},
)
LEFT_OUT = 100


def hostile_build(workspace: Path) -> Path:
    """The build of a workspace: every sample is kept for the first query and for one of its own."""
    samples = [
        {
            **{"pair_id": n, "key": f"{n:016x}", "caption": caption, "priority": n, "n_words": 1},
            "url": f"http://<b>host{n % 3}</b>/{n}.png",
            "source": "<i>mine</i>",
            "license": "<u>cc0</u>" if n % 2 else None,
            **{"original_width": 100 * 2**n, "original_height": 90 * 2**n, "phash": n},
        }
        for n, caption in enumerate(HOSTILE)
    ]
    shard = workspace / "shard.parquet"
    write_shard(shard, samples, {row["key"]: picture(row["pair_id"]) for row in samples})
    kept = [{"pair_id": row["pair_id"], "query_id": 0} for row in samples]
    kept += [{"pair_id": n, "query_id": 1 + n % 4} for n in range(len(samples))]
    sources = ["word", "word", "bigram", "title", "wordnet"]
    pair = {"pair_id": LEFT_OUT, "caption": HOSTILE[0], "url": HOSTILE[1], "priority": 99}
    outcome = [{"pair_id": row["pair_id"], "attempt": 1} for row in samples]
    drops = [("filter", "caption_too_short"), ("<b>odd</b>", "<i>reason</i>")]
    tables: dict[str, list | pa.Table] = {
        "query": rows(
            "query",
            *[
                {"query_id": n, "text": text, "entered_by": source, "sources": 1, "rank": n + 1}
                for n, (text, source) in enumerate(zip(QUERIES, sources, strict=True))
            ],
        ),
        "pair": rows("pair", *[{"pair_id": row["pair_id"]} for row in samples], pair),
        "match": rows("match", *kept, {"pair_id": LEFT_OUT, "query_id": 0}),
        "kept_match": rows("kept_match", *kept),
        "attempt": rows("attempt", {"pair_id": LEFT_OUT, "attempt": 1, "phash": 3}),
        "outcome": rows(
            "outcome", *outcome, {"pair_id": LEFT_OUT, "attempt": 1, "reason": "near_duplicate"}
        ),
        "drop": rows(
            "drop",
            *[
                {"pair_id": n, "stage": stage, "reason": reason, "caption": caption, "url": caption}
                for n, caption in enumerate(HOSTILE)
                for stage, reason in drops
            ],
        ),
        "round": rows(
            "round",
            {"round": 0, "n_unsettled": 5, "n_asked": 9, "n_survived": 8},
            {"round": 1, "n_unsettled": 1, "n_asked": 0, "n_survived": 0},
        ),
        "stage": rows(
            "stage",
            {"stage": "collect", "part": "0", "rows_in": 30, "rows_kept": 20, "rows_dropped": 10},
            {"stage": "fetch", "part": "0", "rows_in": 20, "rows_kept": 8, "rows_dropped": 12},
        ),
        "near_skipped": rows("near_skipped", {"n_bits": 16, "n_hashes": 123_456}),
        "list_source": rows("list_source", *ENDS),
        "build": build_row(near_bits=0, pmi_min=7.5),
    }
    part = workspace / "images" / "0" / "0"
    part.mkdir(parents=True)
    pq.write_table(pa.table({"pair_id": [LEFT_OUT]}), part / "fetched.parquet")
    pq.write_table(pa.table({"pair_id": [LEFT_OUT], "jpg": [picture(3)]}), part / "images.parquet")
    return publish(workspace, "v1", tables, [shard], {"settings": SETTINGS})


def largest_build(workspace: Path, n: int) -> Path:
    """A build whose page is as large as strangers can make it: long captions, noisy pictures."""
    samples = [
        {"pair_id": i, "key": f"{i:016x}", "caption": '"' * 10_000, "priority": i} for i in range(n)
    ]
    shard = workspace / "shard.parquet"
    noise = np.random.default_rng(0).integers(0, 255, (192, 192, 3), np.uint8)
    png = cv2.imencode(".png", noise)[1].tobytes()
    write_shard(shard, samples, {row["key"]: png for row in samples})
    tables: dict[str, list | pa.Table] = {
        "query": rows("query", *[{"query_id": i, "text": f"{i}" * 150} for i in range(24)]),
        "kept_match": rows(
            "kept_match", *[{"pair_id": i, "query_id": q} for i in range(n) for q in range(24)]
        ),
        "build": build_row(),
    }
    return publish(workspace, "v1", tables, [shard], {"settings": SETTINGS})


def empty_build(workspace: Path) -> Path:
    """A build that keeps nothing."""
    shard = workspace / "shard.parquet"
    write_shard(shard, [], {})
    return publish(workspace, "v1", {"build": build_row()}, [shard], {"settings": SETTINGS})


def write_shard(shard: Path, samples: list[dict], pictures: dict[str, bytes]) -> None:
    """The Parquet of the samples, and beside it the tar of their pictures."""
    tar = shard.with_suffix(".tar")
    write_tar(tar, pictures)
    batches = rows("sample", *samples).to_batches()
    write_part(shard, TABLES["sample"], (with_places(batch, tar) for batch in batches))


def write_tar(path: Path, pictures: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for key, content in pictures.items():
            member = tarfile.TarInfo(f"{key}.jpg")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def figure_of(name: str) -> dict:
    """A result with one figure, as the trainer writes it."""
    return {name: 0.625, f"{name}_interval_95": [0.5, 0.75], f"{name}_chance": 0.1, f"{name}_n": 8}


def hostile_run(folder: Path) -> Path:
    """A run with one evaluation set, whose log a kill has cut off."""
    folder.mkdir()
    steps = [{"step": n, "loss": 5 / n, "lr": 0.001} for n in range(1, 60)]
    cut_off = '{"step": 60, "lo'
    (folder / "train.jsonl").write_text("".join(json.dumps(one) + "\n" for one in steps) + cut_off)
    record = {"parameters": 9, "samples": 8, "images": 8, "steps": 60, "seconds": 1.5, "loss": 0.1}
    (folder / "run.json").write_text(json.dumps(record))
    zeroshot = {"images": 2, "classes": 2, "top1": 0.5, "top5": 1.0, "chance": 0.5}
    zeroshot |= {"top1_interval_95": [0.1, 0.9]}
    (folder / "zeroshot.json").write_text(json.dumps({HOSTILE[0]: zeroshot}))
    for task, figure in (("retrieval", "text_to_image_5"), ("probe", "top1")):
        (folder / f"{task}.json").write_text(json.dumps({HOSTILE[0]: figure_of(figure)}))
    shots = figure_of("shots_4") | {"equal_shots": 3.14159, "equal_bound": "fewer"}
    (folder / "fewshot.json").write_text(json.dumps({HOSTILE[0]: shots}))
    above = {"effective": {"zero-shot": 0.125, "probe": None}, "relative": -0.25}
    robustness = figure_of("probe_shifted") | above
    (folder / "robustness.json").write_text(json.dumps({HOSTILE[0]: robustness}))
    overlap = {"n": 2, "n_overlap": 1, "contamination": 0.5, "accuracy": 0.5, "gain": None}
    overlap |= {"clean_accuracy": None, "overlap_accuracy": 1.0, "p": None, "p_bonferroni": None}
    overlap |= {"detector": "phash", "n_uniform": 0, "overlap_interval": [0.1, 1.0]}
    (folder / "overlap.json").write_text(json.dumps({HOSTILE[0]: overlap}))
    near = {"eval_set": HOSTILE[0], "image": HOSTILE[1], "class_name": HOSTILE[2], "overlap": True}
    found = rows("overlap", near | {"nearest_pair_id": 1, "nearest_distance": 2})
    write_part(folder / "tables/overlap/0.parquet", TABLES["overlap"], found.to_batches())
    return folder
