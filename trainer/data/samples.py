"""The samples of a build: the rows that meet a condition, and their pictures by row."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from queries.engine.duck import DuckEngine
from queries.tables.errors import InputError, first_line
from queries.tables.manifest import MANIFEST, unchanged
from queries.tables.schemas import TABLES
from queries.tables.tars import PLACE, picture_names
from trainer.data.pixels import BadPictureError, Room, decode, resized_crop
from trainer.data.shards import Shards, open_shards
from trainer.settings import TrainerError

CACHE_BYTES = 1 << 30  # pictures decoded once and kept; beyond it they are decoded every epoch
PICTURE_BYTES = 1 << 26  # a larger file is no sample of ours: it is not read
COLUMNS = ["key", "pair_id", "caption"]
SQL_MEMORY = "1GB"


@dataclass
class Samples:
    """The pairs of a build, and how to read their pictures with a shorter side of `side` pixels.

    Any thread may ask for any picture.
    """

    rows: pa.Table  # key, pair_id, caption
    places: np.ndarray  # (N, 3) int64: shard's number, offset, bytes; -1 bytes: the tar lacks it
    shards: Shards
    names: list[str]  # of the shards
    side: int
    corrupt: dict[str, str] = field(default_factory=dict)  # key to what is wrong with it
    cache_bytes: int = CACHE_BYTES
    _cache: dict[int, np.ndarray] = field(default_factory=dict)
    _cached_bytes: int = 0
    _lock: Lock = field(default_factory=Lock)
    _room: Room = field(default_factory=Room)

    def __len__(self) -> int:
        return self.rows.num_rows

    def key(self, i: int) -> str:
        return self.rows["key"][i].as_py()

    def captions(self, rows: np.ndarray) -> list[str]:
        return self.rows["caption"].take(pa.array(rows, pa.int64())).to_pylist()

    def fill(self, i: int, down: float, right: float, out: np.ndarray) -> bool:
        """Fill `out` (S, S, 3) with a square of picture i; False if the picture is corrupt.

        The fault of a corrupt picture is kept in `corrupt` under its key; it is not tried again.
        """
        image = self._cache.get(i)
        if image is None:
            key = self.key(i)
            if key in self.corrupt:
                return False
            try:
                image = self._decoded(i)
            except BadPictureError as error:
                self.corrupt[key] = str(error)
                return False
        resized_crop(image, self.side, down, right, out)
        return True

    def picture(self, i: int) -> np.ndarray:
        """Picture i, (H, W, 3), as `_decoded`, but nothing is kept. Raises BadPictureError."""
        return decode(self._bytes(i), self.side)

    def _decoded(self, i: int) -> np.ndarray:
        """Picture i, (H, W, 3), as small as its JPEG can be decoded with `side` pixels or more."""
        image = decode(self._bytes(i), self.side, self._room)
        with self._lock:
            if self._cached_bytes + image.nbytes > self.cache_bytes:
                return image
            self._cached_bytes += image.nbytes
        self._cache[i] = image.copy()
        return image

    def _bytes(self, i: int) -> bytes:
        shard, begin, size = self.places[i].tolist()
        if size < 0:
            raise BadPictureError("the tar has no such picture")
        if size > PICTURE_BYTES:
            raise BadPictureError(f"{size} bytes: expected at most {PICTURE_BYTES}")
        return self.shards.read(self.names[shard], (begin, size))


def read_samples(
    build: Path | str, side: int, where: str | None = None, scores: Path | None = None
) -> Samples:
    """The samples of a build, in order of shard and pair_id, none of them decoded yet.

    build: its folder, or an address that fsspec knows. where: SQL over the table `sample`, such as
    "license = 'cc0'"; only samples that meet it are read. scores: a file of
    trainer.evaluation.score, whose clip_score is then one more column.
    """
    shards = open_shards(build)
    if shards.files is None and (Path(build) / MANIFEST).exists():
        with unchanged(Path(build)):
            return _read_samples(build, shards, side, where, scores)
    return _read_samples(build, shards, side, where, scores)


def _read_samples(
    build: Path | str, shards: Shards, side: int, where: str | None, scores: Path | None
) -> Samples:
    names = shards.names()
    with ThreadPoolExecutor(shards.threads) as pool:  # a remote store answers many at once
        tables = list(pool.map(lambda name: shards.table(name, [*COLUMNS, *PLACE]), names))
        places = list(pool.map(partial(_places, shards), names, range(len(names)), tables))
    empty = TABLES["sample"].empty()
    tables = [large(table.select(COLUMNS)) for table in (empty, *tables)]
    rows = pa.concat_tables(tables).replace_schema_metadata().combine_chunks()
    place = np.concatenate([np.empty((0, 3), np.int64), *places])
    chosen = "" if where is None else f" where {where}"
    if where is not None:
        kept = np.flatnonzero(pc.is_in(rows["pair_id"], _ids_where(shards, names, where, scores)))
        rows, place = rows.take(kept).combine_chunks(), place[kept]
    if len(place) < 2:
        raise TrainerError(
            f"{build}: {len(place)} samples{chosen}, expected at least 2 to contrast"
        )
    return Samples(rows, place, shards, names, side)


def large(rows: pa.Table) -> pa.Table:
    """The rows with 64-bit offsets of their texts: those of all shards may pass 2 GiB."""
    for at, field_ in enumerate(rows.schema):
        if pa.types.is_string(field_.type):
            rows = rows.set_column(at, field_.name, rows[at].cast(pa.large_string()))
    return rows


def _places(shards: Shards, name: str, number: int, rows: pa.Table) -> np.ndarray:
    """Where a shard's pictures are: (n, 3), as `Samples.places`."""
    if set(PLACE) <= set(rows.column_names):
        begins, sizes = (rows[column].to_numpy() for column in PLACE)
        end = shards.tar_bytes(name)
        whole = (begins >= 0) & (sizes >= 0) & (begins <= end) & (sizes <= end - begins)
        return np.stack([np.full_like(begins, number), begins, np.where(whole, sizes, -1)], axis=1)
    index = shards.index(name)  # a build made by 0.1.0
    lacking = (0, -1)
    places = [
        next((index[member] for member in picture_names(key) if member in index), lacking)
        for key in rows["key"].to_pylist()
    ]
    return np.array([(number, *place) for place in places], np.int64).reshape(-1, 3)


def _ids_where(
    shards: Shards, names: list[str], where: str, scores: Path | None
) -> pa.ChunkedArray:
    """The pair_id of each sample that meets the condition; DuckDB reads files of this machine."""
    beside = None if scores is None else read_scores(scores)
    rows: list[Path] | pa.Table = [Path(shards.parquet(name)) for name in names]
    if shards.files is not None and names:
        rows = pa.concat_tables([large(shards.table(name)) for name in names])
    try:
        return DuckEngine(memory=SQL_MEMORY, quiet=True).pair_ids_where(rows, where, beside)
    except InputError as error:
        raise TrainerError(f"where {error}") from None


def read_scores(path: Path) -> pa.Table:
    """The table clip_score of trainer.evaluation.score; TrainerError if it is another file."""
    expected_schema = TABLES["clip_score"].schema
    try:
        return pq.read_table(path, columns=expected_schema.names).cast(expected_schema)
    except (OSError, pa.ArrowException) as error:
        expected = "expected the Parquet that `python -m trainer score` writes"
        raise TrainerError(f"scores {path}: {first_line(error)}, {expected}") from None
