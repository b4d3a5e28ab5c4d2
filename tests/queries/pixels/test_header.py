"""A header is read without decoding, and hostile bytes are no more than an unknown picture."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from queries.pixels.header import MOST_STEPS, Header, is_svg, read_header

SIZE = (40, 30)


def saved(mode: str, kind: str, **options) -> bytes:
    file = io.BytesIO()
    Image.new(mode, SIZE).save(file, kind, **options)
    return file.getvalue()


def animated(kind: str) -> bytes:
    later = [Image.new("RGB", SIZE, "red"), Image.new("RGB", SIZE, "blue")]
    return saved("RGB", kind, save_all=True, append_images=later)


def header(kind: str, **said) -> Header:
    return Header(kind, *SIZE, **said)


SIXTEEN = io.BytesIO()
Image.fromarray(np.zeros((30, 40), np.uint16)).save(SIXTEEN, "PNG")
HEADERS = [
    (saved("RGB", "JPEG"), header("jpeg")),
    (saved("RGB", "JPEG", progressive=True), header("jpeg", scans=True)),
    (saved("CMYK", "JPEG"), header("jpeg")),
    (saved("RGB", "PNG"), header("png")),
    (saved("1", "PNG"), header("png", bits=1)),
    (SIXTEEN.getvalue(), header("png", bits=16)),
    (animated("PNG"), header("png", animated=True)),
    (saved("P", "GIF"), header("gif")),
    (animated("GIF"), header("gif", animated=True)),
    (saved("RGB", "WEBP"), header("webp")),
    (saved("RGBA", "WEBP"), header("webp")),
    (saved("RGB", "WEBP", lossless=True), header("webp")),
    (saved("RGBA", "WEBP", lossless=True, exact=True), header("webp")),
    (saved("RGB", "TIFF"), header("tiff")),
    (saved("1", "TIFF"), header("tiff", bits=1)),
    (saved("RGB", "TIFF", big_tiff=True), header("tiff")),
    (saved("RGB", "BMP"), header("bmp")),
    (saved("P", "BMP"), header("bmp")),
    (saved("RGB", "ICO", sizes=[SIZE]), header("ico")),
    (saved("RGB", "ICO", sizes=[SIZE, (16, 16)], bitmap_format="bmp"), header("ico")),
    (saved("RGB", "JPEG2000"), header("jp2")),
    (saved("RGB", "JPEG2000", no_jp2=True), None),  # a bare codestream
    (saved("RGB", "AVIF"), header("avif")),
    (animated("AVIF"), header("avif", animated=True)),
    (saved("RGB", "PPM"), None),
    (b"", None),
]


@pytest.mark.parametrize(("body", "expected"), HEADERS)
def test_each_kind_is_told_by_its_first_bytes(body, expected):
    assert read_header(body) == expected


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_jpeg_is_read_from_the_metadata(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert read_header(saved("RGB", "JPEG", exif=exif.tobytes())).orientation == orientation


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_orientation_that_does_not_exist_is_none(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert read_header(saved("RGB", "JPEG", exif=exif.tobytes())).orientation == 1


def test_a_broken_exif_costs_the_orientation_only():
    for exif in (b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"):
        assert read_header(saved("RGB", "JPEG", exif=exif)) == header("jpeg")


@pytest.mark.parametrize("body", [body for body, expected in HEADERS if expected])
def test_every_beginning_of_a_picture_reads_or_does_not_and_never_raises(body):
    for end in range(0, min(len(body), 500), 3):
        found = read_header(body[:end])
        # Of an icon's entry alone, the file's own words count.
        assert found is None or (found.width, found.height) == SIZE


@pytest.mark.parametrize("body", [body for body, expected in HEADERS if expected])
def test_changed_bytes_never_raise(body):
    chance = np.random.default_rng(3)
    for _ in range(100):
        changed = bytearray(body)
        for place in chance.integers(0, min(len(body), 300), 3):
            changed[place] = chance.integers(256)
        found = read_header(bytes(changed))
        assert found is None or (found.width > 0 and found.height > 0)


LONG = 3_000_000
ENDLESS = {
    "jpeg fillers": b"\xff\xd8" + b"\xff" * LONG,
    "jpeg segments": b"\xff\xd8" + b"\xff\xfe\0\2" * (LONG // 4),
    "png chunks": saved("RGB", "PNG")[:33] + b"\0\0\0\0tEXt\0\0\0\0" * (LONG // 12),
    "gif blocks": saved("P", "GIF")[:13] + b"\x21\xfe\0" * (LONG // 3),
    "gif data": saved("P", "GIF")[:13] + b"\x21\xfe" + b"\1a" * (LONG // 2),
    "webp chunks": b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x08" + bytes(9 + LONG),
    "tiff fields": b"II*\0\x08\0\0\0\xff\xff" + bytes(LONG),
    "jp2 boxes": saved("RGB", "JPEG2000")[:12] + b"\0\0\0\x08free" * (LONG // 8),
    "avif boxes": saved("RGB", "AVIF")[:32] + b"\0\0\0\x08free" * (LONG // 8),
}


class Counted(bytes):
    """Bytes that count how often one of them is asked for."""

    asked = 0

    def __getitem__(self, place):
        Counted.asked += 1
        return super().__getitem__(place)


def counted_steps(body: bytes, monkeypatch) -> int:
    """How often something is read of the body."""
    unpack_from, Counted.asked = struct.unpack_from, 0

    def counted(*arguments):
        Counted.asked += 1
        return unpack_from(*arguments)

    monkeypatch.setattr(struct, "unpack_from", counted)
    read_header(Counted(body))
    return Counted.asked


@pytest.mark.parametrize("body", ENDLESS.values(), ids=ENDLESS)
def test_an_endless_header_is_left_after_a_bounded_number_of_steps(body, monkeypatch):
    assert counted_steps(body, monkeypatch) <= 3 * MOST_STEPS


def test_boxes_in_boxes_are_left_too(monkeypatch):
    inner = b"\0\0\0\x08ipco" * 900
    middle = struct.pack(">I4s", 8 + len(inner), b"iprp") + inner
    outer = struct.pack(">I4sI", 12 + 50 * len(middle), b"meta", 0) + middle * 50
    assert counted_steps(saved("RGB", "AVIF")[:32] + outer * 20, monkeypatch) <= 3 * MOST_STEPS


@pytest.mark.parametrize(
    ("body", "drawn"),
    [
        (b"<svg/>", True),
        (b"\n  <?xml version='1.0'?>\n<!DOCTYPE svg [<!ENTITY a 'b'>]>\n<svg:svg>", True),
        (b"<!-- Inkscape --><SVG viewBox='0 0 9 9'>", True),
        (b"\xef\xbb\xbf<svg>", True),
        (b"<html><svg></html>", False),
        (b"<" + b"!" * 5_000 + b"<svg>", False),
        (b"svg", False),
    ],
)
def test_a_drawing_is_told_from_a_page(body, drawn):
    assert is_svg(body) is drawn
