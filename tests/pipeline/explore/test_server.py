"""The explorer's server: how it starts and ends, and what it refuses before any page."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.pipeline.explore.made_build import N, explored_build, id_of, served
from tests.processes import WAIT_S


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return explored_build(tmp_path_factory.mktemp("wit"))


@pytest.fixture(scope="module")
def client(build):
    with served(build) as asking:
        yield asking


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_a_name_that_was_pointed_at_this_machine_is_refused(client, host):
    answer = client.get("/", headers={"Host": host})
    assert answer.status_code in (400, 403)  # of no name h11 itself says no
    assert "red house" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:99", "LOCALHOST:8380"])
def test_the_machine_s_own_names_are_answered(client, host):
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),
        ("GET", {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}),
        ("POST", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}),
        (
            "GET",
            {
                "Sec-Fetch-Site": "cross-site",
                "Sec-Fetch-Mode": "navigate",
                "Sec-Fetch-Dest": "iframe",
            },
        ),
        ("GET", {"Origin": "https://evil.example"}),
        ("POST", {"Origin": "null"}),
        ("POST", {"Origin": "http://[::1"}),
    ],
)
def test_another_site_s_page_may_load_and_send_nothing(client, method, headers):
    assert client.request(method, "/", headers=headers).status_code == 403


def test_another_site_may_link_to_a_page(client):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get("/?q=cat", headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/", "/nothing", "/static/explore.js", "/facets", "/?page=x"])
def test_every_answer_has_the_headers_of_safety(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    "path",
    [
        *("/picture/../../manifest.json", "/picture/..%2f..%2fmanifest.json", "/picture/zz"),
        *("/picture/-1", "/picture/ffffffffffffffff", "/picture/0", "/static/../explorer.py"),
        *("/static/..%2fexplorer.py", "/static/%2e%2e/command.py", "/picture/%00"),
    ],
)
def test_no_address_leads_to_a_file_beside_the_pictures(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert "manifest" not in answer.text


def test_each_picture_is_that_of_its_sample(client, build):
    from queries.tables.tars import read_pictures

    for n in (0, 1, N - 1):
        shard = build / "shards" / f"{n % 2:05}.parquet"
        ((_, body),) = read_pictures(shard, [id_of(n)])
        answer = client.get(f"/picture/{id_of(n):016x}")
        assert answer.content == body
        assert answer.headers["content-type"] in ("image/jpeg", "image/png")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--port", "70000"], "--port 70000: expected 0 to 65535"),
        (["--host", "no.such.host.invalid"], "expected an address of this machine"),
        (["--run", "nothing"], "expected the folder of a run"),
    ],
)
def test_a_mistake_is_one_line(build, words, line):
    code, output = ended([str(build), *words])
    assert (code, output.count("\n")) == (2, 1)
    assert line in output


def test_a_port_in_use_is_told_before_the_build_is_looked_at(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, output = ended([str(tmp_path), "--port", port])
    assert code == 3
    assert "Address already in use" in output
    assert "expected a free port" in output


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def ended(words: list[str]) -> tuple[int, str]:
    command = [sys.executable, "-m", "pipeline", "explore", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S)
    return done.returncode, done.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_and_leaves_the_build_as_it_was(build, how):
    before = contents(build)
    words = ["-m", "pipeline", "explore", str(build), "--port", "0", "--no-open"]
    with subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("http://127.0.0.1:")
        server.send_signal(how)
        output, faults = server.communicate(timeout=WAIT_S)
    assert server.returncode == (0 if how == signal.SIGINT else -how)
    assert faults == ""
    assert ("the build is as it was" in output) == (how == signal.SIGINT)
    assert contents(build) == before


def test_what_is_damaged_or_of_another_build_is_said_at_the_start(tmp_path):
    build, run = explored_build(tmp_path), tmp_path / "run"
    tar = build / "shards" / "00000.tar"
    with tar.open("r+b") as file:
        file.truncate(1_000)
    run.mkdir()
    (run / "run.json").write_text('{"build_version": "other"}')
    words = ["-m", "pipeline", "explore", build, "--run", run, "--port", "0", "--no-open"]
    command = [sys.executable, *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as server:
        assert server.stdout is not None
        server.stdout.readline()
        server.terminate()
        _, lines = server.communicate(timeout=WAIT_S)
    damaged, foreign = lines.splitlines()
    assert damaged.startswith("shards/00000.tar: missing, or of another size")
    assert "(1 of " in damaged
    assert foreign == f"{run}: a run of other, not of v1: what it says is of other pairs"
