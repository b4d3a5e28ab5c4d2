"""Real outputs of the pinned img2dataset: the same pairs in each format, and nothing fetched."""

import pytest

from tests.image_server import ImageServer
from tests.pipeline.sources.downloaded.outputs import collected, download

PATHS = (
    "/picture/1.png",
    "/404/2.png",
    "/noai/3.png",
    "/html/4.png",
    "/large/5.png",
    "/gray/6.png",
)
REASONS = [None, "not_downloaded", "opted_out", "not_downloaded", None, None]
# Not encoded anew, a page is stored as a picture, which the fetch finds out.
AS_SERVED = [None, "not_downloaded", "opted_out", None, None, None]
FORMATS = {
    "webdataset": {"output_format": "webdataset", "image_size": 64},
    "files": {"output_format": "files", "image_size": 64, "resize_mode": "keep_ratio"},
    "as served": {"output_format": "webdataset", "disable_all_reencoding": True},
}


@pytest.fixture(scope="module")
def server():
    with ImageServer() as one:
        yield one


@pytest.fixture(scope="module", params=FORMATS)
def output(request, server, tmp_path_factory):
    rows = [
        {
            "url": server.url(path),
            "caption": f"red &amp; blue {n}",
            "license": "CC0",
            "score": n / 8,
        }
        for n, path in enumerate(PATHS)
    ]
    folder = tmp_path_factory.mktemp("downloaded") / "a"
    return request.param, download(folder, rows, **FORMATS[request.param])


def test_every_row_that_was_asked_for_is_a_row_or_a_reason(output, server):
    name, folder = output
    n_asked = len(server.paths)
    rows = sorted(collected(folder, html=True), key=lambda row: row["caption"])
    assert [row["url"] for row in rows] == [server.url(path) for path in PATHS]
    expected = AS_SERVED if name == "as served" else REASONS
    assert [row["reason"] for row in rows] == expected
    assert [row["caption"] for row in rows] == [f"red & blue {n}" for n in range(len(PATHS))]
    assert {row["license_id"] for row in rows} == {"CC0-1.0"}
    assert [row["extra"]["score"] for row in rows] == [n / 8 for n in range(len(PATHS))]
    assert rows[1]["extra"]["error_message"] == "HTTP Error 404: Not Found"
    held = [row["extra"]["held"] for row in rows if row["reason"] is None]
    # Where img2dataset resized, the bytes of the source are its re-encoded ones.
    assert {one["as_served"] for one in held} == {name == "as served"}
    assert len(server.paths) == n_asked, "nothing was fetched again"


def test_the_same_output_gives_equal_rows_again(output):
    _, folder = output
    assert collected(folder) == collected(folder)
