"""Records and indexes on a web server: what is asked for, and what comes of wrong answers."""

import gzip
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.sources import crawl_index
from pipeline.sources.candidate import SourceError
from pipeline.sources.crawl_index import records
from pipeline.web import ranges
from queries.tables.parts import read_rows
from tests import ROOT
from tests.download_server import DownloadServer, Handler
from tests.pipeline.sources.crawl.test_crawl import told
from tests.pipeline.sources.crawl_index.indexed import (
    NAME,
    cdxj,
    collected,
    page,
    parquet,
    read_whole,
    source_of,
    written,
)
from tests.processes import WAIT_S

EVERY_FIFTH = "content_languages = 'fin'"


@pytest.fixture
def server(monkeypatch) -> Iterator[DownloadServer]:
    monkeypatch.setattr("pipeline.sources.crawl.files.BACKOFF_S", 0.001)
    monkeypatch.setattr("pipeline.sources.ranged.BACKOFF_S", 0.001)
    monkeypatch.setattr(records, "GAP_BYTES", 0)
    crawl_index.door.files.cache_clear()
    with DownloadServer() as running:
        yield running


@pytest.fixture
def rows(tmp_path, server) -> list[dict]:
    """The rows of an index of twenty pages, whose crawl is on the server."""
    made = written(tmp_path, [page(number) for number in range(20)])
    server.put(f"/{NAME}", (tmp_path / NAME).read_bytes())
    return made


def asked_for(server: DownloadServer, path: str = f"/{NAME}") -> list[str | None]:
    return [one.range for one in server.asked if one.path == path]


def span(first: dict, last: dict) -> str:
    """The Range from the start of one record to the end of another."""
    stop = last["warc_record_offset"] + last["warc_record_length"]
    return f"bytes={first['warc_record_offset']}-{stop - 1}"


def test_only_the_bytes_of_the_records_are_asked_for_with_our_name(tmp_path, server, rows):
    index = parquet(tmp_path / "i.parquet", rows)
    raws = collected(source_of(index, base=server.url("/"), where=EVERY_FIFTH), tmp_path)
    assert told(raws) == ["kite 0", "kite 5", "kite 10", "kite 15"]
    assert asked_for(server) == [span(row, row) for row in rows[::5]]
    wanted = sum(row["warc_record_length"] for row in rows[::5])
    assert server.sent[f"/{NAME}"] == wanted < (tmp_path / NAME).stat().st_size / 4
    assert {one.agent.split("/")[0] for one in server.asked} == {"buildwit"}


@pytest.mark.parametrize(
    ("gap", "most", "pieces"),
    [
        (0, 100, [(0, 0), (2, 3), (5, 5)]),  # neighbours touch
        (0.5, 100, [(0, 0), (2, 3), (5, 5)]),  # a record has more bytes than the gap
        (1.5, 100, [(0, 5)]),
        (1.5, 3.5, [(0, 2), (3, 5)]),
        (1_000, 1_000, [(0, 5)]),
    ],
)
def test_records_that_lie_close_come_with_one_request(
    tmp_path, server, rows, monkeypatch, gap, most, pieces
):
    """The gap, and the most of a request, are in records' lengths here."""
    monkeypatch.setattr(records, "GAP_BYTES", gap * rows[0]["warc_record_length"])
    monkeypatch.setattr(records, "MOST_PIECE_BYTES", most * rows[0]["warc_record_length"])
    index = parquet(tmp_path / "i.parquet", [rows[n] for n in (5, 2, 0, 3)])  # in any order
    raws = collected(source_of(index, base=server.url("/")), tmp_path)
    assert told(raws) == ["kite 0", "kite 2", "kite 3", "kite 5"]
    assert asked_for(server) == [span(rows[first], rows[last]) for first, last in pieces]


def test_requests_share_a_connection_that_the_server_keeps(tmp_path, server, rows, monkeypatch):
    connections: list[object] = []
    accept = server.process_request
    monkeypatch.setattr(Handler, "protocol_version", "HTTP/1.1")
    monkeypatch.setattr(
        server, "process_request", lambda *of: (connections.append(of), accept(*of))
    )
    index = parquet(tmp_path / "i.parquet", rows)
    source = source_of(index, base=server.url("/"), where=EVERY_FIFTH)
    assert told(collected(source, tmp_path)) == ["kite 0", "kite 5", "kite 10", "kite 15"]
    assert (len(server.asked), len(connections)) == (4, 1)


def test_a_record_that_is_named_twice_is_asked_for_once(tmp_path, server, rows):
    index = parquet(tmp_path / "i.parquet", [rows[1], rows[1], rows[2]])
    raws = collected(source_of(index, base=server.url("/")), tmp_path)
    assert told(raws) == ["kite 1", "kite 1", "kite 2"]
    assert asked_for(server) == [span(rows[1], rows[2])]


GOOD = ["kite 3"]
ANSWERS = {  # what the server does first, and what is read: rows, a reason, or the end of the stage
    "status 503 0": GOOD,
    "status 429": GOOD,
    "status 408": GOOD,
    "drop 100": GOOD,
    "drop 0": GOOD,
    "short 100": GOOD,  # once; see below
    "whole": GOOD,  # the server ignores the Range
    "range bytes 0-0/9": GOOD,
    "range bytes */9": GOOD,
    "range pages 1-2/3": GOOD,
    "redirect /moved": GOOD,
    "status 404": ["record_missing"],
    "status 410": ["record_missing"],
    "status 416": ["record_missing"],
    "status 403": "HTTP 403",  # how Common Crawl's server asks to slow down
    "status 401": "HTTP 401",
    "status 400": "HTTP 400",
    "redirect ftp://x.example/a": "expected an http or https address",
}


@pytest.mark.parametrize("move", ANSWERS)
def test_each_answer_of_a_server_has_its_account(tmp_path, server, rows, move):
    content, expected = (tmp_path / NAME).read_bytes(), ANSWERS[move]
    server.put("/moved", content)
    server.put(f"/{NAME}", content, move)
    index = parquet(tmp_path / "i.parquet", [rows[3]])
    source = source_of(index, base=server.url("/"))
    if isinstance(expected, list):
        raws = collected(source, tmp_path)
        assert told(raws) == expected
        assert {raw.page_url for raw in raws} == {rows[3]["url"]}
        return
    with pytest.raises(Exception, match=expected) as stopped:
        collected(source, tmp_path)
    assert "\n" not in str(stopped.value)


@pytest.mark.parametrize(
    ("moves", "about"),
    [
        (["status 503 0"] * 6, "HTTP 503, asked 6 times"),
        (["short 100"] * 6, "another part than the one asked for, asked 6 times"),
        (["drop 10"] * 6, "asked 6 times"),
        (["status 503 999999"], "asks to be left alone for 999,999 s"),
    ],
)
def test_a_server_that_stays_unwell_ends_the_stage_in_one_line_and_loses_no_record(
    tmp_path, server, rows, moves, about
):
    server.put(f"/{NAME}", (tmp_path / NAME).read_bytes(), *moves)
    source = source_of(parquet(tmp_path / "i.parquet", [rows[3]]), base=server.url("/"))
    with pytest.raises(SourceError, match=about) as stopped:
        collected(source, tmp_path)
    assert "\n" not in str(stopped.value)
    assert told(collected(source, tmp_path)) == GOOD


def test_a_server_without_ranges_is_refused_where_the_files_are_long(
    tmp_path, server, rows, monkeypatch
):
    server.put(f"/{NAME}", (tmp_path / NAME).read_bytes(), ranges=False)
    source = source_of(parquet(tmp_path / "i.parquet", rows), base=server.url("/"))
    assert collected(source, tmp_path) == read_whole(tmp_path / NAME)
    monkeypatch.setattr(ranges, "MOST_SKIPPED", 5_000)
    monkeypatch.setattr(records, "MOST_PIECE_BYTES", 1)
    with pytest.raises(SourceError, match="sends no pieces of a file"):
        collected(source, tmp_path)


def test_records_behind_the_end_of_a_file_are_missing_and_the_others_are_read(
    tmp_path, server, rows
):
    cut = rows[4]["warc_record_offset"] + 100
    server.put(f"/{NAME}", (tmp_path / NAME).read_bytes()[:cut])
    index = parquet(tmp_path / "i.parquet", [*rows[2:6], rows[9]])
    raws = collected(source_of(index, base=server.url("/")), tmp_path)
    assert told(raws) == ["kite 2", "kite 3", *["record_missing"] * 3]
    assert [raw.extra["fault"] for raw in raws[2:]] == [
        "the file has 100 bytes of it",
        "the file ends before it",
        "the file ends before the piece (HTTP 416)",
    ]


@pytest.mark.parametrize("name", ["i.parquet", "cdx-00000.gz"])
def test_an_index_on_a_web_server_is_read_by_ranges_too(tmp_path, server, rows, name):
    index = parquet(tmp_path / "i.parquet", rows).read_bytes()
    if name != "i.parquet":
        index = gzip.compress(cdxj(rows), mtime=0)
    folder = "/cc-index/table/subset=warc/"
    server.put(f"{folder}{name}", index, "status 503 0", "drop 40")
    server.put("/cc-index-table.paths.gz", gzip.compress(f"{folder[1:]}{name}\n".encode(), mtime=0))
    source = source_of(
        server.url("/cc-index-table.paths.gz"),
        base=server.url("/"),
        where=f"{EVERY_FIFTH} AND subset = 'warc'",
    )
    assert told(collected(source, tmp_path)) == ["kite 0", "kite 5", "kite 10", "kite 15"]
    assert None not in asked_for(server, f"{folder}{name}")  # each has a Range
    assert {one.agent.split("/")[0] for one in server.asked} == {"buildwit"}


SETTINGS = """
[queries]
articles = ["dump.xml"]
[[sources]]
kind = "commoncrawl_index"
name = "cci"
paths = ["i.parquet"]
base = "{base}"
[fetch]
contact = "mail@example.org"
[engine]
workers = 2
"""
PROGRAM = """
import sys
from pipeline.sources.crawl_index import records
from pipeline.tasks.opening import Options, open_workspace
from pipeline.tasks.pairs import CollectPairs, ReadIndexes
records.PART_RECORDS = 4
open_workspace(Options(sys.argv[1], sys.argv[2], "duckdb", "", ""))
for stage in (ReadIndexes, CollectPairs):
    stage(settings=sys.argv[1], out=sys.argv[2]).run()
"""


def command(folder: Path, out: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, str(folder / "build.toml"), str(folder / out)]


def candidates(folder: Path, out: str) -> dict[str, bytes]:
    files = sorted((folder / out / "work" / "candidate").glob("*.parquet"))
    return {path.name: path.read_bytes() for path in files}


def test_a_stage_that_was_killed_goes_on_at_its_part_and_gives_equal_bytes(tmp_path, server, rows):
    """Twenty records are five parts. The server is silent at the eleventh: the third part."""
    (tmp_path / "dump.xml").write_text("<mediawiki/>")
    (tmp_path / "build.toml").write_text(SETTINGS.format(base=server.url("/")))
    parquet(tmp_path / "i.parquet", rows[::-1])
    apart = [dict(row, warc_filename=f"w/{row['url'][-1]}/{n}.gz") for n, row in enumerate(rows)]
    for row in apart:  # a request for each record
        server.put(f"/{row['warc_filename']}", (tmp_path / NAME).read_bytes())
    parquet(tmp_path / "i.parquet", apart)
    subprocess.run(command(tmp_path, "whole"), check=True, cwd=ROOT, timeout=WAIT_S)
    assert len(server.asked) == 20
    order = [one.path for one in server.asked]
    server.asked.clear()
    server.files[order[10]].moves.append("silent")
    with subprocess.Popen(command(tmp_path, "killed"), cwd=ROOT, start_new_session=True) as child:
        while len(server.asked) < 11:
            assert child.poll() is None
        os.killpg(child.pid, signal.SIGKILL)
    assert [one.path for one in server.asked] == order[:11]
    server.asked.clear()
    subprocess.run(command(tmp_path, "killed"), check=True, cwd=ROOT, timeout=WAIT_S)
    assert [one.path for one in server.asked] == order[8:]  # from the third part on
    assert candidates(tmp_path, "killed") == candidates(tmp_path, "whole")
    assert len(candidates(tmp_path, "whole")) == 5
    made = read_rows(sorted((tmp_path / "whole" / "work" / "candidate").glob("*.parquet")))
    assert made["caption"].to_pylist().count("") == 0
    assert made.num_rows == 20
