"""The token ids of captions, kept once they are made: a later epoch splits no caption again."""

from collections.abc import Callable

import numpy as np

MOST_BYTES = 1 << 30  # kept: some 14 million captions of the usual length
ROW_BYTES = 10  # of a row, beside its ids: where they begin, and how many they are


class Ids:
    """Ids by the row of their caption; what finds no room is made anew each time.

    One thread asks at a time.
    """

    def __init__(self, most_bytes: int = MOST_BYTES):
        self.most_bytes = most_bytes
        self._begins, self._lengths = np.zeros(0, np.int64), np.zeros(0, np.uint16)
        self._ids, self._end = np.zeros(0, np.uint32), 0  # the first `end` of them are in use

    def tokens(
        self, rows: np.ndarray, encoded: Callable[[np.ndarray], np.ndarray], n_rows: int
    ) -> np.ndarray:
        """The token ids int64 (B, T) of the rows, zeros behind the shorter ones.

        encoded: the ids (b, t) of some of `rows`, by their places there. n_rows: of all captions.

        >>> ids, rows = Ids(), np.array([2, 0])
        >>> ids.tokens(rows, lambda at: np.array([[5, 9, 0], [5, 7, 9]])[at], 3).tolist()
        [[5, 9, 0], [5, 7, 9]]
        >>> ids.tokens(np.array([2]), lambda at: np.zeros((len(at), 2), np.int64), 3).tolist()
        [[5, 9]]
        """
        if n_rows * ROW_BYTES > self.most_bytes // 2:
            return encoded(np.arange(len(rows)))
        if len(self._begins) != n_rows:
            self._begins, self._lengths = np.full(n_rows, -1), np.zeros(n_rows, np.uint16)
        is_kept = self._begins[rows] >= 0
        new = np.flatnonzero(~is_kept)
        kept, made = self._read(rows[is_kept]), encoded(new)
        both = np.zeros((len(rows), max(kept.shape[1], made.shape[1])), np.int64)
        both[is_kept, : kept.shape[1]] = kept
        both[new, : made.shape[1]] = made
        self._keep(rows[new], made)
        return both

    def _read(self, rows: np.ndarray) -> np.ndarray:
        lengths = self._lengths[rows]
        place = np.arange(lengths.max(initial=2))
        at = self._begins[rows][:, None] + place
        return np.where(place < lengths[:, None], self._ids.take(at, mode="clip"), 0)

    def _keep(self, rows: np.ndarray, made: np.ndarray) -> None:
        """Keep the ids of a row up to their end token, which is the highest of them."""
        lengths = made.argmax(axis=1) + 1 if len(made) else np.zeros(0, np.int64)
        end = self._end + int(lengths.sum())
        room = (self.most_bytes - len(self._begins) * ROW_BYTES) // self._ids.itemsize
        if not len(rows) or end > room:
            return
        if end > len(self._ids):
            larger = np.empty(min(room, max(end, 2 * len(self._ids))), self._ids.dtype)
            larger[: self._end] = self._ids[: self._end]
            self._ids = larger
        self._ids[self._end : end] = made[np.arange(made.shape[1]) < lengths[:, None]]
        self._begins[rows] = self._end + np.cumsum(lengths) - lengths
        self._lengths[rows] = lengths
        self._end = end
