"""Which hashes are near: bands of bits in which two near hashes must agree, and finer bands.

Two hashes that differ in few bits agree in whole bytes, so only those that agree in a band of two
bytes are compared. Where too many agree in a band, as hashes of flat pictures do, they are compared
in finer bands: the 64 bits are dealt into one piece more than bits may differ, so two near hashes
agree in a piece.
"""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa

from queries.engine import DERIVE, Engine, Rows
from queries.tables.parts import read_rows
from queries.tables.schemas import TABLES

BYTES = [255 << 8 * place for place in range(8)]
LEVELS = 3  # of finer bands


@dataclass(frozen=True)
class Most:
    """How many hashes of a band are compared two by two, and how many are split by finer bands."""

    alike: int = 10_000  # 50 million comparisons
    split: int = 100_000  # more would take hours


def wide_bands(near_bits: int, most: Most) -> pa.Table:
    """Rows of `band`: pairs of bytes. 3 differing bits spare one of 4 fixed pairs, 6 one of all 28.

    >>> [len(wide_bands(bits, Most())) for bits in (3, 6)]
    [4, 28]
    """
    pairs = combinations(BYTES, 2) if near_bits > 3 else zip(BYTES[::2], BYTES[1::2], strict=True)
    return _bands(0, [one | two for one, two in pairs], most)


def finer_bands(near_bits: int, crowd: pa.Table, most: Most) -> pa.Table:
    """Rows of `band` that split these rows of `crowd`, level by level."""
    order, n = bits_by_variance(crowd), near_bits + 1
    return pa.concat_tables(
        _bands(level, pieces(order, n, level), most) for level in range(1, LEVELS + 1)
    )


def bits_by_variance(crowd: pa.Table) -> list[int]:
    """The 64 bits: first those that divide the crowds most evenly, last those that all agree in."""
    hashes = crowd["phash"].to_numpy().view(np.uint64)
    bits = crowd["bits"].to_numpy().view(np.uint64)
    key = np.rec.fromarrays([bits, hashes & bits])
    group = np.unique(key, return_inverse=True)[1]
    n = np.bincount(group)

    def variance(bit: int) -> float:
        ones = np.bincount(group, weights=hashes >> np.uint64(bit) & np.uint64(1))
        return float(np.sum(ones * (n - ones) / n))

    return sorted(range(64), key=lambda bit: (-variance(bit), bit))


def pieces(order: list[int], n: int, level: int) -> list[int]:
    """64 bits dealt into n masks, each bit into one: at every level its neighbours are others.

    >>> sum(pieces(list(range(64)), 3, 1)) == 2**64 - 1
    True
    """
    masks = [0] * n
    for place, bit in enumerate(order):
        round_, turn = divmod(place, n)
        masks[(turn + (level - 1) * round_) % n] |= 1 << bit
    return masks


def _bands(level: int, masks: list[int], most: Most) -> pa.Table:
    rows = [
        {
            "level": level,
            "bits": mask - (1 << 64) if mask >> 63 else mask,
            "most_alike": most.alike,
            "most_split": most.split if level < LEVELS else 0,
        }
        for mask in masks
    ]
    return pa.Table.from_pylist(rows, TABLES["band"].schema)


def derive_near(
    engine: Engine, build: pa.Table, verdict: Path, folder: Path, most: Most | None = None
) -> tuple[Path, Path]:
    """The tables `near` and `near_skipped`, in the folder.

    Each level splits the groups that were too large at the level before.
    """
    most, near_bits = most or Most(), build["near_bits"][0].as_py()
    wide = wide_bands(near_bits, most)
    known: dict[str, Rows] = {"verdict": [verdict], "band": wide, "build": build}
    crowds = [engine.derive(DERIVE / "crowd.sql", known, folder / "crowd.parquet")]
    if crowds[0].rows_kept:
        band = finer_bands(near_bits, read_rows(crowds[0].path), most)
        for level in range(1, LEVELS + 1):
            finer: dict[str, Rows] = {"crowd": [crowds[-1].path], "band": band}
            out = folder / f"crowd{level}.parquet"
            crowds.append(engine.derive(DERIVE / "finer_crowd.sql", finer, out))
    crowd: dict[str, Rows] = {"crowd": [part.path for part in crowds if part.rows_kept]}
    near = engine.derive(DERIVE / "near.sql", known | crowd, folder / "near.parquet")
    out = folder / "near_skipped.parquet"
    return near.path, engine.derive(DERIVE / "near_skipped.sql", crowd, out).path
