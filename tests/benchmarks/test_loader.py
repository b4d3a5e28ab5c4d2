"""benchmarks.loader: the peers are given the squares that ours hands on, and the whole build."""

import json

import numpy as np
import pytest

from benchmarks.loader import __main__ as contest
from benchmarks.loader.details import margin, parts, uncached
from benchmarks.loader.peers import View
from benchmarks.loader.pictures import photo, write_build


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    root = tmp_path_factory.mktemp("loader")
    return root, write_build(root, [photo(seed) for seed in range(4)], 24)


@pytest.mark.parametrize("side", contest.SIDES)
def test_a_peers_square_is_ours_resized_by_pillow(build, side):
    root, _ = build
    contest.write_crops(root, side)
    samples = uncached(root, side)
    view = View(side, margin(side), json.loads((root / "crops.json").read_text()))
    keys = samples.rows["key"].to_pylist()
    seen = 0
    for batch in contest.loader(samples, side).epoch(0):
        for key, image in zip(batch.keys, batch.images.transpose(0, 2, 3, 1), strict=True):
            theirs = view.by_pillow(key, samples.bytes_of(keys.index(key)))
            assert theirs.shape == image.shape
            assert np.abs(theirs.astype(int) - image).mean() < contest.MOST_DIFFERENCE["litdata"]
            seen += 1
    assert seen == 24


def test_the_decoder_alone_and_ours_read_every_picture(build):
    root, pictures = build
    reader = contest.loader(uncached(root, 64), 64)
    assert len(pictures) == contest.decoder(pictures, 64) == contest.ours(reader) == 24


@pytest.mark.parametrize("side", contest.SIDES)
def test_the_parts_of_a_picture_are_timed_with_its_whole(build, side):
    took = parts(build[0], side, rounds=1)
    assert {"decoder", "resizing", "reading", "all"} <= set(took)
    assert min(took.values()) > 0
