"""Archives beside WARC: ARC, WACZ, and what crawls hold beside answers."""

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from pipeline.sources.candidate import SourceError
from pipeline.sources.crawl.bodies import MOST_PAGE_BYTES
from tests.pipeline.sources.crawl.test_crawl import (
    IMG,
    packed,
    plain,
    read_all,
    record,
    rows_of,
    server,
    told,
)

assert server  # a fixture, which a test below asks for

ABOUT = b"1 0 Capture\nURL IP-address Archive-date Content-type Archive-length\n\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"


def arc(
    block: bytes = HEAD + IMG,
    url: str = "http://site.example/a b/today.html",
    kind: str = "text/html",
    length: int | None = None,
) -> bytes:
    """A record of an ARC file; `length` is what it says of itself."""
    n_bytes = len(block) if length is None else length
    return f"{url} 192.0.2.1 20140216050221 {kind} {n_bytes}\n".encode() + block + b"\n"


START = arc(ABOUT, "filedesc://a.arc", "text/plain")


@pytest.mark.parametrize("form", [packed, plain])
def test_an_arc_file_gives_its_pictures_and_a_reason_for_each_other_answer(tmp_path, form):
    raws = rows_of(
        tmp_path,
        form(
            START,
            arc(),
            arc(b"192.0.2.1", "dns:site.example", "text/dns"),
            arc(b"HTTP/1.1 200 OK\nServer: x\n\n" + IMG),
            arc(HEAD.replace(b"text/html", b"image/png"), kind="image/png"),
            arc(HEAD),
        ),
    )
    assert told(raws) == ["kite", "not_a_page", "kite", "not_a_page", "no_picture"]
    assert raws[0].url == "http://site.example/a b/a.jpg".replace(" ", "%20")
    assert raws[0].page_url == "http://site.example/a b/today.html"


def test_the_second_version_of_arc_is_read(tmp_path):
    """A record of version 2 names its type, status and place beside its date."""
    about = b"2 0 Capture\nURL IP-address Archive-date Content-type Result-code Checksum Location "
    about += b"Offset Filename Archive-length\n"
    line = b"http://site.example/ 192.0.2.1 20140216050221 text/html 200 abc - 100 a.arc %d\n"
    content = arc(about, "filedesc://a.arc", "text/plain 200 - - 0 a.arc")
    assert told(rows_of(tmp_path, content + line % len(HEAD + IMG) + HEAD + IMG + b"\n")) == [
        "kite"
    ]


@pytest.mark.parametrize("form", [packed, plain])
@pytest.mark.parametrize("length", [10, 100_000, 300_000_000, -1])
def test_an_arc_record_that_lies_of_its_length_loses_only_itself(tmp_path, form, length):
    raws = rows_of(tmp_path, form(START, arc(), arc(length=length), *[arc()] * 5))
    assert told(raws) == ["kite", "bad_record", *["kite"] * 5]


def test_each_damaged_record_of_an_arc_is_counted_once(tmp_path):
    """As bad.arc of pywb 2.10.0: no length is a number, but one that is too small."""
    bad = b"http://example.com/ 192.0.2.1 201404010000000000 text/html %b\n\n"
    content = START + bad % b"-1" + bad % b"abc" + arc()
    assert told(rows_of(tmp_path, content)) == ["bad_record", "bad_record", "kite"]


@pytest.mark.parametrize("form", [packed, plain])
@pytest.mark.parametrize("missing", [2, 9, 60])
def test_an_arc_that_breaks_off_keeps_what_came_before(tmp_path, form, missing):
    raws = rows_of(tmp_path, form(START, arc(), arc(HEAD + IMG + bytes(range(256))))[:-missing])
    assert told(raws) == ["kite", "bad_record"]


def test_a_long_page_of_an_arc_is_cut(tmp_path):
    raws = rows_of(tmp_path, START + arc(HEAD + IMG + b" " * 2 * MOST_PAGE_BYTES) + arc())
    assert told(raws) == ["kite", "bad_record", "kite"]


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as members_file:
        for name, content in members.items():
            members_file.writestr(name, content)
    return file.getvalue()


WACZ = {
    "datapackage.json": b"{}",
    "archive/b.warc.gz": packed(record(b"<p>"), record()),
    "archive/a.warc": plain(record(), record(b"\x89PNG", "Content-Type: image/png")),
    "pages/pages.jsonl": b"{}\n",
}
ROWS = ["kite", "not_a_page", "no_picture", "kite"]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_crawls_in_a_wacz_are_read(tmp_path, compression):
    assert told(rows_of(tmp_path, zipped(WACZ, compression))) == ROWS


def test_damage_in_a_wacz_costs_only_the_damaged_record(tmp_path):
    crawl = packed(record(), record(length=100_000), record())
    assert told(rows_of(tmp_path, zipped({"archive/a.warc.gz": crawl}))) == [
        "kite",
        "bad_record",
        "kite",
    ]


def test_a_wacz_at_an_address_is_read(server):
    assert told(read_all(server.put("/a.wacz", zipped(WACZ)))) == ROWS


@pytest.mark.parametrize(
    ("content", "about"),
    [
        (zipped({"a.txt": b"text"}), "file: got a zip with 0 crawls in it"),
        (zipped({"a.warc": record()})[:-6] + b"\xff\xff\xff\x7f\0\0", "a zip"),  # a list elsewhere
        (zipped(WACZ)[:-30], "a zip that cannot be read"),
        (zipped({"archive/a.warc.gz": b"<html>"}), "got b'<html>'"),
    ],
)
def test_a_zip_that_is_no_wacz_is_refused(tmp_path, content, about):
    path = tmp_path / "a.wacz"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=about):
        read_all(path)


def test_a_list_of_a_wacz_that_claims_gigabytes_is_not_read(tmp_path):
    names = {f"{n:0200}": b"" for n in range(40_000)}  # a list of 10 MB
    path = tmp_path / "a.wacz"
    path.write_bytes(zipped({"archive/a.warc": record(), **names}))
    with pytest.raises(SourceError, match="a list of more than 8388608 bytes"):
        read_all(path)


def test_a_crawl_that_a_wacz_packs_is_bounded(tmp_path):
    path = tmp_path / "a.wacz"
    crawl = plain(record()) + b"\r\n" * 40_000_000
    path.write_bytes(zipped({"archive/a.warc": crawl}, zipfile.ZIP_DEFLATED))
    with pytest.raises(SourceError, match="whose crawls are packed"):
        read_all(path)


def resource(url: str, kind: str, body: bytes = IMG) -> bytes:
    head = record(body, kind="resource").replace(b"application/json", kind.encode())
    return head.replace(b"http://site.example/news/today.html", url.encode())


def test_resources_are_pages_without_a_server(tmp_path):
    """As httpbin-resource.warc.gz and example-wget-1-14.warc.gz of pywb 2.10.0."""
    raws = rows_of(
        tmp_path,
        packed(
            resource("http://site.example/a/", "text/html; charset=windows-1251"),
            resource("http://site.example/b", "image/png", b"\x89PNG"),
            resource("metadata://gnu.org/software/wget/warc/MANIFEST.txt", "text/plain", b"a"),
        ),
    )
    assert told(raws) == ["kite", "not_a_page", "not_a_page"]
    assert raws[0].url == "http://site.example/a/a.jpg"


def test_texts_of_pages_are_refused_where_they_are_all_and_counted_elsewhere(tmp_path):
    text = record(b"text", kind="conversion")
    assert told(rows_of(tmp_path, packed(record(), text))) == ["kite", "not_a_page"]
    with pytest.raises(SourceError, match="it holds texts \\(WET\\)"):
        rows_of(tmp_path, packed(record(b"", kind="warcinfo"), text))


def test_a_file_without_an_answer_says_so(tmp_path):
    assert told(rows_of(tmp_path, packed(record(b"", kind="warcinfo")))) == ["bad_stream"]


def test_the_plain_reader_and_the_fast_one_read_the_same(shared, tmp_path):
    for name in ("warcfile.warc.gz", "IAH-urls-wget.warc"):
        content = (shared / name).read_bytes()
        content = gzip.decompress(content) if name.endswith("gz") else content
        lower = content.replace(b"\r\nContent-Length: ", b"\r\ncontent-length: ")
        assert rows_of(tmp_path, lower) == read_all(Path(shared / name))
