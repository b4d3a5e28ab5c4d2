"""Near duplicates among a build's own pictures: groups, their sizes, and their share.

A group is a connected component of the graph of near duplicates. Groups are counted by perceptual
hash, at every radius that a build may drop by, and by the learned detector, whose candidates pass
the second check (trainer/copies/alignment.py).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from queries.tables.parts import write_json
from trainer.copies.alignment import LEAST_AGREEMENT, likenesses_of
from trainer.copies.neighbours import near_hashes, near_vectors, trained_hashes
from trainer.copies.synthetic import SIDE
from trainer.copies.thumbnails import all_pictures, mirrored, pictures_of
from trainer.data.reading import read_samples
from trainer.evaluation.results import percent
from trainer.overlap.search import Search, own_threshold, with_background
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
    near = near_hashes(hashes, blocks, max(radii))
    all_groups = []
    for radius in radii:
        within = near.where(near.value <= radius)
        all_groups.append(groups("phash", radius, ids, ids[within.row], within.pair_id))
    if method.detector is not None:
        all_groups.append(_by_detector(build, ids, method))
    if run is not None:
        rows = [asdict(group) | {"share": group.share} for group in all_groups]
        write_json(run.root / "duplicates.json", {"build_version": build.name, "groups": rows})
    return all_groups


def _by_detector(build: Path, ids: np.ndarray, method: Search) -> Groups:
    """Groups by the learned detector: pairs, straight or mirrored, whose pixels agree."""
    samples = read_samples(build, SIDE)
    detector = with_background(method, samples)
    limit = method.threshold
    if limit is None:
        limit = own_threshold(detector, method.rate or RATE).value
    seen, straight, turned = [], [], []
    for block_ids, pictures in all_pictures(samples):
        seen.append(block_ids)
        straight.append(detector.embed(pictures))
        turned.append(detector.embed(mirrored(pictures)))
    known_ids, embeddings = np.concatenate(seen), np.concatenate(straight)
    sought = detector.sought(np.concatenate([embeddings, *turned]))
    near = near_vectors(sought, [(known_ids, detector.compared(embeddings))], limit)
    first = known_ids[near.row % len(known_ids)]
    pairs = np.unique(np.sort(np.column_stack([first, near.pair_id]), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    pictures_by_id = pictures_of(samples, set(pairs.ravel().tolist()))
    first_pictures, second_pictures = (
        [pictures_by_id[pair_id] for pair_id in column.tolist()] for column in pairs.T
    )
    kept = pairs[likenesses_of(first_pictures, second_pictures) >= LEAST_AGREEMENT]
    return groups(detector.name, limit, ids, kept[:, 0], kept[:, 1])


def groups(
    detector: str, threshold: float, ids: np.ndarray, first: np.ndarray, second: np.ndarray
) -> Groups:
    """The connected components of near pairs (first, second), (P,) each, of `ids` (N,), ascending.

    >>> groups("phash", 0, np.array([5, 6, 7, 8]), np.array([5, 6]), np.array([6, 7])).sizes
    {3: 1}
    """
    n = len(ids)
    ends = np.searchsorted(ids, first), np.searchsorted(ids, second)
    graph = coo_array((np.ones(len(first), bool), ends), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    sizes = np.bincount(group)
    sizes, counts = np.unique(sizes[sizes > 1], return_counts=True)
    by_size = dict(zip(sizes.tolist(), counts.tolist(), strict=True))
    return Groups(
        detector,
        float(threshold),
        n,
        int(counts.sum()),
        int((sizes * counts).sum()),
        max(by_size, default=1),
        by_size,
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
