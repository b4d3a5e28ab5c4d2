"""A build that is killed, whoever is killed and whenever, is made whole by the same command."""

import pytest

from tests.image_server import ImageServer
from tests.kill_often import KINDS, killed_and_mended, moments, undisturbed
from tests.small_build import Small

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    with ImageServer() as server:
        small = Small(tmp_path_factory.mktemp("killed"), server.url(""))
        yield undisturbed(small, small.folder / "model")


@pytest.mark.parametrize("kind", KINDS)
def test_a_build_killed_three_times_ends_as_if_nothing_had_been(kind, model, tmp_path):
    runs = killed_and_mended(kind, moments(kind, 0, 3, model), 0, model, tmp_path / "wit")
    assert len(runs) == 3
