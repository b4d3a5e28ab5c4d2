"""Stored pictures that a list names by PDQ are found, whatever encoded them."""

import io

import cv2
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.images.judge import judge_picture
from pipeline.images.parts import write_images
from pipeline.images.pdq import Listed, hash_pictures, listed_pdq, near_listed, pdq_of
from pipeline.settings.images import ImageSettings
from queries.pixels.pdq import pdq
from queries.tables.contracts import IMAGES
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from tests.queries.pixels.test_pdq import n_apart, noise
from tests.tables import rows

IMAGES_OF = ImageSettings(size=256)
HASHES = st.integers(0, 2**256 - 1).map(lambda number: f"{number:064x}")


def by_opencv(image: np.ndarray, ending: str, *how: int) -> bytes:
    return cv2.imencode(ending, image[..., ::-1], list(how))[1].tobytes()


def by_pillow(image: np.ndarray, kind: str, **how: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **how)
    return file.getvalue()


def by_vips(image: np.ndarray, ending: str) -> bytes:
    pyvips = pytest.importorskip("pyvips", reason="pyvips is not installed")
    return pyvips.Image.new_from_array(image).write_to_buffer(ending)


ENCODED = {
    "jpeg of opencv": lambda image: by_opencv(image, ".jpg", cv2.IMWRITE_JPEG_QUALITY, 60),
    "webp of opencv": lambda image: by_opencv(image, ".webp", cv2.IMWRITE_WEBP_QUALITY, 50),
    "png of opencv": lambda image: by_opencv(image, ".png"),
    "avif of pillow": lambda image: by_pillow(image, "AVIF", quality=50),
    "progressive jpeg of pillow": lambda image: by_pillow(image, "JPEG", progressive=1, quality=70),
    "gif of pillow": lambda image: by_pillow(image, "GIF"),
    "half the size": lambda image: by_opencv(cv2.resize(image, None, fx=0.5, fy=0.5), ".jpg"),
    "twice the size": lambda image: by_opencv(cv2.resize(image, None, fx=2, fy=2), ".jpg"),
    "jpeg of vips": lambda image: by_vips(image, ".jpg[Q=55]"),
    "webp of vips": lambda image: by_vips(image, ".webp[Q=55]"),
}


@pytest.mark.parametrize("way", ENCODED)
def test_a_picture_that_another_library_encoded_is_within_the_radius(way):
    for seed in range(5):
        image = noise(480, 640, seed)
        stored = judge_picture(ENCODED[way](image), IMAGES_OF)
        assert n_apart(pdq_of(stored.jpeg, 10**7), pdq(image)) <= 31


def listed(*lines: tuple[str, int]) -> pa.Table:
    return pa.table({"value": [v for v, _ in lines], "radius": [r for _, r in lines]})


@given(st.lists(HASHES, max_size=8), st.lists(st.tuples(HASHES, st.integers(0, 256)), max_size=8))
def test_near_hashes_are_those_that_differ_in_few_bits(hashes, lines):
    rows_near, places, distances = Listed(listed(*lines)).near(hashes)
    expected = [
        (n, place, n_apart(one, other))
        for n, one in enumerate(hashes)
        for place, (other, radius) in enumerate(lines)
        if n_apart(one, other) <= radius
    ]
    assert list(zip(rows_near, places, distances, strict=True)) == expected


def test_each_picture_of_a_part_is_hashed_and_compared(tmp_path):
    pictures = {n: by_opencv(noise(256, 300, n), ".png") for n in range(3)} | {7: b"torn"}
    write_images(tmp_path / IMAGES, pictures.items())
    folders = pa.RecordBatch.from_pydict({"folder": [str(tmp_path)]})
    hashed = pa.Table.from_batches(hash_pictures(iter([folders]), IMAGES_OF))
    assert hashed.schema.equals(TABLES["pdq"].schema)
    of = dict(zip(hashed["pair_id"].to_pylist(), hashed["pdq"].to_pylist(), strict=True))
    assert of == {n: pdq(noise(256, 300, n)) for n in range(3)} | {7: None}
    near = f"{int(of[1], 16) ^ 0b111:064x}"  # three bits away
    exclusion = rows(
        "exclusion",
        {"kind": "pdq", "value": near, "radius": 2},
        {"kind": "pdq", "value": near, "radius": 3},
        {"kind": "pdq", "value": of[2], "radius": 0},
        {"kind": "sha256", "value": of[0]},
    )
    path = tmp_path / "exclusion.parquet"
    write_part(path, TABLES["exclusion"], exclusion.to_batches())
    assert listed_pdq([path]).num_rows == 2
    found = pa.Table.from_batches(near_listed(iter(hashed.to_batches()), [path]))
    assert found.schema.equals(TABLES["pdq_near"].schema)
    lines = [(row["pair_id"], row["value"], row["distance"]) for row in found.to_pylist()]
    assert lines == [(1, near, 3), (2, of[2], 0)]
    assert set(found["image_part"].to_pylist()) == {tmp_path.name}
