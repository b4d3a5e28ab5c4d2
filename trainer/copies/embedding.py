"""Embeddings of pictures that come one at a time, so that no large thumbnail is kept."""

from dataclasses import dataclass, field

import numpy as np

from trainer.copies.detector import Detector
from trainer.copies.thumbnails import thumbnail

PICTURES = 64  # embedded at a time


@dataclass
class ViewEmbeddings:
    """The embeddings of pictures in the orientations in which a detector seeks them."""

    detector: Detector
    _waiting: list[np.ndarray] = field(default_factory=list)
    _done: list[np.ndarray] = field(default_factory=list)

    def add(self, pixels: np.ndarray) -> None:
        """One more picture (H, W, 3), RGB uint8."""
        self._waiting.append(thumbnail(pixels, self.detector.side))
        if len(self._waiting) == PICTURES:
            self._embed()

    def _embed(self) -> None:
        if self._waiting:
            self._done.append(self.detector.embed_views(self._waiting))
            self._waiting = []

    def all(self) -> np.ndarray:
        """float32 (V, E, D) of E pictures in V orientations, upright first."""
        self._embed()
        return np.concatenate(self._done, axis=1)
