"""Kept pairs to WebDataset shards: a tar of samples and the Parquet of their rows.

A sample's shard is the leading bits of its pair_id, so a takedown rewrites one shard and no shard
is all head queries. Equal rows give equal bytes.
"""

import io
import json
import math
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from pipeline.text import words
from queries.tables.parts import digest, written_whole
from queries.tables.schemas import TABLES
from queries.tables.tars import PLACE

ID_BITS = 63  # of pair_id
NOT_IN_JSON = ("priority", *PLACE)
JSON_COLUMNS = [name for name in TABLES["sample"].schema.names if name not in NOT_IN_JSON]

ReadImages = Callable[[Path, int, int], Iterator[tuple[int, bytes]]]


def shard_bits(n_samples: int, samples_per_shard: int) -> int:
    """Leading bits of pair_id that name a shard.

    >>> shard_bits(1_500, 1_000), shard_bits(0, 1_000), shard_bits(1_000, 1_000)
    (1, 0, 0)
    """
    return max(0, math.ceil(math.log2(max(n_samples, 1) / samples_per_shard)))


def cut(picked: pa.Table, bits: int) -> Iterator[tuple[int, pa.Table]]:
    """Rows sorted by pair_id, as (shard number, its rows): every number, also of empty shards."""
    ids = picked["pair_id"].to_numpy()
    shift = ID_BITS - bits
    for number in range(1 << bits):
        low = ids.searchsorted(number << shift, side="left")
        high = ids.searchsorted(((number + 1) << shift) - 1, side="right")
        yield number, picked.slice(low, high - low)


def shard_digest(rows: pa.Table, image_digest: str) -> str:
    """The digest of everything that decides a shard's bytes."""
    return digest("shard", 2, image_digest, rows.to_pydict())


def pack(
    batches: Iterator[pa.RecordBatch],
    folder: Path,
    images: Path,
    read_images: ReadImages,
    image_digest: str,
) -> Iterator[pa.RecordBatch]:
    """Map: the rows of one shard (table `picked`) to its rows of `sample`; writes its tar.

    The tar stands in `folder` under the shard's digest before the rows are handed on, so a shard
    whose Parquet is there has its tar.
    """
    picked = pa.Table.from_batches(batches, TABLES["picked"].schema)
    rows = [_sample(row) for row in picked.drop_columns("image_part").to_pylist()]
    places = dict(zip(picked["pair_id"].to_pylist(), picked["image_part"].to_pylist(), strict=True))
    with (
        written_whole(folder / f"{shard_digest(picked, image_digest)}.tar") as beside,
        tarfile.open(beside, "w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        pictures = _pictures(places, images, read_images)
        for row in rows:
            picture = pictures[row["pair_id"]]
            row["offset"], row["bytes"] = tar.offset + tarfile.BLOCKSIZE, len(picture)
            _add_sample(tar, row, picture)
    yield from pa.Table.from_pylist(rows, TABLES["sample"].schema).combine_chunks().to_batches()


def _pictures(places: dict[int, str], images: Path, read_images: ReadImages) -> dict[int, bytes]:
    pictures: dict[int, bytes] = {}
    for part in sorted(set(places.values())):
        for pair_id, picture in read_images(images / part, min(places), max(places)):
            if places.get(pair_id) == part:
                pictures[pair_id] = picture
    return pictures


def _sample(row: dict) -> dict:
    return {"key": f"{row['pair_id']:016x}", **row, "n_words": len(words(row["caption"]))}


def _add_sample(tar: tarfile.TarFile, row: dict, picture: bytes) -> None:
    about = json.dumps({name: row[name] for name in JSON_COLUMNS}, ensure_ascii=False)
    _add(tar, f"{row['key']}.{ending(picture)}", picture)
    _add(tar, f"{row['key']}.txt", row["caption"].encode())
    _add(tar, f"{row['key']}.json", about.encode())


def ending(picture: bytes) -> str:
    """That of a picture's name: jpg, or that of an original of another type, by its first bytes.

    >>> ending(b"\\xff\\xd8\\xff"), ending(b"\\x89PNG"), ending(b"RIFF\\0\\0\\0\\0WEBP")
    ('jpg', 'png', 'webp')
    """
    if picture.startswith(b"\x89PNG"):
        return "png"
    return "webp" if picture.startswith(b"RIFF") and picture[8:12] == b"WEBP" else "jpg"


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # no owner, no time: equal rows give equal bytes
    member.size = len(content)
    member.mode = 0o644
    tar.addfile(member, io.BytesIO(content))
