"""Where a folder has its shards and rows, and what the readers of others want beside them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.publish.shards import JSON_COLUMNS
from queries.tables.schemas import TABLES

SPLIT = "train"


@dataclass(frozen=True)
class Layout:
    """Patterns of the files that the card tells of, relative to the card's folder."""

    shards: str = "shards/*.tar"
    rows: str = "shards/*.parquet"
    embedded: str = ""  # Parquet with the pictures in it
    endings: tuple[str, ...] = ("jpg",)  # of pictures in the shards

    @property
    def default(self) -> str:
        """What `load_dataset` reads where nothing else is asked for."""
        return self.embedded or self.shards


BUILD = Layout()
PUBLISHED = Layout(f"{SPLIT}/*.tar", "samples/*.parquet")


def reader_files(sizes: Sequence[int]) -> dict[str, str]:
    """What readers want beside the shards SPLIT/0.tar and on, which hold so many samples.

    `nshards.txt` and `dataset_type.txt` are CLIP_benchmark's, `sizes.json` is open_clip's, and
    `index.json` is that of wids.
    """
    shards = [{"url": f"{number}.tar", "nsamples": size} for number, size in enumerate(sizes)]
    by_name = {shard["url"]: shard["nsamples"] for shard in shards}
    index = {"__kind__": "wids-shard-index-v1", "wids_version": 1, "shardlist": shards}
    return {
        f"{SPLIT}/nshards.txt": f"{len(sizes)}\n",
        f"{SPLIT}/sizes.json": json.dumps(by_name, indent=1) + "\n",
        f"{SPLIT}/index.json": json.dumps(index, indent=1) + "\n",
        "dataset_type.txt": "retrieval\n",
    }


def features(layout: Layout) -> list[dict[str, Any]]:
    """The features of the shards as a hub's card names them.

    A reader that guesses them from the first samples takes a column without a value for one of
    nothing, and ends at the first value.
    """
    about = [
        {"name": field.name, "dtype": DTYPES[field.type]}
        for field in TABLES["sample"].schema
        if field.name in JSON_COLUMNS
    ]
    pictures = [{"name": ending, "dtype": "image"} for ending in layout.endings]
    texts = [{"name": name, "dtype": "string"} for name in ("__key__", "__url__")]
    return [
        *pictures,
        {"name": "txt", "dtype": "string"},
        {"name": "json", "struct": about},
        *texts,
    ]


DTYPES = {
    pa.int32(): "int32",
    pa.int64(): "int64",
    pa.float32(): "float32",
    pa.float64(): "float64",
    pa.bool_(): "bool",
    pa.string(): "string",
}


def feature_lines(layout: Layout) -> Iterator[str]:
    """The features as lines of YAML."""
    for feature in features(layout):
        yield f"  - name: {feature['name']}"
        if "dtype" in feature:
            yield f"    dtype: {feature['dtype']}"
            continue
        yield "    struct:"
        for column in feature["struct"]:
            yield f"    - name: {column['name']}"
            yield f"      dtype: {column['dtype']}"
