"""Pictures of crawled pages: literal pages in, rows out; then real and damaged crawls."""

import gzip
from pathlib import Path

import pytest

from pipeline.source_settings import CommonCrawlSource
from pipeline.sources.commoncrawl import check, pictures, read
from pipeline.sources.rows import SourceError

PAGE = "http://site.example/news/today.html"


def found(html: str, page: str = PAGE) -> list[tuple[str, str]]:
    return [(raw.url, raw.caption) for raw in pictures(html, page)]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (
            '<img src="a.jpg" alt="A  red\n kite">',
            [("http://site.example/news/a.jpg", "A red kite")],
        ),
        ('<img src="/a.jpg" title="kite">', [("http://site.example/a.jpg", "kite")]),
        ('<img src="//cdn.example/a.jpg" alt="kite">', [("http://cdn.example/a.jpg", "kite")]),
        (
            '<base href="/pictures/"><img src="a.jpg" alt="kite">',
            [("http://site.example/pictures/a.jpg", "kite")],
        ),
        (
            '<img src="data:image/gif;base64,R0" data-src="a.jpg" alt="lazy">',
            [("http://site.example/news/a.jpg", "lazy")],
        ),
        (
            '<img src="s.jpg" srcset="m.jpg 320w, l.jpg 1280w" alt="large">',
            [("http://site.example/news/l.jpg", "large")],
        ),
        (
            '<picture><source srcset="p.webp 2x"><img src="s.jpg" alt="drawn"></picture>',
            [("http://site.example/news/p.webp", "drawn")],
        ),
        (
            '<figure><a><img src="a.jpg" alt="kite"></a><figcaption>A <b>red</b> kite</figcaption>'
            "</figure>",
            [
                ("http://site.example/news/a.jpg", "kite"),
                ("http://site.example/news/a.jpg", "A red kite"),
            ],
        ),
        (
            '<meta property="og:image" content="/o.jpg"><meta property="og:title" content="News">',
            [("http://site.example/o.jpg", "News")],
        ),
        ('<img src="a.jpg"><img alt="no address"><img src="" alt="empty">', []),
        ('<img src="data:image/png;base64,xx" alt="inline">', []),
        ('<img src="http://[bad" alt="broken address">', []),
        ('<img src="a.jpg" alt="x" title="x ">', [("http://site.example/news/a.jpg", "x")]),
    ],
)
def test_pictures_have_their_best_address_and_every_text(html, expected):
    assert found(html) == expected


def test_a_page_cannot_flood_the_pool():
    assert len(found("".join(f'<img src="{n}.jpg" alt="{n}">' for n in range(5_000)))) == 2_000


def crawl(*pages: tuple[bytes, str]) -> bytes:
    """A crawl as Common Crawl writes it: each record a gzip member of its own."""
    members = []
    for body, content_type in pages:
        answer = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\r\n".encode() + body
        head = (
            f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {PAGE}\r\n"
            "WARC-Date: 2026-11-01T00:00:00Z\r\n"
            "WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-000000000000>\r\n"
            "Content-Type: application/http; msgtype=response\r\n"
            f"Content-Length: {len(answer)}\r\n\r\n"
        )
        members.append(gzip.compress(head.encode() + answer + b"\r\n\r\n", mtime=0))
    return b"".join(members)


def rows_of(tmp_path: Path, content: bytes) -> list:
    path = tmp_path / "crawl.warc.gz"
    path.write_bytes(content)
    return read_all(path)


def read_all(path: Path) -> list:
    source = CommonCrawlSource(kind="commoncrawl", name="cc", paths=(str(path),))
    return list(read({"path": str(path)}, source))


def test_charsets_are_taken_from_the_header_the_page_or_utf_8(tmp_path):
    img = '<img src="a.jpg" alt="{}">'
    pages = [
        (img.format("маяк").encode("windows-1251"), "text/html; charset=windows-1251"),
        (b'<meta charset="shift_jis">' + img.format("灯台").encode("shift_jis"), "text/html"),
        (img.format("phare à l'aube").encode(), "text/html"),
        (img.format("plain").encode(), "text/html; charset=no-such-thing"),
        (b"\x89PNG", "image/png"),
    ]
    captions = [raw.caption for raw in rows_of(tmp_path, crawl(*pages))]
    assert captions == ["маяк", "灯台", "phare à l'aube", "plain"]


def test_a_page_stored_as_it_was_sent_is_unpacked_and_a_bomb_is_cut(tmp_path):
    page = gzip.compress(b'<img src="a.jpg" alt="packed">' + b" " * 50_000_000)
    (raw,) = rows_of(tmp_path, crawl((page, "text/html")))
    assert raw.caption == "packed"


def test_a_damaged_record_is_counted_and_the_rest_is_read(tmp_path):
    one = crawl((b'<img src="a.jpg" alt="kite">' + bytes(range(256)) * 40, "text/html"))
    hurt = one[:200] + b"\0" * 100 + one[300:]
    raws = rows_of(tmp_path, one + hurt + one + one)
    assert [raw.reason for raw in raws] == [None, "bad_record", None, None]


def test_a_crawl_that_breaks_off_keeps_what_came_before(tmp_path):
    one = crawl((b'<img src="a.jpg" alt="kite">' + bytes(range(256)) * 40, "text/html"))
    raws = rows_of(tmp_path, one + one[:400])
    assert [raw.reason for raw in raws] == [None, "bad_record"]


def test_a_file_that_is_no_crawl_is_refused_in_one_line(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<html>")
    with pytest.raises(SourceError, match="expected a WARC file, got b'<html'"):
        check(CommonCrawlSource(kind="commoncrawl", name="cc", paths=(str(path),)))


@pytest.mark.parametrize(
    ("name", "at_least"), [("warcfile.warc.gz", 29), ("IAH-urls-wget.warc", 46)]
)
def test_real_crawls_give_their_pictures_with_alternative_texts(shared, name, at_least):
    raws = read_all(shared / name)
    assert sum(raw.reason is None for raw in raws) >= at_least
    assert all(raw.url.startswith("http") for raw in raws if raw.reason is None)
