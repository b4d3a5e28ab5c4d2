"""Changes of the pictures that are trained on, for small data: none by default, as in the paper.

CLIP's own is the random square crop, which the loader makes. A change is drawn by the pair's draw,
so it is the same for any number of processes and after a restart.
"""

import numpy as np

from trainer.data.loader import mixed
from trainer.settings import Recipe
from trainer.training.slip import CROP_SHAPE, brightness, contrast, crop_any, hue, saturation

AUGMENT = np.uint64(0xD1B54A32D192ED03)  # no other draw is made of a pair's draw by it
TURN = 0.1  # of the circle of colours, at strength 1


def augmented_batch(images: np.ndarray, draws: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Change uint8 images (B, 3, H, W), each by its number (B,), as the recipe says; return them.

    In their own memory: a second batch of the papers' size would be 4.6 GiB more.
    """
    if recipe.crop_scale < 1.0 or recipe.flip or recipe.colour:
        for image, draw in zip(images, mixed(draws ^ AUGMENT), strict=True):
            rows = image.transpose(1, 2, 0)
            rows[...] = augmented(rows, np.random.default_rng(int(draw)), recipe)
    return images


def augmented(image: np.ndarray, rng: np.random.Generator, recipe: Recipe) -> np.ndarray:
    """(S, S, 3) -> (S, S, 3): a crop of `crop_scale` of the area or more, mirrored in half of all
    cases, and brightness, contrast, saturation and hue changed by up to `colour`."""
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
