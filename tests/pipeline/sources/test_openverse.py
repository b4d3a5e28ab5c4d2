"""Openverse searched: a server on loopback that speaks its JSON as its documentation has it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from math import ceil
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline import sources
from pipeline.settings.sources import OpenverseSource
from pipeline.sources import Planning, SourceError, openverse, search
from pipeline.web.client import Client, DownloadError
from tests.tables import rows

LARGEST_PAGE = 20  # without an account


def result(n: int) -> dict:
    """A result with all the fields that a search gives."""
    return {
        "id": f"0000-{n}",
        "title": f"Red kite {n}",
        "foreign_landing_url": f"https://photos.example/{n}",
        "url": f"https://static.photos.example/{n}.jpg",
        "creator": "Zoë",
        "creator_url": "https://photos.example/zoe",
        "license": "by-sa",
        "license_version": "4.0",
        "license_url": "https://creativecommons.org/licenses/by-sa/4.0/",
        "provider": "photos",
        "source": "photos",
        "category": None,
        "filesize": None,
        "filetype": "jpg",
        "tags": [{"name": "bird", "accuracy": None}],
        "attribution": f'"Red kite {n}" by Zoë is licensed under CC BY-SA 4.0.',
        "fields_matched": ["title"],
        "mature": False,
        "height": 480,
        "width": 640,
        "thumbnail": f"http://127.0.0.1/v1/images/0000-{n}/thumb/",
    }


class Handler(BaseHTTPRequestHandler):
    server: "Openverse"

    def log_message(self, *_: object) -> None:
        """Silence."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        asked = {key: one[0] for key, one in parse_qs(url.query).items()}
        self.server.asked.append(asked)
        if self.server.moves and (move := self.server.moves.pop(0)) != 200:
            detail = {"detail": "Request was throttled."}
            self.send(move, detail, [("Retry-After", "7")] if move == 429 else [])
        elif url.path != "/v1/images/":
            self.send(404, {"detail": "Not found."})
        elif int(asked["page_size"]) > LARGEST_PAGE:
            self.send(401, {"detail": {"page_size": ["page_size may not exceed 20."]}})
        else:
            self.search(asked["q"], int(asked["page"]), int(asked["page_size"]))

    def search(self, query: str, page: int, size: int) -> None:
        found = self.server.found.get(query, [])
        pages = ceil(len(found) / size)
        if page > max(pages, 1):
            self.send(404, {"detail": "Page not found."})
            return
        answer = {
            "result_count": len(found),
            "page_count": pages,
            "page_size": size,
            "page": page,
            "results": found[(page - 1) * size : page * size],
        }
        for field in self.server.left_out:
            del answer[field]
        self.send(200, answer)

    def send(self, status: int, answer: dict, headers: list[tuple[str, str]] = ()) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in [*headers, ("Content-Length", str(len(body)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Openverse(HTTPServer):
    """Serves what is found for each query; `moves` are the statuses of its first answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.found: dict[str, list] = {}
        self.asked: list[dict[str, str]] = []
        self.moves: list[int] = []
        self.left_out: list[str] = []


@pytest.fixture
def server():
    with Openverse() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture(autouse=True)
def waits(monkeypatch) -> list[float]:
    """The seconds that the client would have waited."""
    waited: list[float] = []
    monkeypatch.setattr(Client, "_wait", lambda self, seconds: waited.append(seconds))
    return waited


def source_of(base: str, **changed: object) -> OpenverseSource:
    fields = {"kind": "openverse", "name": "ov", "base": base, "accept_terms": True, "pause_s": 0.0}
    return OpenverseSource(**{**fields, **changed})


def collected(server: Openverse, folder, *texts: str, **changed: object) -> list[dict]:
    """The candidates of these queries, as a build makes them."""
    source = source_of(f"http://127.0.0.1:{server.server_port}", **changed)
    queries = rows("query", *[{"query_id": n, "text": text} for n, text in enumerate(texts)])
    found = [
        row
        for part in sources.parts(source, Planning(str, queries, folder / "search"))
        for batch in sources.collect(iter(part.rows.to_batches()), source, 0)
        for row in batch.to_pylist()
    ]
    return [{**row, **json.loads(row["extra"])} for row in found]


def test_it_is_off_until_its_terms_are_accepted():
    off = OpenverseSource(kind="openverse", name="ov", contact="me@x.org")
    with pytest.raises(
        SourceError, match=r"^source ov: accept_terms = false: expected true: "
    ) as e:
        openverse.check(off)
    assert "\n" not in str(e.value)
    openverse.check(off.model_copy(update={"accept_terms": True}))
    with pytest.raises(SourceError, match="source ov: contact = ''"):
        openverse.check(off.model_copy(update={"accept_terms": True, "contact": " "}))


def test_without_settings_of_ones_own_it_is_asked_little():
    source = OpenverseSource(kind="openverse", name="ov")
    assert (source.most_queries, source.results_per_query, source.pause_s) == (100, 20, 3.0)


def test_a_picture_comes_with_its_licence_and_its_page(tmp_path, server):
    server.found['"red kite"'] = [result(1)]
    (found,) = collected(server, tmp_path, "red kite")
    said = {
        "url": "https://static.photos.example/1.jpg",
        "caption": "Red kite 1",
        "license": "by-sa 4.0",
        "license_url": "https://creativecommons.org/licenses/by-sa/4.0/",
        "page_url": "https://photos.example/1",
        "author": "Zoë",
        "provider": "photos",
        "query": "red kite",
        "query_id": 0,
        "index": 1,
        "width": 640,
        "height": 480,
        "reason": None,
    }
    assert {key: found[key] for key in said} == said
    assert server.asked == [{"q": '"red kite"', "page": "1", "page_size": "20"}]


@pytest.mark.parametrize(
    ("there", "wanted", "got", "requests"),
    [
        (0, 20, 0, 1),
        (20, 20, 20, 1),
        (45, 20, 20, 1),
        (45, 30, 30, 2),
        (45, 240, 45, 3),
        (3, 5, 3, 1),
    ],
)
def test_pages_are_asked_for_up_to_what_is_wanted(tmp_path, server, there, wanted, got, requests):
    server.found['"kite"'] = [result(n) for n in range(there)]
    found = collected(server, tmp_path, "kite", results_per_query=wanted)
    assert [row["id"] for row in found] == [f"0000-{n}" for n in range(got)]
    assert len(server.asked) == requests


def test_a_page_beyond_the_end_is_the_end(tmp_path, server):
    server.found['"kite"'] = [result(n) for n in range(20)]
    server.left_out = ["page_count", "result_count"]
    assert len(collected(server, tmp_path, "kite", results_per_query=240)) == 20
    assert len(server.asked) == 2


def test_a_throttled_request_waits_for_as_long_as_it_is_told(tmp_path, server, waits, monkeypatch):
    monkeypatch.setattr(search, "BACKOFF_S", 0.0)
    server.found['"kite"'] = [result(1)]
    server.moves = [429, 503]
    assert len(collected(server, tmp_path, "kite")) == 1
    assert waits == [7.0, 0.0]


def test_when_the_day_is_used_up_the_build_stops_and_goes_on_there_later(tmp_path, server):
    server.found = {'"kite"': [result(1)], '"fox"': [result(2)]}
    server.moves = [200, *[429] * 6]
    with pytest.raises(DownloadError, match="HTTP 429, asked 6 times"):
        collected(server, tmp_path, "kite", "fox")
    server.asked.clear()
    assert len(collected(server, tmp_path, "kite", "fox")) == 2
    assert [one["q"] for one in server.asked] == ['"fox"']


def test_a_query_that_it_does_not_take_gives_one_row(tmp_path, server):
    server.found['"fox"'] = [result(1)]
    server.moves = [400]
    failed, found = collected(server, tmp_path, "kite", "fox")
    assert (failed["reason"], failed["error"], failed["query"]) == (
        "search_failed",
        "HTTP 400",
        "kite",
    )
    assert found["query"] == "fox"
    server.left_out = ["results"]
    (failed,) = collected(server, tmp_path, "owl")
    assert failed["error"] == "an answer without results"
    server.left_out, server.found['"owl"'] = [], [result(2)]
    (found,) = collected(server, tmp_path, "owl")  # an error is no answer: it was asked again
    assert found["reason"] is None


@pytest.mark.parametrize("status", [401, 403])
def test_who_is_refused_stops(tmp_path, server, status):
    server.moves = [status]
    with pytest.raises(DownloadError, match=f"HTTP {status}"):
        collected(server, tmp_path, "kite")


def test_results_that_lack_fields_are_rows_with_their_reasons(tmp_path, server):
    whole = result(1)
    odd = [
        {},
        "text",
        {**whole, "url": None},
        {**whole, "title": None},
        {**whole, "title": ["a", "list"]},
        {**whole, "url": "ftp://x.org/a"},
        {"url": whole["url"], "title": "Kite", "license": "cc0", "license_version": None},
    ]
    server.found['"kite"'] = odd
    found = collected(server, tmp_path, "kite")
    assert [row["reason"] for row in found] == [
        "url_missing",
        "url_missing",
        "url_missing",
        "caption_missing",
        "caption_invalid",
        "url_invalid",
        None,
    ]
    assert (found[-1]["license"], found[0]["license"]) == ("cc0", None)


def test_a_licence_may_be_asked_for(tmp_path, server):
    collected(server, tmp_path, "kite", license="cc0,by")
    assert server.asked[0]["license"] == "cc0,by"
