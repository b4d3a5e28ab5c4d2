"""Every picture comes out upright, in three channels, on white, no larger, in bytes of our own."""

import hashlib
import io
import struct
import zlib

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image, ImageOps, PngImagePlugin

from pipeline.images.judge import Picture, judge_picture
from pipeline.settings.images import ImageSettings
from queries.pixels.fingerprint import phash, spread
from queries.pixels.jpeg import MOST_SCANS, reduction
from queries.pixels.picture import stored_sides, upright
from queries.tables.reasons import FETCH

SMALL = ImageSettings(size=64)
COLOUR = (200, 100, 50)
GRAY = 124  # its luma
HALF_CLEAR = (227, 177, 152)  # the colour at alpha 128, on white


def saved(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def flat(mode: str = "RGB", alpha: int = 128, width: int = 40, height: int = 30) -> Image.Image:
    """A picture of COLOUR in a mode of Pillow's."""
    if mode == "LA":
        return Image.new("LA", (width, height), (GRAY, alpha))
    if mode == "RGBA":
        return Image.new("RGBA", (width, height), (*COLOUR, alpha))
    if mode == "P":
        return Image.new("RGB", (width, height), COLOUR).convert(
            "P", palette=Image.Palette.ADAPTIVE
        )
    return Image.new("RGB", (width, height), COLOUR).convert(mode)


def photo(width: int = 400, height: int = 300, seed: int = 0) -> Image.Image:
    """A smooth picture with some texture, as a photograph has it."""
    chance = np.random.default_rng(seed)
    coarse = chance.integers(0, 255, (6, 8, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = chance.normal(0, 5, smooth.shape)
    return Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))


def pixels_of(picture: Picture | str) -> np.ndarray:
    assert isinstance(picture, Picture), picture
    return simplejpeg.decode_jpeg(picture.jpeg, "RGB")


def sixteen(*values: int, kind: str = ".png") -> bytes:
    """A picture of 16-bit channels, in OpenCV's order."""
    pixels = np.full((30, 40, len(values)), values, np.uint16)
    return cv2.imencode(kind, pixels)[1].tobytes()


def frames(*others: tuple[int, int, int]) -> dict:
    return {"save_all": True, "append_images": [Image.new("RGB", (40, 30), one) for one in others]}


BGR16 = tuple(257 * value for value in COLOUR[::-1])
HALF16 = 257 * 128
LATER = frames((0, 0, 255), (0, 255, 0))
PALETTE_CLEAR = saved(flat("P"), "PNG", transparency=0)
# name: (the served picture, its mean colour as stored)
KINDS = {
    "jpeg": (saved(flat(), "JPEG"), COLOUR),
    "jpeg progressive": (saved(flat(), "JPEG", progressive=True), COLOUR),
    "jpeg gray": (saved(flat("L"), "JPEG"), (GRAY,) * 3),
    "jpeg cmyk": (saved(flat("CMYK"), "JPEG"), COLOUR),
    "png": (saved(flat(), "PNG"), COLOUR),
    "png gray": (saved(flat("L"), "PNG"), (GRAY,) * 3),
    "png bilevel": (saved(Image.new("1", (40, 30), 1), "PNG"), (255,) * 3),
    "png palette": (saved(flat("P"), "PNG"), COLOUR),
    "png palette clear": (PALETTE_CLEAR, (255,) * 3),
    "png gray, a shade clear": (saved(flat("L"), "PNG", transparency=GRAY), (255,) * 3),
    "png gray, another clear": (saved(flat("L"), "PNG", transparency=GRAY + 1), (GRAY,) * 3),
    "png a colour clear": (saved(flat(), "PNG", transparency=COLOUR), (255,) * 3),
    "png gray, alpha": (saved(flat("LA"), "PNG"), (189,) * 3),
    "png alpha": (saved(flat("RGBA"), "PNG"), HALF_CLEAR),
    "png clear": (saved(flat("RGBA", alpha=0), "PNG"), (255,) * 3),
    "png opaque alpha": (saved(flat("RGBA", alpha=255), "PNG"), COLOUR),
    "png 16 bits": (sixteen(*BGR16), COLOUR),
    "png 16 bits gray": (sixteen(257 * GRAY), (GRAY,) * 3),
    "png 16 bits alpha": (sixteen(*BGR16, HALF16), HALF_CLEAR),
    "png animated": (saved(flat(), "PNG", **LATER), COLOUR),
    "gif": (saved(flat("P"), "GIF"), COLOUR),
    "gif clear": (saved(flat("P"), "GIF", transparency=0), (255,) * 3),
    "gif animated": (saved(flat(), "GIF", **LATER), COLOUR),
    "webp": (saved(flat(), "WEBP"), COLOUR),
    "webp lossless": (saved(flat(), "WEBP", lossless=True), COLOUR),
    "webp alpha": (saved(flat("RGBA"), "WEBP"), HALF_CLEAR),
    "webp lossless alpha": (saved(flat("RGBA"), "WEBP", lossless=True), HALF_CLEAR),
    "webp animated": (saved(flat(), "WEBP", **LATER), COLOUR),
    "webp animated alpha": (saved(flat("RGBA"), "WEBP", **LATER), HALF_CLEAR),
    "tiff": (saved(flat(), "TIFF"), COLOUR),
    "tiff gray": (saved(flat("L"), "TIFF"), (GRAY,) * 3),
    "tiff bilevel": (saved(Image.new("1", (40, 30), 1), "TIFF"), (255,) * 3),
    "tiff palette": (saved(flat("P"), "TIFF"), COLOUR),
    "tiff cmyk": (saved(flat("CMYK"), "TIFF"), COLOUR),
    "tiff alpha": (saved(flat("RGBA"), "TIFF"), HALF_CLEAR),
    "tiff lzw": (saved(flat(), "TIFF", compression="tiff_lzw"), COLOUR),
    "tiff jpeg": (saved(flat(), "TIFF", compression="jpeg"), COLOUR),
    "tiff 16 bits": (sixteen(*BGR16, kind=".tiff"), COLOUR),
    "tiff 16 bits alpha": (sixteen(*BGR16, HALF16, kind=".tiff"), HALF_CLEAR),
    "bmp": (saved(flat(), "BMP"), COLOUR),
    "bmp gray": (saved(flat("L"), "BMP"), (GRAY,) * 3),
    "bmp palette": (saved(flat("P"), "BMP"), COLOUR),
    "bmp 32 bits": (saved(flat("RGBA"), "BMP"), COLOUR),  # its fourth byte means nothing
    "jp2": (saved(flat(), "JPEG2000"), COLOUR),
    "jp2 gray": (saved(flat("L"), "JPEG2000"), (GRAY,) * 3),
    "jp2 16 bits": (
        saved(Image.fromarray(np.full((30, 40), 257 * GRAY, np.uint16)), "JPEG2000"),
        (GRAY,) * 3,
    ),
    "jp2 alpha": (saved(flat("RGBA"), "JPEG2000"), HALF_CLEAR),
    "avif": (saved(flat(), "AVIF"), COLOUR),
    "avif alpha": (saved(flat("RGBA"), "AVIF"), HALF_CLEAR),
    "avif animated": (saved(flat(), "AVIF", **LATER), COLOUR),
}


@pytest.mark.parametrize(("body", "colour"), KINDS.values(), ids=KINDS)
def test_every_kind_comes_out_in_three_channels_and_its_colour(body, colour):
    picture = judge_picture(body, SMALL)
    pixels = pixels_of(picture)
    stored = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_UNCHANGED)
    assert stored.shape == (30, 40, 3)
    assert np.abs(pixels.mean((0, 1)) - colour).max() < 2.5


ORIENTED = {
    "JPEG": {"quality": 95},
    "PNG": {},
    "WEBP": {"quality": 95},
    "TIFF": {},
    "AVIF": {"quality": 95},
}


@pytest.mark.parametrize("kind", ORIENTED)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_applied(kind, orientation):
    image = photo(96, 64)
    exif = image.getexif()
    exif[0x0112] = orientation
    body = saved(image, kind, exif=exif.tobytes(), **ORIENTED[kind])
    image.info["exif"] = exif.tobytes()
    expected = np.asarray(ImageOps.exif_transpose(image), np.int16)
    picture = judge_picture(body, SMALL)
    pixels = pixels_of(picture)
    assert pixels.shape == expected.shape
    assert (picture.original_width, picture.original_height) == pixels.shape[1::-1]
    assert np.abs(cv2.blur(pixels, (5, 5)).astype(int) - cv2.blur(expected, (5, 5))).mean() < 4


def test_upright_agrees_with_pillow_on_every_orientation():
    image = photo(5, 3)
    for orientation in range(1, 9):
        image.getexif()[0x0112] = orientation
        assert np.array_equal(
            upright(np.asarray(image), orientation), np.asarray(ImageOps.exif_transpose(image))
        )


@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {"comment": b"MARKER"}), ("PNG", {}), ("WEBP", {}), ("TIFF", {})],
)
def test_no_byte_of_the_metadata_survives(kind, options):
    image = photo(96, 64)
    exif = image.getexif()
    exif[0x010E] = "MARKER"
    if kind == "PNG":
        options = {"pnginfo": PngImagePlugin.PngInfo()}
        options["pnginfo"].add_text("Comment", "MARKER")
    profile = b"MARKER".ljust(200, b"\0")
    body = saved(image, kind, exif=exif.tobytes(), icc_profile=profile, **options)
    body += b"MARKER"
    picture = judge_picture(body, SMALL)
    assert body.count(b"MARKER") >= 3 or kind == "PNG"  # PNG compresses the profile
    assert b"MARKER" not in picture.jpeg
    assert not Image.open(io.BytesIO(picture.jpeg)).getexif()


def test_a_large_picture_gets_the_shorter_side_of_the_settings():
    picture = judge_picture(saved(photo(700, 500), "JPEG"), SMALL)
    assert (picture.width, picture.height) == (90, 64)
    assert (picture.original_width, picture.original_height) == (700, 500)
    assert pixels_of(picture).shape == (64, 90, 3)


@pytest.mark.parametrize(("width", "height"), [(40, 30), (64, 64), (900, 20)])
def test_nothing_is_enlarged(width, height):
    picture = judge_picture(saved(photo(width, height), "JPEG"), SMALL)
    assert (picture.width, picture.height) == (width, height)


@pytest.mark.parametrize("size", [37, 64, 100, 149, 150, 151, 299])
def test_a_reduced_decode_looks_like_a_full_one(size):
    body = saved(photo(400, 300), "JPEG", quality=95)
    picture = judge_picture(body, ImageSettings(size=size))
    full = Image.open(io.BytesIO(body)).resize(
        (picture.width, picture.height), Image.Resampling.BOX
    )
    assert cv2.PSNR(pixels_of(picture), np.asarray(full)) > 30


def test_a_reduced_decode_is_never_smaller_than_what_is_stored():
    for width in range(200, 1100, 13):
        for size in (64, 100, 256):
            sides = stored_sides(width, 777, size)
            scale = reduction(width, 777, sides)
            assert width // scale >= sides[0]
            assert 777 // scale >= sides[1]
            assert (
                scale == 8 or width < 2 * scale * (sides[0] + 1) or 2 * scale * (sides[1] + 1) > 777
            )


def test_the_measures_are_those_of_the_picture():
    body = saved(photo(), "JPEG")
    picture = judge_picture(body, SMALL)
    stored = pixels_of(picture)
    assert picture.sha256 == hashlib.sha256(body).hexdigest()
    assert (
        (picture.phash ^ phash(stored)) & (2**64 - 1)
    ).bit_count() <= 2  # encoding changes a bit
    assert picture.spread == pytest.approx(spread(stored), abs=0.5)
    assert -(2**63) <= picture.phash < 2**63


def test_the_same_bytes_give_the_same_picture():
    body = saved(photo(), "JPEG")
    assert judge_picture(body, SMALL) == judge_picture(body, SMALL)


# --- refused ------------------------------------------------------------------------------------
def png_of(width: int, height: int, rows: bytes = b"") -> bytes:
    """A PNG whose header promises a size, whatever follows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + data + chunk(b"IEND", b"")


WHOLE = {
    "jpeg": saved(photo(), "JPEG"),
    "jpeg progressive": saved(photo(), "JPEG", progressive=True),
    "png": saved(photo(), "PNG"),
    "gif": saved(photo(), "GIF"),
    "webp": saved(photo(), "WEBP"),
    "webp lossless": saved(photo(), "WEBP", lossless=True),
    "tiff": saved(photo(), "TIFF", compression="tiff_lzw"),
    "bmp": saved(photo(), "BMP"),
    "jp2": saved(photo(), "JPEG2000"),
    "avif": saved(photo(), "AVIF"),
}


@pytest.mark.parametrize("left", [0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("name", WHOLE)
def test_a_picture_that_is_cut_off_is_refused(name, left):
    cut = WHOLE[name][: int(len(WHOLE[name]) * left)]
    assert judge_picture(cut, SMALL) in {"image_damaged", "not_an_image"}


def test_a_jpeg_with_a_hole_is_refused():
    body = WHOLE["jpeg"]
    assert judge_picture(body[:9_000] + bytes(400) + body[9_400:], SMALL) == "image_damaged"


def test_a_jpeg_of_a_camera_that_writes_a_strange_scan_is_taken():
    body = bytearray(WHOLE["jpeg"])
    scan = body.index(b"\xff\xda")
    body[scan + 12] = 0  # where the last coefficient stands, 63
    with pytest.raises(ValueError, match="Invalid SOS"):
        simplejpeg.decode_jpeg(bytes(body))
    assert np.array_equal(
        pixels_of(judge_picture(bytes(body), SMALL)), pixels_of(judge_picture(WHOLE["jpeg"], SMALL))
    )


def test_a_jpeg_that_repeats_its_scans_is_refused():
    body = WHOLE["jpeg progressive"]
    last = body.rindex(b"\xff\xda")
    many_scans = body[:last] + body[last:-2] * MOST_SCANS + body[-2:]
    assert judge_picture(many_scans, SMALL) == "image_damaged"


def test_a_gigantic_png_is_refused_by_its_header():
    assert judge_picture(png_of(30_000, 30_000), SMALL) == "too_many_pixels"
    assert judge_picture(png_of(2**31, 2**31), SMALL) == "too_many_pixels"
    assert judge_picture(png_of(65_501, 1), SMALL) == "too_many_pixels"


def test_the_most_pixels_are_a_setting():
    body = saved(photo(40, 30), "PNG")
    assert isinstance(judge_picture(body, ImageSettings(max_pixels=1_200)), Picture)
    assert judge_picture(body, ImageSettings(max_pixels=1_199)) == "too_many_pixels"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_an_image"),
        (b"<html><body>Gone</body></html>", "not_an_image"),
        (b"\xff\xd8\xff", "not_an_image"),
        (b"\x1f\x8b\x08" + bytes(50), "not_an_image"),
        (b"%PDF-1.7", "not_an_image"),
        (b"#define width 8\nstatic char bits[] = {0};", "not_an_image"),
        (b"P6 1 1 255 abc", "image_unsupported"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "svg"),
        (b"\xef\xbb\xbf\n<?xml version='1.0'?><!-- drawn --><SVG>", "svg"),
        (png_of(0, 9), "not_an_image"),
        (png_of(9, 9), "image_damaged"),
    ],
)
def test_what_is_no_picture_has_its_reason(body, reason):
    assert judge_picture(body, SMALL) == reason


def test_a_jpeg_with_two_headers_is_refused():
    """Whatever our reader makes of it, libjpeg must see the size that was judged."""
    body = WHOLE["jpeg"]
    frame = body.index(b"\xff\xc0")
    small = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, 8, 8, 3) + body[frame + 10 : frame + 19]
    for hidden in (small, b"\xff\x01" + small, b"\xff\xd0" + small, b"\xff\xfe\0\x15" + small):
        picture = judge_picture(body[:frame] + hidden + body[frame:], SMALL)
        assert picture == "image_damaged" or (picture.original_width, hidden[:2]) == (
            400,
            b"\xff\xfe",
        )


@pytest.mark.parametrize("name", WHOLE)
def test_damaged_bytes_never_raise(name, capfd):
    chance = np.random.default_rng(5)
    reasons = set()
    for _ in range(60):
        body = bytearray(WHOLE[name])
        within = 200 if chance.random() < 0.7 else len(body)
        for place in chance.integers(0, within, 4):
            body[place] = chance.integers(256)
        result = judge_picture(bytes(body), ImageSettings(size=64, max_pixels=1_000_000))
        if isinstance(result, str):
            reasons.add(result)
    assert reasons
    assert reasons <= FETCH.keys()


# --- originals ----------------------------------------------------------------------------------
KEEP = ImageSettings(size=64, keep_originals=True)


@pytest.mark.parametrize("name", ["jpeg", "png", "webp"])
def test_originals_are_kept_as_served_and_measured_as_ever(name):
    kept, stored = judge_picture(WHOLE[name], KEEP), judge_picture(WHOLE[name], SMALL)
    assert kept.jpeg == WHOLE[name]
    assert (kept.type, kept.width, kept.height) == (name, 400, 300)
    assert (kept.phash, kept.spread, kept.sha256) == (stored.phash, stored.spread, stored.sha256)


@pytest.mark.parametrize("name", ["gif", "tiff", "bmp", "jp2", "avif"])
def test_originals_that_readers_may_not_know_are_encoded_anew(name):
    kept = judge_picture(WHOLE[name], KEEP)
    assert kept == judge_picture(WHOLE[name], SMALL)
    assert kept.type == "jpeg"


def test_animated_and_broken_originals_are_not_kept():
    assert judge_picture(KINDS["png animated"][0], KEEP).type == "jpeg"
    assert judge_picture(KINDS["webp animated"][0], KEEP).type == "jpeg"
    assert judge_picture(WHOLE["jpeg"][:5_000], KEEP) == "image_damaged"


def test_originals_that_lie_on_their_side_are_turned_and_encoded_anew():
    turned = Image.open(io.BytesIO(WHOLE["jpeg"]))
    exif = turned.getexif()
    exif[274] = 6
    body = io.BytesIO()
    turned.save(body, "JPEG", exif=exif)
    assert judge_picture(body.getvalue(), KEEP) == judge_picture(body.getvalue(), SMALL)
