"""Count the faces of a picture by a detector of OpenCV: a cascade, or YuNet where one is given.

    FaceCounter(FacesScorer(kind="faces")).score(pixels)  # 2.0

A cascade (Viola and Jones 2001) comes with OpenCV itself. YuNet (Wu, Peng and Yu 2023) does not:
face_detection_yunet_*.onnx of OpenCV's model zoo is for the settings to name.
"""

from typing import Any

import cv2
import numpy as np

from pipeline.settings.scorers import FacesScorer, unfit
from queries.tables.errors import first_line

AGREEING = 3  # windows of a cascade that must agree on a face
SCALE = 1.1  # from one size of window to the next
SIDE = 256  # of the shorter side that is searched, pixels: of more, more time and more false alarms
SURE = 0.7  # YuNet's score from which on it is a face, of 0..1
OVERLAP = 0.3  # of two boxes, from which on both are the same face

Pixels = np.ndarray  # (H, W, 3), RGB uint8


class FaceCounter:
    """A detector, loaded. Raises InputError, in one line, for a file that is none."""

    def __init__(self, scorer: FacesScorer):
        self.scorer = scorer
        self._is_cascade = not scorer.model.endswith(".onnx")
        try:
            self._detector = _cascade(scorer.model) if self._is_cascade else _yunet(scorer.model)
        except (cv2.error, SystemError) as error:
            raise self._unfit(first_line(error)) from None
        if self._is_cascade and self._detector.empty():
            raise self._unfit("no cascade")

    def score(self, pixels: Pixels) -> float:
        """The number of faces."""
        try:
            count = self._cascaded if self._is_cascade else self._networked
            return float(count(shrunk(pixels)))
        except cv2.error as error:
            raise self._unfit(first_line(error)) from None

    def _cascaded(self, pixels: Pixels) -> int:
        gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        return len(self._detector.detectMultiScale(gray, SCALE, AGREEING))

    def _networked(self, pixels: Pixels) -> int:
        height, width = pixels.shape[:2]
        self._detector.setInputSize((width, height))
        _, faces = self._detector.detect(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        return 0 if faces is None else len(faces)

    def _unfit(self, fault: str) -> Exception:
        return unfit(self.scorer, fault, "a cascade of OpenCV (.xml) or YuNet (.onnx)")


def shrunk(pixels: Pixels) -> Pixels:
    """The picture with a shorter side of SIDE at most.

    >>> shrunk(np.zeros((512, 1024, 3), np.uint8)).shape
    (256, 512, 3)
    """
    height, width = pixels.shape[:2]
    scale = SIDE / min(height, width)
    if scale >= 1:
        return pixels
    sides = (round(width * scale), round(height * scale))
    return cv2.resize(pixels, sides, interpolation=cv2.INTER_AREA)


def _cascade(path: str) -> Any:
    return cv2.CascadeClassifier(path)


def _yunet(path: str) -> Any:
    return cv2.FaceDetectorYN.create(path, "", (64, 64), SURE, OVERLAP)
