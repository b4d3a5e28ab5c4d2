"""Outputs of img2dataset for tests: real ones of a server on loopback, and tars made by hand."""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.settings.sources import Columns, DownloadedSource
from tests.pipeline.sources.table_source import candidates
from tests.processes import WAIT_S

DOWNLOAD = """
import json, sys
sys.modules["torch"] = None  # webdataset would load it
from img2dataset import download
download(**json.loads(sys.argv[1]))
"""


def download(folder: Path, rows: list[dict], output_format: str, **options: object) -> Path:
    """The output of the pinned img2dataset for rows of url, caption and more columns."""
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "asked.parquet")
    more = [name for name in rows[0] if name not in ("url", "caption")]
    given = {
        "url_list": str(folder / "asked.parquet"),
        "output_folder": str(folder / "out"),
        "input_format": "parquet",
        "url_col": "url",
        "caption_col": "caption",
        "save_additional_columns": more,
        "output_format": output_format,
        "processes_count": 1,
        "thread_count": 4,
        "number_sample_per_shard": 10,
        "retries": 0,
        "enable_wandb": False,
        **options,
    }
    command = [sys.executable, "-c", DOWNLOAD, json.dumps(given)]
    quiet = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, env=quiet)
    assert done.returncode == 0, done.stderr
    return folder / "out"


def source_of(*paths: Path | str, **settings: object) -> DownloadedSource:
    named = {"kind": "img2dataset", "name": "mine", "paths": tuple(map(str, paths))}
    columns = Columns(**settings.pop("columns", {}))  # type: ignore[arg-type]
    return DownloadedSource.model_construct(**{**named, "columns": columns, **settings})


def collected(*paths: Path | str, **settings: object) -> list[dict]:
    """The candidates of an output, as a build makes them, with `extra` read."""
    rows = candidates(source_of(*paths, **settings))
    return [row | {"extra": json.loads(row["extra"] or "{}")} for row in rows]


def tar(path: Path, *members: tuple[str, bytes] | tarfile.TarInfo) -> Path:
    """A tar of files, and of whatever else is given as tarfile has it."""
    with tarfile.open(path, "w") as file:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                file.addfile(member)
            else:
                header = tarfile.TarInfo(member[0])
                header.size = len(member[1])
                file.addfile(header, io.BytesIO(member[1]))
    return path


def about(number: int, **more: object) -> bytes:
    """A sample's .json."""
    address = f"http://x.org/{number}.jpg"
    return json.dumps({"url": address, "caption": f"red house {number}", **more}).encode()
