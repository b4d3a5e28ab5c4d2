"""What servers answered, as archives hold it: each answer is a row, a reason, or a page of none."""

import gzip
import zlib

import pyarrow as pa
import pytest

from pipeline.sources.crawl.bodies import MOST_PAGE_BYTES
from tests.pipeline.sources.crawl.test_crawl import (
    GZIPPED,
    IMG,
    packed,
    plain,
    record,
    rows_of,
    told,
)

HTML = b"<html><body>" + IMG
BR = pa.compress(IMG * 50, codec="brotli", asbytes=True)
ZSTD = pa.compress(IMG * 50, codec="zstd", asbytes=True)
# Three blocks of zstd: what is whole in a body that is cut short is the first two.
LONG = b"".join(b'<img src="%d.jpg" alt="kite %d">' % (n, n * n) for n in range(12_000))


def answer(block: bytes, *fields: str) -> bytes:
    """A record of a block, which replaces head and body of an answer."""
    head, _, _ = record().partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    lines += [*map(str.encode, fields), b"Content-Length: %d" % len(block)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + block + b"\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\nContent-Type: text/html\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\n\r\n",
        b"HTTP/1.1 200\ncontent-TYPE:TEXT/HTML;charset=utf-8\n\n",
        b"http/1.0 404 Not Found\r\nContent-Type : text/html\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\nLink: </a.css>\n\nHTTP/2 200\nContent-Type: text/html\n\n",
        # not_utf8_http_header.warc of warcat 2.2.5: a name and a value in other charsets
        b"HTTP/1.1 200 OK\r\nX-\xff\xfe: \xe9\r\nContent-Type: text/html\r\n\r\n",
        # missing-status-text.warc of pywb 2.10.0: no words behind the status
        b"HTTP/1.0 302 \r\nContent-Type: text/html\r\n\r\n",
    ],
)
def test_a_head_is_read_whatever_its_lines_end_in(tmp_path, head):
    assert told(rows_of(tmp_path, packed(answer(head + HTML), record()))) == ["kite", "kite"]


@pytest.mark.parametrize(
    ("head", "fields"),
    [
        ("Server: x", ["WARC-Identified-Payload-Type: text/html"]),
        ("Content-Type:", ["warc-identified-payload-type: application/xhtml+xml"]),
        ("Content-Type: a/b\r\nContent-Type: a/c", ["WARC-Identified-Payload-Type: text/html"]),
        ("Content-Type: image/png\r\nContent-Type: text/html", []),
        ("Content-Type: text/html\r\nContent-Type: text/html; charset=utf-8", []),
        ("Content-Type: text/html, text/html", []),
        ("Content-Type: html", []),
        ("Content-Type: unknown/unknown", []),
        ("Content-Type: */*", []),
        ("Content-Type: application/xml", []),
        ("Server: x", []),
    ],
)  # fmt: skip
def test_a_missing_or_doubled_type_is_told_by_the_crawler_or_the_first_bytes(
    tmp_path, head, fields
):
    block = b"HTTP/1.1 200 OK\r\n%b\r\n\r\n\n<!-- - -->%b" % (head.encode(), HTML)
    assert told(rows_of(tmp_path, packed(answer(block, *fields)))) == ["kite"]


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Content-Type: image/png", b"\x89PNG"),
        ("Content-Type: text/plain", IMG),
        ("Content-Type: application/xml", b"<rss><title>a</title></rss>"),
        ("Server: x", b"\x89PNG"),
        ("Server: x", b"{}"),
        ("Server: x", b""),
    ],
)
def test_an_answer_that_is_no_page_says_so(tmp_path, head, body):
    block = b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (head.encode(), body)
    (raw,) = rows_of(tmp_path, packed(answer(block)))
    assert raw.reason == "not_a_page"
    assert raw.page_url == "http://site.example/news/today.html"


@pytest.mark.parametrize("body", [b"", b"<p>text</p>", b'<img src="a.jpg">', b'<img alt="kite">'])
def test_a_page_without_a_picture_that_has_a_text_is_counted(tmp_path, body):
    (raw,) = rows_of(tmp_path, packed(record(body)))
    assert raw.reason == "no_picture"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b"http://site", b"HTTP://SITE", "kite"),
        (b"http://site", b"Https://site", "kite"),
        (b"http://site.example/news/today.html", b"<http://site.example/a>", "kite"),
        (b"http://site.example/news/today.html", b"dns:site.example", "not_a_page"),
        (b"http://site", b"ftp://site", "not_a_page"),
        (b"application/http", b"application/htm", "kite"),
        (b"WARC-Type: response", b"warc-type: Response", "kite"),
        (b"Content-Length", b"content-length", "kite"),
        (b"WARC-Target-URI", b"Warc-Target-Uri", "kite"),
        (b"HTTP/1.1 200 OK", b"HTTX", "bad_record"),
        (b"HTTP/1.1 200 OK", b"<html>", "bad_record"),
    ],
)
@pytest.mark.parametrize("form", [packed, plain])
def test_fields_and_schemes_are_read_in_any_case(tmp_path, form, old, new, expected):
    changed = answer(record().partition(b"\r\n\r\n")[2][:-4]).replace(old, new)
    length = len(changed.partition(b"\r\n\r\n")[2]) - 4
    changed = changed.replace(b"ength: 73", b"ength: %d" % length)
    assert told(rows_of(tmp_path, form(record(), changed, record()))) == ["kite", expected, "kite"]


@pytest.mark.parametrize("form", [packed, plain])
def test_a_crawl_whose_lines_end_in_lf_is_read_as_the_others_are(tmp_path, form):
    body = IMG + b"<p>" * 50_000
    bare = answer(b"HTTP/1.1 200 OK\nContent-Type: text/html\n\n" + body).replace(b"\r\n", b"\n")
    assert told(rows_of(tmp_path, form(*[bare] * 3, record()))) == ["kite"] * 4


@pytest.mark.parametrize(
    ("encodings", "body"),
    [
        ("br", BR),
        ("br, gzip", gzip.compress(BR, mtime=0)),
        ("gzip\r\nContent-Encoding: zstd", pa.compress(GZIPPED, codec="zstd", asbytes=True)),
        ("X-GZIP", gzip.compress(IMG, mtime=0)),
        ("identity, deflate", zlib.compress(IMG)),
        ("gzip", gzip.compress(b"<p>", mtime=0) + gzip.compress(IMG, mtime=0)),
        ("sdch", IMG),
        ("UTF-8", IMG),
        ("gzip, br, deflate, zstd", IMG),  # unpacked by the crawler, who kept the header
    ],
)  # fmt: skip
def test_encodings_are_a_list_and_undone_from_the_last(tmp_path, encodings, body):
    http = f"Content-Type: text/html\r\nContent-Encoding: {encodings}"
    assert set(told(rows_of(tmp_path, packed(record(body, http))))) == {"kite"}


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(LONG, mtime=0)),
        ("deflate", zlib.compress(LONG)),
        ("br", pa.compress(LONG, codec="brotli", asbytes=True)),
        ("zstd", pa.compress(LONG, codec="zstd", asbytes=True)),
    ],
)
@pytest.mark.parametrize("hurt", ["cut", "damaged"])
def test_a_packed_body_is_read_as_far_as_it_goes(tmp_path, encoding, body, hurt):
    middle = len(body) * 2 // 3
    body = body[:middle] if hurt == "cut" else body[:middle] + b"\xff" * 99 + body[middle + 99 :]
    http = f"Content-Type: text/html\r\nContent-Encoding: {encoding}"
    *raws, last = rows_of(tmp_path, packed(record(body, http)))
    captions = told([raw for raw in (*raws, last) if raw.reason is None])
    assert len(captions) > 500
    assert captions[:500] == [f"kite {n * n}" for n in range(500)]


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", BR[:3]),
        ("zstd", ZSTD[:12]),
        ("gzip", gzip.compress(IMG, mtime=0)[:12]),
        ("br", b"\x89PNG\r\n\x1a\n\0\0"),
        ("compress", b"\x1f\x9d\x90\x3c\x01"),
    ],
)
def test_a_packed_body_of_which_nothing_is_read_has_a_reason(tmp_path, encoding, body):
    http = f"Content-Type: text/html\r\nContent-Encoding: {encoding}"
    assert told(rows_of(tmp_path, packed(record(body, http), record()))) == ["bad_record", "kite"]


@pytest.mark.parametrize("codec", ["gzip", "brotli", "zstd"])
def test_no_encoding_unpacks_to_more_than_a_page(tmp_path, codec):
    body = pa.compress(IMG + b" " * 50_000_000, codec=codec, asbytes=True)
    body = pa.compress(body, codec="gzip", asbytes=True)
    names = {"gzip": "gzip, gzip", "brotli": "br, gzip", "zstd": "zstd, gzip"}
    http = f"Content-Type: text/html\r\nContent-Encoding: {names[codec]}"
    raws = rows_of(tmp_path, packed(record(body, http)))
    assert told(raws) == ["kite", "bad_record"]
    assert raws[1].extra == {"fault": f"longer than {MOST_PAGE_BYTES} bytes"}


def revisit(number: int) -> bytes:
    """A record of an answer that was as before: its head without a body (WARC 1.1, 6.7)."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
    made = answer(head, f"WARC-Refers-To-Target-URI: http://x.org/{number}")
    return made.replace(b"WARC-Type: response", b"WARC-Type: revisit")


@pytest.mark.parametrize("pack", [packed, plain])
def test_a_crawl_of_revisits_alone_is_accounted_for(tmp_path, pack):
    rows = rows_of(tmp_path, pack(*map(revisit, range(3))))
    assert [row.reason for row in rows] == ["revisited"] * 3
    assert all(row.page_url for row in rows)


def test_revisits_stand_beside_the_pages_of_a_crawl(tmp_path):
    rows = rows_of(tmp_path, packed(record(), revisit(1), record()))
    assert [row.reason for row in rows] == [None, "revisited", None]
