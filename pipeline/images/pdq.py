"""PDQ of stored pictures, and which of them lists of exclusions name by it.

    hash_pictures(batches, images)  # table `pdq`
    near_listed(batches, exclusions)  # table `pdq_near`

Pictures are hashed as they are stored, so a list that comes later needs no fetch. They are upright
and as a rule smaller than what was served: of a copy that costs a few of the 31 bits.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.images.parts import ALL, read_images
from pipeline.settings.images import ImageSettings
from queries.pixels.pdq import pdq
from queries.pixels.picture import read_picture
from queries.tables.parts import read_rows
from queries.tables.schemas import TABLES
from queries.tables.store import place

ROWS_AT_A_TIME = 1_024
PAIRS_AT_A_TIME = 1 << 18  # of a picture and a listed hash: 2 MB of differences
SIDE = 512  # pixels; larger pictures are shrunk before they are hashed, as in the reference
WORDS = 4  # of 64 bits


def hash_pictures(
    batches: Iterator[pa.RecordBatch], images: ImageSettings
) -> Iterator[pa.RecordBatch]:
    """Map: rows of a column `folder`, image parts, to a row of `pdq` for each picture there."""
    cv2.setNumThreads(1)
    rows: list[dict[str, object]] = []
    folders = [place(folder) for batch in batches for folder in batch["folder"].to_pylist()]
    for folder in folders:
        for pair_id, picture in read_images(folder, *ALL):
            hashed = pdq_of(picture, images.max_pixels)
            rows.append({"pair_id": pair_id, "image_part": folder.name, "pdq": hashed})
            if len(rows) == ROWS_AT_A_TIME:
                yield pa.RecordBatch.from_pylist(rows, TABLES["pdq"].schema)
                rows = []
    yield pa.RecordBatch.from_pylist(rows, TABLES["pdq"].schema)


def pdq_of(picture: bytes, most_pixels: int) -> str | None:
    """The hash of a picture's bytes; None where it has none."""
    seen = read_picture(picture, most_pixels, SIDE)
    return None if isinstance(seen, str) else pdq(seen.pixels)


def near_listed(
    batches: Iterator[pa.RecordBatch], exclusions: Sequence[Path]
) -> Iterator[pa.RecordBatch]:
    """Map: rows of `pdq` to a row of `pdq_near` for each hash of a list within its radius.

    `exclusions` are parts of the table `exclusion`.
    """
    listed = Listed(listed_pdq(exclusions))
    for batch in batches:
        hashed_rows = batch.filter(pc.is_valid(batch["pdq"]))
        rows, places, distances = listed.near(hashed_rows["pdq"].to_pylist())
        yield pa.RecordBatch.from_arrays(
            [
                hashed_rows["pair_id"].take(pa.array(rows)),
                hashed_rows["image_part"].take(pa.array(rows)),
                pa.array([listed.values[place] for place in places], pa.string()),
                pa.array(distances, pa.int32()),
            ],
            schema=TABLES["pdq_near"].schema,
        )


def listed_pdq(exclusions: Sequence[Path]) -> pa.Table:
    """Columns value and radius: each PDQ of parts of `exclusion` once, with its greatest radius."""
    columns, of_pdq = ["value", "radius"], [("kind", "==", "pdq")]
    if not exclusions:
        return TABLES["exclusion"].empty().select(columns)
    rows = read_rows(exclusions, columns=columns, filters=of_pdq)
    widest = rows.group_by("value").aggregate([("radius", "max")]).sort_by("value")
    return widest.rename_columns(columns)


class Listed:
    """The hashes of lists, a table of value and radius, and which pictures are near one."""

    def __init__(self, listed: pa.Table):
        self.values: list[str] = listed["value"].to_pylist()
        self._radius = listed["radius"].to_numpy()
        self._bits = as_words(self.values)

    def near(self, hashes: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(places in hashes, places in values, distances in bits) of all that are near, (N,) each.

        Each hash is compared with each of the list: 7 ns a pair.
        """
        bits, columns = as_words(hashes), []
        step = max(1, PAIRS_AT_A_TIME // max(1, len(self.values)))
        for start in range(0, len(hashes) if self.values else 0, step):
            block = bits[start : start + step]
            distances = np.zeros((len(block), len(self.values)), np.int16)
            for word in range(WORDS):
                distances += np.bitwise_count(block[:, None, word] ^ self._bits[:, word])
            rows, places = np.nonzero(distances <= self._radius)
            columns.append((rows + start, places, distances[rows, places]))
        if not columns:
            return (np.zeros(0, np.int64),) * 3
        first, second, third = (np.concatenate(column) for column in zip(*columns, strict=True))
        return first, second, third


def as_words(hashes: Sequence[str]) -> np.ndarray:
    """Hashes of 64 hex digits as numbers, (N, 4) uint64.

    >>> as_words(["f" * 64]).shape
    (1, 4)
    """
    return np.frombuffer(bytes.fromhex("".join(hashes)), np.uint64).reshape(-1, WORDS)
