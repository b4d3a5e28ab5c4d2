"""Batches made ahead of the step that takes them, and how long a step waits for its own."""

import time
from collections.abc import Generator, Iterator
from queue import Empty, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

T = TypeVar("T")
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


def prefetched(items: Iterator[T], ahead: int = 3) -> Prefetched[T]:
    """`items` made ahead by a thread; to be closed, as by contextlib.closing.

    >>> list(prefetched(iter("abc")))
    ['a', 'b', 'c']
    """
    return Prefetched(iter(items), ahead)
