"""An outage of this machine ends a part in one line; hosts that are gone do not."""

import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.fetch.guard import Guard
from pipeline.fetch.hosts import Hosts
from pipeline.fetch.outage import LEAST_HOSTS, RECENT, Outage
from pipeline.fetch.part import FetchError, fetch_part
from pipeline.fetch.shard import answers
from pipeline.settings.fetch import FetchSettings
from pipeline.settings.images import ImageSettings
from pipeline.web.url import Target, parse_url
from queries.tables.schemas import TABLES
from tests import ROOT
from tests.image_server import ImageServer
from tests.small_build import Small

IMAGES = ImageSettings(size=64)
QUICK = FetchSettings(
    deadline_s=12.0,
    retries=0,
    backoff_s=0.001,
    robots="ignore",
    allow_networks=("127.0.0.0/8",),
    per_host=64,
    per_host_rate=10_000.0,
)
DEAD = [f"http://host{n}.invalid/{n}.png" for n in range(LEAST_HOSTS + 1)]


@pytest.fixture(scope="module")
def server() -> Iterator[ImageServer]:
    with ImageServer() as one:
        yield one


def ask(urls: list[str], attempt: int = 1) -> list[dict]:
    return [{"pair_id": n, "url": url, "attempt": attempt} for n, url in enumerate(urls)]


def fetched(urls: list[str], folder: Path, attempt: int = 1) -> dict[str, str | None]:
    rows = pa.Table.from_pylist(ask(urls, attempt), TABLES["ask"].schema)
    fetch_part(rows, folder, IMAGES, QUICK, folder.parent / "log.jsonl")
    found = pq.read_table(folder / "fetched.parquet").to_pylist()
    return {urls[row["pair_id"]]: row["reason"] for row in found}


# --- a part -------------------------------------------------------------------------------------


def test_a_part_whose_hosts_mostly_have_no_name_ends_in_one_line(server, tmp_path):
    with pytest.raises(FetchError) as ended:
        fetched([*DEAD, server.url("/picture/1.png")], tmp_path / "images/p")
    (line,) = str(ended.value).splitlines()
    assert line.startswith("fetch: most hosts could not be reached, in 4 tries, such as host0.inv")
    assert "(6 no_such_host)" in line or "(6 resolver_failed)" in line
    assert not (tmp_path / "images/p").exists()


def test_a_first_part_of_one_host_that_is_down_ends_so_and_a_later_one_does_not(tmp_path, server):
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{one.getsockname()[1]}/1.png"
        with pytest.raises(FetchError, match=r"such as 127\.0\.0\.1 \(1 refused\)"):
            fetched([closed], tmp_path / "images/p")
        fetched([server.url("/picture/1.png")], tmp_path / "images/q")
        assert fetched([closed], tmp_path / "images/p") == {closed: "refused"}


def test_hosts_that_are_asked_once_more_may_all_be_gone(tmp_path):
    found = fetched(DEAD, tmp_path / "images/p", attempt=2)
    assert set(found.values()) <= {"no_such_host", "resolver_failed"}


def test_few_hosts_that_are_gone_beside_others_are_believed(server, tmp_path):
    urls = [server.url("/picture/1.png"), DEAD[0], DEAD[1]]
    found = fetched(urls, tmp_path / "images/p")
    assert found[urls[0]] is None
    assert found[DEAD[0]] in ("no_such_host", "resolver_failed")


@pytest.mark.slow
def test_a_build_without_a_network_publishes_no_version(tmp_path):
    small = Small(tmp_path / "in", "http://pictures.invalid")
    settings = small.settings(workers=1)
    quick = settings.read_text().replace("retries = 0", "retries = 0\nbackoff_s = 0.001")
    settings.write_text(quick)
    done = small.luigi(tmp_path / "wit", settings)
    assert done.returncode != 0
    said = [line for line in (done.stdout + done.stderr).splitlines() if "most hosts could" in line]
    assert len(said) == 1
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "wit").glob("*/manifest.json"))


# --- an outage that passes ----------------------------------------------------------------------


def test_an_outage_that_passes_costs_no_row(server):
    waits: list[float] = []
    urls = [server.url("/picture/1.png").replace("127.0.0.1", f"h{n}.test") for n in range(120)]

    def resolve(host: str, port: int) -> list[str]:
        if len(waits) < 3:  # the first is none
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return ["127.0.0.1"]

    guard = Guard(QUICK, Hosts(QUICK, sleep=waits.append), resolve, outage=Outage(first=True))
    ended = list(answers(ask(urls), guard, IMAGES, 8, lambda _: None))
    assert [row["reason"] for row, _ in ended] == [None] * len(urls)
    assert sorted(row["pair_id"] for row, _ in ended) == list(range(len(urls)))


def test_after_many_dead_hosts_in_a_row_no_more_are_asked(server):
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    guard = Guard(QUICK, Hosts(QUICK, sleep=lambda _: None), resolve)
    urls = [f"http://h{n}.test/" for n in range(2_000)]
    with pytest.raises(Exception, match="most hosts could not be reached"):
        list(answers(ask(urls), guard, IMAGES, 4, lambda _: None))
    assert len(asked) <= 4 * (RECENT + 8)


PUBLIC = [Target("http", f"h{n}.test", 80, "/") for n in range(3)]


@pytest.mark.parametrize(("still", "likely"), [(True, False), (False, True)])
def test_where_a_public_host_is_still_reached_the_others_are_gone(still, likely):
    outage = Outage()
    outage.reached(PUBLIC[0], "1.1.1.1")
    assert outage.is_likely({f"{n}.org" for n in range(9)}, lambda target: still) is likely


def test_a_host_of_this_machine_says_nothing_of_the_network():
    outage = Outage()
    outage.reached(parse_url("http://127.0.0.1/"), "127.0.0.1")
    assert outage.is_likely({f"{n}.org" for n in range(9)}, lambda target: True)


# --- few files ----------------------------------------------------------------------------------

WITH_FEW_FILES = """
import resource, sys
from pathlib import Path
from tests.pipeline.fetch.test_outage import fetched
soft, hard, server, folder = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_NOFILE, (int(soft), int(hard)))
print(fetched([f"{server}/picture/{n}.png" for n in range(300)], Path(folder)))
"""


@pytest.mark.parametrize(("soft", "hard"), [(100, 4096), (100, 100)])
def test_few_files_cost_no_row(soft, hard, server, tmp_path):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < hard:
        pytest.skip(f"the hard limit of files is below {hard}")
    words = [str(soft), str(hard), server.url(""), str(tmp_path / "images/p")]
    command = [sys.executable, "-c", WITH_FEW_FILES, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert set(eval(done.stdout).values()) == {None}  # our own output
