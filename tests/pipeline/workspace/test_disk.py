"""A folder that is read-only, a part without room, two builds at once: a line, nothing lost.

Builds on a full disk are in tests/chaos.
"""

import errno
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from pipeline.fetch.part import FetchError, fetch_part
from pipeline.workspace.endings import ending_in_one_line, in_one_line
from queries.tables.errors import UserError
from tests.chaos.builds import assert_equal
from tests.chaos.disk import Disk, why_not
from tests.image_server import ImageServer
from tests.pipeline.fetch.test_part import FETCH_ONCE, IMAGES, ask, workers
from tests.small_build import Small

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if reason := why_not(tmp_path):
        pytest.skip(reason)
    one = Disk(tmp_path / "disk")
    assert one.mount("size=1m").returncode == 0
    yield one
    one.unmount()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    with ImageServer() as server:
        yield Small(tmp_path_factory.mktemp("disk"), server.url(""))


def lines(said: str) -> list[str]:
    """What is said on the terminal, without the bars of progress."""
    return [line for line in said.splitlines() if line.strip() and "%" not in line]


def test_of_two_builds_at_once_one_is_made_and_the_other_says_why(small, tmp_path):
    out, settings = tmp_path / "wit", small.settings()
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda one: small.luigi(out, one), (settings, settings)))
    made, refused = sorted(done, key=lambda one: one.returncode)
    assert (made.returncode, refused.returncode) == (0, 2), made.stderr + refused.stderr
    assert lines(refused.stderr) == [f"{out}: another build is at work in this workspace"]
    small.build(tmp_path / "alone")
    assert_equal(out, tmp_path / "alone")


def test_a_folder_that_cannot_be_written_ends_the_build_in_a_line(small, disk):
    disk.mount("remount,ro,size=64m")
    done = small.luigi(disk.folder / "wit", small.settings())
    assert done.returncode != 0
    (line,) = lines(done.stderr)
    assert "Read-only file system" in line
    assert str(disk.folder) in line


def test_a_part_for_which_there_is_no_room_leaves_nothing(disk):
    folder, log = disk.folder / "images" / "part", disk.folder / "log.jsonl"
    patiently = FETCH_ONCE.model_copy(update={"deadline_s": 30.0})
    with ImageServer() as server:
        rows = ask([server.url(f"/picture/{n}.png") for n in range(150)])
        disk.mount("remount,size=200k")
        with pytest.raises((FetchError, OSError), match="No space left on device"):
            fetch_part(rows, folder, IMAGES, patiently, log)
        assert list(folder.parent.iterdir()) == []
        assert workers(disk.folder) == []
        disk.mount("remount,size=64m")
        assert fetch_part(rows, folder, IMAGES, patiently, log).rows_kept == 150


def test_a_disk_that_fails_in_every_stage_is_told_of_once(tmp_path):
    told: set[str] = set()

    def shown(error: Exception) -> str | None:
        record = logging.LogRecord("luigi", logging.ERROR, "", 0, "it failed", None, None)
        record.exc_info = (type(error), error, None)
        return record.getMessage() if in_one_line(tmp_path, told, record) else None

    failing = OSError(errno.EIO, os.strerror(errno.EIO))
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert shown(failing) == f"{tmp_path}: [Errno 5] Input/output error"
    assert shown(failing) is None
    assert shown(full) == f"{tmp_path}: [Errno 28] No space left on device"
    assert shown(UserError("a fault of the settings")) == "a fault of the settings"
    assert shown(UserError("a fault of the settings")) == "a fault of the settings"
    assert shown(ValueError("a fault of the program")) == "it failed"


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "[Errno 28] No space left on device", 3),
        (
            duckdb.IOException("IO Error: No space left on device\nmore"),
            "No space left on device",
            3,
        ),
        (FileNotFoundError(errno.ENOENT, "none", "a.txt"), "[Errno 2] none: 'a.txt'", 2),
        (UserError("a fault of the settings"), "a fault of the settings", 2),
    ],
)
def test_a_fault_before_any_stage_is_at_work_ends_in_one_line(tmp_path, capsys, error, line, code):
    with pytest.raises(SystemExit) as ended, ending_in_one_line(tmp_path):
        raise error
    told = capsys.readouterr().err.splitlines()
    assert ended.value.code == code
    assert len(told) == 1
    assert line in told[0]


def test_a_fault_of_the_program_keeps_its_traceback(tmp_path):
    with pytest.raises(ValueError, match="of the program"), ending_in_one_line(tmp_path):
        raise ValueError("a fault of the program")
