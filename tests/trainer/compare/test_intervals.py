"""Intervals over seeds and pictures: held to a plain loop, and to how often they hold the truth."""

from itertools import product

import numpy as np
import pytest

from trainer.compare.crossed import mean_of, variance_of_mean
from trainer.compare.results import Answers, rows_of

COMPARISONS = 400


def plain_variance(values: np.ndarray) -> float:
    """The variance components of a crossed design without repeats, by sums of squares.

    Source: Searle, Casella and McCulloch 1992, chapter 4.
    """
    n_seeds, n_pictures = values.shape
    mean = sum(map(float, values.ravel())) / values.size
    of_seed = [sum(map(float, row)) / n_pictures for row in values]
    of_picture = [sum(map(float, column)) / n_seeds for column in values.T]
    of_rest = sum(
        (float(values[s, p]) - of_seed[s] - of_picture[p] + mean) ** 2
        for s, p in product(range(n_seeds), range(n_pictures))
    ) / ((n_seeds - 1) * (n_pictures - 1))
    squares = n_pictures * sum((own - mean) ** 2 for own in of_seed) / (n_seeds - 1)
    seeds = (squares - of_rest) / n_pictures
    squares = n_seeds * sum((own - mean) ** 2 for own in of_picture) / (n_pictures - 1)
    pictures = (squares - of_rest) / n_seeds
    return seeds / n_seeds + pictures / n_pictures + of_rest / values.size


def test_the_variance_is_that_of_the_components():
    draw = np.random.default_rng(3)
    values = draw.normal(size=(4, 1)) + draw.normal(size=(1, 30)) + draw.normal(size=(4, 30))
    assert variance_of_mean(values)[0] == pytest.approx(plain_variance(values))


@pytest.mark.parametrize("n_seeds", [3, 5, 12])
@pytest.mark.parametrize("of_seeds", [0.0, 0.3])
@pytest.mark.parametrize("of_pictures", [0.0, 1.0])
def test_intervals_of_arms_that_do_not_differ_hold_zero(n_seeds, of_seeds, of_pictures):
    """Two arms whose answers depend on seeds, on pictures, on both or on neither.

    A picture may be easier for one arm and as often for the other. Of 95% intervals at least 90%
    must hold zero: three seeds say little of how seeds vary.
    """
    draw = np.random.default_rng(7)
    hold = 0
    for _ in range(COMPARISONS):
        hard, easier = draw.normal(0, 1, 200), draw.normal(0, of_pictures, 200)
        arms = [
            hard
            + sign * easier
            + draw.normal(0, of_seeds, (n_seeds, 1))
            + draw.normal(0, 1, (n_seeds, 200))
            > 0.3
            for sign in (1, -1)
        ]
        mean = mean_of(arms[0].astype(float) - arms[1])
        hold += mean.low <= 0 <= mean.high
    assert hold / COMPARISONS >= 0.9


def test_intervals_that_see_seeds_alone_or_pictures_alone_are_too_sure():
    """What both sources of chance are for: one of them alone would hold zero too seldom."""
    draw = np.random.default_rng(8)
    by_pictures = by_seeds = 0
    for _ in range(COMPARISONS):
        seeds, pictures = draw.normal(0, 0.3, (5, 1)), draw.normal(0, 1, 50)
        values = seeds + pictures + draw.normal(0, 1, (5, 50))
        mean = values.mean()
        by_pictures += abs(mean) < 1.96 * values.mean(axis=0).std(ddof=1) / 50**0.5
        by_seeds += abs(mean) < 2.776 * values.mean(axis=1).std(ddof=1) / 5**0.5
    assert by_pictures / COMPARISONS < 0.9
    assert by_seeds / COMPARISONS < 0.9


def test_a_true_difference_is_seen():
    draw = np.random.default_rng(9)
    better, worse = draw.random((3, 500)) < 0.6, draw.random((3, 500)) < 0.4
    mean = mean_of(better.astype(float) - worse)
    assert 0.1 < mean.low < mean.value < mean.high < 0.3


def test_few_pictures_that_all_agree_prove_little():
    mean = mean_of(np.zeros((3, 5)))
    assert mean.value == 0
    assert mean.low < -0.4
    assert mean.high > 0.4
    assert mean_of(np.zeros((3, 1_000))).high < 0.005


def test_one_picture_has_an_interval():
    mean = mean_of(np.array([[1.0], [0.0], [1.0]]))
    assert mean.low < 0.5 < mean.high


def test_rows_compare_the_same_seeds_and_pictures_class_group_by_class_group():
    correct = {
        "all": np.array([[1, 1, 0, 0], [1, 0, 0, 0]], bool),
        "capped": np.array([[1, 0, 1, 0], [1, 0, 1, 1]], bool),
    }
    answers = Answers("pets", 640, correct, np.array([0, 0, 1, 1]))
    rows = list(rows_of(answers, "all", np.array(["head", "tail"])))
    figures = {
        (row["class_group"], row["arm"]): (row["accuracy"], row["difference"], row["images"])
        for row in rows
    }
    assert figures == {
        ("all", "all"): (0.375, None, 4),
        ("all", "capped"): (0.625, 0.25, 4),
        ("head", "all"): (0.75, None, 2),
        ("head", "capped"): (0.5, -0.25, 2),
        ("tail", "all"): (0.0, None, 2),
        ("tail", "capped"): (0.75, 0.75, 2),
    }
