"""No room on the disk, a folder that is read-only, two builds at once: a line, nothing lost."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.fetch import FetchError, fetch_part
from tests.image_server import ImageServer
from tests.kill_often import assert_equal, undisturbed
from tests.small_build import Small
from tests.test_fetch import FETCH_ONCE, IMAGES, ask, workers

pytestmark = pytest.mark.slow
ROOM = ("150k", "400k", "700k")  # of the about 1,200 KiB that the small build takes


class Disk:
    """A disk in memory, of a size that can be changed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    def mount(self, options: str) -> subprocess.CompletedProcess:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
        return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    one = Disk(tmp_path / "disk")
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a small disk is mounted by root alone")
    mounted = one.mount("size=1m")
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield one
    subprocess.run(["umount", str(one.folder)], check=True)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    with ImageServer() as server:
        small = Small(tmp_path_factory.mktemp("disk"), server.url(""))
        yield undisturbed(small, small.folder / "model")


def lines(said: str) -> list[str]:
    """What is said on the terminal, without the bars of progress."""
    return [line for line in said.splitlines() if line.strip() and "%" not in line]


def test_a_full_disk_ends_the_build_in_a_line_and_the_next_run_is_whole(model, disk):
    out = disk.folder / "wit"
    for room in ROOM:
        disk.mount(f"remount,size={room}")
        done = model.small.luigi(out, model.small.settings())
        assert done.returncode != 0, room
        assert "No space left on device" in done.stderr, room
        assert "Traceback" not in done.stderr, room
        assert len(lines(done.stderr)) == 1, done.stderr
    disk.mount("remount,size=64m")
    done = model.small.luigi(out, model.small.settings())
    assert done.returncode == 0, done.stderr
    assert_equal(out, model.out)


def test_of_two_builds_at_once_one_is_made_and_the_other_says_why(model, tmp_path):
    out, settings = tmp_path / "wit", model.small.settings()
    other = shutil.copy(settings, settings.with_name("other.toml"))  # Luigi refuses the same itself
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda one: model.small.luigi(out, one), (settings, other)))
    made, refused = sorted(done, key=lambda one: one.returncode)
    assert (made.returncode, refused.returncode) == (0, 2), made.stderr + refused.stderr
    assert lines(refused.stderr) == [f"{out}: another build is at work in this workspace"]
    assert_equal(out, model.out)


def test_a_folder_that_cannot_be_written_ends_the_build_in_a_line(model, disk):
    disk.mount("remount,ro,size=64m")
    done = model.small.luigi(disk.folder / "wit", model.small.settings())
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
