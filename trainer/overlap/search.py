"""Search a build for near duplicates of evaluation pictures, by one of two detectors.

The perceptual hash costs nothing, since a build stores it for every sample. The learned detector
also finds crops, rotations and pictures with text laid over them (CLIP, appendix C). Both compare
every evaluation picture and its mirror image; the learned one quarter turns, too. A pair within
EQUAL_BITS of pHash always counts; a candidate of the learned detector counts only if its pixels
agree (trainer/copies/alignment.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from queries.engine.progress import Step, shown
from queries.tables.manifest import manifest
from trainer.copies.alignment import CHECKED, LEAST_AGREEMENT
from trainer.copies.detector import Detector
from trainer.copies.embedding import ViewEmbeddings
from trainer.copies.neighbours import (
    Neighbours,
    folded,
    near_hashes,
    near_vectors,
    trained_hashes,
    within_most,
)
from trainer.copies.second_check import agreements_beside
from trainer.copies.thresholds import (
    Threshold,
)
from trainer.copies.thumbnails import all_pictures, blocks_of_some
from trainer.data.reading import read_samples
from trainer.data.samples import Samples
from trainer.overlap.choosing import EQUAL_BITS, hash_threshold, score_threshold
from trainer.overlap.set_pictures import SetPictures
from trainer.settings import TrainerError

MOST_RATE = 1e-4  # false positives per pair, by pHash alone
MOST_CHECKED_RATE = 1e-3  # of candidates whose pixels are compared
MOST_CANDIDATES = 1_024  # of a picture, the nearest, whose pixels are compared
CANDIDATE_BITS = 12  # of pHash: within them pixels are compared, where there is a detector
STORED_SIDE = 256  # pixels, where a build does not say
BACKGROUND = 8_192  # pictures of the build, by which scores are normalised


@dataclass(frozen=True)
class Search:
    """The method of a search: the detector, and its threshold or the rate to choose one by."""

    detector: Detector | None = None  # None: the perceptual hash
    threshold: float | None = None  # bits, or a score; None: chosen at the rate
    rate: float | None = None  # false positives per pair; None: one a picture, or fewer

    def rate_for(self, n_trained: int) -> float:
        """The rate for a build of so many pictures."""
        most = MOST_RATE if self.detector is None else MOST_CHECKED_RATE
        return self.rate or min(most, 1 / max(1, n_trained))

    def __post_init__(self) -> None:
        if self.rate is not None and not 0 < self.rate < 1:
            raise TrainerError(f"rate {self.rate}: expected more than 0 and less than 1")
        most = 64 if self.detector is None else 1
        if self.threshold is not None and not 0 <= self.threshold <= most:
            raise TrainerError(f"threshold {self.threshold}: expected 0..{most}")

    def embeddings(self) -> ViewEmbeddings | None:
        """Where the pictures of a set are embedded as they are read; None: the hash needs none."""
        return None if self.detector is None else ViewEmbeddings(self.detector)

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


def stored_side(build: Path) -> int:
    """The shorter side of the pictures that a build stores, in pixels: what its hashes are of."""
    settings = manifest(build).get("settings", {}).get("images", {})
    size = settings.get("size") if isinstance(settings, dict) else None
    return size if isinstance(size, int) and size > 0 else STORED_SIDE


def search(build: Path, sets: Sequence[SetPictures], method: Search) -> list[Overlap]:
    """Each set's overlap with a build, whose pictures are read once for all sets.

    Raises TrainerError for a set without a readable picture.
    """
    for seen in sets:
        if not len(seen):
            raise TrainerError(f"{seen.eval_set.root}: no readable picture")
    if method.detector is None:
        rate = method.rate_for(sum(len(ids) for ids, _ in trained_hashes(build)))
        return [_by_hash(build, seen, _hash_threshold(seen, method, rate)) for seen in sets]
    samples = read_samples(build, side_of(method))
    rate = method.rate_for(len(samples))
    near = Threshold(CANDIDATE_BITS, None, 0, "given")
    return [
        _checked(_by_hash(build, seen, near), threshold, candidates, samples)
        for seen, (threshold, candidates) in zip(
            sets, _by_detector(samples, sets, method, rate), strict=True
        )
    ]


def with_background(method: Search, samples: Samples) -> Detector:
    """The detector, its scores normalised by BACKGROUND pictures of the build, chosen by a hash."""
    if method.detector is None:
        raise ValueError("no detector: expected a learned one")
    detector = method.detector
    blocks = blocks_of_some(samples, BACKGROUND, 0, detector.side)
    return detector.with_background(np.concatenate([detector.embed(block) for block in blocks]))


def side_of(method: Search) -> int:
    """Pixels of the thumbnails that the detector and the second check need."""
    return CHECKED if method.detector is None else max(CHECKED, method.detector.side)


def _hash_threshold(seen: SetPictures, method: Search, rate: float) -> Threshold:
    if method.threshold is not None:
        return Threshold(method.threshold, None, 0, "given")
    return hash_threshold(seen, rate)


def near_rows(overlap: Overlap) -> dict[tuple[int, int], dict[str, float]]:
    """(row of the picture, pair_id) -> distance in bits, score and agreement, in order."""
    rows: dict[tuple[int, int], dict[str, float]] = {}
    by_hash, by_detector = overlap.by_hash, overlap.by_detector
    for row, pair_id, bits in zip(by_hash.row, by_hash.pair_id, by_hash.value, strict=True):
        rows.setdefault((int(row), int(pair_id)), {})["distance"] = int(bits)
    if by_detector is not None:
        values = zip(
            by_detector.row, by_detector.pair_id, by_detector.value, overlap.agreements, strict=True
        )
        for row, pair_id, score, agreement in values:
            rows.setdefault((int(row), int(pair_id)), {}).update(
                score=round(float(score), 4), agreement=round(float(agreement), 4)
            )
    return dict(sorted(rows.items()))


def _by_hash(build: Path, seen: SetPictures, threshold: Threshold) -> Overlap:
    near = near_hashes(seen.both_hashes, trained_hashes(build), threshold.value)
    return Overlap(seen, threshold, folded(near, len(seen), np.min))


def _by_detector(
    samples: Samples, sets: Sequence[SetPictures], method: Search, rate: float
) -> Iterator[tuple[Threshold, Neighbours]]:
    """Each set's threshold, and the candidates above it; the build is embedded once for all."""
    detector = with_background(method, samples)
    embedded = [seen.embedded.all() for seen in sets if seen.embedded is not None]
    thresholds = [
        score_threshold(seen, detector, embeddings, rate)
        if method.threshold is None
        else Threshold(method.threshold, None, 0, "given")
        for seen, embeddings in zip(sets, embedded, strict=True)
    ]
    rows = [embeddings.reshape(-1, embeddings.shape[-1]) for embeddings in embedded]
    sought = np.concatenate([detector.sought(embeddings) for embeddings in rows])
    least = np.concatenate(
        [
            np.full(len(embeddings), threshold.value)
            for embeddings, threshold in zip(rows, thresholds, strict=True)
        ]
    )

    def trained(step: Step) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for ids, pictures in all_pictures(samples, detector.side):
            yield ids, detector.compared(detector.embed(pictures))
            step.update(len(ids))

    with shown("embed", len(samples), "images", rate=True) as step:
        near = near_vectors(sought, trained(step), least)
    begin = 0
    for seen, threshold, embeddings in zip(sets, thresholds, rows, strict=True):
        end = begin + len(embeddings)
        yield threshold, folded(_rows(near, begin, end), len(seen), np.max)
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
    """The overlap with those candidates, of detector and hash, whose pixels agree.

    What is within EQUAL_BITS of pHash needs no second check.
    """
    by_hash = overlap.by_hash
    near = by_hash.value > EQUAL_BITS
    alike, n_left = _agreeing(overlap.seen, by_hash.where(near), samples)
    kept = ~near
    kept[near] = alike >= LEAST_AGREEMENT
    likenesses, n_unchecked = _agreeing(overlap.seen, candidates, samples)
    agree = likenesses >= LEAST_AGREEMENT
    return Overlap(
        overlap.seen,
        threshold,
        by_hash.where(kept),
        candidates.where(agree),
        likenesses[agree],
        len(agree) + len(alike),
        n_left + n_unchecked,
    )


def _agreeing(
    seen: SetPictures, candidates: Neighbours, samples: Samples
) -> tuple[np.ndarray, int]:
    """How well the pixels of each candidate agree, (K,), and how many were not compared: 0."""
    likenesses = np.zeros(len(candidates.row))
    compared = within_most(candidates.row, MOST_CANDIDATES)
    asked = candidates.where(compared)
    likenesses[compared] = agreements_beside(samples, seen.thumbnails, asked.row, asked.pair_id)
    return likenesses, int((~compared).sum())
