"""Thresholds at a stated rate: kept on other pairs, and not stated below what pairs can show."""

import re

import numpy as np
import pytest

from queries.pixels.fingerprint import phash
from tests.trainer_fixtures import make_build, make_eval_set, picture, png, write_build
from trainer.__main__ import main
from trainer.copies.detector import Detector, Network
from trainer.copies.thresholds import Greatest, above_rate, bits_within_rate
from trainer.evaluation.sets import EvalSet
from trainer.overlap.choosing import EQUAL_BITS, hash_threshold, own_threshold
from trainer.overlap.search import Search
from trainer.overlap.set_pictures import SetPictures


def drawn(seed: int, n: int) -> np.ndarray:
    """Distances of n pairs of pictures unlike each other, with a tail as hashes have it."""
    draw = np.random.default_rng(seed)
    return (2 * draw.binomial(32, draw.beta(18, 14, n))).clip(0, 64)


@pytest.mark.parametrize("rate", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
def test_bits_chosen_on_few_pairs_keep_the_rate_on_many(rate):
    many = np.concatenate([drawn(100 + i, 1_000_000) for i in range(3)])
    for seed in range(20):
        chosen = bits_within_rate([drawn(seed, 20_000)], rate)
        share = (many <= chosen.value).mean()
        assert share <= max(2 * rate, 2e-6)  # of 3 M pairs
        assert chosen.how == ("measured" if rate * 20_000 >= 1 else "tail")


def test_what_is_stated_is_what_the_pairs_show():
    distances = np.array([2] * 3 + [4] * 10 + [40] * 9_987)
    measured = bits_within_rate([distances], 1e-3)
    assert (measured.value, measured.n_false, measured.how) == (3, 3, "measured")
    below = bits_within_rate([distances], 1e-6)
    assert (below.n_false, below.n_pairs, below.how) == (0, 10_000, "tail")


@pytest.mark.parametrize("rate", [0.3, 0.02])
def test_a_rate_of_more_pairs_than_are_kept_is_no_stricter_than_it_says(rate):
    scores = np.random.default_rng(0).random(1_000_000).astype(np.float32)
    kept = Greatest(int(len(scores) * rate) + 2)
    kept.add(scores)
    chosen = above_rate(kept, rate)
    assert (scores >= chosen.value).mean() == pytest.approx(rate, rel=1e-3)
    few = Greatest(1_000)  # the rest is followed back along the tail, not cut off at the greatest
    few.add(scores)
    assert above_rate(few, rate).value < few.sorted()[-1]


def test_the_greatest_of_too_few_pairs_is_no_near_duplicate():
    scores = Greatest()
    scores.add(np.linspace(0, 0.5, 1_000).astype(np.float32))
    chosen = above_rate(scores, 1e-4)
    assert (chosen.how, chosen.n_false) == ("tail", 0)
    assert chosen.value > 0.5


class Noted:
    """A detector's file, as far as a threshold of its own needs it."""

    name = "learned-0"

    def __init__(self, **thresholds: float):
        self.about = {"thresholds": {key.replace("_", "-"): at for key, at in thresholds.items()}}


@pytest.mark.parametrize(
    ("rate", "value", "noted", "how"),
    [
        (1e-4, 0.6, 1e-4, "detector"),
        (5e-5, 0.7, 1e-5, "detector"),  # the next lower rate
        (1e-6, 0.8, 1e-5, "beyond"),  # none is lower: as much again for a tenth of the rate
        (1e-7, 0.9, 1e-5, "beyond"),
    ],
)
def test_a_detectors_own_threshold_is_that_of_the_next_lower_rate(rate, value, noted, how):
    chosen = own_threshold(Noted(**{"1e_4": 0.6, "1e_5": 0.7}), rate)
    assert (round(chosen.value, 6), chosen.rate, chosen.how) == (value, noted, how)


def seen_set(kind: str, n: int) -> SetPictures:
    draw = np.random.default_rng(0)
    seen = SetPictures(EvalSet(None, ["a", "b", "c"], [], kind=kind))
    seen.names = [str(i) for i in range(n)]
    seen.labels = [i % 2 if kind == "classes" else -1 for i in range(n)]
    seen.several = [((0,), (1,), (0, 1), ())[i % 4] for i in range(n)]
    seen.hashes = draw.integers(-(2**63), 2**63 - 1, n).tolist()
    seen.mirror_hashes = draw.integers(-(2**63), 2**63 - 1, n).tolist()
    return seen


@pytest.mark.parametrize("kind", ["classes", "labels", "captions", "pictures"])
def test_pairs_count_once_and_only_those_that_are_known_to_differ(kind):
    n = 61
    seen = seen_set(kind, n)
    differ = {
        "classes": lambda i, j: seen.labels[i] != seen.labels[j],
        "labels": lambda i, j: not set(seen.several[i]) & set(seen.several[j]),
    }.get(kind, lambda i, j: True)
    plain = [(i, j) for i in range(n) for j in range(i) if differ(i, j)]
    assert hash_threshold(seen, 1e-4).n_pairs == len(plain)


def test_a_picture_twice_in_a_set_without_classes_is_no_false_positive():
    seen = seen_set("pictures", 400)
    seen.hashes[7] = seen.hashes[300]
    assert hash_threshold(seen, 1e-4).n_false == 0
    with_classes = seen_set("classes", 400)
    with_classes.hashes[7] = with_classes.mirror_hashes[300] = with_classes.hashes[300]
    assert hash_threshold(with_classes, 1e-5).value < EQUAL_BITS


def test_without_a_rate_one_false_candidate_a_picture_is_aimed_at():
    rates = [Search().rate_for(n) for n in (10, 20_000, 1_000_000)]
    assert rates == [1e-4, 5e-5, 1e-6]
    assert Search(rate=1e-3).rate_for(1_000_000) == 1e-3
    checked = Search(Detector(Network(), {}))
    assert [checked.rate_for(n) for n in (10, 2_000, 1_000_000)] == [1e-3, 5e-4, 1e-6]


def test_the_command_says_what_is_not_measurable(tmp_path, capsys):
    make_build(tmp_path / "build", per_class=2)
    make_eval_set(tmp_path / "set", first=100, per_class=4)
    (tmp_path / "run").mkdir()
    args = ["overlap", "--data", f"{tmp_path}/build", "--eval", f"{tmp_path}/set"]
    assert main([*args, "--rate", "1e-6"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    n = 64 * 60 // 2
    said = rf"not measurable below {1 / n:.1g} \(1/n\) on {n:,} pairs of different classes: \d+ of"
    assert re.search(said, out)
    assert main([*args, "--rate", "0.01"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert re.search(rf"of {n:,} pairs of different classes, \d+ are as near", out)


def test_a_folder_of_pictures_is_searched_for(tmp_path, capsys):
    write_build(tmp_path / "build", [picture("red circle", 1), picture("blue cross", 2)])
    (tmp_path / "plain" / "deep").mkdir(parents=True)
    (tmp_path / "plain" / "1.png").write_bytes(png(picture("red circle", 1)))
    (tmp_path / "plain" / "deep" / "2.png").write_bytes(png(picture("green square", 5)))
    listed = tmp_path / "l.csv"
    args = ["overlap", "--data", f"{tmp_path}/build", "--eval", f"{tmp_path}/plain"]
    assert main([*args, "--write-exclusions", f"{listed}"]) == 0
    assert "1 training pairs are near" in capsys.readouterr().out
    assert f"phash,{phash(picture('red circle', 1)) % 2**64:016x},2" in listed.read_text()
    assert "pair_id,0," in listed.read_text()
