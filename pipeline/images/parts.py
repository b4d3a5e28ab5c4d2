"""Pictures in image parts: written once, read by ranges of ids, moved to published shards.

An image part is a folder with `fetched.parquet` (the attempts) and `images.parquet` (the bytes).
With `prune = true` the bytes that the newest build's shards hold leave `images.parquet`;
`moved.parquet` has their places in the shards, where read_images reads them.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from heapq import merge
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from queries.tables import store
from queries.tables.contracts import IMAGES, MOVED
from queries.tables.errors import UserError
from queries.tables.parts import read_rows, write_part, written_whole
from queries.tables.schemas import TABLES
from queries.tables.tars import picture_places

ROWS_PER_GROUP = 256  # pictures: a reader of one shard's range of ids loads little else
GROUP_BYTES = 1 << 26  # a group ends here, too: originals may be of many megabytes
ALL = (0, (1 << 63) - 1)  # pair_ids

Row = dict[str, Any]


def read_images(folder: Path, lowest: int, highest: int) -> Iterator[tuple[int, bytes]]:
    """(pair_id, picture) of an image part for lowest <= pair_id <= highest, in order of pair_id.

    Reads only the row groups whose ids overlap this range. Raises UserError where a picture
    was moved to a shard that is gone.
    """
    away = {row["pair_id"]: row for row in _moved(folder, lowest, highest)}
    no_bytes = ((pair_id, None) for pair_id in away)
    both = merge(_stored(folder, lowest, highest), no_bytes, key=itemgetter(0))
    for pair_id, places in groupby(both, key=itemgetter(0)):
        # A picture is in both places where a process was killed between the two writes.
        own = next((picture for _, picture in places if picture is not None), None)
        yield pair_id, _in_shard(folder, away[pair_id]) if own is None else own


def write_images(path: Path, pictures: Iterable[tuple[int, bytes]]) -> None:
    """Write pairs of (pair_id, picture), which come in order of pair_id, in row groups."""
    with (
        written_whole(path) as beside,
        pq.ParquetWriter(
            beside,
            TABLES["image"].schema,
            compression="none",
            use_dictionary=False,
            write_statistics=["pair_id"],
        ) as writer,
    ):
        for group in _groups(pictures):
            ids, jpgs = zip(*group, strict=True)
            writer.write_table(pa.table({"pair_id": ids, "jpg": jpgs}, TABLES["image"].schema))


def _groups(pictures: Iterable[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    group: list[tuple[int, bytes]] = []
    size = 0
    for pair_id, picture in pictures:
        group.append((pair_id, picture))
        size += len(picture)
        if len(group) == ROWS_PER_GROUP or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def prune(images: Path, build: Path, picked: pa.Table) -> int:
    """Delete from the image parts the bytes that the build's shards hold; returns how many.

    picked: the table `picked` of the build. A picture is deleted only if the shard's bytes are the
    same. A picture in no shard stays, so nothing is fetched again. The place in the shard is
    written down before the picture is deleted: a process killed in between loses nothing.
    """
    part_of = dict(
        zip(picked["pair_id"].to_pylist(), picked["image_part"].to_pylist(), strict=True)
    )
    rows_of_part: dict[str, list[Row]] = {}
    for path in sorted((build / "shards").glob("*.parquet")):
        tar = str(path.with_suffix(".tar"))
        for pair_id, offset, size in picture_places(path):
            row = {"pair_id": pair_id, "tar": tar, "offset": offset, "size": size}
            rows_of_part.setdefault(part_of[pair_id], []).append(row)
    return sum(_prune_part(images / part, rows) for part, rows in sorted(rows_of_part.items()))


def _prune_part(folder: Path, in_shards: list[Row]) -> int:
    """Delete the pictures of a part that these rows place in shards; returns the bytes deleted."""
    rows = {
        row["pair_id"]: row | {"tar": os.path.relpath(row["tar"], str(folder))} for row in in_shards
    }
    going = {
        pair_id: len(picture)
        for pair_id, picture in _stored(folder, *ALL)
        if pair_id in rows and _in_shard(folder, rows[pair_id]) == picture
    }
    before = {row["pair_id"]: row for row in _moved(folder, *ALL)}
    # Pictures moved earlier are now read from this build, so that an older build may be deleted.
    moved = (going.keys() | before.keys()) & rows.keys()
    after = before | {pair_id: rows[pair_id] for pair_id in moved}
    if after != before:
        _write_moved(folder, [after[pair_id] for pair_id in sorted(after)])
    if going:
        write_images(folder / IMAGES, _without(folder, going))
    return sum(going.values())


def stored_pictures(folder: Path, pair_ids: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """(pair_id, picture) of these pairs, where the part itself holds the bytes."""
    return (picture for picture in _stored(folder, *ALL) if picture[0] in pair_ids)


def _without(folder: Path, pair_ids: Collection[int]) -> Iterator[tuple[int, bytes]]:
    return (picture for picture in _stored(folder, *ALL) if picture[0] not in pair_ids)


def delete_pictures(folder: Path, pair_ids: Collection[int]) -> None:
    """Delete the pictures of these pairs from a part, and the rows of `moved` that place them."""
    moved_rows = _moved(folder, *ALL)
    if any(row["pair_id"] in pair_ids for row in moved_rows):
        _write_moved(folder, [row for row in moved_rows if row["pair_id"] not in pair_ids])
    if next(stored_pictures(folder, pair_ids), None):
        write_images(folder / IMAGES, _without(folder, pair_ids))


def restore_pictures(folder: Path, tars: Collection[Path]) -> None:
    """Copy the pictures that were moved to these shards back into the part: the shards will change.

    A process killed in between leaves them in both places: read_images takes the part's.
    """
    rows = _moved(folder, *ALL)
    back = [row for row in rows if (folder / row["tar"]).resolve() in tars]
    if not back:
        return
    held = {pair_id for pair_id, _ in _stored(folder, *ALL)}
    coming = (
        (row["pair_id"], _in_shard(folder, row)) for row in back if row["pair_id"] not in held
    )
    write_images(folder / IMAGES, merge(_stored(folder, *ALL), coming, key=itemgetter(0)))
    _write_moved(folder, [row for row in rows if row not in back])


def _write_moved(folder: Path, rows: list[Row]) -> None:
    listed = pa.Table.from_pylist(rows, TABLES["moved"].schema)
    write_part(folder / MOVED, TABLES["moved"], listed.to_batches())


def _moved(folder: Path, lowest: int, highest: int) -> list[Row]:
    """Rows of `moved` in order of pair_id; none where nothing was moved."""
    path = folder / MOVED
    if not path.exists():
        return []
    within = [("pair_id", ">=", lowest), ("pair_id", "<=", highest)]
    return read_rows(path, filters=within).to_pylist()


def _in_shard(folder: Path, row: Row) -> bytes:
    tar = (folder / row["tar"]).resolve()
    try:
        with store.reading(tar, block=row["size"]) as file:
            file.seek(row["offset"])
            picture = file.read(row["size"])
    except OSError as error:
        picture, fault = b"", error.strerror or str(error)
    else:
        fault = "it is too short"
    if len(picture) != row["size"]:
        raise UserError(
            f"{tar}: {fault}; expected a picture of pair {row['pair_id']}, of which only this "
            f"shard has the bytes: put it back, or delete {folder} to fetch that part again"
        )
    return picture


def _stored(folder: Path, lowest: int, highest: int) -> Iterator[tuple[int, bytes]]:
    with pq.ParquetFile(store.opened(folder / IMAGES)) as file:
        for group in range(file.num_row_groups):
            ids = file.metadata.row_group(group).column(0).statistics
            if ids.max < lowest or ids.min > highest:
                continue
            rows = file.read_row_group(group)
            for pair_id, jpg in zip(rows["pair_id"].to_pylist(), rows["jpg"], strict=True):
                if lowest <= pair_id <= highest:
                    yield pair_id, jpg.as_py()
