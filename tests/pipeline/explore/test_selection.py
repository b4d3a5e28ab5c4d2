"""What was selected in the explorer is kept out: a real build, made again with its exclusions."""

import re

import pytest

from queries.tables.manifest import find
from tests.image_server import ImageServer
from tests.pipeline.explore.made_build import served
from tests.small_build import Small, published

pytestmark = pytest.mark.slow
KEY = re.compile(r'name="pair" value="([0-9a-f]{16})"')


def test_a_selection_made_into_exclusions_is_gone_from_the_next_build(tmp_path):
    with ImageServer() as server:
        small, out = Small(tmp_path / "in", server.url("")), tmp_path / "wit"
        first = small.build(out)
        with served(first) as client:
            keys = KEY.findall(client.get("/?q=blue").text)
            assert len(keys) > 1
            view = client.get("/selection", params={"pair": keys[:2]}).url.query.decode()
            listed = client.get(f"/export/exclusions.csv?{view}").content
        (small.folder / "exclusions.csv").write_bytes(listed)
        settings = small.settings()
        lists = 'exclusions = ["exclusions.csv"]'
        settings.write_text(f"{lists}\n{settings.read_text()}")
        done = small.luigi(out, settings)
        assert done.returncode == 0, done.stdout + done.stderr
    second = find(out)
    assert second != first
    with served(second) as client:
        assert not set(keys[:2]) & set(KEY.findall(client.get("/").text))
        for key in keys[:2]:
            assert client.get(f"/picture/{key}").status_code == 404
            assert "excluded" in client.get(f"/pair/{key}").text
        gone = client.get(f"/compare?other={first.name}").text.partition('id="gone"')[2]
        assert all(f"/picture/{key}?of={first.name}" in gone for key in keys[:2])
    assert published(first)
