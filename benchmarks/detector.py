"""The learned copy detector beside pHash and a colour thumbnail, on pictures it never saw.

    python -m benchmarks.detector [--quick] [--detector FILE] [--photographs TAR]

It is trained by `trainer detector` on drawings and photographs of packages (npm, Debian), within
600 CPU seconds, unless a FILE is named. It is tested on other pictures: 1,000 of OpenMoji's
drawings and a tar of photographs (default: `../shared`, 3,781 photographs of clothes, many on one
floor). Every test picture is changed in eight ways, and sought, straight and mirrored, among all
originals. Recall is the share found at a score that a stated share of pairs which are known to
differ reaches. Pairs that are near duplicates by nature are left out by a rule that knows nothing
of the learned detector (`alike`). The last part seeks every changed picture among test and training
pictures together, as `trainer overlap` does, with the second check.
"""

import argparse
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.detector_pictures import drawings, training_build
from benchmarks.harness import Row, cpu_seconds, show
from benchmarks.phash import (
    CLOTHES,
    colour_shift,
    cropped,
    half_size,
    jpeg_50,
    mirrored,
    overlaid_text,
)
from queries.pixels.fingerprint import phash
from trainer.copies.alignment import LEAST_AGREEMENT, likeness
from trainer.copies.detector import Detector, load
from trainer.copies.neighbours import bits_between
from trainer.copies.synthetic import SIDE
from trainer.copies.thumbnails import all_pictures, thumbnail
from trainer.copies.training import Budget, train
from trainer.data.pixels import decode
from trainer.data.reading import read_samples
from trainer.overlap.search import EQUAL_BITS, MOST_RATE

SECONDS = 560  # of CPU; a step and the calibration come on top
COLOUR_SIDE = 16  # pixels of the thumbnail
ALIKE_BITS, ALIKE_COLOURS = 10, 0.9  # near duplicates by nature
RATES = (1e-6, 1e-5, 1e-4)
MAIN_RATE = RATES[0]
N_CHECKED = 1_200  # pictures, of whose candidates the pixels are compared
N_SOUGHT = 500  # pictures of the last part
QUICK_STEPS = 10
TARGETS = {
    "JPEG 50": 99,
    "half size": 99,
    "crop 5%": 99,
    "crop 20%": 45,
    "mirrored": 99,
    "text": 95,
    "colour": 98,
    "rotation 5": 99,
}

Pixels = np.ndarray  # (H, W, 3), RGB uint8
Scores = Callable[[str], np.ndarray]  # a change's name -> (changed, originals)


def rotated(pixels: Pixels) -> Pixels:
    """By five degrees, the corners black, as image programs do it."""
    height, width, _ = pixels.shape
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 5, 1)
    return cv2.warpAffine(pixels, turn, (width, height), flags=cv2.INTER_LINEAR)


CHANGES: Mapping[str, Callable[[Pixels], Pixels]] = {
    "unchanged": lambda pixels: pixels,
    "JPEG 50": jpeg_50,
    "half size": half_size,
    "crop 5%": lambda pixels: cropped(pixels, 0.05),
    "crop 20%": lambda pixels: cropped(pixels, 0.2),
    "mirrored": mirrored,
    "text": overlaid_text,
    "colour": colour_shift,
    "rotation 5": rotated,
}


class Views:
    """Every test picture changed in every way, as each method sees it."""

    def __init__(self, pictures: list[Pixels], kinds: list[str]):
        self.n = len(pictures)
        self.kinds = np.array(kinds)
        self.small: dict[str, np.ndarray] = {}
        self.hashes: dict[str, np.ndarray] = {}
        self.colours: dict[str, np.ndarray] = {}
        for name, change in CHANGES.items():
            changed = [change(one) for one in pictures]
            self.small[name] = np.stack([thumbnail(one) for one in changed])
            both = [[phash(one), phash(mirrored(one))] for one in changed]
            self.hashes[name] = np.array(both, np.int64)
            self.colours[name] = np.stack([thumbnail(one, COLOUR_SIDE) for one in changed])

    def by_hash(self, name: str) -> np.ndarray:
        """Minus the bits that differ, of the picture or of its mirror image."""
        originals = self.hashes["unchanged"][:, 0]
        straight, turned = (bits_between(side, originals) for side in self.hashes[name].T)
        return -np.minimum(straight, turned).astype(np.float32)

    def by_colours(self, name: str) -> np.ndarray:
        """The correlation of thumbnails, straight or mirrored."""
        originals = unit(self.colours["unchanged"])
        straight, turned = (unit(self.colours[name][:, :, ::step]) for step in (1, -1))
        return np.maximum(straight @ originals.T, turned @ originals.T)

    def alike(self) -> np.ndarray:
        """bool (N, N): near duplicates by nature, and each picture itself.

        Originals, straight or mirrored, within ALIKE_BITS of pHash or with thumbnails whose
        correlation is ALIKE_COLOURS: a garment photographed twice. And drawings of one kind:
        flags, clock faces, signs of one frame.
        """
        near = (self.by_hash("unchanged") >= -ALIKE_BITS) | (
            self.by_colours("unchanged") >= ALIKE_COLOURS
        )
        return near | near.T | (self.kinds[:, None] == self.kinds)


class Learned:
    """Scores of the learned detector, its background the originals that are searched."""

    def __init__(self, found: Detector, views: Views):
        self.views = views
        self.found = found.beside(views.small["unchanged"])
        self.originals = self.found.compared(self.found.embed(views.small["unchanged"])).T

    def __call__(self, name: str) -> np.ndarray:
        small = self.views.small[name]
        straight, turned = (
            self.found.sought(self.found.embed(side)) @ self.originals
            for side in (small, mirrored_all(small))
        )
        return np.maximum(straight, turned)


def mirrored_all(pictures: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pictures[:, :, ::-1])


def unit(pictures: np.ndarray) -> np.ndarray:
    """(N, …) -> (N, D) float32 of mean 0 and length 1."""
    rows = pictures.reshape(len(pictures), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6)


def quality(
    scores: Scores, alike: np.ndarray, rows: np.ndarray | None = None
) -> dict[float, dict[str, float]]:
    """For each rate, the recall of each change, in percent; of some changed pictures or of all."""
    rows = np.arange(len(alike)) if rows is None else rows
    differ = ~alike[rows]
    n_pairs = len(CHANGES) * int(differ.sum())
    most = int(max(RATES) * n_pairs) + 1
    own, greatest = {}, np.empty(0, np.float32)
    for name in CHANGES:
        found = scores(name)
        own[name] = found[np.arange(len(rows)), rows].copy()
        greatest = largest(np.concatenate([greatest, found[differ]]), most)
    greatest = np.sort(greatest)[::-1]
    limits = {rate: greatest[int(rate * n_pairs)] for rate in RATES}
    return {
        rate: {name: round(100 * float((own[name] > limit).mean()), 2) for name in TARGETS}
        for rate, limit in limits.items()
    }


def largest(values: np.ndarray, most: int) -> np.ndarray:
    return np.partition(values, -most)[-most:] if len(values) > most else values


def checked(scores: Scores, views: Views, alike: np.ndarray, rows: np.ndarray) -> Scores:
    """The learned scores after the second check: of pairs above MOST_RATE, how well they agree."""
    differ = ~alike[rows]
    most = int(MOST_RATE * len(CHANGES) * int(differ.sum())) + 1
    greatest = np.empty(0, np.float32)
    for name in CHANGES:
        greatest = largest(np.concatenate([greatest, scores(name)[rows][differ]]), most)
    limit = float(greatest.min())

    def of(name: str) -> np.ndarray:
        found = scores(name)[rows]
        agreed = np.full(found.shape, -1, np.float32)
        for at, column in np.argwhere(found >= limit):
            row = rows[at]
            if row == column or differ[at, column]:
                one, other = views.small[name][row], views.small["unchanged"][column]
                agreed[at, column] = likeness(one, other)
        return agreed

    return of


def whole_set(found: Detector, views: Views, trained: np.ndarray, alike: np.ndarray) -> dict:
    """Changed test pictures sought among all originals and the training pictures (K, …) together.

    Candidates at one false one a picture, MOST_RATE a pair at most; then the second check, and
    what the hash finds equal. A false alarm is a picture for which something else is taken.
    """
    originals = np.concatenate([views.small["unchanged"], trained])
    found = found.beside(originals[:: max(1, len(originals) // 8_192)])
    compared = found.compared(found.embed(originals)).T
    rows = some_rows(views.n, N_SOUGHT)
    known = np.zeros((len(rows), len(originals)), bool)
    known[:, : views.n] = alike[rows]
    scores = {}
    for name in CHANGES:
        small = views.small[name][rows]
        sides = (
            found.sought(found.embed(side)) @ compared for side in (small, mirrored_all(small))
        )
        scores[name] = np.maximum(*sides)
    rate = min(MOST_RATE, 1 / len(originals))
    n_false = int(rate * len(CHANGES) * int((~known).sum()))
    others = np.concatenate([one[~known] for one in scores.values()])
    limit = float(np.partition(others, -n_false - 1)[-n_false - 1])
    recall, candidates, alarms = {}, 0, 0
    for name, one in scores.items():
        taken = np.zeros_like(known)
        for row, column in np.argwhere(one > limit):
            picture = views.small[name][rows[row]]
            taken[row, column] = likeness(picture, originals[column]) >= LEAST_AGREEMENT
        candidates += int((one > limit)[~known].sum())
        alarms += int((taken & ~known).any(axis=1).sum())
        equal = views.by_hash(name)[rows, rows] >= -EQUAL_BITS
        recall[name] = 100 * float((taken[np.arange(len(rows)), rows] | equal).mean())
    looked = len(rows) * len(CHANGES)
    return {
        "searched": len(originals),
        "pictures": looked,
        "false_candidates_a_picture": round(candidates / looked, 4),
        "false_alarms_percent": round(100 * alarms / looked, 3),
        "recall": {name: round(recall[name], 2) for name in TARGETS},
        "mean_recall": round(float(np.mean([recall[name] for name in TARGETS])), 2),
    }


def some_rows(n: int, most: int) -> np.ndarray:
    """The numbers of about so many of n pictures, spread over all."""
    return np.arange(0, n, max(1, n // most))


def photographs(path: Path, quick: bool) -> list[Pixels]:
    """The pictures of a tar, in order; none if it is not there."""
    if not path.exists():
        print(f"{path} is not on this machine: no photographs are tested", file=sys.stderr)
        return []
    with tarfile.open(path) as tar:
        members = [one for one in tar if one.name.endswith(".jpg")][:: 40 if quick else 1]
        files = map(tar.extractfile, members)
        return [decode(file.read()) for file in files if file]


def print_table(found: Mapping[str, Mapping[float, Mapping[str, float]]]) -> None:
    grid = Grid("method", "false positives a pair", *TARGETS, "mean")
    for method, rates in found.items():
        for rate, recall in rates.items():
            mean = float(np.mean(list(recall.values())))
            grid.add_row(
                method, f"{rate:g}", *(f"{one:.1f}" for one in recall.values()), f"{mean:.1f}"
            )
    grid.add_row("asked for", f"{MAIN_RATE:g}", *(str(one) for one in TARGETS.values()), "92")
    Console(width=150).print(grid)


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.detector", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data: ends within a minute")
    parser.add_argument("--detector", type=Path, metavar="FILE", help="one that is trained already")
    parser.add_argument("--photographs", type=Path, default=CLOTHES, metavar="TAR")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="where to keep what is trained")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        build = training_build(Path(scratch), options.quick)
        trained_s = 0.0
        path = options.detector or options.keep or Path(scratch) / "detector.safetensors"
        if options.detector is None:
            before = cpu_seconds()
            budget = Budget(QUICK_STEPS) if options.quick else Budget(10_000, SECONDS)
            train(build, path, budget)
            trained_s = cpu_seconds() - before
        detector = load(path)
        samples = read_samples(build, SIDE)
        trained = np.concatenate([pictures for _, pictures in all_pictures(samples)])
    photos = photographs(options.photographs, options.quick)
    drawn, kinds = drawings(options.quick)
    views = Views([*photos, *drawn], [*(f"photograph {n}" for n in range(len(photos))), *kinds])
    alike = views.alike()
    learned = Learned(detector, views)
    methods: dict[str, Scores] = {
        "pHash": views.by_hash,
        f"thumbnail {COLOUR_SIDE} x {COLOUR_SIDE}": views.by_colours,
        "learned": learned,
    }
    found = {name: quality(scores, alike) for name, scores in methods.items()}
    some = some_rows(views.n, N_CHECKED)
    found["learned, checked"] = quality(checked(learned, views, alike, some), alike, some)
    print_table(found)
    whole = whole_set(detector, views, trained, alike)
    ours, peer = (found[name][MAIN_RATE] for name in ("learned, checked", "pHash"))
    rows = [Row(f"recall, {name}", "%", [ours[name]], "pHash", [peer[name]]) for name in TARGETS]
    show(
        f"Copies found at {MAIN_RATE:g} false positives a pair",
        rows,
        cpu_seconds_of_training=round(trained_s or detector.about["cpu_seconds"], 1),
        steps=detector.about["steps"],
        training_pictures=len(trained),
        tested_pictures=views.n,
        pairs_left_out=(int(alike.sum()) - views.n) // 2,
        pairs=len(CHANGES) * int((~alike).sum()),
        pictures_checked=len(some),
        whole_set=whole,
        quality=found,
    )


if __name__ == "__main__":
    main()
