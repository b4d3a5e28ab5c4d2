"""Shards to batches: an index of each tar, a hashed order, decoded pictures and token ids.

May import pyarrow, numpy, queries and trainer's tokenizer and pictures. Order and crops are a
hash of (seed, epoch, pair_id), so a batch is the same however it is loaded, and by whom.
"""

import os
import tarfile
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from threading import Event, Thread

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trainer.pictures import BadPictureError, crop, decode_jpeg, resize_shorter, stacked
from trainer.settings import TrainerError
from trainer.tokenizer import Tokenizer

CACHE_BYTES = 1 << 30  # pictures decoded once and kept; beyond it they are decoded every epoch
COLUMNS = ["key", "pair_id", "caption"]


@dataclass
class Batch:
    """Images uint8 (B, 3, H, W) and token ids int64 (B, T), row by row of one pair."""

    images: np.ndarray
    tokens: np.ndarray


@dataclass
class Samples:
    """The pairs of a build, and how to read their pictures with a shorter side of `side` pixels."""

    rows: pa.Table  # key, pair_id, caption
    places: list[tuple[Path, int, int] | None]  # tar, offset, bytes; None if the tar lacks it
    side: int
    corrupt: dict[str, str] = field(default_factory=dict)  # key to what is wrong with it
    _cache: dict[int, np.ndarray] = field(default_factory=dict)
    _cached_bytes: int = 0

    def __len__(self) -> int:
        return self.rows.num_rows

    def picture(self, i: int) -> np.ndarray | None:
        """Picture i, (H, W, 3); None if it is corrupt, which is noted under its key."""
        if i in self._cache:
            return self._cache[i]
        key = self.rows["key"][i].as_py()
        if key in self.corrupt:
            return None
        try:
            image = resize_shorter(decode_jpeg(self._bytes(i), self.side), self.side)
        except BadPictureError as error:
            self.corrupt[key] = str(error)
            return None
        if self._cached_bytes + image.nbytes <= CACHE_BYTES:
            self._cache[i] = image
            self._cached_bytes += image.nbytes
        return image

    def _bytes(self, i: int) -> bytes:
        place = self.places[i]
        if place is None:
            raise BadPictureError("the tar has no such picture")
        path, offset, size = place
        with path.open("rb") as tar:
            return os.pread(tar.fileno(), size, offset)


def read_samples(build: Path, side: int) -> Samples:
    """Every sample of a build, in order of shard and pair_id, none of them decoded yet."""
    tables, places = [], []
    for path in sorted((build / "shards").glob("*.parquet")):
        rows = pq.read_table(path, columns=COLUMNS)
        tar = path.with_suffix(".tar")
        index = tar_index(tar)
        for key in rows["key"].to_pylist():
            found = index.get(f"{key}.jpg")
            places.append(None if found is None else (tar, *found))
        tables.append(rows)
    if len(places) < 2:
        raise TrainerError(f"{build}: {len(places)} samples, expected at least 2 to contrast")
    return Samples(pa.concat_tables(tables).combine_chunks(), places, side)


def tar_index(path: Path) -> dict[str, tuple[int, int]]:
    """Name of each file of a tar to (offset of its bytes, their number); reads headers only."""
    try:
        with tarfile.open(path, "r:") as tar:
            return {m.name: (m.offset_data, m.size) for m in tar if m.isfile()}
    except (OSError, tarfile.TarError) as error:
        raise TrainerError(f"{path}: {error}, expected an uncompressed tar") from None


def mixed(values: np.ndarray) -> np.ndarray:
    """splitmix64's finaliser over uint64: a bijection that scatters neighbouring values."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def draws(pair_ids: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """One uint64 per pair (N,), a hash of seed, epoch and pair_id alone."""
    base = mixed(np.array([seed], np.uint64) + np.uint64(0x9E3779B97F4A7C15))
    return mixed(pair_ids.astype(np.uint64) ^ mixed(base + np.uint64(epoch)))


def order(pair_ids: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """The rows (N,) in the order of an epoch: by their draw."""
    return np.argsort(draws(pair_ids, seed, epoch), kind="stable")


@dataclass(frozen=True)
class Loader:
    """Batches of samples for training: one random square crop a picture, nothing else."""

    samples: Samples
    tokenizer: Tokenizer
    context: int  # most token ids a caption
    pixels: int  # side of the crop
    batch: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches only; a build smaller than a batch is one batch."""
        return max(1, len(self.samples) // self.batch)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The epoch's batches; a corrupt sample leaves its batch one shorter."""
        pair_ids = self.samples.rows["pair_id"].to_numpy()
        bits = mixed(draws(pair_ids, self.seed, epoch))  # not the order's own bits
        down, right = (bits >> np.uint64(32)) / 2**32, (bits & np.uint64(2**32 - 1)) / 2**32
        rows = order(pair_ids, self.seed, epoch)
        for step in range(self.steps_per_epoch):
            chosen = rows[step * self.batch : (step + 1) * self.batch]
            batch = self._batch(chosen, down, right)
            if batch is not None:
                yield batch

    def _batch(self, rows: np.ndarray, down: np.ndarray, right: np.ndarray) -> Batch | None:
        images, captions = [], []
        for i in rows:
            image = self.samples.picture(i)
            if image is not None:
                images.append(crop(image, self.pixels, down[i], right[i]))
                captions.append(self.samples.rows["caption"][i].as_py())
        if len(images) < 2:
            return None  # nothing to contrast; its samples are counted as corrupt
        return Batch(stacked(images), self.tokenizer.encode(captions, self.context))


def prefetched(batches: Iterable[Batch], ahead: int = 3) -> Generator[Batch, None, None]:
    """The same batches in the same order, made by a thread that keeps `ahead` ready."""
    queue: Queue[Batch | BaseException | None] = Queue(ahead)
    stopped = Event()

    def work() -> None:
        try:
            for batch in batches:
                queue.put(batch)
                if stopped.is_set():
                    return
            queue.put(None)
        except BaseException as error:  # handed to the reader, who raises it
            queue.put(error)

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        while (batch := queue.get()) is not None:
            if isinstance(batch, BaseException):
                raise batch
            yield batch
    finally:
        stopped.set()
        while not queue.empty():  # so that the thread is not left waiting for room
            queue.get_nowait()
