"""Pictures that a source holds: judged as answers are, read from its files, and asked of nobody."""

import hashlib
import io
import json
from functools import partial

import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.fetch.part import FetchError, fetch_part
from tests.image_server import PIXEL, ImageServer, picture
from tests.pipeline.fetch.test_part import FETCH_ONCE, IMAGES, ask, rows_by_url


def upside_down(body: bytes) -> bytes:
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    Image.open(io.BytesIO(body)).save(out, "JPEG", exif=exif)
    return out.getvalue()


NO_MINING = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" plus:DataMining='
    b'"http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED"/></rdf:RDF></x:xmpmeta>'
)


def reserved(body: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(body)).save(out, "JPEG", xmp=NO_MINING)
    return out.getvalue()


HELD = {
    "http://a.test/1.png": (picture(1), None),
    "http://a.test/turned.jpg": (upside_down(picture(2)), None),
    "http://no-such-host.invalid/pixel.gif": (PIXEL, None),
    "http://192.168.1.1/large.png": (picture(4, 900, 600), None),
    "http://a.test/page.png": (b"<html><body>No picture.</body></html>", "not_an_image"),
    "http://a.test/cut.png": (picture(5)[:200], "image_damaged"),
    "http://a.test/reserved.jpg": (reserved(picture(6)), "opted_out_xmp"),
    "http://a.test/bomb.png": (picture(7, 3000, 3000), "too_many_pixels"),
    "http://a.test/long.png": (picture(8) + bytes(FETCH_ONCE.max_bytes), "too_large"),
}


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    """A file of pictures behind each other, and the place of each by its address."""
    path, places = tmp_path_factory.mktemp("held") / "00000.tar", {}
    with path.open("wb") as file:
        for url, (body, _) in HELD.items():
            places[url] = [
                str(path),
                file.tell(),
                file.write(body),
                hashlib.sha256(body).hexdigest(),
            ]
    return path, places


@pytest.fixture(scope="module")
def fetched(shard, tmp_path_factory):
    """A part of held pictures and of two from the web: rows by address, and what was asked for."""
    images = IMAGES.model_copy(update={"max_pixels": 1_000_000})
    with ImageServer() as server:
        web = [server.url("/picture/9.png"), server.url("/404/10.png")]
        rows = ask([*HELD, *web])
        of_pair = dict(zip(rows["url"].to_pylist(), rows["pair_id"].to_pylist(), strict=True))
        held = {of_pair[url]: json.dumps(place) for url, place in shard[1].items()}
        folders = [tmp_path_factory.mktemp("images") / "part" for _ in range(2)]
        for folder in folders:
            log = folder.parent / "log.jsonl"
            fetch_part(rows, folder, images, FETCH_ONCE, log, held=held)
        asked = [path for path in server.paths if path.startswith(("/picture", "/404"))]
        return rows_by_url(rows, folders[0]), web, asked, folders


@pytest.mark.parametrize("url", HELD)
def test_each_picture_that_is_held_is_judged_as_an_answer_is(fetched, url):
    rows, *_ = fetched
    body, reason = HELD[url]
    assert rows[url]["reason"] == reason
    if reason is None:
        assert rows[url]["sha256"] == hashlib.sha256(body).hexdigest()


def test_a_picture_is_turned_upright_and_measured(fetched):
    rows, *_ = fetched
    turned, large = rows["http://a.test/turned.jpg"], rows["http://192.168.1.1/large.png"]
    assert turned["height"] > turned["width"]
    assert (large["original_width"], large["original_height"]) == (900, 600)
    assert large["phash"] is not None


def test_only_the_others_are_asked_for(fetched):
    rows, web, asked, _ = fetched
    assert [rows[url]["reason"] for url in web] == [None, "not_found"]
    assert sorted(asked) == ["/404/10.png"] * 2 + ["/picture/9.png"] * 2


def test_the_same_files_give_the_same_bytes(fetched):
    *_, (first, second) = fetched
    for name in ("fetched.parquet", "images.parquet"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_what_a_picture_says_of_training_is_evidence(fetched):
    *_, (folder, _) = fetched
    heard = pq.read_table(folder / "heard.parquet").to_pylist()
    (own,) = [row for row in heard if row["url"] == "http://a.test/reserved.jpg"]
    assert (own["signal"], own["place"], own["refuses"]) == ("xmp", "picture", True)


def failed(tmp_path, place) -> str:
    rows = ask(["http://a.test/1.png"])
    held = {rows["pair_id"][0].as_py(): json.dumps(place)}
    fetch = partial(fetch_part, rows, tmp_path / "images" / "part", IMAGES, FETCH_ONCE)
    with pytest.raises(FetchError) as caught:
        fetch(tmp_path / "log.jsonl", held=held)
    assert not (tmp_path / "images" / "part").exists()
    (line,) = str(caught.value).splitlines()
    return line


def test_a_file_that_is_gone_or_changed_ends_the_part_and_loses_no_row(shard, tmp_path):
    path, places = shard
    _, *where = places["http://a.test/1.png"]
    gone = failed(tmp_path, [str(path.with_name("1.tar")), *where])
    assert "1.tar: a picture cannot be read from there: " in gone
    assert "bring the file back, then the same command goes on" in gone
    offset, n_bytes, sha256 = where
    changed = failed(tmp_path, [str(path), offset + 1, n_bytes, sha256])
    assert "00000.tar has changed since its captions were read" in changed
