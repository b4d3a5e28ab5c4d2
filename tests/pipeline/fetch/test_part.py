"""A part is fetched from a real server on loopback: whole or not at all, each row with a reason."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import simplejpeg

from pipeline.fetch import part as fetch
from pipeline.fetch.log import FetchLog
from pipeline.fetch.part import FetchError, fetch_part
from pipeline.images.parts import read_images
from pipeline.settings.fetch import FetchSettings
from pipeline.settings.images import ImageSettings
from queries.pixels.fingerprint import phash, spread
from queries.tables.reasons import FETCH, PASSING
from queries.tables.schemas import TABLES
from tests import ROOT
from tests.image_server import ImageServer, picture
from tests.processes import WAIT_S, command_of, wait_for

IMAGES = ImageSettings(size=64)
LOOPBACK = {"allow_networks": ("127.0.0.0/8",), "per_host": 64, "per_host_rate": 10_000.0}
FETCH_ONCE = FetchSettings(deadline_s=12.0, retries=0, **LOOPBACK)

# (path of the server, the reason that is expected)
ANSWERS = [
    ("/picture/1.png", None),
    ("/picture/1.png?again", None),
    ("/picture/a cät 2.png", None),
    ("/redirect/3.png", None),
    ("/large/4.png", None),
    ("/wide/5.png", None),
    ("/gray/6.png", None),
    ("/alpha/7.png", None),
    ("/pixel/8.gif", None),
    ("/404/9.png", "not_found"),
    ("/410/10.png", "not_found"),
    ("/401/11.png", "forbidden"),
    ("/403/12.png", "forbidden"),
    ("/451/13.png", "forbidden"),
    ("/429/14.png", "http_error"),
    ("/500/15.png", "http_error"),
    ("/loop/16.png", "too_many_redirects"),
    ("/slow/17.png", "timeout"),
    ("/reset/18.png", "connection_error"),
    ("/short/19.png", "connection_error"),
    ("/many_headers/20.png", "headers_too_large"),
    ("/noai/21.png", "opted_out"),
    ("/html/22.png", "not_an_image"),
    ("/empty/23.png", "not_an_image"),
    ("/truncated/24.png", "image_damaged"),
]
ELSEWHERE = [
    ("http://127.0.0.1:9999/25.png", "refused"),
    ("http://no-such-host.invalid/26.png", "no_such_host"),
    ("gopher://127.0.0.1/27.png", "bad_url"),
    ("http://192.168.1.1/28.png", "private_address"),
]


def ask(urls: list[str], hashes: list[str] | None = None) -> pa.Table:
    """Rows of table `ask`, whose pair_ids are not in the order of the rows."""
    ids = [(7 * n + 3) % 1009 for n in range(len(urls))]
    rows = {"pair_id": ids, "url": urls, "attempt": [1] * len(urls)}
    rows["source_hash"] = hashes or [None] * len(urls)
    return pa.table(rows, TABLES["ask"].schema)


def rows_by_url(rows: pa.Table, folder: Path) -> dict[str, dict]:
    fetched = {row["pair_id"]: row for row in pq.read_table(folder / "fetched.parquet").to_pylist()}
    return {row["url"]: fetched[row["pair_id"]] for row in rows.to_pylist()}


def workers(folder: Path) -> list[psutil.Process]:
    """img2dataset's processes that work under the folder, wherever they hang in the tree."""
    command = f"{fetch.WORKER} {folder}"
    return [process for process in psutil.process_iter() if command in command_of(process)]


@pytest.fixture(scope="module")
def server() -> Iterator[ImageServer]:
    with ImageServer() as one:
        yield one


@pytest.fixture(scope="module")
def asked(server: ImageServer) -> pa.Table:
    return ask([server.url(path) for path, _ in ANSWERS] + [url for url, _ in ELSEWHERE])


@pytest.fixture(scope="module")
def folder(asked: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The part of all answers, fetched once."""
    folder = tmp_path_factory.mktemp("images") / "part"
    fetch_part(asked, folder, IMAGES, FETCH_ONCE, folder.parent / "log.jsonl")
    return folder


def test_every_asked_pair_gets_one_row_in_order_of_pair_id(asked, folder):
    fetched = pq.read_table(folder / "fetched.parquet")
    assert fetched["pair_id"].to_pylist() == sorted(asked["pair_id"].to_pylist())
    assert fetched.schema.equals(TABLES["fetched"].schema)
    assert set(fetched["image_part"].to_pylist()) == {"part"}


@pytest.mark.parametrize(("path", "reason"), ANSWERS)
def test_each_answer_has_its_reason(asked, folder, server, path, reason):
    assert rows_by_url(asked, folder)[server.url(path)]["reason"] == reason


@pytest.mark.parametrize(("url", "reason"), ELSEWHERE)
def test_each_dead_address_has_its_reason(asked, folder, url, reason):
    assert rows_by_url(asked, folder)[url]["reason"] == reason


def test_the_measures_are_those_of_the_stored_and_of_the_served_picture(asked, folder, server):
    row = rows_by_url(asked, folder)[server.url("/large/4.png")]
    jpg = dict(read_images(folder, row["pair_id"], row["pair_id"]))[row["pair_id"]]
    pixels = simplejpeg.decode_jpeg(jpg)
    assert pixels.shape == (64, 96, 3)
    assert (row["height"], row["width"], row["image_bytes"]) == (64, 96, len(jpg))
    assert (row["original_width"], row["original_height"]) == (900, 600)
    assert ((row["phash"] ^ phash(pixels)) & (2**64 - 1)).bit_count() <= 2  # before encoding
    assert row["spread"] == pytest.approx(spread(pixels), abs=0.5)
    assert row["sha256"] == hashlib.sha256(picture(4, 900, 600)).hexdigest()


def test_a_pixel_is_not_enlarged(asked, folder, server):
    row = rows_by_url(asked, folder)[server.url("/pixel/8.gif")]
    assert [row[f"{of}{side}"] for of in ("", "original_") for side in ("width", "height")] == [
        1
    ] * 4


def test_a_gray_picture_is_stored_in_three_channels(folder):
    for _, jpg in read_images(folder, 0, 2**62):
        stored = cv2.imdecode(np.frombuffer(jpg, np.uint8), cv2.IMREAD_UNCHANGED)
        assert stored.ndim == 3
        assert stored.shape[2] == 3


def test_a_failed_row_has_no_measures(asked, folder, server):
    row = rows_by_url(asked, folder)[server.url("/html/22.png")]
    assert {row[name] for name in ("width", "phash", "sha256", "spread", "image_bytes")} == {None}


def test_only_pictures_of_the_wanted_range_are_read(folder):
    everything = [pair_id for pair_id, _ in read_images(folder, 0, 2**62)]
    assert everything == sorted(everything)
    assert [pair_id for pair_id, _ in read_images(folder, 10, 24)] == [10, 17, 24]
    assert list(read_images(folder, 11, 16)) == []


def test_the_log_names_messages_and_rates(folder):
    lines = [json.loads(line) for line in (folder.parent / "log.jsonl").read_text().splitlines()]
    (whole,) = (line for line in lines if "rows" in line)  # a long fetch says more before it
    assert whole["rows"] == len(ANSWERS) + len(ELSEWHERE)
    assert whole["rows_per_s"] > 0
    assert whole["kept_share"] == pytest.approx(9 / whole["rows"], abs=1e-4)
    assert list(whole["top_reasons"].values()) == [3, 2, 2]
    assert "HTTP 404" in [line.get("message") for line in lines]


def test_the_log_tells_every_ten_seconds_what_the_bar_shows(tmp_path):
    clock = iter([0.0, 5.0, 10.0, 10.0, 10.0, 12.0])
    log = FetchLog(tmp_path / "log.jsonl", "part", 40, lambda: next(clock))
    log.count({"": 4}, 0)
    log.count({"": 4, "timeout": 2}, 3)
    log.count({"": 1}, 0)
    (line,) = map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())
    assert line == {
        **{"part": "part", "ended": 10, "of": 40, "seconds": 10.0, "left_s": 30},
        **{"rows_per_s": 1.0, "kept_share": 0.8, "top_reasons": {"timeout": 2}},
        "hosts_waiting": 3,
    }


def test_the_same_answers_give_the_same_bytes(asked, folder, tmp_path):
    again = tmp_path / "part"
    few_threads = FETCH_ONCE.model_copy(update={"threads": 3})
    fetch_part(
        asked.take(list(reversed(range(asked.num_rows)))),
        again,
        IMAGES,
        few_threads,
        tmp_path / "log.jsonl",
    )
    files = ["fetched.parquet", "heard.parquet", "images.parquet"]
    for name in files:
        assert (again / name).read_bytes() == (folder / name).read_bytes()
    assert sorted(one.name for one in again.iterdir()) == files


def test_a_part_that_is_there_is_not_fetched_again(asked, folder, server, tmp_path):
    requests = len(server.agents)
    part = fetch_part(asked, folder, IMAGES, FETCH_ONCE, tmp_path / "log.jsonl")
    assert (part.name, part.rows_in, part.rows_kept) == ("part", asked.num_rows, 9)
    assert len(server.agents) == requests


def test_progress_counts_every_row(server, tmp_path):
    done: Counter[str] = Counter()
    rows = ask([server.url(f"/picture/{n}.png") for n in range(30)])
    contact = FETCH_ONCE.model_copy(update={"contact": "mailto:me@example.org"})
    fetch_part(
        rows,
        tmp_path / "part",
        IMAGES,
        contact,
        tmp_path / "log.jsonl",
        lambda reasons, waiting: done.update(reasons),
    )
    assert done == {"": 30}
    assert server.agents[-1].startswith("buildwit/")
    assert "mailto:me@example.org" in server.agents[-1]


def test_a_killed_process_leaves_nothing_and_says_so(server, tmp_path):
    rows = ask([server.url(f"/slow/{n}.png") for n in range(9)])
    slowly = FETCH_ONCE.model_copy(update={"deadline_s": 300.0, "threads": 1})
    requests = len(server.agents)

    def kill_in_the_middle() -> None:
        wait_for(lambda: len(server.agents) > requests, "a request")
        workers(tmp_path)[0].kill()

    killer = threading.Thread(target=kill_in_the_middle)
    killer.start()
    with pytest.raises(FetchError, match="ended with -9"):
        fetch_part(rows, tmp_path / "part", IMAGES, slowly, tmp_path / "log.jsonl")
    killer.join()
    assert list(tmp_path.iterdir()) == []
    assert workers(tmp_path) == []


def test_what_fails_in_the_process_is_told_in_a_line(server, tmp_path):
    rows = ask([server.url("/picture/1.png")])
    wrong = FETCH_ONCE.model_copy(update={"ca_file": "/nowhere/certificates"})
    with pytest.raises(FetchError, match=r"failed: .*/nowhere/certificates.*") as told:
        fetch_part(rows, tmp_path / "part", IMAGES, wrong, tmp_path / "log.jsonl")
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_originals_are_kept_as_they_were_served(server, tmp_path):
    kept = IMAGES.model_copy(update={"keep_originals": True})
    rows = ask([server.url("/large/1.png")])
    fetch_part(rows, tmp_path / "part", kept, FETCH_ONCE, tmp_path / "log.jsonl")
    ((_, body),) = read_images(tmp_path / "part", 0, 1 << 62)
    assert body == picture(1, width=900, height=600)


def test_a_process_without_progress_is_stopped(server, tmp_path, monkeypatch):
    rows = ask([server.url("/slow/1.png")])
    slowly = FETCH_ONCE.model_copy(update={"deadline_s": 300.0})
    row_s = 2 * (slowly.deadline_s + slowly.max_wait_s)  # that a row may take
    monkeypatch.setattr(fetch, "SLACK_S", 2 - row_s)  # so 2 s, in place of minutes
    with pytest.raises(FetchError, match="finished no row in 2 s"):
        fetch_part(rows, tmp_path / "part", IMAGES, slowly, tmp_path / "log.jsonl")
    assert list(tmp_path.iterdir()) == []
    assert workers(tmp_path) == []


FETCHING = """
import sys
from pathlib import Path
import pyarrow as pa
from pipeline.fetch.part import fetch_part
from pipeline.fetch.log import FetchLog
from pipeline.images.parts import read_images
from pipeline.settings.fetch import FetchSettings
from pipeline.settings.images import ImageSettings
from queries.tables.reasons import FETCH, PASSING
from queries.tables.schemas import TABLES
row = {"pair_id": 1, "url": sys.argv[1], "attempt": 1}
rows = pa.Table.from_pylist([row], TABLES["ask"].schema)
out = Path(sys.argv[2])
slowly = FetchSettings(deadline_s=300.0, allow_networks=("127.0.0.0/8",))
fetch_part(rows, out / "part", ImageSettings(), slowly, out / "log.jsonl")
"""


@pytest.fixture
def fetching(server: ImageServer, tmp_path: Path) -> Iterator[subprocess.Popen]:
    """Another program that fetches a part, and is in the middle of it."""
    command = [sys.executable, "-c", FETCHING, server.url("/slow/1.png"), str(tmp_path)]
    requests = len(server.agents)
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as program:
        wait_for(lambda: len(server.agents) > requests, "a request")
        yield program


def test_an_interrupt_leaves_no_process_and_no_folder(fetching, tmp_path):
    fetching.send_signal(signal.SIGINT)
    assert fetching.wait(WAIT_S) != 0
    assert workers(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_the_process_ends_with_a_parent_that_is_killed(fetching, tmp_path):
    os.kill(fetching.pid, signal.SIGKILL)
    wait_for(lambda: not workers(tmp_path), "the worker ends")
    assert not (tmp_path / "part").exists()


def test_the_manual_knows_every_reason_and_which_may_pass():
    manual = (ROOT / "docs/fetching.md").read_text().split("## Reasons")[1]
    told = dict(re.findall(r"^\| `([a-z0-9_]+)` \| [^|]+ \| (yes )?\|$", manual, re.MULTILINE))
    assert list(told) == list(FETCH)
    assert {reason for reason, again in told.items() if again} == set(PASSING)


def test_rows_asked_twice_are_refused(server, tmp_path):
    rows = ask([server.url("/picture/1.png")])
    with pytest.raises(ValueError, match="each pair once"):
        fetch_part(pa.concat_tables([rows, rows]), tmp_path / "part", IMAGES, FETCH_ONCE, tmp_path)


# --- what img2dataset left, and whether it is believed ------------------------------------------
ANSWER = {name: None for name in TABLES["fetched"].schema.names if name != "image_part"} | {
    "pair_id": 1,
    "attempt": 1,
    "reason": "timeout",
    "message": "timed out",
    "heard": None,
    "hashed": None,
    "jpg": None,
}


def left_behind(folder: Path, rows: list[dict], **stats: int) -> Path:
    """A shard as img2dataset leaves it."""
    pq.write_table(pa.Table.from_pylist(rows), folder / "00000.parquet")
    (folder / "00000_stats.json").write_text(json.dumps(stats))
    return folder / "00000.parquet"


def test_a_lost_row_stays_in_the_books(tmp_path):
    answers = left_behind(tmp_path, [ANSWER | {"pair_id": 3}], count=2, successes=0)
    asked = ask(["http://x.org/1", "http://x.org/2"])
    fetched, *_ = fetch._answered(asked, answers, tmp_path / "images.parquet")
    assert [(row["pair_id"], row["reason"]) for row in fetched] == [
        (3, "timeout"),
        (10, "fetch_error"),
    ]


@pytest.mark.parametrize(
    ("count", "successes", "ids"),
    [(3, 0, [3, 10]), (2, 1, [3, 10]), (2, 0, [3, 11]), (2, 0, [])],
    ids=["count", "successes", "strange id", "all lost"],
)
def test_a_shard_that_does_not_add_up_is_not_believed(tmp_path, count, successes, ids):
    rows = [ANSWER | {"pair_id": pair_id} for pair_id in ids] or [ANSWER | {"pair_id": 99}]
    answers = left_behind(tmp_path, rows, count=count, successes=successes)
    with pytest.raises(FetchError, match="asked for 2 rows"):
        fetch._answered(
            ask(["http://x.org/1", "http://x.org/2"]), answers, tmp_path / "images.parquet"
        )


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ({"image_bytes": 7}, "was not stored whole"),
        ({"width": 60}, r"stored as \(64, 64\), not as 60 x 64"),
        ({"jpg": b"no picture", "image_bytes": 10}, "stored as None"),
    ],
    ids=["bytes", "sides", "no picture"],
)
def test_a_picture_that_is_not_what_its_row_says_is_not_believed(tmp_path, says, told):
    jpg = simplejpeg.encode_jpeg(np.zeros((64, 64, 3), np.uint8))
    stored = {"jpg": jpg, "image_bytes": len(jpg), "width": 64, "height": 64, "sha256": "f" * 64}
    row = ANSWER | {"pair_id": 3, "reason": None} | stored | says
    answers = left_behind(tmp_path, [row], count=1, successes=1)
    with pytest.raises(FetchError, match=told):
        fetch._answered(ask(["http://x.org/1"]), answers, tmp_path / "images.parquet")


@pytest.mark.parametrize("name", ["00000.parquet", "00000_stats.json"])
def test_a_broken_file_is_not_believed(tmp_path, name):
    answers = left_behind(tmp_path, [ANSWER | {"pair_id": 3}], count=1, successes=0)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(FetchError, match="left no whole"):
        fetch._answered(ask(["http://x.org/1"]), answers, tmp_path / "images.parquet")
