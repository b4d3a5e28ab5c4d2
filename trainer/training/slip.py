"""SLIP's additions to CLIP: two augmented views of every picture, and the head that reads them.

Source: SLIP (Mu et al. 2021), section 3 and its code; SimCLR, appendix A. A view is drawn
by a hash of (seed, epoch, pair_id, view). It is cut out of the loader's crop; SLIP's is cut out of
the whole picture.
"""

import cv2
import numpy as np
from torch import nn

EMBED = 256  # width in which views are compared
CROP_AREA = (0.08, 1.0)  # of the picture
CROP_SHAPE = (3 / 4, 4 / 3)  # width to height
JITTER, JITTER_HUE, JITTER_SHARE = 0.4, 0.1, 0.8
GRAY_SHARE, FLIP_SHARE = 0.2, 0.5
BLUR_SIGMA, BLUR_SHARE = (0.1, 2.0), 0.5  # pixels

Rng = np.random.Generator


def head(features: int, hidden: int) -> nn.Sequential:
    """(B, features) -> (B, 256), by two hidden layers with batch statistics."""
    return nn.Sequential(
        nn.Linear(features, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, EMBED),
    )


def views(images: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """uint8 (B, 3, H, W) and a number per picture (B,) -> a view of each, of the same shape."""
    side = images.shape[-1]
    made = [
        augmented(image.transpose(1, 2, 0), side, np.random.default_rng(int(draw)))
        for image, draw in zip(images, draws, strict=True)
    ]
    return np.stack(made).transpose(0, 3, 1, 2) if made else images.copy()


def augmented(image: np.ndarray, side: int, rng: Rng) -> np.ndarray:
    """(H, W, 3) -> (side, side, 3): crop, colours, gray, blur, flip, each by chance.

    >>> augmented(np.zeros((80, 64, 3), np.uint8), 32, np.random.default_rng(0)).shape
    (32, 32, 3)
    """
    image = crop_any(image, side, rng)
    if rng.random() < JITTER_SHARE:
        image = jittered(image, rng)
    if rng.random() < GRAY_SHARE:
        image = np.repeat(gray(image)[..., None], 3, axis=2)
    if rng.random() < BLUR_SHARE:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(*BLUR_SIGMA))
    return image[:, ::-1] if rng.random() < FLIP_SHARE else image


def crop_any(
    image: np.ndarray,
    side: int,
    rng: Rng,
    areas: tuple[float, float] = CROP_AREA,
    shapes: tuple[float, float] = CROP_SHAPE,
) -> np.ndarray:
    """A rectangle of any place, area and shape in the bounds, resized to a square."""
    height, width = image.shape[:2]
    area = height * width * rng.uniform(*areas)
    shape = np.exp(rng.uniform(*np.log(shapes)))
    w = min(width, max(1, round(np.sqrt(area * shape))))
    h = min(height, max(1, round(np.sqrt(area / shape))))
    top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    part = np.ascontiguousarray(image[top : top + h, left : left + w])
    shrinks = min(h, w) > side
    return cv2.resize(
        part, (side, side), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    )


def jittered(image: np.ndarray, rng: Rng) -> np.ndarray:
    """Brightness, contrast, saturation and hue, in an order drawn anew each time."""
    changes = (brightness, contrast, saturation)
    for which in rng.permutation(4):
        if which == 3:
            image = hue(image, rng.uniform(-JITTER_HUE, JITTER_HUE))
        else:
            image = changes[which](image, rng.uniform(1 - JITTER, 1 + JITTER))
    return image


def gray(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) -> (H, W), by how bright the eye sees red, green and blue."""
    return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)


def brightness(image: np.ndarray, factor: float) -> np.ndarray:
    """
    >>> brightness(np.full((1, 1, 3), 200, np.uint8), 1.4).tolist()
    [[[255, 255, 255]]]
    """
    return cv2.convertScaleAbs(image, alpha=factor)


def contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Towards the mean gray of the picture, or away from it."""
    return _mixed(image, np.full_like(image, round(gray(image).mean())), factor)


def saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """Towards each pixel's own gray, or away from it."""
    return _mixed(image, np.repeat(gray(image)[..., None], 3, axis=2), factor)


def _mixed(image: np.ndarray, other: np.ndarray, factor: float) -> np.ndarray:
    return cv2.addWeighted(image, factor, other, 1 - factor, 0)


def hue(image: np.ndarray, turn: float) -> np.ndarray:
    """Turn the colours, 1 being the whole circle.

    >>> int(hue(np.array([[[255, 0, 0]]], np.uint8), 1 / 3).argmax())
    1
    """
    hsv = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2HSV_FULL)
    hsv[..., 0] += np.uint8(round(turn * 256) % 256)  # runs over: hues are a circle
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)
