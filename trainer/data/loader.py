"""Pairs to batches: a hashed order of a build's samples, decoded pictures and token ids.

Order, crops and the borders of batches are functions of seed, epoch and pair_ids alone, so a batch
is the same however it is loaded, by whom, and from which step on.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import cv2
import numpy as np

from trainer.data.ids import Ids
from trainer.data.samples import Samples
from trainer.model.tokenizer import Tokenizer

CHUNK = 16  # pictures that a thread decodes at a time: fewer cost more to hand over
FIXED = 1 << 40  # the number of no epoch: of an order that no epoch changes
COPY = np.uint64(0x9E3779B97F4A7C15)  # what the draws of two showings of a row differ by
AHEAD = 2  # batches under way at once, so that no thread idles at a border of batches


@dataclass
class Batch:
    """Images uint8 (B, 3, H, W), token ids int64 (B, T), keys, pair_ids int64 (B,) and draws
    uint64 (B,), row by row of one pair. A draw decides all that is chance about its row."""

    images: np.ndarray
    tokens: np.ndarray
    keys: list[str] = field(default_factory=list)
    pair_ids: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    draws: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    _give_back: Callable[[], None] | None = None

    def release(self) -> None:
        """Let the loader use the memory of `images` again: call it when nothing reads them.

        A batch that is never released keeps its memory, and the loader takes more.
        """
        give_back, self._give_back = self._give_back, None
        if give_back:
            give_back()


def mixed(values: np.ndarray) -> np.ndarray:
    """splitmix64's finaliser over uint64: a bijection that scatters neighbouring values."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def draws(pair_ids: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """One uint64 per pair (N,), a hash of seed, epoch and pair_id alone."""
    base = mixed(np.array([seed], np.uint64) + np.uint64(0x9E3779B97F4A7C15))
    return mixed(pair_ids.astype(np.uint64) ^ mixed(base + np.uint64(epoch)))


def order(pair_ids: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """The rows (N,) in the order of an epoch: by their draw."""
    return np.argsort(draws(pair_ids, seed, epoch), kind="stable")


def shown_rows(
    pair_ids: np.ndarray, parts: Sequence[tuple[int, float]], seed: int, epoch: int
) -> tuple[np.ndarray, np.ndarray]:
    """The rows that an epoch shows, in no order, and the draw of each showing.

    parts: of the data sets in turn, the number of their rows and how often an epoch shows them. Of
    .5 it shows half, of the next epoch the other half: a window that moves over a fixed order.

    >>> rows, _ = shown_rows(np.arange(6), [(2, 2.0), (4, 0.5)], seed=0, epoch=0)
    >>> len(rows), sorted(rows[:4].tolist())
    (6, [0, 0, 1, 1])
    """
    draw = draws(pair_ids, seed, epoch)
    rows, bits, first = [], [], 0
    for n, times in parts:
        own = np.arange(first, first + n)
        whole, rest = divmod(round(n * times), n) if n else (0, 0)
        window = (epoch * rest + np.arange(rest)) % max(n, 1)
        picked = first + order(pair_ids[first : first + n], seed, FIXED)[window]
        for copy, shown in enumerate([own] * whole + [picked] * (rest > 0)):
            rows.append(shown)
            own_bits = draw[shown]
            bits.append(mixed(own_bits + COPY * np.full(1, copy, np.uint64)) if copy else own_bits)
        first += n
    return np.concatenate(rows), np.concatenate(bits)


def n_shown(parts: Sequence[tuple[int, float]]) -> int:
    """How many rows `shown_rows` has, in every epoch."""
    return sum(round(n * times) for n, times in parts)


def borders(n: int, batch: int) -> np.ndarray:
    """Where the batches of n rows begin, and the end: as few as can be, equal but for one row.

    So every row is in a batch, and no last batch is too small to learn from.

    >>> borders(10, 4).tolist(), borders(3, 4).tolist()
    ([0, 3, 6, 10], [0, 3])
    """
    steps = max(1, -(-n // batch))
    return n * np.arange(steps + 1) // steps


class _Pages:
    """Arrays for batches: each belongs to one batch, and is used again once that is released.

    Memory asked for anew is mapped page by page: a seventh of the time of a picture of 224 pixels.
    """

    def __init__(self, shape: tuple[int, ...]):
        self._shape, self._free = shape, deque[np.ndarray]()  # any thread may give one back

    def take(self) -> np.ndarray:
        """An array of the shape; what is in it is of no meaning."""
        try:
            return self._free.pop()
        except IndexError:
            return np.empty(self._shape, np.uint8)

    def give_back(self, page: np.ndarray) -> None:
        """Take an array back that nobody reads any more: the next batch may use it."""
        self._free.append(page)


@dataclass
class _Decoding:
    """Pictures of a batch that are being decoded into a page, in chunks."""

    rows: np.ndarray  # (B,)
    bits: np.ndarray  # (B,), the draws
    page: np.ndarray  # (B or more, H, W, 3): channels last, as the model takes them
    chunks: list[Future[list[bool]]]

    def sound(self) -> np.ndarray:
        """bool (B,): which pictures could be decoded; all of them have been tried when it returns.

        What one of the threads raised is raised here.
        """
        return np.array([ok for chunk in self.chunks for ok in chunk.result()], bool)


def closed_up(images: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """The sound ones of the images, moved to the front of the same memory: a batch may have GiBs.

    >>> closed_up(np.arange(5), np.array([True, False, True, False, True])).tolist()
    [0, 2, 4]
    """
    kept = np.flatnonzero(sound)
    for at in range(int(sound.argmin()), len(kept), CHUNK):
        part = kept[at : at + CHUNK]
        images[at : at + len(part)] = images[part]
    return images[: len(kept)]


@dataclass(frozen=True)
class Loader:
    """Batches of samples for training: one random square crop a picture, nothing else.

    A step's joined batch, at most batch * world pairs, is the same for every `world`; process
    `rank` has the rank-th piece of it, so that pieces laid end to end by rank are the joined
    batch. Pieces may differ by a row, and a corrupt sample leaves its own one shorter, even empty;
    but every process has the same number of steps, and every sound sample is in one batch of one
    process once an epoch.
    """

    samples: Samples
    tokenizer: Tokenizer
    context: int  # most token ids a caption
    pixels: int  # side of the crop
    batch: int  # pairs of one process
    seed: int
    rank: int = 0
    world: int = 1
    ordered: Callable[[int], np.ndarray] | None = None  # epoch -> the rows (N,); None: by hash
    ids: Ids = field(default_factory=Ids)  # of the captions, once they are made

    @property
    def parts(self) -> Sequence[tuple[int, float]]:
        """Of the data sets in turn: their rows, and how often an epoch shows them."""
        return self.samples.parts or ((len(self.samples), 1.0),)

    @property
    def steps_per_epoch(self) -> int:
        return len(borders(n_shown(self.parts), self.batch * self.world)) - 1

    @property
    def batch_bytes(self) -> int:
        """Of the pictures of this process's largest batch."""
        return min(self.batch, n_shown(self.parts)) * self.pixels**2 * 3

    def plan(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows that an epoch shows, in its order, and the draw of each."""
        ids = self.samples.pair_ids
        if self.ordered:
            rows = self.ordered(epoch)
            return rows, draws(ids, self.seed, epoch)[rows]
        rows, bits = shown_rows(ids, self.parts, self.seed, epoch)
        at = np.argsort(bits, kind="stable")
        return rows[at], bits[at]

    def steps(self, n: int) -> Iterator[slice]:
        """Where in an epoch's order of n rows this process's piece of each step stands."""
        for begin, end in pairwise(borders(n, self.batch * self.world).tolist()):
            size = end - begin
            yield slice(
                begin + size * self.rank // self.world,
                begin + size * (self.rank + 1) // self.world,
            )

    def corners(self, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far down and right the crop of each draw is, (N,) each: 0..1 of the room there is."""
        bits = mixed(bits)  # not the order's own bits
        return (bits >> np.uint64(32)) / 2**32, (bits & np.uint64(2**32 - 1)) / 2**32

    def epoch(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """The epoch's batches from a step on: those that a run from step 0 would then have."""
        rows, bits = self.plan(epoch)
        threads = self.samples.threads
        pool = ThreadPoolExecutor(threads, initializer=cv2.setNumThreads, initargs=(1,))
        most = min(self.batch, len(rows))
        pages = _Pages((most, self.pixels, self.pixels, 3))
        waiting: deque[_Decoding] = deque()
        try:
            for step, piece in enumerate(self.steps(len(rows))):
                if step < first_step:
                    continue
                waiting.append(self._start(pool, rows[piece], bits[piece], pages.take()))
                if len(waiting) == AHEAD:
                    yield self._batch(waiting.popleft(), pages)
            while waiting:
                yield self._batch(waiting.popleft(), pages)
        finally:
            pool.shutdown(cancel_futures=True)

    def _start(
        self, pool: ThreadPoolExecutor, rows: np.ndarray, bits: np.ndarray, page: np.ndarray
    ) -> _Decoding:
        """Let the pool decode the rows' crops into the first of the page's rows."""
        down, right = self.corners(bits)
        parts = [slice(at, at + CHUNK) for at in range(0, len(rows), CHUNK)]
        chunks = [
            pool.submit(self._decode, rows[part], down[part], right[part], page[part])
            for part in parts
        ]
        return _Decoding(rows, bits, page, chunks)

    def _decode(
        self, rows: np.ndarray, down: np.ndarray, right: np.ndarray, images: np.ndarray
    ) -> list[bool]:
        """Fill images (b, H, W, 3) with the crops of the rows; which of them are sound."""
        crops = zip(rows.tolist(), down.tolist(), right.tolist(), images[: len(rows)], strict=True)
        return [self.samples.fill(*crop) for crop in crops]

    def _batch(self, decoding: _Decoding, pages: _Pages) -> Batch:
        """The batch of the decoded pictures and their captions, without the corrupt ones."""
        sound = decoding.sound()
        rows, bits, images = decoding.rows, decoding.bits, decoding.page[: len(decoding.rows)]
        if not sound.all():
            rows, bits, images = rows[sound], bits[sound], closed_up(images, sound)
        keys = self.samples.keys(rows)
        release = partial(pages.give_back, decoding.page)
        pair_ids = self.samples.pair_ids[rows]
        tokens = self._tokens(rows, bits)
        return Batch(images.transpose(0, 3, 1, 2), tokens, keys, pair_ids, bits, release)

    def _tokens(self, rows: np.ndarray, bits: np.ndarray) -> np.ndarray:
        """The token ids (b, T) of the rows' captions."""

        def encoded(some: np.ndarray) -> np.ndarray:
            captions = self.samples.captions(rows[some], shares(bits[some]))
            return self.tokenizer.encode(captions, self.context)

        if self.samples.several is not None:  # a row's caption is another in the next epoch
            return encoded(np.arange(len(rows)))
        return self.ids.tokens(rows, encoded, len(self.samples))


def shares(bits: np.ndarray) -> np.ndarray:
    """A number of 0..1 for each draw, which chooses among a sample's captions."""
    return (mixed(mixed(bits) + COPY) >> np.uint64(11)) / 2**53
