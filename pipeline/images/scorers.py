"""Score stored pictures by models: an image part in, a row for each picture out.

    score_pictures(batches, scorer, images)  # table `scored`

onnxruntime is imported late: only a build that names a scorer needs it (the extra `safety`). A
score depends on the picture and the model alone: pictures are scored one by one, on one thread, and
scores are rounded to 5 digits, as processors differ in the last digits.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from pipeline.images.faces import FaceCounter
from pipeline.images.judge import stored_pixels
from pipeline.images.parts import ALL, read_images
from pipeline.settings.images import ImageSettings
from pipeline.settings.scorers import NetworkScorer, Scorer, unfit
from queries.tables.errors import InputError, first_line
from queries.tables.schemas import TABLES
from queries.tables.store import place

ROWS_AT_A_TIME = 1_024
DIGITS = 5

Pixels = np.ndarray  # (H, W, 3), RGB uint8


class Model:
    """A scorer's model, loaded. Raises InputError, in one line, for a model that cannot score."""

    def __init__(self, scorer: NetworkScorer):
        self.scorer = scorer
        self._session = _session(scorer)
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise unfit(scorer, f"{len(inputs)} inputs", "one, a picture")
        self._input = inputs[0].name
        self._first = self._session.get_outputs()[0].name

    def score(self, pixels: Pixels) -> float | None:
        """The score of a picture; None where the model gives no finite number."""
        numbers = self._run(as_input(pixels, self.scorer))
        if self.scorer.output >= numbers.size:
            output = f"an output of {numbers.size} numbers"
            raise unfit(self.scorer, output, f"one with a place {self.scorer.output}")
        score = float(numbers.ravel()[self.scorer.output])
        return float(f"{score:.{DIGITS}g}") if np.isfinite(score) else None

    def _run(self, values: np.ndarray) -> np.ndarray:
        try:
            (output,) = self._session.run([self._first], {self._input: values})
            return np.asarray(output, np.float64)
        except Exception as error:  # onnxruntime's errors share no base class
            raise unfit(self.scorer, first_line(error), "a model of pictures") from None


def loaded(scorer: Scorer) -> Model | FaceCounter:
    """A scorer's model. Raises InputError."""
    return FaceCounter(scorer) if scorer.kind == "faces" else Model(scorer)


def check(scorers: Sequence[Scorer]) -> None:
    """Fail at the door: load every model, and let it score a gray picture. Raises InputError."""
    for scorer in scorers:
        loaded(scorer).score(np.full((64, 64, 3), 128, np.uint8))


def score_pictures(
    batches: Iterator[pa.RecordBatch], scorer: Scorer, images: ImageSettings
) -> Iterator[pa.RecordBatch]:
    """Map: rows of a column `folder`, image parts, to a row of `scored` for each picture there.

    A picture is decoded within the same limits as when it was fetched.
    """
    cv2.setNumThreads(1)
    model = loaded(scorer)
    folders = [place(folder) for batch in batches for folder in batch["folder"].to_pylist()]
    rows: list[dict[str, Any]] = []
    for folder in folders:
        for pair_id, picture in read_images(folder, *ALL):
            pixels = stored_pixels(picture, images)
            score = None if isinstance(pixels, str) else model.score(pixels)
            row = {"pair_id": pair_id, "image_part": folder.name}
            rows.append({**row, "scorer": scorer.name, "score": score})
            if len(rows) == ROWS_AT_A_TIME:
                yield pa.RecordBatch.from_pylist(rows, TABLES["scored"].schema)
                rows = []
    yield pa.RecordBatch.from_pylist(rows, TABLES["scored"].schema)


def as_input(pixels: Pixels, scorer: NetworkScorer) -> np.ndarray:
    """A picture as the model takes it: (1, 3, S, S) or (1, S, S, 3), float32.

    >>> from pipeline.settings.scorers import OnnxScorer
    >>> scorer = OnnxScorer(name="a", kind="onnx", model=__file__, side=8)
    >>> as_input(np.full((20, 30, 3), 255, np.uint8), scorer).shape
    (1, 3, 8, 8)
    """
    square = scorer.resize or scorer.side
    height, width = pixels.shape[:2]
    sides = (square, square)
    if scorer.fit == "crop":
        scale = square / min(height, width)
        sides = (max(square, round(width * scale)), max(square, round(height * scale)))
    shrinks = sides[0] * sides[1] < height * width
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    pixels = centre_crop(cv2.resize(pixels, sides, interpolation=interpolation), scorer.side)
    if scorer.colours == "bgr":
        pixels = pixels[..., ::-1]
    mean, std = np.array(scorer.mean, np.float32), np.array(scorer.std, np.float32)
    values = (pixels - mean) / std
    if scorer.layout == "nchw":
        values = values.transpose(2, 0, 1)
    return np.ascontiguousarray(values[None])


def centre_crop(pixels: Pixels, side: int) -> Pixels:
    """The middle square.

    >>> centre_crop(np.zeros((8, 12, 3), np.uint8), 6).shape
    (6, 6, 3)
    """
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    return pixels[top : top + side, left : left + side]


def _session(scorer: NetworkScorer) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise InputError(
            f"scorers: {scorer.name}: expected the package onnxruntime, which runs its model: "
            "pip install onnxruntime"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised; the log would repeat them
    try:
        return onnxruntime.InferenceSession(
            scorer.model, options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's errors share no base class
        raise unfit(scorer, first_line(error), "an ONNX model") from None
