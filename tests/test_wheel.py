"""The wheel: what is in it, and that it works where only it is installed."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from queries.tables.manifest import find
from tests.image_server import ImageServer
from tests.processes import WAIT_S
from tests.small_build import ROOT, Small

pytestmark = pytest.mark.slow
ROOMS = ("pipeline", "queries", "trainer")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, for setuptools leaves its own folders beside what it packs."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in (*ROOMS, "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    words = ("wheel", ".", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist")
    run([sys.executable, "-m", "pip", *words], folder)
    (made,) = (folder / "dist").iterdir()
    return made


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The bin of an environment that has the wheel, and of this one only what that depends on."""
    folder = tmp_path_factory.mktemp("environment")
    run([sys.executable, "-m", "venv", "--without-pip", "env"], folder)
    here = Path(sysconfig.get_path("purelib"))
    packages = folder / "env" / here.relative_to(sys.prefix)
    into = ("--no-deps", "--target", str(packages))
    run([sys.executable, "-m", "pip", "install", *into, str(wheel)], folder)
    # A path in a .pth is looked in last, and its own .pth files, as of this checkout, are not read.
    (packages / "dependencies.pth").write_text(f"{here}\n")
    return folder / "env/bin"


def run(command: list[str], folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=WAIT_S, env=environment
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_it_has_every_file_of_the_three_rooms_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    of_rooms = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == of_rooms


def test_a_build_is_made_checked_and_read_where_only_the_wheel_is(installed, tmp_path):
    python = str(installed / "python")
    code = (
        "import pipeline, queries, trainer; print(*(one.__file__ for one in (pipeline, trainer)))"
    )
    assert all(str(installed.parent) in one for one in run([python, "-c", code], tmp_path).split())
    with ImageServer() as server:
        small = Small(tmp_path / "in", server.url(""))
        words = ["-m", "luigi", "--module", "pipeline", "BuildWIT"]
        given = ["--settings", str(small.settings()), "--out", "wit"]
        run([python, *words, *given], tmp_path)
    assert (find(tmp_path / "wit") / "report.html").exists()
    assert "FAILED" not in run([python, "-m", "queries", "check", "--build", "wit"], tmp_path)
    assert "Pairs per query" in run([python, "-m", "queries", "audit", "--build", "wit"], tmp_path)
    assert "zeroshot" in run([python, "-m", "trainer", "--help"], tmp_path)
