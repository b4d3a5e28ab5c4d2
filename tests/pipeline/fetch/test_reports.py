"""Downloads that blamed hosts for what their own machine lacked, as people have reported them.

Each test names the report at github.com whose case it makes again.
"""

import errno
import random
import socket
from collections import Counter

import pytest

from pipeline.fetch.guard import Guard
from pipeline.fetch.hosts import Hosts
from pipeline.fetch.outage import Outage
from pipeline.fetch.shard import answers
from tests.image_server import ImageServer
from tests.pipeline.fetch.test_outage import IMAGES, QUICK, ask

AGAIN = (socket.EAI_AGAIN, "Temporary failure in name resolution")
UNKNOWN = (socket.EAI_NONAME, "Name or service not known")
HOSTS = 60


@pytest.fixture(scope="module")
def server():
    with ImageServer() as one:
        yield one


def guard(resolve, waits: list[float], **changed: object) -> Guard:  # type: ignore[no-untyped-def]
    settings = QUICK.model_copy(update=changed)
    return Guard(settings, Hosts(settings, sleep=waits.append), resolve, outage=Outage(first=True))


def reasons(guard: Guard, server: ImageServer, each: int = 1) -> Counter[str | None]:
    """What becomes of pictures of many hosts, some of each."""
    urls = [
        server.url(f"/picture/{n}.png").replace("127.0.0.1", f"h{n % HOSTS}.test")
        for n in range(HOSTS * each)
    ]
    ended = answers(ask(urls), guard, IMAGES, 8, lambda _: None)
    return Counter(row["reason"] for row, _ in ended)


def test_a_resolver_that_is_asked_too_much_costs_no_row(server):
    """rom1504/img2dataset#360: of 10,000 rows 7,000 ended as failures of name resolution."""
    asked: Counter[str] = Counter()

    def resolve(host: str, port: int) -> list[str]:
        asked[host] += 1
        if asked[host] <= int(host[1:-5]) % 4:  # of 100 names 75 fail, then 50, then 25
            raise socket.gaierror(*AGAIN)
        return ["127.0.0.1"]

    assert reasons(guard(resolve, []), server) == {None: HOSTS}


def test_a_few_domains_whose_own_name_servers_fail_are_not_asked_again(server):
    asked: Counter[str] = Counter()

    def resolve(host: str, port: int) -> list[str]:
        asked[host] += 1
        if host in ("h1.test", "h2.test", "h3.test"):
            raise socket.gaierror(*AGAIN)
        return ["127.0.0.1"]

    assert reasons(guard(resolve, []), server) == {None: HOSTS - 3, "resolver_failed": 3}
    assert set(asked.values()) == {1}


@pytest.mark.parametrize("failure", [AGAIN, UNKNOWN], ids=["again", "unknown"])
def test_hosts_first_met_in_an_outage_are_asked_when_it_has_passed(server, failure):
    """xroche/httrack#1392: a name that failed fast stayed dead for the rest of the crawl.

    cooperative-computing-lab/cctools#662: without a network glibc says that the name is unknown.
    """
    waits: list[float] = []

    def resolve(host: str, port: int) -> list[str]:
        if not waits:  # the network is back when the fetch has waited
            raise socket.gaierror(*failure)
        return ["127.0.0.1"]

    assert reasons(guard(resolve, waits), server, each=3) == {None: 3 * HOSTS}


def test_many_requests_at_once_ask_for_a_name_once(server):
    """aio-libs/aiohttp#3549: a hundred requests to one host, of which some had no such name."""
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        if len(asked) > HOSTS:  # the resolver would not have answered as many as there are requests
            raise socket.gaierror(*UNKNOWN)
        return ["127.0.0.1"]

    assert reasons(guard(resolve, []), server, each=5) == {None: 5 * HOSTS}
    assert sorted(asked) == sorted(f"h{n}.test" for n in range(HOSTS))


@pytest.mark.parametrize(
    ("number", "report"),
    [(errno.EMFILE, "aio-libs/aiohttp#2094"), (errno.EADDRNOTAVAIL, "aio-libs/aiohttp#1142")],
)
def test_files_and_ports_that_ran_out_now_and_then_cost_no_row(server, number, report):
    chance = random.Random(report)

    def resolve(host: str, port: int) -> list[str]:
        if chance.random() < 0.5:
            raise OSError(number, report)
        return ["127.0.0.1"]

    one = guard(resolve, [], dead_after=1)
    one.machine.sleep = lambda _: None
    assert reasons(one, server, each=3) == {None: 3 * HOSTS}
