"""Near duplicates and what they do to accuracy (CLIP, section 5)."""

import math

import numpy as np
import pytest
from scipy.stats import beta, binom

from trainer.copies.neighbours import Neighbours, folded, near_hashes, near_vectors
from trainer.copies.thresholds import Greatest, above_rate, bits_within_rate
from trainer.overlap.stats import bonferroni, splits

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


@pytest.mark.parametrize("seed", range(20))
def test_the_statistics_equal_scipys_on_random_tables(seed):
    draw = np.random.default_rng(seed)
    n = int(draw.integers(2, 400))
    correct, overlap = draw.random(n) < draw.random(), draw.random(n) < draw.random()
    overlap[:2] = True, False
    found = splits(correct, overlap)
    hits, k = int(correct[overlap].sum()), int(overlap.sum())
    clean = correct[~overlap].mean()
    assert math.isclose(found.p, binom.sf(hits - 1, k, clean), rel_tol=1e-9, abs_tol=1e-300)
    low = beta.ppf(0.0025, hits, k - hits + 1) if hits else 0.0
    high = beta.ppf(0.9975, hits + 1, k - hits) if hits < k else 1.0
    assert np.allclose(found.overlap_interval, (low, high))
    assert math.isclose(found.gain, correct.mean() - clean, abs_tol=1e-12)


@pytest.mark.parametrize("overlap", [np.zeros(4, bool), np.ones(4, bool)])
def test_an_empty_split_has_no_accuracy_and_no_test(overlap):
    found = splits(np.array([True, True, False, False]), overlap)
    assert found.accuracy == 0.5
    assert found.p is None
    assert None in (found.clean_accuracy, found.overlap_accuracy)


def test_each_p_is_corrected_for_the_sets_that_were_tested():
    assert bonferroni([0.01, None, 0.02, 0.5]) == [0.03, None, 0.06, 1.0]


def test_near_hashes_equal_a_plain_loop():
    draw = np.random.default_rng(0)
    hashes = draw.integers(-(2**63), 2**63 - 1, 7)
    ids = np.arange(100, 140)
    theirs = draw.integers(-(2**63), 2**63 - 1, 40)
    theirs[5], theirs[30], theirs[31] = hashes[2], hashes[2] ^ 7, hashes[4] ^ 1
    found = near_hashes(hashes, [(ids[:20], theirs[:20]), (ids[20:], theirs[20:])], near_bits=3)
    distance = [[(int(a) ^ int(b)) & (2**64 - 1) for b in theirs] for a in hashes]
    bits = np.array([[value.bit_count() for value in row] for row in distance])
    assert found.nearest.tolist() == bits.min(axis=1).tolist()
    assert found.nearest_pair_id.tolist() == ids[bits.argmin(axis=1)].tolist()
    rows = list(zip(found.row, found.value, found.pair_id, strict=True))
    assert rows == [(2, 0, 105), (2, 3, 130), (4, 1, 131)]


def test_no_neighbour_within_the_bits_is_no_row():
    found = near_hashes(np.array([0]), [(np.array([1]), np.array([-1]))], near_bits=4)
    assert found.nearest.tolist() == [64]
    assert found.row.tolist() == found.pair_id.tolist() == []


@pytest.mark.parametrize("block", [1, 7, 1_000])
def test_near_vectors_equal_a_plain_product_whatever_the_blocks(monkeypatch, block):
    monkeypatch.setattr("trainer.copies.neighbours.ROWS", block)
    draw = np.random.default_rng(1)
    sought = draw.standard_normal((9, 12)).astype(np.float32)
    theirs, ids = draw.standard_normal((50, 12)).astype(np.float32), np.arange(200, 250)
    least = np.linspace(2, 6, 9)
    blocks = [(ids[at : at + 10], theirs[at : at + 10]) for at in range(0, 50, 10)]
    found = near_vectors(sought, blocks, least)
    scores = sought @ theirs.T
    assert found.nearest_pair_id.tolist() == ids[scores.argmax(axis=1)].tolist()
    assert np.allclose(found.nearest, scores.max(axis=1), atol=1e-5)
    rows, columns = np.nonzero(scores >= least[:, None])
    assert set(zip(found.row, found.pair_id, strict=True)) == set(
        zip(rows, ids[columns], strict=True)
    )
    assert np.allclose(found.value, scores[found.row, found.pair_id - 200], atol=1e-5)


def test_a_picture_and_its_mirror_image_are_one_with_the_nearer_of_both():
    ids = np.array([5, 6, 7, 5])
    found = Neighbours(
        np.array([9.0, 4.0, 2.0, 8.0]),
        ids,
        np.array([1, 1, 2, 3]),
        np.array([6, 7, 7, 6]),
        np.array([4.0, 5.0, 2.0, 3.0]),
    )
    one = folded(found, 2, np.min)
    assert one.nearest.tolist() == [2, 4]
    assert one.nearest_pair_id.tolist() == [7, 6]
    assert list(zip(one.row, one.pair_id, one.value, strict=True)) == [
        (0, 7, 2),
        (1, 6, 3),
        (1, 7, 5),
    ]


def test_the_threshold_keeps_its_rate_on_pairs_that_it_was_chosen_on():
    scores = np.random.default_rng(2).random(100_000).astype(np.float32)
    seen = Greatest()
    for some in np.split(scores, 10):
        seen.add(some)
    found = above_rate(seen, 1e-3)
    assert found.how == "measured"
    assert found.n_pairs == 100_000
    assert (scores >= found.value).sum() == 100


@pytest.mark.parametrize("rate", [1e-5, 1e-6])
def test_the_tail_of_few_pairs_is_near_what_many_show(rate):
    draw = np.random.default_rng(3)
    few = Greatest()
    few.add(draw.exponential(0.1, 20_000))
    found = above_rate(few, rate)
    assert found.how == "tail"
    assert math.isclose(found.value, -0.1 * math.log(rate), rel_tol=0.25)


def test_bits_are_the_most_at_which_the_rate_holds_and_never_below_none():
    far = np.full(10_000, 30)
    assert bits_within_rate([np.array([4, 4]), far], 1e-5).value == 3
    assert bits_within_rate([np.array([4, 4]), far], 1e-3).value == 6
    assert bits_within_rate([np.array([0]), far], 1e-6).value == 0
