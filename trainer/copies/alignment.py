"""The second check of two pictures: aligned as well as possible, do their pixels agree?

An embedding says that two pictures look alike. Copies also agree pixel by pixel, once a crop, a
frame, a rotation and a change of colours are undone; two shirts on one floor do not. The pictures
are aligned by the best of a grid of windows (trainer/copies/poses.py), then refined by ECC
(Evangelidis and Psarakis 2008).
"""

from collections.abc import Sequence
from contextlib import suppress

import cv2
import numpy as np

from queries.engine.progress import shown
from trainer.copies.poses import in_pixels, oriented, poses
from trainer.copies.synthetic import SIDE

LEAST_AGREEMENT = 0.84  # of two copies of one picture
# Many poses are tried, and the best of many agrees more by chance than the one that moves nothing:
# the outlines of two shirts on one floor by up to .88.
LEAST_WHERE_MOVED = 0.89
STILL = 1.0  # pixels of CHECKED that any corner may move by
MOST_STRETCHED = 1.6  # of one direction to the other
LEAST_ACROSS = 0.05  # of the squared slopes in the main direction: one line lies along any other
CHECKED = 96  # pixels a side of the pictures that are compared
MOST_POSES = 3  # the best, that are refined
STEPS = 25  # of the alignment
CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, STEPS, 1e-4)
LEAST_INSIDE = 0.6  # of the area of one of the pictures: it shows a part of the other
LEAST_SEEN = 0.13  # of the other's area, that it shows
FINE, ROUGH = 1.0, 4.5  # pixels: details between these two blurs are compared
MOST_GAIN = 4.0  # of one picture's contrast to the other's
BLOCKS = 8  # a side
LEAST_OF_BLOCK = 0.3  # of its area, that both show
IGNORED = 0.25  # of the blocks with details, those that agree least: letters laid over a picture
LEAST_DETAIL = 0.03  # of a block, in means of all: a drawing's white ground is no part of IGNORED


def likeness(picture: np.ndarray, other: np.ndarray) -> float:
    """The agreement, 0..1, of two aligned pictures, RGB uint8 (CHECKED, CHECKED, 3).

    1 for equal pictures, about 0 for unrelated ones: the correlation of details, in blocks, without
    the quarter of the blocks that agrees least. Either picture may show a part of the other, turned
    by quarters or mirrored; a pose that moves something is scaled, so that LEAST_AGREEMENT is
    LEAST_WHERE_MOVED of it. Where an upright pose reaches LEAST_AGREEMENT, no other is tried.
    """
    grays = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (picture, other)]
    if min(float(gray.std()) for gray in grays) < 1:
        return 0.0  # a flat picture has no details to align
    best = 0.0
    for upright in (True, False):
        candidates = [
            (pose, swapped)
            for swapped in (False, True)
            for pose in poses(grays[swapped], grays[not swapped], upright)
        ]
        candidates.sort(key=lambda each: -each[0].correlation)
        for pose, swapped in candidates[:MOST_POSES]:
            part, whole = (other, picture) if swapped else (picture, other)
            part = oriented(part, pose.orientation)
            for warp in _refined(part, whole, pose.warp):
                agreed = _agreement(part, whole, warp)
                if not _is_still(warp):
                    agreed *= LEAST_AGREEMENT / LEAST_WHERE_MOVED
                best = max(best, agreed)
        if best >= LEAST_AGREEMENT:
            break
    return best


def _refined(part: np.ndarray, whole: np.ndarray, warp: np.ndarray) -> list[np.ndarray]:
    """The warp, in pixels of CHECKED, and what ECC makes of it, if it converges.

    Letters laid over a copy can draw ECC away from a good start, so both are tried.
    """
    warps = [in_pixels(warp, CHECKED)]
    grays = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (part, whole))
    size, begin = (SIDE, SIDE), in_pixels(warp, SIDE)
    small, large = (cv2.resize(gray, size, interpolation=cv2.INTER_AREA) for gray in grays)
    with suppress(cv2.error):
        _, refined = cv2.findTransformECC(small, large, begin, cv2.MOTION_AFFINE, CRITERIA, ALL, 5)
        aligned = np.asarray(refined, np.float64)
        aligned[:, 2] = (aligned[:, 2] + 0.5 - 0.5 * aligned[:, :2].sum(axis=1)) / SIDE
        warps.append(in_pixels(aligned, CHECKED))
    return warps


def _is_still(warp: np.ndarray) -> bool:
    """Whether a warp (2, 3) leaves all corners where they are."""
    return float(np.abs(warp @ CORNERS - CORNERS[:2]).max()) <= STILL


def _is_stretched(warp: np.ndarray) -> bool:
    most, least = np.linalg.svd(warp[:, :2], compute_uv=False)
    return bool(most > MOST_STRETCHED * least)


def _is_line(details: np.ndarray, covered: np.ndarray) -> bool:
    """Whether details (H, W, 3) have slopes in one direction alone, by the structure tensor.

    covered: 1 where they are looked at, (H, W) float32.
    """
    inner = cv2.erode(covered, np.ones((3, 3), np.uint8))
    down, right = (slope * inner for slope in np.gradient(details.sum(axis=2)))
    between = float((down * right).mean())
    tensor = np.array([[(right * right).mean(), between], [between, (down * down).mean()]])
    least, most = np.linalg.eigvalsh(tensor)
    return bool(least < LEAST_ACROSS * most)


def _agreement(part: np.ndarray, whole: np.ndarray, warp: np.ndarray) -> float:
    """The correlation of the details of `whole` and of `part`, laid over it by the warp (2, 3)."""
    size, area = (CHECKED, CHECKED), abs(float(np.linalg.det(warp[:, :2])))
    if not 0.5 * LEAST_SEEN < area < 2 or _is_stretched(warp):
        return 0.0
    shrunk = np.sqrt(max(0.0, 1 / area - 1))  # what is made smaller is blurred first
    if shrunk > 0.3:
        part = cv2.GaussianBlur(part, (0, 0), 0.5 * shrunk)
    laid = cv2.warpAffine(part, warp, size, flags=cv2.INTER_LINEAR)
    covered = (cv2.warpAffine(WHITE, warp, size) > 250).astype(np.float32)
    seen = float(covered.mean())
    if seen < LEAST_SEEN or max(seen, seen / area) < LEAST_INSIDE:
        return 0.0
    a, b = _bands(whole, laid, covered)
    if not _is_still(warp) and (_is_line(a, covered) or _is_line(b, covered)):
        return 0.0
    inside = covered[..., None]
    both, first, second = (_blocks(x * y * inside) for x, y in ((a, b), (a, a), (b, b)))
    shown = np.flatnonzero(_blocks(inside) > LEAST_OF_BLOCK)
    return _correlation(both[shown], first[shown], second[shown])


def _correlation(both: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """Of the products and squares of details in blocks (N,), without those that agree least.

    A block that is flat in one of the pictures says little; but if all are, as in a copy of less
    contrast, they are scaled first, by MOST_GAIN at most.
    """
    if not len(both) or min(first.mean(), second.mean()) < 1e-3:
        return 0.0
    mean = np.sqrt(first * second)
    order = np.argsort(both / np.maximum(mean, 1e-3), kind="stable")
    detailed = np.maximum(first / first.mean(), second / second.mean()) > LEAST_DETAIL
    kept = order[int(IGNORED * detailed.sum()) :]
    both, first, second, mean = both[kept], first[kept], second[kept], mean[kept]
    gain = np.sqrt(first.sum() / max(float(second.sum()), 1e-3))
    gain = float(np.clip(gain, 1 / MOST_GAIN, MOST_GAIN))
    least = np.minimum(first / gain, gain * second)
    total = float(mean.sum())
    agreeing = least * both / np.maximum(mean, 1e-3)
    return max(0.0, float(agreeing.sum()) / total) if total else 0.0


def _bands(first: np.ndarray, second: np.ndarray, covered: np.ndarray) -> list[np.ndarray]:
    """Details (H, W, 3) float32 between the blurs FINE and ROUGH: no noise, no light and shade.

    Blurs are of what is covered, float32 (H, W) of 0 and 1, alone: nothing outside leaks in.
    """
    weights = [cv2.GaussianBlur(covered, (0, 0), blur)[..., None] + 1e-3 for blur in (FINE, ROUGH)]
    bands = []
    for image in (first, second):
        seen = image * covered[..., None]
        fine, rough = (cv2.GaussianBlur(seen, (0, 0), blur) for blur in (FINE, ROUGH))
        bands.append(fine / weights[0] - rough / weights[1])
    return bands


def _blocks(values: np.ndarray) -> np.ndarray:
    """(CHECKED, CHECKED, C) -> the means of blocks of all channels, (BLOCKS * BLOCKS,)."""
    size, flat = (BLOCKS, BLOCKS), np.ascontiguousarray(values.sum(axis=2))
    return cv2.resize(flat, size, interpolation=cv2.INTER_AREA).ravel()


CORNERS = np.array([[0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]]) * [[CHECKED - 1], [CHECKED - 1], [1]]
ALL = np.full((SIDE, SIDE), 255, np.uint8)  # pixels that the alignment looks at
WHITE = np.full((CHECKED, CHECKED), 255, np.uint8)


def likenesses_of(pictures: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> np.ndarray:
    """The likeness of each picture to the other one of its place, float64 (N,)."""
    values = np.empty(len(pictures))
    with shown("check", len(pictures), "pairs", rate=True) as step:
        for place, (picture, other) in enumerate(zip(pictures, others, strict=True)):
            values[place] = likeness(picture, other)
            step.update()
    return values
