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
from trainer.overlap.search import CANDIDATE_BITS

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
    """Scores of a detector, as `trainer overlap` has them."""

    def __init__(self, detector: Detector, originals: Sequence[Pixels]):
        embeddings = detector.embed([thumbnail(picture, detector.side) for picture in originals])
        self.detector = detector.with_background(embeddings)
        self.originals = self.detector.compared(embeddings).T

    def __call__(self, changed: Sequence[Pixels]) -> np.ndarray:
        views = self.detector.embed_views([thumbnail(one, self.detector.side) for one in changed])
        return np.max([self.detector.sought(view) @ self.originals for view in views], axis=0)


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

    def scores_of(self, detector: Detector, *, cosine: bool) -> dict[str, np.ndarray]:
        """(Q, N) of each change, of embeddings that are kept; as the search has them, or cosines.

        A cosine is that of the whole picture alone, straight and mirrored and no more.
        """

        def embedded(pictures: Sequence[Pixels]) -> np.ndarray:
            return detector.embed_views([thumbnail(one, detector.side) for one in pictures])

        views_of = {
            name: self._kept(
                f"{detector.name} embedded", name, lambda name: embedded(self.changed(name))
            )
            for name in self.changes
        }
        looks = (thumbnail(picture, detector.side) for picture in self.originals)
        own = self._kept(
            f"{detector.name} embedded", "originals", lambda _: detector.embed([*looks])
        )
        beside = detector.with_background(own)
        compared = own if cosine else beside.compared(own)
        return {
            name: np.max(
                [(view if cosine else beside.sought(view)) @ compared.T for view in views], axis=0
            )
            for name, views in views_of.items()
        }

    def checked(
        self, scores: Mapping[str, np.ndarray], hashed: Mapping[str, np.ndarray], rate: float
    ) -> dict[str, np.ndarray]:
        """The agreement of candidates, at a rate per pair or within CANDIDATE_BITS; else -1."""
        others = np.concatenate([values[self.differ] for values in scores.values()])
        most = int(rate * len(others))
        limit = np.partition(others, -most - 1)[-most - 1]
        own = np.zeros(self.differ.shape, bool)
        own[np.arange(len(self.rows)), self.rows] = True
        results = {}
        for name, values in scores.items():
            candidates = (values > limit) | (hashed[name] >= -CANDIDATE_BITS)
            candidates &= self.differ | own
            results[name] = np.where(candidates, self.agreements(name, candidates), -1)
            results[name][hashed[name] >= -EQUAL_BITS] = 1  # these count without a check
        return results

    def agreements(self, name: str, asked: np.ndarray) -> np.ndarray:
        """The likeness (Q, N) of a change's pairs that are asked, bool (Q, N); NaN for others.

        It does not depend on a detector, so what one has asked is kept for the next.
        """
        states = [Path(module.__file__ or "").read_bytes() for module in (alignment, poses)]
        state = hashlib.sha256(b"".join(states)).hexdigest()[:8]
        path = self._unit(f"agreement by {state}", name)
        known = np.load(path) if path.exists() else np.full(asked.shape, np.nan, np.float32)
        missing = np.argwhere(asked & np.isnan(known))
        if len(missing):
            looks = [thumbnail(picture, CHECKED) for picture in self.changed(name)]
            for at, column in missing:
                known[at, column] = likeness(looks[at], thumbnail(self.originals[column], CHECKED))
            self._write(path, known)
        return known

    def _kept(self, method: str, name: str, unit: Callable[[str], np.ndarray]) -> np.ndarray:
        """The unit of a method and a change, from disk or made now."""
        path = self._unit(method, name)
        if not path.exists():
            self._write(path, unit(name))
        return np.load(path)

    def _unit(self, method: str, name: str) -> Path:
        about = [f"{method} {name}", self.rows.tolist(), len(self.originals), [*self.changes]]
        digest = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]
        return cache() / "detector-units" / f"{digest}.npy"

    def _write(self, path: Path, values: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as beside, beside.open("wb") as file:
            np.save(file, values)
