"""Strangers' servers cannot move the limits of an attempt, nor lead it to a private address."""

import datetime
import errno
import ipaddress
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fetch.blame import OutageError, blamed
from pipeline.fetch.guard import Answer, Guard, attempt
from pipeline.fetch.hosts import Hosts
from pipeline.fetch.wire import request
from pipeline.settings.fetch import GuardSettings
from pipeline.web.manners import retry_after_s
from pipeline.web.url import is_public, parse_url
from queries.tables.reasons import FETCH, PASSING
from tests import ROOT
from tests.guard_server import BODY, LARGE, GuardServer
from tests.processes import WAIT_S

SHORT_S = 2.0  # for what must time out; the others are given time on a busy machine
SETTINGS = GuardSettings(
    deadline_s=20.0,
    max_bytes=3_000_000,
    max_redirects=3,
    retries=0,
    backoff_s=0.01,
    max_wait_s=5,
    robots="ignore",
    per_host_rate=10_000,
    dead_after=100,
    contact="mailto:me@example.org",
    allow_networks=("127.0.0.0/8",),
)
GOOD = None


def guard(resolve=lambda host, port: ["127.0.0.1"], **changed) -> Guard:  # type: ignore[no-untyped-def]
    settings = SETTINGS.model_copy(update=changed)
    return Guard(settings, Hosts(settings), resolve)


@pytest.fixture(scope="module")
def server() -> Iterator[GuardServer]:
    with GuardServer() as one:
        yield one


@pytest.fixture
def fresh() -> Iterator[GuardServer]:
    """A server of the test's own, which counts from 0."""
    with GuardServer() as one:
        yield one


# (path of the server, the reason that is expected)
ANSWERS = [
    ("/picture", GOOD),
    ("/picture/a cät.png", GOOD),
    ("/picture/?q=a b", GOOD),
    ("/picture#part", GOOD),
    ("/status/204", GOOD),  # an empty body, for the judge of pictures to refuse
    ("/status/206", "http_error"),
    ("/status/304", "http_error"),
    ("/status/400", "http_error"),
    ("/status/401", "forbidden"),
    ("/status/403", "forbidden"),
    ("/status/404", "not_found"),
    ("/status/410", "not_found"),
    ("/status/429", "http_error"),
    ("/status/451", "forbidden"),
    ("/status/500", "http_error"),
    ("/later/503-4", "http_error"),
    ("/later/429-6", "retry_later"),
    ("/later/503-99999999999999999999", "retry_later"),
    ("/drip", "timeout"),
    ("/drip_head", "timeout"),
    ("/silent", "timeout"),
    ("/endless", "too_large"),
    ("/endless_chunks", "too_large"),
    ("/announced/3000001", "too_large"),
    ("/announced/9999999999999999999", "too_large"),
    ("/announced/100", "connection_error"),
    ("/announced/3", GOOD),  # what follows is not read
    ("/announced/-1", GOOD),  # as if there were no length
    ("/announced/many", GOOD),
    ("/without_length", GOOD),
    ("/chunked/whole", GOOD),
    ("/chunked/short", "connection_error"),
    ("/many_headers/90", GOOD),
    ("/many_headers/150", "headers_too_large"),
    ("/long_headers/1", GOOD),
    ("/long_headers/20", "headers_too_large"),
    ("/interim/100", GOOD),
    ("/interim/103", GOOD),
    ("/interims", "headers_too_large"),
    ("/no_http", "connection_error"),
    ("/reset", "connection_error"),
    ("/loop", "too_many_redirects"),
    ("/bounce/3", GOOD),
    ("/bounce/4", "too_many_redirects"),
    ("/bounce_body", GOOD),
    ("/nowhere", "http_error"),
    ("/to/" + quote("/picture/ünï.png"), GOOD),
    ("/to/" + quote("file:///etc/passwd"), "bad_redirect"),
    ("/to/" + quote("ftp://example.org/a.png"), "bad_redirect"),
    ("/to/" + quote("data:image/png;base64,AAAA"), "bad_redirect"),
    ("/to/" + quote("http://user@example.org/"), "bad_redirect"),
    ("/to/" + quote("http://[::1"), "bad_redirect"),
    ("/to/" + quote("http://10.0.0.1/"), "private_address"),
    ("/to/" + quote("//169.254.169.254/latest"), "private_address"),
    ("/to/" + quote("http://[::ffff:10.0.0.1]/"), "private_address"),
    ("/packed/gzip", GOOD),
    ("/packed/x-gzip", GOOD),
    ("/packed/br", "bad_encoding"),
    ("/packed_half", "connection_error"),
    ("/packed_badly", "bad_encoding"),
    ("/unpacked/gzip", GOOD),
    ("/unpacked/utf-8", GOOD),
    ("/bomb", "too_large"),
    ("/tag/noai", "opted_out"),
    ("/tag/none", "opted_out"),
    ("/tag/" + quote("noindex, unavailable_after: 25 Jun 2010 15:00:00 GMT"), "opted_out"),
    ("/tag/nofollow", GOOD),
    ("/tdm/1", "opted_out_tdm_reservation"),
    ("/tdm/0", GOOD),
]


@pytest.mark.parametrize(("path", "reason"), ANSWERS, ids=[path for path, _ in ANSWERS])
def test_every_answer_has_its_outcome(fresh, path, reason):
    deadline_s = SHORT_S if reason == "timeout" else SETTINGS.deadline_s
    answer = guard(deadline_s=deadline_s).attempt(fresh.url(path))
    assert (answer.reason, answer.body is None) == (reason, reason is not None), answer.message
    assert reason is None or reason in FETCH


def test_a_body_comes_whole_and_unpacked(server):
    for path in ("/picture", "/chunked/whole", "/without_length", "/packed/gzip", "/unpacked/gzip"):
        assert guard().attempt(server.url(path)).body == BODY
    assert guard().attempt(server.url("/announced/3")).body == BODY[:3]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_large_body_is_unpacked_bit_by_bit_and_whole(server, encoding):
    assert guard().attempt(server.url(f"/packed_large/{encoding}")).body == LARGE


def test_an_answer_tells_what_was_asked_at_last(server):
    answer = guard().attempt(server.url("/bounce/2"))
    assert answer == Answer(None, BODY, "image/png", 200, server.url("/picture"), hops=2)


def test_who_asks_says_who_it_is(fresh):
    guard().attempt(fresh.url("/picture/a b"))
    path, headers = fresh.asked[0]
    assert path == "/picture/a%20b"
    assert headers["Host"] == f"127.0.0.1:{fresh.port}"
    assert headers["User-Agent"].startswith("buildwit/")
    assert "(mailto:me@example.org)" in headers["User-Agent"]
    assert headers["Accept-Encoding"] == "identity"


# --- hosts that cannot be connected to ----------------------------------------------------------
@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, and which nobody else is given meanwhile."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        yield one.getsockname()[1]


def no_such_name(host: str, port: int) -> list[str]:
    raise socket.gaierror(-2, "Name or service not known")


def no_answer(host: str, port: int) -> list[str]:
    raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


def test_a_closed_port_a_missing_name_and_a_silent_resolver_are_told_apart(closed_port):
    stuck = threading.Event()

    def look_for_ever(host: str, port: int) -> list[str]:
        stuck.wait(WAIT_S)
        return []

    assert guard().attempt(f"http://127.0.0.1:{closed_port}/").reason == "refused"
    assert guard(no_such_name).attempt("http://nowhere.test/").reason == "no_such_host"
    assert guard(no_answer).attempt("http://nowhere.test/").reason == "resolver_failed"
    slow = guard(look_for_ever, deadline_s=SHORT_S).attempt("http://slow.test/")
    assert slow.reason == "resolver_failed"
    stuck.set()


def test_a_resolver_that_fails_never_counts_against_a_host(server):
    fails = [True] * 9

    def resolve(host: str, port: int) -> list[str]:
        return no_answer(host, port) if fails else ["127.0.0.1"]

    one, url = guard(resolve, dead_after=3), server.url("/picture").replace("127.0.0.1", "a.test")
    while fails:
        fails.pop()
        one.forget_failures()  # or the answer is kept for a while
        answer = one.attempt(url)
    assert answer.body == BODY
    assert not one.hosts.is_dead("http://a.test")


LACKS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
LACKS += (errno.EADDRNOTAVAIL, errno.ENETDOWN, errno.ENETUNREACH)


@pytest.mark.parametrize("number", LACKS)
def test_what_this_machine_lacks_is_waited_for_and_blames_no_host(number, server):
    lacks, waits = [OSError(number, "lack")] * 5, []

    def resolve(host: str, port: int) -> list[str]:
        if lacks:
            raise lacks.pop()
        return ["127.0.0.1"]

    one = guard(resolve, dead_after=1)
    one.machine.sleep = waits.append
    answer = one.attempt(server.url("/picture").replace("127.0.0.1", "a.test"))
    assert (answer.body, waits) == (BODY, [0.2, 0.4, 0.8, 1.6, 3.2])


def test_a_lack_that_stays_ends_the_fetch_in_one_line():
    def resolve(host: str, port: int) -> list[str]:
        raise OSError(errno.EMFILE, "Too many open files")

    one, time = guard(resolve), [0.0]
    one.machine.now = lambda: time[0]
    one.machine.sleep = lambda seconds: time.append(time.pop() + seconds)
    with pytest.raises(
        OutageError, match=r"^this machine cannot connect, for 6\d s: .*open files$"
    ):
        one.attempt("http://a.test/")


def test_a_host_of_ipv6_alone_blames_no_machine_that_has_none():
    failure = blamed(OSError(errno.ENETUNREACH, "Network is unreachable"), "2606:4700::1")
    assert (failure.reason, failure.counts) == ("host_unreachable", False)


def test_a_host_that_never_accepts_is_no_timeout_of_an_answer():
    with socket.socket() as full:  # its queue of one is taken, and SYNs are dropped
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        takers = [socket.socket() for _ in range(3)]
        for taker in takers:
            taker.setblocking(False)
            taker.connect_ex(("127.0.0.1", port))
        assert (
            guard(deadline_s=SHORT_S).attempt(f"http://127.0.0.1:{port}/").reason
            == "connect_timeout"
        )
        for taker in takers:
            taker.close()


def test_a_dead_host_is_given_up_and_its_urls_share_a_reason():
    asked = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return no_such_name(host, port)

    one = guard(resolve, dead_after=3)
    answers = [one.attempt(f"http://dead.test/{n}") for n in range(9)]
    assert {answer.reason for answer in answers} == {"no_such_host"}
    assert [answer.again for answer in answers] == [True] * 2 + [False] * 7
    assert asked == ["dead.test"] * 3


def test_a_late_redirect_cannot_make_another_host_look_dead(server):
    stuck = threading.Event()

    def look_for_ever(host: str, port: int) -> list[str]:
        stuck.wait(WAIT_S)
        return []

    one = guard(look_for_ever, dead_after=1, deadline_s=SHORT_S)
    url = server.url(f"/to_late/{quote('http://victim.test/', safe='')}")
    assert one.attempt(url).reason == "timeout"
    assert not one.hosts.is_dead("http://victim.test")
    stuck.set()


def test_the_second_address_is_tried_when_the_first_is_closed(server):
    one = guard(lambda host, port: ["127.0.0.9", "127.0.0.1"])
    assert one.attempt(server.url("/picture", "two.test")).reason is None


def test_names_are_looked_up_once_for_many_urls(server):
    looked_up = []

    def resolve(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1"]

    one = guard(resolve)
    assert all(one.attempt(server.url(f"/picture/{n}", "a.test")).body for n in range(3))
    assert looked_up == ["a.test"]


# --- addresses that may not be asked ------------------------------------------------------------
LOOPBACK = [
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "127.0.1",
    "127.0.0.1.",
    "127.255.255.254",
    "0.0.0.0",
    "0",
    "localhost",
    "LOCALHOST.",
    "１２７.０.０.１",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "127.0.0\u200b.1",
    "local\u00adhost",
    "%31%32%37.0.0.1",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1%25lo]",
    "[fe80::1%lo]",
    "a@127.0.0.1",
    "127.0.0.1\\@example.org",
    "example.org#@127.0.0.1",
    "127.0.0.1%00.example.org",
]


def test_no_spelling_of_loopback_is_connected_to(fresh):
    def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    one = guard(resolve, allow_networks=())
    with GuardServer("127.0.0.2", tls=None) as middle:
        through = guard(resolve, allow_networks=("127.0.0.2/32",))
        for host in LOOPBACK:
            url = f"http://{host}:{fresh.port}/picture"
            assert one.attempt(url).reason in ("private_address", "bad_url"), host
            redirect = middle.url(f"/to/{quote(url)}")
            assert through.attempt(redirect).reason in ("private_address", "bad_redirect"), host
        assert len(middle.asked) == len(LOOPBACK)
    assert fresh.connections == []


@pytest.mark.parametrize(
    "address",
    [
        *(
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
        ),
        *("0.1.2.3", "127.0.0.1", "192.0.0.1", "192.0.2.1", "192.88.99.1", "198.18.0.1"),
        *("198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
        *("255.255.255.255", "::", "::1", "::7f00:1", "::ffff:10.0.0.1", "::ffff:8.8.8.8"),
        *("64:ff9b::a00:1", "64:ff9b:1::808:808", "100::1", "2001::1", "2001:db8::1"),
        *("2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd12::1", "fe80::1", "fe80::1%lo"),
        *("fec0::1", "ff02::1"),
    ],
)
def test_special_addresses_are_refused(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "100.63.255.255", "172.32.0.1", "2a00:1450::1", "64:ff9b::808:808"]
)
def test_public_addresses_are_asked(address):
    assert is_public(ipaddress.ip_address(address))


def test_the_connection_goes_to_the_address_that_was_checked(fresh):
    """A name that is public when it is checked and private a moment later gains nothing."""
    lookups = []

    def rebinding(host: str, port: int) -> list[str]:
        lookups.append(host)
        return ["127.0.0.2"] if len(lookups) == 1 else ["127.0.0.1"]

    with GuardServer("127.0.0.2", fresh.port) as public:
        one = guard(rebinding, allow_networks=("127.0.0.2/32",))
        assert one.attempt(fresh.url("/picture", "rebind.test")).reason is None
        one._looked_up.clear()
        assert one.attempt(fresh.url("/picture", "rebind.test")).reason == "private_address"
        assert len(public.connections) == 1
    assert fresh.connections == []


def test_of_a_name_with_both_only_the_public_address_is_asked(fresh):
    with GuardServer("127.0.0.2", fresh.port) as public:
        one = guard(lambda host, port: ["127.0.0.1", "127.0.0.2"], allow_networks=("127.0.0.2/32",))
        assert one.attempt(fresh.url("/picture", "both.test")).reason is None
        assert len(public.connections) == 1
    assert fresh.connections == []


def test_a_robots_txt_leads_to_no_private_address_either(fresh):
    with GuardServer("127.0.0.2") as middle:
        middle.robots = f"/to_{fresh.port}"
        middle_to = f"http://127.0.0.1:{fresh.port}/robots.txt"
        middle.RequestHandlerClass = type(
            "Leading",
            (middle.RequestHandlerClass,),
            {f"to_{fresh.port}": lambda self, _: self.to(middle_to)},
        )
        one = guard(robots="respect", allow_networks=("127.0.0.2/32",))
        assert one.attempt(middle.url("/picture")).reason == "robots_error"
    assert fresh.connections == []


# --- URLs ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://x.org", "http://x.org/"),
        ("HTTP://X.ORG:80/A", "http://x.org/A"),
        (" http://x.org/a\n", "http://x.org/a"),
        ("http://x.org/a b", "http://x.org/a%20b"),
        ("http://x.org/a%20b%zz", "http://x.org/a%20b%zz"),
        ("http://x.org/ä?ö=ü#ß", "http://x.org/%C3%A4?%C3%B6=%C3%BC"),
        ('http://x.org/"<>\r\nHost:evil', "http://x.org/%22%3C%3EHost:evil"),
        ("http://x.org/a\x00b", "http://x.org/a%00b"),
        ("http://x.org./a", "http://x.org/a"),
        ("http://a_b.x.org/", "http://a_b.x.org/"),
        ("http://Bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://i❤.ws/", "http://xn--i-7iq.ws/"),
        ("http://x。org/", "http://x.org/"),
        ("http://16843009/", "http://1.1.1.1/"),
        ("http://[2A00:0:0::1]:8080/", "http://[2a00::1]:8080/"),
        ("https://x.org:8443/", "https://x.org:8443/"),
    ],
)
def test_a_url_is_repaired_where_it_can_be(url, asked):
    target = parse_url(url)
    assert target is not None
    assert target.url == asked


@pytest.mark.parametrize(
    "url",
    [
        *("", "x.org/a", "//x.org/a", "http:", "http://", "http:///a", "http://:80/"),
        *("file:///etc/passwd", "data:image/png,", "ftp://x.org/", "gopher://x.org/"),
        *("javascript:alert(1)", "http://user:word@x.org/", "http://@x.org/"),
        *("http://x.org:99999/", "http://x.org:-1/", "http://x.org:a/", "http://x.org:0/"),
        *("http://x.org:22/", "http://x.org:25/", "http://x.org:８０/x"),
        *("http://a..b/", "http://.x.org/", "http://1.2.3.4.5/", "http://256.1.1.1/", "http://0x/"),
        *(
            "http://x.org\\a/",
            "http://x org/",
            "http://[1.2.3.4]/",
            "http://[v1.a]/",
            "http://[::1/",
        ),
        *(f"http://{'a' * 64}.org/", f"http://{'a.' * 200}org/", f"http://{'ä' * 9_000}/"),
        *(f"http://x.org/{'a' * 9_000}", f"http://x.org/{'ä' * 3_000}", "http://x.org/\udc80"),
        *("http://x\u2100y.org/", "http://\u200b/", "http://xn--\u0378/"),
    ],
)
def test_a_url_that_has_no_one_meaning_is_refused(url):
    assert attempt(url, SETTINGS).reason == "bad_url"


@given(st.text(), st.sampled_from(["http://{}/", "https://a.org/{}", "{}", "http://{}.org:80/a"]))
def test_any_text_is_a_url_of_one_spelling_or_none(text, where):
    target = parse_url(where.format(text))
    assert target is None or parse_url(target.url) == target
    assert target is None or request(target, "").isascii()


# --- certificates -------------------------------------------------------------------------------
AUTHORITY, STRANGER = trustme.CA(), trustme.CA()
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
CERTIFICATES = {
    GOOD: AUTHORITY.issue_cert("good.test"),
    "tls_wrong_name": AUTHORITY.issue_cert("other.test"),
    "tls_expired": AUTHORITY.issue_cert("good.test", not_after=LONG_AGO),
    "tls_untrusted": STRANGER.issue_cert("good.test"),
}


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(path)
    return str(path)


@pytest.mark.parametrize("reason", CERTIFICATES)
def test_each_fault_of_a_certificate_has_a_reason(reason, ca_file):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CERTIFICATES[reason].configure_cert(context)
    with GuardServer(tls=context) as server:
        answer = guard(ca_file=ca_file).attempt(server.url("/picture", "good.test"))
        assert answer.reason == reason, answer.message
        assert len(server.asked) == (reason is None)


def test_a_server_that_speaks_no_tls_has_a_reason():
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def serve() -> None:
            connection, _ = plain.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        url = f"https://127.0.0.1:{plain.getsockname()[1]}/"
        assert guard().attempt(url).reason == "tls_error"


def test_a_silent_handshake_ends_at_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert guard(deadline_s=SHORT_S).attempt(f"https://127.0.0.1:{port}/").reason == "timeout"


def test_a_drip_in_tls_ends_at_the_deadline(ca_file):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CERTIFICATES[GOOD].configure_cert(context)
    with GuardServer(tls=context) as server:
        one = guard(ca_file=ca_file, deadline_s=SHORT_S)
        assert one.attempt(server.url("/drip", "good.test")).reason == "timeout"


# --- robots.txt ---------------------------------------------------------------------------------
ALL, NONE = "User-agent: *\nAllow: /\n", "User-agent: *\nDisallow: /\n"


@pytest.mark.parametrize(
    ("robots", "respect", "require"),
    [
        (ALL, GOOD, GOOD),
        (NONE, "robots", "robots"),
        ("User-agent: *\nDisallow: /picture\n", "robots", "robots"),
        ("User-agent: otherbot\nDisallow: /\n", GOOD, GOOD),
        ("", GOOD, GOOD),
        (404, GOOD, "robots"),
        (403, GOOD, "robots"),
        (429, "robots_error", "robots_error"),
        (500, "robots_error", "robots_error"),
        ("/drip", "robots_error", "robots_error"),
        ("/reset", "robots_error", "robots_error"),
        ("/loop", GOOD, "robots"),
        ("/endless", GOOD, GOOD),  # the first 500 KB are zeros, which forbid nothing
    ],
)
def test_robots_txt_decides(fresh, robots, respect, require):
    fresh.robots = robots
    url = fresh.url("/picture")
    deadline_s = SHORT_S if robots == "/drip" else SETTINGS.deadline_s
    for way, reason in (("respect", respect), ("require", require), ("ignore", None)):
        asking = guard(robots=way, deadline_s=deadline_s)
        assert asking.attempt(url).reason == reason


def test_robots_txt_is_asked_for_once_a_host_by_many_threads(fresh):
    fresh.robots, one, answers = ALL, guard(robots="respect"), []

    def ask(n: int) -> None:
        answers.append(one.attempt(fresh.url(f"/picture/{n}")))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.body for answer in answers] == [BODY] * 32
    assert [asked.path for asked in fresh.asked].count("/robots.txt") == 1


@pytest.mark.parametrize(("crawl_delay", "slow"), [(1, True), (0, False)])
def test_pictures_of_a_host_are_as_far_apart_as_its_robots_txt_asks(fresh, crawl_delay, slow):
    fresh.robots = "User-agent: *\nCrawl-delay: 0.4\nDisallow: /private/"
    one = guard(robots="respect", crawl_delay=crawl_delay)
    slept, sleep = [], one.hosts.sleep
    one.hosts.sleep = lambda seconds: (slept.append(seconds), sleep(seconds))
    for n in range(2):
        assert one.attempt(fresh.url(f"/picture/{n}")).body == BODY
    assert any(seconds > 0.3 for seconds in slept) is slow


def test_the_robots_txt_of_a_redirects_target_counts(server, fresh):
    fresh.robots = NONE
    url = server.url(f"/to/{quote(fresh.url('/picture'))}")
    assert guard(robots="respect").attempt(url).reason == "robots"
    assert [asked.path for asked in fresh.asked] == ["/robots.txt"]


def test_a_dead_host_says_so_at_its_robots_txt_too(closed_port):
    url = f"http://127.0.0.1:{closed_port}/"
    assert guard(robots="respect").attempt(url).reason == "refused"


# --- asking again -------------------------------------------------------------------------------
def test_a_busy_server_is_asked_again_after_the_wait_that_it_names(fresh):
    waits: list[float] = []
    settings = SETTINGS.model_copy(update={"retries": 1})
    # a clock that only sleeping moves
    hosts = Hosts(settings, now=lambda: sum(waits), sleep=waits.append)
    answer = Guard(settings, hosts).fetch(fresh.url("/later/503-3"))
    assert (answer.body, len(fresh.asked)) == (BODY, 2)
    assert sum(waits) >= 3


def test_a_wait_too_long_is_not_waited_for_nor_the_host_asked_again(fresh):
    one = guard(retries=3)
    answers = [one.fetch(fresh.url(path)) for path in ("/later/429-9", "/picture", "/picture/2")]
    assert [answer.reason for answer in answers] == ["retry_later"] * 3
    assert all(answer.wait_s is not None and answer.wait_s > 5 for answer in answers)
    assert len(fresh.asked) == 1


@pytest.mark.parametrize(
    ("path", "n_asked"), [("/status/500", 3), ("/status/404", 1), ("/tag/noai", 1), ("/reset", 3)]
)
def test_only_what_may_pass_is_asked_again(fresh, path, n_asked):
    assert guard(retries=2).fetch(fresh.url(path)).reason in FETCH
    assert len(fresh.asked) == n_asked


def test_a_busy_host_is_left_alone_by_all_though_it_names_no_wait(fresh):
    waits: list[float] = []
    hosts = Hosts(SETTINGS, now=lambda: sum(waits), sleep=waits.append)
    for path in ("/status/429", "/picture"):
        Guard(SETTINGS, hosts).attempt(fresh.url(path))
    assert sum(waits) == pytest.approx(hosts.backoff_s(fresh.url("/status/429"), 1))


def test_the_urls_of_a_host_without_robots_are_not_tried_again(closed_port):
    one = guard(robots="respect", retries=1)
    url = f"http://127.0.0.1:{closed_port}/"
    assert [one.attempt(url).again for _ in range(3)] == [False] * 3


def test_what_may_pass_at_once_may_pass_later():
    assert {"retry_later", "robots_error", "timeout"} <= set(PASSING) <= set(FETCH)


@pytest.mark.parametrize(
    ("value", "seconds"), [("", 0), ("soon", 0), ("-3", 0), ("1e9", 0), ("٣", 0), ("120", 120)]
)
def test_retry_after_is_a_number_or_nothing(value, seconds):
    assert retry_after_s(value, 0) == seconds


# --- memory -------------------------------------------------------------------------------------
MANY_BODIES = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
from pipeline.fetch.hosts import Hosts
from pipeline.fetch.guard import Guard
from pipeline.settings.fetch import GuardSettings

settings = GuardSettings(allow_networks=("127.0.0.0/8",), robots="ignore", per_host=99)
guard = Guard(settings, Hosts(settings))
guard.attempt(sys.argv[1] + "/picture")
idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with ThreadPoolExecutor(int(sys.argv[2])) as pool:
    urls = [f"{sys.argv[1]}/{sys.argv[3]}/{n}" for n in range(int(sys.argv[2]))]
    answers = list(pool.map(guard.attempt, urls))
assert {answer.reason for answer in answers} == {"too_large"}, answers
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - idle) / 1024)
"""


def megabytes(server: GuardServer, n: int, kind: str) -> float:
    """By which a process grows that meets so many bodies of the kind at once."""
    command = [sys.executable, "-c", MANY_BODIES, server.url(""), str(n), kind]
    done = subprocess.run(
        command,
        capture_output=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "."},
        text=True,
    )
    return float(done.stdout)


def test_a_large_body_keeps_its_place_until_it_is_done_with(fresh):
    one = guard(max_bytes=3_000_000)
    one.hosts.large_bodies = threading.Semaphore(1)
    with one.fetched(fresh.url("/large/2000000")) as answer:
        assert answer.body is not None
        assert len(answer.body) == 2_000_000
        assert not one.hosts.large_bodies.acquire(blocking=False)
        assert one.fetch(fresh.url("/picture")).body == BODY
    assert one.fetch(fresh.url("/endless")).reason == "too_large"
    assert one.hosts.large_bodies.acquire(blocking=False)


@pytest.mark.parametrize("kind", ["endless", "bomb"])
def test_six_endless_bodies_fill_little_memory(server, kind):
    assert megabytes(server, 6, kind) < 250
