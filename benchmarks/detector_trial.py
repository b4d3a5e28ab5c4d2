"""Photographs, changed and sought among all: what each method scores, kept on disk unit by unit.

A unit is the scores of one method for one change, (Q, N). A run that is ended goes on where it was.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from benchmarks.detector_changes import Change
from benchmarks.harness import cache
from queries.pixels.fingerprint import phash
from queries.pixels.pdq import pdq
from queries.tables.parts import written_whole
from trainer.copies import alignment, poses
from trainer.copies.alignment import CHECKED, likeness
from trainer.copies.detector import Detector
from trainer.copies.neighbours import bits_between
from trainer.copies.thumbnails import mirrored, thumbnail
from trainer.overlap.choosing import EQUAL_BITS
from trainer.overlap.search import CANDIDATE_BITS, MOST_RATE

Pixels: TypeAlias = np.ndarray  # (H, W, 3), RGB uint8
Scores: TypeAlias = Callable[[Sequence[Pixels]], np.ndarray]  # Q changed -> (Q, N) originals


@dataclass
class Hashed:
    """Scores by a hash: minus the bits that differ, of a picture or of its mirror image."""

    bits_of: Callable[[Pixels], np.ndarray]  # int64 (W,): words of 64 bits
    originals: np.ndarray  # (N, W)

    @classmethod
    def of(cls, bits_of: Callable[[Pixels], np.ndarray], originals: Sequence[Pixels]) -> "Hashed":
        return cls(bits_of, np.stack([bits_of(picture) for picture in originals]))

    def __call__(self, changed: Sequence[Pixels]) -> np.ndarray:
        sides = (
            np.stack([self.bits_of(side(picture)) for picture in changed])
            for side in (lambda picture: picture, mirrored)
        )
        return -np.minimum(*(self._between(side) for side in sides)).astype(np.float32)

    def _between(self, hashes: np.ndarray) -> np.ndarray:
        words = zip(hashes.T, self.originals.T, strict=True)
        return sum(bits_between(ours, theirs).astype(np.int16) for ours, theirs in words)


class Learned:
    """Scores of a detector: as `trainer overlap` has them, or of its cosine alone."""

    def __init__(self, detector: Detector, originals: Sequence[Pixels], *, cosine: bool = False):
        self.cosine = cosine
        looks = [thumbnail(picture, detector.side) for picture in originals]
        embeddings = detector.embed(looks)
        self.detector = detector.with_background(embeddings)
        self.originals = (embeddings if cosine else self.detector.compared(embeddings)).T

    def __call__(self, changed: Sequence[Pixels]) -> np.ndarray:
        looks = [thumbnail(picture, self.detector.side) for picture in changed]
        views = self.detector.embed_views(looks)
        sought = views if self.cosine else map(self.detector.sought, views)
        return np.max([view @ self.originals for view in sought], axis=0)


def phash_bits(picture: Pixels) -> np.ndarray:
    return np.array([phash(picture)], np.int64)


def pdq_bits(picture: Pixels) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(pdq(picture) or "00" * 32), ">i8").astype(np.int64)


@dataclass
class Trial:
    """Photographs, those of them that are sought, and the pairs that are known to differ."""

    originals: Sequence[Pixels]
    rows: np.ndarray  # (Q,) sought
    differ: np.ndarray  # bool (Q, N)
    changes: Mapping[str, Change]

    def changed(self, name: str) -> list[Pixels]:
        pictures = (Image.fromarray(self.originals[row]) for row in self.rows)
        return [np.asarray(self.changes[name](picture)) for picture in pictures]

    def scores(self, method: str, make: Callable[[], Scores]) -> dict[str, np.ndarray]:
        """(Q, N) of each change; the method is made where a unit lacks."""
        made: list[Scores] = []

        def unit(name: str) -> np.ndarray:
            if not made:
                made.append(make())
            return made[0](self.changed(name)).astype(np.float32)

        return {name: self._kept(method, name, unit) for name in self.changes}

    def checked(
        self, method: str, scores: Mapping[str, np.ndarray], hashed: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The agreement of candidates, at MOST_RATE a pair or within CANDIDATE_BITS; else -1."""
        others = np.concatenate([values[self.differ] for values in scores.values()])
        most = int(MOST_RATE * len(others))
        limit = np.partition(others, -most - 1)[-most - 1]
        small = [thumbnail(picture, CHECKED) for picture in self.originals]

        def unit(name: str) -> np.ndarray:
            values = scores[name]
            agreed = np.full(values.shape, -1, np.float32)
            own = np.zeros(values.shape, bool)
            own[np.arange(len(self.rows)), self.rows] = True
            candidates = (values > limit) | (hashed[name] >= -CANDIDATE_BITS)
            looks = [thumbnail(picture, CHECKED) for picture in self.changed(name)]
            for at, column in np.argwhere(candidates & (self.differ | own)):
                agreed[at, column] = likeness(looks[at], small[column])
            agreed[hashed[name] >= -EQUAL_BITS] = 1  # these count without a check
            return agreed

        sources = (alignment, poses)  # a unit is of one state of the check
        states = [Path(module.__file__ or "").read_bytes() for module in sources]
        state = hashlib.sha256(b"".join(states)).hexdigest()[:8]
        name_of = f"{method} checked {limit:.5f} by {state}"
        return {name: self._kept(name_of, name, unit) for name in scores}

    def _kept(self, method: str, name: str, unit: Callable[[str], np.ndarray]) -> np.ndarray:
        """The unit of a method and a change, from disk or made now."""
        about = [f"{method} {name}", self.rows.tolist(), len(self.originals), [*self.changes]]
        digest = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]
        path: Path = cache() / "detector-units" / f"{digest}.npy"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as beside, beside.open("wb") as file:
                np.save(file, unit(name))
        return np.load(path)
