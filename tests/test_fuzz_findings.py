"""What made-up inputs found, each as it was found: readers now refuse or read it."""

import json
import struct
import sys
import time
import tomllib

import cv2
import numpy as np
import pyarrow as pa
import pytest
import simplejpeg

from pipeline.filters.hosts import parents
from pipeline.images.judge import judge_picture
from pipeline.query_list.wordnet import read_synsets
from pipeline.report.gallery import thumbnail
from pipeline.settings.images import ImageSettings
from pipeline.settings.sources import CommonCrawlSource
from pipeline.settings.whole import SettingsError, load
from pipeline.sources import crawl
from pipeline.wikipedia.sql_tables import read_page_table
from queries.tables.errors import InputError
from queries.tables.folder import manifest_tables
from queries.tables.manifest import BuildError, find
from tests.fuzz.limits import watched
from trainer.data.pixels import BadPictureError, decode

CREATE = (
    "CREATE TABLE `page` (\n  `page_id` int,\n  `page_namespace` int,\n  `page_title` blob,\n);\n"
)
LEXICON = (
    '<LexicalResource><LexicalEntry id="e1"><Lemma writtenForm="Hündin"/></LexicalEntry>'
    '<Synset id="x1" members="e1"/></LexicalResource>'
)


def refused(reader, path) -> str:
    with pytest.raises(InputError) as told:
        list(reader(iter([pa.record_batch({"path": [str(path)]})])))
    assert "\n" not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize("number", [":8", "1.5", "99999999999999999999", "NULL", "-"])
def test_an_id_in_a_page_table_that_is_no_number_is_refused(number, tmp_path):
    path = tmp_path / "page.sql"
    path.write_text(f"{CREATE}INSERT INTO `page` VALUES ({number},0,'A');\n")
    line = refused(read_page_table, path)
    assert "line 6: expected a whole number as id" in line or "line 6: expected a row of" in line


@pytest.mark.parametrize("encoding", ["utf-7", "nowhere", "utf-16"])
def test_a_wordnet_is_read_in_utf_8_whatever_it_says(encoding, tmp_path):
    path = tmp_path / "wn.xml"
    path.write_text(f'<?xml version="1.0" encoding="{encoding}"?>{LEXICON}', "utf-8")
    (batch,) = read_synsets(iter([pa.record_batch({"path": [str(path)]})]))
    assert batch.column("name").to_pylist() == ["Hündin"]


def test_a_damaged_block_of_a_packed_wordnet_is_refused(tmp_path):
    path = tmp_path / "wn.xml.gz"
    path.write_bytes(bytes.fromhex("1f8b0800000000000003") + b"\xff" * 40)
    assert "expected a folder or a tar of dict files or of LMF files" in refused(read_synsets, path)


def test_a_crawl_that_is_nothing_but_damage_is_given_up_within_a_second(tmp_path):
    path = tmp_path / "a.warc"
    path.write_bytes(b"WARC/1.0\r\n" * 30_000)
    source = CommonCrawlSource(kind="commoncrawl", name="a", paths=(str(path),))
    raws = list(crawl.read({"path": str(path)}, source))
    assert len(raws) <= 2_001
    assert raws[-1].reason == "bad_stream"


def test_a_host_of_a_hundred_thousand_dots_has_no_domains_above_it():
    host = "a." * 100_000
    started = time.process_time()
    assert parents(host) == [host]
    assert time.process_time() - started < 1
    assert parents("a.b.example.org")[-2:] == ["example.org", "org"]


@pytest.mark.parametrize(
    "value",
    ["[" * 2_000 + "]" * 2_000, '"' + "a" * 5_000 + '"', '"package:"', '"package:.a/b"', '"~no/a"'],
)
def test_no_value_of_a_setting_ends_in_a_traceback(value, tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(f"[queries]\narticles = [{value}]\n")
    with pytest.raises(SettingsError, match="settings: "):
        load(path)


def test_a_package_of_the_settings_is_found_and_never_imported(tmp_path, monkeypatch):
    (tmp_path / "hostile").mkdir()
    (tmp_path / "hostile" / "__init__.py").write_text("raise SystemExit('it ran')")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "a.toml"
    for name in ("hostile.inner", "hostile"):
        path.write_text(f'[queries]\narticles = ["package:{name}/a.xml"]\n')
        assert tomllib.loads(path.read_text())
        with pytest.raises(SettingsError, match="is the package installed"):
            load(path)
    assert "hostile" not in sys.modules


def subsampled_as(sampling: int) -> bytes:
    """A JPEG of two colours whose first channel says so: 0x14 is 4:4:1, which simplejpeg lacks."""
    made = bytearray(simplejpeg.encode_jpeg(np.full((16, 16, 3), 9, np.uint8), 90, "RGB", "420"))
    made[made.index(b"\xff\xc0") + 11] = sampling
    return bytes(made)


@pytest.mark.parametrize("sampling", [0x14, 0x00, 0xFF])
def test_a_jpeg_of_a_strange_subsampling_is_a_damaged_picture(sampling):
    assert judge_picture(subsampled_as(0x22), ImageSettings()) != "image_damaged"
    assert judge_picture(subsampled_as(sampling), ImageSettings()) == "image_damaged"
    with pytest.raises(BadPictureError):
        decode(subsampled_as(sampling))


def test_a_png_whose_chunk_claims_gigabytes_is_refused_at_once():
    chunk = struct.pack(">I4s", 4_278_192_855, b"IDAT") + b"x" * 40
    made = cv2.imencode(".png", np.full((16, 16, 3), 9, np.uint8))[1].tobytes()
    for body in (made[:33] + chunk, made[:-20]):  # the first took 4 GB and 14 s
        watched(lambda one: judge_picture(one, ImageSettings()))(body)
        assert judge_picture(body, ImageSettings()) == "image_damaged"
        assert thumbnail(body) is None
        with pytest.raises(BadPictureError):
            decode(body)
    assert thumbnail(made)
    assert judge_picture(made, ImageSettings()) != "image_damaged"
    assert decode(made).shape == (16, 16, 3)


# --- a build of a stranger's --------------------------------------------------------------------
@pytest.mark.parametrize(
    "version", [".", "..", "../other", "/etc", "", "a" * 300, None, 7, ["a"], "a\0b"]
)
def test_a_version_is_the_name_of_a_folder_and_no_path(version, tmp_path):
    (tmp_path / "latest.json").write_text(json.dumps({"version": version}))
    with pytest.raises(BuildError, match="expected the name of a folder"):
        find(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "[" * 100_000, '{"files": 7}', '{"files": [7]}'),
        *('{"files": [{"path": 7}]}', '{"files": [{"path": "\\ud800"}]}'),
        '{"files": [{"bytes": 1e999}]}',
    ],
)
def test_a_manifest_that_is_none_is_refused_in_one_line(text, tmp_path):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(BuildError) as told:
        manifest_tables(find(tmp_path))
    assert str(tmp_path) in str(told.value)
