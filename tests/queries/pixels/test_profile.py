"""Colours of a profile are those that littlecms makes of them; a broken profile changes none."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from queries.pixels.picture import Pixels, read_picture
from queries.pixels.profile import MOST_BYTES, as_srgb, is_srgb, transform_of
from tests.queries.pixels.test_picture import MOST_PIXELS, photo, saved

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XYZ = {  # colorants, D50: ICC.1, and what the makers of the spaces publish
    "srgb": ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7139)),
    "adobe": ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)),
    "p3": ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)),
    "swapped": ((0.1431, 0.0606, 0.7139), (0.3851, 0.7169, 0.0971), (0.4361, 0.2225, 0.0139)),
}


def fixed(number: float) -> bytes:
    return struct.pack(">i", round(number * 65_536))


def packed(space: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr") -> bytes:
    """An ICC profile of version 2 (ICC.1:2001, 6): header, table of tags, tags."""
    at, table, data = 132 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">II", at + len(data), len(content))
        data += content
    size = at + len(data)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, kind, space, b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + fixed(0.9642) + fixed(1) + fixed(0.8249)
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + table + data


def curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


def xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(map(fixed, values))


def text(words: bytes) -> bytes:
    return b"desc" + bytes(4) + struct.pack(">I", len(words) + 1) + words + bytes(80)


def rgb_profile(name: str, gamma: float = 2.2) -> bytes:
    colorants = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(xyz, XYZ[name]), strict=True))
    curves = {channel: curve(gamma) for channel in (b"rTRC", b"gTRC", b"bTRC")}
    about = {b"desc": text(name.encode()), b"cprt": b"text" + bytes(4) + b"none\0"}
    return packed(b"RGB ", about | {b"wtpt": xyz((0.9642, 1, 0.8249))} | colorants | curves)


def gray_profile(gamma: float) -> bytes:
    return packed(
        b"GRAY",
        {b"desc": text(b"gray"), b"wtpt": xyz((0.9642, 1, 0.8249)), b"kTRC": curve(gamma)},
    )


def managed(image: Image.Image, profile: bytes) -> np.ndarray:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(image, source, target, outputMode="RGB"))


def seen(body: bytes, size: int | None = None) -> np.ndarray:
    picture = read_picture(body, MOST_PIXELS, size)
    assert isinstance(picture, Pixels), picture
    return picture.pixels


PROFILES = {name: rgb_profile(name) for name in XYZ if name != "srgb"}
PROFILES["gamma 1.0"] = rgb_profile("srgb", 1.0)
PROFILES["gamma 1.8"] = rgb_profile("srgb", 1.8)
KINDS = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
}


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_profile_is_converted_to_srgb_in_every_type_that_holds_one(kind, name):
    body = saved(photo(), kind, icc_profile=PROFILES[name], **KINDS[kind])
    expected = managed(Image.open(io.BytesIO(body)).convert("RGB"), PROFILES[name])
    pixels = seen(body)
    assert np.abs(pixels.astype(int) - expected).mean() < 1
    assert np.abs(expected.astype(int) - np.asarray(photo())).mean() > 3  # there is a difference


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("alpha", [0, 100, 255])
def test_colours_are_converted_before_they_shine_through(kind, alpha):
    image = photo()
    image.putalpha(alpha)
    profile = PROFILES["gamma 1.0"]
    body = saved(image, kind, icc_profile=profile, **(KINDS[kind] | {"exact": True}))
    colours = managed(image.convert("RGB"), profile).astype(float)
    expected = colours * alpha / 255 + 255 - alpha
    assert np.abs(seen(body) - expected).mean() < 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("gamma", [1.0, 1.8])
def test_a_gray_profile_is_converted(kind, gamma):
    gray = photo().convert("L")
    body = saved(gray, kind, icc_profile=gray_profile(gamma))
    expected = managed(Image.open(io.BytesIO(body)), gray_profile(gamma))
    assert np.abs(seen(body).astype(int) - expected).mean() < 1


def test_a_gray_picture_takes_a_profile_of_colours():
    gray = photo().convert("L")
    body = saved(gray, "PNG", icc_profile=PROFILES["gamma 1.8"])
    assert np.array_equal(seen(body), managed(gray.convert("RGB"), PROFILES["gamma 1.8"]))


@pytest.mark.parametrize("name", ["srgb", "gamma 2.2"])
def test_srgb_is_recognised_by_what_it_does(name):
    """Browsers, cameras and editors each write their own sRGB, of other bytes and names."""
    renamed = SRGB.replace(b"s\0R\0G\0B", b"A\0n\0y\0B")
    assert renamed != SRGB
    for profile in (SRGB, renamed):
        assert is_srgb(profile, "RGB")
        body = saved(photo(), "PNG", icc_profile=profile)
        picture = read_picture(body, MOST_PIXELS)
        assert picture.plain
        assert np.array_equal(picture.pixels, np.asarray(photo()))
    assert is_srgb(None, "L")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_an_original_of_other_colours_is_not_kept_as_served(kind):
    body = saved(photo(), kind, icc_profile=PROFILES["p3"])
    assert not read_picture(body, MOST_PIXELS).plain


BROKEN = {
    "empty": b"",
    "text": b"no profile at all" * 20,
    "cut off": PROFILES["adobe"][:200],
    "no tags": packed(b"RGB ", {}),
    "a tag beyond the end": PROFILES["adobe"].replace(b"rXYZ\0\0", b"rXYZ\x7f\xff"),
    "a million tags": PROFILES["adobe"][:128] + b"\0\x0f\xff\xff" + PROFILES["adobe"][132:],
    "of CMYK": PROFILES["adobe"].replace(b"RGB ", b"CMYK", 1),
    "of gray": gray_profile(1.0),
    "a link": PROFILES["adobe"].replace(b"mntr", b"link", 1),
    "gigantic": PROFILES["adobe"] + bytes(MOST_BYTES),
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_profile_changes_nothing(name, kind):
    if name == "gigantic" and kind == "PNG":
        pytest.skip("Pillow refuses it: MAX_TEXT_CHUNK")
    options = {"quality": 95} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    plain = saved(photo(), kind, **options)
    body = saved(photo(), kind, icc_profile=BROKEN[name], **options)
    assert np.array_equal(seen(body), seen(plain))


def test_changed_bytes_of_a_profile_never_raise():
    chance = np.random.default_rng(2)
    pixels = np.asarray(photo())
    for profile in (SRGB, PROFILES["adobe"], gray_profile(1.8)):
        for _ in range(100):
            changed = bytearray(profile)
            for place in chance.integers(36, len(profile), 4):
                changed[place] = chance.integers(256)
            assert as_srgb(pixels, bytes(changed)).shape == pixels.shape


def test_cmyk_without_a_profile_is_pillows():
    image = photo().convert("CMYK")
    assert np.array_equal(as_srgb(np.asarray(image), None), np.asarray(image.convert("RGB")))


def test_a_shrunk_picture_has_the_colours_of_the_whole():
    whole = photo(800, 600)
    body = saved(whole, "PNG", icc_profile=PROFILES["adobe"])
    expected = Image.fromarray(managed(whole, PROFILES["adobe"])).resize(
        (100, 75), Image.Resampling.BOX
    )
    assert np.abs(seen(body, 75).astype(int) - np.asarray(expected)).mean() < 1


def test_a_strange_picture_is_converted_in_strips_as_in_one():
    profile = PROFILES["p3"]
    assert transform_of(profile, "RGB") is not None
    tall = np.random.default_rng(4).integers(0, 255, (9, 300_000, 3), dtype=np.uint8)
    assert np.array_equal(as_srgb(tall, profile)[7], as_srgb(tall[7:8], profile)[0])
