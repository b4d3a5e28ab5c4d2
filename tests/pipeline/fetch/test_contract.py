"""What we rely on in img2dataset 1.47: a new version that differs fails here and not in a build.

In a process of its own: it loads what the other tests do without, and is changed here.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import WAIT_S
from tests.small_build import ROOT

ASK = """
import json, sys
from pipeline.fetch import worker
main = worker.img2dataset_main()
import inspect
from importlib.metadata import version
from img2dataset import logger, reader, writer

def names(function):
    return list(inspect.signature(function).parameters)

one = reader.Reader("asked.parquet", "parquet", "url", None, None, None, ["pair_id", "attempt"],
                    10_000, set(), "tmp")
print(json.dumps({
    "version": version("img2dataset"),
    "download": names(main.download),
    "swapped": [inspect.isclass(main.LoggerProcess), inspect.isclass(main.Resizer),
                inspect.isclass(main.Downloader), callable(main.multiprocessing_distributor)],
    "distributor": names(main.multiprocessing_distributor),
    "downloader": names(main.Downloader.__init__),
    "download_shard": names(main.Downloader.download_shard),
    "column_list": one.column_list,
    "input_files": one.input_files,
    "writer": names(writer.ParquetSampleWriter.__init__),
    "write": names(writer.ParquetSampleWriter.write),
    "flush": names(writer.BufferedParquetWriter.flush),
    "write_stats": names(logger.write_stats),
    "counter": names(logger.CappedCounter.increment),
    "loaded": [name for name in ("torch", "albumentations.core", "pandas", "wandb.sdk")
               if sys.modules.get(name) is not None],
}))
"""


@pytest.fixture(scope="module")
def found() -> dict:
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_version_is_the_one_that_this_file_describes(found):
    assert found["version"] == "1.47.0"
    assert '"img2dataset==1.47.0"' in Path(ROOT / "pyproject.toml").read_text()


def test_the_names_that_are_swapped_are_there(found):
    assert found["swapped"] == [True, True, True, True]
    given = ["processes_count", "downloader", "reader", "_", "max_shard_retry"]
    assert found["distributor"] == given


def test_download_knows_our_arguments(found):
    from pipeline.fetch.worker import arguments

    job: dict = {"images": {"size": 256}, "fetch": {"threads": 8, "check_hash": True}, "held": True}
    assert set(arguments(Path("work"), job)) <= set(found["download"])


def test_the_downloader_keeps_what_ours_reads(found):
    ours = {"sample_writer_class", "save_caption", "output_folder", "column_list", "thread_count"}
    assert ours | {"oom_shard_count", "encode_format"} <= set(found["downloader"])
    assert found["download_shard"] == ["self", "row"]


def test_the_reader_names_the_columns_and_the_file(found):
    assert found["column_list"] == ["pair_id", "attempt", "url"]
    assert [Path(one).name for one in found["input_files"]] == ["asked.parquet"]


def test_the_writer_takes_a_row_and_can_be_flushed(found):
    first = ["self", "shard_id", "output_folder", "save_caption", "oom_shard_count", "schema"]
    assert found["writer"] == [*first, "encode_format"]
    assert found["write"] == ["self", "img_str", "key", "caption", "meta"]
    assert found["flush"] == ["self"]


def test_the_statistics_are_written_as_we_read_them(found):
    counts = ["count", "successes", "failed_to_download", "failed_to_resize"]
    times = ["start_time", "end_time", "status_dict", "oom_shard_count"]
    assert found["write_stats"] == ["output_folder", "shard_id", *counts, *times]
    assert found["counter"] == ["self", "key"]


def test_what_the_worker_never_uses_is_not_loaded(found):
    assert found["loaded"] == []
