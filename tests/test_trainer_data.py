"""Shards to batches: nothing lost silently, order and crops a hash of seed, epoch and pair."""

import cv2
import numpy as np
import pytest

from tests.trainer_fixtures import jpeg, make_build, picture, png
from trainer import tokenizer
from trainer.data import Loader, order, prefetched, read_samples, tar_index
from trainer.pictures import BadPictureError, centre, crop, decode, decode_jpeg, resize_shorter
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
    samples.places[3] = None
    assert samples.picture(3) is None
    assert list(samples.corrupt.values()) == ["the tar has no such picture"]


def test_a_build_of_one_sample_is_refused(tmp_path):
    (tmp_path / "shards").mkdir()
    with pytest.raises(TrainerError, match="0 samples, expected at least 2"):
        read_samples(tmp_path, 72)


def test_the_tar_index_points_at_the_bytes(tmp_path):
    make_build(tmp_path, per_class=1)
    path = tmp_path / "shards" / "00000.tar"
    index = tar_index(path)
    offset, size = index[next(name for name in index if name.endswith(".txt"))]
    assert path.read_bytes()[offset : offset + size].startswith(b"a ")


def test_prefetching_keeps_the_batches_and_their_order():
    assert list(prefetched(range(20))) == list(range(20))


def test_an_error_of_the_loader_reaches_the_reader():
    def failing():
        yield 1
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(prefetched(failing()))


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


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"not a picture", jpeg(picture("red cross", 0))[:30]]
)
def test_what_is_no_picture_says_so(data):
    with pytest.raises(BadPictureError):
        decode(data)


def test_a_jpeg_is_decoded_small_but_never_too_small():
    large = jpeg(cv2.resize(picture("red circle", 0), (800, 640)))
    assert min(decode_jpeg(large, at_least=72).shape[:2]) == 80
