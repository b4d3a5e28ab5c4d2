"""A whole picture that no reader reads is no damaged one, and not no picture."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from queries.pixels.picture import read_picture
from queries.pixels.unread import is_unread

SIDES = (64, 48)
NOISE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)


def saved(kind: str, mode: str = "RGB", **how: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(NOISE).convert(mode).save(file, kind, **how)
    return file.getvalue()


def torn(body: bytes) -> bytes:
    """The file without the second half of its pixels."""
    half = len(body) // 2
    return body[:half] + bytes(len(body) - half - 400) + body[-400:]


def tiff(**fields: int) -> bytes:
    """A TIFF of one strip of zeros whose fields say otherwise."""
    of = {256: (4, 64), 257: (4, 48), 258: (3, 8), 259: (3, 1), 262: (3, 1), 273: (4, 400)}
    of |= {277: (3, 1), 278: (4, 48), 279: (4, 64 * 48 * 8)}
    names = {"bits": 258, "compression": 259, "samples": 277, "kind": 339}
    for name, value in fields.items():
        of[names[name]] = (3, value)
    entries = [struct.pack("<HHIHxx", tag, 3, 1, value) if kind == 3
               else struct.pack("<HHII", tag, 4, 1, value)
               for tag, (kind, value) in sorted(of.items())]  # fmt: skip
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + b"".join(entries) + bytes(4)
    return head.ljust(400, b"\0") + bytes(64 * 48 * 8)


def bare_codestream() -> bytes:
    jp2 = saved("JPEG2000")
    return jp2[jp2.index(b"\xff\x4f\xff\x51") :]


def twelve_bits() -> bytes:
    """A JPEG whose frame says 12 bits, as those of scanners and telescopes do."""
    jpeg = bytearray(saved("JPEG"))
    jpeg[jpeg.index(b"\xff\xc0") + 4] = 12
    return bytes(jpeg)


UNREAD = {
    "ppm": saved("PPM"),
    "pgm": saved("PPM", "L"),
    "pbm": saved("PPM", "1"),
    "ppm with a remark": b"P3\n# by hand\n 2 1\n255\n0 0 0 9 9 9\n",
    "pam": b"P7\nWIDTH 4\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nENDHDR\n" + bytes(12),
    "pfm": b"PF\n4 1\n-1.0\n" + bytes(48),
    "tga": saved("TGA"),
    "tga packed, gray": saved("TGA", "L", compression="tga_rle"),
    "tga without a footer": saved("TGA")[:-26],
    "pcx": saved("PCX"),
    "sgi": saved("SGI"),
    "dds": saved("DDS"),
    "icns": saved("ICNS"),
    "xbm": saved("XBM", "1"),
    "qoi": b"qoif" + struct.pack(">II", *SIDES) + b"\3\0" + bytes(40),
    "psd": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 48, 64, 8, 3) + bytes(40),
    "cursor": b"\0\0\2\0" + saved("ICO")[4:],
    "jpeg 2000, bare": bare_codestream(),
    "jpeg of 12 bits": twelve_bits(),
    "jpeg-ls": b"\xff\xd8\xff\xf7\0\x0b\x08\0\x30\0\x40\1\1\x11\0\xff\xda\0\x08\1\1\0\0\0\0",
    "tiff of halves": tiff(bits=16, kind=3),
    "tiff of doubles": tiff(bits=64, kind=3),
    "tiff of five channels": tiff(samples=5),
    "tiff of lerc": tiff(compression=34887),
    "tiff of jpeg 2000": tiff(compression=34712),
    "tiff of jpeg xl": tiff(compression=50002),
    "tiff of webp, torn": tiff(compression=50001),
}


@pytest.mark.parametrize("name", UNREAD)
def test_a_whole_picture_of_a_rare_type_or_variant_is_unsupported(name):
    assert read_picture(UNREAD[name], 10**7) == "image_unsupported"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_an_image"),
        (b"P5 is the fifth of them", "not_an_image"),
        (b"P6", "not_an_image"),
        (b"#define X 1", "not_an_image"),
        (b"%PDF-1.7 " + bytes(99), "not_an_image"),
        (b"\0" * 99, "not_an_image"),
        (b"\xff\xd8\xff\xe0", "not_an_image"),
        (b"<html>TRUEVISION", "not_an_image"),
        (saved("JPEG")[:-900], "image_damaged"),
        (torn(saved("TIFF", compression="tiff_lzw")), "image_damaged"),
        (saved("PNG")[:900], "image_damaged"),
        (tiff(compression=5), "image_damaged"),
    ],
)
def test_what_is_damaged_or_no_picture_is_not_called_unsupported(body, reason):
    assert read_picture(body, 10**7) == reason


def test_a_remark_without_end_takes_no_time():
    assert not is_unread(b"P6\n" + b"#" * 10**7)
    assert not is_unread(b"P6" + b" " * 10**7)


def test_tiffs_that_are_read_stay_so():
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        file = io.BytesIO()
        Image.fromarray(NOISE).save(file, "TIFF", compression=compression)
        assert TiffImagePlugin.TiffImageFile(io.BytesIO(file.getvalue())).size == SIDES
        assert np.array_equal(read_picture(file.getvalue(), 10**7).pixels, NOISE)
