"""Batches made ahead of the step that takes them, and how long a step waits for its own."""

import time
from collections.abc import Generator, Iterator
from queue import Empty, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

T = TypeVar("T")
MOST_BYTES = 8 << 30  # of the batches in memory at once, where two are not more
ALIVE = 6  # batches at once: one in use, three ready, one handed over, one being decoded
PATIENCE_S = 5.0  # for the thread to notice that nobody reads any more


class Prefetched(Iterator[T], Generic[T]):
    """The same items in the same order, made by a thread that keeps `ahead` of them ready.

    `waited_s` is what the last `next` waited; the first waits for the start, too.
    """

    def __init__(self, items: Iterator[T], ahead: int):
        self.waited_s = 0.0
        self._queue: Queue[T | BaseException | None] = Queue(ahead)
        self._stopped = Event()
        self._thread = Thread(target=self._work, args=[items], daemon=True)
        self._thread.start()

    def _work(self, items: Iterator[T]) -> None:
        last: BaseException | None = None
        try:
            for item in items:
                self._queue.put(item)
                if self._stopped.is_set():
                    break
        except BaseException as error:  # handed to the reader, who raises it
            last = error
        if isinstance(items, Generator):
            items.close()  # here and now: it ends the threads that it has started
        self._queue.put(last)

    def __next__(self) -> T:
        if self._stopped.is_set():
            raise StopIteration
        began = time.monotonic()
        item = self._queue.get()
        self.waited_s = time.monotonic() - began
        if item is None or isinstance(item, BaseException):
            self._stopped.set()
            raise item or StopIteration
        return item

    def close(self) -> None:
        """Stop the thread, whether or not all items have been read."""
        self._stopped.set()
        patient_until = time.monotonic() + PATIENCE_S
        while self._thread.is_alive() and time.monotonic() < patient_until:
            try:  # make room, so that the thread is not left waiting for it
                self._queue.get(timeout=0.05)
            except Empty:
                continue


class Direct(Iterator[T], Generic[T]):
    """The same items, each made when it is asked for."""

    def __init__(self, items: Iterator[T]):
        self.waited_s = 0.0
        self._items = items

    def __next__(self) -> T:
        began = time.monotonic()
        try:
            return next(self._items)
        finally:
            self.waited_s = time.monotonic() - began

    def close(self) -> None:
        """End the threads that the items' generator has started."""
        if isinstance(self._items, Generator):
            self._items.close()


def prefetched(items: Iterator[T], item_bytes: int = 0) -> Prefetched[T] | Direct[T]:
    """`items` made ahead by a thread; to be closed, as by contextlib.closing.

    item_bytes: of each. Where ALIVE of them pass MOST_BYTES no thread keeps any ready: one is in
    use then, and the loader decodes the next.

    >>> list(prefetched(iter("abc"))), list(prefetched(iter("abc"), item_bytes=5 << 30))
    (['a', 'b', 'c'], ['a', 'b', 'c'])
    """
    if item_bytes * ALIVE > MOST_BYTES:
        return Direct(iter(items))
    return Prefetched(iter(items), 3)
