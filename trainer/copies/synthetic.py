"""Synthetic copies: pictures changed as they are when people copy them on the web.

Source: the changes that DISC21 (Douze et al. 2021, section 3) and SSCD (Pizzi et al. 2022, section
4) list, and CLIP, appendix C: crops, borders, aspect ratio, rotations, scaling, letters, pictures
and signs laid over, a picture in another, colours, blur, JPEG and WebP. Not among them, since
benchmarks/copies.py tries what was never trained: noise, sharpening, perspective, colours taken
away, and a padding of the picture's own blur. Mirroring and quarter turns are left to the search.
"""

import cv2
import numpy as np
import simplejpeg

from trainer.copies.overlays import lay_over

STORED = 96  # pixels a side of the square picture that copies are made of
SIDE = 64  # pixels a side of a copy
WAYS = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_LINEAR, cv2.INTER_CUBIC)
LEAST_WINDOW = 0.4  # of a side, at full strength
MOST_WINDOW = 1.8  # of a side: a border around the picture
MOST_DEGREES = 25.0
CROPPED, BORDERED, ROTATED, STRETCHED = 0.45, 0.4, 0.45, 0.4  # shares of the copies
LAID_OVER, SCALED, RECOLOURED, BLURRED, ENCODED = 0.5, 0.2, 0.6, 0.15, 0.45


def copy(
    picture: np.ndarray, other: np.ndarray, chance: np.random.Generator, strength: float
) -> np.ndarray:
    """A changed copy (SIDE, SIDE, 3) of a picture (STORED, STORED, 3), RGB uint8 both.

    `other`, of the same shape, may be laid over the copy, or lie behind it. strength, 0..1, scales
    every change; 1 is the strongest. Equal generators give equal copies.

    >>> picture = np.zeros((STORED, STORED, 3), np.uint8)
    >>> copy(picture, picture, np.random.default_rng(0), 1.0).shape
    (64, 64, 3)
    """
    image = _framed(picture, other, chance, strength)
    if chance.random() < LAID_OVER * strength:
        lay_over(image, other, chance)
    if chance.random() < SCALED * strength:
        image = _small_and_back(image, chance)
    if chance.random() < RECOLOURED:
        image = _recoloured(image, chance, strength)
    if chance.random() < BLURRED * strength:
        image = cv2.GaussianBlur(image, (0, 0), 0.4 + 1.2 * chance.random() * strength)
    if chance.random() < ENCODED:
        image = _encoded(image, round(92 - 80 * chance.random() * strength), chance)
    return image


def _framed(
    picture: np.ndarray, other: np.ndarray, chance: np.random.Generator, strength: float
) -> np.ndarray:
    """A window of the picture, or the picture in a frame: stretched and rotated a little."""
    width, height, bordered = _window(chance, strength)
    angle = 0.0
    if chance.random() < ROTATED:
        angle = np.deg2rad(chance.uniform(-MOST_DEGREES, MOST_DEGREES)) * strength
    # The window lies anywhere inside the picture; a wider window lies around the picture.
    across, down = chance.uniform(-0.5, 0.5, 2)
    x, y = 0.5 + across * abs(1 - width), 0.5 + down * abs(1 - height)
    side, cos, sin = len(picture), np.cos(angle), np.sin(angle)
    a, b = cos * width * side / SIDE, -sin * height * side / SIDE
    c, d = sin * width * side / SIDE, cos * height * side / SIDE
    middle = (SIDE - 1) / 2
    matrix = np.array(
        [
            [a, b, x * side - 0.5 - (a + b) * middle],
            [c, d, y * side - 0.5 - (c + d) * middle],
        ]
    )
    way = WAYS[chance.integers(len(WAYS))] | cv2.WARP_INVERSE_MAP
    kind, size = chance.random(), (SIDE, SIDE)
    if kind < 0.2:
        edge = cv2.BORDER_REFLECT if kind < 0.1 else cv2.BORDER_REPLICATE
        return cv2.warpAffine(picture, matrix, size, flags=way, borderMode=edge)
    behind = np.empty((SIDE, SIDE, 3), np.uint8)
    if bordered and kind < 0.4:
        behind[:] = cv2.resize(other, size, interpolation=cv2.INTER_AREA)
    elif kind < 0.7:
        behind[:] = 0 if kind < 0.45 else 255
    else:
        behind[:] = (0, 255)[kind < 0.85] if kind < 0.95 else chance.integers(0, 256, 3)
    edge = cv2.BORDER_TRANSPARENT
    return cv2.warpAffine(picture, matrix, size, dst=behind, flags=way, borderMode=edge)


def _window(chance: np.random.Generator, strength: float) -> tuple[float, float, bool]:
    """Width and height of the window, in sides of the picture; and whether it is wider."""
    kind, size = chance.random(), np.exp(chance.random() * np.log(LEAST_WINDOW))
    width = height = 1.0
    bordered = CROPPED <= kind < CROPPED + BORDERED
    if kind < CROPPED:
        width = height = 1 - strength * (1 - size)
    elif bordered:
        both = 1 + strength * (MOST_WINDOW - 1) * chance.random(2)
        width, height = ((both[0], both[0]), both, (1.0, both[0]))[chance.integers(3)]
    if chance.random() < STRETCHED:
        aspect = np.exp(chance.uniform(-0.3, 0.3) * strength)
        width, height = width * aspect, height / aspect
    return width, height, bordered


def _small_and_back(image: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    small = int(SIDE * chance.uniform(0.3, 0.9))
    image = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
    way = cv2.INTER_CUBIC if chance.random() < 0.5 else cv2.INTER_LINEAR
    return cv2.resize(image, (SIDE, SIDE), interpolation=way)


def _recoloured(image: np.ndarray, chance: np.random.Generator, strength: float) -> np.ndarray:
    """Hue and saturation, then each channel's gain, contrast, brightness and gamma."""
    if chance.random() < 0.5:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        turned = np.arange(256) + round(chance.uniform(-30, 30) * strength)  # of 180 half degrees
        more = np.exp(chance.uniform(-1, 1) * strength)
        tables = np.stack([turned % 180, np.arange(256) * more, np.arange(256)], axis=1)
        image = np.asarray(cv2.cvtColor(cv2.LUT(hsv, _table(tables)), cv2.COLOR_HSV2RGB))
    contrast = np.exp(chance.uniform(-0.7, 0.4) * strength)
    gains = contrast * np.exp(chance.uniform(-0.2, 0.2, 3) * strength)
    light = np.exp(chance.uniform(-0.5, 0.5) * strength) if chance.random() < 0.6 else 1.0
    shift = 128 * (1 - contrast) + chance.uniform(-25, 25) * strength
    curve = 255 * (np.arange(256) / 255) ** np.exp(chance.uniform(-0.4, 0.4) * strength)
    return cv2.LUT(image, _table(light * (curve[:, None] * gains + shift)))


def _table(values: np.ndarray) -> np.ndarray:
    """(256, 3) of any numbers -> a table for cv2.LUT."""
    return np.clip(values, 0, 255).astype(np.uint8)[None]


def _encoded(image: np.ndarray, quality: int, chance: np.random.Generator) -> np.ndarray:
    if chance.random() < 0.15:
        _, body = cv2.imencode(".webp", image, (cv2.IMWRITE_WEBP_QUALITY, quality))
        return np.asarray(cv2.imdecode(body, cv2.IMREAD_COLOR))  # red and blue exchanged twice
    jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality, "RGB", "420")
    return simplejpeg.decode_jpeg(jpeg, "RGB")
