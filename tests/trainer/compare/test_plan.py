"""Arms, plans and classes: what a comparison fixes before a step is trained."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.text import words as words_of_queries
from queries.pixels.fingerprint import hash63
from tests.trainer_fixtures import make_build
from trainer.compare.arms import read_arms
from trainer.compare.plan import make_plan
from trainer.compare.words import groups, naming, texts, words
from trainer.data.loader import shown_rows
from trainer.settings import TrainerError

SPACED = (
    "A cat’s “paw” on Ｔａｂｌｅ 7",
    "Гора Эльбрус: 5642 м",
    "हिन्दी में एक वाक्य",
    "İstanbul'da bir gün",
    "E\u0301cole de beaute\u0301",
    "snake_case, kebab-case and 3.14",
    "",
)
UNSPACED = ("新款iPhone手机壳，20世紀", "ｶﾞｰﾄﾞﾚｰﾙ と 犬の写真", "ไทย ภาษาไทย 123")


@pytest.mark.parametrize("text", SPACED)
def test_words_are_those_that_queries_are_found_by(text):
    assert words(text) == words_of_queries(text)


@pytest.mark.parametrize("text", UNSPACED)
def test_a_letter_of_a_script_without_spaces_is_a_word(text):
    assert "".join(words(text)) == "".join(words_of_queries(text))
    assert naming([text], [text, text[:2]]).tolist() == [1, 1]


def test_a_class_is_named_by_its_words_one_behind_the_other():
    captions = pa.chunked_array([["a polar bear", "Bear, polar"], ["polar-bear polar bear", None]])
    read = (text or "" for text in texts(captions))
    counts = naming(read, ["polar bear", "bear", "polar", "Polar  Bear", "ice", ""])
    assert counts.tolist() == [2, 3, 3, 2, 0, 0]


def test_equal_counts_of_pairs_stay_in_one_group():
    counts = np.array([5, 5, 5, 5, 1, 90])
    assert groups(counts).tolist() == ["tail"] * 5 + ["head"]
    assert set(groups(np.zeros(4, np.int64)).tolist()) == {"tail"}


@pytest.mark.parametrize("samples", [1, 100, 5_000, 12_345])
@pytest.mark.parametrize("points", [1, 3, 8])
def test_every_arm_sees_equally_many_samples_and_none_twice_in_an_epoch(samples, points):
    pairs = {"all": 1_000, "capped": 137, "half": 500}
    plan = make_plan(pairs, 16, samples, points)
    assert samples <= plan.samples
    assert len(plan.epochs_measured()) <= points
    assert plan.epochs_measured()[-1] == plan.epochs
    for name, n in pairs.items():
        ids = np.array([hash63(name, i) for i in range(n)])
        times = np.zeros(n, np.int64)
        for epoch in range(plan.epochs):
            rows, _ = shown_rows(ids, [(n, plan.shown / n)], 0, epoch)
            assert len(rows) == plan.shown
            assert len(set(rows.tolist())) == plan.shown
            times[rows] += 1
        assert times.max() - times.min() <= 1


def test_an_arm_smaller_than_a_batch_is_refused():
    with pytest.raises(TrainerError, match=r"arm few: 9 pairs, expected at least a batch of 16"):
        make_plan({"all": 100, "few": 9}, 16, 1_000, 4)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["all=OUT"], "1 arms, expected at least 2"),
        (["all=OUT", "all=OUT"], "arm all: stands twice"),
        (["all=OUT", "OUT2"], "expected NAME=DATA"),
        (["all=OUT", "b= where n_words > 3"], "expected NAME=DATA"),
        (["all=OUT", "../b=OUT"], "expected a name of letters"),
        (["all=OUT", "b=nowhere"], "nowhere"),
    ],
)
def test_arms_that_cannot_be_compared_are_named(tmp_path, monkeypatch, options, expected):
    make_build(tmp_path / "OUT", 1)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrainerError, match=expected):
        read_arms(options, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[arms.a]\ndata = 'OUT'\n", r"arms: expected sections \[arm.NAME\]"),
        ("[arm.a]\nwhere = 'x'\n", r"\[arm.a\] has no data"),
        ("[arm.a]\ndata = ['OUT']\n", r"\[arm.a\] data = \['OUT'\]: expected data, where, scores"),
        ("[arm.a]\ndata = 'OUT'\nscores = 's'\n[arm.b]\ndata = 'OUT'\n", "expected a condition"),
        ("arm = 3\n", r"no \[arm.NAME\]"),
    ],
)
def test_a_file_of_arms_that_is_wrong_is_named(tmp_path, monkeypatch, text, expected):
    make_build(tmp_path / "OUT", 1)
    (tmp_path / "arms.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrainerError, match=expected):
        read_arms([], tmp_path / "arms.toml")


def test_arms_of_a_file_follow_those_of_the_command(tmp_path):
    make_build(tmp_path / "OUT", 1)
    text = f"[arm.long]\ndata = '{tmp_path}/OUT'\nwhere = 'n_words > 3'\n"
    (tmp_path / "arms.toml").write_text(text)
    arms = read_arms([f"all={tmp_path}/OUT"], tmp_path / "arms.toml")
    assert [(arm.name, arm.where) for arm in arms] == [("all", None), ("long", "n_words > 3")]
