"""Fetch one image part: ask for its pictures, verify what came, publish the part whole.

Rows of table `ask` go in; out comes a folder that holds `fetched.parquet` (every asked row once,
with its reason or its measures) and `images.parquet` (the bytes), both in order of pair_id. The
same rows and the same answers give the same bytes: what depends on the moment (the order, messages,
seconds) goes to the log only. img2dataset, guarded, runs in worker.py's process.
"""

import hashlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.fetch import changed, ledger
from pipeline.fetch.log import FetchLog
from pipeline.images.parts import write_images
from pipeline.settings.consent import ConsentSettings
from pipeline.settings.fetch import FetchSettings
from pipeline.settings.images import ImageSettings
from queries.tables.contracts import FETCHED, HASHED, HEARD, IMAGES
from queries.tables.errors import UserError
from queries.tables.parts import Part, folder_written_whole, read_part, write_part
from queries.tables.schemas import TABLES
from queries.tables.store import workroom

ASKED, ANSWERED = "asked.parquet", "images/00000.parquet"  # to and from img2dataset
WORKER = "pipeline.fetch.worker"
ROWS_AT_A_TIME = 16  # originals may be of many megabytes
SLACK_S = 120  # for the start of the process and the writing of the last rows
LOST_SHARE = 0.01  # of the rows; losing more is a fault of the machine, not of a picture
VERIFY_EVERY = 100  # decode every 100th stored picture to verify it

BY_DEFAULT = ConsentSettings()
NONE_HELD: Mapping[int, str] = {}
Row = dict[str, Any]
Advance = Callable[[dict[str, int], int], object]


class FetchError(UserError):
    """A part that could not be fetched: one line that says why. Nothing of it was published."""


def fetch_part(
    rows: pa.Table,
    folder: Path,
    images: ImageSettings,
    fetch: FetchSettings,
    log: Path,
    advance: Advance = lambda reasons, waiting: None,
    consent: ConsentSettings = BY_DEFAULT,
    held: Mapping[int, str] = NONE_HELD,
) -> Part:
    """Fetch the rows of table `ask` into the folder, unless it is there, and return its part.

    `held`: for pairs whose picture a source has, where it is (pipeline/fetch/held.py).
    `advance` is called twice a second: how many more rows ended with which reason ('' is kept), and
    how many hosts are paused. Raises FetchError. Neither an error nor an interrupt leaves a folder
    or a process behind.
    """
    if (folder / FETCHED).exists():
        return _published(folder)
    rows = _checked(rows)
    lines = FetchLog(log, folder.name, rows.num_rows)

    def tell(reasons: dict[str, int], waiting: int) -> None:
        lines.count(reasons, waiting)
        advance(reasons, waiting)

    with folder_written_whole(folder) as beside, workroom(beside) as work:
        first = not any(folder.parent.glob(f"[!.]*/{FETCHED}"))
        job = _job(images, fetch, consent, first) | {"held": bool(held)}
        _download(_with_places(rows, held), work, job, tell)
        fetched, messages, heard, hashed = _answered(rows, work / ANSWERED, beside / IMAGES)
        write_part(beside / HEARD, TABLES["heard"], _batches("heard", heard))
        if fetch.hashes:
            write_part(beside / HASHED, TABLES["hashed"], _batches("hashed", hashed))
        for row in fetched:
            row["image_part"] = folder.name
        # Last: in a store its presence is the proof that the part is whole.
        write_part(beside / FETCHED, TABLES["fetched"], _batches("fetched", fetched))
    lines.end(fetched, messages)
    return _published(folder)


def _published(folder: Path) -> Part:
    return replace(read_part(folder / FETCHED), name=folder.name)


def _checked(rows: pa.Table) -> pa.Table:
    """The rows in order of pair_id and in the declared types; ValueError if they are not `ask`."""
    if not rows.num_rows or len(rows["pair_id"].unique()) != rows.num_rows:
        raise ValueError(f"fetch: {rows.num_rows} rows, expected one or more, each pair once")
    batches = [TABLES["ask"].check(batch) for batch in rows.to_batches()]
    return pa.Table.from_batches(batches).sort_by("pair_id")


def _with_places(rows: pa.Table, held: Mapping[int, str]) -> pa.Table:
    """The rows with the column `held`, if there is a picture that is."""
    if not held:
        return rows
    places = [held.get(pair_id) for pair_id in rows["pair_id"].to_pylist()]
    return rows.append_column("held", pa.array(places, pa.string()))


def _batches(table: str, rows: list[Row]) -> Iterable[pa.RecordBatch]:
    return pa.Table.from_pylist(rows, TABLES[table].schema).to_batches()


def _job(
    images: ImageSettings, fetch: FetchSettings, consent: ConsentSettings, first: bool
) -> dict[str, Any]:
    """What the worker must know; `first`: no part was fetched before."""
    sections = {"images": images, "fetch": fetch, "consent": consent}
    return {name: section.model_dump() for name, section in sections.items()} | {"first": first}


def _download(rows: pa.Table, work: Path, job: dict[str, Any], advance: Advance) -> None:
    """Run img2dataset over the rows, watched; its files are in work/images when this returns.

    Raises FetchError.
    """
    pq.write_table(rows, work / ASKED)
    (work / "job.json").write_text(json.dumps(job))
    images, fetch = job["images"], job["fetch"]
    # A row may wait for its host's robots.txt, its own tries and what the host asks for.
    longest = 2 * (fetch["retries"] + 1) * (fetch["deadline_s"] + fetch["max_wait_s"])
    log = work / "worker.log"
    progress, report = os.pipe()
    with open(progress, "rb", buffering=0), log.open("wb") as output:
        command = [sys.executable, "-P", "-m", WORKER, work, report, os.getpid()]
        worker = subprocess.Popen(  # noqa: S603  # a fixed command, no shell
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[report],
            start_new_session=True,
            env=_environment(images["max_pixels"]),
        )
        os.close(report)
        try:
            _watch(progress, longest + SLACK_S, advance)
            worker.wait(SLACK_S)
        except subprocess.TimeoutExpired:
            raise FetchError("fetch: img2dataset closed its report but did not end") from None
        finally:
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()
    if worker.returncode:
        last = log.read_text("utf-8", "replace").strip().splitlines()[-1:] or ["nothing"]
        raise FetchError(f"fetch: img2dataset ended with {worker.returncode}, saying: {last[0]}")


def _environment(max_pixels: int) -> dict[str, str]:
    """This process's environment, with decoding bounded."""
    return {
        **os.environ,
        "OPENCV_IO_MAX_IMAGE_PIXELS": str(max_pixels),
        "OPENCV_LOG_LEVEL": "SILENT",
    }


def _watch(progress: int, longest_s: float, advance: Advance) -> None:
    """Pass every report to `advance` until the worker closes the pipe.

    Raises FetchError where the worker fails, or finishes no row in `longest_s`.
    """
    counts: Counter[str] = Counter()
    unread, last, tries = b"", time.monotonic(), 0
    with selectors.DefaultSelector() as selector:
        selector.register(progress, selectors.EVENT_READ)
        while selector.select(max(0.0, last + longest_s - time.monotonic())):
            read = os.read(progress, 65_536)
            if not read:
                return
            *lines, unread = (unread + read).split(b"\n")
            for status in map(json.loads, lines):
                if "outage" in status:
                    raise FetchError(f"fetch: {status['outage']}")
                if "failed" in status:
                    raise FetchError(f"fetch: img2dataset failed: {status['failed']}")
                more = Counter(status["reasons"]) - counts
                counts += more
                last = time.monotonic() if status["tries"] > tries else last
                tries = status["tries"]
                advance(dict(more), status["waiting"])
            if time.monotonic() > last + longest_s:
                break
    raise FetchError(f"fetch: img2dataset finished no row in {longest_s:.0f} s and was stopped")


def _answered(
    rows: pa.Table, answers: Path, images: Path
) -> tuple[list[Row], dict[int, str | None], list[Row], list[Row]]:
    """Rows of `fetched`, messages for the log, rows of `heard` and `hashed`; writes the pictures.

    Rows are in order of pair_id.

    Pictures come in any order and may not fit in memory: they pass through a file, and only their
    places in it are held.
    """
    answered: dict[int, dict[str, Any]] = {}
    messages: dict[int, str | None] = {}
    heard: dict[int, list[Row]] = {}
    hashed: dict[int, list[Row]] = {}
    places: dict[int, tuple[int, int]] = {}
    with (answers.parent / "spool").open("w+b") as spool:
        for row in _answers(answers):
            pair_id, picture = row["pair_id"], row.pop("jpg")
            messages[pair_id] = row.pop("message")
            heard[pair_id] = ledger.rows_of(row.pop("heard"), pair_id, row["attempt"])
            hashed[pair_id] = changed.rows_of(row.pop("hashed"), pair_id, row["attempt"])
            if row["reason"] is None and picture is not None:
                if len(picture) != row["image_bytes"]:
                    raise FetchError(f"fetch: the picture of pair {pair_id} was not stored whole")
                if len(places) % VERIFY_EVERY == 0:
                    _verify_picture(picture, row)
                places[pair_id] = spool.tell(), spool.write(picture)
            answered[pair_id] = row
        _verify_counts(rows, answers, answered, len(places))
        write_images(images, _spooled(spool, places))
    lost = {"reason": "fetch_error"}
    return (
        [
            lost | asked | answered.get(asked["pair_id"], {})
            for asked in rows.drop_columns(["url", "source_hash"]).to_pylist()
        ],
        messages,
        [row for pair_id in sorted(heard) for row in heard[pair_id]],
        [row for pair_id in sorted(hashed) for row in hashed[pair_id]],
    )


def _verify_picture(picture: bytes, row: dict[str, Any]) -> None:
    """Raise FetchError unless a stored picture decodes to the size that its row says.

    An original was decoded when it was judged: its hash says that it is still the same.
    """
    if hashlib.sha256(picture).hexdigest() == row["sha256"]:
        return
    pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    sides = None if pixels is None else pixels.shape[1::-1]
    if sides != (row["width"], row["height"]):
        expected = f"{row['width']} x {row['height']}"
        raise FetchError(f"fetch: pair {row['pair_id']} is stored as {sides}, not as {expected}")


def _answers(path: Path) -> Iterator[dict[str, Any]]:
    """img2dataset's rows, with our columns alone."""
    ours = [name for name in TABLES["fetched"].schema.names if name != "image_part"]
    columns = [*ours, "message", "heard", "hashed", "jpg"]
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_AT_A_TIME, columns=columns):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise FetchError(f"fetch: img2dataset left no whole Parquet file: {error}") from None


def _verify_counts(
    rows: pa.Table, answers: Path, answered: dict[int, Any], n_pictures: int
) -> None:
    """Raise FetchError unless img2dataset's own count, its rows and the asked rows agree.

    img2dataset catches the exceptions of a sample, so a few rows may be lost: `fetch_error`.
    """
    try:
        stats = json.loads(answers.with_name("00000_stats.json").read_text())
        count, successes = int(stats["count"]), int(stats["successes"])
    except (OSError, ValueError, KeyError) as error:
        raise FetchError(f"fetch: img2dataset left no whole statistics: {error!r}") from None
    lost = rows.num_rows - len(answered)
    strange = len(answered.keys() - set(rows["pair_id"].to_pylist()))
    agree = count == rows.num_rows and not strange and n_pictures <= successes <= n_pictures + lost
    if not agree or lost > max(1, rows.num_rows * LOST_SHARE):
        raise FetchError(
            f"fetch: asked for {rows.num_rows} rows; img2dataset counts {count} with {successes} "
            f"pictures, and wrote {len(answered)} with {n_pictures}, {strange} of them strange"
        )


def _spooled(spool: Any, places: dict[int, tuple[int, int]]) -> Iterator[tuple[int, bytes]]:
    """The spooled pictures in order of pair_id."""
    for pair_id in sorted(places):
        offset, size = places[pair_id]
        spool.seek(offset)
        yield pair_id, spool.read(size)
