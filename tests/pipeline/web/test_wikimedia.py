"""Short addresses: which files they stand for, and what a wrong list does."""

import hashlib

import pytest

from pipeline.settings.whole import DownloadSettings
from pipeline.web.client import MAX_LIST_BYTES, DownloadError
from pipeline.web.download import Remote, download
from pipeline.web.wikimedia import expand
from queries.tables.errors import InputError, UserError
from tests.download_server import DownloadServer

ONE, TWO = "1" * 40, "2" * 40
LONG = "a" * 64


@pytest.fixture
def server():
    with DownloadServer() as running:
        yield running


def settings(server: DownloadServer) -> DownloadSettings:
    return DownloadSettings(base=server.url("/"), backoff_s=0.001)


def test_a_plain_address_is_one_file_with_the_sum_that_it_carries():
    plain = "https://example.org/a/b%20c.gz?d=1"
    alone = Remote(plain, "b c.gz", "")
    assert expand(plain, DownloadSettings()) == [alone]
    assert expand(f"{plain}#sha256={LONG.upper()}", DownloadSettings()) == [
        Remote(plain, "b c.gz", f"sha256={LONG}")
    ]
    for wrong in ("https://example.org/", "https://example.org/a#md5=1", "https://e.org/..%2fa"):
        with pytest.raises(InputError, match="expected a"):
            expand(wrong, DownloadSettings())


def test_the_multistream_export_comes_with_its_sum_and_without_its_index(server):
    folder, stem = "/enwiki/20261101/", "enwiki-20261101-pages-articles-multistream"
    sums = f"{ONE}  {stem}.xml.bz2\n{TWO}  {stem}-index.txt.bz2\n{TWO}  enwiki-20261101-page.gz\n"
    server.put(f"{folder}enwiki-20261101-sha1sums.txt", sums.encode())
    assert expand("wikimedia:enwiki/20261101/multistream", settings(server)) == [
        Remote(server.url(f"{folder}{stem}.xml.bz2"), f"{stem}.xml.bz2", f"sha1={ONE}"),
    ]


@pytest.mark.parametrize("table", ["page", "redirect"])
def test_the_tables_of_pages_and_redirects_come_with_their_sums(server, table):
    name = f"enwiki-20261101-{table}.sql.gz"
    server.put("/enwiki/20261101/enwiki-20261101-sha1sums.txt", f"{ONE}  {name}\n".encode())
    assert expand(f"wikimedia:enwiki/20261101/{table}", settings(server)) == [
        Remote(server.url(f"/enwiki/20261101/{name}"), name, f"sha1={ONE}"),
    ]


def test_current_content_is_the_listed_parts_in_the_order_of_pages(server):
    folder = "/other/mediawiki_content_current/enwiki/2026-11-01/xml/bzip2/"
    stem = "enwiki-2026-11-01-"
    names = [f"{stem}p10p20.xml.bz2", f"{stem}p1p9.xml.bz2", "dewiki-2026-11-01-p1p9.xml.bz2"]
    more = [f"{stem}p1p9.xml.bz2/../../a", "../a", "SHA256SUMS"]
    sums = "\n".join(f"{LONG} *{name}" for name in names + more)
    server.put(f"{folder}SHA256SUMS", f"{sums}\nnot a sum\n".encode())
    assert expand("wikimedia:enwiki/2026-11-01/content_current", settings(server)) == [
        Remote(server.url(folder + name), name, f"sha256={LONG}") for name in names[1::-1]
    ]


def test_the_search_index_is_what_its_page_links_to(server):
    folder = "/other/cirrus_search_index/20261101/index_name=enwiki_content/"
    names = [f"enwiki_content-20261101-{n}.json.bz2" for n in (0, 2, 10)]
    links = [names[2], f"{folder}{names[1]}", names[0], names[0], "../", "enwiki.json.gz"]
    page = "".join(f'<a href="{link}">{link}</a>\n' for link in links)
    server.put(folder, page.encode())
    assert expand("wikimedia:enwiki/20261101/cirrus", settings(server)) == [
        Remote(server.url(folder + name), name) for name in names
    ]


def test_views_are_one_file_a_month_or_an_hour_and_no_list_is_asked_for(server):
    month, hour = "pageviews-202610-user.bz2", "pageviews-20261101-060000.gz"
    assert expand("wikimedia:pageviews/2026-10", settings(server)) == [
        Remote(server.url(f"/other/pageview_complete/monthly/2026/2026-10/{month}"), month)
    ]
    assert expand("wikimedia:pageviews/20261101-060000", settings(server)) == [
        Remote(server.url(f"/other/pageviews/2026/2026-11/{hour}"), hour)
    ]
    assert server.asked == []


def test_a_dump_that_is_not_as_described_is_told_of_in_one_line(server):
    folder = "/enwiki/20261101/"
    with pytest.raises(DownloadError, match=r"sha1sums\.txt: HTTP 404$"):
        expand("wikimedia:enwiki/20261101/multistream", settings(server))
    server.put(f"{folder}enwiki-20261101-sha1sums.txt", b"\xff<html>\0 sorry")
    with pytest.raises(InputError, match=r"multistream\.xml\.bz2.*listed$"):
        expand("wikimedia:enwiki/20261101/multistream", settings(server))
    server.put("/other/cirrus_search_index/20261101/index_name=enwiki_content/", b"")
    with pytest.raises(InputError, match=r"none listed$"):
        expand("wikimedia:enwiki/20261101/cirrus", settings(server))


def test_an_endless_list_is_not_read_to_its_end(server):
    server.put("/enwiki/20261101/enwiki-20261101-sha1sums.txt", b"", "endless")
    with pytest.raises(DownloadError, match=f"expected at most {MAX_LIST_BYTES} bytes"):
        expand("wikimedia:enwiki/20261101/multistream", settings(server))


@pytest.mark.parametrize(
    "text",
    [
        "wikimedia:",
        "wikimedia:enwiki/latest/multistream",
        "wikimedia:../../etc/20261101/multistream",
        "wikimedia:enwiki/20261101/multistream\n",
        "wikimedia:pageviews/2026",
        "wikimedia:pageviews/٢٠٢٦-10",
    ],
)
def test_an_unknown_short_address_is_answered_with_the_known_ones(text):
    with pytest.raises(InputError, match=r"^[^\n]*multistream[^\n]*pageviews/2026-10[^\n]*$"):
        expand(text, DownloadSettings())


def test_lists_are_not_asked_for_without_a_contact():
    with pytest.raises(UserError, match=r"downloads\.contact"):
        expand("wikimedia:enwiki/20261101/cirrus", DownloadSettings())


def test_what_an_address_stands_for_is_downloaded_and_checked(tmp_path, server):
    body, folder = b"a dump", "/other/mediawiki_content_current/enwiki/2026-11-01/xml/bzip2/"
    name = "enwiki-2026-11-01-p1p9.xml.bz2"
    server.put(folder + name, body, "status 503", "corrupt")
    server.put(folder + "SHA256SUMS", f"{hashlib.sha256(body).hexdigest()}  {name}\n".encode())
    remotes = expand("wikimedia:enwiki/2026-11-01/content_current", settings(server))
    assert download(remotes, tmp_path, settings(server), print) == [tmp_path / name]
    assert (tmp_path / name).read_bytes() == body
