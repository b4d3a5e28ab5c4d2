"""Near duplicates in SQL, held equal to a comparison of every two pictures."""

import random
from itertools import combinations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from queries.engine import DuckEngine
from tests.tables import build_row, rows


def near(tmp_path, near_bits: int, *pictures: dict) -> list[tuple[int, int]]:
    """(pair_id, later_id) of every row."""
    verdict = rows("verdict", *({"sha256": f"{one['pair_id']}"} | one for one in pictures))
    engine = DuckEngine(workers=1, quiet=True)
    build = build_row(near_bits=near_bits)
    engine.derive("near", {"verdict": verdict, "build": build}, tmp_path / "near.parquet")
    found: pa.Table = pq.read_table(tmp_path / "near.parquet")
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
    ("near_bits", "expected"),
    [
        (-1, []),
        (0, [(3, 4)]),
        (1, [(3, 4), (4, 1)]),
        (2, [(2, 1), (2, 3), (3, 4), (4, 1)]),
        (3, [(2, 1), (2, 3), (2, 4), (3, 4), (4, 1)]),
        (4, [(2, 1), (2, 3), (2, 4), (3, 1), (3, 4), (4, 1)]),
    ],
)
def test_the_earlier_of_two_near_pictures_stands_first(tmp_path, near_bits, expected):
    assert near(tmp_path, near_bits, *PICTURES) == expected


@pytest.mark.parametrize("near_bits", range(7))
def test_every_two_pictures_within_the_radius_are_found_and_no_others(tmp_path, near_bits):
    chance = random.Random(near_bits)
    pictures = []
    for _ in range(30):
        centre = chance.getrandbits(64)
        for n_flips in range(8):
            hash_ = flipped(centre, chance.sample(range(64), n_flips))
            pair_id, priority = chance.getrandbits(60), chance.randrange(50)
            pictures.append({"pair_id": pair_id, "priority": priority, "phash": signed(hash_)})
    ordered = sorted(pictures, key=lambda one: (one["priority"], one["pair_id"]))
    expected = [
        (one["pair_id"], two["pair_id"])
        for one, two in combinations(ordered, 2)
        if ((one["phash"] ^ two["phash"]) & (2**64 - 1)).bit_count() <= near_bits
    ]
    assert len(expected) > 0 or near_bits == 0
    assert near(tmp_path, near_bits, *pictures) == sorted(expected)


@pytest.mark.parametrize("n_flips", range(1, 7))
def test_flips_at_the_worst_places_are_found(tmp_path, n_flips):
    """One flip a byte leaves the fewest bytes to agree in: each choice of bytes is tried."""
    pictures = [{"pair_id": 0, "phash": 0}]
    for number, chosen in enumerate(combinations(range(8), n_flips), 1):
        places = [8 * byte + (number + byte) % 8 for byte in chosen]
        pictures.append({"pair_id": number, "priority": 1, "phash": signed(flipped(0, places))})
    found = {later for first, later in near(tmp_path, n_flips, *pictures) if first == 0}
    assert found == set(range(1, len(pictures)))


def test_a_crowd_of_alike_hashes_is_compared_by_its_other_bytes(tmp_path):
    """10,001 hashes that agree in six bytes: only the two others can bring them together."""
    crowd = [{"pair_id": one, "phash": one} for one in range(10_001)]
    copy = {"pair_id": 20_000, "phash": 7}
    outsider = {"pair_id": 20_001, "phash": 5 + (1 << 60)}
    assert near(tmp_path, 2, *crowd, copy, outsider) == [(5, 20_001), (7, 20_000)]
