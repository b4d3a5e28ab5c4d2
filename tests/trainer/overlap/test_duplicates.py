"""Groups of near duplicates: equal to the plain way, and 20,000 equal ones in little memory."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from tests.small_build import ROOT
from tests.trainer.copies.test_detector import textured
from tests.trainer_fixtures import write_build
from trainer.copies.alignment import CHECKED, LEAST_AGREEMENT, likeness
from trainer.copies.components import Components, near_hash_pairs, near_vector_pairs
from trainer.copies.detector import Detector, Network
from trainer.copies.hash_parts import MOST_BITS, n_candidates, pairs_by_parts
from trainer.copies.neighbours import bits_between
from trainer.copies.second_check import SecondCheck
from trainer.copies.thumbnails import mirrored, thumbnail
from trainer.data.reading import read_samples
from trainer.overlap.duplicates import RADII, duplicates, groups, groups_by_hash
from trainer.overlap.search import Search


def near_equal_hashes(n: int, seed: int) -> np.ndarray:
    """Hashes of which many are equal, and many a few bits from another."""
    chance = np.random.default_rng(seed)
    hashes = chance.choice(chance.integers(-(2**63), 2**63 - 1, n // 4), n)
    for _ in range(3):
        changed = chance.random(n) < 0.4
        hashes[changed] ^= np.left_shift(np.int64(1), chance.integers(0, 64, changed.sum()))
    return hashes


def plain(near: np.ndarray) -> np.ndarray:
    """The component of each node of a matrix (N, N)."""
    return connected_components(near, directed=False)[1]


@pytest.mark.parametrize("radii", [RADII, (0,), (9,), (3.7,)])
def test_groups_by_hash_are_those_of_all_pairs(monkeypatch, radii):
    monkeypatch.setattr("trainer.copies.components.COMPARED", 100)
    monkeypatch.setattr("trainer.copies.components.QUERIES", 64)
    hashes = near_equal_hashes(900, seed=1)
    distance = bits_between(hashes, hashes)
    expected = [groups("phash", radius, plain(distance <= radius)) for radius in radii]
    assert groups_by_hash(hashes, radii) == expected
    assert expected[0].groups > 20


@pytest.mark.parametrize("cost", [0, 1_000_000])
@pytest.mark.parametrize("near_bits", [1, 6, 7, 8, 20])
def test_every_near_pair_of_hashes_comes_once(monkeypatch, near_bits, cost):
    monkeypatch.setattr("trainer.copies.components.COMPARED", 50)
    monkeypatch.setattr("trainer.copies.components.QUERIES", 7)
    hashes = np.unique(near_equal_hashes(400, seed=2))
    distance = np.triu(bits_between(hashes, hashes).astype(int) + 1, 1) - 1
    expected = np.argwhere((distance >= 0) & (distance <= near_bits)).tolist()
    plainly = [(a, b, distance[a, b]) for a, b in expected]
    monkeypatch.setattr("trainer.copies.components.COST", cost)
    ways = [near_hash_pairs(hashes, near_bits)]
    if near_bits <= MOST_BITS:
        monkeypatch.setattr("trainer.copies.hash_parts.CANDIDATES", 37)
        ways.append(pairs_by_parts(hashes, near_bits))
    for blocks in ways:
        first, second, bits = map(np.concatenate, zip(*blocks, strict=True))
        pairs = zip(first.tolist(), second.tolist(), bits.tolist(), strict=True)
        assert sorted(pairs) == plainly


def test_the_pairs_of_a_join_are_counted_before_it():
    hashes = np.random.default_rng(6).integers(0, 1 << 17, 300)
    parts = hashes[:, None] >> np.arange(0, 64, 16) & 0xFFFF
    differ = np.bitwise_count(parts[:, None] ^ parts[None])
    assert n_candidates(hashes) == (differ <= 1).sum()


def test_pairs_of_vectors_are_those_of_the_whole_product(monkeypatch):
    monkeypatch.setattr("trainer.copies.components.COMPARED", 30)
    monkeypatch.setattr("trainer.copies.components.QUERIES", 11)
    sought, turned, compared = np.random.default_rng(3).standard_normal((3, 100, 8), np.float32)
    sought = compared  # a straight score is that of the exchanged pair
    found = np.zeros((100, 100), bool)
    for first, second, scores in near_vector_pairs(sought, turned, compared, 3.0):
        assert scores.min() >= 3
        found[first, second] = True
    expected = np.triu(sought @ compared.T >= 3, 1) | (turned @ compared.T >= 3)
    np.fill_diagonal(expected, val=False)
    assert np.array_equal(found | found.T, expected | expected.T)
    assert expected.sum() > 100


def test_components_are_the_same_in_whatever_blocks_the_edges_come():
    edges = np.random.default_rng(4).integers(0, 300, (200, 2))
    near = np.zeros((300, 300), bool)
    near[tuple(edges.T)] = True
    components = Components(300)
    for block in np.array_split(edges, 17):
        components.join(*block.T)
    expected = plain(near)
    assert groups("", 0, components.label) == groups("", 0, expected)
    first, second = np.triu_indices(300)
    assert np.array_equal(components.apart(first, second), expected[first] != expected[second])


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Four pictures, each six times: equal, mirrored and cropped; and an untrained detector."""
    looks = []
    for seed in range(4):
        image = textured(seed)
        crop = image[10:-10, 12:-12]
        looks += [image, image, mirrored(image), crop, crop, mirrored(crop)]
    root = tmp_path_factory.mktemp("copies")
    write_build(root / "build", looks)
    return root / "build", looks, Detector(Network().eval(), {"thresholds": {}})


def test_groups_by_detector_are_those_of_every_pair_whose_pixels_agree(copies):
    build, looks, detector = copies
    small = [thumbnail(look, CHECKED) for look in looks]
    agree = np.zeros((len(small),) * 2, bool)
    for first, second in zip(*np.triu_indices(len(small), 1), strict=True):
        agree[first, second] = likeness(small[first], small[second]) >= LEAST_AGREEMENT
    expected = groups(detector.name, 0.0, plain(agree))
    found = duplicates(build, None, Search(detector, threshold=0.0))[-1]
    assert found == expected
    assert found.sizes == {6: 4}


def test_of_a_group_as_many_pairs_are_compared_as_it_has_pictures(copies, monkeypatch):
    build, looks, _ = copies
    compared = []
    monkeypatch.setattr(
        "trainer.copies.second_check.likenesses_of",
        lambda first, second: compared.extend(first) or np.ones(len(first)),
    )
    samples = read_samples(build, 64)
    ids, n = samples.pair_ids, len(looks)
    check = SecondCheck(samples, ids, components := Components(n))
    first, second = np.triu_indices(n, 1)
    check.add(first, second, np.zeros(len(first)))
    check.finish()
    assert len(compared) == n - 1
    assert not components.label.any()


def test_candidates_that_fail_are_bounded_and_the_rest_is_counted(copies, monkeypatch):
    build, looks, _ = copies
    monkeypatch.setattr("trainer.copies.second_check.MOST_TRIES", 2)
    monkeypatch.setattr(
        "trainer.copies.second_check.likenesses_of", lambda first, _: np.zeros(len(first))
    )
    samples, n = read_samples(build, 64), len(looks)
    check = SecondCheck(samples, samples.pair_ids, Components(n))
    first, second = np.triu_indices(n, 1)
    check.add(first, second, np.zeros(len(first)))
    check.finish()
    assert check.unchecked == n * (n - 1) // 2 - (n - 1) - (n - 2)


def test_20_000_equal_hashes_fit_in_little_memory():
    """In a process of its own, whose address space would not hold the 200 million pairs."""
    program = """
import resource
import numpy as np
from trainer.overlap.duplicates import RADII, groups_by_hash
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), used + (1 << 30)))
hashes = np.random.default_rng(0).integers(-(2**63), 2**63 - 1, 22_000)
hashes[:20_000] = 5
print([within.largest for within in groups_by_hash(hashes, RADII)])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=600
    )
    assert done.stdout.startswith("[20000, "), done.stderr
