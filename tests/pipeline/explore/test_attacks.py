"""What somebody could try by a question in SQL or by a picture that is sent, and what stops it."""

import io
import json
import signal
import socket
import struct
import subprocess
import sys
import zlib
from contextlib import ExitStack
from multiprocessing.connection import wait
from pathlib import Path
from urllib.parse import urlencode

import duckdb
import psutil
import pytest
from PIL import Image

from pipeline.explore.explorer import UPLOADS
from pipeline.explore.pictures import MOST_UPLOAD
from queries import select
from queries.locked import LockedTables
from queries.questions import sql as sql_of
from queries.tables.errors import InputError
from tests import ROOT
from tests.pipeline.explore.made_build import explored_build, id_of, served
from tests.processes import WAIT_S, wait_for


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return explored_build(tmp_path_factory.mktemp("wit"))


@pytest.fixture(scope="module")
def client(build):
    with served(build) as asking:
        yield asking


HOSTILE = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    'SELECT * FROM "/etc/passwd"',
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/etc/passwd')",
    "SELECT * FROM read_parquet('{build}/tables/pair/00000.parquet')",
    "SELECT * FROM '{build}/tables/pair/00000.parquet'",
    "SELECT * FROM parquet_metadata('{build}/tables/pair/00000.parquet')",
    "SELECT * FROM read_json('https://example.org/a.json')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM glob('/*')",
    "SELECT (SELECT content FROM read_text('/etc/passwd')) FROM sample",
    "SELECT * FROM sample WHERE caption IN (SELECT file FROM glob('/*'))",
    "WITH a AS (SELECT * FROM glob('/*')) SELECT * FROM a",
    "SELECT * FROM (WITH sqlite_master AS (SELECT 1) SELECT 1) a, sqlite_master",
    "SELECT * FROM (WITH duckdb_views AS (SELECT 1) SELECT 1) a, DuckDB_Views",
    "SELECT * FROM (WITH \"/etc/passwd\" AS (SELECT 1) SELECT 1) a, '/etc/passwd'",
    "COPY (SELECT 1) TO '{build}/x.csv'",
    "COPY (SELECT 1) TO '{build}/tables/pair/00000.parquet'",
    "COPY sample FROM '/etc/passwd'",
    "EXPORT DATABASE '{build}/x'",
    "ATTACH '{build}/x.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "PRAGMA threads=64",
    "SET memory_limit='64GB'",
    "RESET memory_limit",
    "CALL pragma_version()",
    "CREATE TABLE a AS SELECT 1",
    "DROP VIEW sample",
    "INSERT INTO sample SELECT * FROM sample",
    "DESCRIBE sample",
    "SELECT getenv('HOME')",
    "SELECT current_setting('threads')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM query('SELECT * FROM glob(''/*'')')",
    "SELECT * FROM query_table('sample')",
    "SELECT write_log('x')",
    "SELECT pg_sleep(1)",
    "SELECT sleep_ms(1)",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT 1; SELECT 2",
    "SELECT 1; COPY (SELECT 1) TO '{build}/x.csv'",
    "SELECT " + "(" * 5_000 + "1" + ")" * 5_000,
    "PREPARE a AS SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
]


@pytest.mark.parametrize("question", HOSTILE, ids=lambda text: text[:40])
def test_no_question_reaches_more_than_the_tables(build, question):
    """Looked through, before anything runs."""
    tables = LockedTables(build).tables
    with pytest.raises(InputError) as told:
        select.look_through(question.format(build=build), tables)
    assert "\n" not in str(told.value)


OF_TABLES = ("FROM '{build}/tables", "read_parquet('{build}", "parquet_metadata('{build}")
AT_FILES = [one for one in HOSTILE if "/" in one or "INSTALL" in one]


@pytest.mark.parametrize(
    "question",
    [one for one in AT_FILES if not any(words in one for words in OF_TABLES)],
    ids=lambda text: text[:40],
)
def test_below_it_the_connection_itself_reads_and_writes_nothing_else(build, question):
    """Were a question not looked through, DuckDB's own lock would stop it."""
    before = {path: path.stat().st_mtime_ns for path in build.rglob("*")}
    with pytest.raises(InputError):
        LockedTables(build).first_rows(question.format(build=build), 10, 10.0)
    assert {path: path.stat().st_mtime_ns for path in build.rglob("*")} == before


def test_what_is_allowed_is_answered(build):
    answer = select.ask(
        "WITH a AS (SELECT * FROM sample) SELECT COUNT(*), SUM(n_words) FROM a", build
    )
    assert answer.rows == [[70, 210]]
    many = select.ask("SELECT range AS n FROM range(5000)", build)
    assert (len(many.rows), many.more) == (select.MOST_ROWS, True)
    wide = select.ask("SELECT repeat('x', 3_000) AS a, a AS b, a AS c FROM range(900)", build)
    assert len(json.dumps(wide.rows)) < 2 * select.MOST_ANSWER
    assert list(map(select.cell, (float("nan"), 1e999, 1 << 60, None, [1], True))) == [
        *("nan", "inf", str(1 << 60), None, "[1]", True)
    ]


@pytest.mark.parametrize(
    "question",
    [
        "SELECT SUM(a.range * b.range) FROM range(10000000) a, range(10000000) b",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT MAX(n) FROM r",
    ],
)
def test_an_endless_question_is_given_up(build, question):
    with pytest.raises(InputError, match="took more than 1 s"):
        select.ask(question, build, seconds=1)


@pytest.mark.parametrize(
    "question",
    [
        "SELECT repeat('x', 3_000_000_000)",
        "SELECT repeat('x', 200_000_000) FROM range(1000)",
        "SELECT string_agg(repeat(caption, 100_000), '') FROM sample, range(1000)",
    ],
)
def test_a_question_that_fills_memory_ends_alone(build, question):
    with pytest.raises(InputError, match="memory"):
        select.ask(question, build)


def test_the_process_that_asks_may_write_no_file_and_knows_no_variable(build, monkeypatch):
    """By a stand-in for a question that got through: what the process itself may do."""
    code = """
import os, sys
from queries import select
select.bound()
try:
    with open(sys.argv[1], "w") as file:
        file.write("x" * 10)
    print("written")
except OSError as error:
    print(type(error).__name__)
"""
    path = build.parent / "x"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert "written" not in done.stdout
    assert not path.exists() or path.read_text() == ""


def test_the_page_says_what_is_wrong_and_leaves_no_process(client):
    answer = client.get("/sql", params={"sql": "SELECT * FROM glob('/*')"})
    assert answer.status_code == 400
    assert "it may not read from glob" in answer.text
    server = next(one for one in psutil.Process().children() if "explore" in one.cmdline())
    assert not server.children()


ENDLESS = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT MAX(n) FROM r"


def hang_up(address: str) -> socket.socket:
    """Ask an endless question and do not wait for its answer."""
    host, port = address.removeprefix("http://").strip("/").split(":")
    asking = socket.create_connection((host, int(port)))
    path = f"/sql?{urlencode({'sql': ENDLESS})}"
    asking.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    return asking


def test_many_endless_questions_leave_the_other_pages_answered(build):
    with served(build) as client, ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(hang_up(str(client.base_url)))
        for path in ("/", "/static/explore.css"):
            assert client.get(path).status_code == 200
        refused = client.get("/sql", params={"sql": "SELECT 1"})
        assert "too many questions at once" in refused.text


def test_ctrl_c_ends_the_question_that_is_asked(build):
    words = ["-m", "pipeline", "explore", str(build), "--port", "0", "--no-open"]
    with subprocess.Popen(
        [sys.executable, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        with hang_up(server.stdout.readline().split()[0].decode()):
            wait_for(lambda: psutil.Process(server.pid).children(), "the question is asked")
            server.send_signal(signal.SIGINT)
            _, faults = server.communicate()
    assert (server.returncode, faults) == (0, b"")


def test_each_question_of_the_pages_runs_behind_the_lock_of_its_tables(build):
    locked = LockedTables(build)
    sql = "\n".join(["WITH chosen AS (", sql_of("explore", "chosen"), ")", "SELECT * FROM chosen"])
    hostile = "x' OR 1=1; COPY (SELECT 1) TO '/tmp/x'; --"
    assert locked.ask(sql, {"source": hostile, "license": hostile}).num_rows == 0
    with pytest.raises(InputError):
        locked.ask("SELECT * FROM read_text('/etc/passwd')", {})


# --- pictures that are sent ---------------------------------------------------------------------
def sent(client, body: bytes):
    return client.post("/upload", files={"picture": ("a.png", body, "image/png")})


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header promises these sides, and whose data are a few bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 100_000, 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def half_sent(address: str) -> socket.socket:
    """Begin to send a picture, and send no more."""
    host, port = address.removeprefix("http://").strip("/").split(":")
    sending = socket.create_connection((host, int(port)))
    head = f"POST /upload HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 9000000\r\n\r\n"
    sending.sendall(head.encode() + b"x" * 1_000)
    return sending


def test_pictures_that_never_end_are_few(build):
    with served(build) as client, ExitStack() as stack:
        address = str(client.base_url)
        sending = [stack.enter_context(half_sent(address)) for _ in range(sum(UPLOADS) + 1)]
        (refused,) = wait(sending, WAIT_S)  # the others may still send
        assert b"400 Bad Request" in refused.recv(1_000)
        assert client.get("/").status_code == 200


def test_a_sent_picture_that_unpacks_to_gigabytes_is_refused_by_its_header(client):
    server = next(one for one in psutil.Process().children() if "explore" in one.cmdline())
    before = server.memory_info().rss
    answer = sent(client, png_of(60_000, 60_000))
    assert answer.status_code == 400
    assert "too_many_pixels" in answer.text
    assert server.memory_info().rss < before + (100 << 20)


@pytest.mark.parametrize(
    "body",
    [b"<svg onload=alert(1)>", b"GIF89a", b"\xff\xd8\xff", b"%PDF-1.4", png_of(9, 9)[:60]],
)
def test_what_is_no_picture_is_one_line(client, body):
    answer = sent(client, body)
    assert answer.status_code == 400
    assert answer.text.count('class="fault"') == 1


def test_a_huge_upload_is_given_up_at_the_bound(client):
    answer = sent(client, b"\0" * (MOST_UPLOAD + 1))
    assert answer.status_code == 400
    assert "at most 10 MiB" in answer.text


@pytest.mark.parametrize(
    "form",
    [
        {"data": {"picture": "text"}},
        {"files": {"other": ("a", b"x")}},
        {"files": [("picture", ("a", b"x")), ("picture", ("b", b"y"))]},
        {"content": b"--x", "headers": {"Content-Type": "multipart/form-data; boundary=y"}},
        {"content": b"--x", "headers": {"Content-Type": "multipart/form-data"}},
        {"content": b"{}", "headers": {"Content-Type": "application/json"}},
    ],
)
def test_a_form_that_holds_no_picture_is_one_line(client, form):
    answer = client.post("/upload", **form)
    assert answer.status_code == 400
    assert answer.text.count('class="fault"') == 1


def test_a_sent_picture_is_searched_for_and_kept_nowhere(client, build):
    from queries.tables.tars import read_pictures

    ((_, body),) = read_pictures(build / "shards" / "00000.parquet", [id_of(2)])
    assert Image.open(io.BytesIO(body)).size
    before = sorted(Path(build.parent).rglob("*"))
    assert sent(client, body).status_code == 200
    assert sorted(Path(build.parent).rglob("*")) == before


def test_duckdb_itself_would_answer_what_is_refused(tmp_path):
    """Or the tests of the lock could not fail."""
    (tmp_path / "a.txt").write_text("secret")
    rows = duckdb.sql(f"SELECT content FROM read_text('{tmp_path / 'a.txt'}')").fetchall()
    assert rows == [("secret",)]
