"""Parts of a takedown by themselves: journals, image parts, and the search for what is left."""

import hashlib
import io
import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.images.parts import (
    delete_pictures,
    prune,
    read_images,
    restore_pictures,
    write_images,
)
from pipeline.report.gallery import thumbnail
from pipeline.takedown.files import remove_samples
from pipeline.takedown.find import CLUE, PENDING, Targets, add_clues, read_clues, resolve
from pipeline.takedown.verify import Clues, find_remains
from pipeline.takedown.versions import sweep_runs
from pipeline.takedown.work import sweep_work
from pipeline.workspace.takedown_log import TakedownLog, blank_taken_down, write_log
from queries.questions import sql
from queries.tables.contracts import MOVED
from queries.tables.embeddings import read_embeddings, schema
from queries.tables.parts import write_part
from queries.tables.schemas import OF_A_RUN, PUBLISHED, TABLES
from queries.tables.table import pair_columns
from queries.tables.tars import picture_places, with_places
from tests.image_server import picture
from tests.tables import rows

OVERLAP = TABLES["overlap"]
URL, CAPTION = "http://a.org/1.jpg?a=1&b=2", "a red kite & a house over Wales"
WHY = ("asked", "2026-11-01")
ALL = (0, (1 << 63) - 1)


def put(path: Path, table: str, *given: dict) -> Path:
    write_part(path, TABLES[table], rows(table, *given).to_batches())
    return path


def candidate(pair_id: int, url: str, **more: object) -> dict:
    return {"pair_id": pair_id, "url": url, "url_key": url, "caption": f"caption {pair_id}", **more}


# --- what a list means --------------------------------------------------------------------------


def test_with_a_pair_go_all_pairs_of_its_address_and_of_the_same_bytes(tmp_path):
    put(
        tmp_path / "work/candidate/a.parquet",
        "candidate",
        candidate(1, "http://a.org/1"),
        candidate(2, "http://a.org/1"),  # another caption
        candidate(3, "http://b.org/3"),  # the same bytes
        candidate(4, "http://c.org/4"),
    )
    put(
        tmp_path / "images/d/p/fetched.parquet",
        "fetched",
        {"pair_id": 1, "attempt": 1, "sha256": "aa"},
        {"pair_id": 3, "attempt": 1, "sha256": "aa"},
        {"pair_id": 4, "attempt": 1, "sha256": "bb"},
    )
    named = [{"kind": "pair_id", "value": "1", "why": "asked", "since": None}]
    found = resolve(tmp_path, named, "2026-11-21", TakedownLog())
    why = ("asked", "2026-11-21")
    assert found == TakedownLog({1: why, 2: why, 3: why}, {"aa": why})


def test_a_picture_that_a_catalogue_has_under_two_schemes_goes_under_both(tmp_path):
    """cc-archive/cccatalog#188: http and https of a picture were two to the catalogue."""
    put(
        tmp_path / "work/candidate/a.parquet",
        "candidate",
        candidate(1, "http://img.com/dog"),
        candidate(2, "https://img.com/dog"),
        candidate(3, "https://img.com/cat"),
    )
    asked = {"attempt": 1, "sha256": "d0"}
    fetched = [{"pair_id": one, **asked} for one in (1, 2)]
    put(tmp_path / "images/d/p/fetched.parquet", "fetched", *fetched)
    named = [{"kind": "url", "value": "http://img.com/dog", "why": None, "since": "2026"}]
    assert set(resolve(tmp_path, named, "", TakedownLog()).pairs) == {1, 2}


def test_a_host_means_all_below_it_and_a_phash_all_within_its_radius(tmp_path):
    put(
        tmp_path / "v/tables/drop/0.parquet",
        "drop",
        {"pair_id": 1, "url": "http://cdn.a.org:80/1"},
        {"pair_id": 2, "url": "http://ba.org/1"},
        {"pair_id": 3, "url": ""},
    )
    put(
        tmp_path / "v/tables/attempt/0.parquet",
        "attempt",
        {"pair_id": 5, "phash": -1, "sha256": "aa"},
        {"pair_id": 6, "phash": -4, "sha256": "bb"},
        {"pair_id": 7, "phash": -8, "sha256": "cc"},
        {"pair_id": 8},
    )
    named = [
        {"kind": "host", "value": "a.org", "why": None, "since": "2026"},
        {
            "kind": "phash",
            "value": "f" * 16,
            "phash": -1,
            "radius": 2,
            "why": None,
            "since": "2026",
        },
    ]
    found = resolve(tmp_path, named, "", TakedownLog())
    assert set(found.pairs) == {1, 5, 6}
    assert set(found.pictures) == {"aa", "bb"}


UNREADABLE_OF_A_HOST = [
    "http://a.org:99999/1.jpg",
    "http://a.org:port/1.jpg",  # the template's word stayed, as in crawls of broken shops
    "htp://www.a.org/1.jpg",
    "http//a.org/1.jpg",
    "//a.org/1.jpg",
    "http:// a.org/1.jpg",
    "http://a.org%2F1.jpg:x/",
    "ftp://me@A.ORG/1.jpg",
    "http://user:word@a.org/1.jpg",
    "http://[a.org]/1.jpg",
    '"http&#x3A;//a.org/1.jpg:"',
    "data:text/html,http://a.org/1.jpg",
]


@pytest.mark.parametrize("url", UNREADABLE_OF_A_HOST)
def test_unreadable_addresses_of_a_host_go_too(url, tmp_path):
    given = [
        candidate(1, url, url_key="", reason="url_invalid"),
        candidate(2, url.lower().replace("a.org", "ba.org"), url_key=""),
        candidate(3, "n/a", url_key=""),
    ]
    put(tmp_path / "work/candidate/a.parquet", "candidate", *given)
    put(
        tmp_path / "v/tables/drop/0.parquet",
        "drop",
        *[{"pair_id": row["pair_id"] + 10, "url": row["url"]} for row in given],
    )
    named = [{"kind": "host", "value": "a.org", "why": None, "since": "2026"}]
    assert set(resolve(tmp_path, named, "", TakedownLog()).pairs) == {1, 11}


def test_with_a_pair_go_others_of_its_unreadable_address_but_not_all_without_one(tmp_path):
    put(
        tmp_path / "work/candidate/a.parquet",
        "candidate",
        *[candidate(n, "http://a.org:99999/1.jpg", url_key="") for n in (1, 2)],
        *[candidate(n, "n/a", url_key="") for n in (3, 4)],
    )
    named = [
        {"kind": "pair_id", "value": value, "why": None, "since": "2026"} for value in ("1", "3")
    ]
    log = resolve(tmp_path, named, "", TakedownLog())
    assert set(log.pairs) == {1, 2, 3}
    add_clues(tmp_path, log)
    clues = read_clues(tmp_path).to_pylist()
    assert "n/a" not in {row["value"] for row in clues if row["kind"] == "url"}


def test_every_id_of_a_pair_is_marked_whatever_its_name():
    columns = {field.name for one in TABLES.values() for field in one.schema}
    ids = {name for name in columns if name.endswith("pair_id")}
    assert ids == set(pair_columns(columns)) == {"pair_id", "nearest_pair_id", "score_pair_id"}


def test_the_check_asks_every_published_table_that_names_pairs():
    text = sql("check", "nothing_taken_down_is_left")
    for name in (*PUBLISHED, *OF_A_RUN, "sample"):
        for column in pair_columns(TABLES[name].schema.names):
            asked = re.search(rf"SELECT {column}, '{name}' (AS \S+ )?FROM \"?{name}\"?\s", text)
            assert asked, f"{name}.{column}"


def test_a_row_of_something_else_stays_and_names_the_pair_no_more(tmp_path):
    ids = [{"nearest_pair_id": 1, "score_pair_id": 2}, {"nearest_pair_id": 3, "score_pair_id": 1}]
    old = pa.schema(  # as runs of 0.1.0 have it: no null
        [field.with_nullable(not field.name.endswith("pair_id")) for field in OVERLAP.schema]
    )
    path = tmp_path / "a/tables/overlap/x.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(rows("overlap", *ids).cast(old), path)
    sweep_runs(tmp_path, [], TakedownLog({1: WHY}))
    left = pq.read_table(path, columns=["nearest_pair_id", "score_pair_id"]).to_pylist()
    assert [tuple(row.values()) for row in left] == [(None, 2), (3, None)]


def test_a_takedown_takes_the_embeddings_of_a_pair_and_the_index_made_of_them(tmp_path):
    folder = tmp_path / "a" / "embeddings"
    (folder / "index").mkdir(parents=True)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(6), pa.float16()), 2)
    table = pa.Table.from_arrays([pa.array([1, 2, 3]), vectors, vectors], schema=schema(2))
    pq.write_table(table, folder / "00000.parquet")
    about = {"build_version": "v", "build_digest": "d", "checkpoint": "c", "width": 2}
    about["parts"] = [{"path": "00000.parquet", "rows": 3}]
    (folder / "manifest.json").write_text(json.dumps(about))
    sweep_runs(tmp_path, [], TakedownLog({2: WHY}))
    left = read_embeddings(tmp_path / "a")
    assert left.pair_ids().tolist() == [1, 3]
    assert left.rows("image", np.array([0, 1])).tolist() == [[0, 1], [4, 5]]
    assert not (folder / "index").exists()


def test_what_is_named_keeps_its_first_reason():
    rows_ = [{"kind": "pair_id", "value": "1", "why": "later", "since": "2026-12-01"}]
    assert Targets.read(rows_, TakedownLog({1: WHY}), "today").pairs == {1: WHY}


def test_a_candidate_that_was_taken_down_keeps_its_ids_alone():
    given = rows("candidate", candidate(1, URL, license="CC0", extra="{}"), candidate(2, URL))
    batch = blank_taken_down(given.to_batches()[0], TakedownLog({1: WHY}))
    first, second = batch.to_pylist()
    assert {name: value for name, value in first.items() if value not in (None, "", 0)} == {
        "pair_id": 1,
        "reason": "taken_down",
    }
    assert second == given.to_pylist()[1]


# --- journals and image parts -------------------------------------------------------------------


def test_a_journal_loses_the_finds_with_these_addresses_and_stays_answered(tmp_path):
    journal = tmp_path / "work/search/a.jsonl"
    journal.parent.mkdir(parents=True)
    pages = [
        {"title": "A", "imageinfo": [{"url": "//a.org/1.jpg?a=1&b=2"}]},
        {"title": "B", "imageinfo": [{"url": "https://a.org/2.jpg"}]},
    ]
    lines = [
        {"query": "kite", "pages": pages},
        {"query": "red kite", "results": [{"url": "HTTP://A.org/1.jpg?a=1&b=2", "title": "A"}]},
        {"query": "house", "pages": pages[1:]},
    ]
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"query": "cut')
    sweep_work(tmp_path, TakedownLog({1: WHY}), {URL})
    found = [json.loads(line) for line in journal.read_text().splitlines()]
    assert found == [
        {"query": "kite", "pages": pages[1:]},
        {"query": "red kite", "results": []},
        lines[2],
    ]


def image_part(folder: Path, *pair_ids: int) -> Path:
    write_images(folder / "images.parquet", ((one, b"picture %d" % one) for one in pair_ids))
    return folder


def shard(build: Path, *pair_ids: int) -> Path:
    (build / "shards").mkdir(parents=True)
    with tarfile.open(build / "shards/00000.tar", "w") as tar:
        for one in pair_ids:
            member = tarfile.TarInfo(f"{one:016x}.jpg")
            member.size = len(b"picture %d" % one)
            tar.addfile(member, io.BytesIO(b"picture %d" % one))
    samples = rows("sample", *[{"key": f"{one:016x}", "pair_id": one} for one in pair_ids])
    samples = with_places(samples, build / "shards/00000.tar")
    write_part(build / "shards/00000.parquet", TABLES["sample"], samples.to_batches())
    return build / "shards/00000.tar"


def test_pictures_moved_to_a_shard_that_changes_come_back_before_it_does(tmp_path):
    part, tar = image_part(tmp_path / "images/d/p", 1, 2, 3), shard(tmp_path / "v", 1, 2)
    picked = pa.table({"pair_id": [1, 2], "image_part": ["p", "p"]})
    assert prune(part.parent, tmp_path / "v", picked) > 0
    assert pq.read_table(part / MOVED).num_rows == 2
    delete_pictures(part, {1})
    restore_pictures(part, {tar.resolve()})
    remove_samples(tar.with_suffix(".parquet"), pa.array([1]))
    assert dict(read_images(part, *ALL)) == {2: b"picture 2", 3: b"picture 3"}
    assert pq.read_table(part / MOVED).num_rows == 0
    with tarfile.open(tar) as files:
        assert files.getnames() == ["0000000000000002.jpg"]
    assert list(picture_places(tar.with_suffix(".parquet"))) == [(2, 512, len(b"picture 2"))]


def test_an_image_part_forgets_a_picture_and_what_was_measured_of_it(tmp_path):
    part = image_part(tmp_path / "images/d/p", 1, 2)
    measured = {"attempt": 1, "width": 9, "sha256": "aa", "phash": 5, "spread": 1.0}
    fetched = put(
        part / "fetched.parquet",
        "fetched",
        {"pair_id": 1, **measured},
        {"pair_id": 2, **measured},
    )
    sweep_work(tmp_path, TakedownLog({1: WHY}), set())
    assert dict(read_images(part, *ALL)) == {2: b"picture 2"}
    first, second = pq.read_table(fetched).to_pylist()
    assert set(first.values()) == {1, None, ""}
    assert (second["width"], second["sha256"]) == (9, "aa")


# --- the search for what is left ----------------------------------------------------------------

SHOWN = picture(1)
AS_TEXT = thumbnail(SHOWN)


def as_parquet(**columns: list) -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table(columns), written)
    return written.getvalue()


def as_tar(name: str, content: bytes) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return written.getvalue()


WORD, AXIS = "Brazil", "100"  # captions of pairs that are taken down
UNREADABLE = "htp:/a.org/1.jpg?a=1&b=2"

LEFT = {
    "work/pair/a.parquet": as_parquet(pair_id=[1], url=["something"]),
    "work/filtered/a.parquet": as_parquet(pair_id=[2], url_key=[URL]),
    "v/tables/extra/a.parquet": as_parquet(pair_id=[2], extra=[json.dumps({"from": URL})]),
    "v/tables/attempt/a.parquet": as_parquet(pair_id=[2], sha256=["aa"]),
    "v/tables/exclusion/a.parquet": as_parquet(kind=["url"], value=[URL]),
    "images/d/p/images.parquet": as_parquet(pair_id=[2], jpg=[SHOWN]),
    "v/shards/0.tar": as_tar("0000000000000001.txt", b"anything"),
    "v/shards/1.tar": as_tar("0000000000000002.jpg", SHOWN),
    "v/shards/2.tar": as_tar("0000000000000002.json", json.dumps({"url": URL}).encode()),
    "v/report.html": b'<a href="http://a.org/1.jpg?a=1&amp;b=2">shown</a>',
    "w/report.html": b'<div class="caption">a red kite &amp; a house\n over Wales</div>',
    "y/report.html": b'<bdi class="address">htp:/a.org/1.jpg?a=1&amp;b=2</bdi>',
    "x/report.html": f'<img src="data:image/jpeg;base64,{AS_TEXT}">'.encode(),
    "v/README.md": f"| id | caption |\n| --- | --- |\n| 1 | {CAPTION} |\n".encode(),
    "v/pairs.csv": f'id,kept_caption\r\n1,"{CAPTION}"\r\n'.encode(),
    "v/0000000000000001.txt": b"beside a picture",
    "fetch_log.jsonl": json.dumps({"message": f"Timeout: {URL}"}).encode(),
    "work/search/a.jsonl": json.dumps({"pages": [{"title": CAPTION}]}).encode(),
    "runs/a/examples.json": json.dumps([{"caption": CAPTION}]).encode(),
    "runs/a/tables/overlap/a.parquet": as_parquet(image=["a"], nearest_pair_id=[1]),
    "runs/a/tables/overlap/b.parquet": as_parquet(nearest_pair_id=[2], score_pair_id=[1]),
    "spark.log": f"cannot read {URL}: gone".encode(),
    "picture.png": SHOWN,
}
NOT_LEFT = {
    "work/candidate/a.parquet": as_parquet(pair_id=[1], url=[""], reason=["taken_down"], row=[3]),
    "v/tables/attempt/a.parquet": as_parquet(pair_id=[2], sha256=["bb"]),
    "v/report.html": b"<a href='http://a.org/1.jpg?a=1&amp;b=22'>a red kite</a>",
    "v/shards/0.tar": as_tar("0000000000000003.jpg", b"another picture"),
    "fetch_log.jsonl": json.dumps({"pair_id": 1, "message": None}).encode(),
    # The same words where no caption is shown: of a user, of a list, on an axis.
    "w/report.html": f"<td>{WORD}</td><li><button>{WORD}</button></li><text>{AXIS}</text>".encode(),
    "w/README.md": f"| class | n |\n| --- | --- |\n| {WORD} | {AXIS} |\n".encode(),
    "people.txt": f"{WORD}\n".encode(),
    "runs/a/zeroshot.json": json.dumps({"classes": [WORD], "n": AXIS}).encode(),
    "runs/a/overlap/toys.html": f"<li><small>{WORD}</small></li>".encode(),
    "runs/a/overlap.svg": f"<svg><text>{AXIS}</text></svg>".encode(),
    "runs/a/tables/overlap/a.parquet": as_parquet(class_name=[WORD], nearest_pair_id=[2]),
    "work/search/a.jsonl": json.dumps({"query": WORD, "pages": []}).encode(),
}


@pytest.fixture
def clues(tmp_path) -> Clues:
    write_log(tmp_path, TakedownLog({1: WHY}, {"aa": WHY}))
    hashes = [hashlib.sha256(one).hexdigest() for one in (SHOWN, AS_TEXT.encode())]
    values = [("url", URL), ("url", UNREADABLE)]
    values += [("caption", text) for text in (CAPTION, WORD, AXIS)]
    values += zip(("picture", "thumbnail"), hashes, strict=True)
    listed = [{"pair_id": 1, "kind": kind, "value": value} for kind, value in values]
    batches = pa.Table.from_pylist(listed, CLUE.schema).to_batches()
    write_part(tmp_path / PENDING, CLUE, batches)
    return Clues.read(tmp_path)


def found_in(folder: Path, files: dict[str, bytes], clues: Clues) -> list[str]:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return [str(path.relative_to(folder)) for path, _ in find_remains(folder, [folder], clues)]


@pytest.mark.parametrize("name", LEFT)
def test_what_is_left_is_found(name, tmp_path, clues):
    assert set(found_in(tmp_path, {name: LEFT[name]}, clues)) == {name}


def test_what_is_only_like_it_is_not(tmp_path, clues):
    assert found_in(tmp_path, NOT_LEFT, clues) == []


def test_a_caption_that_a_pair_which_stays_has_too_tells_nothing(tmp_path, clues):
    files = {
        "v/tables/pair/a.parquet": as_parquet(pair_id=[2], caption=[CAPTION]),
        "v/README.md": LEFT["v/README.md"],
    }
    assert found_in(tmp_path, files, clues) == []


def test_a_file_that_cannot_be_read_is_told_of(tmp_path, clues):
    assert found_in(tmp_path, {"v/shards/0.tar": b"no tar"}, clues) == ["v/shards/0.tar"]
