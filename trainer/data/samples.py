"""The samples of a run: their captions, and their pictures by row."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Lock

import numpy as np
import pyarrow as pa

from queries.tables.parts import digest
from trainer.data.pixels import BadPictureError, Room, decode, resized_crop
from trainer.data.shards import Tar, threads

CACHE_BYTES = 1 << 30  # pictures decoded once and kept; beyond it they are decoded every epoch
PICTURE_BYTES = 1 << 26  # a larger file is no sample of ours: it is not read


@dataclass(frozen=True)
class Captions:
    """Several captions of a sample, of which a draw chooses one by its share.

    texts: of all samples in turn. begins, ends (N,): where in `texts` those of a row stand; equal
    for a row that has one caption. until: the sum of the row's shares up to and with a text's.
    """

    texts: pa.ChunkedArray
    begins: np.ndarray
    ends: np.ndarray
    until: np.ndarray

    def chosen(self, row: int, share: float) -> str | None:
        """The caption of a row at this share, 0..1; None: it has one alone."""
        begin, end = int(self.begins[row]), int(self.ends[row])
        if begin == end:
            return None
        at = begin + int(np.searchsorted(self.until[begin:end], share, side="right"))
        return self.texts[min(at, end - 1)].as_py()

    def rows(self, kept: np.ndarray) -> "Captions":
        return Captions(self.texts, self.begins[kept], self.ends[kept], self.until)


def joint(named: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """The version and the digest of several data sets as one; of one its own.

    >>> joint([("1", "ab")]), joint([("1", "ab"), ("2", "cd")])
    (('1', 'ab'), ('c21222ec3c58adf4', 'c21222ec3c58adf4'))
    """
    if len(named) == 1:
        return named[0]
    both = digest([data_digest for _, data_digest in named])
    return both, both


@dataclass
class Samples:
    """Pairs of captions and pictures, and how to read these with a shorter side of `side` pixels.

    Any thread may ask for any picture.
    """

    rows: pa.Table  # key, pair_id, caption
    places: np.ndarray  # (N, 3) int64: tar's number, offset, bytes; -1 bytes: the tar lacks it
    tars: Sequence[Tar]
    side: int
    several: Captions | None = None  # where samples have more captions than one
    parts: tuple[tuple[int, float], ...] = ()  # of the data sets in turn: rows, times an epoch
    corrupt: dict[str, str] = field(default_factory=dict)  # key to what is wrong with it
    missing: dict[str, str] = field(default_factory=dict)  # what is no sample, and why
    named: tuple[tuple[str, str], ...] = ()  # version and digest of each data set
    cache_bytes: int = CACHE_BYTES
    n_decoded: int = 0  # pictures that were decoded, one as often as it was
    _cache: dict[int, np.ndarray] = field(default_factory=dict)
    _cached_bytes: int = 0
    _lock: Lock = field(default_factory=Lock)
    _room: Room = field(default_factory=Room)

    def __len__(self) -> int:
        return self.rows.num_rows

    def chosen(self, kept: np.ndarray, side: int) -> "Samples":
        """The rows of a mask (N,), to be read with a shorter side of `side` pixels."""
        firsts = np.cumsum([0, *(n for n, _ in self.parts)])
        parts = [
            (int(kept[first : first + n].sum()), times)
            for first, (n, times) in zip(firsts, self.parts, strict=False)
        ]
        return replace(
            self,
            rows=self.rows.filter(pa.array(kept)),
            places=self.places[kept],
            side=side,
            several=self.several and self.several.rows(kept),
            parts=tuple(parts),
            corrupt={},
            n_decoded=0,
            _cache={},
            _cached_bytes=0,
            _lock=Lock(),
            _room=Room(),
        )

    @property
    def version(self) -> str:
        """The build's; of other data the digest's first digits."""
        return joint(self.named)[0]

    @property
    def digest(self) -> str:
        """Names the data: a build by its manifest, tars by what they hold."""
        return joint(self.named)[1]

    @property
    def threads(self) -> int:
        """How many threads should read pictures at a time."""
        return threads(remote=any(tar.files is not None for tar in self.tars))

    @cached_property
    def pair_ids(self) -> np.ndarray:
        """int64 (N,): kept, as of several shards they are a copy."""
        return self.rows["pair_id"].to_numpy()

    def key(self, i: int) -> str:
        return self.rows["key"][i].as_py()

    def keys(self, rows: np.ndarray) -> list[str]:
        """The key of each row (n,)."""
        column = self.rows["key"]
        return [column[row].as_py() for row in rows.tolist()]

    def captions(self, rows: np.ndarray, shares: np.ndarray | None = None) -> list[str]:
        """A caption of each row: its first, or of several the one at its share, (n,) in 0..1."""
        captions, several = self.rows["caption"], self.several
        if several is None or shares is None:
            return [captions[row].as_py() for row in rows.tolist()]
        return [
            several.chosen(row, share) or captions[row].as_py()
            for row, share in zip(rows.tolist(), shares.tolist(), strict=True)
        ]

    def fill(self, i: int, down: float, right: float, out: np.ndarray) -> bool:
        """Fill `out` (S, S, 3) with a square of picture i; False if the picture is corrupt.

        The fault of a corrupt picture is kept in `corrupt` under its key; it is not tried again.
        """
        image = self._cache.get(i)
        if image is None:
            if self.corrupt and self.key(i) in self.corrupt:
                return False
            try:
                image = self._decoded(i)
            except BadPictureError as error:
                self.corrupt[self.key(i)] = str(error)
                return False
        resized_crop(image, self.side, down, right, out)
        return True

    def picture(self, i: int) -> np.ndarray:
        """Picture i, (H, W, 3), as `_decoded`, but nothing is kept. Raises BadPictureError."""
        return decode(self.bytes_of(i), self.side)

    def _decoded(self, i: int) -> np.ndarray:
        """Picture i, (H, W, 3), as small as its JPEG can be decoded with `side` pixels or more."""
        image = decode(self.bytes_of(i), self.side, self._room)
        with self._lock:
            self.n_decoded += 1
            if self._cached_bytes + image.nbytes > self.cache_bytes:
                return image
            self._cached_bytes += image.nbytes
        self._cache[i] = image.copy()
        return image

    def bytes_of(self, i: int) -> bytes:
        """The file of picture i. Raises BadPictureError where the tar lacks it."""
        tar, begin, size = self.places[i].tolist()
        if size < 0:
            raise BadPictureError("the tar has no such picture")
        if size > PICTURE_BYTES:
            raise BadPictureError(f"{size} bytes: expected at most {PICTURE_BYTES}")
        return self.tars[tar].read((begin, size))
