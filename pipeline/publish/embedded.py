"""Parquet with the pictures in it, as hubs show them: a row a sample, the column `image` first."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.publish.layout import DTYPES
from pipeline.publish.shards import NOT_IN_JSON, ending
from queries.tables.errors import InputError
from queries.tables.parts import read_batches
from queries.tables.schemas import TABLES
from queries.tables.tars import read_pictures

ROWS_AT_ONCE = 256  # of a row group: what a viewer reads to show one page
COLUMNS = [field for field in TABLES["sample"].schema if field.name not in NOT_IN_JSON]
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def schema() -> pa.Schema:
    """The columns, with what `datasets` wants to know of them, so that it decodes the pictures."""
    of = {"image": {"_type": "Image"}}
    of |= {field.name: {"dtype": DTYPES[field.type], "_type": "Value"} for field in COLUMNS}
    metadata = {"huggingface": json.dumps({"info": {"features": of}})}
    plain = [pa.field(field.name, field.type) for field in COLUMNS]
    return pa.schema([pa.field("image", IMAGE), *plain], metadata)


def write_embedded(shard: Path, to: Path) -> None:
    """Write a shard, named by its Parquet, as one file with its pictures; memory is a row group's.

    Raises InputError where the tar lacks a picture.
    """
    with pq.ParquetWriter(to, schema(), compression="zstd") as writer:
        for rows in read_batches(shard, ROWS_AT_ONCE):
            writer.write_batch(_with_pictures(rows, shard))


def _with_pictures(rows: pa.RecordBatch, shard: Path) -> pa.RecordBatch:
    ids = rows["pair_id"].to_pylist()
    pictures = dict(read_pictures(shard, ids))
    if missing := {pair_id for pair_id in ids if not pictures.get(pair_id)}:
        raise InputError(
            f"{shard.with_suffix('.tar')}: no picture of {min(missing):016x}: expected a whole "
            "build; python -m queries check says what else is at fault"
        )
    images = list(_images(ids, pictures))
    columns = [pa.array(images, IMAGE)]
    for field in COLUMNS:
        is_column = field.name in rows.schema.names
        columns.append(rows[field.name] if is_column else pa.nulls(len(rows), field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema())


def _images(ids: list[int], pictures: dict[int, bytes]) -> Iterator[dict[str, object]]:
    for pair_id in ids:
        picture = pictures[pair_id]
        yield {"bytes": picture, "path": f"{pair_id:016x}.{ending(picture)}"}
