"""The threshold of a search, chosen on pairs of an evaluation set that are known to differ."""

from collections.abc import Iterator

import numpy as np

from trainer.copies.detector import Detector
from trainer.copies.neighbours import bits_between
from trainer.copies.thresholds import (
    LEAST_PAIRS,
    MOST_TAIL,
    Greatest,
    Threshold,
    above_rate,
    bits_within_rate,
)
from trainer.overlap.set_pictures import SetPictures
from trainer.settings import TrainerError

EQUAL_BITS = 2  # of pHash: pictures within them are the same, whatever the score
MOST_CALIBRATED = 8_192  # pictures of a set whose pairs are compared
BLOCK = 1_024


def hash_threshold(seen: SetPictures, rate: float) -> Threshold:
    """The most bits of pHash by which two near pictures differ, chosen on a set.

    A pair is as near as the nearer of the picture and of its mirror image, as in the search. Where
    pictures have no class, pairs within EQUAL_BITS may be one picture twice, and are left out.
    """
    hashes, turned = (np.array(column) for column in (seen.hashes, seen.mirror_hashes))

    def distances() -> Iterator[np.ndarray]:
        for rows, others, differ in pairs_that_differ(seen):
            straight = bits_between(hashes[rows], hashes[others])
            bits = np.minimum(straight, bits_between(turned[rows], hashes[others]))[differ]
            yield bits if seen.has_classes else bits[bits > EQUAL_BITS]

    threshold = bits_within_rate(distances(), rate)
    return (
        threshold if threshold.n_pairs >= LEAST_PAIRS else Threshold(EQUAL_BITS, None, 0, "default")
    )


def pairs_that_differ(
    seen: SetPictures,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Blocks (rows (B,), others (N,), mask bool (B, N)) of pairs that are known to differ, once."""
    others = calibrating(len(seen))
    for at in range(0, len(others), BLOCK):
        rows = others[at : at + BLOCK]
        yield rows, others, seen.differ(rows, others) & (rows[:, None] < others[None])


def score_threshold(
    seen: SetPictures, detector: Detector, embeddings: np.ndarray, rate: float
) -> Threshold:
    """The least score at which false positives keep to the rate; embeddings (V, E, D).

    Measured on pairs that are known to differ, each by the greatest of its scores in V
    orientations, as in the search. Pairs within EQUAL_BITS are left out: they are one picture that
    stands in two classes.
    """
    n, hashes = len(seen), np.array(seen.hashes)
    n_pairs = len(calibrating(n)) ** 2 / 2
    scores = Greatest(max(MOST_TAIL, int(n_pairs * rate) + 2))
    views = [detector.sought(view) for view in embeddings]
    compared = detector.compared(embeddings[0])
    for rows, others, differ in pairs_that_differ(seen):
        mask = differ & (bits_between(hashes[rows], hashes[others]) > EQUAL_BITS)
        theirs = compared[others].T
        scores.add(np.max([view[rows] @ theirs for view in views], axis=0)[mask])
    if scores.n >= LEAST_PAIRS:
        return above_rate(scores, rate)
    return own_threshold(detector, rate)


def own_threshold(detector: Detector, rate: float) -> Threshold:
    """The least score that a detector's file notes for the rate, or for the next lower rate noted.

    Below all rates noted, the line through the two least goes on, on a logarithmic axis. Raises
    TrainerError if the file notes no rate.
    """
    thresholds = {float(key): value for key, value in detector.about["thresholds"].items()}
    if not thresholds:
        raise TrainerError(
            f"{detector.name} knows no threshold (ours knows one if trained on enough pictures, an "
            "ONNX network if its .toml has thresholds), and too few pairs are of different classes "
            "to choose one: expected --threshold"
        )
    lower = [noted for noted in thresholds if noted <= rate]
    if lower:
        return Threshold(thresholds[max(lower)], max(lower), 0, "detector")
    least, *more = sorted(thresholds)
    slope = 0.0
    if more:
        slope = (thresholds[least] - thresholds[more[0]]) / np.log(more[0] / least)
    value = thresholds[least] + max(0.0, slope) * np.log(least / rate)
    return Threshold(float(value), least, 0, "beyond")


def calibrating(n: int) -> np.ndarray:
    """The rows whose pairs are compared: all n, or MOST_CALIBRATED spread evenly over the set."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST_CALIBRATED)).round().astype(np.int64))
