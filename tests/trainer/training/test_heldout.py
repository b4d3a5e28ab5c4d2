"""Pairs held out while training: never trained on, measured right, best weights by them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.trainer.training.test_claim import killed_after
from tests.trainer_fixtures import make_build, make_eval_set
from trainer.__main__ import main
from trainer.data.loader import Loader
from trainer.data.reading import read_samples
from trainer.model import checkpoint
from trainer.run_folder import RunFolder
from trainer.settings import RECIPES, TrainerError, read
from trainer.training.augment import augmented_batch, moved, redrawn
from trainer.training.heldout import HeldOut, held_out
from trainer.training.log import Log
from trainer.training.losses import contrastive
from trainer.training.run import train
from trainer.training.start import Habits

SETTINGS = {"": {"precision": "fp32", "val": 0.25}, "recipe": {"epochs": 3, "batch": 16}}
EVERY_STEP = Habits(save_seconds=0, log_every=1)


def records(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A build and a run that held a quarter of it out."""
    root = tmp_path_factory.mktemp("held")
    make_build(root / "build", per_class=4)
    shown, epoch = [], Loader.epoch

    def watched(loader, number, first_step=0):
        for batch in epoch(loader, number, first_step):
            shown.extend(batch.pair_ids.tolist())
            yield batch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loader, "epoch", watched)
        train(root / "build", RunFolder(root / "run"), read(None, SETTINGS), EVERY_STEP)
    (root / "shown.json").write_text(json.dumps(shown))
    return root


def test_no_pair_that_is_held_out_is_trained_on_and_every_other_one_is(world):
    samples = read_samples(world / "build", 64)
    out = held_out(samples.pair_ids, 0.25)
    assert 4 < out.sum() < len(out) - 4
    assert set(json.loads((world / "shown.json").read_text())) == set(
        samples.pair_ids[~out].tolist()
    )
    assert json.loads((world / "run/run.json").read_text())["held_out"]["pairs"] == out.sum()


def test_which_pairs_are_held_out_does_not_depend_on_the_others():
    ids = np.random.default_rng(0).integers(0, 1 << 62, 100_000)
    out = held_out(ids, 0.02)
    assert abs(out.mean() - 0.02) < 0.002
    np.testing.assert_array_equal(held_out(ids[500:900], 0.02), out[500:900])
    assert set(ids[held_out(ids, 0.01)]) < set(ids[out])


def test_the_measure_is_the_loss_and_the_recall_by_plain_loops(world):
    run = RunFolder(world / "run")
    trained = checkpoint.load(run)
    samples = read_samples(world / "build", 64)
    samples = samples.chosen(held_out(samples.pair_ids, 0.25), 64)
    measured = HeldOut(samples, trained.tokenizer, 32, 64, torch.float32).measure(trained.model)
    pictures = np.stack([samples.picture(i) for i in range(len(samples))])
    side = np.empty((len(samples), 64, 64, 3), np.uint8)
    for i in range(len(pictures)):
        samples.fill(i, 0.5, 0.5, side[i])
    captions = samples.captions(np.arange(len(samples)))
    with torch.inference_mode():
        tokens = torch.from_numpy(trained.tokenizer.encode(captions, 32))
        image, text, scale = trained.model(torch.from_numpy(side.transpose(0, 3, 1, 2)), tokens)
    assert measured["loss"] == pytest.approx(contrastive(image, text, scale).item(), abs=1e-5)
    cosines = (image @ text.T).numpy()
    own = np.diag(cosines)
    for k in (1, 5):
        # Captions repeat here, and rounding decides among equals.
        surely = ((cosines >= own[:, None] - 1e-5).sum(1) - 1 < k).mean()
        perhaps = ((cosines > own[:, None] + 1e-5).sum(1) < k).mean()
        assert surely <= measured[f"image_to_text_{k}"] <= perhaps
    assert 0 <= measured["image_to_text_1"] <= measured["image_to_text_5"] <= 1
    assert not trained.model.training


def test_best_is_by_the_held_out_loss_and_a_command_reads_it(world, capsys):
    lines = records(world / "run/val.jsonl")
    assert len(lines) == 3
    best = min(lines, key=lambda line: line["loss"])
    done = json.loads((world / "run/run.json").read_text())
    assert done["best_loss"] == best["loss"]
    assert checkpoint.load(RunFolder(world / "run", best=True)).state.step == best["step"]
    make_eval_set(world / "unseen", first=1000, per_class=1)
    zeroshot = ["zeroshot", "--run", f"{world}/run", "--eval", f"{world}/unseen", "--best"]
    assert main(zeroshot) == 0
    result = json.loads((world / "run/zeroshot.json").read_text())["unseen"]
    assert (result["weights"], result["step"]) == ("best.safetensors", best["step"])


def test_a_killed_run_goes_on_with_the_same_measures(world, tmp_path, monkeypatch):
    run = RunFolder(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(Log, "step", killed_after(5))
        with pytest.raises(KeyboardInterrupt):
            train(world / "build", run, read(None, SETTINGS), EVERY_STEP)
    train(world / "build", run, read(None, SETTINGS), EVERY_STEP)
    assert records(run.val_log) == records(world / "run/val.jsonl")
    assert run.checkpoint.read_bytes() == (world / "run/checkpoint.safetensors").read_bytes()


def test_a_run_that_gets_no_better_ends_early_and_says_so(world, tmp_path):
    settings = read(None, {"": {**SETTINGS[""], "patience": 1}, "recipe": SETTINGS["recipe"]})
    settings = replace(settings, recipe=replace(settings.recipe, epochs=30, lr=0.5))
    done = train(world / "build", RunFolder(tmp_path / "run"), settings, EVERY_STEP)
    assert done["ended_by"] == "patience"
    losses = [line["loss"] for line in records(tmp_path / "run/val.jsonl")]
    assert losses[-1] >= min(losses[:-1])
    assert len(losses) < 30


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"": {"patience": 2}}, "expected val beside it"),
        ({"": {"val": 0.1}, "recipe": {"objective": "simclr"}}, "simclr has none"),
        ({"": {"val": 1e-9}}, "0 of 64 pairs, expected at least 2"),
        ({"": {"val": 0.9}}, "val"),
    ],
)
def test_a_share_that_cannot_be_held_out_is_one_line(world, tmp_path, flags, expected):
    with pytest.raises(TrainerError, match=expected) as error:
        train(world / "build", RunFolder(tmp_path / "run"), read(None, flags))
    assert "\n" not in str(error.value)


# --- changes of the pictures ------------------------------------------------------------------
def test_pictures_are_left_as_they_are_unless_the_recipe_says_otherwise():
    images = np.random.default_rng(0).integers(0, 256, (6, 3, 32, 32), np.uint8)
    draws = np.arange(6, dtype=np.uint64)
    plain = RECIPES["tiny-rn"]
    np.testing.assert_array_equal(augmented_batch(images.copy(), draws, plain), images)
    flipped = augmented_batch(images.copy(), draws, replace(plain, flip=True))
    mirrored = [np.array_equal(a, b[..., ::-1]) for a, b in zip(flipped, images, strict=True)]
    kept = [np.array_equal(a, b) for a, b in zip(flipped, images, strict=True)]
    assert sum(mirrored) + sum(kept) == 6
    assert 0 < sum(mirrored) < 6
    every = replace(plain, flip=True, colour=0.4, crop_scale=0.5, affine=1.0, strokes=1.0)
    whole = augmented_batch(images.copy(), draws, every)
    part = augmented_batch(images[2:4].copy(), draws[2:4], every)
    np.testing.assert_array_equal(whole[2:4], part)
    assert not any(np.array_equal(a, b) for a, b in zip(whole, images, strict=True))


@pytest.mark.parametrize(
    "changes",
    [{}, {"flip": True, "colour": 0.4, "crop_scale": 0.5}, {"affine": 1.0, "strokes": 0.8}],
)
def test_changed_pictures_take_no_memory_of_their_own(changes):
    """The batch is the one that the loader has made, whose memory is used again."""
    images = np.zeros((4, 32, 32, 3), np.uint8).transpose(0, 3, 1, 2)
    changed = augmented_batch(
        images, np.arange(4, dtype=np.uint64), replace(RECIPES["tiny-rn"], **changes)
    )
    assert changed.ctypes.data == images.ctypes.data
    assert changed.transpose(0, 2, 3, 1).flags.c_contiguous


def test_a_moved_drawing_lies_on_white_paper_and_stays_whole():
    page = np.full((64, 64, 3), 255, np.uint8)
    page[20:44, 20:44] = 0
    for seed in range(40):
        seen = moved(page, np.random.default_rng(seed), 1.0)
        edge = np.concatenate([seen[0], seen[-1], seen[:, 0], seen[:, -1]])
        assert edge.min() == 255
        assert 0.3 < (seen < 128).sum() / (page < 128).sum() < 1.7


def test_redrawn_strokes_are_thicker_thinner_hollow_or_as_they_were():
    page = np.full((64, 64, 3), 255, np.uint8)
    page[16:48, 16:48] = 0
    middles, areas = set(), set()
    for seed in range(60):
        seen = redrawn(page, np.random.default_rng(seed))
        middles.add(bool(seen[32, 32, 0] < 128))
        areas.add(int(np.sign((seen < 128).sum() - (page < 128).sum())))
    assert middles == {True, False}  # an outline has nothing within
    assert areas == {-1, 0, 1}


def test_a_set_without_prompts_is_asked_by_the_bare_name_too_and_the_better_one_counts(
    world, capsys
):
    make_eval_set(world / "bare", first=2000, per_class=1)
    (world / "bare/zeroshot_classification_templates.txt").unlink()
    assert main(["zeroshot", "--run", f"{world}/run", "--eval", f"{world}/bare"]) == 0
    result = json.loads((world / "run/zeroshot.json").read_text())["bare"]
    tried = result["prompts_tried"]
    assert [*tried] == ["a photo of a {c}.", "{c}"]
    assert result["top1"] == max(tried.values())
    assert tried[result["templates"][0]] == result["top1"]
    assert "the better of two counts" in " ".join(capsys.readouterr().out.split())
