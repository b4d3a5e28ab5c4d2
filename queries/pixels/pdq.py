"""PDQ, the perceptual hash in which lists of pictures that nobody may keep are exchanged.

    pdq(pixels)  # "f8f8f0cc…", 64 hex digits

Facebook, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", 2019, and its
reference of ThreatExchange: the luma is blurred twice by a box a side, 64 points a side of it are
taken, and of their cosine transform's frequencies 1 to 16 a side each above the median sets a bit.
All but the last step is linear in rows and in columns, so here it is one matrix a side. The
reference sums in single precision: hashes differ in bits whose frequency is the median's all but.
"""

from functools import lru_cache

import cv2
import numpy as np

LUMA = np.array([[0.299, 0.587, 0.114]])
GRID = 64  # points a side that are taken
FREQUENCIES = 16  # a side
LEAST_SIDE = 5  # pixels, as in the reference
N_BITS = FREQUENCIES**2
NOTHING = np.empty((0, 0))  # is added


def pdq(image: np.ndarray) -> str | None:
    """The hash of a picture (H, W, 3) RGB uint8: 64 hex digits; None for a side below 5 pixels.

    >>> len(pdq(np.zeros((9, 9, 3), np.uint8))), pdq(np.zeros((4, 9, 3), np.uint8))
    (64, None)
    """
    height, width, _ = image.shape
    if min(height, width) < LEAST_SIDE:
        return None
    luma = cv2.transform(image.astype(np.float64), LUMA)
    # OpenCV's product: for such small ones BLAS takes tenfold the time in threads that wait.
    rows = cv2.gemm(_frequencies(height), luma, 1, NOTHING, 0)
    values = cv2.gemm(rows, _frequencies(width), 1, NOTHING, 0, flags=cv2.GEMM_2_T).ravel()
    median = np.partition(values, N_BITS // 2 - 1)[N_BITS // 2 - 1]  # the lower of the two
    return np.packbits((values > median)[::-1]).tobytes().hex()


@lru_cache(maxsize=256)
def _frequencies(n: int) -> np.ndarray:
    """(16, n): from a side of n pixels to its frequencies."""
    wave = np.outer(np.arange(1, FREQUENCIES + 1), 2 * np.arange(GRID) + 1)
    cosines = np.sqrt(2 / GRID) * np.cos(np.pi / 2 / GRID * wave)
    return cosines @ _blurred_points(n)


def _blurred_points(n: int) -> np.ndarray:
    """(64, n): the weights of n pixels in each point of the grid, blurred twice."""
    window = (n + 2 * GRID - 1) // (2 * GRID)
    ahead = (window + 2) // 2
    place = np.arange(n)
    first, end = np.maximum(place - (window - ahead), 0), np.minimum(place + ahead, n)
    points = ((np.arange(GRID) + 0.5) * n / GRID).astype(int)
    once = (first[points, None] <= place) & (place < end[points, None])
    share = once / (end - first)[points, None] / (end - first)
    steps = np.zeros((GRID, n + 1))
    np.add.at(steps.T, first, share.T)
    np.subtract.at(steps.T, end, share.T)
    return np.cumsum(steps, axis=1)[:, :n]
