"""Each search, facet, page and export of the explorer, of a build of literal rows."""

import csv
import io
from html.parser import HTMLParser

import pyarrow.parquet as pq
import pytest

from pipeline.filters.exclusions import read_exclusions
from queries.engine.duck import DuckEngine
from queries.tables.manifest import files_by_table
from tests.image_server import picture
from tests.pipeline.explore.made_build import (
    CAPTIONS,
    LOST_ID,
    NEAR_ID,
    REFUSING,
    SCRIPT,
    N,
    explored_build,
    explored_run,
    id_of,
    served,
)


class Page(HTMLParser):
    """A page as a reader has it: its texts by class, its links, and the captions in its grid."""

    def __init__(self, html: str):
        super().__init__()
        self.links: list[str] = []
        self.captions: list[str] = []
        self.tags: list[str] = []
        self._in_caption = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        if tag == "a":
            self.links.append(values.get("href") or "")
        self._in_caption = values.get("class") == "caption"
        if self._in_caption:
            self.captions.append("")

    def handle_endtag(self, tag):
        self._in_caption = self._in_caption and tag != "div"

    def handle_data(self, data):
        if self._in_caption:
            self.captions[-1] += data


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wit")
    explored_build(folder, "old", range(5, N + 5))
    explored_build(folder)
    explored_run(folder / "run")
    line = f'{{"part": "p", "pair_id": {LOST_ID}, "attempt": 2, "message": "HTTP 410"}}\n'
    cut_off = '{"part": "q", "pai'
    (folder / "fetch_log.jsonl").write_text('{"part": "p", "day": "2026-11-30"}\n' + line + cut_off)
    return folder


@pytest.fixture(scope="module")
def client(workspace):
    with served(workspace / "v1", "--run", workspace / "run") as asking:
        yield asking


def captions(client, address: str) -> list[str]:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return Page(answer.text).captions


# --- the grid -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("search", "numbers"),
    [
        ("q=cat", [1, 2]),
        ("q=CAT", [1, 2]),
        ("q=cat&words=on", [1]),
        ("q=cats&words=on", [2]),
        ("q=category", [2]),
        ("q=%22red+house%22", [1]),
        ("q=house+red", [1]),
        ("q=100%25", [3]),
        ("q=wool_s", [3]),
        ("q=woolxs", []),
        ("q=%E7%8C%AB&words=on", [4]),  # 猫
        ("q=%E0%B9%81%E0%B8%A1%E0%B8%A7&words=on", [5]),  # แมว
        ("q=Z%C3%BCrich", [6, 7]),  # of which the second is decomposed
        ("q=z%C3%9CRICH&words=on", [6, 7]),
        ("q=Zu%CC%88rich", [6, 7]),
        ("q=%D0%9A%D0%9E%D0%A8%D0%9A%D0%90&words=on", [8]),  # КОШКА
        ("q=%3Cscript", [0]),
        ("q=%25", [3]),
        ("q=%5C", []),
        ("q=cat%00&words=on", [1]),  # no caption has a NUL
        ("q=%22%00%22+cat%00&words=on", []),
    ],
)
def test_a_search_finds_words_and_parts_of_words_in_any_script(client, search, numbers):
    expected = sorted(CAPTIONS[n] for n in numbers)
    assert sorted(captions(client, f"/?{search}")) == expected


def test_pages_follow_one_another_until_all_samples_were_shown(client):
    first, second = captions(client, "/"), captions(client, "/?page=2")
    assert (len(first), len(second)) == (60, N - 60)
    assert not set(first) & set(second)
    assert "/?page=2" in Page(client.get("/").text).links
    part = client.get("/?page=2&part=1").text
    assert "<html" not in part
    assert Page(part).captions == second


@pytest.mark.parametrize(
    ("order", "first"),
    [
        ("order=stored", 0),
        ("order=selection", N - 1),
        ("order=large", 4),
        ("order=small", 0),
        ("order=host", 0),
        ("order=best&scorer=beauty", N - 1),
        ("order=worst&scorer=clip_score", 0),
    ],
)
def test_samples_come_in_the_order_asked_for(client, order, first):
    expected = CAPTIONS[first] if first < len(CAPTIONS) else f"picture number {first}"
    assert captions(client, f"/?{order}")[0] == expected


def numbers_where(rule) -> int:
    return sum(map(rule, range(N)))


@pytest.mark.parametrize(
    ("facet", "n"),
    [
        ("source=crawl", numbers_where(lambda n: n % 4 == 0)),
        ("license=CC0-1.0", numbers_where(lambda n: n % 2)),
        ("license=none", numbers_where(lambda n: n % 2 == 0)),
        ("language=none", numbers_where(lambda n: n % 3 == 2)),
        ("host=host1.example.org", numbers_where(lambda n: n % 3 == 1)),
        ("size=0", 1),
        ("size=512", numbers_where(lambda n: 512 <= min(900, 200 * (n + 1)) < 1024)),
        ("query=1", 1),
        ("consent=refused", 1),
        ("consent=silent", N - 1),
        ("month=2026-11", 1),
        ("scorer=clip_score&score_from=0.5", 20),
        ("scorer=beauty&score_below=0.1", 7),
        (f"pairs={id_of(2):016x},{id_of(3):016x}", 2),
        ("source=crawl&language=de&q=picture", None),
    ],
)
def test_each_facet_narrows_the_view_and_its_count_is_that_of_the_facets(client, facet, n):
    page = client.get(f"/facets?{facet}").text
    shown = int(page.partition('id="n-chosen">')[2].partition("<")[0].replace(",", ""))
    listed = captions(client, f"/?{facet}") + captions(client, f"/?{facet}&page=2")
    assert len(listed) == shown
    if n is not None:
        assert shown == n


def test_every_facet_s_link_leads_to_as_many_samples_as_it_counts(client):
    page = client.get("/facets?q=picture&scorer=beauty&part=1").text
    links = [link for link in Page(page).links if link.startswith("/?")]
    counts = [int(piece.partition("</span>")[0]) for piece in page.split("</a> <span>")[1:]]
    assert len(links) == len(counts) > 20
    for link, n in zip(links, counts, strict=True):
        listed = captions(client, link.replace("&amp;", "&"))
        assert min(n, 60) == len(listed), link


@pytest.mark.parametrize(
    "address",
    [
        *("/?page=0", "/?page=x", "/?page=501", "/?page=%C2%B2", "/?size=7", "/?order=x"),
        *("/?consent=x", "/?query=-1", "/?query=9999999999999999999999", "/?pairs=x"),
        *("/?order=best", "/?scorer=beauty&score_from=x", "/?q=" + "a+" * 6, "/?q=" + "a" * 201),
        *("/?source=" + "a" * 301, "/?pairs=" + "0" * 16 + ",", "/sql?sql=" + "a" * 20_001),
        *(
            "/dropped?page=x",
            "/query/x",
            "/pair/x",
            "/facets?size=x",
            "/export/pairs.parquet?size=x",
        ),
        *("/selection?q=cat", "/selection"),
        *("/selection?pair=x", "/compare?other=..", "/compare?other=x", "/query/-1"),
    ],
)
def test_an_address_that_is_no_view_is_one_clear_line(client, address):
    answer = client.get(address)
    assert answer.status_code == 400
    assert answer.text.count('class="fault"') == 1
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("address", ["/query/77", "/pair/0000000000003333", "/export/x", "/x"])
def test_what_is_not_there_is_said(client, address):
    assert client.get(address).status_code == 404


# --- strangers' words ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    "address",
    [
        *("/", f"/pair/{id_of(0):016x}", "/dropped", "/queries", "/query/3", "/?q=%3Cscript"),
        *(
            "/sql?sql=select+*+from+sample",
            "/compare?other=old",
            "/facets",
            "/?source=%3Cscript%3E",
        ),
        "/query/0",
    ],
)
def test_strangers_words_are_text_on_every_page(client, address):
    page = Page(client.get(address).text)
    assert page.tags.count("script") == 1
    assert "onerror" not in page.tags


def test_a_caption_is_shown_as_it_was_written(client):
    assert captions(client, "/?q=script")[0] == SCRIPT


# --- a pair, a query, what was lost --------------------------------------------------------------
def test_a_pair_s_life_is_told_from_its_source_to_its_shard(client):
    page = client.get(f"/pair/{id_of(1):016x}").text
    assert "A <mark>cat</mark> on a <mark>red house</mark>" in page
    for words in (
        "host1.example.org/1.jpg",
        "kept for it",
        "not kept for it",
        "Kept, by attempt 1",
    ):
        assert words in page
    assert "00001.tar" in page
    assert "CC0-1.0" in page


def test_a_pair_that_was_lost_says_by_which_attempts_and_why(client):
    page = client.get(f"/pair/{LOST_ID:016x}").text
    assert "The build keeps no picture of it" in page
    assert "timeout</code> <small>(no whole answer within the deadline)" in page
    assert "2026-11-30 attempt 2" in page
    assert "HTTP 410" in page


def test_a_pair_shows_what_is_near_it(client):
    page = client.get(f"/pair/{id_of(NEAR_ID):016x}").text
    assert f"/pair/{id_of(2):016x}" in page
    assert "0 of 64 bits differ" in page
    assert "7.png" in page
    assert "robots" in client.get(f"/pair/{id_of(REFUSING):016x}").text


def test_a_dropped_candidate_has_a_page_with_its_reason(client):
    page = client.get(f"/pair/{5_001:016x}").text
    assert "caption_too_short</code> <small>(fewer words" in page


def test_queries_are_found_and_say_what_was_kept_and_lost(client):
    page = client.get("/queries?text=CAT").text
    assert page.count('href="/query/') == 1
    assert client.get("/queries?by=title").text.count('href="/query/') == 2
    cat = client.get("/query/1").text
    assert "2 before the" in cat
    assert f'href="/pair/{LOST_ID:016x}"' in cat
    assert "not_found" in cat
    assert 'href="/query/0"' in cat  # the other query of its pair
    assert "kept for another query" in client.get("/query/2").text


def test_what_was_lost_is_narrowed_by_reason_and_words(client):
    both = client.get("/dropped")
    assert len(Page(both.text).captions) == 60
    assert "/dropped?page=2" in Page(both.text).links
    short = client.get("/dropped?reason=caption_too_short&q=%22x+1+%22").text
    assert Page(short).captions == [f"x 1 {SCRIPT}"]
    fetched = client.get("/dropped?stage=fetch").text
    assert Page(fetched).captions == ["a lost cat"]


# --- taking along -------------------------------------------------------------------------------
def test_a_selection_becomes_a_view_and_every_export_holds_it(client, workspace, tmp_path):
    keys = [f"{id_of(n):016x}" for n in (2, 3, 9)]
    shown = client.get("/selection", params={"pair": keys}, follow_redirects=False)
    address = shown.headers["location"]
    assert captions(client, address) == [CAPTIONS[n] for n in (2, 3, 9)]
    view = address.partition("?")[2]
    path = tmp_path / "exclusions.csv"
    path.write_bytes(client.get(f"/export/exclusions.csv?{view}").content)
    import pyarrow as pa

    (rows,) = read_exclusions(iter([pa.record_batch({"path": [str(path)]})]))
    assert rows["value"].to_pylist() == [str(id_of(n)) for n in (2, 3, 9)]
    assert set(rows["kind"].to_pylist()) == {"pair_id"}
    listed = csv.DictReader(io.StringIO(client.get(f"/export/takedown.csv?{view}").text))
    assert next(row["value"] for row in listed) == "https://host2.example.org/2.jpg"
    table = tmp_path / "pairs.parquet"
    table.write_bytes(client.get(f"/export/pairs.parquet?{view}").content)
    assert pq.read_table(table)["pair_id"].to_pylist() == [id_of(n) for n in (2, 3, 9)]
    samples = files_by_table(workspace / "v1")["sample"]
    where = f"pair_id IN (SELECT pair_id FROM '{table}')"
    kept = DuckEngine(quiet=True).pair_ids_where(samples, where)
    assert sorted(kept.to_pylist()) == [id_of(n) for n in (2, 3, 9)]


def test_a_view_s_sql_gives_the_view(client):
    page = client.get("/sql?q=cat&words=on&source=commons").text
    sql = page.partition('maxlength="20000">')[2].partition("</textarea>")[0]
    from html import unescape

    answer = client.get("/sql", params={"sql": unescape(sql)})
    assert answer.status_code == 200, answer.text
    assert '<p id="n-rows">1 row' in answer.text


def test_two_builds_show_what_was_gained_and_lost(client):
    page = client.get("/compare?other=old").text
    gained, gone = page.split('id="gone"')
    assert len(Page(gained).captions) == 5
    assert Page(gone).captions == [
        f"picture number {n}" for n in sorted(range(N, N + 5), key=id_of)
    ]
    assert client.get(f"/picture/{id_of(N):016x}").status_code == 404
    assert client.get(f"/picture/{id_of(N):016x}?of=old").status_code == 200
    assert client.get(f"/picture/{id_of(N):016x}?of=../old").status_code == 404


def test_a_picture_that_is_sent_finds_the_samples_like_it(client, workspace):
    answer = client.post("/upload", files={"picture": ("a.png", picture(5), "image/png")})
    assert answer.status_code == 200
    assert "Nearest samples" in answer.text
