"""Bytes to pixels: decode, resize, crop. Pictures are RGB uint8 (H, W, 3) throughout.

May import numpy, cv2 and simplejpeg. Pixels stay uint8 until the model normalises them: floats
made here would cost two thirds of the loader's speed.
"""

import cv2
import numpy as np
import simplejpeg

MAX_PIXELS = 1 << 26  # 64 megapixels: a larger picture is refused before it is decoded


class BadPictureError(Exception):
    """The bytes are no picture that we can read; says why."""


def decode_jpeg(data: bytes, at_least: int = 0) -> np.ndarray:
    """JPEG -> (H, W, 3); with `at_least`, decoded small, each side still at least so long.

    libjpeg scales in the frequency domain, by eighths, for less than the cost of full size.
    """
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        if height * width > MAX_PIXELS:
            raise BadPictureError(f"{width} x {height} pixels: expected at most {MAX_PIXELS}")
        return simplejpeg.decode_jpeg(
            data,
            "RGB",
            min_height=min(at_least, height),
            min_width=min(at_least, width),
            min_factor=1,
        )
    except ValueError as error:
        raise BadPictureError(str(error).strip() or "not a JPEG") from None


def decode(data: bytes) -> np.ndarray:
    """JPEG, PNG or WebP -> (H, W, 3); transparency is laid on white, 16 bits become 8."""
    if data[:2] == b"\xff\xd8":
        return decode_jpeg(data)
    flags = cv2.IMREAD_UNCHANGED
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error as error:
        raise BadPictureError(error.err) from None
    if image is None:
        raise BadPictureError("not a picture in a known format")
    if image.dtype == np.uint16:
        image = np.right_shift(image, 8).astype(np.uint8)
    if image.ndim == 2:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    return on_white(image) if image.shape[2] == 4 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def on_white(bgra: np.ndarray) -> np.ndarray:
    """(H, W, 4) BGRA -> (H, W, 3) RGB over a white page."""
    alpha = bgra[..., 3:].astype(np.float32) / 255
    over = bgra[..., :3] * alpha + 255 * (1 - alpha)
    return np.ascontiguousarray(over.round().astype(np.uint8)[..., ::-1])


def resize_shorter(image: np.ndarray, side: int) -> np.ndarray:
    """The picture with its shorter side `side` pixels long, its shape kept.

    Area averaging when it shrinks, since OpenCV's cubic is not antialiased; cubic when it grows.
    """
    height, width = image.shape[:2]
    scale = side / min(height, width)
    size = (max(side, round(width * scale)), max(side, round(height * scale)))
    if size == (width, height):
        return image
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def crop(image: np.ndarray, side: int, down: float, right: float) -> np.ndarray:
    """The square of `side` pixels at the given fractions (0..1) of the room there is.

    >>> crop(np.zeros((8, 12, 3), np.uint8), 8, 0.5, 0.5).shape
    (8, 8, 3)
    """
    top = round((image.shape[0] - side) * down)
    left = round((image.shape[1] - side) * right)
    return image[top : top + side, left : left + side]


def centre(image: np.ndarray, side: int) -> np.ndarray:
    """What evaluation sees: the shorter side resized, the middle square cut out (side, side, 3)."""
    return crop(resize_shorter(image, side), side, 0.5, 0.5)


def stacked(images: list[np.ndarray]) -> np.ndarray:
    """Pictures of one size -> (B, 3, H, W) in channels-last memory, as the model takes them."""
    return np.stack(images).transpose(0, 3, 1, 2)
