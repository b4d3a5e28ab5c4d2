"""Near duplicates in SQL, held equal to a comparison of every two pictures."""

import random
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.selection.near import LEVELS, Most, derive_near, pieces, wide_bands
from queries.engine import DERIVE
from queries.engine.duck import DuckEngine
from tests.tables import build_row, rows


class Judged:
    """Pictures in the table verdict, and what SQL says of them."""

    def __init__(self, folder: Path, near_bits: int, *pictures: dict, most: Most | None = None):
        given = ({"sha256": f"{one['pair_id']}"} | one for one in pictures)
        self.known = {"verdict": rows("verdict", *given), "build": build_row(near_bits=near_bits)}
        self.engine = DuckEngine(workers=1, quiet=True)
        self.folder = folder
        verdict = folder / "verdict.parquet"
        pq.write_table(self.known["verdict"], verdict)
        build = self.known["build"]
        near, skipped = derive_near(self.engine, build, verdict, folder, most)
        self.near: pa.Table = pq.read_table(near)
        self.skipped: pa.Table = pq.read_table(skipped)

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


def near_by_comparing(hashes: np.ndarray, near_bits: int) -> np.ndarray:
    """(N, 2) hashes of every two that are near and not equal, sorted: each with every other."""
    found = []
    for one in hashes:
        distances = np.bitwise_count((hashes ^ one).view(np.uint64))
        others = hashes[(distances > 0) & (distances <= near_bits)]
        found.append(np.column_stack([np.full(len(others), one), others]))
    return np.concatenate(found)


def pictures_of(hashes: np.ndarray) -> list[dict]:
    return [{"pair_id": n, "phash": phash} for n, phash in enumerate(hashes.tolist())]


def pairs_of(near: pa.Table) -> np.ndarray:
    return np.column_stack([near["phash"].to_numpy(), near["other"].to_numpy()])


@pytest.mark.parametrize("n", [Most().alike, Most().alike + 1])
def test_a_crowd_that_agrees_in_six_bytes_is_compared_whatever_its_size(tmp_path, n):
    """One hash more than are compared in a band used to leave none of them near another.

    Others fell off this cliff: kevmoo/analytica.dart#57 finds no clone that stands in 52 places,
    and markfasheh/duperemove#13 leaves out buckets of more than 10,000.
    """
    hashes = np.append(np.arange(n), 5 + (1 << 60))
    judged = Judged(tmp_path, 2, *pictures_of(hashes))
    expected = near_by_comparing(hashes, 2)
    assert len(expected) > 250_000
    assert np.array_equal(pairs_of(judged.near), expected)
    assert judged.skipped.num_rows == 0


def crowd_of(kind: str, chance: random.Random) -> np.ndarray:
    """1,000 hashes that agree in most of their bytes, or two such crowds, and 20 outsiders.

    The cloud is one of pictures that are light on one side and dark on the other: the rows of their
    hashes are all alike (qarmin/czkawka#2059).
    """
    centre = chance.getrandbits(64)
    lowest = {centre ^ n for n in range(1_000)}
    flips = [chance.sample(range(64), chance.randrange(4)) for _ in range(1_000)]
    cloud = {flipped(0xF0F0F0F0F0F0F0F0, places) for places in flips}
    hashes = {"the lowest bits": lowest, "a cloud": cloud, "both": lowest | cloud}[kind]
    outsiders = {chance.getrandbits(64) for _ in range(20)}
    return np.array(sorted(map(signed, hashes | outsiders)), np.int64)


def largest_group(hashes: np.ndarray, near_bits: int) -> int:
    bands = wide_bands(near_bits, Most())["bits"].to_numpy()
    return max(np.unique(hashes & bits, return_counts=True)[1].max() for bits in bands)


@pytest.mark.parametrize("near_bits", range(1, 7))
@pytest.mark.parametrize("kind", ["the lowest bits", "a cloud", "both"])
def test_finer_bands_find_what_comparing_every_two_finds(tmp_path, kind, near_bits):
    hashes = crowd_of(kind, random.Random(f"{kind} {near_bits}"))
    alike = largest_group(hashes, near_bits) * 6 // 10
    judged = Judged(tmp_path, near_bits, *pictures_of(hashes), most=Most(alike, 2_000))
    assert pq.read_metadata(tmp_path / "crowd1.parquet").num_rows > alike, "a band was too full"
    assert judged.skipped.num_rows == 0
    assert np.array_equal(pairs_of(judged.near), near_by_comparing(hashes, near_bits))


def test_a_crowd_is_split_level_by_level_until_its_groups_are_small(tmp_path):
    hashes = crowd_of("the lowest bits", random.Random(0))
    judged = Judged(tmp_path, 2, *pictures_of(hashes), most=Most(60, 2_000))
    rows_of = [pq.read_metadata(tmp_path / f"crowd{n}.parquet").num_rows for n in (1, 2)]
    assert all(n > 1_000 for n in rows_of)
    assert judged.skipped.num_rows == 0
    assert np.array_equal(pairs_of(judged.near), near_by_comparing(hashes, 2))


def test_what_is_still_too_full_is_skipped_and_counted(tmp_path):
    """What is found is near; of what is missed the group is listed."""
    hashes = crowd_of("a cloud", random.Random(1))
    expected = {tuple(pair) for pair in near_by_comparing(hashes, 2).tolist()}
    judged = Judged(tmp_path, 2, *pictures_of(hashes), most=Most(5, 1_000))
    found = {tuple(pair) for pair in pairs_of(judged.near).tolist()}
    assert found < expected
    groups = judged.skipped.to_pylist()
    assert groups
    assert all(16 < row["n_bits"] < 64 and row["n_hashes"] > 5 for row in groups)


def test_a_crowd_that_is_too_large_to_be_split_is_skipped_at_once(tmp_path):
    hashes = np.arange(300)
    judged = Judged(tmp_path, 3, *pictures_of(hashes), most=Most(100, 299))
    # of four pairs of bytes the lowest differs; in the three others all agree
    assert judged.skipped.to_pylist() == [{"n_bits": 16, "n_hashes": 300}] * 3


@pytest.mark.parametrize("n", range(2, 8))
def test_the_pieces_of_a_level_hold_every_bit_once_and_of_two_levels_are_others(n):
    """So of n pieces n - 1 differing bits spare one, and pieces of two levels split a crowd."""
    order = random.Random(n).sample(range(64), 64)
    levels = [pieces(order, n, level) for level in range(1, LEVELS + 1)]
    for masks in levels:
        assert sum(masks) == 2**64 - 1
        assert sum(mask.bit_count() for mask in masks) == 64
    for one, two in product(levels[0], levels[1]):
        assert (one | two).bit_count() > max(one.bit_count(), two.bit_count())
