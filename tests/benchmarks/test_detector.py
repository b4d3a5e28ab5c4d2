"""The benchmark of the detector: its measures by hand, and its changes."""

import numpy as np
from PIL import Image
from sklearn.metrics import average_precision_score

from benchmarks.detector_changes import CHANGES, NEVER_TRAINED, STRONGER
from benchmarks.detector_measures import measured, precisions
from tests.trainer.copies.test_detector import textured


def test_micro_ap_is_scikit_learns_where_every_positive_is_scored():
    chance = np.random.default_rng(0)
    true = np.sort(chance.normal(1, 1, 500).round(2))[::-1]
    false = np.sort(chance.normal(0, 1, 20_000).round(2))[::-1]
    labels = np.repeat([1, 0], [len(true), len(false)])
    expected = average_precision_score(labels, np.concatenate([true, false]))
    assert np.isclose(precisions(true, false).mean(), expected)


def test_recall_is_the_share_above_the_false_pairs_that_the_rate_allows():
    n = 1_001
    scores = np.zeros((3, n), np.float32)
    scores[0, 0], scores[1, 1], scores[2, 2] = 0.9, 0.5, 0.1
    scores[0, 500] = 0.6
    differ = np.ones((3, n), bool)
    differ[np.arange(3), np.arange(3)] = False
    quality = measured({"JPEG 50": scores}, np.arange(3), differ)
    assert quality.recall[0] == {"JPEG 50": 33.33}
    assert np.isclose(quality.micro_ap, 100 * (1 + 2 / 3 + 3 / 4) / 3)
    assert np.isclose(quality.at_p90, 100 / 3)


def test_every_change_gives_another_picture_and_always_the_same():
    picture = Image.fromarray(textured(1))
    original = np.asarray(picture)
    for name, change in {**CHANGES, **STRONGER}.items():
        first, second = (np.asarray(change(picture)) for _ in range(2))
        assert np.array_equal(first, second), name
        assert first.shape != original.shape or not np.array_equal(first, original), name
        assert first.ndim == 3, name
    assert np.array_equal(np.asarray(picture), original)
    assert len(CHANGES) == 30
    assert len(NEVER_TRAINED) == 6
    assert set(NEVER_TRAINED) < set(CHANGES)
