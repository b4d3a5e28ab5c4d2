"""Pairs to batches: nothing lost silently, order and crops a hash of seed, epoch and pair."""

import io
import itertools

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image

from tests.trainer_fixtures import jpeg, make_build, picture, png, write_tar
from trainer.data.loader import Loader, order
from trainer.data.pixels import (
    BadPictureError,
    Room,
    centre,
    crop,
    decode,
    decode_jpeg,
    resize_shorter,
    resized_crop,
    sides,
)
from trainer.data.reading import read_samples
from trainer.model import tokenizer
from trainer.settings import TrainerError

WORDS = tokenizer.train(["a red circle"], 520, {})


def loader(build, batch=16, seed=0):
    return Loader(read_samples(build, 72), WORDS, 32, 64, batch, seed)


def test_a_batch_holds_uint8_images_and_the_tokens_of_their_captions(tmp_path):
    make_build(tmp_path, per_class=2)
    batches = list(loader(tmp_path).epoch(0))
    assert len(batches) == 2
    assert batches[0].images.shape == (16, 3, 64, 64)
    assert batches[0].images.dtype == np.uint8
    assert batches[0].tokens.shape[0] == 16


def test_an_epoch_shows_every_pair_once(tmp_path):
    make_build(tmp_path, per_class=2)
    ids = read_samples(tmp_path, 72).rows["pair_id"].to_numpy()
    assert sorted(order(ids, seed=0, epoch=3)) == list(range(32))


def test_order_and_crops_repeat_for_a_seed_and_change_with_seed_and_epoch(tmp_path):
    make_build(tmp_path, per_class=2)
    first = next(loader(tmp_path).epoch(0)).images
    assert (first == next(loader(tmp_path).epoch(0)).images).all()
    assert (first != next(loader(tmp_path).epoch(1)).images).any()
    assert (first != next(loader(tmp_path, seed=1).epoch(0)).images).any()


def test_a_pairs_place_in_the_order_ignores_the_other_pairs():
    ids = np.array([5, 6, 7, 8, 9])
    whole = ids[order(ids, 0, 0)].tolist()
    fewer = ids[1:][order(ids[1:], 0, 0)].tolist()
    assert [pair_id for pair_id in whole if pair_id != 5] == fewer


def test_a_corrupt_sample_is_named_and_the_rest_is_read(tmp_path):
    bad = make_build(tmp_path, per_class=2, corrupt=2)
    ours = loader(tmp_path)
    assert sum(len(batch.images) for batch in ours.epoch(0)) == 30
    assert sorted(ours.samples.corrupt) == bad


def test_a_sample_that_the_tar_lacks_is_named(tmp_path):
    make_build(tmp_path, per_class=2)
    samples = read_samples(tmp_path, 72)
    samples.places[3] = (0, 0, -1)
    assert not samples.fill(3, 0, 0, square(64))
    assert list(samples.corrupt.values()) == ["the tar has no such picture"]


def test_a_build_of_one_sample_is_refused(tmp_path):
    (tmp_path / "shards").mkdir()
    with pytest.raises(TrainerError, match="0 samples, expected at least 2"):
        read_samples(tmp_path, 72)


@pytest.mark.parametrize("size", [(40, 90), (90, 40), (300, 200), (64, 64)])
def test_evaluation_sees_the_middle_square(size):
    assert centre(np.zeros((*size, 3), np.uint8), 64).shape == (64, 64, 3)


def test_resizing_keeps_the_shape_of_the_picture():
    assert resize_shorter(np.zeros((100, 200, 3), np.uint8), 50).shape == (50, 100, 3)


def test_a_crop_reaches_both_ends_of_its_room():
    image = np.arange(10, dtype=np.uint8)[:, None, None].repeat(8, 1).repeat(3, 2)
    assert crop(image, 8, 0.0, 0.0)[0, 0, 0] == 0
    assert crop(image, 8, 1.0, 1.0)[-1, 0, 0] == 9


def test_png_and_jpeg_decode_to_the_same_picture():
    image = picture("red circle", 0)
    assert (decode(png(image)) == image).all()
    assert np.abs(decode(jpeg(image)).astype(int) - image).mean() < 2


def test_transparency_becomes_white():
    clear = cv2.imencode(".png", np.zeros((4, 4, 4), np.uint8))[1].tobytes()
    assert (decode(clear) == 255).all()


def test_a_gray_picture_of_16_bits_becomes_rgb_of_8():
    deep = cv2.imencode(".png", np.full((4, 4), 0x8000, np.uint16))[1].tobytes()
    assert (decode(deep) == np.full((4, 4, 3), 128, np.uint8)).all()


@pytest.mark.parametrize("kind", ["png", "lossy", "lossless", "alpha"])
def test_the_sides_are_read_from_the_header_before_anything_is_decoded(kind):
    image = np.zeros((300, 517, 4 if kind == "alpha" else 3), np.uint8)
    image[:100, :, -1] = 200
    options = [cv2.IMWRITE_WEBP_QUALITY, 101 if kind == "lossless" else 80]
    ending = (".png", []) if kind == "png" else (".webp", options)
    data = cv2.imencode(ending[0], image, ending[1])[1].tobytes()
    assert sides(data) == (517, 300)
    assert decode(data).shape == (300, 517, 3)


def test_a_header_that_promises_too_much_is_refused_before_it_is_decoded():
    small = png(picture("red cross", 0))
    vast = small[:16] + (30_000).to_bytes(4) * 2 + small[24:]
    with pytest.raises(BadPictureError, match="30000 x 30000 pixels"):
        decode(vast)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"not a picture", jpeg(picture("red cross", 0))[:30]]
)
def test_what_is_no_picture_says_so(data):
    with pytest.raises(BadPictureError):
        decode(data)


def test_a_jpeg_is_decoded_small_but_never_too_small():
    large = jpeg(cv2.resize(picture("red circle", 0), (800, 640)))
    assert decode_jpeg(large, at_least=72).shape == (80, 100, 3)


def square(side):
    return np.empty((side, side, 3), np.uint8)


def pillows(data, shorter, side):
    """The slow way: Pillow's bicubic, antialiased, of the square at the upper left."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    own = round(min(image.size) * side / shorter)
    cut = image.crop((0, 0, own, own))
    return np.asarray(cut.resize((side, side), Image.Resampling.BICUBIC))


def scene(seed, width=341, height=256):
    """Shapes with sharp edges on a smooth ground, as a stored JPEG."""
    chance = np.random.default_rng(seed)
    ground = chance.integers(0, 255, (6, 8, 3), dtype=np.uint8)
    image = cv2.resize(ground, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        centre_, radius = chance.integers(0, 256, 2).tolist(), int(chance.integers(3, 40))
        cv2.circle(image, centre_, radius, chance.integers(0, 255, 3).tolist(), -1)
        cv2.putText(image, "CLIP", centre_, cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 0, 0), 1)
    return jpeg(image)


@pytest.mark.parametrize(("shorter", "side"), [(224, 224), (240, 224), (72, 64), (64, 64)])
def test_crops_equal_pillows_within_two_levels_on_average(shorter, side):
    for seed in range(8):
        data = scene(seed)
        ours = resized_crop(decode_jpeg(data, shorter), shorter, 0, 0, square(side))
        theirs = pillows(data, shorter, side)
        assert np.abs(ours.astype(int) - theirs).mean() < 2


@pytest.mark.parametrize("factor", [1.3, 2.0, 3.7])
def test_stripes_finer_than_a_pixel_become_gray(factor):
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    side = round(256 / factor)
    spread = resized_crop(stripes, side, 0, 0, square(side)).std(axis=1).max()
    assert spread < 128 / 2


@pytest.mark.parametrize("shape", [(20, 30, 3), (900, 1, 3), (1, 1, 3), (72, 72, 3), (64, 64, 3)])
def test_a_picture_of_any_size_fills_its_square(shape):
    filled = resized_crop(np.full(shape, 9, np.uint8), 72, 1.0, 1.0, square(64))
    assert (filled == 9).all()


def test_pictures_decoded_into_one_room_are_those_decoded_alone():
    room = Room()
    for data in (scene(1), scene(2, 90, 80), scene(3), scene(4, 3000, 2000), scene(5)):
        for at_least in (0, 72):
            assert (decode_jpeg(data, at_least, room) == decode_jpeg(data, at_least)).all()


@pytest.mark.parametrize("at_least", [0, 1, 3, 5, 12])
def test_a_room_has_the_size_that_a_jpeg_is_decoded_at(at_least):
    """However small it is: an eighth of seven pixels is one."""
    for height, width in itertools.product([*range(1, 18), 33], [1, 2, 7, 9, 40]):
        data = simplejpeg.encode_jpeg(np.zeros((height, width, 3), np.uint8), 90, "RGB", "420")
        alone = decode_jpeg(data, at_least)
        np.testing.assert_array_equal(decode_jpeg(data, at_least, Room()), alone)


def test_a_gray_jpeg_becomes_rgb():
    gray = simplejpeg.encode_jpeg(np.full((40, 30, 1), 77, np.uint8), 95, "GRAY")
    assert (decode_jpeg(gray, 20, Room()) == 77).all()


def encoded(image: Image.Image, form: str) -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


COLOURS = Image.fromarray(picture("red circle", 0))
GRAY = np.asarray(COLOURS.convert("L"))


@pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF", "AVIF", "PNG", "WEBP", "JPEG"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_picture_under_any_name_is_decoded_by_what_it_is(form, mode):
    image = COLOURS.convert(mode)
    ours = decode(encoded(image, form)).astype(int)
    assert np.abs(ours - np.asarray(image.convert("RGB"))).mean() < 6


@pytest.mark.parametrize("mode", ["1", "LA", "P", "RGBA", "CMYK"])
def test_pixels_of_every_mode_become_colours(mode):
    form = "JPEG" if mode == "CMYK" else "PNG"
    ours = decode(encoded(COLOURS.convert(mode), form)).astype(int)
    expected = COLOURS.convert(mode).convert("RGB")
    assert ours.shape == (96, 96, 3)
    assert np.abs(ours - np.asarray(expected)).mean() < 3


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (encoded(Image.fromarray(GRAY.astype(np.float32)), "TIFF"), "1 channels of float32"),
        (encoded(Image.fromarray(GRAY.astype(np.int32)), "TIFF"), "1 channels of int32"),
        (cv2.imencode(".tiff", GRAY.astype(np.float64))[1].tobytes(), "1 channels of float64"),
        (cv2.imencode(".tiff", GRAY.astype(np.int16))[1].tobytes(), "1 channels of int16"),
        (cv2.imencode(".hdr", np.ones((9, 9, 3), np.float32))[1].tobytes(), "not a picture in a"),
        (cv2.imencode(".pfm", np.ones((9, 9, 3), np.float32))[1].tobytes(), "not a picture in a"),
        (encoded(COLOURS, "JPEG2000"), "type jp2: expected one of jpeg, png"),
        (b"<html>404</html>", "not a picture in a known format"),
    ],
)
def test_foreign_pixels_are_named_and_nothing_is_written_in_their_place(
    data, named, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", f"{tmp_path}/cache")
    with pytest.raises(BadPictureError, match=named):
        decode(data)
    files = {"a.jpg": jpeg(picture("red circle", 0)), "a.txt": b"a", "b.png": data, "b.txt": b"b"}
    files |= {"c.jpg": jpeg(picture("blue cross", 0)), "c.txt": b"c"}
    write_tar(tmp_path / "x.tar", files)
    batch = next(loader(tmp_path / "x.tar").epoch(0))
    assert sorted(batch.keys) == ["a", "c"]


def test_a_picture_of_any_type_is_refused_before_more_than_its_header_is_read():
    vast = b"GIF89a" + b"\xff\xff\xff\xff" + bytes(3)
    with pytest.raises(BadPictureError, match="65535 x 65535 pixels: expected at most"):
        decode(vast)
