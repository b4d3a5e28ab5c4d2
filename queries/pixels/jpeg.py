"""JPEG to pixels: no part of a damaged picture is taken for a whole one.

    decode_jpeg(body, header, (341, 256))  # (H, W, 1), (H, W, 3) or (H, W, 4) of CMYK

libjpeg paints gray what it cannot read, and says so in a warning; the first of them refuses the
picture here. Some warnings are no damage: cameras and editors write odd headers and pad the end.
The same picture is then written with plain headers, and read again as strictly.
"""

import re

import numpy as np
import simplejpeg

from queries.pixels.header import JPEG_FRAMES, Header, segments

MOST_SCANS = 64  # of a progressive JPEG, which has about 10; a scan takes 40 ms at 50 megapixels
MOST_PADDING = 9  # bytes before a marker, of any kind; a picture that lost its way leaves more
READ_AHEAD = 8  # bytes that libjpeg may have read beyond the last that it needs
END = b"\xff\xd9"
UNKNOWN_SAMPLING = "Could not determine subsampling"
JFIF = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"  # a plain one
PLAIN_SCAN = b"\0\x3f\0"  # all coefficients of a picture that is not progressive
HARMLESS = re.compile(
    r"unknown JFIF revision|Unknown Adobe color transform|bad ICC marker|Invalid SOS parameters"
    r"|\d+ extraneous bytes before marker 0x"
)
PADDING = re.compile(r"(\d+) extraneous bytes before marker 0x(..)")


class SamplingError(ValueError):
    """simplejpeg does not know how a picture's channels are sampled."""


def decode_jpeg(body: bytes, header: Header, sides: tuple[int, int]) -> tuple[np.ndarray, bool]:
    """Decode at 1/8, 1/4 or 1/2 where that is no smaller than `sides`: less of the DCT is computed.

    libjpeg's other scales are slower and less exact. Gray has one channel, CMYK four, each 0 where
    there is no ink. Also tells whether libjpeg had nothing to warn of. Raises ValueError where a
    part of the picture is damaged, and SamplingError where channels are sampled in a rare way.
    """
    if header.scans and body.count(b"\xff\xda") > MOST_SCANS:
        raise ValueError("too many scans")
    height, width, colours = _seen_header(body)
    if (width, height) != (header.width, header.height):
        raise ValueError("two headers")
    space = {"Gray": "GRAY", "CMYK": "CMYK", "YCCK": "CMYK"}.get(colours, "RGB")
    scale = reduction(width, height, sides)
    least = {"min_width": -(-width // scale), "min_height": -(-height // scale)}
    faultless = True
    try:
        pixels = simplejpeg.decode_jpeg(body, space, **least)
    except ValueError as error:
        faultless = False
        if not HARMLESS.search(str(error)):
            raise
        pixels = _decode_plain(plain_headers(body, header), space, least)
    # Adobe's full ink is 0, and everybody's after it.
    return 255 - pixels if space == "CMYK" else pixels, faultless


def is_damaged(body: bytes) -> bool:
    """Whether simplejpeg finds damage in a JPEG whose header it does not understand.

    Another decoder must have found the sides that were judged: this one is not asked for them.
    """
    try:
        simplejpeg.decode_jpeg(body, "GRAY")
    except ValueError as error:
        return UNKNOWN_SAMPLING not in str(error)
    return False


def _seen_header(body: bytes) -> tuple[int, int, str]:
    """(height, width, colours) as libjpeg sees them."""
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(body, strict=False)
    except KeyError:
        raise SamplingError from None
    except ValueError as error:
        raise SamplingError if UNKNOWN_SAMPLING in str(error) else error from None
    return height, width, colours


def reduction(width: int, height: int, sides: tuple[int, int]) -> int:
    """The greatest of 8, 4, 2 and 1 by which a picture can be divided and still cover `sides`.

    >>> reduction(1200, 900, (341, 256)), reduction(1021, 1024, (256, 257))
    (2, 2)
    """
    fits = (n for n in (8, 4, 2) if width // n >= sides[0] and height // n >= sides[1])
    return next(fits, 1)


def _decode_plain(body: bytes, space: str, least: dict[str, int]) -> np.ndarray:
    """Strict, but for a few bytes that the last scan leaves over, or many that are all the same."""
    try:
        return simplejpeg.decode_jpeg(body, space, **least)
    except ValueError as error:
        padding = PADDING.search(str(error))
        if padding is None or not _is_padding(body, int(padding[1]), padding[2] == "d9"):
            raise
    return simplejpeg.decode_jpeg(body, space, **least, strict=False)


def _is_padding(body: bytes, n_bytes: int, at_end: bool) -> bool:
    """Whether so many bytes after the data of a scan, unread, are those of a writer that fills up.

    More than a few must be alike, and must not go on into what was read: zeros that took the place
    of a picture's end decode, and leave some over.
    """
    run = 0
    while at_end and run < n_bytes + READ_AHEAD + 1 and body[-3 - run] == body[-3]:
        run += 1
    if run > n_bytes + READ_AHEAD:
        return False
    return n_bytes <= MOST_PADDING or run >= n_bytes


def plain_headers(body: bytes, header: Header) -> bytes:
    """The JPEG with no segment that libjpeg could warn of; no pixel is another afterwards.

    Comments, Exif data and profiles go, and so do bytes between segments. JFIF's and Adobe's
    segments, which say how colours are coded, stay with their plain values.
    """
    pieces = [body[:2]]
    at = 2
    n_channels = 3
    for marker, start, end in segments(body):
        content = body[start:end]
        at = end
        if marker in JPEG_FRAMES:
            n_channels = content[9] if len(content) > 9 else 3
        if marker == 0xE0 and content.startswith(b"JFIF\0", 4):
            pieces.append(JFIF)
        elif marker == 0xEE and content.startswith(b"Adobe", 4) and len(content) >= 16:
            coding = content[15] if content[15] <= 2 else n_channels - 2  # YCCK of four, YCbCr
            pieces.append(content[:15] + bytes([coding]) + content[16:])
        elif not 0xE0 <= marker <= 0xEF and marker != 0xFE:
            pieces.append(content)
    whole = bytearray(b"".join(pieces))
    if not header.scans:
        whole[-3:] = PLAIN_SCAN
    whole += body[at:]
    cut = body.rfind(END, at)
    if cut >= 0:  # what follows the end is not the picture's
        del whole[len(whole) - (len(body) - cut - 2) :]
    return bytes(whole)
