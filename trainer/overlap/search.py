"""Search a build for near duplicates of evaluation pictures, by one of two detectors.

The perceptual hash costs nothing, since a build stores it for every sample. The learned detector
also finds crops, rotations and pictures with text laid over them (CLIP, appendix C). Both compare
every evaluation picture and its mirror image. A pair within EQUAL_BITS of pHash always counts; a
candidate of the learned detector counts only if its pixels agree (trainer/copies/alignment.py).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from queries.engine.progress import Step, shown
from queries.pixels.fingerprint import phash, spread
from trainer.copies.alignment import LEAST_AGREEMENT
from trainer.copies.detector import Detector
from trainer.copies.neighbours import (
    Neighbours,
    bits_between,
    folded,
    near_hashes,
    near_vectors,
    trained_hashes,
    within_most,
)
from trainer.copies.second_check import agreements_beside
from trainer.copies.synthetic import SIDE
from trainer.copies.thresholds import (
    LEAST_PAIRS,
    Greatest,
    Threshold,
    above_rate,
    bits_within_rate,
)
from trainer.copies.thumbnails import all_pictures, mirrored, some_pictures, thumbnail
from trainer.data.reading import read_samples
from trainer.data.samples import Samples
from trainer.evaluation.sets import EvalSet, Picture
from trainer.settings import TrainerError

EQUAL_BITS = 2  # of pHash: pictures within them are the same, whatever the score
MOST_RATE = 1e-4  # false candidates per pair
UNIFORM = 2.0  # spread of luma, 0..255, below which a picture is uniform, as a build's default
MOST_CALIBRATED = 8_192  # pictures of a set whose pairs are compared to choose a threshold
BLOCK = 1_024
MOST_CANDIDATES = 1_024  # of a picture, the nearest, whose pixels are compared
BACKGROUND = 8_192  # pictures of the build, by which scores are normalised


@dataclass
class SetPictures:
    """An evaluation set's pictures as the detectors see them, in the set's order."""

    eval_set: EvalSet
    names: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)
    mirror_hashes: list[int] = field(default_factory=list)
    spreads: list[float] = field(default_factory=list)
    thumbnails: list[np.ndarray] = field(default_factory=list)

    def noted(self, pictures: Iterable[Picture]) -> Iterator[Picture]:
        """Yield every picture unchanged, and note its name, label, hashes, spread and thumbnail."""
        for picture in pictures:
            self.names.append(picture.name)
            self.labels.append(picture.label)
            self.hashes.append(phash(picture.pixels))
            self.mirror_hashes.append(phash(mirrored(picture.pixels)))
            self.spreads.append(spread(picture.pixels))
            self.thumbnails.append(thumbnail(picture.pixels))
            yield picture

    def __len__(self) -> int:
        return len(self.names)

    @property
    def uniform(self) -> np.ndarray:
        """bool (E,): pictures of nearly one luma, such as black frames: they show nothing."""
        return np.array(self.spreads) < UNIFORM

    @property
    def both_hashes(self) -> np.ndarray:
        """int64 (2 * E,): the pHash of each picture, then of each mirror image."""
        return np.array([*self.hashes, *self.mirror_hashes], np.int64)


@dataclass(frozen=True)
class Search:
    """The method of a search: the detector, and its threshold or the rate to choose one by."""

    detector: Detector | None = None  # None: the perceptual hash
    threshold: float | None = None  # bits, or a score; None: chosen at the rate
    rate: float | None = None  # false positives per pair; None: one a picture, MOST_RATE at most

    def __post_init__(self) -> None:
        if self.rate is not None and not 0 < self.rate < 1:
            raise TrainerError(f"rate {self.rate}: expected more than 0 and less than 1")
        most = 64 if self.detector is None else 1
        if self.threshold is not None and not 0 <= self.threshold <= most:
            raise TrainerError(f"threshold {self.threshold}: expected 0..{most}")

    @property
    def name(self) -> str:
        return "phash" if self.detector is None else self.detector.name


@dataclass(frozen=True)
class Overlap:
    """Which pictures of one evaluation set are near training pictures, and how near."""

    seen: SetPictures
    threshold: Threshold
    by_hash: Neighbours  # values are bits
    by_detector: Neighbours | None = None  # values are scores; those that passed the second check
    agreements: np.ndarray = field(default_factory=lambda: np.empty(0))  # (K,) of by_detector
    n_candidates: int = 0  # before the second check
    n_unchecked: int = 0  # of these, beyond MOST_CANDIDATES of a picture: they count as different

    @property
    def near(self) -> np.ndarray:
        """bool (E,): pictures with a near duplicate, uniform ones too."""
        near = np.zeros(len(self.seen), bool)
        near[self.by_hash.row] = True
        if self.by_detector is not None:
            near[self.by_detector.row] = True
        return near

    @property
    def overlap(self) -> np.ndarray:
        """bool (E,): near and not uniform, since all black frames are alike."""
        return self.near & ~self.seen.uniform

    def pair_ids(self) -> np.ndarray:
        """int64, ascending: the training pairs near a picture that is not uniform."""
        shows = ~self.seen.uniform
        ids = [self.by_hash.pair_id[shows[self.by_hash.row]]]
        if self.by_detector is not None:
            ids.append(self.by_detector.pair_id[shows[self.by_detector.row]])
        return np.unique(np.concatenate(ids))


def search(build: Path, sets: Sequence[SetPictures], method: Search) -> list[Overlap]:
    """Each set's overlap with a build, whose pictures are read once for all sets.

    Raises TrainerError for a set without a readable picture.
    """
    for seen in sets:
        if not len(seen):
            raise TrainerError(f"{seen.eval_set.root}: no readable picture")
    if method.detector is None:
        return [_by_hash(build, seen, hash_threshold(seen, method)) for seen in sets]
    samples = replace(read_samples(build, SIDE), cache_bytes=0)
    rate = method.rate or min(MOST_RATE, 1 / len(samples))
    equal = Threshold(EQUAL_BITS, None, 0, "given")
    return [
        _checked(_by_hash(build, seen, equal), threshold, candidates, samples)
        for seen, (threshold, candidates) in zip(
            sets, _by_detector(samples, sets, method, rate), strict=True
        )
    ]


def with_background(method: Search, samples: Samples) -> Detector:
    """The detector, its scores normalised by BACKGROUND pictures of the build, chosen by a hash."""
    if method.detector is None:
        raise ValueError("no detector: expected a learned one")
    return method.detector.beside(some_pictures(samples, BACKGROUND, 0, SIDE))


def hash_threshold(seen: SetPictures, method: Search) -> Threshold:
    """The most bits of pHash by which two near pictures differ, chosen on a set."""
    if method.threshold is not None:
        return Threshold(method.threshold, None, 0, "given")
    rows = calibrating(len(seen))
    hashes, labels = (np.array(column)[rows] for column in (seen.hashes, seen.labels))
    distances = (
        bits_between(hashes[at : at + BLOCK], hashes)[_differ(labels, labels[at : at + BLOCK])]
        for at in range(0, len(rows), BLOCK)
    )
    threshold = bits_within_rate(distances, method.rate or MOST_RATE)
    return (
        threshold if threshold.n_pairs >= LEAST_PAIRS else Threshold(EQUAL_BITS, None, 0, "default")
    )


def score_threshold(
    seen: SetPictures, detector: Detector, embeddings: np.ndarray, rate: float
) -> Threshold:
    """The least score at which false positives keep to the rate; embeddings (2 * E, EMBED).

    Measured on pairs of different classes, straight and mirrored. Pairs within EQUAL_BITS are left
    out: they are one picture that stands in two classes.
    """
    rows, n = calibrating(len(seen)), len(seen)
    hashes, labels = (np.array(column)[rows] for column in (seen.hashes, seen.labels))
    compared, scores = detector.compared(embeddings[rows]).T, Greatest()
    sought = [detector.sought(embeddings[side]) for side in (rows, rows + n)]
    for at in range(0, len(rows), BLOCK):
        differ = _differ(labels, labels[at : at + BLOCK])
        differ &= bits_between(hashes[at : at + BLOCK], hashes) > EQUAL_BITS
        for side in sought:
            scores.add((side[at : at + BLOCK] @ compared)[differ])
    if scores.n >= LEAST_PAIRS:
        return above_rate(scores, rate)
    return own_threshold(detector, rate)


def own_threshold(detector: Detector, rate: float) -> Threshold:
    """The least score that a detector's file notes for the rate, or for the next lower rate noted.

    Raises TrainerError if the file notes no rate.
    """
    thresholds = {float(key): value for key, value in detector.about["thresholds"].items()}
    if not thresholds:
        raise TrainerError(
            f"{detector.name} was trained on too few pictures to know a threshold, and there are "
            "too few pairs of different classes to choose one: expected --threshold"
        )
    chosen = max((noted for noted in thresholds if noted <= rate), default=min(thresholds))
    return Threshold(thresholds[chosen], chosen, 0, "detector")


def calibrating(n: int) -> np.ndarray:
    """The rows whose pairs are compared: all n, or MOST_CALIBRATED spread evenly over the set."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST_CALIBRATED)).round().astype(np.int64))


def _differ(labels: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Labels (N,) and (B,) -> bool (B, N): pairs of different classes."""
    return block[:, None] != labels[None]


def _by_hash(build: Path, seen: SetPictures, threshold: Threshold) -> Overlap:
    near = near_hashes(seen.both_hashes, trained_hashes(build), threshold.value)
    return Overlap(seen, threshold, folded(near, len(seen), np.minimum))


def _by_detector(
    samples: Samples, sets: Sequence[SetPictures], method: Search, rate: float
) -> Iterator[tuple[Threshold, Neighbours]]:
    """Each set's threshold, and the candidates above it; the build is embedded once for all."""
    detector = with_background(method, samples)
    embedded = [detector.embed_both(seen.thumbnails) for seen in sets]
    thresholds = [
        score_threshold(seen, detector, embeddings, rate)
        if method.threshold is None
        else Threshold(method.threshold, None, 0, "given")
        for seen, embeddings in zip(sets, embedded, strict=True)
    ]
    sought = np.concatenate([detector.sought(embeddings) for embeddings in embedded])
    least = np.concatenate(
        [
            np.full(len(embeddings), threshold.value)
            for embeddings, threshold in zip(embedded, thresholds, strict=True)
        ]
    )

    def trained(step: Step) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for ids, pictures in all_pictures(samples):
            yield ids, detector.compared(detector.embed(pictures))
            step.update(len(ids))

    with shown("embed", len(samples), "images", rate=True) as step:
        near = near_vectors(sought, trained(step), least)
    begin = 0
    for seen, threshold in zip(sets, thresholds, strict=True):
        end = begin + 2 * len(seen)
        yield threshold, folded(_rows(near, begin, end), len(seen), np.maximum)
        begin = end


def _rows(near: Neighbours, begin: int, end: int) -> Neighbours:
    """The neighbours of rows begin..end, counted from 0."""
    near = near.where((near.row >= begin) & (near.row < end))
    return Neighbours(
        near.nearest[begin:end],
        near.nearest_pair_id[begin:end],
        near.row - begin,
        near.pair_id,
        near.value,
    )


def _checked(
    overlap: Overlap, threshold: Threshold, candidates: Neighbours, samples: Samples
) -> Overlap:
    """The overlap with those candidates of the detector whose pixels agree: the second check."""
    n_candidates = len(candidates.row)
    candidates = candidates.where(within_most(candidates.row, MOST_CANDIDATES))
    likenesses = agreements_beside(
        samples, overlap.seen.thumbnails, candidates.row, candidates.pair_id
    )
    agree = likenesses >= LEAST_AGREEMENT
    return Overlap(
        overlap.seen,
        threshold,
        overlap.by_hash,
        candidates.where(agree),
        likenesses[agree],
        n_candidates,
        n_candidates - len(agree),
    )
