"""Near duplicates among a build's own pictures: groups, their sizes, and their share.

A group is a connected component of the graph of near duplicates. Groups are counted by perceptual
hash, at every radius that a build may drop by, and by the learned detector, whose candidates pass
the second check (trainer/copies/alignment.py).
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.table import Table

from queries.tables.parts import write_json
from trainer.copies.components import Components, near_hash_pairs, near_vector_pairs
from trainer.copies.detector import Detector
from trainer.copies.neighbours import trained_hashes
from trainer.copies.second_check import MOST_TRIES, SecondCheck
from trainer.copies.thumbnails import all_pictures
from trainer.data.reading import read_samples
from trainer.data.samples import Samples
from trainer.evaluation.results import percent
from trainer.overlap.choosing import own_threshold
from trainer.overlap.search import Search, side_of, with_background
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError

RADII = (0, 2, 4, 6)  # bits of pHash: up to what a build can be asked to drop
RATE = 1e-6  # of false candidates, per pair: at which the detector's own threshold is taken


@dataclass(frozen=True)
class Groups:
    """The groups by one detector at one threshold: how many pictures they hold, and their sizes."""

    detector: str
    threshold: float  # bits, or a score
    pictures: int
    groups: int
    grouped: int  # pictures in a group of two and more
    largest: int
    sizes: dict[int, int]  # size of a group to the number of such groups
    unchecked: int = 0  # candidates beyond what the second check looks at: see SecondCheck

    @property
    def share(self) -> float:
        """The share of the pictures, 0..1, that would go if one of each group stayed."""
        return (self.grouped - self.groups) / self.pictures


def duplicates(build: Path, run: RunFolder | None, method: Search) -> list[Groups]:
    """The groups by the hash at each radius, and by the detector; kept in RUN/duplicates.json.

    Raises TrainerError for a build without samples.
    """
    blocks = list(trained_hashes(build))
    if not blocks:
        raise TrainerError(f"{build}: no samples, expected some")
    ids, hashes = (np.concatenate(column) for column in zip(*blocks, strict=True))
    radii = RADII if method.detector or method.threshold is None else (method.threshold,)
    all_groups = groups_by_hash(hashes, radii)
    if method.detector is not None:
        all_groups.append(_by_detector(build, ids, hashes, method))
    if run is not None:
        rows = [asdict(group) | {"share": group.share} for group in all_groups]
        write_json(run.root / "duplicates.json", {"build_version": build.name, "groups": rows})
    return all_groups


def groups_by_hash(hashes: np.ndarray, radii: Sequence[float]) -> list[Groups]:
    """The groups of int64 hashes (N,) at each radius, in bits. Equal hashes are compared once.

    >>> [within.sizes for within in groups_by_hash(np.array([6, 6, 7, 0]), (0, 1))]
    [{2: 1}, {3: 1}]
    """
    different, node = np.unique(hashes, return_inverse=True)
    components = {radius: Components(len(different)) for radius in radii}
    if max(radii) >= 1:
        for first, second, bits in near_hash_pairs(different, int(max(radii))):
            for radius, joined in components.items():
                near = bits <= radius
                joined.join(first[near], second[near])
    return [groups("phash", radius, joined.label[node]) for radius, joined in components.items()]


def _by_detector(build: Path, ids: np.ndarray, hashes: np.ndarray, method: Search) -> Groups:
    """Groups by the learned detector: pairs, straight or mirrored, whose pixels agree.

    Pictures of equal hashes are one group; the first readable one of them is compared.
    """
    samples = read_samples(build, side_of(method))
    detector = with_background(method, samples)
    limit = method.threshold
    if limit is None:
        limit = own_threshold(detector, method.rate or RATE).value
    _, first_row, node = np.unique(hashes, return_index=True, return_inverse=True)
    components = Components(len(ids))
    components.join(first_row[node], np.arange(len(ids)))
    with TemporaryDirectory() as folder:
        rows, vectors = _vectors(detector, samples, ids, components, Path(folder))
        check = SecondCheck(samples, ids, components)
        for first, second, scores in near_vector_pairs(*vectors, limit):
            check.add(rows[first], rows[second], scores)
        check.finish()
    return groups(detector.name, limit, components.label, check.unchecked)


def _vectors(
    detector: Detector, samples: Samples, ids: np.ndarray, components: Components, folder: Path
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows of `ids` (R,), and of each row what is sought, its mirror image, and what is compared.

    The three (R, D) are files in the folder: memory does not grow with the build.
    """
    taken = np.zeros(len(ids), bool)  # nodes of which a picture is compared
    rows, names, n = [np.empty(0, np.int64)], ("sought", "mirrored", "compared"), 0
    with ExitStack() as stack:
        files = [stack.enter_context((folder / name).open("wb")) for name in names]
        for block_ids, pictures in all_pictures(samples, detector.side):
            block = np.searchsorted(ids, block_ids)
            labels, first = np.unique(components.label[block], return_index=True)
            new = np.sort(first[~taken[labels]])
            taken[labels] = True
            rows.append(block[new])
            straight, turned = np.split(detector.embed_both(pictures[new]), 2)
            for file, vectors in zip(
                files,
                (detector.sought(straight), detector.sought(turned), detector.compared(straight)),
                strict=True,
            ):
                file.write(vectors.tobytes())
                n = vectors.shape[1]
    sought, mirrored, compared = (
        np.memmap(folder / name, np.float32, "r").reshape(-1, n) for name in names
    )
    return np.concatenate(rows), (sought, mirrored, compared)


def groups(detector: str, threshold: float, component: np.ndarray, unchecked: int = 0) -> Groups:
    """What a detector found: pictures of one component, (N,) of any numbers, are one group.

    >>> groups("phash", 0, np.array([5, 5, 5, 8])).sizes
    {3: 1}
    """
    _, sizes = np.unique(component, return_counts=True)
    sizes, counts = np.unique(sizes[sizes > 1], return_counts=True)
    by_size = dict(zip(sizes.tolist(), counts.tolist(), strict=True))
    return Groups(
        detector,
        float(threshold),
        len(component),
        int(counts.sum()),
        int((sizes * counts).sum()),
        max(by_size, default=1),
        by_size,
        unchecked,
    )


def show(all_groups: Sequence[Groups], console: Console) -> None:
    """Print a line for each detector and threshold."""
    table = Table(title=f"near duplicates among {all_groups[0].pictures:,} pictures")
    for name in ("detector", "threshold", "groups", "in them", "largest", "superfluous %"):
        table.add_column(name, justify="left" if name == "detector" else "right")
    for group in all_groups:
        numbers = (group.groups, group.grouped, group.largest)
        table.add_row(
            group.detector,
            f"{group.threshold:g}",
            *(f"{number:,}" for number in numbers),
            percent(group.share),
        )
    console.print(table)
    for group in all_groups:
        if group.unchecked:
            console.print(
                f"{group.detector}: {group.unchecked:,} candidates were not compared by pixels, "
                f"since {MOST_TRIES} nearer ones of their picture did not agree"
            )
