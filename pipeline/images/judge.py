"""Judge a picture as a server sent it: the picture as a build stores it, or a reason.

    judge_picture(body, settings)  # Picture(jpeg=b"…", width=341, …) or "too_many_pixels"

The header is judged before anything is decoded; what is decoded is upright, of three channels, in
the colours of sRGB, on white, not enlarged, and encoded anew, so no byte of the server's file
survives. The measures that the image rules need are taken on the way.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import simplejpeg

from pipeline.settings.images import ImageSettings
from queries.pixels.fingerprint import phash, spread
from queries.pixels.picture import read_picture

KEPT_AS_SERVED = ("jpeg", "png", "webp")


@dataclass(frozen=True)
class Picture:
    """A picture that can be stored; every side is that of the upright picture, in pixels."""

    jpeg: bytes  # where originals are kept: the body as served, of its `type`
    type: str
    width: int
    height: int
    original_width: int
    original_height: int
    sha256: str  # of the body as served, hex
    phash: int  # of the pixels, before they are encoded
    spread: float


def judge_picture(body: bytes, settings: ImageSettings) -> Picture | str:
    """The picture to store, or the reason of queries/tables/reasons.py why there is none.

    >>> from pipeline.settings.images import ImageSettings
    >>> judge_picture(b"<svg/>", ImageSettings()), judge_picture(b"not found", ImageSettings())
    ('svg', 'not_an_image')
    """
    seen = read_picture(body, settings.max_pixels, settings.size)
    if isinstance(seen, str):
        return seen
    height, width, _ = seen.pixels.shape
    kept = settings.keep_originals and seen.type in KEPT_AS_SERVED and seen.plain
    return Picture(
        body if kept else simplejpeg.encode_jpeg(seen.pixels, settings.quality, "RGB", "420"),
        seen.type if kept else "jpeg",
        seen.width if kept else width,
        seen.height if kept else height,
        seen.width,
        seen.height,
        hashlib.sha256(body).hexdigest(),
        phash(seen.pixels),
        spread(seen.pixels),
    )


def stored_pixels(body: bytes, settings: ImageSettings) -> np.ndarray | str:
    """The pixels (H, W, 3) of a picture as `judge_picture` stores it, RGB, or the reason why not.

    >>> from pipeline.settings.images import ImageSettings
    >>> stored_pixels(b"not found", ImageSettings())
    'not_an_image'
    """
    picture = read_picture(body, settings.max_pixels, settings.size)
    return picture if isinstance(picture, str) else picture.pixels
