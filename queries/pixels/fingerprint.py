"""Hashes of pictures and of rows, shared by the pipeline and the trainer.

Every hash here is a pure function of its input: the order of a build and the overlap of an
evaluation set both rest on that.
"""

import hashlib

import cv2
import numpy as np

LOW_FREQUENCIES = 8  # an 8 x 8 block of the DCT gives 64 bits
THUMBNAIL = 32  # pixels a side, before the DCT


def hash63(*pieces: str | int) -> int:
    """First 63 bits of blake2b over the pieces, joined by NUL.

    >>> hash63(0, 7) == hash63("0", "7")
    True
    """
    text = "\0".join(str(piece) for piece in pieces)
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def phash(image: np.ndarray) -> int:
    """64-bit DCT hash of a picture (H, W, 3) RGB uint8, as a signed int64.

    The 8 x 8 lowest frequencies of a 32 x 32 gray thumbnail, each bit set where the coefficient
    is above the median of the block; so 32 bits are set, and distances are even.
    """
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(gray, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    block = cv2.dct(small.astype(np.float32))[:LOW_FREQUENCIES, :LOW_FREQUENCIES]
    bits = (block > np.median(block)).ravel()
    return int(np.packbits(bits).view(">i8")[0])


def spread(image: np.ndarray) -> float:
    """Standard deviation of the luma of a picture (H, W, 3) RGB uint8, 0 for a flat one."""
    return round(float(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).std()), 3)
