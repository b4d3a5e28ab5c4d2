"""Colours of an ICC profile as sRGB, the colours that every reader of a stored picture expects.

    as_srgb(pixels, profile)  # (H, W, 1), (H, W, 3) or (H, W, 4) of CMYK -> (H, W, 3) of sRGB

littlecms converts, with the perceptual intent, as Pillow's `ImageCms.profileToProfile` does. Most
profiles of the web are sRGB under many names; they are recognised by what they do to colours, and
then nothing is converted. A profile that is broken, or of another kind of picture, is ignored.
"""

import io
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageCms

MOST_BYTES = 1 << 22  # of a profile; those of printing presses have up to 3 MB
KEPT_BYTES = 1 << 16  # a larger profile's transform is not kept: 64 of these are 4 MB
DEVICES = (b"scnr", b"mntr", b"prtr", b"spac")  # classes of profiles that describe a picture
SPACES = {b"GRAY": "L", b"RGB ": "RGB", b"CMYK": "CMYK"}  # ICC's name: Pillow's
CHANNELS = {1: "L", 3: "RGB", 4: "CMYK"}
STRIP_PIXELS = 1 << 20  # converted at a time
SAME = 2.5  # levels of 255, within which two colours are one
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def as_srgb(pixels: np.ndarray, profile: bytes | None) -> np.ndarray:
    """The picture (H, W, 3), RGB uint8: of one channel (gray), three (RGB) or four (CMYK).

    >>> as_srgb(np.full((1, 2, 1), 7, np.uint8), b"broken").tolist()
    [[[7, 7, 7], [7, 7, 7]]]
    """
    space = CHANNELS[pixels.shape[2]]
    if space == "L" and _space(profile) != "L":
        pixels, space = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_GRAY2RGB), "RGB"
    transform = transform_of(profile, space)
    if transform is None and space == "RGB":
        return pixels
    flat = np.empty((*pixels.shape[:2], 3), np.uint8)
    rows = max(1, STRIP_PIXELS // pixels.shape[1])
    for top in range(0, len(pixels), rows):
        flat[top : top + rows] = _converted(pixels[top : top + rows], space, transform)
    return flat


def is_srgb(profile: bytes | None, space: str) -> bool:
    """Whether pixels of Pillow's mode L, RGB or CMYK are sRGB already, as far as a profile tells.

    >>> is_srgb(None, "RGB"), is_srgb(SRGB.tobytes(), "RGB"), is_srgb(None, "CMYK")
    (True, True, False)
    """
    return space != "CMYK" and transform_of(profile, space) is None


def transform_of(profile: bytes | None, space: str) -> ImageCms.ImageCmsTransform | None:
    """From a space of SPACES to sRGB; None where nothing is to be converted, or can be.

    >>> transform_of(SRGB.tobytes(), "RGB"), transform_of(SRGB.tobytes(), "CMYK")
    (None, None)
    """
    if profile is None or _space(profile) != space or len(profile) > MOST_BYTES:
        return None
    return _kept(profile, space) if len(profile) <= KEPT_BYTES else _built(profile, space)


def _space(profile: bytes | None) -> str | None:
    """Of which pictures a profile is, by its header (ICC.1, 7.2); None for no such profile."""
    if profile is None or profile[36:40] != b"acsp" or profile[12:16] not in DEVICES:
        return None
    return SPACES.get(profile[16:20])


def _built(profile: bytes, space: str) -> ImageCms.ImageCmsTransform | None:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, SRGB, space, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return transform if space == "CMYK" or _changes(transform, space) else None


_kept = lru_cache(maxsize=64)(_built)


def _changes(transform: ImageCms.ImageCmsTransform, space: str) -> bool:
    """Whether colours from all parts of the space come out as others."""
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    if space == "L":
        colours = levels.reshape(1, -1, 1)
    else:
        colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    changed = _converted(colours, space, transform).astype(int) - colours
    return bool(np.abs(changed).max() > SAME)


def _converted(
    pixels: np.ndarray, space: str, transform: ImageCms.ImageCmsTransform | None
) -> np.ndarray:
    size = pixels.shape[1::-1]
    image = Image.frombuffer(space, size, np.ascontiguousarray(pixels), "raw", space, 0, 1)
    return np.asarray(image.convert("RGB") if transform is None else transform.apply(image))
