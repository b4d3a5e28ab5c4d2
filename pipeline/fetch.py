"""Fetch one part: ask for its pictures, measure those that came, publish the part whole.

Rows of table `ask` go in; out comes a folder that holds `fetched.parquet` (every asked row once,
with its reason or its measures) and `images.parquet` (the bytes), both in order of pair_id. The
same rows and the same answers give the same bytes: what img2dataset adds (its keys, its order,
its messages, its seconds) goes to the log only. img2dataset runs in fetch_worker.py's process.
"""

import json
import math
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg

from pipeline.settings import FetchSettings, ImageSettings
from queries.errors import UserError
from queries.fingerprint import phash, spread
from queries.parts import Part, folder_written_whole, read_part, write_part
from queries.schemas import PAIR_ID, TABLES, column, table

FETCHED, IMAGES = "fetched.parquet", "images.parquet"
ASKED, ANSWERED = "asked.parquet", "images/00000.parquet"  # to and from img2dataset
WORKER = Path(__file__).with_name("fetch_worker.py")  # by path: -m would load luigi, 0.6 s
ROWS_PER_GROUP = 256  # pictures: a reader of one shard's range of ids loads little else
SLACK_S = 120  # for the start of the process and the writing of the last rows
MOST_PIXELS = 100_000_000  # judged by OpenCV from the header; a 109 KB PNG can ask for 1.9 GB
LOST_SHARE = 0.01  # of the rows; losing more is a fault of the machine, not of a picture

image = table(
    "image",
    "one row per picture of an image part",
    PAIR_ID,
    column("jpg", pa.binary(), "the stored picture, a JPEG of three channels"),
)

HTTP_REASONS = {
    401: "forbidden",
    403: "forbidden",
    451: "forbidden",
    404: "not_found",
    410: "not_found",
}
# What img2dataset keeps of a failure is the message of Python's exception. The first that fits.
MESSAGES = (
    ("opted_out", r"X-Robots-Tag"),
    ("timeout", r"timed? ?out"),
    (
        "host_unreachable",
        r"Errno -\d+|name or service|name resolution|getaddrinfo|refused"
        r"|No route to host|unreachable|Host is down",
    ),
    (
        "connection_error",
        r"reset|closed connection|IncompleteRead|Broken pipe|SSL|certificate"
        r"|got more than|EOF occurred|Bad ?Status",
    ),
)


class FetchError(UserError):
    """A part that could not be fetched: one line that says why. Nothing of it was published."""


def fetch_part(
    rows: pa.Table,
    folder: Path,
    images: ImageSettings,
    fetch: FetchSettings,
    log: Path,
    advance: Callable[[int], object] = lambda done: None,
) -> Part:
    """Fetch the rows of table `ask` into the folder, unless it is there, and return its part.

    `advance` is told of each few rows as they are done. Raises FetchError, and then leaves
    neither a folder nor a process behind; so does an interrupt.
    """
    if folder.exists():
        return _published(folder)
    rows = _checked(rows)
    started = time.monotonic()
    with folder_written_whole(folder) as beside:
        work = beside / "work"
        work.mkdir()
        _download(rows, work, images, fetch, advance)
        fetched, messages = _measured(rows, work / ANSWERED, beside / IMAGES, images.quality)
        for row in fetched:
            row["image_part"] = folder.name
        write_part(beside / FETCHED, TABLES["fetched"], _batches(fetched))
        shutil.rmtree(work)
    part = _published(folder)
    _append_to_log(log, part, fetched, messages, time.monotonic() - started)
    return part


def read_images(folder: Path, lowest: int, highest: int) -> Iterator[tuple[int, bytes]]:
    """(pair_id, JPEG) of an image part for lowest <= pair_id <= highest, in order of pair_id.

    Reads only the row groups, 256 pictures each, whose range of ids meets the wanted one.
    """
    with pq.ParquetFile(folder / IMAGES) as file:
        for group in range(file.num_row_groups):
            ids = file.metadata.row_group(group).column(0).statistics
            if ids.max < lowest or ids.min > highest:
                continue
            rows = file.read_row_group(group)
            for pair_id, jpg in zip(rows["pair_id"].to_pylist(), rows["jpg"], strict=True):
                if lowest <= pair_id <= highest:
                    yield pair_id, jpg.as_py()


def reason_of(status: str, message: str | None) -> str | None:
    """The reason in the closed list for what img2dataset says of a row.

    >>> reason_of("failed_to_download", "<urlopen error _ssl.c:989: The handshake … timed out>")
    'timeout'
    """
    if status == "success":
        return None
    if status == "failed_to_resize":
        return "not_an_image"
    http = re.match(r"HTTP Error (\d+)", message or "")
    if http:
        return HTTP_REASONS.get(int(http[1]), "http_error")
    fitting = (reason for reason, words in MESSAGES if re.search(words, message or "", re.I))
    return next(fitting, "fetch_error")


def measure(jpg: bytes, quality: int) -> tuple[bytes, dict[str, Any]]:
    """A stored picture in three channels, and its columns of table `fetched`."""
    height, width, space, _ = simplejpeg.decode_jpeg_header(jpg)
    pixels = simplejpeg.decode_jpeg(jpg, "RGB")
    if space == "Gray":
        return measure(simplejpeg.encode_jpeg(pixels, quality, "RGB", "420"), quality)
    measures = {
        "width": width,
        "height": height,
        "image_bytes": len(jpg),
        "phash": phash(pixels),
        "spread": spread(pixels),
    }
    return jpg, measures


def _published(folder: Path) -> Part:
    return replace(read_part(folder / FETCHED), name=folder.name)


def _checked(rows: pa.Table) -> pa.Table:
    """The rows in order of pair_id and in the declared types; ValueError if they are not `ask`."""
    if not rows.num_rows or len(rows["pair_id"].unique()) != rows.num_rows:
        raise ValueError(f"fetch: {rows.num_rows} rows, expected one or more, each pair once")
    batches = [TABLES["ask"].check(batch) for batch in rows.to_batches()]
    return pa.Table.from_batches(batches).sort_by("pair_id")


def _batches(fetched: list[dict[str, Any]]) -> Iterable[pa.RecordBatch]:
    return pa.Table.from_pylist(fetched, TABLES["fetched"].schema).to_batches()


def _download(
    rows: pa.Table,
    work: Path,
    images: ImageSettings,
    fetch: FetchSettings,
    advance: Callable[[int], object],
) -> None:
    """Run img2dataset over the rows, watched; its files are in work/images when this returns."""
    urls = pa.array([_sendable(url) for url in rows["url"].to_pylist()])
    pq.write_table(rows.set_column(rows.column_names.index("url"), "url", urls), work / ASKED)
    job = {"rows": rows.num_rows, "images": images.model_dump(), "fetch": fetch.model_dump()}
    (work / "job.json").write_text(json.dumps(job))
    longest = fetch.timeout_s * (fetch.retries + 1) * math.ceil(rows.num_rows / fetch.threads)
    said = work / "worker.log"
    progress, report = os.pipe()
    with open(progress, "rb", buffering=0), said.open("wb") as output:
        command = [sys.executable, "-P", WORKER, work, report, os.getpid()]
        worker = subprocess.Popen(  # noqa: S603  # a fixed command, no shell
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[report],
            start_new_session=True,
            env=_environment(),
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
        last = said.read_text("utf-8", "replace").strip().splitlines()[-1:] or ["nothing"]
        raise FetchError(f"fetch: img2dataset ended with {worker.returncode}, saying: {last[0]}")


def _sendable(url: str) -> str:
    """The URL with spaces and other than ASCII percent-encoded, without which no request goes out.

    >>> _sendable("http://x.org/a cat.png")
    'http://x.org/a%20cat.png'
    """
    return re.sub(r"[^\x21-\x7e]+", lambda found: quote(found[0]), url.strip())


def _environment() -> dict[str, str]:
    """This process's, without albumentations' call home, and with a bound on decoding."""
    return {
        **os.environ,
        "NO_ALBUMENTATIONS_UPDATE": "1",
        "OPENCV_IO_MAX_IMAGE_PIXELS": str(MOST_PIXELS),
    }


def _watch(progress: int, longest_s: float, advance: Callable[[int], object]) -> None:
    """Pass on the rows reported, one byte each, until the reporting process closes its end."""
    with selectors.DefaultSelector() as selector:
        selector.register(progress, selectors.EVENT_READ)
        while selector.select(longest_s):
            done = len(os.read(progress, 65_536))
            if not done:
                return
            advance(done)
    raise FetchError(f"fetch: img2dataset finished no row in {longest_s:.0f} s and was stopped")


def _measured(
    rows: pa.Table, answers: Path, images: Path, quality: int
) -> tuple[list[dict[str, Any]], dict[int, str | None]]:
    """Rows of `fetched` in order of pair_id, and img2dataset's messages; writes the pictures.

    Pictures arrive in any order and may be more than memory holds: they pass through a file, of
    which only the places are kept.
    """
    answered: dict[int, dict[str, Any]] = {}
    messages: dict[int, str | None] = {}
    places: dict[int, tuple[int, int]] = {}
    with (answers.parent / "spool").open("w+b") as spool:
        for row in _answers(answers):
            pair_id, jpg = row["pair_id"], row.pop("jpg")
            messages[pair_id] = row.pop("error_message")
            row["reason"] = reason_of(row.pop("status"), messages[pair_id])
            if row["reason"] is None and jpg is not None:
                jpg, measures = measure(jpg, quality)
                row |= measures
                places[pair_id] = spool.tell(), spool.write(jpg)
            answered[pair_id] = row
        _believe(rows, answers, answered, len(places))
        _write_images(images, spool, places)
    lost = {"reason": "fetch_error"}
    return [
        lost | asked | answered.get(asked["pair_id"], {})
        for asked in rows.drop_columns("url").to_pylist()
    ], messages


def _answers(path: Path) -> Iterator[dict[str, Any]]:
    """img2dataset's rows, those of its columns that are ours."""
    wanted = [
        "pair_id",
        "status",
        "error_message",
        "original_width",
        "original_height",
        "sha256",
        "jpg",
    ]
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_PER_GROUP, columns=wanted):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise FetchError(f"fetch: img2dataset left no whole Parquet file: {error}") from None


def _believe(rows: pa.Table, answers: Path, answered: dict[int, Any], n_pictures: int) -> None:
    """Raise FetchError unless img2dataset's own count, its rows and our plan agree.

    It swallows exceptions sample by sample, so a few rows may be lost; they stay in the books.
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


def _write_images(path: Path, spool: Any, places: dict[int, tuple[int, int]]) -> None:
    """The spooled pictures in order of pair_id, in row groups of ROWS_PER_GROUP."""
    ids = sorted(places)
    with pq.ParquetWriter(
        path, image.schema, compression="none", use_dictionary=False, write_statistics=["pair_id"]
    ) as writer:
        for start in range(0, len(ids), ROWS_PER_GROUP):
            group = ids[start : start + ROWS_PER_GROUP]
            jpgs = []
            for offset, size in map(places.__getitem__, group):
                spool.seek(offset)
                jpgs.append(spool.read(size))
            writer.write_table(pa.table({"pair_id": group, "jpg": jpgs}, image.schema))


def _append_to_log(
    log: Path, part: Part, fetched: list[dict], messages: dict[int, str | None], seconds: float
) -> None:
    """A line for the part and one for each row that failed."""
    about = {"part": part.name}
    rate = {"seconds": round(seconds, 3), "rows_per_s": round(part.rows_in / seconds, 1)}
    lines = [about | {"rows": part.rows_in, "kept": part.rows_kept} | rate]
    for row in filter(lambda row: row["reason"], fetched):
        said = {"message": messages.get(row["pair_id"], "lost by img2dataset")}
        lines.append(about | {key: row[key] for key in ("pair_id", "attempt", "reason")} | said)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))
