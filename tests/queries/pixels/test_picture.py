"""Every kept picture is Pillow's with its colours managed; what nobody can read has a reason."""

import io
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from queries.pixels.picture import Pixels, read_picture
from tests import ROOT

MOST_PIXELS = 1_000_000


def saved(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def photo(width: int = 96, height: int = 64, channels: int = 3) -> Image.Image:
    """A smooth picture with every channel its own."""
    coarse = np.random.default_rng(0).integers(0, 255, (4, 6, channels), dtype=np.uint8)
    return Image.fromarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))


def seen(body: bytes) -> np.ndarray:
    picture = read_picture(body, MOST_PIXELS)
    assert isinstance(picture, Pixels), picture
    return picture.pixels


def pillows(body: bytes) -> np.ndarray:
    """Pillow's picture, upright and on white."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(body)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def difference(body: bytes, expected: np.ndarray) -> float:
    pixels = seen(body)
    assert pixels.shape == expected.shape
    return float(np.abs(pixels.astype(int) - expected).mean())


# --- AVIF ---------------------------------------------------------------------------------------
def avif(depth: int, image: Image.Image) -> bytes:
    """An AVIF of 10 or 12 bits; OpenCV encodes what Pillow cannot."""
    pixels = np.asarray(image)[..., ::-1].astype(np.uint16) << (depth - 8)
    options = [cv2.IMWRITE_AVIF_DEPTH, depth, cv2.IMWRITE_AVIF_QUALITY, 95]
    return cv2.imencode(".avif", np.ascontiguousarray(pixels), options)[1].tobytes()


@pytest.mark.parametrize("depth", [10, 12])
def test_an_avif_of_many_bits_is_scaled_by_its_depth(depth):
    image = photo()
    assert difference(avif(depth, image), np.asarray(image)) < 3


@pytest.mark.parametrize("range_", ["limited", "full"])
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4", "4:0:0"])
def test_an_avif_of_limited_range_is_stretched(range_, subsampling):
    """Not 16 is black, and not 235 is white."""
    image = Image.linear_gradient("L").convert("RGB")
    body = saved(image, "AVIF", range=range_, subsampling=subsampling, quality=95)
    assert difference(body, np.asarray(image)) < 3
    assert seen(body).min() < 5
    assert seen(body).max() > 250


def with_brands(body: bytes, *brands: bytes) -> bytes:
    """An AVIF with other brands, in as many bytes, as the file's places count from its start."""
    size = struct.unpack_from(">I", body)[0]
    whole = b"".join((brands[0], body[12:16], *brands[1:]))
    assert len(whole) + 8 == size
    return body[:8] + whole + body[size:]


@pytest.mark.parametrize(
    "brands",
    [(b"mif1", b"mif1", b"miaf", b"MA1B", b"avif"), (b"MA1B", b"mif1", b"avif", b"miaf", b"MA1A")],
)
def test_the_brand_of_an_avif_may_stand_anywhere(brands):
    body = saved(photo(), "AVIF", quality=95)
    while len(brands) * 4 + 12 < struct.unpack_from(">I", body)[0]:
        brands = (*brands, b"free")
    assert difference(with_brands(body, *brands), np.asarray(photo())) < 3


# --- GIF ----------------------------------------------------------------------------------------
def gif(screen: tuple[int, int], *frames: tuple[int, int, int, int, int, bool]) -> bytes:
    """A GIF of three colours; frames of (left, top, width, height, colour, clear)."""
    palette = bytes([255, 0, 0, 0, 0, 255, 0, 255, 0, 0, 0, 0])
    pieces = [b"GIF89a", struct.pack("<HHBBB", *screen, 0x81, 0, 0), palette]
    for left, top, width, height, colour, clear in frames:
        pieces.append(b"\x21\xf9\x04" + bytes([5 if clear else 4, 0, 0, colour, 0]))
        place = struct.pack("<BHHHHB", 0x2C, left, top, width, height, 0)
        pieces.append(place + lzw(width * height, colour))
    return b"".join(pieces) + b"\x3b"


def lzw(n_pixels: int, colour: int) -> bytes:
    """Pixels of one colour with a clear code before each, so that codes keep 3 bits."""
    codes = [code for _ in range(n_pixels) for code in (4, colour)] + [5]
    bits = sum(code << (3 * place) for place, code in enumerate(codes))
    data = bits.to_bytes(-(-3 * len(codes) // 8), "little")
    blocks = (data[at : at + 255] for at in range(0, len(data), 255))
    return b"\x02" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


WHITE, RED = [255, 255, 255], [255, 0, 0]
GIFS = {
    # what later frames paint, or keep clear, is not the first's
    "clear, then red": (gif((9, 9), (0, 0, 9, 9, 1, True), (0, 0, 9, 9, 0, False)), WHITE),
    "red, then clear": (gif((9, 9), (0, 0, 9, 9, 0, False), (0, 0, 9, 9, 1, True)), RED),
    "red, then a part": (gif((9, 9), (0, 0, 9, 9, 0, False), (2, 2, 3, 3, 1, False)), RED),
}


@pytest.mark.parametrize("name", GIFS)
def test_later_frames_change_nothing_of_the_first(name):
    body, colour = GIFS[name]
    assert seen(body)[4, 4].tolist() == colour
    assert difference(body, pillows(body)) == 0


@pytest.mark.parametrize("screen", [(0, 0), (1, 1), (4, 30), (9, 9), (20, 15)])
def test_a_logical_screen_is_read_as_pillow_reads_it(screen):
    """Pillow's own tests/images: a frame larger than the screen, and a screen of no size."""
    body = gif(screen, (0, 0, 9, 9, 0, False))
    assert difference(body, pillows(body)) == 0


def test_a_frame_beyond_the_screen_counts_for_the_most_pixels():
    body = gif((1, 1), (60_000, 60_000, 9, 9, 0, False))
    assert read_picture(body, MOST_PIXELS) == "too_many_pixels"


# --- BMP, TIFF, ICO -----------------------------------------------------------------------------
def rle8(width: int, height: int, cut: int = 0) -> tuple[bytes, np.ndarray]:
    """A BMP whose rows are runs, and its picture."""
    shades = np.random.default_rng(1).integers(0, 255, (height, width), dtype=np.uint8)
    rows = b"".join(
        b"".join(bytes([1, shade]) for shade in row) + b"\0\0" for row in shades[::-1].tolist()
    )
    data = rows + b"\0\1"
    palette = b"".join(bytes([n, n, n, 0]) for n in range(256))
    offset = 14 + 40 + len(palette)
    sizes = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(data), 0, 0, 256, 0)
    head = b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset)
    whole = head + sizes + palette + data
    return whole[: len(whole) - cut], np.repeat(shades[..., None], 3, axis=2)


@pytest.mark.parametrize("width", [1, 64, 65, 67])
def test_a_bmp_of_runs_is_read_at_any_width(width):
    body, expected = rle8(width, 48)
    assert difference(body, expected) == 0


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "tiff_lzw"},
        {"compression": "tiff_deflate"},
        {"compression": "packbits"},
        {"compression": "jpeg"},
        {"big_tiff": True},
    ],
)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"])
def test_a_tiff_is_pillows_picture_or_refused(mode, options):
    if options.get("compression") == "jpeg" and mode in ("RGBA", "LAB"):
        pytest.skip("not written by libtiff")
    image = photo().convert("RGB")
    if mode == "LAB":
        image = Image.merge("LAB", image.split())
    body = saved(image.convert(mode), "TIFF", **options)
    assert difference(body, pillows(body)) < 3


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_of_no_agreed_colour_are_refused(mode):
    body = saved(photo().convert("L").convert(mode), "TIFF")
    assert read_picture(body, MOST_PIXELS) == "image_unsupported"


@pytest.mark.parametrize("bitmap", ["png", "bmp"])
def test_an_icon_is_read_at_its_largest(bitmap):
    image = photo(48, 48).convert("RGBA")
    body = saved(image, "ICO", sizes=[(16, 16), (48, 48)], bitmap_format=bitmap)
    assert difference(body, pillows(body)) < 1
    assert seen(body).shape == (48, 48, 3)


def test_an_icon_whose_picture_is_larger_than_its_entry_is_judged_by_it():
    rows = zlib.compress(bytes(10))

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 13_000, 13_000, 8, 2, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    entry = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(png), 22)
    assert read_picture(entry + png, 50_000_000) == "too_many_pixels"


def test_a_tiff_whose_tiles_are_gigantic_is_refused_by_its_header():
    """libtiff makes room for a tile of the size that a tag says, whatever the picture's is."""
    tags = [(256, 9), (257, 9), (258, 8), (259, 1), (262, 1), (322, 60_000), (323, 60_000)]
    fields = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    body = b"II*\0" + struct.pack("<IH", 8, len(tags)) + fields + bytes(4)
    assert read_picture(body, 50_000_000) == "too_many_pixels"


# --- HEIC and JPEG XL ---------------------------------------------------------------------------
def test_heic_is_read_where_its_plugin_is_installed():
    pytest.importorskip("pillow_heif").register_heif_opener()
    body = saved(photo(), "HEIF", quality=95)
    assert difference(body, np.asarray(photo())) < 3


@pytest.mark.parametrize("size", [(96, 64), (64, 64), (333, 500), (1, 1)])
def test_jpeg_xl_is_read_where_its_plugin_is_installed(size):
    pytest.importorskip("pillow_jxl")
    body = saved(photo(*size), "JXL", quality=95)
    assert difference(body, np.asarray(photo(*size))) < 3
    assert read_picture(body, size[0] * size[1] - 1) == "too_many_pixels"


WITHOUT = """
import sys
sys.modules["pillow_heif"] = sys.modules["pillow_jxl"] = None
from queries.pixels.picture import read_picture
print(*(read_picture(bytes.fromhex(body), 1 << 20) for body in sys.argv[1:]))
"""


def test_heic_and_jpeg_xl_have_reasons_of_their_own():
    """A header is enough: the sides in meta/iprp/ipco/ispe, and a codestream of 24 x 24."""

    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(content), kind) + content

    sides = box(b"ispe", struct.pack(">III", 0, 64, 48))
    meta = box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", sides)))
    heic = box(b"ftyp", b"mif1" + bytes(4) + b"mif1heic") + meta
    jxl = bytes([0xFF, 0x0A, 0b01000101, 0])
    command = [sys.executable, "-c", WITHOUT, heic.hex(), jxl.hex()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["heic", "jpeg_xl"]


# --- hostile ------------------------------------------------------------------------------------
def test_a_png_whose_profile_is_a_bomb_costs_no_memory(monkeypatch):
    bomb = zlib.compress(bytes(1 << 24), 9)
    body = saved(photo(), "PNG")
    chunk = b"iCCPx\0\0" + bomb
    packed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    picture = read_picture(body[:33] + packed + body[33:], MOST_PIXELS)
    assert picture == "image_damaged" or np.array_equal(picture.pixels, np.asarray(photo()))


def test_many_frames_cost_no_more_than_the_first():
    frame = (0, 0, 9, 9, 0, False)
    body = gif((9, 9), *[frame] * 5_000)
    assert seen(body)[0, 0].tolist() == RED


# --- what a reader would show wrongly ----------------------------------------------------------
def tiff(photometric: int, planar: int, planes: list[np.ndarray]) -> bytes:
    """A little-endian TIFF of 16 bits a channel, not packed: a strip for each plane."""
    height, width = planes[0].shape[:2]
    samples = planes[0].shape[2] if planes[0].ndim == 3 else len(planes)
    strips = [plane.astype("<u2").tobytes() for plane in planes]
    bits_at = 8 + 2 + 12 * 10 + 4
    offsets_at, sizes_at = bits_at + 2 * samples, bits_at + 2 * samples + 4 * len(strips)
    first = sizes_at + 4 * len(strips)
    offsets = [first + sum(map(len, strips[:n])) for n in range(len(strips))]
    sizes = [len(strip) for strip in strips]
    few = len(strips) == 1
    fields = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, samples, 16 if samples == 1 else bits_at),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, len(strips), offsets[0] if few else offsets_at),
        (277, 3, 1, samples),
        (278, 3, 1, height),
        (279, 4, len(strips), sizes[0] if few else sizes_at),
        (284, 3, 1, planar),
    ]
    directory = b"".join(struct.pack("<HHII", *field) for field in fields)
    behind = struct.pack(f"<{samples}H", *[16] * samples)
    behind += struct.pack(f"<{2 * len(strips)}I", *offsets, *sizes)
    head = b"II*\0" + struct.pack("<IH", 8, len(fields)) + directory + bytes(4)
    return head + behind + b"".join(strips)


def test_a_tiff_of_16_bits_whose_zero_is_white_is_no_negative():
    shades = np.linspace(0, 65_535, 30 * 33).reshape(30, 33).astype(np.uint16)
    white, black = (
        read_picture(tiff(photometric, 1, [shades]), MOST_PIXELS) for photometric in (0, 1)
    )
    np.testing.assert_array_equal(white.pixels[..., 0], 255 - (shades >> 8))
    np.testing.assert_array_equal(black.pixels[..., 0], shades >> 8)


def test_planes_of_16_bits_that_stand_apart_are_refused_and_never_shown_doubled():
    pixels = np.random.default_rng(0).integers(0, 65_535, (30, 33, 3)).astype(np.uint16)
    planes = [pixels[..., channel] for channel in range(3)]
    assert read_picture(tiff(2, 2, planes), MOST_PIXELS) == "image_unsupported"
    together = read_picture(tiff(2, 1, [pixels]), MOST_PIXELS)
    assert np.abs(together.pixels.astype(int) - (pixels >> 8)).max() <= 1


@pytest.mark.parametrize(
    ("bits", "row", "shades"), [(2, 0x1B, [0, 255, 170, 255]), (4, 0x015F, [0, 255, 85, 255])]
)
def test_the_transparent_shade_of_a_gray_png_of_few_bits_is_white(bits, row, shades):
    """PNG, 11.3.2: the sample is compared as it is stored, not as it is shown."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", 4, 1, bits, 0, 0, 0, 0)
    packed = zlib.compress(b"\0" + row.to_bytes(bits // 2, "big"))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"tRNS", struct.pack(">H", 1))
    png += chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    assert read_picture(png, MOST_PIXELS).pixels[0, :, 0].tolist() == shades
