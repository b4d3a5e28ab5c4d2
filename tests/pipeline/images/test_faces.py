"""The face counter: a cascade over drawn faces, and YuNet's way by a network made for the test."""

from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest

from pipeline.images.faces import SIDE, FaceCounter
from pipeline.images.parts import write_images
from pipeline.images.scorers import check, score_pictures
from pipeline.settings.images import ImageSettings
from pipeline.settings.scorers import FacesScorer
from queries.tables.contracts import IMAGES
from queries.tables.errors import InputError

GRAY = np.full((120, 160, 3), 128, np.uint8)


def counter(**changed) -> FaceCounter:
    return FaceCounter(FacesScorer.model_validate({"kind": "faces", **changed}))


def with_faces(*middles: int) -> np.ndarray:
    """(160, 480, 3): a drawn head around each of the columns, of lights and shades like a face."""
    pixels = np.full((160, 480, 3), 90, np.uint8)
    for x in middles:
        cv2.ellipse(pixels, (x, 80), (44, 58), 0, 0, 360, (205, 170, 150), -1)
        for eye in (x - 18, x + 18):
            cv2.ellipse(pixels, (eye, 68), (11, 7), 0, 0, 360, (70, 50, 45), -1)
            cv2.ellipse(pixels, (eye, 56), (13, 3), 0, 0, 360, (80, 60, 50), -1)
        cv2.ellipse(pixels, (x, 86), (7, 14), 0, 0, 360, (225, 195, 175), -1)
        cv2.ellipse(pixels, (x, 112), (18, 5), 0, 0, 360, (110, 50, 50), -1)
        cv2.ellipse(pixels, (x, 26), (46, 20), 0, 180, 360, (50, 40, 35), -1)
    return cv2.GaussianBlur(pixels, (0, 0), 2)


def test_a_cascade_counts_the_faces_of_a_picture():
    faces = counter()
    assert [faces.score(with_faces(*middles)) for middles in ((), (80,), (80, 240, 400))] == [
        0,
        1,
        3,
    ]
    assert faces.score(GRAY) == 0


def test_a_large_picture_is_counted_as_its_small_copy_is():
    large = cv2.resize(with_faces(80, 240), (1920, 640), interpolation=cv2.INTER_CUBIC)
    assert min(large.shape[:2]) > SIDE
    assert counter().score(large) == 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (8, 8), (2000, 3)])
def test_pictures_of_any_shape_are_counted(shape):
    assert counter().score(np.zeros((*shape, 3), np.uint8)) == 0


def test_each_picture_of_a_part_is_counted_and_a_damaged_one_has_no_score(tmp_path):
    folder = tmp_path / "part"
    folder.mkdir()
    ok, body = cv2.imencode(".png", with_faces(80, 400)[..., ::-1])
    assert ok
    bodies = {1: body.tobytes(), 5: body.tobytes()[:300], 9: b"no picture"}
    write_images(folder / IMAGES, bodies.items())
    batches = pa.table({"folder": [str(folder)]}).to_batches()
    of = FacesScorer(kind="faces")
    scored = score_pictures(iter(batches), of, ImageSettings(size=512))
    rows = [row for batch in scored for row in batch.to_pylist()]
    assert [(row["pair_id"], row["scorer"], row["score"]) for row in rows] == [
        *((1, "faces", 2.0), (5, "faces", None), (9, "faces", None)),
    ]


def test_a_file_that_is_no_detector_is_refused_in_one_line(tmp_path):
    for name in ("faces.xml", "faces.onnx"):
        path = tmp_path / name
        path.write_text("<html>not found</html>")
        with pytest.raises(InputError, match=r"scorers: faces: .*expected a cascade") as refused:
            check([FacesScorer(kind="faces", model=str(path))])
        assert "\n" not in str(refused.value)


# --- YuNet: the names and shapes of its outputs, by a network that sees white ---------------------


def white_seer(path: Path) -> Path:
    """Write a network with YuNet's outputs: cells of 8 pixels that are white are faces."""
    onnx = pytest.importorskip("onnx", reason="needs onnx, which writes the model")
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    nodes, constants = [], []
    outputs: dict[str, list[int]] = {}

    def add(kind: str, inputs: list[str], output: str, **of) -> None:
        nodes.append(helper.make_node(kind, inputs, [output], **of))

    def constant(name: str, values: np.ndarray) -> str:
        constants.append(onnx.numpy_helper.from_array(values, name))
        return name

    constant("back", np.array([1, -1, 1], np.int64))
    for stride in (8, 16, 32):
        add(
            *("AveragePool", ["input"], f"pooled_{stride}"),
            kernel_shape=[stride, stride],
            strides=[stride, stride],
        )
        weight = np.zeros((1, 3, 1, 1), np.float32)
        weight[:] = 1 / 765 if stride == 8 else 0
        for name in ("cls", "obj"):
            add(
                "Conv",
                [f"pooled_{stride}", constant(f"w_{name}_{stride}", weight)],
                f"{name}m{stride}",
            )
            add("Reshape", [f"{name}m{stride}", "back"], f"{name}_{stride}")
            outputs[f"{name}_{stride}"] = [1, (64 // stride) ** 2, 1]
        for name, width in (("bbox", 4), ("kps", 10)):
            zero = constant(f"w_{name}_{stride}", np.zeros((width, 3, 1, 1), np.float32))
            add("Conv", [f"pooled_{stride}", zero], f"{name}m{stride}")
            add("Transpose", [f"{name}m{stride}"], f"{name}t{stride}", perm=[0, 2, 3, 1])
            shape = constant(f"s_{name}_{stride}", np.array([1, -1, width], np.int64))
            add("Reshape", [f"{name}t{stride}", shape], f"{name}_{stride}")
            outputs[f"{name}_{stride}"] = [1, (64 // stride) ** 2, width]
    graph = helper.make_graph(
        nodes,
        "white",
        [helper.make_tensor_value_info("input", real, [1, 3, 64, 64])],
        [helper.make_tensor_value_info(name, real, shape) for name, shape in outputs.items()],
        constants,
    )
    opset = helper.make_opsetid("", 11)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=7), str(path))
    return path


def test_yunets_file_counts_as_its_outputs_say(tmp_path):
    faces = counter(model=str(white_seer(tmp_path / "yunet.onnx")))
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[8:16, 8:16] = pixels[40:48, 24:32] = 255
    assert faces.score(pixels) == 2
    assert faces.score(np.zeros((64, 64, 3), np.uint8)) == 0
