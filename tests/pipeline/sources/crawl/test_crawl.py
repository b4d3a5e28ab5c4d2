"""Crawl files: real ones, damaged ones, ones that lie; here, and on a server that breaks off."""

import gzip
import json
import random
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.settings.sources import CommonCrawlSource
from pipeline.settings.values import Section
from pipeline.sources.candidate import Raw, SourceError
from pipeline.sources.crawl import warc
from pipeline.sources.crawl.files import files
from pipeline.sources.crawl.pages import check, parts, read
from pipeline.sources.interface import Planning
from tests.download_server import DownloadServer

PAGE = "http://site.example/news/today.html"
IMG = b'<img src="a.jpg" alt="kite">'
HUGE = IMG + b" " * 50_000_000
GZIPPED = gzip.compress(IMG, mtime=0)


def record(
    body: bytes = IMG,
    http: str = "Content-Type: text/html",
    length: int | None = None,
    kind: str = "response",
) -> bytes:
    """A WARC record; `length` is what it says of itself."""
    answer = b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % http.encode() if kind == "response" else b""
    content_type = "application/http; msgtype=response" if answer else "application/json"
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {PAGE}\r\n"
        "WARC-Date: 2026-11-01T00:00:00Z\r\n"
        "WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-000000000000>\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(answer + body) if length is None else length}\r\n\r\n"
    )
    return head.encode() + answer + body + b"\r\n\r\n"


def packed(*records: bytes) -> bytes:
    """A crawl as Common Crawl writes it: each record a gzip member of its own."""
    return b"".join(gzip.compress(one, mtime=0) for one in records)


def plain(*records: bytes) -> bytes:
    return b"".join(records)


def source_of(*paths: object, **settings: object) -> CommonCrawlSource:
    return CommonCrawlSource(
        kind="commoncrawl", name="cc", paths=tuple(map(str, paths)), **settings
    )


def read_all(path: object, **settings: object) -> list[Raw]:
    return list(read({"path": str(path)}, source_of(path, **settings)))


def rows_of(tmp_path: Path, content: bytes) -> list[Raw]:
    path = tmp_path / "crawl.warc.gz"
    path.write_bytes(content)
    return read_all(path)


def told(raws: list[Raw]) -> list[str]:
    """Each row's caption, or its reason."""
    return [raw.reason or raw.caption for raw in raws]


@pytest.mark.parametrize(
    ("name", "at_least"), [("warcfile.warc.gz", 29), ("IAH-urls-wget.warc", 46)]
)
def test_real_crawls_give_their_pictures_with_alternative_texts(shared, name, at_least):
    raws = read_all(shared / name)
    assert {raw.reason for raw in raws} <= {None, "no_picture", "not_a_page"}
    kept = [raw for raw in raws if raw.reason is None]
    assert len(kept) >= at_least
    assert all(raw.url.startswith("http") for raw in kept)
    assert all(raw.page_url.startswith("http") for raw in kept)


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", ["warcfile.warc.gz", "IAH-urls-wget.warc"])
def test_real_crawls_that_break_off_keep_what_came_before(tmp_path, shared, name, cut):
    content = (shared / name).read_bytes()
    *first, last = rows_of(tmp_path, content[: int(len(content) * cut)])
    assert last.reason == "bad_record"
    assert first == read_all(shared / name)[: len(first)]


def test_a_page_has_its_charset_and_language_from_the_server_or_itself(tmp_path):
    img = '<img src="a.jpg" alt="{}">'
    raws = rows_of(
        tmp_path,
        packed(
            record(img.format("маяк").encode("cp1251"), "Content-Type: text/html; charset=cp1251"),
            record(
                b'<html lang=JA><meta charset="shift_jis">' + img.format("灯台").encode("cp932")
            ),
            record(img.format("phare").encode(), "Content-Type: TEXT/html\r\nContent-Language: fr"),
            record(b"\x89PNG", "Content-Type: image/png"),
            record(b"<img src=x alt=y>", "Content-Type: text/plain"),
        ),
    )
    assert told(raws) == ["маяк", "灯台", "phare", "not_a_page", "not_a_page"]
    assert [raw.extra for raw in raws[:3]] == [None, {"language": "ja"}, {"language": "fr"}]
    assert {raw.page_url for raw in raws} == {PAGE}


def chunked(body: bytes) -> bytes:
    pieces = [body[n : n + 7] for n in range(0, len(body), 7)]
    return b"".join(b"%x;a=b\r\n%b\r\n" % (len(one), one) for one in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("http", "body"),
    [
        ("Content-Encoding: gzip", GZIPPED),
        ("X-Encoding: unknown", GZIPPED),
        ("Content-Encoding: deflate", zlib.compress(IMG)),
        ("Content-Encoding: deflate", zlib.compress(IMG, wbits=-15)),
        ("Content-Encoding: br", pa.compress(IMG, codec="brotli", asbytes=True)),
        ("Content-Encoding: zstd", pa.compress(IMG, codec="zstd", asbytes=True)),
        ("Transfer-Encoding: chunked", chunked(IMG)),
        (
            "Transfer-Encoding: chunked\r\nContent-Encoding: gzip",
            chunked(GZIPPED),
        ),
        *[
            (f"{header}: {value}", IMG)  # removed by the crawler, who kept the header
            for header, value in [
                ("Content-Encoding", "gzip"),
                ("Content-Encoding", "br"),
                ("Content-Encoding", "deflate"),
                ("Transfer-Encoding", "chunked"),
            ]
        ],
    ],
)
def test_a_page_stored_as_it_was_sent_is_unpacked(tmp_path, http, body):
    raws = rows_of(tmp_path, packed(record(body, f"Content-Type: text/html\r\n{http}")))
    assert told(raws) == ["kite"]


@pytest.mark.parametrize(
    "body", [IMG + b" " * 50_000_000, gzip.compress(IMG + b" " * 50_000_000, mtime=0)]
)
def test_a_huge_page_is_cut_and_says_so(tmp_path, body):
    raws = rows_of(tmp_path, packed(record(body), record()))
    assert told(raws) == ["kite", "bad_record", "kite"]
    assert raws[1].page_url == PAGE
    assert raws[1].extra == {"fault": "longer than 4194304 bytes"}


HURT = packed(record(IMG + bytes(range(256)) * 40))
LIES = [10_000_000_000_000, 2**70, 300_000_000, 20_000_000, 5_000, 1_000, 60, 0, -5]


@pytest.mark.parametrize("form", [packed, plain])
@pytest.mark.parametrize("length", LIES)
def test_a_record_that_lies_of_its_length_loses_only_itself(tmp_path, form, length):
    raws = rows_of(tmp_path, form(record(), record(length=length), *[record()] * 20))
    assert told(raws) == ["kite", "bad_record", *["kite"] * 20]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (packed(record()) + HURT[:200] + b"\0" * 100 + HURT[300:], ["kite", "bad_record"]),
        (packed(record()) + HURT[:12] + b"\0" * 8 + HURT[20:], ["kite", "bad_record"]),
        (packed(record(), b"no record"), ["kite", "bad_record"]),
        (packed(record()) + b"no member", ["kite", "bad_record"]),
        (packed(record()) + b"\0" * 1_000_000, ["kite", "bad_record"]),
        (packed(record(), b""), ["kite", "bad_record"]),
        (packed(record().replace(b"Content-Length", b"Content-Size")), ["bad_record"]),
        (packed(record().replace(b"WARC-Type", b"WARC-Tip")), ["bad_record"]),
        (packed(record().replace(b"HTTP/1.1 200 OK", b"HTTX")), ["bad_record"]),
        (packed(record(http="X: " + "a" * 200_000)), ["bad_record"]),
        (packed(b"WARC/1.0\r\nX: " + b"a" * 20_000_000), ["bad_record"]),
        (packed(b"WARC/1.0\r\n" + b"X: a\r\n" * 2_000_000), ["bad_record"]),
    ],
)
def test_a_damaged_place_is_counted_once_and_the_rest_is_read(tmp_path, content, expected):
    assert told(rows_of(tmp_path, content + packed(record()) * 2)) == [*expected, "kite", "kite"]


@pytest.mark.parametrize("form", [packed, plain])
def test_each_damaged_record_of_many_is_counted(tmp_path, form):
    raws = rows_of(tmp_path, form(*[record(), record(length=700)] * 200))
    assert told(raws) == ["kite", "bad_record"] * 200


@pytest.mark.parametrize("missing", [1, 4, 9, 100, 400])
@pytest.mark.parametrize("form", [packed, plain])
def test_a_crawl_that_breaks_off_keeps_what_came_before(tmp_path, form, missing):
    last = record(IMG + bytes(range(256)) * 40)
    raws = rows_of(tmp_path, form(record(), last)[:-missing])
    read_whole = form is plain and missing <= 4  # all that is missing are the empty lines
    assert told(raws) == ["kite", "kite" if read_whole else "bad_record"]


def test_records_that_share_a_gzip_member_are_read_and_a_damage_says_that_the_rest_is_not(tmp_path):
    assert told(rows_of(tmp_path, gzip.compress(record() * 3, mtime=0))) == ["kite"] * 3
    lying = gzip.compress(record() + record(length=160) + record(), mtime=0)
    assert told(rows_of(tmp_path, lying)) == ["kite", "bad_stream"]


def test_zstd_is_read_and_a_damaged_frame_passed_over(tmp_path):
    frames = [pa.compress(record(), codec="zstd", asbytes=True) for _ in range(4)]
    assert told(rows_of(tmp_path, b"".join(frames))) == ["kite"] * 4
    frames[1] = frames[1][:20] + b"\0" * 20 + frames[1][40:]
    raws = told(rows_of(tmp_path, b"".join(frames)))
    # Whether the frame before the damage was whole, fastwarc does not tell.
    assert raws == ["bad_record", "bad_record", "kite", "kite"]


def test_an_archive_cannot_feign_its_end(tmp_path):
    feigned = record().replace(b"<urn:uuid:00000000-0000-4000-8000-000000000000>", b"<urn:end>")
    assert told(rows_of(tmp_path, packed(feigned, record()))) == ["kite", "kite"]
    assert warc.END_ID.encode() not in feigned


def test_a_file_that_needs_too_much_reading_again_is_given_up_with_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(warc, "MOST_READ_AGAIN", 1_000_000)
    raws = told(rows_of(tmp_path, plain(*[record(length=100_000)] * 1_000)))
    assert raws[-1] == "bad_stream"
    assert set(raws[:-1]) == {"bad_record"}


# Its first block is longer than the head by which other files are told.
LONG_ZSTD = pa.compress(random.Random(1).randbytes(200_000), codec="zstd", asbytes=True)
NO_CRAWLS = [
    (b"", "it is empty"),
    (b"<html>not found", "got b'<html>not found'"),
    (gzip.compress(b"<html>", mtime=0), "got gzip of b'<html>'"),
    (pa.compress(b"<!doctype html>", codec="zstd", asbytes=True), "got zstd of b'<!doctype html>'"),
    (LONG_ZSTD, "got zstd of b'"),
    (b"PK\x05\x06" + b"\0" * 18, "got b'PK"),
    (b"PK\x03\x04 and no more", "a zip that cannot be read"),
    (b"\x5d\x2a\x4d\x18\x04\0\0\0abcd", "zstd with a dictionary"),
    (b"\x28\xb5\x2f\xfd\x03\x01\x02\x03\x04", "zstd with a dictionary"),
]


@pytest.mark.parametrize(
    "use", [check, lambda source: list(read({"path": source.paths[0]}, source))]
)
@pytest.mark.parametrize(("content", "about"), NO_CRAWLS)
def test_what_is_no_crawl_is_refused_in_one_line_by_its_first_block(tmp_path, content, about, use):
    path = tmp_path / "page.html"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=f"expected a WARC.*{about}") as refused:
        use(source_of(path))
    assert "\n" not in str(refused.value)


BOMBS = {
    "long page": (record(length=200_000_300)[:-4], 200_000_000),
    "says 10 TB": (record(length=10**13)[:-4], 300_000_000),
    "says nothing of it": (record(), 300_000_000),
    "header": (b"WARC/1.0\r\nWARC-Type: response\r\nX: ", 300_000_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_memory_stays_bounded_whatever_a_record_unpacks_to(tmp_path, name):
    head, n_bytes = BOMBS[name]
    packer = zlib.compressobj(1, wbits=31)
    bomb = packer.compress(head)
    for _ in range(n_bytes // 1_000_000):
        bomb += packer.compress(b"a" * 1_000_000)
    bomb += packer.flush()
    path = tmp_path / "bomb.warc.gz"
    path.write_bytes(packed(record()) + bomb + packed(record()))
    program = (
        "import sys, collections\n"
        "from pipeline.settings.sources import CommonCrawlSource\n"
        "from pipeline.sources.crawl.pages import read\n"
        "source = CommonCrawlSource(kind='commoncrawl', name='cc', paths=(sys.argv[1],))\n"
        "for raw in read({'path': sys.argv[1]}, source):\n"
        "    print(raw.reason or raw.caption)\n"
        "print(*[x for x in open('/proc/self/status') if x.startswith('VmHWM')], end='')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )
    *rows, peak = done.stdout.splitlines()
    assert int(peak.split()[1]) < 500_000  # kB
    assert rows[0] == rows[-1] == "kite"
    assert rows.count("bad_record") == 1


def wat(links: object, **html: object) -> bytes:
    """A record of a WAT file: what is known of a page."""
    page = {"Links": links, **html}
    answer = {"Headers": {"Content-Language": "DE"}, "HTML-Metadata": page}
    envelope = {"Payload-Metadata": {"HTTP-Response-Metadata": answer}}
    return record(json.dumps({"Envelope": envelope}).encode(), kind="metadata")


def test_the_type_of_a_wat_record_is_read_in_any_case(tmp_path):
    content = wat([{"path": "IMG@/src", "url": "/a.jpg", "alt": "kite"}])
    odd = content.replace(b"application/json", b"Application/JSON; charset=UTF-8")
    assert told(rows_of(tmp_path, packed(odd))) == ["kite"]


def test_wat_files_are_told_by_their_records_not_by_their_name(tmp_path):
    links = [
        {"path": "IMG@/src", "url": "/a.jpg", "alt": "A  red\nkite", "title": "kite"},
        {"path": "IMG@/src", "url": "b.jpg", "title": "gull"},
        {"path": "IMG@/src", "url": "//cdn.example/c.jpg", "alt": ""},
        {"path": "IMG@/src", "alt": "no address"},
        {"path": "A@/href", "url": "/d.jpg", "alt": "no picture", "text": "IMG"},
        {"path": ["IMG@/src"], "url": 3, "alt": {}},
        "IMG@/src",
    ]
    metas = [
        {"property": "og:image", "content": "/o.jpg"},
        {"property": "og:title", "content": "News"},
        {"content": "x"},
        None,
    ]
    head = {"Base": "http://cdn.example/p/", "Metas": metas}
    raws = rows_of(tmp_path, packed(wat(links, Head=head), record()))
    assert [(raw.url, raw.caption) for raw in raws] == [
        ("http://cdn.example/a.jpg", "A red kite"),
        ("http://cdn.example/a.jpg", "kite"),
        ("http://cdn.example/p/b.jpg", "gull"),
        ("http://cdn.example/o.jpg", "News"),
        ("http://site.example/news/a.jpg", "kite"),
    ]
    assert raws[0].extra == {"language": "de"}
    assert raws[0].page_url == PAGE


@pytest.mark.parametrize(
    "body",
    [
        b'{"IMG@/": ',
        b'["IMG@/"' + b"[" * 1_000_000,
        b"\xff\xfe IMG@/",
        b'"IMG@/' + b"a" * 5_000_000 + b'"',
    ],
)
def test_metadata_that_cannot_be_read_are_counted(tmp_path, body):
    raws = rows_of(tmp_path, packed(record(body, kind="metadata"), record()))
    assert told(raws) == ["bad_record", "kite"]


@pytest.mark.parametrize("body", [b'"IMG@/"', b"[]", b'{"Envelope": ["IMG@/"]}', b"\0", b""])
def test_metadata_of_another_form_have_no_pictures(tmp_path, body):
    assert told(rows_of(tmp_path, packed(record(body, kind="metadata"), record()))) == ["kite"]


def test_a_wat_with_a_lone_surrogate_is_read(tmp_path):
    links = [{"path": "IMG@/src", "url": "/a", "alt": "\ud800 kite"}]
    (raw,) = rows_of(tmp_path, packed(wat(links)))
    assert raw.caption.endswith("kite")


@pytest.fixture
def server(monkeypatch) -> Iterator[DownloadServer]:
    monkeypatch.setattr("pipeline.sources.crawl.files.BACKOFF_S", 0.001)
    monkeypatch.setattr("pipeline.sources.crawl.files.BLOCK_BYTES", 20_000)
    files.cache_clear()
    with DownloadServer() as running:
        yield running


CRAWL = packed(*[record(IMG + bytes(range(256)) * 4) for _ in range(200)])


def test_a_crawl_at_an_address_is_read_while_it_comes_and_taken_up_where_it_broke_off(server):
    moves = ("status 503 0", "drop 25000", "drop 30000", "range bytes 0-0/9", "status 429")
    raws = read_all(server.put("/a.warc.gz", CRAWL, *moves))
    assert told(raws) == ["kite"] * 200
    assert server.ranges() == [None, None, "bytes=25000-"] + ["bytes=55000-"] * 3
    assert server.sent["/a.warc.gz"] == len(CRAWL) + 1  # of the other range
    assert server.asked[0].agent.startswith("buildwit/")


@pytest.mark.parametrize("content", [b"", b"<!doctype html><title>503</title>"])
def test_a_remote_file_that_is_no_crawl_is_never_a_finished_part(server, content):
    url = server.put("/a.warc.gz", content)
    with pytest.raises(SourceError, match=f"{url}: expected a WARC"):
        read_all(url)


def test_a_server_that_knows_of_no_ranges_is_read_past_what_is_known(server):
    url = server.put("/a.warc.gz", CRAWL, "drop 50000", ranges=False)
    assert told(read_all(url)) == ["kite"] * 200


def test_a_crawl_that_has_changed_in_between_is_not_mixed(server):
    url = server.put("/a.warc.gz", CRAWL, "drop 80000")
    rows = read({"path": url}, source_of(url))
    assert next(rows).caption == "kite"
    server.files["/a.warc.gz"].etag = '"2"'
    with pytest.raises(SourceError, match="it has changed while it was read"):
        list(rows)


def test_damage_in_a_remote_crawl_is_passed_over_too(server):
    hurt = CRAWL + HURT[:200] + b"\0" * 100_000 + HURT[300:] + CRAWL
    raws = read_all(server.put("/a.warc.gz", hurt))
    assert told(raws) == ["kite"] * 200 + ["bad_record"] + ["kite"] * 200
    lying = packed(*[record(length=400_000), record(IMG + bytes(range(256)) * 4)] * 100)
    assert told(read_all(server.put("/b.warc.gz", lying))) == ["bad_record", "kite"] * 100


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        (["status 404"], "HTTP 404"),
        (["status 403"], "HTTP 403"),
        (["status 503 0"] * 6, "HTTP 503, asked 6 times"),
        (["drop 0"] * 6, "asked 6 times"),
    ],
)
def test_a_crawl_that_cannot_be_had_stops_in_one_line(server, moves, expected):
    url = server.put("/a.warc.gz", CRAWL, *moves)
    with pytest.raises(SourceError) as stopped:
        read_all(url)
    assert str(stopped.value).startswith(f"source cc: {url}: ")
    assert expected in str(stopped.value)
    assert "\n" not in str(stopped.value)


def planned(source: Section) -> list[tuple[str, tuple, dict]]:
    return list(parts(source, Planning(content=lambda path: f"digest of {path.name}")))


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
@pytest.mark.parametrize("remote", [True, False])
def test_a_list_gives_a_part_for_each_of_its_first_files(tmp_path, server, pack, remote):
    lines = "".join(f"crawl-data/{n}.warc.gz\n" for n in range(5)).encode()
    name = "warc.paths.gz" if pack is gzip.compress else "warc.paths"
    path = server.put(f"/{name}", pack(lines), "drop 10") if remote else tmp_path / name
    if not remote:
        path.write_bytes(pack(lines))
    source = source_of(path, base=server.url("/"), most_files=2)
    check(source)
    expected = [server.url(f"/crawl-data/{n}.warc.gz") for n in range(2)]
    assert [rows["path"] for _, _, rows in planned(source)] == [[url] for url in expected]
    assert [identity for _, identity, _ in planned(source)] == [(url,) for url in expected]
    assert [name for name, _, _ in planned(source)] == ["0.warc.gz", "1.warc.gz"]
    assert len(server.asked) == (2 if remote else 0)  # once, and again for its end


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_may_have_comments_and_a_byte_order_mark(tmp_path, charset):
    path = tmp_path / "wat.paths"
    lines = "# zwei vom März\r\n\r\n1.wat.gz\r\n  # no more\r\n2.wat.gz # the last\r\n"
    path.write_bytes(lines.encode(charset))
    base = "http://127.0.0.1:1/may/"
    assert files(source_of(path, base=base)) == (f"{base}1.wat.gz", f"{base}2.wat.gz")


def test_a_file_here_is_known_by_its_content(tmp_path):
    path = tmp_path / "a.warc.gz"
    path.write_bytes(CRAWL)
    check(source_of(path))
    assert planned(source_of(path)) == [
        ("a.warc.gz", ("digest of a.warc.gz",), {"path": [str(path)]})
    ]


@pytest.mark.parametrize(
    ("content", "about"),
    [
        (b"", "names no file"),
        (b"# nothing yet\n", "names no file"),
        (b"\xff", "expected a list"),
        (b"a\x01b\n", "expected paths, got 'a"),
        (b"a" * 3_000, "expected paths, got 'aaa"),
        (gzip.compress(b"crawl-data/0.warc.gz\n", mtime=0)[:-9], "is cut off"),
        (b"file:///etc/passwd\n", "expected an http or https address"),
        (b"https://other.example/a.warc.gz\n", "contact = '': expected an address of yours"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_in_one_line(tmp_path, content, about):
    path = tmp_path / "warc.paths"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=about) as refused:
        check(source_of(path, base="http://127.0.0.1:1/"))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "path", ["https://data.example/a.warc.gz", "https://data.example/warc.paths.gz"]
)
def test_no_stranger_is_asked_without_a_contact(path):
    with pytest.raises(SourceError, match="contact = ''"):
        check(source_of(path))
