"""Judge a picture as a server sent it: the picture as a build stores it, or a reason.

    judge_picture(body, settings)  # Picture(jpeg=b"…", width=341, …) or "too_many_pixels"

The header is judged before anything is decoded; what is decoded is upright, of three channels,
flattened on white, not enlarged, and encoded anew, so no byte of the server's file survives. The
measures that the image rules need are taken on the way. Colour profiles are not applied: a picture
of a wide gamut comes out a little paler.
"""

import hashlib
import re
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg

from pipeline.settings.images import ImageSettings
from queries.pixels.fingerprint import phash, spread
from queries.pixels.header import Header, is_svg, read_header
from queries.pixels.png import png_fits

MOST_SIDE = 65_500  # pixels; a JPEG cannot hold more
MOST_SCANS = 64  # of a progressive JPEG, which has about 10; a scan takes 40 ms at 50 megapixels
# libjpeg's warnings mean damage, but for these two: cameras write them, and no pixel is lost.
HARMLESS = re.compile(r"Invalid SOS parameters|: \d extraneous bytes before marker 0xd9")
KEPT_AS_SERVED = ("jpeg", "png", "webp")
STRIP = 256  # rows flattened at a time, so that 16-bit pixels are not held twice
# The decoder shrinks a JPEG to less than twice the stored size. From there bilinear takes a sixth
# of the time of INTER_AREA and is as close to Lanczos (37.1 and 37.6 dB on eight photographs).
SHRINK = {True: cv2.INTER_LINEAR, False: cv2.INTER_AREA}
OPAQUE, PLAIN = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION, cv2.IMREAD_UNCHANGED


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
    header = read_header(body)
    if header is None:
        return "svg" if is_svg(body) else "not_an_image"
    pixels = _decode(body, header, settings)
    if isinstance(pixels, str):
        return pixels
    height, width, _ = pixels.shape
    original = (header.width, header.height)
    original_width, original_height = original[::-1] if header.orientation >= 5 else original
    kept = settings.keep_originals and is_plain(header)
    return Picture(
        body if kept else simplejpeg.encode_jpeg(pixels, settings.quality, "RGB", "420"),
        header.type if kept else "jpeg",
        original_width if kept else width,
        original_height if kept else height,
        original_width,
        original_height,
        hashlib.sha256(body).hexdigest(),
        phash(pixels),
        spread(pixels),
    )


def stored_pixels(body: bytes, settings: ImageSettings) -> np.ndarray | str:
    """The pixels (H, W, 3) of a picture as `judge_picture` stores it, RGB, or the reason why not.

    >>> from pipeline.settings.images import ImageSettings
    >>> stored_pixels(b"not found", ImageSettings())
    'not_an_image'
    """
    header = read_header(body)
    return "not_an_image" if header is None else _decode(body, header, settings)


def _decode(body: bytes, header: Header, settings: ImageSettings) -> np.ndarray | str:
    """The pixels (H, W, 3), RGB: judged by the header, decoded, shrunk and turned upright."""
    if header.width * header.height > settings.max_pixels:
        return "too_many_pixels"
    if max(header.width, header.height) > MOST_SIDE:
        return "too_many_pixels"
    sides = stored_sides(header.width, header.height, settings.size)
    pixels = _decoded(body, header, sides)
    if pixels is None:
        return "image_damaged"
    if pixels.shape[1::-1] != sides:
        pixels = cv2.resize(pixels, sides, interpolation=SHRINK[header.type == "jpeg"])
    return upright(pixels, header.orientation)


def is_plain(header: Header) -> bool:
    """Whether every reader shows the file as we do: a common type, one frame, already upright."""
    return header.type in KEPT_AS_SERVED and not header.animated and header.orientation == 1


def stored_sides(width: int, height: int, size: int) -> tuple[int, int]:
    """(width, height) with a shorter side of `size`, in proportion; never enlarged.

    >>> stored_sides(1200, 900, 256), stored_sides(300, 200, 256)
    ((341, 256), (300, 200))
    """
    scale = size / min(width, height)
    return (round(width * scale), round(height * scale)) if scale < 1 else (width, height)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """The picture (H, W, 3) turned as EXIF's orientation says: (H, W, 3) or (W, H, 3).

    >>> upright(np.array([[[1], [2], [3]]]), 6).ravel(), upright(np.zeros((2, 3, 3)), 6).shape
    (array([1, 2, 3]), (3, 2, 3))
    """
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _decoded(body: bytes, header: Header, sides: tuple[int, int]) -> np.ndarray | None:
    """The pixels (H, W, 3), RGB, no smaller than `sides`; None if they are not all there.

    The decoder must find the sides that the judged header has. OpenCV has a limit of its own, in
    OPENCV_IO_MAX_IMAGE_PIXELS; libjpeg has none, so its header is read beforehand.
    """
    try:
        if header.type == "jpeg":
            return _jpeg(body, header, sides)
        pixels = _other(body, header)
    except (cv2.error, ValueError, KeyError):  # KeyError: a subsampling that simplejpeg lacks
        return None
    same = pixels is not None and pixels.shape[1::-1] == (header.width, header.height)
    return pixels if same else None


def _jpeg(body: bytes, header: Header, sides: tuple[int, int]) -> np.ndarray:
    """Decode at 1/8, 1/4 or 1/2 where that is no smaller than `sides`: less of the DCT is computed.

    libjpeg's other scales are slower and less exact. Raises ValueError where a part of the picture
    is damaged: libjpeg would paint that part gray.
    """
    if header.scans and body.count(b"\xff\xda") > MOST_SCANS:
        raise ValueError("too many scans")
    if simplejpeg.decode_jpeg_header(body, strict=False)[1::-1] != (header.width, header.height):
        raise ValueError("two headers")
    scale = reduction(header.width, header.height, sides)
    least = {"min_width": -(-header.width // scale), "min_height": -(-header.height // scale)}
    try:
        return simplejpeg.decode_jpeg(body, "RGB", **least)
    except ValueError as error:
        if not HARMLESS.search(str(error)):
            raise
    return simplejpeg.decode_jpeg(body, "RGB", **least, strict=False)


def reduction(width: int, height: int, sides: tuple[int, int]) -> int:
    """The greatest of 8, 4, 2 and 1 by which a picture can be divided and still cover `sides`.

    >>> reduction(1200, 900, (341, 256)), reduction(1021, 1024, (256, 257))
    (2, 2)
    """
    fits = (n for n in (8, 4, 2) if width // n >= sides[0] and height // n >= sides[1])
    return next(fits, 1)


def _other(body: bytes, header: Header) -> np.ndarray | None:
    """Decode in full by OpenCV; of an animation the first frame."""
    if not png_fits(body):
        return None
    data = np.frombuffer(body, np.uint8)
    if header.alpha and header.bits <= 16:
        pixels = cv2.imdecode(data, PLAIN)
        if pixels is not None and pixels.ndim == 2 and header.clear is not None:
            pixels = _with_alpha(pixels, header.clear, header.bits)
        if pixels is not None and pixels.ndim == 3 and pixels.shape[2] == 4:
            # libtiff multiplies colours of 8 bits by alpha, and leaves those of 16 alone.
            return flattened(pixels, header.type == "tiff" and pixels.dtype == np.uint8)
    return cv2.imdecode(data, OPAQUE)


def _with_alpha(gray: np.ndarray, clear: int, bits: int) -> np.ndarray:
    """A gray PNG (H, W) with one transparent shade as (H, W, 4)."""
    full = np.iinfo(gray.dtype).max
    shade = clear * full // (2**bits - 1)
    return cv2.merge([gray, gray, gray, np.where(gray == shade, 0, full).astype(gray.dtype)])


def flattened(pixels: np.ndarray, multiplied: bool = False) -> np.ndarray:
    """A picture (H, W, 4), BGRA uint8 or uint16, laid on white: (H, W, 3), RGB uint8.

    `multiplied`: its colours have been multiplied by alpha already.

    >>> flattened(np.array([[[255, 0, 0, 255], [0, 0, 0, 0]]], np.uint8)).tolist()
    [[[0, 0, 255], [255, 255, 255]]]
    """
    flat = np.empty((*pixels.shape[:2], 3), np.uint8)
    for top in range(0, len(pixels), STRIP):
        strip = pixels[top : top + STRIP]
        if strip.dtype == np.uint16:
            strip = cv2.convertScaleAbs(strip, alpha=1 / 257)
        alpha = strip[..., 3:].astype(np.uint16)
        if multiplied:
            flat[top : top + STRIP] = np.minimum(strip[..., 2::-1] + (255 - alpha), 255)
            continue
        mixed = strip[..., 2::-1] * alpha + (255 * (255 - alpha) + 128)
        flat[top : top + STRIP] = (mixed + (mixed >> 8)) >> 8  # / 255, rounded
    return flat
