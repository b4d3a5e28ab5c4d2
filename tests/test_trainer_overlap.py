"""Near duplicates and what they do to accuracy (CLIP, section 5)."""

import math

import numpy as np
import pytest

from trainer.neighbours import neighbours
from trainer.overlap import splits

CORRECT = np.array([True] * 9 + [False] + [True] * 45 + [False] * 45)
OVERLAP = np.array([True] * 10 + [False] * 90)


def test_the_splits_are_counted_as_in_the_paper():
    found = splits(CORRECT, OVERLAP)
    assert (found.n, found.n_overlap, found.contamination) == (100, 10, 0.1)
    assert (found.accuracy, found.clean_accuracy, found.overlap_accuracy) == (0.54, 0.5, 0.9)
    assert math.isclose(found.gain, 0.04)


def test_the_p_value_is_the_binomial_tail_at_the_clean_accuracy():
    tail = sum(math.comb(10, k) * 0.5**10 for k in (9, 10))
    assert math.isclose(splits(CORRECT, OVERLAP).p, tail)


def test_the_interval_leaves_a_quarter_percent_on_each_side():
    low, high = splits(CORRECT, OVERLAP).overlap_interval

    def tail(p, ks):
        return sum(math.comb(10, k) * p**k * (1 - p) ** (10 - k) for k in ks)

    assert math.isclose(tail(low, range(9, 11)), 0.0025, rel_tol=1e-6)
    assert math.isclose(tail(high, range(10)), 0.0025, rel_tol=1e-6)


@pytest.mark.parametrize("overlap", [np.zeros(4, bool), np.ones(4, bool)])
def test_an_empty_split_has_no_accuracy_and_no_test(overlap):
    found = splits(np.array([True, True, False, False]), overlap)
    assert found.accuracy == 0.5
    assert found.p is None
    assert None in (found.clean_accuracy, found.overlap_accuracy)


def test_neighbours_equal_a_plain_loop():
    draw = np.random.default_rng(0)
    hashes = draw.integers(-(2**63), 2**63 - 1, 7)
    ids = np.arange(100, 140)
    theirs = draw.integers(-(2**63), 2**63 - 1, 40)
    theirs[5], theirs[30], theirs[31] = hashes[2], hashes[2] ^ 7, hashes[4] ^ 1
    found = neighbours(hashes, [(ids[:20], theirs[:20]), (ids[20:], theirs[20:])], near_bits=3)
    distance = [[(int(a) ^ int(b)) & (2**64 - 1) for b in theirs] for a in hashes]
    bits = np.array([[value.bit_count() for value in row] for row in distance])
    assert found.nearest_distance.tolist() == bits.min(axis=1).tolist()
    assert found.nearest_pair_id.tolist() == ids[bits.argmin(axis=1)].tolist()
    rows = list(zip(found.row, found.distance, found.pair_id, strict=True))
    assert rows == [(2, 0, 105), (2, 3, 130), (4, 1, 131)]


def test_no_neighbour_within_the_bits_is_no_row():
    found = neighbours(np.array([0]), [(np.array([1]), np.array([-1]))], near_bits=4)
    assert found.nearest_distance.tolist() == [64]
    assert found.row.tolist() == found.pair_id.tolist() == []
