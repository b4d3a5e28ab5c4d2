"""How one picture may show a part of another: windows, turns and mirror images, tried coarsely.

Every window of a grid is compared with the whole of the other picture at COARSE x COARSE pixels, by
correlation. Windows are sampled by a table of indices, so thousands cost milliseconds.
"""

from dataclasses import dataclass
from itertools import pairwise, product

import cv2
import numpy as np

COARSE = 16  # pixels a side
SIDES = (1.0, 0.9, 0.8, 0.7, 0.61, 0.53, 0.46)  # of a window, in sides of the picture
STRETCH = 1.5  # of its sides, at most
STEP = 0.15  # of a window's side, between two places
DEGREES = (-20.0, -13.0, -6.0, 6.0, 13.0, 20.0)
LEVELS = (16, 23, 32)  # pixels a side of the pictures that windows are sampled from
ORIENTATIONS = 8  # quarter turns, straight and mirrored


@dataclass(frozen=True)
class Pose:
    """A picture, turned by `orientation`, shows a window of another: `warp` (2, 3) from its plane.

    Planes have sides of 1: the middle of the first of n pixels is .5 / n.
    """

    correlation: float
    orientation: int
    warp: np.ndarray


def oriented(picture: np.ndarray, orientation: int) -> np.ndarray:
    """Pictures (..., H, W, 3) turned by 0 to 3 quarters; from 4 on of their mirror images.

    >>> oriented(np.array([[[1], [2]], [[3], [4]]]), 4)[..., 0].tolist()
    [[2, 1], [4, 3]]
    """
    sided = picture if orientation < 4 else picture[..., ::-1, :]
    return np.ascontiguousarray(np.rot90(sided, orientation % 4, axes=(-3, -2)))


def in_pixels(warp: np.ndarray, side: int) -> np.ndarray:
    """A warp of planes of side 1 -> of pixels (2, 3), of pictures of that many a side."""
    moved = warp.copy()
    moved[:, 2] = side * warp[:, 2] + 0.5 * warp[:, :2].sum(axis=1) - 0.5
    return moved.astype(np.float32)


def poses(picture: np.ndarray, other: np.ndarray, upright: bool) -> list[Pose]:
    """The best poses of a gray picture in another, (H, H) uint8, at most one an orientation.

    upright: without rotations and quarter turns, which are rarer and cost three times as much.
    """
    small = cv2.resize(picture, (COARSE, COARSE), interpolation=cv2.INTER_AREA)
    orientations = (0, 4) if upright else range(ORIENTATIONS)
    turned = np.stack([oriented(small[..., None], turn).ravel() for turn in orientations])
    warps, samples = (UPRIGHT, UPRIGHT_SAMPLES) if upright else (EVERY, EVERY_SAMPLES)
    levels = [cv2.resize(other, (n, n), interpolation=cv2.INTER_AREA).ravel() for n in LEVELS]
    windows = np.concatenate(levels).astype(np.float32)[samples]
    correlation = _unit(windows) @ _unit(turned.astype(np.float32)).T  # (W, O)
    best = correlation.argmax(axis=0)
    return [
        Pose(float(correlation[window, at]), orientation, warps[window])
        for at, (window, orientation) in enumerate(zip(best, orientations, strict=True))
    ]


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-3)


def _warps(degrees: tuple[float, ...]) -> np.ndarray:
    """(W, 2, 3): all windows of the grid, rotated by each of the degrees; stretched if by none."""
    warps = []
    for width, height, angle in product(SIDES, SIDES, degrees):
        stretched = max(width, height) / min(width, height)
        if stretched > STRETCH or (angle and width != height):
            continue
        cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        turn = np.array([[cos * width, -sin * height], [sin * width, cos * height]])
        for x, y in product(_places(width), _places(height)):
            warps.append(np.column_stack([turn, np.array([x, y]) - turn @ [0.5, 0.5]]))
    return np.array(warps)


def _places(side: float) -> np.ndarray:
    """The middles of windows of this side."""
    n = 1 + int(np.ceil((1 - side) / (STEP * side) - 1e-9))
    return np.linspace(side / 2, 1 - side / 2, n) if n > 1 else np.array([0.5])


def _samples(warps: np.ndarray) -> np.ndarray:
    """int32 (W, COARSE * COARSE): where the pixels of windows lie in the joined LEVELS."""
    middles = (np.arange(COARSE) + 0.5) / COARSE
    plane = np.stack([*np.meshgrid(middles, middles)], axis=-1).reshape(-1, 2)
    points = np.einsum("wij,pj->wpi", warps[:, :, :2], plane) + warps[:, None, :, 2]  # (W, P, 2)
    sizes = np.sqrt(np.abs(np.linalg.det(warps[:, :, :2])))
    begins = np.cumsum([0, *(n * n for n in LEVELS)])
    limits = [COARSE / np.sqrt(finer * coarser) for coarser, finer in pairwise(LEVELS)]
    level = sum((sizes < limit).astype(np.int64) for limit in limits)
    n = np.array(LEVELS)[level][:, None]
    column, row = (np.clip((points[..., axis] * n).astype(int), 0, n - 1) for axis in (0, 1))
    return (begins[level][:, None] + row * n + column).astype(np.int32)


UPRIGHT = _warps((0.0,))
EVERY = np.concatenate([UPRIGHT, _warps(DEGREES)])
UPRIGHT_SAMPLES, EVERY_SAMPLES = _samples(UPRIGHT), _samples(EVERY)
