"""Pictures that are no plain JPEG, to pixels by Pillow: one decoder, of one type, for each.

    decode(body, "gif", 8, (5, 3))  # Raster(pixels=(3, 5, 4), …), or raises UnreadableError

The reader of the type is called by itself, so bytes of one type never reach the decoder of
another, and no other plugin of Pillow is loaded. HEIC and JPEG XL are read where `pillow-heif` and
`pillow-jxl-plugin` are installed.
"""

import importlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from queries.pixels.unread import reason_for


def plugin(module: str, reader: str) -> Any:
    """A reader that another package adds to Pillow; None where the package is not installed."""
    try:
        return getattr(importlib.import_module(module), reader)
    except ImportError:
        return None


READERS: dict[str, Any] = {
    "jpeg": JpegImagePlugin.JpegImageFile,
    "png": PngImagePlugin.PngImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "tiff": TiffImagePlugin.TiffImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "ico": IcoImagePlugin.IcoImageFile,
    "jp2": Jpeg2KImagePlugin.Jpeg2KImageFile,
    "avif": AvifImagePlugin.AvifImageFile,
    "heic": plugin("pillow_heif", "HeifImageFile"),
    "jxl": plugin("pillow_jxl.JpegXLImagePlugin", "JXLImageFile"),
}
# Why a type is refused where its plugin is not installed.
REASONS = {"heic": "heic", "jxl": "jpeg_xl"}
ORIENTATION = 274  # Exif's tag
COMPRESSION, PHOTOMETRIC, PLANAR = 259, 262, 284  # tags of TIFF
RAW, WHITE_IS_ZERO, PLANES = 1, 0, 2  # their values
# Of TIFF: JBIG, LERC, LZMA, Zstandard and WebP, which libtiff is often built without.
RARE_COMPRESSIONS = (34661, 34887, 34925, 50000, 50001)
UPRIGHT = ("tiff", "jxl")  # types that their reader has turned


class UnreadableError(Exception):
    """Bytes that no reader makes a picture of; the message is the reason."""


@dataclass(frozen=True)
class Raster:
    """Decoded pixels, before they are laid on white, converted to sRGB and turned."""

    pixels: np.ndarray  # (H, W, C) uint8: gray, gray and alpha, RGB, RGBA; or CMYK
    width: int  # of the file, which the pixels may be a reduction of
    height: int
    orientation: int  # EXIF's 1..8
    profile: bytes | None
    alpha: bool = False  # the last channel is alpha
    plain: bool = True  # every reader makes the same of it


def decode(body: bytes, kind: str, bits: int, sides: tuple[int, int], most_pixels: int) -> Raster:
    """The first picture of a file of this type. Raises UnreadableError.

    A JPEG is decoded no smaller than `sides`, and other types at full size.
    """
    reader = READERS[kind]
    if reader is None:
        raise UnreadableError(REASONS[kind])
    try:
        image = reader(io.BytesIO(body))
        if image.width * image.height > most_pixels:
            raise UnreadableError("too_many_pixels")
        width, height = image.size
        if kind == "jpeg":
            image.draft(None, sides)
        if kind == "tiff":
            _refuse_planes(image, bits)
        image.load()
        return _raster(image, kind, bits, (width, height))
    except UnreadableError:
        raise
    except Image.DecompressionBombError:
        raise UnreadableError("too_many_pixels") from None
    except Exception as error:  # whatever hostile bytes make of a reader: they share no base
        rare = kind == "tiff" and _compression(body) in RARE_COMPRESSIONS
        raise UnreadableError("image_unsupported" if rare else reason_for(error)) from None


def _compression(body: bytes) -> int | None:
    try:
        return TiffImagePlugin.TiffImageFile(io.BytesIO(body)).tag_v2.get(COMPRESSION)
    except Exception:  # as above: what cannot be opened has none
        return None


def _raster(image: Image.Image, kind: str, bits: int, sides: tuple[int, int]) -> Raster:
    turned = 1 if kind in UPRIGHT else image.getexif().get(ORIENTATION, 1)
    profile = image.info.get("icc_profile")
    if kind == "tiff":
        sides = image.size  # as turned
    plain = not (image.mode in ("1", "L", "I;16") and "transparency" in image.info)
    if kind == "png":
        _scale_transparency(image, bits)
    pixels, alpha = _pixels(image, bits if kind == "tiff" else 16)
    turned = turned if isinstance(turned, int) and 1 <= turned <= 8 else 1
    return Raster(pixels, *sides, turned, profile or None, alpha, plain)


def _refuse_planes(image: Any, bits: int) -> None:
    """Pillow reads 16 bits of planes that stand apart and are not packed as if they had 8."""
    tags = image.tag_v2
    apart = tags.get(PLANAR) == PLANES and tags.get(COMPRESSION, RAW) == RAW
    if apart and bits > 8 and len(image.getbands()) > 1:
        raise UnreadableError("image_unsupported")


def _scale_transparency(image: Image.Image, bits: int) -> None:
    """Of gray with 2 or 4 bits Pillow scales the shades, and not the one that is transparent."""
    shade = image.info.get("transparency")
    if image.mode == "L" and bits in (2, 4) and isinstance(shade, int):
        image.info["transparency"] = shade * 255 // (2**bits - 1)


def _pixels(image: Image.Image, bits: int) -> tuple[np.ndarray, bool]:
    """(H, W, C) and whether the last channel is alpha.

    Raises UnreadableError for pixels that have no agreed colour: floats and 32 bits.
    """
    if image.mode.startswith("I;16"):
        return _from_16_bits(image, bits)
    if image.has_transparency_data:
        gray = image.mode in ("1", "L", "LA", "La")
        mode = "LA" if gray else "RGBA"
    else:
        modes = {"1": "L", "P": "RGB", "RGBX": "RGB", "YCbCr": "RGB", "LAB": "RGB"}
        mode = modes.get(image.mode, image.mode)
        if mode not in ("L", "RGB", "CMYK"):
            raise UnreadableError("image_unsupported")
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    alpha = mode in ("LA", "RGBA")
    return pixels.reshape(*pixels.shape[:2], -1), alpha


def _from_16_bits(image: Image.Image, bits: int) -> tuple[np.ndarray, bool]:
    """Gray of 9 to 16 bits as the upper 8 of them; one shade may be transparent."""
    values = np.asarray(image)
    shades = (values >> max(0, min(bits, 16) - 8)).astype(np.uint8)
    if getattr(image, "tag_v2", {}).get(PHOTOMETRIC) == WHITE_IS_ZERO:
        shades = 255 - shades  # as Pillow does with 8 bits and fewer
    clear = image.info.get("transparency")
    if not isinstance(clear, int):
        return shades[..., None], False
    return np.stack([shades, np.where(values == clear, 0, 255).astype(np.uint8)], axis=-1), True
