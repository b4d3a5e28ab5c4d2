"""Embeddings of pictures that come one at a time, so that no large thumbnail is kept."""

from dataclasses import dataclass, field

import numpy as np

from trainer.copies.detector import Detector
from trainer.copies.thumbnails import thumbnail

PICTURES = 64  # embedded at a time


@dataclass
class BothEmbeddings:
    """The embeddings of pictures and of their mirror images, by a detector."""

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
            both = self.detector.embed_both(self._waiting)
            self._done.append(both.reshape(2, len(self._waiting), -1))
            self._waiting = []

    def all(self) -> np.ndarray:
        """float32 (2 * E, D): of each picture, then of each mirror image."""
        self._embed()
        both = np.concatenate(self._done, axis=1)
        return both.reshape(-1, both.shape[-1])
