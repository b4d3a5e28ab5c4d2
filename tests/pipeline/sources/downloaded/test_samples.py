"""Samples of tars and folders that nobody vouches for: each is a row, a reason, or one line."""

import io
import json
import os
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import sources
from pipeline.settings.sources import DownloadedSource
from pipeline.sources.downloaded.samples import PICTURES
from tests.image_server import picture
from tests.pipeline.sources.downloaded.outputs import about, collected, source_of, tar

PNG = picture(1)


def reasons(*paths, **settings):
    return [row["reason"] for row in collected(*paths, **settings)]


def link(name, target, kind=tarfile.SYMTYPE):
    header = tarfile.TarInfo(name)
    header.type, header.linkname = kind, str(target)
    return header


def listing(path, *rows):
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def row(number, status="success", message=None):
    """A row of a listing, as img2dataset writes it."""
    address = f"http://x.org/{number}.jpg"
    row = {"url": address, "caption": f"red house {number}", "key": f"{number:06}"}
    return row | {"status": status, "error_message": message}


def test_a_sample_has_its_caption_licence_and_other_columns_from_its_json(tmp_path):
    of = about(1, license="https://creativecommons.org/licenses/by/4.0/", similarity=0.3)
    path = tar(tmp_path / "00000.tar", ("000001.jpg", PNG), ("000001.json", of))
    (row,) = collected(path)
    assert (row["url"], row["caption"]) == ("http://x.org/1.jpg", "red house 1")
    assert (row["license_id"], row["extra"]["similarity"]) == ("CC-BY-4.0", 0.3)
    assert row["reason"] is None


def test_what_is_held_says_whether_it_was_encoded_anew(tmp_path):
    import hashlib

    same, other = hashlib.sha256(PNG).hexdigest(), "0" * 64
    members = [
        *[("1.jpg", PNG), ("1.json", about(1, sha256=same))],
        *[("2.jpg", PNG), ("2.json", about(2, sha256=other))],
        *[("3.jpg", PNG), ("3.json", about(3))],
    ]
    held = [row["extra"]["held"] for row in collected(tar(tmp_path / "a.tar", *members))]
    assert [one["as_served"] for one in held] == [True, False, None]
    with (tmp_path / "a.tar").open("rb") as file:
        for one in held:
            file.seek(one["offset"])
            assert file.read(one["bytes"]) == PNG
            assert one["sha256"] == same


def test_the_text_file_is_the_caption_where_the_json_has_none(tmp_path):
    of = json.dumps({"url": "http://x.org/1.jpg"}).encode()
    path = tar(tmp_path / "a.tar", ("1.jpg", PNG), ("1.json", of), ("1.txt", b"a blue boat"))
    assert [row["caption"] for row in collected(path)] == ["a blue boat"]


def test_several_columns_of_captions_are_a_pair_each_of_one_picture(tmp_path):
    of = about(1, blip="a house that is red")
    path = tar(tmp_path / "a.tar", ("1.jpg", PNG), ("1.json", of))
    rows = collected(path, columns={"caption": ("caption", "blip")})
    assert [row["caption"] for row in rows] == ["red house 1", "a house that is red"]
    assert rows[0]["extra"]["held"] == rows[1]["extra"]["held"]


MISSING = {
    "no picture": ([("1.json", about(1))], ["picture_missing"]),
    "an empty picture": ([("1.jpg", b""), ("1.json", about(1))], ["picture_missing"]),
    "no json": ([("1.jpg", PNG), ("1.txt", b"a boat")], ["url_missing"]),
    "a picture alone": ([("1.jpg", PNG)], ["url_missing"]),
    "no JSON": ([("1.jpg", PNG), ("1.json", b"{'url': 1}")], ["row_invalid"]),
    "a list": ([("1.jpg", PNG), ("1.json", b"[1]")], ["row_invalid"]),
    "deep": ([("1.jpg", PNG), ("1.json", b"[" * 100_000)], ["row_invalid"]),
    "an empty json": ([("1.jpg", PNG), ("1.json", b"")], ["row_invalid"]),
    "a json of 2 MiB": ([("1.jpg", PNG), ("1.json", about(1, a="b" * (2 << 20)))], ["row_invalid"]),
    "no address": ([("1.jpg", PNG), ("1.json", b'{"caption": "a boat"}')], ["url_missing"]),
    "another scheme": (
        [("1.jpg", PNG), ("1.json", b'{"url": "file:///etc/passwd"}')],
        ["url_invalid"],
    ),
    "two pictures": ([("1.jpg", PNG), ("1.png", PNG), ("1.json", about(1))], [None, "row_invalid"]),
    "a link": ([link("1.jpg", "/etc/passwd"), ("1.json", about(1))], ["picture_missing"]),
    "a link alone": ([link("1.jpg", "/etc/passwd")], ["picture_missing"]),
    "a hard link": (
        [link("1.jpg", "0.jpg", tarfile.LNKTYPE), ("1.json", about(1))],
        ["picture_missing"],
    ),
    "a json that is a link": ([("1.jpg", PNG), link("1.json", "/etc/passwd")], ["row_invalid"]),
    "apart": (
        [("1.jpg", PNG), ("2.jpg", PNG), ("1.json", about(1)), ("2.json", about(2))],
        ["url_missing", "url_missing", "picture_missing", "picture_missing"],
    ),
    "hidden": (
        [("._1.jpg", PNG), ("./._1.json", b"\0"), ("1.jpg", PNG), ("1.json", about(1))],
        [None],
    ),
    "folders": ([("a/b/1.jpg", PNG), ("a/b/1.json", about(1))], [None]),
    "an absolute path": ([("/etc/1.jpg", PNG), ("/etc/1.json", about(1))], [None]),
    "a way out": ([("../../1.jpg", PNG), ("../../1.json", about(1))], [None]),
}


@pytest.mark.parametrize("name", MISSING)
def test_each_sample_is_a_row_or_a_reason(tmp_path, name):
    members, expected = MISSING[name]
    assert reasons(tar(tmp_path / "00000.tar", *members)) == expected
    assert os.listdir(tmp_path) == ["00000.tar"], "nothing was unpacked"


def test_a_tar_that_is_cut_short_gives_what_is_before_and_a_reason(tmp_path):
    members = [
        (f"{n}.{end}", data) for n in (1, 2) for end, data in (("jpg", PNG), ("json", about(n)))
    ]
    path = tar(tmp_path / "00000.tar", *members)
    whole = path.read_bytes()
    at = whole.rindex(PNG)
    path.write_bytes(whole[: at + 100])
    assert reasons(path) == [None, "bad_stream"]
    listing(tmp_path / "00000.parquet", row(1), row(2))
    renamed = [
        (name.replace("1.", "000001.").replace("2.", "000002."), data) for name, data in members
    ]
    whole = tar(path, *renamed).read_bytes()
    path.write_bytes(whole[: whole.rindex(PNG) + 100])
    assert reasons(tmp_path) == [None, "bad_stream", "picture_missing"]


def test_each_address_of_the_listing_is_a_sample_or_a_reason(tmp_path):
    listing(
        tmp_path / "00000.parquet",
        row(1),
        row(2, "failed_to_download", "HTTP Error 404: Not Found"),
        row(3, "failed_to_resize", "Image decoding error"),
        row(4, "failed_to_download", "Use of image disallowed by X-Robots-Tag directive"),
        row(5),
        row(6) | {"key": None},
    )
    tar(tmp_path / "00000.tar", ("000001.jpg", PNG), ("000001.json", about(1)))
    rows = collected(tmp_path)
    assert [row["reason"] for row in rows] == [
        *(None, "not_downloaded", "not_downloaded", "opted_out", "picture_missing", "row_invalid"),
    ]
    assert rows[1]["extra"]["error_message"] == "HTTP Error 404: Not Found"
    assert rows[1]["caption"] == "red house 2"


def test_a_sample_without_json_is_described_by_the_listing(tmp_path):
    listing(tmp_path / "00000.parquet", row(1), row(2))
    members = [("000001.jpg", PNG), ("000002.jpg", PNG), ("000002.json", about(2)), ("3.jpg", PNG)]
    tar(tmp_path / "00000.tar", *members)
    rows = collected(tmp_path)
    assert [(row["caption"], row["reason"]) for row in rows] == [
        *(("red house 2", None), ("red house 1", None), ("", "url_missing")),
    ]
    assert rows[1]["extra"]["held"]["offset"] == 512


def test_a_shard_cannot_say_itself_where_a_picture_is_held(tmp_path):
    place = {"file": "0/../../../etc/passwd", "offset": 0, "bytes": 9, "sha256": "ab"}
    listing(tmp_path / "00000.parquet", row(2, "failed_to_download") | {"held": place})
    members = [("1.jpg", PNG), ("1.json", about(1, held=place)), ("3.json", about(3, held=place))]
    tar(tmp_path / "00000.tar", *members)
    rows = collected(tmp_path)
    assert [row["reason"] for row in rows] == [None, "picture_missing", "not_downloaded"]
    assert rows[0]["extra"]["held"]["file"] == "0/00000.tar"
    assert all("held" not in row["extra"] for row in rows[1:])


def test_a_damaged_listing_loses_no_sample(tmp_path):
    (tmp_path / "00000.parquet").write_bytes(b"PAR1 and no more")
    tar(tmp_path / "00000.tar", ("1.jpg", PNG), ("1.json", about(1)))
    assert reasons(tmp_path) == [None, "bad_stream"]


def test_files_of_a_folder_are_samples_and_links_are_not_followed(tmp_path):
    folder = tmp_path / "out" / "00000"
    folder.mkdir(parents=True)
    (folder / "000001.jpg").write_bytes(PNG)
    (folder / "000001.json").write_bytes(about(1))
    (folder / "000002.jpg").symlink_to("/etc/passwd")
    (folder / "000002.json").write_bytes(about(2))
    os.mkfifo(folder / "000003.jpg")
    (folder / "000003.json").symlink_to("/etc/passwd")
    (folder / "._000001.jpg").write_bytes(b"\0")
    listing(tmp_path / "out" / "00000.parquet", row(1), row(2), row(4, "failed_to_download"))
    expected = [None, "picture_missing", "row_invalid", "not_downloaded"]
    assert reasons(tmp_path / "out") == expected
    assert reasons(folder) == expected, "a shard's own folder finds its listing, too"


def test_a_shard_of_failures_alone_is_accounted_for(tmp_path):
    listing(tmp_path / "00000.parquet", row(1, "failed_to_download", "timed out"))
    assert reasons(tmp_path) == ["not_downloaded"]


def refused(*paths, **settings):
    with pytest.raises(sources.SourceError) as caught:
        sources.check([source_of(*paths, **settings)])
    (line,) = str(caught.value).splitlines()
    return line


def test_what_is_no_output_is_refused_in_one_line(tmp_path):
    assert "there is none" in refused(tmp_path)
    page = tmp_path / "00000.tar"
    page.write_bytes(b"<html>not found</html>" * 100)
    assert "00000.tar: expected what img2dataset writes" in refused(tmp_path)
    page.write_bytes(b"")
    assert "it is empty" in refused(page)
    tar(page)
    assert "it has no sample" in refused(page)


def test_a_json_without_the_address_is_refused_with_its_keys(tmp_path):
    of = json.dumps({"URL": "http://x.org/1.jpg", "TEXT": "a boat"}).encode()
    tar(tmp_path / "00000.tar", ("1.jpg", PNG), ("1.json", of))
    assert "no 'url' in the .json of its first 1 samples; they have: TEXT, URL" in refused(tmp_path)
    sources.check([source_of(tmp_path, columns={"url": "URL", "caption": "TEXT"})])


def test_an_output_as_parquet_is_refused(tmp_path):
    listing(tmp_path / "00000.parquet", row(1) | {"jpg": PNG})
    assert "img2dataset wrote it as parquet" in refused(tmp_path)
    listing(tmp_path / "00000.parquet", {"url": "http://x.org/1.jpg", "caption": "a boat"})
    assert "columns key and status; it has: url, caption" in refused(tmp_path)


def test_a_damaged_shard_among_others_is_a_reason_and_not_the_end(tmp_path):
    tar(tmp_path / "00000.tar", ("1.jpg", PNG), ("1.json", about(1)))
    (tmp_path / "00001.tar").write_bytes(b"<html>not found</html>" * 100)
    sources.check([source_of(tmp_path)])
    assert reasons(tmp_path) == [None, "bad_stream"]


def test_the_settings_name_it(tmp_path):
    tar(tmp_path / "00000.tar", ("1.jpg", PNG), ("1.json", about(1)))
    given = {"kind": "img2dataset", "name": "mine", "paths": (str(tmp_path),)}
    assert DownloadedSource.model_validate(given).columns.url == "url"


def test_a_header_that_promises_eight_gigabytes_takes_no_memory(tmp_path):
    header = tarfile.TarInfo("1.json")
    header.size = 8 << 30
    (tmp_path / "a.tar").write_bytes(header.tobuf() + bytes(1024))
    assert reasons(tmp_path) == ["bad_stream"]
    extended = tarfile.TarInfo("pax")
    extended.type, extended.size = tarfile.XHDTYPE, 1 << 20
    (tmp_path / "a.tar").write_bytes(extended.tobuf() + bytes(1 << 20))
    assert reasons(tmp_path) == ["bad_stream"]


def test_endings_are_read_in_any_case_and_long_names_are_whole(tmp_path):
    name = "a" * 120
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as file:
        for ending, data in (("JPG", PNG), ("JSON", about(1))):
            header = tarfile.TarInfo(f"{name}.{ending}")
            header.size = len(data)
            file.addfile(header, io.BytesIO(data))
    (tmp_path / "a.tar").write_bytes(out.getvalue())
    assert reasons(tmp_path) == [None]
    assert "jpg" in PICTURES
