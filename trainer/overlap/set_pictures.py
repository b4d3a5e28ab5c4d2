"""The pictures of an evaluation set as the detectors see them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from queries.pixels.fingerprint import phash, spread
from trainer.copies.alignment import CHECKED
from trainer.copies.embedding import ViewEmbeddings
from trainer.copies.thumbnails import mirrored, thumbnail
from trainer.evaluation.sets import EvalSet, Picture

UNIFORM = 2.0  # spread of luma, 0..255, below which a picture is uniform, as a build's default


@dataclass
class SetPictures:
    """An evaluation set's pictures as the detectors see them, in the set's order."""

    eval_set: EvalSet
    embedded: ViewEmbeddings | None = None  # for a search by a learned detector
    names: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)
    mirror_hashes: list[int] = field(default_factory=list)
    spreads: list[float] = field(default_factory=list)
    thumbnails: list[np.ndarray] = field(default_factory=list)  # for the second check
    several: list[tuple[int, ...]] = field(default_factory=list)  # a multi-label set's classes

    def read(self, size: int) -> "SetPictures":
        """Note every picture as a build stores it: upright, with a shorter side of `size`."""
        upright = replace(self.eval_set, upright=True)
        for _ in self.noted(upright.pictures(size=size)):
            pass
        return self

    def noted(self, pictures: Iterable[Picture]) -> Iterator[Picture]:
        """Yield every picture unchanged, and note its name, label, hashes, spread and thumbnail."""
        for picture in pictures:
            self.names.append(picture.name)
            self.labels.append(picture.label)
            self.several.append(picture.labels)
            self.hashes.append(phash(picture.pixels))
            self.mirror_hashes.append(phash(mirrored(picture.pixels)))
            self.spreads.append(spread(picture.pixels))
            self.thumbnails.append(thumbnail(picture.pixels, CHECKED))
            if self.embedded is not None:
                self.embedded.add(picture.pixels)
            yield picture

    def __len__(self) -> int:
        return len(self.names)

    def class_names(self) -> list[str]:
        """The class of each picture, several with commas between, "" without."""
        classes = self.eval_set.classes
        if self.eval_set.kind == "labels":
            return [", ".join(classes[label] for label in labels) for labels in self.several]
        return [classes[label] if label >= 0 else "" for label in self.labels]

    def differ(self, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        """bool (B, N): pairs of pictures that are known to differ, by their rows (B,) and (N,).

        They share no class. Without classes all but the same row are taken to differ.
        """
        if self.eval_set.kind == "classes":
            labels = np.array(self.labels)
            return labels[rows][:, None] != labels[others][None]
        if self.eval_set.kind == "labels":
            has = np.zeros((len(self), len(self.eval_set.classes)), np.float32)
            for row, own in enumerate(self.several):
                has[row, list(own)] = 1
            return has[rows] @ has[others].T == 0
        return rows[:, None] != others[None]

    @property
    def has_classes(self) -> bool:
        return self.eval_set.kind in ("classes", "labels")

    @property
    def uniform(self) -> np.ndarray:
        """bool (E,): pictures of nearly one luma, such as black frames: they show nothing."""
        return np.array(self.spreads) < UNIFORM

    @property
    def both_hashes(self) -> np.ndarray:
        """int64 (2 * E,): the pHash of each picture, then of each mirror image."""
        return np.array([*self.hashes, *self.mirror_hashes], np.int64)
