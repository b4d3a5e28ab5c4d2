"""SLIP's views and head: by chance that repeats, of the declared sizes, from before projection."""

import numpy as np
import pytest
import torch

from tests.trainer_fixtures import picture
from trainer.model import build
from trainer.settings import MODELS, RECIPES, TrainerError, TrainSettings, recipe
from trainer.training.slip import (
    augmented,
    contrast,
    crop_any,
    gray,
    head,
    hue,
    saturation,
    views,
)

IMAGES = np.stack([picture("red circle", at) for at in range(6)]).transpose(0, 3, 1, 2)


def test_views_repeat_for_a_draw_and_differ_between_draws():
    draws = np.arange(6, dtype=np.uint64) + np.uint64(2**63)
    first = views(IMAGES, draws)
    assert first.shape == IMAGES.shape
    assert first.dtype == np.uint8
    assert (first == views(IMAGES, draws)).all()
    other = views(IMAGES, draws + np.uint64(99))
    assert (first != other).reshape(6, -1).any(axis=1).all()


def test_a_view_depends_on_its_own_picture_alone():
    draws = np.arange(6, dtype=np.uint64)
    assert (views(IMAGES[3:4], draws[3:4]) == views(IMAGES, draws)[3:4]).all()


def test_no_picture_has_no_view():
    assert views(IMAGES[:0], np.zeros(0, np.uint64)).shape == (0, 3, 96, 96)


@pytest.mark.parametrize("shape", [(96, 96), (1, 1), (1, 200), (300, 2)])
def test_a_picture_of_any_shape_has_a_view(shape):
    image = np.full((*shape, 3), 7, np.uint8)
    for seed in range(20):
        assert augmented(image, 32, np.random.default_rng(seed)).shape == (32, 32, 3)


def test_crops_take_between_the_bounds_of_the_area():
    height, width = 240, 240
    across = np.arange(width, dtype=np.float32)
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0], image[..., 1] = across.astype(np.uint8), across.astype(np.uint8)[:, None]
    areas = []
    for seed in range(400):
        part = crop_any(image, 64, np.random.default_rng(seed)).astype(int)
        wide = part[32, -1, 0] - part[32, 0, 0]
        high = part[-1, 32, 1] - part[0, 32, 1]
        areas.append(wide * high / (height * width))
    assert min(areas) < 0.12
    assert min(areas) > 0.06
    assert max(areas) > 0.9
    assert np.mean(areas) == pytest.approx(0.54, abs=0.06)


def test_about_a_fifth_of_the_views_is_gray_and_half_is_not_blurred():
    image = picture("red circle", 0)
    made = [augmented(image, 32, np.random.default_rng(seed)).astype(int) for seed in range(400)]
    is_gray = [(np.ptp(view, axis=2) == 0).all() for view in made]
    assert 0.13 < np.mean(is_gray) < 0.29


def test_colours_change_as_named():
    red = np.full((2, 2, 3), (200, 40, 40), np.uint8)
    assert (saturation(red, 0.0) == gray(red)[0, 0]).all()
    assert (saturation(red, 1.0) == red).all()
    assert (contrast(red, 0.0) == round(gray(red).mean())).all()
    assert np.abs(hue(red, 0.0).astype(int) - red).max() <= 2
    assert (hue(red, -1 / 3)[0, 0].argmax(), hue(red, 1 / 3)[0, 0].argmax()) == (2, 1)


@pytest.mark.parametrize("name", ["tiny-rn", "tiny-vit"])
def test_features_before_projection_lead_to_the_embedding(name):
    torch.manual_seed(0)
    model = build(name).eval()
    images = torch.from_numpy(np.ascontiguousarray(IMAGES[:, :, :64, :64]))
    with torch.no_grad():
        features = model.encode_image(images, projected=False)
        assert features.shape == (6, MODELS[name].vision.features)
        projected = (
            features @ model.visual.proj
            if name == "tiny-vit"
            else model.visual.attnpool.c_proj(features)
        )
        torch.testing.assert_close(projected, model.encode_image(images))


def test_the_papers_head_has_its_papers_sizes():
    sizes = [one.weight.shape for one in head(384, 4096) if isinstance(one, torch.nn.Linear)]
    assert sizes == [(4096, 384), (4096, 4096), (256, 4096)]


def test_slips_recipe_is_its_papers_and_a_tiny_model_keeps_its_own():
    found = recipe("ViT-S-16", "slip")
    assert (found.epochs, found.batch, found.lr, found.weight_decay) == (25, 4096, 3e-3, 0.1)
    assert (found.lr_first, found.lr_last, found.warmup_epochs) == (1e-6, 1e-5, 1.0)
    assert recipe("tiny-rn", "slip").batch == RECIPES["tiny-rn"].batch
    with pytest.raises(TrainerError, match="expected one of clip, slip"):
        TrainSettings("tiny-rn", recipe("tiny-rn", "blip"))
