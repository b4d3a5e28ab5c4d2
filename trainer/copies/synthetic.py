"""Synthetic copies: pictures changed as they are when people copy them on the web.

Source: CLIP, appendix C: crops and zooms, aspect ratio, down and up scaling, small rotations, JPEG,
colour and random interpolation. Added here: text laid over the picture, mirroring and blur. A copy
is a function of the picture and of N_DRAWS numbers; the caller draws them from a seeded generator.
"""

import cv2
import numpy as np
import simplejpeg

STORED = 96  # pixels a side of the square picture that copies are made of
SIDE = 64  # pixels a side of a copy
N_DRAWS = 32
WAYS = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_LINEAR, cv2.INTER_CUBIC)
BORDERS = (cv2.BORDER_REFLECT, cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT, cv2.BORDER_CONSTANT)
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_PLAIN)
LETTERS = "abcdefghijklmnopqrstuvwxyz.ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789@"
LEAST_WINDOW = 0.65  # of a side, at full strength
FLIPPED, WRITTEN_ON = 0.25, 0.55  # of the copies at full strength


def copy(picture: np.ndarray, draws: np.ndarray, strength: float) -> np.ndarray:
    """A changed copy (SIDE, SIDE, 3) of a picture (STORED, STORED, 3), RGB uint8 both.

    draws: (N_DRAWS,) in 0..1. strength, 0..1, scales every change; 1 is the strongest.

    >>> copy(np.zeros((STORED, STORED, 3), np.uint8), np.full(N_DRAWS, 0.99), 1.0).shape
    (64, 64, 3)
    """
    u = draws.tolist()
    image = _warped(picture, u, strength)
    if u[10] < WRITTEN_ON * strength:
        _write_on(image, u)
    if u[16] < 0.3 * strength:
        image = _small_and_back(image, u)
    if u[19] < 0.8:
        image = _recoloured(image, u, strength)
    if u[27] < 0.15 * strength:
        image = cv2.GaussianBlur(image, (0, 0), 0.4 + u[28] * strength)
    if u[29] < 0.6:
        quality = round(90 - 75 * u[30] * strength)
        jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality, "RGB", "420")
        image = simplejpeg.decode_jpeg(jpeg, "RGB")
    return image


def _warped(picture: np.ndarray, u: list[float], strength: float) -> np.ndarray:
    """A window of the picture, of another aspect ratio, rotated a little, sometimes mirrored."""
    narrow = 1 - (1 - LEAST_WINDOW) * strength * u[0] if u[1] < 0.8 else 1 + 0.15 * strength * u[0]
    aspect = np.exp((u[2] - 0.5) * 0.5 * strength * (u[3] < 0.6))
    width, height = min(1.2, narrow * aspect), min(1.2, narrow / aspect)
    angle = (u[4] - 0.5) * 2 * np.deg2rad(12) * strength * (u[5] < 0.5)
    # The window lies anywhere inside the picture; a wider window lies around the picture.
    x, y = 0.5 + (u[6] - 0.5) * abs(1 - width), 0.5 + (u[7] - 0.5) * abs(1 - height)
    side, cos, sin = len(picture), np.cos(angle), np.sin(angle)
    if u[8] < FLIPPED * strength:
        width = -width
    a, b = cos * width * side / SIDE, -sin * height * side / SIDE
    c, d = sin * width * side / SIDE, cos * height * side / SIDE
    middle = (SIDE - 1) / 2
    matrix = np.array(
        [
            [a, b, x * side - 0.5 - (a + b) * middle],
            [c, d, y * side - 0.5 - (c + d) * middle],
        ]
    )
    border = int(u[9] * 4)
    shade = 255 if border == 3 else 0
    way = WAYS[int(u[31] * 4)] | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        picture,
        matrix,
        (SIDE, SIDE),
        flags=way,
        borderMode=BORDERS[border],
        borderValue=[shade] * 3,
    )


def _write_on(image: np.ndarray, u: list[float]) -> None:
    """Letters across the picture, in place."""
    n = 3 + int(u[11] * 10)
    start = int(u[12] * 997)
    text = "".join(LETTERS[(start + 7 * i * i + 3 * i) % len(LETTERS)] for i in range(n))
    scale = 0.25 + 0.5 * u[13]
    x, y = int((u[14] - 0.3) * SIDE * 0.8), int((0.1 + 0.9 * u[15]) * SIDE)
    shade = int(u[13] * 997) % 3
    colour = ((255, 255, 255), (0, 0, 0), (int(255 * u[11]), int(255 * u[12]), int(255 * u[15])))
    thick = 1 + (u[12] < 0.3)
    cv2.putText(image, text, (x, y), FONTS[n % 3], scale, colour[shade], thick, cv2.LINE_AA)


def _small_and_back(image: np.ndarray, u: list[float]) -> np.ndarray:
    small = int(SIDE * (0.3 + 0.6 * u[17]))
    image = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
    way = cv2.INTER_CUBIC if u[18] < 0.5 else cv2.INTER_LINEAR
    return cv2.resize(image, (SIDE, SIDE), interpolation=way)


def _recoloured(image: np.ndarray, u: list[float], strength: float) -> np.ndarray:
    """Hue and saturation, then each channel's gain, contrast and brightness."""
    if u[20] < 0.4:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        hue = hsv[..., 0].astype(np.int16) + round((u[21] - 0.5) * 24 * strength)
        hsv[..., 0] = hue % 180
        hsv[..., 1] = cv2.convertScaleAbs(hsv[..., 1], alpha=1 + (u[22] - 0.5) * strength)
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    contrast = 1 + (u[23] - 0.5) * 0.6 * strength
    gains = contrast * (1 + (np.array([u[24], u[25], u[26]]) - 0.5) * 0.4 * strength)
    shift = 128 * (1 - contrast) + (u[21] * 7 % 1 - 0.5) * 60 * strength
    table = np.arange(256)[:, None] * gains + shift  # (256, 3)
    return cv2.LUT(image, np.clip(table, 0, 255).astype(np.uint8)[None].reshape(1, 256, 3))
