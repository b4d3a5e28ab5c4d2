"""Fetch and judge the pictures of one shard in threads, and report the counts meanwhile.

    for row, jpeg in answers(rows, guard, images, threads, report): ...

Every thread asks, hosts interleaved. As many threads as there are cores decode at a time, so that
memory is bounded by the cores and not by the threads.
"""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.pool import ThreadPool
from typing import Any

import cv2
import simplejpeg

from pipeline.fetch import changed
from pipeline.fetch.blame import OutageError
from pipeline.fetch.guard import Guard
from pipeline.fetch.held import answered
from pipeline.fetch.hosts import interleaved
from pipeline.fetch.ledger import Ledger, as_text
from pipeline.fetch.outage import SKIPPED, UNREACHED, WAITS, in_a_line, unresolved
from pipeline.fetch.wire import AttemptError
from pipeline.images.judge import judge_picture
from pipeline.rights.embedded import MetadataError, embedded
from pipeline.settings.images import ImageSettings
from pipeline.web.url import parse_url

REPORT_S = 0.5
JPEG_END = b"\xff\xd9"
MEASURES = ("width", "height", "original_width", "original_height", "sha256", "phash", "spread")

Row = dict[str, Any]
Status = dict[str, Any]


@dataclass
class Reporter:
    """Reports twice a second how many rows ended with which reason ('' is kept), until closed.

    `tries` are all that ended, also those of which nothing is believed yet.
    """

    report: Callable[[Status], object]
    waiting: Callable[[], int]  # the number of hosts that are paused
    counts: Counter[str] = field(default_factory=Counter)
    tries: int = 0

    def __enter__(self) -> "Reporter":
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            last = self._end.wait(REPORT_S)
            status = {"reasons": dict(self.counts), "tries": self.tries}
            self.report(status | {"waiting": self.waiting()})


def answers(
    rows: list[Row],
    guard: Guard,
    images: ImageSettings,
    threads: int,
    report: Callable[[Status], object],
) -> Iterator[tuple[Row, bytes | None]]:
    """Each row with its reason, message and measures, and its picture as it is to be stored.

    In the order in which they end. At most twice as many rows as threads are held in memory, and
    the rows of hosts that were not reached: where they are most, the rows are asked again after a
    wait, and at last OutageError is raised. Rows for whose hosts no name server answered are asked
    again where they are many, and at last believed.
    """
    cv2.setNumThreads(1)
    n_hosts = len({_host(row["url"]) for row in rows})
    with Reporter(report, guard.hosts.n_waiting) as reporter:
        left, outage = rows, False
        for wait in (0, *WAITS):
            guard.hosts.sleep(wait * guard.settings.backoff_s)
            guard.outage.begin()
            held = list[Row]()
            for row, picture in _asked(left, guard, images, threads):
                reporter.tries += 1
                if row["reason"] in (*UNREACHED, SKIPPED):
                    held.append(row)
                    continue
                yield row, picture
                reporter.counts[row["reason"] or ""] += 1
            skipped = any(row["reason"] == SKIPPED for row in held)
            gone = guard.outage.unreached(held, _host)
            outage = skipped or guard.outage.is_likely(gone, guard.still_reaches)
            left = held if outage else unresolved(held, _host, n_hosts)
            again = {id(row) for row in left}
            for row in held:
                if id(row) not in again:
                    yield row, None
                    reporter.counts[row["reason"]] += 1
            if not left:
                return
            guard.forget_failures()
        if outage:
            raise OutageError(in_a_line(gone, Counter(row["reason"] for row in left)))
        for row in left:
            yield row, None
            reporter.counts[row["reason"]] += 1


def _host(url: str) -> str:
    target = parse_url(url)
    return target.host if target else ""


def _asked(
    rows: list[Row], guard: Guard, images: ImageSettings, threads: int
) -> Iterator[tuple[Row, bytes | None]]:
    """Ask for each row once, in threads; a failure of this machine is raised."""
    decoding = threading.BoundedSemaphore(os.cpu_count() or 1)
    held = threading.BoundedSemaphore(2 * threads)
    order = interleaved([_host(row["url"]) for row in rows])
    ended = threading.Event()

    def bounded() -> Iterator[Row]:
        for n in order:
            held.acquire()
            if ended.is_set():
                return
            yield rows[n]

    def ask(row: Row) -> tuple[Row, bytes | None]:
        if row.get("held") is None and guard.outage.goes_on():
            return _lost(row, SKIPPED, None), None
        try:
            return _answered(row, guard, images, decoding)
        except OutageError:
            raise
        except Exception as error:  # a fault of ours must not lose the row
            return _lost(row, "fetch_error", repr(error)), None

    with ThreadPool(threads) as pool:
        try:
            for row, picture in pool.imap_unordered(ask, bounded()):
                yield row, picture
                held.release()
        except OutageError:
            ended.set()
            held.release()  # or the pool would wait for the rows that nobody takes
            raise


def _answered(
    row: Row, guard: Guard, images: ImageSettings, decoding: threading.BoundedSemaphore
) -> tuple[Row, bytes | None]:
    with answered(row["url"], row.get("held"), guard) as answer:
        row = row | {"heard": as_text(answer.evidence)}
        if answer.body is None:
            return _lost(row, answer.reason, answer.message), None
        if differs := changed.changed(answer.body, row.get("source_hash")):
            return _lost(row, "content_changed", differs), None
        ledger = Ledger(guard.consent)
        try:
            ledger.note(embedded(answer.body), "picture", answer.url or row["url"])
        except MetadataError as error:
            return _lost(row, "bad_metadata", str(error)), None
        except AttemptError as refused:
            row = row | {"heard": as_text((*answer.evidence, *ledger.rows))}
            return _lost(row, refused.reason, str(refused)), None
        if ledger.rows:
            row = row | {"heard": as_text((*answer.evidence, *ledger.rows))}
        with decoding:
            picture = judge_picture(answer.body, images)
    if isinstance(picture, str):
        return _lost(row, picture, answer.content_type), None
    if picture.jpeg is not answer.body and not is_whole(
        picture.jpeg, picture.width, picture.height
    ):
        return _lost(row, "fetch_error", "the picture was encoded wrongly"), None
    measures = {name: getattr(picture, name) for name in MEASURES}
    kept = {"reason": None, "message": None, "image_bytes": len(picture.jpeg)}
    row = row | {"hashed": changed.as_text(answer.body, guard.settings.hashes)}
    return row | kept | measures, picture.jpeg


def is_whole(jpeg: bytes, width: int, height: int) -> bool:
    """Whether an encoded picture has its end marker and these sides: a check that costs nothing.

    >>> import numpy as np
    >>> is_whole(simplejpeg.encode_jpeg(np.zeros((2, 3, 3), np.uint8)), 3, 2)
    True
    """
    return jpeg.endswith(JPEG_END) and simplejpeg.decode_jpeg_header(jpeg)[:2] == (height, width)


def _lost(row: Row, reason: str | None, message: str | None) -> Row:
    lost = dict.fromkeys((*MEASURES, "image_bytes")) | {"reason": reason, "message": message}
    return {"heard": None, "hashed": None} | row | lost
