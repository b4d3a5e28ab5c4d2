"""The process that runs img2dataset for one part: `python -P fetch_worker.py WORK FD PARENT`.

WORK is a folder with asked.parquet and job.json (the number of rows and the settings of images and
fetch); the answers go to WORK/images. One byte is written to the file descriptor FD for every row
that is done, and the process ends when the process PARENT does. May import img2dataset, and
nothing of ours.

img2dataset would start a logger process and a pool of workers. One part is one shard, so neither
has work to share: here the shard runs in this process. That halves the start, a death cannot hang
a pool (stock waits for ever), and one process to watch is one process to kill.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


class NoLogger:
    """Stands for img2dataset's logger process, which would only print rates."""

    def __init__(self, *_: Any):
        self.done_shards: set[int] = set()

    def start(self) -> None:
        """Nothing to start."""

    def join(self) -> None:
        """Nothing to wait for."""


def in_this_process(
    _processes: int, downloader: Callable, shards: Iterable, _subjob: int, _retries: int
) -> None:
    """Stands for img2dataset's distributor: run each shard here, and fail if one fails."""
    for shard in shards:
        done, _ = downloader(shard)
        if not done:
            sys.exit("img2dataset gave the shard up")


def reporting(writer: type, progress: int) -> type:
    """The writer's class, telling of each row that is done by one byte on the descriptor."""

    class ReportingWriter(writer):
        def write(self, *row: Any) -> None:
            super().write(*row)
            os.write(progress, b".")

    return ReportingWriter


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before it was asked for
        sys.exit("the parent process is gone")


def img2dataset_main() -> Any:
    """The module img2dataset.main, without what it loads and we never use.

    torch comes in through webdataset, and costs 230 MB and 1.3 s; wandb costs 0.35 s of 1.2 s.
    """
    sys.modules["torch"] = None  # type: ignore[assignment]  # an import of it now fails
    sys.modules["wandb"] = ModuleType("wandb")
    return importlib.import_module("img2dataset.main")  # the package's `main` is a function


def arguments(work: Path) -> dict[str, Any]:
    """img2dataset's arguments for the job: one shard, pictures never larger than they came."""
    job = json.loads((work / "job.json").read_text())
    images, fetch = job["images"], job["fetch"]
    return {
        "url_list": str(work / "asked.parquet"),
        "input_format": "parquet",
        "save_additional_columns": ["pair_id", "attempt"],
        "output_folder": str(work / "images"),
        "output_format": "parquet",
        "number_sample_per_shard": job["rows"],
        "thread_count": fetch["threads"],
        "timeout": fetch["timeout_s"],
        "retries": fetch["retries"],
        "image_size": images["size"],
        "encode_quality": images["quality"],
        "resize_mode": "keep_ratio",
        "resize_only_if_bigger": True,
        "extract_exif": False,
        "compute_hash": "sha256",
        # stock imitates a browser; a name lets a host see, and address, who asks
        "user_agent_token": "; ".join(filter(None, ["buildwit", fetch["contact"]])),
    }


def main() -> None:
    work, progress, parent = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    die_with(parent)
    img2dataset = img2dataset_main()
    img2dataset.LoggerProcess = NoLogger
    img2dataset.multiprocessing_distributor = in_this_process
    img2dataset.ParquetSampleWriter = reporting(img2dataset.ParquetSampleWriter, progress)
    img2dataset.download(**arguments(work))


if __name__ == "__main__":
    main()
