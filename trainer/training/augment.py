"""Changes of the pictures that are trained on, for small data: none by default, as in the paper.

CLIP's own is the random square crop, which the loader makes. A change is drawn by the pair's draw,
so it is the same for any number of processes and after a restart.
"""

import cv2
import numpy as np

from trainer.data.loader import mixed
from trainer.settings import Recipe
from trainer.training.slip import CROP_SHAPE, brightness, contrast, crop_any, hue, saturation

AUGMENT = np.uint64(0xD1B54A32D192ED03)  # no other draw is made of a pair's draw by it
TURN = 0.1  # of the circle of colours, at strength 1
PAPER = (255, 255, 255)  # transparent pictures lie on it, too
DEGREES, TENTH = 10.0, 0.1  # spreads at strength 1: of the turn; of shear, stretch and shift
LARGER, SMALLER = 0.1, 0.3  # at most, at strength 1
PENS = [cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (wide, wide)) for wide in (2, 3, 4, 5)]
BLUR, BLUR_SHARE = (0.4, 2.0), 0.3  # pixels; of the pictures that are redrawn


def augmented_batch(images: np.ndarray, draws: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Change uint8 images (B, 3, H, W), each by its number (B,), as the recipe says; return them.

    In their own memory: a second batch of the papers' size would be 4.6 GiB more.
    """
    changes = (recipe.flip, recipe.colour, recipe.affine, recipe.strokes)
    if recipe.crop_scale < 1.0 or any(changes):
        for image, draw in zip(images, mixed(draws ^ AUGMENT), strict=True):
            rows = image.transpose(1, 2, 0)
            rows[...] = augmented(rows, np.random.default_rng(int(draw)), recipe)
    return images


def augmented(image: np.ndarray, rng: np.random.Generator, recipe: Recipe) -> np.ndarray:
    """(S, S, 3) -> (S, S, 3): redrawn at the share `strokes`, moved by `affine`, a crop of
    `crop_scale` of the area or more, mirrored in half of all cases, and brightness, contrast,
    saturation and hue changed by up to `colour`."""
    if rng.random() < recipe.strokes:
        image = redrawn(np.ascontiguousarray(image), rng)
    if recipe.affine:
        image = moved(np.ascontiguousarray(image), rng, recipe.affine)
    if recipe.crop_scale < 1.0:
        image = crop_any(image, len(image), rng, (recipe.crop_scale, 1.0), CROP_SHAPE)
    if recipe.flip and rng.random() < 0.5:
        image = image[:, ::-1]
    if recipe.colour:
        image = np.ascontiguousarray(image)
        for change in (brightness, contrast, saturation):
            image = change(image, rng.uniform(1 - recipe.colour, 1 + recipe.colour))
        image = hue(image, rng.uniform(-TURN, TURN) * recipe.colour)
    return image


def redrawn(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A dark drawing on white with thicker or thinner strokes, as outlines, or as it was: a quarter
    of the cases each; some are blurred."""
    way, pen = rng.integers(4), PENS[rng.integers(len(PENS))]
    if way == 0:
        image = cv2.erode(image, pen)  # what is dark grows
    elif way == 1:
        image = cv2.dilate(image, pen)
    elif way == 2:
        image = 255 - cv2.morphologyEx(image, cv2.MORPH_GRADIENT, pen)
    if rng.random() < BLUR_SHARE:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(*BLUR))
    return image


def moved(image: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """The picture turned, sheared, stretched, scaled and shifted about its middle, on paper."""
    turn = np.deg2rad(rng.normal(0, DEGREES * strength))
    size = max(0.1, rng.uniform(1 - SMALLER * strength, 1 + LARGER * strength))
    shear, stretch = rng.normal(0, TENTH * strength, 2)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = turned @ np.array([[size * np.exp(stretch), shear], [0, size * np.exp(-stretch)]])
    middle = np.full(2, (len(image) - 1) / 2)
    most = TENTH * strength * len(image)
    shift = middle - matrix @ middle + rng.uniform(-most, most, 2)
    return cv2.warpAffine(image, np.c_[matrix, shift], image.shape[1::-1], borderValue=PAPER)
