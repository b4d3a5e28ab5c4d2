"""Harmless warnings of libjpeg lose no picture, and damage is never taken for one."""

import io

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from queries.pixels.jpeg import is_damaged
from queries.pixels.picture import Pixels, read_picture
from tests.queries.pixels.test_picture import MOST_PIXELS, photo, pillows, saved

PLAIN = saved(photo(), "JPEG", quality=90)
PROGRESSIVE = saved(photo(), "JPEG", quality=90, progressive=True)
JFIF = PLAIN[2:20]
ADOBE = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0"


def profile_piece(number: int, pieces: int, size: int = 80) -> bytes:
    content = b"ICC_PROFILE\0" + bytes([number, pieces]) + b"x" * size
    return b"\xff\xe2" + (2 + len(content)).to_bytes(2) + content


def before(marker: bytes, extra: bytes, body: bytes = PLAIN) -> bytes:
    at = body.index(marker)
    return body[:at] + extra + body[at:]


def padded(n_bytes: int, fill: int = 0, body: bytes = PLAIN) -> bytes:
    return body[:-2] + bytes([fill]) * n_bytes + body[-2:]


# name: a JPEG of the same picture as PLAIN, which the strict decoder warns of
ODD = {
    "JFIF 2.1": PLAIN.replace(b"JFIF\0\1\1", b"JFIF\0\2\1"),
    "JFIF 0.0": PLAIN.replace(b"JFIF\0\1\1", b"JFIF\0\0\0"),
    "Adobe's transform 7": PLAIN.replace(JFIF, ADOBE + b"\x07"),
    "Adobe's transform 255": PLAIN.replace(JFIF, ADOBE + b"\xff"),
    "a profile's first piece of two": before(b"\xff\xdb", profile_piece(1, 2)),
    "a profile's piece 3 of 2": before(b"\xff\xdb", profile_piece(3, 2)),
    "a profile's piece twice": before(b"\xff\xdb", profile_piece(1, 1) * 2),
    "4 bytes before DQT": before(b"\xff\xdb", bytes(4)),
    "9 bytes before SOF": before(b"\xff\xc0", b"spacing.."),
    "300 bytes before DHT": before(b"\xff\xc4", bytes(300)),
    "2 bytes before SOS": before(b"\xff\xda", b"\r\n"),
    "20 bytes before EOI": padded(20),
    "5000 bytes before EOI": padded(5_000),
    "100 blanks before EOI": padded(100, 0x20),
    "several of these": before(b"\xff\xdb", bytes(7), padded(30)),
}


@pytest.mark.parametrize("name", ODD)
def test_a_harmless_warning_loses_no_picture(name):
    body = ODD[name]
    with pytest.raises(ValueError, match=r".+"):
        simplejpeg.decode_jpeg(body, "RGB")
    picture = read_picture(body, MOST_PIXELS)
    assert isinstance(picture, Pixels), picture
    assert np.array_equal(picture.pixels, simplejpeg.decode_jpeg(PLAIN, "RGB"))
    assert np.abs(picture.pixels.astype(int) - pillows(body)).mean() < 3
    assert not picture.plain  # other readers may refuse the file


@pytest.mark.parametrize("fill", [0, 0x20])
def test_a_progressive_jpeg_may_be_padded_too(fill):
    picture = read_picture(padded(50, fill, PROGRESSIVE), MOST_PIXELS)
    assert np.array_equal(picture.pixels, simplejpeg.decode_jpeg(PROGRESSIVE, "RGB"))


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("left", [0.5, 0.9, 0.99])
def test_an_odd_jpeg_that_is_cut_off_is_refused(name, left):
    body = ODD[name].rstrip(b"\0").removesuffix(b"\xff\xd9").rstrip(b"\0 ")
    assert read_picture(body[: int(len(body) * left)], MOST_PIXELS) == "image_damaged"


@pytest.mark.parametrize("left", [0.5, 0.9])
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
def test_zeros_in_place_of_a_jpegs_end_are_no_padding(left, end):
    """A download that stopped leaves a file of the full length."""
    kept = int(len(PLAIN) * left)
    body = PLAIN[:kept] + bytes(len(PLAIN) - kept) + end
    assert read_picture(body, MOST_PIXELS) == "image_damaged"


def resampled(sampling: int) -> bytes:
    """A flat gray JPEG of 16 x 16 that says its luma is sampled so."""
    body = saved(Image.new("RGB", (16, 16), (128, 128, 128)), "JPEG", subsampling=2)
    at = body.index(b"\xff\xc0") + 11
    return body[:at] + bytes([sampling]) + body[at + 1 :]


@pytest.mark.parametrize("sampling", [0x42, 0x31, 0x24])
def test_channels_sampled_in_rare_ways_are_pillows(sampling):
    body = resampled(sampling)
    with pytest.raises(ValueError, match="subsampling"):
        simplejpeg.decode_jpeg(body, "RGB")
    picture = read_picture(body, MOST_PIXELS)
    assert np.abs(picture.pixels.astype(int) - pillows(body)).mean() < 3
    assert not is_damaged(body)


@pytest.mark.parametrize("kind", ["CMYK", "RGB", "L"])
def test_jpegs_of_all_colours_are_pillows(kind):
    body = saved(photo().convert(kind), "JPEG", quality=95)
    picture = read_picture(body, MOST_PIXELS)
    assert np.abs(picture.pixels.astype(int) - pillows(body)).mean() < 3


def test_a_cmyk_jpeg_with_a_hole_is_refused():
    body = saved(photo(400, 300).convert("CMYK"), "JPEG")
    assert isinstance(read_picture(body, MOST_PIXELS), Pixels)
    assert read_picture(body[: len(body) // 2], MOST_PIXELS) == "image_damaged"


def test_a_small_copy_is_decoded_small_and_looks_the_same():
    body = saved(photo(800, 600), "JPEG", quality=95)
    small = read_picture(body, MOST_PIXELS, size=75)
    assert (small.width, small.height, small.pixels.shape) == (800, 600, (75, 100, 3))
    full = Image.open(io.BytesIO(body)).resize((100, 75), Image.Resampling.BOX)
    assert np.abs(small.pixels.astype(int) - np.asarray(full)).mean() < 3
