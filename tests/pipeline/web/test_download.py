"""Downloads from a real server on loopback that breaks off, refuses, changes its mind and lies."""

import hashlib
import json
import pickle
import random
import threading
from email.utils import formatdate
from pathlib import Path

import pytest

from pipeline.settings.whole import DownloadSettings
from pipeline.web.client import DownloadError, StatusError
from pipeline.web.download import CorruptError, Remote, download
from pipeline.web.manners import backoff_s, retry_after_s
from queries.tables.errors import InputError, UserError
from tests.download_server import DownloadServer

BODY = random.Random(7).randbytes(300_000)  # seeded
SHA1 = "sha1=" + hashlib.sha1(BODY).hexdigest()
SHA256 = "sha256=" + hashlib.sha256(BODY).hexdigest()
QUICK = DownloadSettings(backoff_s=0.001, retries=3, timeout_s=10)


@pytest.fixture
def server():
    with DownloadServer() as running:
        yield running


def have(tmp_path: Path, *remotes: Remote, settings: DownloadSettings = QUICK) -> list[bytes]:
    """The bytes that downloads end in. Progress adds up to them."""
    told: list[int] = []
    paths = download(remotes, tmp_path, settings, told.append)
    contents = [path.read_bytes() for path in paths]
    assert sum(told) == sum(map(len, contents))
    assert not list(tmp_path.glob(".*.part*"))
    return contents


def breaks(tmp_path: Path, *remotes: Remote, settings: DownloadSettings = QUICK) -> str:
    """The one line that a download fails with."""
    with pytest.raises(DownloadError) as failed:
        download(remotes, tmp_path, settings, lambda _: None)
    assert "\n" not in str(failed.value)
    return str(failed.value)


@pytest.mark.parametrize("checksum", ["", SHA1, SHA256])
def test_a_file_is_had_once(tmp_path, server, checksum):
    remote = Remote(server.put("/a", BODY), "a.bin", checksum)
    assert have(tmp_path, remote) == [BODY]
    assert have(tmp_path, remote) == [BODY]
    assert server.ranges() == [None]
    assert server.asked[0].agent.startswith("buildwit/")
    note = json.loads((tmp_path / ".a.bin.json").read_text())
    assert note == {"url": remote.url, "bytes": 300_000, "checksum": checksum or SHA256}


def test_a_file_that_lies_there_with_the_right_sum_is_not_asked_for(tmp_path, server):
    url = server.put("/a", BODY)
    (tmp_path / "a").write_bytes(BODY)
    assert have(tmp_path, Remote(url, "a", SHA1)) == [BODY]
    assert server.asked == []
    assert have(tmp_path, Remote(url, "a", SHA256)) == [BODY]  # the note holds the other sum
    assert server.asked == []
    (tmp_path / "a").write_bytes(BODY[:-1])
    assert have(tmp_path, Remote(url, "a", SHA256)) == [BODY]
    assert server.ranges() == [None]


@pytest.mark.parametrize("said", [{}, {"etag": "", "modified": formatdate(usegmt=True)}])
def test_a_broken_transfer_goes_on_where_it_broke_off(tmp_path, server, said):
    url = server.put("/a", BODY, "drop 100000", "drop 50000", **said)
    assert have(tmp_path, Remote(url, "a")) == [BODY]
    assert server.ranges() == [None, "bytes=100000-", "bytes=150000-"]
    assert {one.if_range for one in server.asked[1:]} == {said.get("modified", '"1"')}
    assert server.sent["/a"] == len(BODY)


def test_a_later_process_goes_on_with_the_part_and_its_sum_is_that_of_the_whole(tmp_path, server):
    remote = Remote(server.put("/a", BODY, "drop 100000"), "a", SHA256)
    once = QUICK.model_copy(update={"retries": 0})
    assert breaks(tmp_path, remote, settings=once).endswith("(IncompleteRead), asked 1 times")
    assert have(tmp_path, remote, settings=once) == [BODY]
    assert server.ranges() == [None, "bytes=100000-"]


def test_without_a_version_a_part_is_only_gone_on_with_if_a_sum_can_tell(tmp_path, server):
    url = server.put("/a", BODY, "drop 100000", etag='W/"1"')  # a weak tag names no bytes
    assert have(tmp_path, Remote(url, "a")) == [BODY]
    assert server.ranges() == [None, None]
    url = server.put("/b", BODY, "drop 100000", etag="")
    assert have(tmp_path, Remote(url, "b", SHA1)) == [BODY]
    assert server.ranges()[2:] == [None, "bytes=100000-"]


def test_a_server_that_ignores_ranges_sends_the_file_anew(tmp_path, server):
    url = server.put("/a", BODY, "drop 100000", ranges=False)
    assert have(tmp_path, Remote(url, "a", SHA1)) == [BODY]
    assert server.sent["/a"] == len(BODY) + 100_000


def test_a_file_that_changed_in_between_is_not_mixed(tmp_path, server):
    remote = Remote(server.put("/a", BODY, "drop 100000"), "a")
    breaks(tmp_path, remote, settings=QUICK.model_copy(update={"retries": 0}))
    server.put("/a", BODY[::-1], etag='"2"')
    assert have(tmp_path, remote) == [BODY[::-1]]
    assert server.ranges() == [None, "bytes=100000-"]


def test_a_server_that_ignores_if_range_is_found_out_by_its_tag(tmp_path, server):
    remote = Remote(server.put("/a", BODY, "drop 100000"), "a")
    breaks(tmp_path, remote, settings=QUICK.model_copy(update={"retries": 0}))
    server.put("/a", BODY[::-1], etag='"2"', modified='"1"')  # so that If-Range is taken for it
    assert have(tmp_path, remote) == [BODY[::-1]]
    assert server.ranges() == [None, "bytes=100000-", None]


@pytest.mark.parametrize("value", ["bytes 0-0/300000", "bytes 100000-100000/*", "bytes x", ""])
def test_another_range_than_asked_for_is_not_taken(tmp_path, server, value):
    url = server.put("/a", BODY, "drop 100000", f"range {value or '-'}")
    assert have(tmp_path, Remote(url, "a")) == [BODY]
    assert server.ranges() == [None, "bytes=100000-", None]


def test_a_part_that_is_whole_needs_no_more_bytes(tmp_path, server):
    url = server.put("/a", BODY)
    (tmp_path / ".a.part").write_bytes(BODY)
    (tmp_path / ".a.part.json").write_text(json.dumps({"url": url, "validator": '"1"'}))
    assert have(tmp_path, Remote(url, "a", SHA1)) == [BODY]
    assert server.ranges() == ["bytes=300000-"]
    assert server.sent["/a"] == 0


def test_a_part_that_is_longer_than_the_file_is_thrown_away(tmp_path, server):
    url = server.put("/a", BODY)
    (tmp_path / ".a.part").write_bytes(BODY + b"!")
    (tmp_path / ".a.part.json").write_text(json.dumps({"url": url, "validator": '"1"'}))
    assert have(tmp_path, Remote(url, "a")) == [BODY]
    assert server.ranges() == ["bytes=300001-", None]


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"url": "http://other/"}', "\udcff"])
def test_a_part_of_unknown_origin_is_thrown_away(tmp_path, server, note):
    (tmp_path / ".a.part").write_bytes(b"!" * 1000)
    (tmp_path / ".a.part.json").write_text(note, errors="surrogateescape")
    assert have(tmp_path, Remote(server.put("/a", BODY), "a")) == [BODY]
    assert server.ranges() == [None]


def test_refusals_that_may_pass_are_tried_again(tmp_path, server):
    past = "Thu, 01 Jan 1970 00:00:00 GMT"
    url = server.put("/a", BODY, "status 429 0", f"status 503 {past}", "status 500 soon")
    assert have(tmp_path, Remote(url, "a")) == [BODY]
    assert len(server.asked) == 4


def test_a_server_is_asked_no_more_often_than_the_settings_say(tmp_path, server):
    url = server.put("/a", BODY, *["status 503"] * 9)
    assert breaks(tmp_path, Remote(url, "a")) == f"{url}: HTTP 503, asked 4 times"
    assert len(server.asked) == 4


def test_an_attempt_that_brought_much_is_no_failure_in_a_row(tmp_path, server):
    body = BODY * 40
    url = server.put("/a", body, *["drop 1500000"] * 7)
    assert have(tmp_path, Remote(url, "a")) == [body]
    assert len(server.asked) == 8
    assert server.sent["/a"] == len(body)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 304])
def test_a_refusal_that_will_not_pass_is_final(tmp_path, server, status):
    url = server.put("/a", BODY, f"status {status}")
    assert breaks(tmp_path, Remote(url, "a")) == f"{url}: HTTP {status}"
    assert len(server.asked) == 1


def test_a_refusal_comes_whole_from_another_process():
    one = pickle.loads(pickle.dumps(StatusError("http://a.org/b", 404)))
    assert (str(one), one.status) == ("http://a.org/b: HTTP 404", 404)


def test_retry_after_is_waited_for_up_to_a_limit_and_never_cut_short(tmp_path, server):
    assert retry_after_s("120", 0) == 120
    assert retry_after_s(formatdate(1_000, usegmt=True), 400) == 600
    assert retry_after_s(formatdate(1_000, usegmt=True), 4_000) == 0
    assert retry_after_s("9" * 40, 0) == 999_999_999  # a long wait is no leave to ask at once
    for value in ("", "soon", "-3", "Thu, 99 Jan 1970 00:00:00 GMT", "\u0663"):
        assert retry_after_s(value, 0) == 0
    url = server.put("/a", BODY, "status 429 1")
    assert have(tmp_path, Remote(url, "a")) == [BODY]
    url = server.put("/b", BODY, "status 429 86400")
    said = breaks(tmp_path, Remote(url, "b"))
    assert "HTTP 429; asks to be left alone for 86,400 s, longer than max_wait_s" in said


def test_waits_double_and_differ_by_address_but_not_by_run():
    waits = [backoff_s(2.0, "http://a/", tries) for tries in range(1, 8)]
    assert waits == [backoff_s(2.0, "http://a/", n) for n in range(1, 8)]
    assert all(2**n <= wait <= 3 * 2**n for n, wait in enumerate(waits))
    assert waits[0] != backoff_s(2.0, "http://b/", 1)


def test_a_corrupt_file_is_asked_for_once_more(tmp_path, server):
    url = server.put("/a", BODY, "corrupt")
    assert have(tmp_path, Remote(url, "a", SHA256)) == [BODY]
    assert server.ranges() == [None, None]


def test_a_file_that_stays_corrupt_is_deleted_and_told_of_in_one_line(tmp_path, server):
    url = server.put("/a", BODY, *["corrupt"] * 9)
    with pytest.raises(CorruptError, match=f"{url}: expected {SHA1}; found sha1=[0-9a-f]+, twice$"):
        download([Remote(url, "a", SHA1)], tmp_path, QUICK, lambda _: None)
    assert server.ranges() == [None, None]
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / ".a.part").exists()


def test_no_more_than_two_connections_are_open_at_once(tmp_path, server):
    server.meeting = threading.Barrier(2)
    bodies = [BODY[n:] for n in range(8)]
    remotes = [Remote(server.put(f"/{n}", body), f"{n}") for n, body in enumerate(bodies)]
    assert have(tmp_path, *remotes) == bodies
    assert server.most_at_once == 2


def test_a_failure_stops_the_others_at_once(tmp_path, server):
    gone = server.put("/gone", BODY, "status 503", "status 404")
    drips = [server.put(f"/{n}", b"", "drip") for n in range(5)]  # none of them ever ends
    remotes = [Remote(url, url[-1]) for url in (drips[0], gone, *drips[1:])]
    assert breaks(tmp_path, *remotes) == f"{gone}: HTTP 404"
    assert len(server.asked) <= 4


def test_silence_and_slowness_are_given_up(tmp_path, server):
    hasty = QUICK.model_copy(update={"timeout_s": 1.0, "retries": 1})
    silent = server.put("/silent", BODY, "silent", "silent")
    assert "no whole answer (ReadTimeout" in breaks(
        tmp_path, Remote(silent, "silent"), settings=hasty
    )
    slow = server.put("/drip", BODY, "drip", "drip")
    assert breaks(tmp_path, Remote(slow, "drip"), settings=hasty).endswith("asked 2 times")


def test_a_server_that_is_not_there_is_told_of(tmp_path):
    with DownloadServer() as server:
        url = server.url("/a")
    assert breaks(tmp_path, Remote(url, "a")).startswith(f"{url}: no whole answer (NewConnection")


def test_a_body_without_a_length_is_had_and_bounded(tmp_path, server):
    assert have(tmp_path, Remote(server.put("/a", BODY, "chunked"), "a")) == [BODY]
    small = QUICK.model_copy(update={"max_bytes": len(BODY) - 1})
    for move in ("chunked", "endless", "send"):
        remote = Remote(server.put("/b", BODY, move), "b")
        assert breaks(tmp_path, remote, settings=small).endswith("expected at most 299999 bytes")


def test_a_few_redirects_are_followed_and_only_over_http(tmp_path, server):
    server.put("/a", BODY)
    url = server.put("/one", b"", "redirect two")
    server.put("/two", b"", f"endless_redirect {server.url('/a')}")
    assert have(tmp_path, Remote(url, "a")) == [BODY]
    loop = server.put("/loop", b"", *["redirect /loop"] * 99)
    assert "at most 5 redirects" in breaks(tmp_path, Remote(loop, "b"))
    assert [one.path for one in server.asked].count("/loop") == 6
    for target in ("file:///etc/passwd", "ftp://127.0.0.1/a", "gopher:a"):
        url = server.put("/away", b"", f"redirect {target}")
        with pytest.raises(InputError, match="expected an http or https address"):
            download([Remote(url, "c")], tmp_path, QUICK, lambda _: None)
    url = server.put("/away", b"", "redirect http://[x/")
    assert "no address" in breaks(tmp_path, Remote(url, "c"))


def test_no_server_of_others_is_asked_without_a_contact(tmp_path, server):
    away = server.put("/away", b"", "redirect https://dumps.wikimedia.org/a")
    for url in ("https://dumps.wikimedia.org/a", "http://127.0.0.1.example.org/a", away):
        with pytest.raises(UserError, match=r"^downloads\.contact = ''[^\n]*$"):
            download([Remote(url, "a")], tmp_path, QUICK, lambda _: None)
    told = QUICK.model_copy(update={"contact": "me@example.org"})
    have(tmp_path, Remote(server.put("/a", BODY), "a"), settings=told)
    assert server.asked[-1].agent.endswith(" (me@example.org)")


def test_an_impossible_remote_is_refused_before_anything_is_asked(tmp_path, server):
    good = Remote(server.put("/a", BODY), "a")
    for url in ("file:///etc/passwd", "//host/a", "a", "http://[x/a", ""):
        with pytest.raises(InputError, match="expected an http or https address"):
            download([good, Remote(url, "b")], tmp_path, QUICK, lambda _: None)
    with pytest.raises(InputError, match="different names"):
        download([good, good], tmp_path, QUICK, lambda _: None)
    for name in ("", ".", "..", ".a", "a/b", "a\\b", "a\nb", "x" * 201):
        with pytest.raises(InputError, match="ends in a file's name"):
            Remote(good.url, name)
    for checksum in ("sha1=0", SHA1.upper(), "md5=" + "0" * 32, SHA256 + "0", SHA1 + "\n"):
        with pytest.raises(InputError, match="expected a sum"):
            Remote(good.url, "a", checksum)
    assert server.asked == []


def test_a_folder_that_cannot_be_written_is_told_of_in_one_line(tmp_path, server):
    (tmp_path / ".a.part").mkdir()
    (tmp_path / ".a.part" / "in the way").touch()
    url = server.put("/a", BODY)
    assert str(tmp_path / "a") in breaks(tmp_path, Remote(url, "a"))
