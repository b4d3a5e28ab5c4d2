"""Bytes to pixels: decode, resize, crop. Pictures are RGB uint8 (H, W, 3) throughout.

Pixels stay uint8 until the model normalises them: floats made here would cost two thirds of the
loader's speed.
"""

import threading
from typing import Any

import cv2
import numpy as np
import simplejpeg

from queries.pixels.header import read_header
from queries.pixels.png import png_fits

MAX_PIXELS = 1 << 26  # 64 megapixels: a larger picture is refused before it is decoded
DECODED = ("jpeg", "png", "webp", "gif", "bmp", "tiff", "avif")  # by OpenCV, as pixels of 8 bits
LINEAR_BELOW = 1.25  # times smaller
ROOM_BYTES = 1 << 24  # most that a thread keeps


class BadPictureError(Exception):
    """The bytes cannot be decoded as a picture; the message says why."""


class Room(threading.local):
    """Memory that a thread decodes into, again and again.

    Memory asked for anew is mapped page by page, which took a third of the time of a picture.
    """

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)

    def take(self, n_bytes: int) -> np.ndarray:
        """At least `n_bytes` bytes, to be overwritten; more than ROOM_BYTES are not kept."""
        if n_bytes > ROOM_BYTES:
            return np.empty(n_bytes, np.uint8)
        if self._bytes.size < n_bytes:
            self._bytes = np.empty(n_bytes, np.uint8)
        return self._bytes


_ROOM = Room()  # of `resize`


def decode_jpeg(data: bytes, at_least: int = 0, room: Room | None = None) -> np.ndarray:
    """JPEG -> (H, W, 3); with `at_least`, decoded small, its shorter side still at least so long.

    libjpeg scales in the frequency domain, antialiased, for less than the cost of full size: by
    2, 4 or 8. Other eighths it computes without vector instructions: 7/8 takes 1.5 times as long
    as full size. With `room`, the picture lasts until the thread decodes the next one there.
    """
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        if height * width > MAX_PIXELS:
            raise BadPictureError(f"{width} x {height} pixels: expected at most {MAX_PIXELS}")
        least = [shrunk(side, min(height, width), at_least) for side in (height, width)]
        small: dict[str, Any] = {"min_height": least[0], "min_width": least[1], "min_factor": 1}
        if room is not None:
            small["buffer"] = room.take(least[0] * least[1] * 3)  # its size, as it is decoded
        return simplejpeg.decode_jpeg(data, "RGB", **small)
    except (ValueError, KeyError) as error:  # KeyError: a subsampling that simplejpeg lacks
        raise BadPictureError(str(error).strip() or "not a JPEG") from None


def shrunk(side: int, shorter: int, at_least: int) -> int:
    """The side halved up to three times, as long as the shorter one keeps `at_least` pixels.

    >>> shrunk(341, 256, 72), shrunk(256, 256, 224), shrunk(9000, 8000, 72)
    (171, 256, 1125)
    """
    factor = 1
    while factor < 8 and 0 < at_least * factor * 2 <= shorter:
        factor *= 2
    return -(-side // factor)


def decode(data: bytes, at_least: int = 0, room: Room | None = None) -> np.ndarray:
    """A picture's bytes -> RGB uint8 (H, W, 3); transparency is laid on white, 16 bits become 8.

    `at_least` and `room` are those of decode_jpeg; pictures that are no JPEG are decoded in full.
    Pixels of another type, such as a TIFF's floats, are refused by name: OpenCV would not write
    their crop where it is told to, and what stood there before would be taken for it.
    """
    if data[:2] == b"\xff\xd8":
        return decode_jpeg(data, at_least, room)
    width, height = sides(data)
    if width * height > MAX_PIXELS:
        raise BadPictureError(f"{width} x {height} pixels: expected at most {MAX_PIXELS}")
    if not png_fits(data):
        raise BadPictureError("a chunk that is longer than the file")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        return _rgb(image)
    except cv2.error as error:
        raise BadPictureError(error.err) from None


def _rgb(image: np.ndarray | None) -> np.ndarray:
    """What OpenCV has decoded, as RGB uint8 (H, W, 3)."""
    if image is None:
        raise BadPictureError("cannot be decoded")
    if image.dtype == np.uint16:
        image = np.right_shift(image, 8).astype(np.uint8)
    channels = 1 if image.ndim == 2 else image.shape[2]
    if image.dtype != np.uint8 or channels not in (1, 3, 4):
        raise BadPictureError(
            f"{channels} channels of {image.dtype}: expected gray, colours or colours and "
            "transparency, of 8 or 16 bits"
        )
    if channels == 1:
        return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
    return on_white(image) if channels == 4 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def sides(data: bytes) -> tuple[int, int]:
    """(width, height) that a picture's header promises. Raises BadPictureError without a header.

    >>> sides(b"GIF89a" + bytes([5, 0, 3, 0, 0, 0, 0, 0x3B]))
    (5, 3)
    """
    header = read_header(data)
    if header is None:
        raise BadPictureError("not a picture in a known format")
    if header.type not in DECODED:
        raise BadPictureError(f"type {header.type}: expected one of {', '.join(DECODED)}")
    return header.width, header.height


def on_white(bgra: np.ndarray) -> np.ndarray:
    """(H, W, 4) BGRA -> (H, W, 3) RGB over a white page."""
    alpha = bgra[..., 3:].astype(np.float32) / 255
    over = bgra[..., :3] * alpha + 255 * (1 - alpha)
    return np.ascontiguousarray(over.round().astype(np.uint8)[..., ::-1])


def resize_shorter(image: np.ndarray, side: int) -> np.ndarray:
    """The picture with its shorter side `side` pixels long, its shape kept."""
    height, width = image.shape[:2]
    scale = side / min(height, width)
    size = (max(side, round(width * scale)), max(side, round(height * scale)))
    if size == (width, height):
        return image
    out = np.empty((size[1], size[0], 3), np.uint8)
    resize(image, out)
    return out


def crop(image: np.ndarray, side: int, down: float, right: float) -> np.ndarray:
    """The square of `side` pixels at the given fractions (0..1) of the room there is.

    >>> crop(np.zeros((8, 12, 3), np.uint8), 8, 0.5, 0.5).shape
    (8, 8, 3)
    """
    top = round((image.shape[0] - side) * down)
    left = round((image.shape[1] - side) * right)
    return image[top : top + side, left : left + side]


def resized_crop(
    image: np.ndarray, shorter: int, down: float, right: float, out: np.ndarray
) -> np.ndarray:
    """Fill `out` (S, S, 3) with `crop` of the picture as if resized to a shorter side of `shorter`.

    Only the square is resized: what the crop leaves out need not be made.

    >>> image = np.full((256, 341, 3), 7, np.uint8)
    >>> resized_crop(image, 72, 0.5, 0.5, np.empty((64, 64, 3), np.uint8))[0, 0].tolist()
    [7, 7, 7]
    """
    square = max(1, round(min(image.shape[:2]) * len(out) / shorter))
    resize(crop(image, square, down, right), out)
    return out


def resize(image: np.ndarray, out: np.ndarray) -> None:
    """Fill `out` (h, w, 3) with the whole picture, antialiased: cubic where it grows.

    Area averaging where it shrinks, since OpenCV's cubic and linear are not antialiased; but by
    less than a quarter linear, which is then as near to Pillow's bicubic, and five times as fast.
    Up to half linear to twice the size, then the means of 2 x 2 pixels, for which OpenCV has
    vector instructions: nearer to Pillow's than area averaging, in half its time.
    """
    size = (out.shape[1], out.shape[0])
    factor = min(image.shape[0] / size[1], image.shape[1] / size[0])
    if image.shape == out.shape:
        out[:] = image
    elif factor <= 1:
        cv2.resize(image, size, dst=out, interpolation=cv2.INTER_CUBIC)
    else:
        if LINEAR_BELOW <= factor < 2:
            twice = _ROOM.take(4 * out.size)[: 4 * out.size].reshape(2 * size[1], 2 * size[0], 3)
            image = cv2.resize(image, twice.shape[1::-1], dst=twice)
        way = cv2.INTER_LINEAR if factor < LINEAR_BELOW else cv2.INTER_AREA
        cv2.resize(image, size, dst=out, interpolation=way)


def centre(image: np.ndarray, side: int) -> np.ndarray:
    """The picture for evaluation (side, side, 3): shorter side resized, middle square cut out."""
    return crop(resize_shorter(image, side), side, 0.5, 0.5)


def stacked(images: list[np.ndarray]) -> np.ndarray:
    """Pictures of one size -> (B, 3, H, W) in channels-last memory, as the model takes them."""
    return np.stack(images).transpose(0, 3, 1, 2)
