"""95% intervals: Wilson's, of a mean over classes, and of captions that share a picture."""

import numpy as np
import pytest
from scipy.stats import binomtest

from trainer.evaluation import multilabel
from trainer.evaluation.intervals import clustered, mean_per_class, rate, wilson
from trainer.evaluation.predictions import Predictions, best_classes


def test_a_rates_interval_is_wilsons():
    hits = np.array([True] * 37 + [False] * 263)
    expected = binomtest(37, 300).proportion_ci(0.95, method="wilson")
    found = rate("top-1", hits, 0.1)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert (found.value, found.n, found.chance) == (37 / 300, 300, 0.1)


@pytest.mark.parametrize("hits", [np.zeros(10, bool), np.ones(10, bool)])
def test_all_right_and_all_wrong_have_a_width_too(hits):
    for found in (
        rate("", hits, 0.1),
        mean_per_class(hits, np.arange(10) // 5, 0.5),
        clustered("", hits, np.arange(10) // 2, 0.1),
    ):
        assert 0 <= found.low <= found.value <= found.high <= 1
        assert found.high - found.low > 0.2


def test_the_mean_per_class_equals_a_plain_loop():
    draw = np.random.default_rng(0)
    labels = draw.choice([0, 1, 2, 5], 200, p=[0.7, 0.2, 0.05, 0.05])
    correct = draw.random(200) < 0.6
    plain = np.mean([correct[labels == label].mean() for label in (0, 1, 2, 5)])
    assert mean_per_class(correct, labels, 0.1).value == pytest.approx(plain)


def test_of_classes_of_one_size_it_has_the_interval_of_top_1():
    correct = np.random.default_rng(0).random(120) < 0.3
    one, other = mean_per_class(correct, np.arange(120) % 6, 0.1), rate("", correct, 0.1)
    assert (one.low, one.high) == pytest.approx((other.low, other.high))


def covered(interval_of, truth: float) -> float:
    """The share of 2,000 draws whose interval holds the truth."""
    draw = np.random.default_rng(0)
    found = [interval_of(draw) for _ in range(2_000)]
    return float(np.mean([one.low <= truth <= one.high for one in found]))


def test_the_mean_per_class_lies_in_its_interval_as_often_as_stated():
    labels = np.repeat(np.arange(12), [4, 6, 8, 10, 15, 20, 25, 30, 40, 60, 80, 100])
    rates = np.linspace(0.3, 0.9, 12)

    def interval_of(draw):
        return mean_per_class(draw.random(len(labels)) < rates[labels], labels, 0.1)

    assert 0.94 <= covered(interval_of, rates.mean()) <= 0.985


@pytest.mark.parametrize(
    ("sizes", "rates"),
    [
        ((2, 2, 300), (0.4, 0.6, 0.95)),  # few and small: 88% by one accuracy for all classes
        ((10, 100, 1000), (0.5, 0.9, 0.97)),  # 90%
        ((2, 3, 100, 100), (0.5, 0.5, 0.95, 0.99)),
        ((3, 5, 8), (0.5, 0.9, 0.2)),
        ([1] * 100, [0.98] * 100),
    ],
)
def test_the_mean_of_few_and_small_classes_lies_in_its_interval_too(sizes, rates):
    labels, rates = np.repeat(np.arange(len(sizes)), sizes), np.array(rates)

    def interval_of(draw):
        return mean_per_class(draw.random(len(labels)) < rates[labels], labels, 0.1)

    assert covered(interval_of, rates.mean()) >= 0.93


def test_captions_of_one_picture_are_no_independent_answers():
    groups = np.repeat(np.arange(80), 5)

    def hits(draw):  # of a picture that is easy, nearly all of its captions find it
        return draw.random(400) < np.where(draw.random(80) < 0.5, 0.95, 0.15)[groups]

    def grouped(draw):
        return clustered("", hits(draw), groups, 0.01)

    def alone(draw):
        return rate("", hits(draw), 0.01)

    assert 0.93 <= covered(grouped, 0.55) <= 0.97
    assert covered(alone, 0.55) < 0.8


def test_independent_captions_have_the_interval_of_as_many_answers():
    hits = np.random.default_rng(1).random(400) < 0.5
    one = clustered("", hits, np.arange(400), 0.01)
    assert (one.low, one.high) == pytest.approx(wilson(int(hits.sum()), 400), abs=1e-3)


@pytest.mark.parametrize(
    ("shares", "apart", "n"),
    [
        ((0.05, 0.1, 0.3), 1.5, 150),
        ((0.02, 0.5), 2, 200),
        ([0.05] * 6, 1, 120),
        ((0.1, 0.2), 3, 60),
    ],
)
def test_the_mean_average_precision_of_few_and_small_classes_lies_in_its_interval(shares, apart, n):
    """The truth is the mean over sets of this size: of small classes it is above a large set's."""
    draw, results = np.random.default_rng(0), []
    while len(results) < 400:
        targets = draw.random((n, len(shares))) < shares
        cosines = draw.normal(0, 1, targets.shape) + apart * targets
        own = [tuple(np.flatnonzero(row)) for row in targets]
        names, labels = [f"{i}" for i in range(n)], np.full(n, -1)
        seen = Predictions(names, labels, best_classes(cosines), own, cosines)
        if targets.any(axis=0).all():
            results.append(multilabel.figures(seen)["mean_average_precision"])
    truth = np.mean([result.value for result in results])
    assert np.mean([result.low <= truth <= result.high for result in results]) >= 0.94
