"""Near duplicates in SQL, held equal to a comparison of every two pictures."""

import random
from itertools import combinations, product
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from queries.engine import DERIVE
from queries.engine.duck import DuckEngine
from tests.tables import build_row, rows


class Judged:
    """Pictures in the table verdict, and what SQL says of them."""

    def __init__(self, folder: Path, near_bits: int, *pictures: dict):
        given = ({"sha256": f"{one['pair_id']}"} | one for one in pictures)
        self.known = {"verdict": rows("verdict", *given), "build": build_row(near_bits=near_bits)}
        self.engine = DuckEngine(workers=1, quiet=True)
        self.folder = folder
        self.engine.derive(DERIVE / "near.sql", self.known, folder / "near.parquet")
        self.near: pa.Table = pq.read_table(folder / "near.parquet")

    def suppressed(self, *kept: int) -> list[int]:
        """The pairs that these kept ones suppress."""
        kept_match = rows("kept_match", *({"pair_id": one, "query_id": 0} for one in kept))
        out = self.folder / f"{len(list(self.folder.iterdir()))}.parquet"
        self.engine.derive(
            DERIVE / "suppressed.sql",
            {**self.known, "near": self.near, "kept_match": kept_match},
            out,
        )
        found: list[int] = pq.read_table(out)["pair_id"].to_pylist()
        return found


def near(tmp_path: Path, near_bits: int, *pictures: dict) -> list[tuple[int, int]]:
    """(hash, other hash) of every row."""
    found = Judged(tmp_path, near_bits, *pictures).near
    return [tuple(row.values()) for row in found.to_pylist()]


def signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


def flipped(number: int, places: list[int]) -> int:
    for place in places:
        number ^= 1 << place
    return number


PICTURES = [
    {"pair_id": 1, "priority": 30, "phash": 0b0000},
    {"pair_id": 2, "priority": 10, "phash": 0b0011},
    {"pair_id": 3, "priority": 20, "phash": 0b1111},
    {"pair_id": 4, "priority": 20, "phash": signed(1 << 63), "sha256": "3"},
    {"pair_id": 5, "priority": 1, "phash": 0b0000, "reason": "image_uniform"},
]


@pytest.mark.parametrize(
    ("near_bits", "kept", "expected"),
    [
        (-1, [2, 3], []),
        (0, [2, 3], [4]),  # the same bytes
        (0, [4], []),  # pair 4 is the later one
        (1, [4], [1]),
        (2, [2], [1, 3]),
        (3, [2], [1, 3, 4]),
        (4, [3], [1, 4]),
        (4, [1], []),  # the last of all
        (4, [5], []),  # lost itself
    ],
)
def test_a_kept_picture_suppresses_the_later_ones_near_it(tmp_path, near_bits, kept, expected):
    assert Judged(tmp_path, near_bits, *PICTURES).suppressed(*kept) == expected


def test_equal_pictures_without_number_make_no_rows_of_two(tmp_path):
    copies = [{"pair_id": n, "priority": n, "phash": 5, "sha256": "same"} for n in range(3_000)]
    judged = Judged(tmp_path, 2, *copies)
    assert judged.near.num_rows == 0
    assert judged.suppressed(7, 9) == list(range(8, 3_000))


@pytest.mark.parametrize("near_bits", range(7))
def test_every_two_hashes_within_the_radius_are_found_and_no_others(tmp_path, near_bits):
    chance = random.Random(near_bits)
    pictures = []
    for _ in range(30):
        centre = chance.getrandbits(64)
        for n_flips in range(8):
            hash_ = flipped(centre, chance.sample(range(64), n_flips))
            pair_id, priority = chance.getrandbits(60), chance.randrange(50)
            pictures.append({"pair_id": pair_id, "priority": priority, "phash": signed(hash_)})
    hashes = sorted({one["phash"] for one in pictures})
    expected = [
        (one, two)
        for one, two in product(hashes, hashes)
        if one != two and ((one ^ two) & (2**64 - 1)).bit_count() <= near_bits
    ]
    assert len(expected) > 0 or near_bits == 0
    assert near(tmp_path, near_bits, *pictures) == expected


@pytest.mark.parametrize("n_flips", range(1, 7))
def test_flips_at_the_worst_places_are_found(tmp_path, n_flips):
    """One flip a byte leaves the fewest bytes to agree in: each choice of bytes is tried."""
    pictures = [{"pair_id": 0, "phash": 0}]
    for number, chosen in enumerate(combinations(range(8), n_flips), 1):
        places = [8 * byte + (number + byte) % 8 for byte in chosen]
        pictures.append({"pair_id": number, "priority": 1, "phash": signed(flipped(0, places))})
    found = {other for one, other in near(tmp_path, n_flips, *pictures) if one == 0}
    assert found == {one["phash"] for one in pictures[1:]}


def test_a_crowd_of_alike_hashes_is_compared_by_its_other_bytes(tmp_path):
    """10,001 hashes that agree in six bytes: only the two others can bring them together."""
    crowd = [{"pair_id": one, "phash": one} for one in range(10_001)]
    outsider = {"pair_id": 20_001, "phash": 5 + (1 << 60)}
    assert near(tmp_path, 2, *crowd, outsider) == [(5, 5 + (1 << 60)), (5 + (1 << 60), 5)]
