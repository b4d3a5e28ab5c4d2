"""The second check of two pictures: aligned as well as possible, do their pixels agree?

An embedding says that two pictures look alike. Copies also agree pixel by pixel once a crop, a
rotation and a change of colours are undone by ECC (Evangelidis and Psarakis 2008); two shirts on
one floor do not.
"""

from collections.abc import Sequence
from contextlib import suppress

import cv2
import numpy as np

from queries.engine.progress import shown
from trainer.copies.synthetic import SIDE

LEAST_AGREEMENT = 0.84  # of two copies of one picture
SCALES = (1.0, 0.95, 0.87, 0.8, 0.72, 1.06, 1.15, 1.25)  # of the window that a copy shows
SHIFTS = (0.0, -0.5, 0.5)  # of the room that a window has
COARSE = 16  # pixels a side, for the choice of where to begin
COARSE_SIZE = (COARSE, COARSE)
STEPS = 25  # of the alignment
CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, STEPS, 1e-4)
LEAST_SEEN = 0.4  # of the copy's area that the other must cover
FINE, ROUGH = 0.7, 3.0  # pixels: details between these two blurs are compared
BLOCKS = 8  # a side
IGNORED = 16  # of the BLOCKS * BLOCKS, those that agree least: letters laid over a picture


def agreement(picture: np.ndarray, other: np.ndarray) -> float:
    """The agreement, 0..1, of two aligned pictures, RGB uint8 (SIDE, SIDE, 3).

    1 for equal pictures, about 0 for unrelated ones: the correlation of details, in blocks, without
    the quarter of the blocks that agrees least. Of a hundred pictures sought among 11,666 others,
    one agreed with a different picture by .82 or more.
    """
    first, second = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (picture, other))
    if min(float(first.std()), float(second.std())) < 1:
        return 0.0  # a flat picture has no details to align
    begin = _start(first, second)
    return max(_details(picture, other, warp) for warp in (begin, _aligned(first, second, begin)))


def _aligned(picture: np.ndarray, other: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """The affine warp (2, 3) that aligns a grey picture with another best, refined from `begin`.

    Where ECC does not converge, `begin` is returned. Text laid over a copy can draw ECC away from
    a good start, so `agreement` tries `begin` too.
    """
    with suppress(cv2.error):
        _, warp = cv2.findTransformECC(
            picture, other, begin.copy(), cv2.MOTION_AFFINE, CRITERIA, ALL, 5
        )
        return warp.astype(np.float32)
    return begin


def _start(picture: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The best of a grid of windows, as the warp (2, 3) from `picture` to `other`."""
    small = cv2.resize(picture, COARSE_SIZE, interpolation=cv2.INTER_AREA)
    windows = [
        cv2.warpAffine(other, warp, COARSE_SIZE, flags=INVERSE, borderMode=REPLICATE)
        for warp in COARSE_WARPS
    ]
    rows = np.stack([small, *windows]).reshape(1 + len(windows), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6
    return WARPS[int(np.argmax(rows[1:] @ rows[0]))]


def _details(picture: np.ndarray, other: np.ndarray, warp: np.ndarray) -> float:
    """The correlation of the details of `picture` and of the warped `other`."""
    size = (SIDE, SIDE)
    seen = cv2.warpAffine(other, warp, size, flags=INVERSE)
    whole = cv2.warpAffine(np.full(size, 255, np.uint8), warp, size, flags=INVERSE)
    inside = cv2.erode((whole > 250).astype(np.float32), np.ones((7, 7)))[..., None]
    if inside.mean() < LEAST_SEEN:
        return 0.0
    a, b = _band(picture), _band(seen)
    both, first, second = (_blocks(x * y * inside) for x, y in ((a, b), (a, a), (b, b)))
    least = np.sqrt(first * second)
    weight = np.minimum(first, second)  # a block that is flat in one of them says little
    kept = np.argsort(both / np.maximum(least, 1e-3), kind="stable")[IGNORED:]
    total = float(least[kept].sum())
    agreeing = weight[kept] * both[kept] / np.maximum(least[kept], 1e-3)
    return max(0.0, float(agreeing.sum()) / total) if total else 0.0


def _band(image: np.ndarray) -> np.ndarray:
    """Details (H, W, 3) float32, between the blurs FINE and ROUGH: no noise, no light and shade."""
    values = image.astype(np.float32)
    return cv2.GaussianBlur(values, (0, 0), FINE) - cv2.GaussianBlur(values, (0, 0), ROUGH)


def _blocks(values: np.ndarray) -> np.ndarray:
    """(SIDE, SIDE, 3) -> the means of blocks of all channels, (BLOCKS * BLOCKS,)."""
    size = (BLOCKS, BLOCKS)
    return cv2.resize(values.sum(axis=2), size, interpolation=cv2.INTER_AREA).ravel()


def _warps() -> list[np.ndarray]:
    """Windows of the other picture, as warps from SIDE pixels to SIDE pixels."""
    warps = []
    for scale in SCALES:
        for down in SHIFTS if scale != 1 else (0.0,):
            for right in SHIFTS if scale != 1 else (0.0,):
                room = (1 - scale) * SIDE / 2
                x, y = room * (1 + 2 * right), room * (1 + 2 * down)
                half = (scale - 1) / 2  # pixels are counted from their middles
                warps.append(np.array([[scale, 0, x + half], [0, scale, y + half]], np.float32))
    return warps


ALL = np.full((SIDE, SIDE), 255, np.uint8)  # pixels that the alignment looks at
INVERSE = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
REPLICATE = cv2.BORDER_REPLICATE
_FACTOR = SIDE / COARSE
COARSE_TO_FINE = np.array(
    [[_FACTOR, 0, (_FACTOR - 1) / 2], [0, _FACTOR, (_FACTOR - 1) / 2], [0, 0, 1]], np.float32
)
WARPS = _warps()
COARSE_WARPS = [warp @ COARSE_TO_FINE for warp in WARPS]


def likeness(picture: np.ndarray, other: np.ndarray) -> float:
    """The greatest agreement, 0..1, of two pictures aligned either way, straight and mirrored."""
    turned = np.ascontiguousarray(picture[:, ::-1])
    ways = ((picture, other), (other, picture), (turned, other), (other, turned))
    return max(agreement(*way) for way in ways)


def likenesses_of(pictures: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> np.ndarray:
    """The likeness of each picture to the other one of its place, float64 (N,)."""
    values = np.empty(len(pictures))
    with shown("check", len(pictures), "pairs", rate=True) as step:
        for place, (picture, other) in enumerate(zip(pictures, others, strict=True)):
            values[place] = likeness(picture, other)
            step.update()
    return values
