"""The process that runs img2dataset for one part: `-m pipeline.fetch.worker WORK FD PARENT`.

WORK is a folder with asked.parquet and job.json (the settings of images and fetch); the answers go
to WORK/images. A line of JSON is written to the file descriptor FD twice a second: how many rows
ended with which reason. A failure is the last line, as the disk may have no room for a log. The
process ends when the process PARENT does.

img2dataset would start a logger process and a pool of workers. One part is one shard, so the pool
has no work to share: here the shard runs in this process. That halves the start time, a dead worker
cannot hang a pool (img2dataset waits for ever), and there is one process to watch and to kill. The
downloader and the resizer are ours, put in their place by name: GuardedDownloader, GuardedResizer.
"""

import importlib
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.fetch.blame import OutageError, raise_file_limit
from queries.processes import die_with

FLUSH_BYTES = 1 << 24  # of pictures that wait to be written
OUR_COLUMNS = (  # those that img2dataset lacks
    *(("reason", "string"), ("message", "string"), ("image_bytes", "int64")),
    *(("phash", "int64"), ("spread", "float64"), ("heard", "string"), ("hashed", "string")),
)


Status = dict[str, Any]


class NoLogger:
    """Takes the place of img2dataset's logger process, which would only print rates."""

    def __init__(self, *_: Any):
        self.done_shards: set[int] = set()

    def start(self) -> None:
        """Nothing to start."""

    def join(self) -> None:
        """Nothing to wait for."""


class GuardedResizer:
    """Takes the place of img2dataset's resizer: the guard's threads deliver resized pictures."""

    def __init__(self, **_: Any):
        """Its settings are the job's."""


def in_this_process(
    _processes: int, downloader: Any, reader: Any, _subjob: int, _retries: int
) -> None:
    """Takes the place of img2dataset's distributor: all rows of the input are one shard, made here.

    Its reader would write the shard a second time, and on a full disk retry for three minutes.
    """
    downloader.download_shard((0, reader.input_files[0]))


def guarded(img2dataset: Any, job: dict[str, Any], report: Callable[[Status], object]) -> type:
    """A class: img2dataset's downloader, which makes a shard by the guard."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from img2dataset.logger import CappedCounter, write_stats

    from pipeline.fetch.guard import Guard
    from pipeline.fetch.hosts import Hosts
    from pipeline.fetch.outage import Outage
    from pipeline.fetch.shard import answers
    from pipeline.settings.consent import ConsentSettings
    from pipeline.settings.fetch import FetchSettings
    from pipeline.settings.images import ImageSettings

    settings = FetchSettings.model_validate_json(json.dumps(job["fetch"]))
    images = ImageSettings.model_validate_json(json.dumps(job["images"]))
    consent = ConsentSettings.model_validate_json(json.dumps(job["consent"]))

    class GuardedDownloader(img2dataset.Downloader):
        def download_shard(self, row: tuple[int, str]) -> None:
            shard_id, shard_file = row
            started, counts, waiting = time.time(), CappedCounter(), 0
            asked = pq.read_table(shard_file, columns=self.column_list)
            writer = self.sample_writer_class(
                shard_id,
                self.output_folder,
                self.save_caption,
                self.oom_shard_count,
                self.schema(asked.schema),
                self.encode_format,
            )
            rows = asked.to_pylist()
            outage = Outage(first=job["first"])
            guard = Guard(settings, Hosts(settings), outage=outage, consent=consent)
            for number, (answer, picture) in enumerate(
                answers(rows, guard, images, self.thread_count, report)
            ):
                counts.increment(answer["reason"] or "success")
                status = "lost" if picture is None else "success"
                answer |= {"key": str(number), "status": status, "error_message": None}
                writer.write(picture, answer["key"], None, answer)
                waiting += len(picture or b"")
                if waiting > FLUSH_BYTES:  # the writer would hold 100 pictures, however large
                    writer.buffered_parquet_writer.flush()
                    waiting = 0
            writer.close()
            kept = counts.dump().get("success", 0)
            ended = time.time()
            stats = (len(rows), kept, len(rows) - kept, 0, started, ended, counts)
            write_stats(self.output_folder, shard_id, *stats, self.oom_shard_count)

        def schema(self, asked: pa.Schema) -> pa.Schema:
            """The schema of the shard's Parquet: the asked columns, img2dataset's own, and ours."""
            text = ("key", "status", "error_message", "sha256")
            sides = ("width", "height", "original_width", "original_height")
            fields = [*asked]
            fields += [pa.field(name, pa.string()) for name in text]
            fields += [pa.field(name, pa.int32()) for name in sides]
            return pa.schema(
                [*fields, *(pa.field(name, getattr(pa, kind)()) for name, kind in OUR_COLUMNS)]
            )

    return GuardedDownloader


def report_to(descriptor: int) -> Callable[[Status], None]:
    """A function that writes a status to the parent, and ends the process if nobody reads."""

    def report(status: Status) -> None:
        try:
            os.write(descriptor, (json.dumps(status) + "\n").encode())
        except BrokenPipeError:
            os._exit(1)

    return report


def img2dataset_main() -> Any:
    """The module img2dataset.main, without packages that it imports and we never use.

    torch comes in through webdataset, and costs 230 MB and 1.3 s; wandb costs 0.35 s, pandas
    0.25 s, albumentations 0.55 s, and it asks the network for its newest release.
    """
    sys.modules["torch"] = None  # type: ignore[assignment]  # an import of it now fails
    for unused in ("albumentations", "pandas", "wandb"):
        sys.modules[unused] = ModuleType(unused)
    main = importlib.import_module("img2dataset.main")  # the package's `main` is a function
    del sys.modules["pandas"]  # pyarrow looks for it
    return main


def arguments(work: Path, job: dict[str, Any]) -> dict[str, Any]:
    """img2dataset's arguments for the job, one shard; the guard has all other settings."""
    images, fetch = job["images"], job["fetch"]
    stated = ["source_hash"] if fetch["check_hash"] else []
    stated += ["held"] if job["held"] else []
    return {
        "url_list": str(work / "asked.parquet"),
        "input_format": "parquet",
        "save_additional_columns": ["pair_id", "attempt", *stated],
        "output_folder": str(work / "images"),
        "output_format": "parquet",
        "thread_count": fetch["threads"],
        "image_size": images["size"],
        "extract_exif": False,
        "compute_hash": "sha256",
    }


def main() -> None:
    work, descriptor, parent = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    die_with(parent)
    raise_file_limit()
    report = report_to(descriptor)
    # Pillow warns of odd pictures, in words that hold their bytes: they would fill memory and log.
    warnings.filterwarnings("ignore", module=r"PIL\.|pillow_")
    try:
        img2dataset = img2dataset_main()
        job = json.loads((work / "job.json").read_text())
        img2dataset.LoggerProcess = NoLogger
        img2dataset.multiprocessing_distributor = in_this_process
        img2dataset.Resizer = GuardedResizer
        img2dataset.Downloader = guarded(img2dataset, job, report)
        img2dataset.download(**arguments(work, job))
    except OutageError as outage:
        report({"outage": str(outage)})
        os._exit(1)  # threads may still wait for servers
    except Exception as error:
        report({"failed": " ".join(f"{type(error).__name__}: {error}".split())[:500]})
        raise


if __name__ == "__main__":
    main()
