"""The second check of many candidates, in bounded memory: pictures are read a batch at a time."""

from collections.abc import Sequence

import numpy as np

from trainer.copies.alignment import CHECKED, LEAST_AGREEMENT, likenesses_of
from trainer.copies.components import Components
from trainer.copies.thumbnails import pictures_of
from trainer.data.samples import Samples

MOST_TRIES = 64  # candidates of a picture, the nearest, whose pixels are compared at a time
BATCH = 4_096  # pictures that are read at a time: 110 MB
WAITING = 1 << 20  # candidates of components, before their pixels are compared


class SecondCheck:
    """Joins the pictures whose pixels agree, of candidates that come in blocks.

    A candidate within one component is not looked at: of a group of n copies about n pairs are
    compared, not n * n. A picture has MOST_TRIES candidates that fail; the rest is `unchecked`.
    """

    def __init__(self, samples: Samples, ids: np.ndarray, components: Components):
        self._samples, self._ids, self._components = samples, ids, components
        self._waiting: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._n = self.unchecked = 0

    def add(self, first: np.ndarray, second: np.ndarray, scores: np.ndarray) -> None:
        """Candidates (P,): the rows of two pictures in `ids`, and how near they are."""
        apart = self._components.apart(first, second)
        if apart.any():
            self._waiting.append((first[apart], second[apart], scores[apart]))
            self._n += int(apart.sum())
        if self._n >= WAITING:
            self.finish()

    def finish(self) -> None:
        """Compare the pixels of all candidates that wait."""
        if not self._waiting:
            return
        first, second, scores = map(np.concatenate, zip(*self._waiting, strict=True))
        self._waiting, self._n = [], 0
        nearest = np.argsort(-scores, kind="stable")
        pairs = np.sort(np.column_stack([first, second])[nearest], axis=1)
        for _ in range(MOST_TRIES):
            pairs = pairs[self._components.apart(*pairs.T)]
            if not len(pairs):
                return
            _, tried = np.unique(pairs[:, 1], return_index=True)  # the nearest of each
            agree = agreements(self._samples, self._ids[pairs[tried]]) >= LEAST_AGREEMENT
            self._components.join(*pairs[tried[agree]].T)
            pairs = np.delete(pairs, tried, axis=0)
        self.unchecked += int(self._components.apart(*pairs.T).sum())


def agreements(samples: Samples, pairs: np.ndarray) -> np.ndarray:
    """The likeness (P,) of the pictures of pairs (P, 2) of pair_ids; 0 for an unreadable one."""
    values = np.zeros(len(pairs))
    for at in range(0, len(pairs), BATCH // 2):
        batch = pairs[at : at + BATCH // 2]
        pictures = pictures_of(samples, set(batch.ravel().tolist()), CHECKED)
        rows = [row for row, pair in enumerate(batch.tolist()) if set(pair) <= pictures.keys()]
        sides = ([pictures[pair_id] for pair_id in batch[rows, side].tolist()] for side in (0, 1))
        values[at + np.array(rows, np.int64)] = likenesses_of(*sides)
    return values


def agreements_beside(
    samples: Samples, thumbnails: Sequence[np.ndarray], rows: np.ndarray, pair_ids: np.ndarray
) -> np.ndarray:
    """The likeness (K,) of each row's thumbnail to the picture of its pair; 0: unreadable."""
    values = np.zeros(len(rows))
    order = np.argsort(pair_ids, kind="stable")
    for at in range(0, len(order), BATCH):
        batch = order[at : at + BATCH]
        pictures = pictures_of(samples, set(pair_ids[batch].tolist()), CHECKED)
        batch = batch[[pair_id in pictures for pair_id in pair_ids[batch].tolist()]]
        others = [pictures[pair_id] for pair_id in pair_ids[batch].tolist()]
        values[batch] = likenesses_of([thumbnails[row] for row in rows[batch].tolist()], others)
    return values
