"""The pictures of image parts: written once, read by ranges of ids, given up to published shards.

An image part is a folder with `fetched.parquet` (what was asked for) and `images.parquet` (the
bytes). With `prune = true` the bytes that the newest build's shards hold leave `images.parquet`;
`moved.parquet` says where each is, and read_images finds it there.
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

    Reads only the row groups whose range of ids meets the wanted one. Raises UserError where a
    picture was moved to a shard that is no longer there.
    """
    away = {row["pair_id"]: row for row in _moved(folder, lowest, highest)}
    both = merge(_stored(folder, lowest, highest), ((one, None) for one in away), key=itemgetter(0))
    for pair_id, found in groupby(both, key=itemgetter(0)):
        # It is in both places where a process was killed between writing the one and the other.
        here = next((picture for _, picture in found if picture is not None), None)
        yield pair_id, _in_shard(folder, away[pair_id]) if here is None else here


def write_images(path: Path, pictures: Iterable[tuple[int, bytes]]) -> None:
    """Write (pair_id, picture), given in order of pair_id, in row groups."""
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
    """Take out of the image parts the bytes that the build's shards hold; how many bytes went.

    picked: the table `picked` of the build. A picture goes only if the shard's bytes are the same.
    What no shard holds stays, so nothing is asked for again. Where a picture is now is written
    down before it goes: a process that is killed in between loses nothing.
    """
    part_of = dict(
        zip(picked["pair_id"].to_pylist(), picked["image_part"].to_pylist(), strict=True)
    )
    of_part: dict[str, list[Row]] = {}
    for path in sorted((build / "shards").glob("*.parquet")):
        tar = str(path.with_suffix(".tar"))
        for pair_id, offset, size in picture_places(path):
            row = {"pair_id": pair_id, "tar": tar, "offset": offset, "size": size}
            of_part.setdefault(part_of[pair_id], []).append(row)
    return sum(_prune_part(images / part, rows) for part, rows in sorted(of_part.items()))


def _prune_part(folder: Path, in_shards: list[Row]) -> int:
    """Give up the pictures of a part that these rows place in shards; the bytes that went."""
    rows = {
        one["pair_id"]: one | {"tar": os.path.relpath(one["tar"], str(folder))} for one in in_shards
    }
    going = {
        pair_id: len(picture)
        for pair_id, picture in _stored(folder, *ALL)
        if pair_id in rows and _in_shard(folder, rows[pair_id]) == picture
    }
    before = {row["pair_id"]: row for row in _moved(folder, *ALL)}
    # What went earlier is now looked for in this build, so that an older one may be deleted.
    after = before | {one: rows[one] for one in (going.keys() | before.keys()) & rows.keys()}
    if after != before:
        _write_moved(folder, [after[one] for one in sorted(after)])
    if going:
        stay = (one for one in _stored(folder, *ALL) if one[0] not in going)
        write_images(folder / IMAGES, stay)
    return sum(going.values())


def stored(folder: Path, pair_ids: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """(pair_id, picture) of these pairs, where the part itself holds the bytes."""
    return (one for one in _stored(folder, *ALL) if one[0] in pair_ids)


def forget(folder: Path, pair_ids: Collection[int]) -> None:
    """Take the pictures of these pairs out of a part, and the places of those that were moved."""
    moved_rows = _moved(folder, *ALL)
    if any(row["pair_id"] in pair_ids for row in moved_rows):
        _write_moved(folder, [row for row in moved_rows if row["pair_id"] not in pair_ids])
    if next(stored(folder, pair_ids), None):
        stay = (one for one in _stored(folder, *ALL) if one[0] not in pair_ids)
        write_images(folder / IMAGES, stay)


def take_back(folder: Path, tars: Collection[Path]) -> None:
    """Read the pictures that were moved to these shards, which are to change, back into the part.

    They are in both places where a process was killed in between: read_images takes the part's.
    """
    rows = _moved(folder, *ALL)
    back = [row for row in rows if (folder / row["tar"]).resolve() in tars]
    if not back:
        return
    here = {pair_id for pair_id, _ in _stored(folder, *ALL)}
    coming = (
        (row["pair_id"], _in_shard(folder, row)) for row in back if row["pair_id"] not in here
    )
    write_images(folder / IMAGES, merge(_stored(folder, *ALL), coming, key=itemgetter(0)))
    _write_moved(folder, [row for row in rows if row not in back])


def _write_moved(folder: Path, rows: list[Row]) -> None:
    listed = pa.Table.from_pylist(rows, TABLES["moved"].schema)
    write_part(folder / MOVED, TABLES["moved"], listed.to_batches())


def _moved(folder: Path, lowest: int, highest: int) -> list[Row]:
    """Rows of `moved` in order of pair_id; none where nothing was given up."""
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
        picture, said = b"", error.strerror or str(error)
    else:
        said = "it is too short"
    if len(picture) != row["size"]:
        raise UserError(
            f"{tar}: {said}; expected a picture of pair {row['pair_id']}, of which only this shard "
            f"has the bytes: put it back, or delete {folder} to fetch that part again"
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
