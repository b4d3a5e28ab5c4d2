"""From an index to pages: rows in, rows out; what a condition keeps; every record accounted for."""

import gzip
import json
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.settings.sources import CommonCrawlIndexSource
from pipeline.sources import crawl_index
from pipeline.sources.candidate import SourceError
from pipeline.sources.crawl_index import columnar, records
from pipeline.sources.interface import PlannedPart, Planning
from tests.pipeline.sources.crawl.test_crawl import packed, told
from tests.pipeline.sources.crawl_index.indexed import (
    FOLDERS,
    NAME,
    SCHEMA,
    address,
    cdxj,
    collected,
    listed,
    page,
    parquet,
    read_whole,
    row_of,
    scanned,
    source_of,
    written,
)


@pytest.fixture
def base(tmp_path):
    """A folder with a crawl of ten pages, and an index of it."""
    rows = written(tmp_path / "base", [page(number) for number in range(10)])
    parquet(tmp_path / "table" / FOLDERS / "part-0.gz.parquet", rows, row_group_size=4)
    return tmp_path / "base"


def test_five_rows_of_an_index_give_five_accounts(tmp_path):
    """A page with a picture, one without, a picture, damage, and a file that is not there."""
    png = page(2, b"\x89PNG", http="Content-Type: image/png")
    rows = written(tmp_path, [page(0), page(1, b"<p>no picture"), png, page(3)])
    (tmp_path / NAME).write_bytes((tmp_path / NAME).read_bytes()[:-400] + bytes(400))
    rows.append(row_of(address(4), NAME.replace("-0.", "-1."), 0, 10, 4))
    raws = collected(source_of(parquet(tmp_path / "i.parquet", rows), base=tmp_path), tmp_path)
    assert told(raws) == ["kite 0", "no_picture", "not_a_page", "bad_record", "record_missing"]
    assert [raw.page_url for raw in raws] == [address(number) for number in range(5)]
    record = f"{NAME.replace('-0.', '-1.')} at 0"
    assert raws[4].extra == {"fault": "no such file", "record": record}


WHERES = {
    "": range(10),
    "content_languages LIKE '%fin%'": [0, 2, 5, 7],
    "url_host_name IN ('site1.example', 'site2.example')": [1, 2, 4, 5, 7, 8],
    "url_host_registered_domain = 'site1.example' AND fetch_status = 200": [1, 4, 7],
    "crawl = 'CC-MAIN-2026-43' AND subset <> 'robotstxt' AND url LIKE '%/3'": [3],
    "content_mime_detected = 'application/pdf'": [],
    "subset = 'robotstxt'": [],
}


@pytest.mark.parametrize("where", WHERES)
def test_the_condition_gives_the_rows_of_a_full_reading_of_those_pages(tmp_path, base, where):
    raws = collected(source_of(tmp_path / "table", base=base, where=where), tmp_path)
    wanted = {address(number) for number in WHERES[where]}
    assert raws == [raw for raw in read_whole(base / NAME) if raw.page_url in wanted]
    assert len(raws) == len(wanted)


def test_lines_of_cdxj_give_the_same_rows_as_the_columns(tmp_path, base):
    rows = [{**row, "content_languages": "fin"} for row in scanned(base / NAME, NAME)]
    halves = (cdxj(rows[:5]), cdxj(rows[5:]))  # gzip members, as Common Crawl packs them
    (tmp_path / "cdx-00000.gz").write_bytes(b"".join(map(gzip.compress, halves)))
    (tmp_path / "plain.cdxj").write_bytes(b"!OpenWayback-CDXJ 1.0\n" + cdxj(rows))
    expected = read_whole(base / NAME)
    every = "content_languages = 'fin' AND url_host_tld = 'example' AND fetch_status = 200"
    third = "fetch_time = '2026-11-01 00:00:00' AND url_path = '/3' AND warc_record_offset > 0"
    for name in ("cdx-00000.gz", "plain.cdxj"):
        source = source_of(tmp_path / name, base=base, where=every)
        assert collected(source, tmp_path) == expected
        source = source_of(tmp_path / name, base=base, where=third)
        assert collected(source, tmp_path) == [expected[3]]


@pytest.mark.parametrize("name", ["warcfile.warc.gz", "IAH-urls-wget.warc"])
def test_real_crawls_give_by_their_index_what_a_full_reading_gives(tmp_path, shared, name):
    index = parquet(tmp_path / "i.parquet", scanned(shared / name, name))
    assert collected(source_of(index, base=shared), tmp_path) == read_whole(shared / name)


def test_row_groups_that_the_condition_rules_out_are_not_read(tmp_path, base, monkeypatch):
    groups_read: list[list[int]] = []
    batches = columnar.parquet.batches

    def noting(path, names, groups, contact):
        groups_read.append(groups)
        return batches(path, names, groups, contact)

    monkeypatch.setattr(columnar.parquet, "batches", noting)
    rows = sorted(scanned(base / NAME, NAME), key=lambda row: row["url"])
    index = parquet(tmp_path / FOLDERS / "i.parquet", rows, row_group_size=2)
    for where in ("url_host_name = 'site1.example'", "subset = 'no'", "url_host_name > 'a'"):
        collected(source_of(index, base=base, where=where), tmp_path)
    assert groups_read == [[2, 3], [0, 1, 2, 3, 4]]


def test_a_pattern_a_list_and_a_store_name_the_same_index(tmp_path, base):
    expected = read_whole(base / NAME)
    pattern = tmp_path / "table" / "*" / "*" / "*.parquet"
    assert collected(source_of(pattern, base=base), tmp_path) == expected
    file = f"{FOLDERS}/part-0.gz.parquet"
    (tmp_path / "index.paths").write_text(f"{file}\n")
    (base / "crawl=CC-MAIN-2026-43").symlink_to(tmp_path / "table" / "crawl=CC-MAIN-2026-43")
    source = source_of(tmp_path / "index.paths", base=base, where="subset = 'warc'")
    assert collected(source, tmp_path) == expected
    store = fsspec.filesystem("memory")
    store.pipe(f"/cci/{NAME}", (base / NAME).read_bytes())
    store.pipe("/cci/cdx-00001", cdxj(scanned(base / NAME, NAME)))
    source = source_of("memory://cci/cdx-*", base="memory://cci/")
    assert collected(source, tmp_path) == expected
    far = [row_of(address(0), NAME, 1 << 40, 9), row_of(address(0), "a/b.warc.gz", 0, 9)]
    (tmp_path / "far.cdxj").write_bytes(cdxj(far))
    raws = collected(source_of(tmp_path / "far.cdxj", base="memory://cci"), tmp_path)
    assert {(raw.reason, raw.extra["fault"]) for raw in raws} == {
        ("record_missing", "the file ends before it"),
        ("record_missing", "no such file"),
    }


GZIPPED = packed(page(0))
WRONG = {  # what the index's place holds instead of page 0, and the account of it
    "cut": (GZIPPED[:-9], "damaged, or cut off"),
    "one byte late": (GZIPPED[1:], "expected a record of a WARC: got"),
    "zeros": (bytes(300), "expected a record of a WARC: got"),
    "an error page": (b"<html>404", "expected a record of a WARC: got b'<html>404'"),
    "gzip of something else": (gzip.compress(b"<html>", mtime=0), "got gzip of b'<html>'"),
    "nothing in it": (gzip.compress(b"", mtime=0), "got gzip of b''"),
    "another page": (packed(page(7)), f"it is of another address: {address(7)}"),
    "a request": (packed(page(0, kind="request")), "it has no answer of a server"),
    "metadata of no answer": (
        packed(page(0, b'{"Envelope": 1}', kind="metadata")),
        "it has no answer of a server",
    ),
    "a text": (packed(page(0, kind="conversion")), "it holds texts (WET)"),
}


def test_what_is_not_the_record_that_the_index_says_is_a_reason(tmp_path):
    rows = []
    for name, (content, _) in WRONG.items():
        (tmp_path / f"{name}.warc.gz").write_bytes(content)
        rows.append(row_of(address(0), f"{name}.warc.gz", 0, len(content)))
    raws = collected(source_of(parquet(tmp_path / "i.parquet", rows), base=tmp_path), tmp_path)
    assert {(raw.page_url, raw.reason) for raw in raws} == {(address(0), "bad_record")}
    faults = {raw.extra["record"].partition(".")[0]: raw.extra["fault"] for raw in raws}
    assert faults.keys() == WRONG.keys()
    assert len(raws) == len(WRONG)
    for name, (_, about) in WRONG.items():
        assert about in faults[name], name


def test_a_revisit_that_the_index_names_is_the_reason_that_a_full_reading_gives(tmp_path):
    content = packed(page(0, kind="revisit"))
    (tmp_path / "a.warc.gz").write_bytes(content)
    rows = [row_of(address(0), "a.warc.gz", 0, len(content))]
    (raw,) = collected(source_of(parquet(tmp_path / "i.parquet", rows), base=tmp_path), tmp_path)
    assert (raw.page_url, raw.reason) == (address(0), "revisited")


def test_a_record_is_told_from_its_neighbours_and_spellings_by_its_address(tmp_path):
    """Lengths that reach into the next records are in real indexes: webrecorder/warcio.js #46."""
    spelt = page(0).replace(b"site0.example/0", b"SITE0.example:80/0")
    contents = [packed(page(5), page(0), page(6)), packed(page(0), page(0)), packed(spelt)]
    rows = []
    for number, content in enumerate(contents):
        (tmp_path / f"{number}.warc.gz").write_bytes(content)
        rows.append(row_of(address(0), f"{number}.warc.gz", 0, len(content)))
    raws = collected(source_of(parquet(tmp_path / "i.parquet", rows), base=tmp_path), tmp_path)
    assert told(raws) == ["kite 0"] * 3


FAULTS = [
    ("got '../../etc/passwd'", {"warc_filename": "../../etc/passwd"}),
    ("got '/etc/passwd'", {"warc_filename": "/etc/passwd"}),
    ("got 'file:///etc/passwd'", {"warc_filename": "file:///etc/passwd"}),
    ("got 'http://x.example/a'", {"warc_filename": "http://x.example/a"}),
    ("got '//x.example/a'", {"warc_filename": "//x.example/a"}),
    ("got 'a/./b'", {"warc_filename": "a/./b"}),
    (r"got 'a\\b'", {"warc_filename": r"a\b"}),
    ("got 'a%2e%2e/b'", {"warc_filename": "a%2e%2e/b"}),
    ("the name of a file, got 'None'", {"warc_filename": None}),
    ("a number of bytes, got '-1'", {"warc_record_offset": -1}),
    ("a number of bytes, got 'None'", {"warc_record_offset": None}),
    ("bytes, got 0", {"warc_record_length": 0}),
    ("bytes, got 2147483647", {"warc_record_length": 2**31 - 1}),
    ("an address, got 'None'", {"url": None}),
    ("an address, got ''", {"url": ""}),
]


def test_a_row_of_the_index_that_names_no_record_is_a_reason(tmp_path, base):
    rows = [{**row_of(address(0), NAME, 0, 10), **fault} for _, fault in FAULTS]
    index = parquet(tmp_path / "i.parquet", [*rows, row_of(address(1), NAME, 0, 10)])
    first, *raws = collected(source_of(index, base=base), tmp_path)
    assert (first.page_url, first.reason) == (address(1), "bad_record")
    assert {raw.reason for raw in raws} == {"row_invalid"}
    for (shown, _), raw in zip(FAULTS, raws, strict=True):
        assert shown in raw.extra["fault"]


def test_lines_that_are_no_cdxj_are_reasons(tmp_path, base):
    first, second = cdxj(scanned(base / NAME, NAME)[:2]).splitlines(True)
    bad = [b"no line\n", b'com,a)/ 2026 {"url": \n', b"com,a)/ 2026 [1]\n"]
    endless = b"x" * 2_000_000 + b"\n"
    (tmp_path / "i.cdxj").write_bytes(b"".join([first, *bad, endless, b"\n", second]))
    raws = collected(source_of(tmp_path / "i.cdxj", base=base), tmp_path)
    assert told(raws) == ["kite 0", "kite 1", *["row_invalid"] * 4]


def test_a_damaged_file_of_an_index_is_a_reason_unless_all_are(tmp_path, base):
    good = parquet(tmp_path / "a.parquet", scanned(base / NAME, NAME))
    content = good.read_bytes()
    broken, torn = tmp_path / "b.parquet", tmp_path / "c.parquet"
    broken.write_bytes(content[:-20])
    torn.write_bytes(b"PAR1" + bytes(300) + content[304:])  # its footer is whole, its pages not
    raws = collected(source_of(good, broken, torn, base=base), tmp_path)
    assert told(raws)[:10] == [f"kite {number}" for number in range(10)]
    assert [raw.reason for raw in raws[10:]] == ["bad_stream", "bad_stream"]
    with pytest.raises(SourceError, match=r"b.parquet: expected a Parquet file of the columnar"):
        crawl_index.check(source_of(broken, base=base))


def test_texts_that_are_no_utf8_end_no_build(tmp_path, base):
    table = pa.Table.from_pylist(scanned(base / NAME, NAME), SCHEMA)
    bad = pa.array([b"\xff\xfe", *[b"fin"] * 9]).view(pa.string())
    place = SCHEMA.get_field_index("content_languages")
    index = tmp_path / "i.parquet"
    pq.write_table(table.set_column(place, "content_languages", bad), index)
    for where, n in (("= 'fin'", 9), ("= '\ufffd\ufffd'", 1)):
        source = source_of(index, base=base, where=f"content_languages {where}")
        assert len(collected(source, tmp_path)) == n


@pytest.mark.parametrize(
    ("change", "about"),
    [
        ({"where": "lang = 'fin'"}, "no column lang; there are url_surtkey, url, "),
        ({"where": "url IN (SELECT * FROM read_text('/etc/passwd'))"}, "may not have a subquery"),
        ({"where": "random() < .1"}, "may not call random"),
        ({"where": "((("}, "syntax error"),
        ({"base": "{tmp}/i.parquet"}, "expected a folder"),
        ({"base": "https://data.example/"}, "contact = ''"),
        ({"paths": ("{tmp}/base",)}, "no index in there"),
        ({"paths": ("{tmp}/a.txt",)}, "expected a Parquet file of the columnar index, or CDXJ"),
        ({"paths": ("{tmp}/pages.parquet",)}, "expected a column warc_filename; there are url"),
        ({"paths": ("{tmp}/text.parquet",)}, "no Parquet file"),
        ({"paths": ("{tmp}/text.cdxj",)}, "the first line is none of CDXJ: 'no index"),
        ({"paths": ("{tmp}/empty.cdxj",)}, "the file is empty"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line_at_the_door(tmp_path, base, change, about):
    parquet(tmp_path / "i.parquet", scanned(base / NAME, NAME))
    for name in ("a.txt", "text.parquet", "text.cdxj"):
        (tmp_path / name).write_text("no index at all\n")
    (tmp_path / "empty.cdxj").write_text("")
    parquet(tmp_path / "pages.parquet", [{"url": "x"}], pa.schema([("url", pa.string())]))
    said = {"paths": ("{tmp}/i.parquet",), "base": str(base), **change}
    paths = [text.format(tmp=tmp_path) for text in said.pop("paths")]
    said["base"] = said["base"].format(tmp=tmp_path)
    with pytest.raises(SourceError, match=about) as refused:
        crawl_index.check(source_of(*paths, **said))
    assert "\n" not in str(refused.value)


def _parts(source: CommonCrawlIndexSource, folder: Path) -> list[PlannedPart]:
    return list(crawl_index.parts(source, Planning(str, records=listed(source, folder))))


def test_a_file_that_is_added_changes_no_part_of_the_others(tmp_path, base, monkeypatch):
    monkeypatch.setattr(records, "PART_RECORDS", 4)
    rows = scanned(base / NAME, NAME)
    one, two = (parquet(tmp_path / f"{n}.parquet", rows[n : n + 6]) for n in (0, 4))
    alone = [identity for _, identity, _ in _parts(source_of(one, base=base), tmp_path)]
    both = [identity for _, identity, _ in _parts(source_of(one, two, base=base), tmp_path)]
    assert len(alone) == 2
    assert alone == both[:2]
    assert len(set(map(json.dumps, both))) == 4


def test_a_condition_that_a_value_or_a_later_file_does_not_fit_ends_the_stage_in_one_line(
    tmp_path, base
):
    rows = scanned(base / NAME, NAME)
    index = parquet(tmp_path / "i.parquet", rows)
    source = source_of(index, base=base, where="CAST(content_languages AS INT) > 0")
    with pytest.raises(SourceError, match=r"i.parquet: .*Could not convert string 'fin' to INT32"):
        collected(source, tmp_path)
    other = parquet(tmp_path / "other.parquet", [{"url": "x"}], pa.schema([("url", pa.string())]))
    with pytest.raises(SourceError, match=r"other.parquet: expected a column warc_filename"):
        listed(source_of(index, other, base=base), tmp_path)
