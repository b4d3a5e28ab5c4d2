"""benchmarks.emoji: what may be learned from, what a batch is, and what is known without a model.

The pictures are shapes drawn here, four times with other chance: four vendors.
"""

import io
import tarfile

import cv2
import numpy as np
import pytest

from benchmarks import emoji_data
from benchmarks.emoji_answers import (
    UNSEEN_CONCEPTS,
    UNSEEN_VENDOR,
    by_model,
    correlations,
    distances,
    without_a_model,
)
from benchmarks.emoji_data import TRAINED_ON, VENDORS, Emoji, held_out, small
from benchmarks.emoji_train import Plan, arranged, caption, train, view
from tests.trainer_fixtures import CLASSES, picture

HELD_OUT = ("green square", "blue cross", "black circle")


def shapes() -> Emoji:
    """16 coloured shapes, three of them held out; the vendors differ in place and size."""
    drawn = {
        vendor: np.stack([small(picture(name, 100 * at + n)) for n, name in enumerate(CLASSES)])
        for at, vendor in enumerate(VENDORS)
    }
    held = np.array([name in HELD_OUT for name in CLASSES])
    return Emoji([str(n) for n in range(16)], CLASSES, [[]] * 16, drawn, held)


def test_which_concepts_are_held_out_ignores_their_order():
    codes = [f"{number:x}" for number in range(1852)]
    chosen = {code for code, held in zip(codes, held_out(codes), strict=True) if held}
    assert len(chosen) == 185
    again = {code for code, held in zip(codes[::-1], held_out(codes[::-1]), strict=True) if held}
    assert again == chosen


def test_a_drawing_is_the_same_whatever_margin_it_has():
    star = np.full((40, 40, 3), 255, np.uint8)
    cv2.circle(star, (20, 20), 15, (200, 30, 30), -1)
    wider = np.full((90, 70, 3), 255, np.uint8)
    wider[30:70, 10:50] = star
    assert (small(star) == small(wider)).all()
    assert (small(np.full((9, 5, 3), 255, np.uint8)) == 255).all()  # nothing drawn


def test_an_epoch_has_every_concept_once_and_three_epochs_every_vendor():
    emoji = shapes()
    epochs = list(arranged(emoji, steps=3, seed=5))
    trained = np.flatnonzero(~emoji.held_out)
    for concepts, vendors in epochs:
        assert sorted(concepts) == trained.tolist()
        assert set(vendors) <= set(range(len(TRAINED_ON)))
    by_concept = [dict(zip(*one, strict=True)) for one in epochs]
    assert all({one[concept] for one in by_concept} == {0, 1, 2} for concept in trained)
    again = list(arranged(emoji, steps=3, seed=5))
    assert all((a[0] == b[0]).all() for a, b in zip(epochs, again, strict=True))


def test_a_caption_has_the_name_or_the_keywords():
    rng = np.random.default_rng(0)
    made = {caption("pizza", ["cheese", "slice"], rng) for _ in range(3000)}
    assert all("pizza" in one or set(one.split(", ")) <= {"cheese", "slice"} for one in made)
    assert {"pizza", "slice", "an emoji of pizza: cheese"} <= made
    assert {caption("pizza", [], rng) for _ in range(99)} == {
        "pizza",
        "an emoji of pizza",
        "a picture of pizza",
        "pizza, a drawing",
    }


def test_a_view_moves_and_recolours_but_keeps_the_paper_white():
    rng = np.random.default_rng(0)
    before = small(picture("red circle", 0))
    seen = [view(before, rng) for _ in range(50)]
    assert all(one.shape == before.shape and one.dtype == np.uint8 for one in seen)
    assert len({one.tobytes() for one in seen}) == 50
    white = np.full_like(before, 255)
    assert np.mean([view(white, rng).min() for _ in range(50)]) > 150


def test_a_short_training_repeats_and_knows_an_unseen_vendors_shapes():
    emoji, plan = shapes(), Plan(steps=60)
    trained = train(emoji, plan, seed=0)
    assert trained.loss < 0.7 * np.log(13)
    assert trained.images == 60 * 13
    answers = by_model(emoji, trained)
    assert answers["zero-shot, names", UNSEEN_VENDOR].n == 13
    assert answers["zero-shot, names", UNSEEN_VENDOR].value > 3 / 13
    assert answers["zero-shot, names", UNSEEN_CONCEPTS].chance == 1 / 3
    assert set(answers["nearest training picture", UNSEEN_VENDOR].__dict__) >= {"low", "high"}
    short = [train(emoji, Plan(steps=3), seed).loss for seed in (1, 1, 2)]
    assert short[0] == short[1] != short[2]


def test_the_baselines_by_pixels_are_those_of_plain_loops():
    emoji = shapes()
    asked, bank = emoji.pictures["twitter"][:4], emoji.pictures["google"]
    thumb = [cv2.resize(one, (16, 16), interpolation=cv2.INTER_AREA).astype(float) for one in bank]
    for i, one in enumerate(asked):
        mine = cv2.resize(one, (16, 16), interpolation=cv2.INTER_AREA).astype(float)
        wanted = [((mine - other) ** 2).sum() for other in thumb]
        assert distances(asked, bank)[i] == pytest.approx(wanted, rel=1e-4, abs=1)
        wanted = [1 - np.corrcoef(mine.ravel(), other.ravel())[0, 1] for other in thumb]
        assert correlations(asked, bank)[i] == pytest.approx(wanted, abs=1e-4)


def test_without_a_model_an_equal_picture_is_found_and_words_name_the_unseen():
    emoji = shapes()
    emoji.pictures["twitter"][:] = emoji.pictures["fluent"]
    found = without_a_model(emoji)
    assert found["nearest by pixels' distance", UNSEEN_VENDOR].value == 1
    nearest = found["nearest by pixels' distance, then words", UNSEEN_CONCEPTS]
    assert nearest.n == 3
    assert 0 <= nearest.low <= nearest.value <= nearest.high <= 1


def test_of_an_archive_only_plain_small_files_of_the_folder_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(emoji_data, "FILE_BYTES", 10)
    folder = "package/img/google/64/"
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as tar:
        for name, data in ((f"{folder}1f600.png", b"a"), (f"{folder}1f601.png", b"b" * 11)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo(f"{folder}1f602.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("package/other/1f603.png"))
    assert list(emoji_data._members("google", tmp_path / "a.tgz")) == [("1f600", b"a")]


def test_without_npm_the_benchmark_ends_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="npm: not found"):
        emoji_data.fetched("emoji-datasource-google@16.0.0", tmp_path)
