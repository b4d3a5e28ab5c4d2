"""Thumbnails of a build's pictures, as detectors see them: all, a random part, or some by id.

A picture that cannot be read is noted in `samples.corrupt`.
"""

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from trainer.copies.synthetic import SIDE, STORED
from trainer.data.loader import order
from trainer.data.pixels import BadPictureError, resize
from trainer.data.reading import read_samples
from trainer.data.samples import Samples
from trainer.settings import TrainerError

CHUNK = 1_024  # pictures decoded at a time
CHUNK_BYTES = 1 << 26  # of them, at most


def thumbnail(picture: np.ndarray, side: int = SIDE) -> np.ndarray:
    """RGB uint8 (H, W, 3) -> (side, side, 3): the whole picture, without its aspect ratio."""
    out = np.empty((side, side, 3), np.uint8)
    resize(picture, out)
    return out


def mirrored(pictures: np.ndarray) -> np.ndarray:
    """(…, H, W, 3) with left and right exchanged."""
    return np.ascontiguousarray(pictures[..., ::-1, :])


def middles(pictures: np.ndarray, share: float) -> np.ndarray:
    """The middle of each picture (N, S, S, 3), a share of each side, in the same size."""
    side = pictures.shape[1]
    edge = round(side * (1 - share) / 2)
    inner = np.ascontiguousarray(pictures[:, edge : side - edge, edge : side - edge])
    return np.stack([thumbnail(picture, side) for picture in inner])


def thumbnails(samples: Samples, rows: Sequence[int], side: int) -> Iterator[np.ndarray | None]:
    """Each row's thumbnail, in order; None for an unreadable picture, noted in samples.corrupt."""

    def thumbnail_of(row: int) -> np.ndarray | None:
        try:
            return thumbnail(samples.picture(row), side)
        except BadPictureError as error:
            samples.corrupt[samples.key(row)] = str(error)
            return None

    threads = samples.threads
    with ThreadPoolExecutor(threads, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        for at in range(0, len(rows), CHUNK):  # all at once would be as many futures as pictures
            yield from pool.map(thumbnail_of, rows[at : at + CHUNK])


def all_pictures(samples: Samples, side: int = SIDE) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(pair_ids, thumbnails uint8 (n, side, side, 3)) of every readable picture, in order."""
    return pictures_at(samples, range(len(samples)), side)


def pictures_at(
    samples: Samples, rows: Sequence[int], side: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(pair_ids, thumbnails uint8 (n, side, side, 3)) of the readable pictures of the rows."""
    ids, chunk = samples.pair_ids, min(CHUNK, max(1, CHUNK_BYTES // (3 * side * side)))
    for at in range(0, len(rows), chunk):
        block = rows[at : at + chunk]
        looks = [*zip(block, thumbnails(samples, block, side), strict=True)]
        kept = [(row, look) for row, look in looks if look is not None]
        if kept:
            yield ids[[row for row, _ in kept]], np.stack([look for _, look in kept])


def pictures_of(
    samples: Samples, pair_ids: Collection[int], side: int = SIDE
) -> dict[int, np.ndarray]:
    """The thumbnails (side, side, 3) of these pairs, by pair_id; unreadable ones are left out."""
    ids = samples.pair_ids
    rows = np.flatnonzero(np.isin(ids, np.array(sorted(pair_ids), np.int64))).tolist()
    looks = zip(ids[rows].tolist(), thumbnails(samples, rows, side), strict=True)
    return {pair_id: look for pair_id, look in looks if look is not None}


def chosen_pictures(build: Path, most: int, seed: int) -> tuple[np.ndarray, dict[str, str]]:
    """Pictures uint8 (N, STORED, STORED, 3) chosen by a hash, and why others are unreadable."""
    samples = read_samples(build, STORED)
    return some_pictures(samples, most, seed, STORED), samples.corrupt


def some_pictures(samples: Samples, most: int, seed: int, side: int) -> np.ndarray:
    """The thumbnails (N, side, side, 3) of at most `most` pictures, chosen by a hash."""
    return np.concatenate([*blocks_of_some(samples, most, seed, side)])


def blocks_of_some(samples: Samples, most: int, seed: int, side: int) -> Iterator[np.ndarray]:
    """The same in blocks. Raises TrainerError where fewer than two pictures are readable."""
    rows, n = order(samples.pair_ids, seed, epoch=0)[:most].tolist(), 0
    for _, looks in pictures_at(samples, rows, side):
        n += len(looks)
        yield looks
    if n < 2:
        folder = samples.tars[0].path.rpartition("/")[0]
        raise TrainerError(f"{folder}: {n} readable pictures, expected at least 2")
