"""A MediaWiki searched query after query: answers in, rows out; then a real one on loopback."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest
import requests
from pydantic import ValidationError

from pipeline import sources
from pipeline.settings.sources import MediaWikiSource
from pipeline.sources import Planning, SourceError, mediawiki, search
from pipeline.sources.candidate import candidates
from pipeline.sources.descriptions import in_language, text_of_html
from pipeline.sources.mediawiki import find, read
from pipeline.sources.search import Site
from pipeline.web.client import Client, DownloadError
from queries.engine import MapInput
from queries.engine.duck import DuckEngine
from queries.tables.parts import digest
from queries.tables.schemas import TABLES
from tests import ROOT
from tests.pipeline.sources.mediawiki_server import MediaWiki, missing
from tests.tables import rows

KITES = 12
TRICKS = "<script>alert(1)</script><img src=x onerror=alert(1)><p>Wild &amp; free</p>"


def source_of(api: str, **changed: object) -> MediaWikiSource:
    return MediaWikiSource(
        **{"kind": "mediawiki", "name": "wiki", "api": api, "pause_s": 0.0, **changed}
    )


def queries(*texts: str) -> pa.Table:
    """The query list with these, in an order of the table that is not theirs."""
    return rows("query", *[{"query_id": n, "text": text} for n, text in enumerate(texts)][::-1])


def planned(source: MediaWikiSource, folder: Path, *texts: str) -> list[tuple]:
    return list(mediawiki.parts(source, Planning(str, queries(*texts), folder / "search")))


def collected(source: MediaWikiSource, folder: Path, *texts: str) -> list[dict]:
    """The candidates of these queries, as a build makes them."""
    given = Planning(str, queries(*texts), folder / "search")
    found = [
        row
        for part in sources.parts(source, given)
        for batch in sources.collect(iter(part.rows.to_batches()), source, 0)
        for row in batch.to_pylist()
    ]
    return [{**row, **json.loads(row["extra"])} for row in found]


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """The seconds that the client would have waited."""
    waited: list[float] = []
    monkeypatch.setattr(Client, "_wait", lambda self, seconds: waited.append(seconds))
    return waited


# --- without a server -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("A <b>red</b> kite,<br/>H<sub>2</sub>O", "A red kite, H2O"),
        (TRICKS, "Wild & free"),
        ('Unknown<span style="display: none;">Unknown</span>', "Unknown"),
        ("<p>one</p><ul><li>two<li>three</ul>", "one two three"),
        ("1 < 2 & 3 <3\n", "1 < 2 & 3 <3"),
        ("<b>" * 5_000 + "deep", "deep"),
        ("a \ud800 b", "a ? b"),
        ("<!-- nothing -->", ""),
        (["a"], ""),
        (None, ""),
    ],
)
def test_html_becomes_what_its_reader_sees(html, text):
    assert text_of_html(html) == text


def test_a_stranger_is_not_asked_without_a_contact():
    with pytest.raises(SourceError, match=r"^source wiki: contact = '': expected an address"):
        mediawiki.check(source_of("https://commons.wikimedia.org/w/api.php"))
    mediawiki.check(source_of("https://commons.wikimedia.org/w/api.php", contact="me@x.org"))
    mediawiki.check(source_of("http://127.0.0.1/api.php"))
    with pytest.raises(SourceError, match=r"source wiki: .* expected an http or https address"):
        mediawiki.check(source_of("http://[x/api.php"))


def test_only_the_widths_that_wikimedia_makes_are_asked_for():
    with pytest.raises(ValidationError, match="20, 40, 60, 120, 250, 330, 500, 960"):
        source_of("http://127.0.0.1/", width=256)


def test_parts_are_some_queries_each_in_their_order(tmp_path):
    source = source_of("http://127.0.0.1/", queries_per_part=2, most_queries=3)
    (first, _, some), (second, _, rest) = planned(source, tmp_path, "a", "b", "c", "d")
    assert (first, second) == ("0-1", "2-2")
    assert some["query"] + rest["query"] == [["a", "b"], ["c"]]
    assert some["query_id"] + rest["query_id"] == [[0, 1], [2]]
    assert some["journal"] != rest["journal"]


def test_a_journal_is_named_by_what_decides_the_answers_alone(tmp_path):
    def of(**changed: object) -> tuple[tuple, list[str]]:
        ((_, identity, part),) = planned(source_of("http://127.0.0.1/", **changed), tmp_path, "a")
        return identity, part["journal"]

    identity, journal = of()
    assert of(pause_s=9.0, contact="me", queries_per_part=7) == (identity, journal)
    assert of(language="de")[0] != identity
    assert of(language="de")[1] == journal
    for changed in ({"width": 500}, {"results_per_query": 9}, {"also": "filetype:bitmap"}):
        assert of(**changed)[0] != identity
        assert of(**changed)[1] != journal


class Says:
    """In place of a server: says these answers, one after another."""

    def __init__(self, *answers: object):
        self.answers, self.asked = list(answers), []

    def ask(self, address, params, later=lambda answer: None):
        while True:
            self.asked.append(params)
            answer = self.answers.pop(0)
            if not later(answer):
                return answer


def page(index: int, **more: object) -> dict:
    return {"title": f"File:{index}.jpg", "index": index, **more}


def answer(*pages: object, going_on: object = None, whole: bool = True) -> dict:
    said = {"batchcomplete": True} if whole else {}
    return {**said, "query": {"pages": list(pages)}, **({"continue": going_on} if going_on else {})}


def test_a_page_whose_parts_come_one_after_another_is_one():
    site = Says(
        answer(page(2), page(1, imageinfo=[1]), going_on={"iistart": 5}, whole=False),
        answer(page(2, imageinfo=[2]), page(1), going_on={"gsroffset": 2}),
        answer(page(3, imageinfo=[3])),
    )
    source = source_of("http://127.0.0.1/", results_per_query=2)
    found = find(site, source, "kite")
    assert found == {"pages": [page(1, imageinfo=[1]), page(2, imageinfo=[2])]}
    assert [one.get("iistart") for one in site.asked] == [None, 5]


def test_a_server_that_never_ends_is_left_with_what_it_gave():
    source = source_of("http://127.0.0.1/", results_per_query=3)
    found = find(Says(*[answer(page(1), going_on={"x": 1})] * 99), source, "kite")
    assert found == {
        "pages": [page(1)],
        "error": "endless: the server always says how to go on",
    }


@pytest.mark.parametrize("odd", [[], "", 7, None, {"query": {"pages": {"1": {}}}}, answer("x")])
def test_an_answer_of_another_form_is_told_of(odd):
    assert find(Says(odd), source_of("http://127.0.0.1/"), "kite")["error"] == "no list of pages"


@pytest.mark.parametrize(
    "code",
    [
        "readapidenied",  # a private wiki's: siddharthvp/mwn issue 17, cgt/go-mwclient issue 17
        "permissiondenied",
        "gsrsearch-text-disabled",  # wikis that pywikibot's tests skip for it
        "globalblocking-blockedtext-ip",
        "autoblocked",
        "mustbeloggedin",
        "assertuserfailed",
        "mwoauth-invalid-authorization",
    ],
)
def test_a_wiki_that_refuses_who_asks_stops_the_build_though_it_answers(code):
    denied = {"error": {"code": code, "info": "You need <i>permission</i>."}}
    with pytest.raises(DownloadError, match=f"refuses to be searched: {code}: You need permission"):
        find(Says(denied), source_of("http://127.0.0.1/api.php"), "kite")


def error_of(code: str) -> dict:
    return {"error": {"code": code, "info": "No."}}


def test_an_error_is_no_answer_and_a_later_build_asks_again(tmp_path, monkeypatch):
    source = source_of("http://127.0.0.1/api.php")
    said = [error_of("badvalue"), answer(page(1)), answer(page(2))]
    site = Says(*said)
    monkeypatch.setattr(mediawiki, "Site", lambda _: site)
    assert [row["reason"] for row in collected(source, tmp_path, "kite", "fox")] == [
        "search_failed",
        "url_missing",
    ]
    assert [row["title"] for row in collected(source, tmp_path, "kite", "fox")] == [
        "File:2.jpg",
        "File:1.jpg",
    ]
    assert [one["gsrsearch"] for one in site.asked] == ['"kite"', '"fox"', '"kite"']


def test_an_error_that_an_older_build_noted_is_asked_again(tmp_path):
    path = tmp_path / "journal.jsonl"
    lines = [{"query": "kite", "pages": [], "error": "busy"}, {"query": "fox", "pages": []}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with search.Journal(path) as journal:
        assert (journal.get("kite"), journal.get("fox")) == (None, lines[1])


GERMAN = '<div class="description" lang="de"><span class="language de"><b>Deutsch:</b></span>'
LANGUAGES = (  # as the templates {{de|…}} and {{en|…}} of Wikimedia Commons write them
    f'{GERMAN} Ein Rotmilan</div>\n<div class="description mw-content-ltr en" dir="ltr" lang="en">'
    '<span class="language en" title="English"><b>English: </b></span>A red kite, <span lang="la">'
    "Milvus milvus</span></div>"
)


@pytest.mark.parametrize(
    ("value", "language", "text"),
    [
        (LANGUAGES, "en", "A red kite, Milvus milvus"),
        (LANGUAGES, "de", "Ein Rotmilan"),
        (LANGUAGES, "fr", ""),
        (LANGUAGES, "la", ""),
        ({"x-default": LANGUAGES, "_type": "lang"}, "de", "Ein Rotmilan"),
        ({"en": LANGUAGES}, "en", "A red kite, Milvus milvus"),
        ('<p lang="pt-BR">gato</p><p lang="PT">gata</p>', "pt", "gata"),
        ('<p lang="pt_br">gato</p>', "pt", "gato"),
        ("<div lang=en>A <div lang=de>Rot</div> kite<div>s</div></div>", "en", "A kite s"),
        ("<div>Kites <div lang=de>Milane</div></div>", "en", "Kites"),
        ('A <span class="language">dead</span> language', "en", "A dead language"),
        ("<div lang>Kite</div>", "en", "Kite"),
        ("<div lang=en>" * 5_000 + "deep", "en", "deep"),
        (["a"], "en", ""),
    ],
)
def test_a_description_is_of_the_wanted_language_alone(value, language, text):
    assert in_language(value, language) == text


def raws_of(tmp_path: Path, *pages: object, **changed: object) -> list:
    """The raw rows of one query whose pages are these."""
    source = source_of("http://127.0.0.1/api.php", **changed)
    ((_, _, part),) = planned(source, tmp_path, "kite")
    with search.Journal(Path(part["journal"][0])) as journal:
        journal.note("kite", {"pages": list(pages)})
    return list(read({key: value[0] for key, value in part.items()}, source))


def test_every_page_gives_a_row_however_little_it_says(tmp_path):
    odd = [
        {},
        {"title": ["x"], "index": "first", "imageinfo": "none"},
        {"title": "File:A.jpg", "missing": True},
        {"title": "File:B.jpg", "imageinfo": [{"url": 7, "extmetadata": []}]},
        {"title": "File:C.jpg", "imageinfo": [{"url": "//[x", "mime": "image/png"}]},
    ]
    found = raws_of(tmp_path, *odd)
    assert len(found) == len(odd)
    assert [raw.caption for raw in found] == [None, None, "A", "B", "C"]
    made = [batch.to_pylist() for batch in candidates(found, "wiki", 0)]
    reasons = [row["reason"] for row in made[0]]
    assert reasons == ["url_missing"] * 4 + ["url_invalid"]


def test_a_server_with_an_address_without_its_scheme_is_understood(tmp_path):
    info = {"url": "//up.org/a.jpg", "thumburl": "/t/330px-a.jpg", "width": 900, "mime": "image/a"}
    (raw,) = raws_of(tmp_path, {"title": "File:A.jpg", "imageinfo": [info]})
    assert raw.url == "http://127.0.0.1/t/330px-a.jpg"
    (raw,) = raws_of(tmp_path / "2", {"imageinfo": [{**info, "thumberror": "too big"}]})
    assert raw.url == "http://up.org/a.jpg"


def test_a_line_that_was_cut_short_is_asked_again(tmp_path):
    path = tmp_path / "new" / "journal.jsonl"
    with search.Journal(path) as journal:
        journal.note("a", {"pages": [1]})
        journal.note("b", {"pages": [2]})
    path.write_bytes(path.read_bytes()[:-9])
    with search.Journal(path) as journal:
        assert journal.get("a") == {"query": "a", "pages": [1]}
        assert journal.get("b") is None
        journal.note("b", {"pages": [3]})
        assert journal.get("a") == {"query": "a", "pages": [1]}
    path.write_bytes(b"[]\n{\n\xff\n" + path.read_bytes())
    with search.Journal(path) as journal:
        assert journal.get("b") == {"query": "b", "pages": [3]}


# --- a real MediaWiki -----------------------------------------------------------------------------
def picture(width: int, height: int, colour: int) -> bytes:
    """A JPEG with a gradient; each colour's bytes differ, as a wiki refuses the same file twice."""
    drawn = np.add.outer(np.arange(height), np.arange(width)) % 256
    drawn = np.stack([drawn, np.full_like(drawn, colour), drawn], axis=-1).astype(np.uint8)
    return cv2.imencode(".jpg", drawn)[1].tobytes()


def files() -> dict[str, tuple[bytes, str]]:
    """What the wiki holds: pictures with descriptions in languages, some odd, and two others."""
    made = {
        f"Kite_{n}.jpg": (
            picture(600, 400, n),
            f"ImageDescription en = A <b>red kite</b> number {n}\n"
            f"ImageDescription de = Ein Rotmilan, Nummer {n}\n"
            "Artist = <a href='//x.org/Zoë'>Zoë</a>\n"
            "LicenseShortName = CC BY-SA 4.0\n"
            "LicenseUrl = https://creativecommons.org/licenses/by-sa/4.0\n",
        )
        for n in range(KITES)
    }
    only_german = "ImageDescription de = Ein alter Leuchtturm\nkeywords: lighthouse\n"
    tricks = f"ImageDescription = {TRICKS}\nLicenseShortName = <i>No</i>&nbsp;limits\nfox\n"
    return made | {
        "Old_lighthouse_of_1850.jpg": (picture(640, 480, 60), only_german),
        "Small_lighthouse.png": (picture(200, 100, 61), "lighthouse"),
        "Fox.jpg": (picture(640, 640, 62), tricks),
        "Fox_book.pdf": (b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n%%EOF", "a fox"),
    }


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    if lacking := missing():
        pytest.skip(f"a real MediaWiki: {lacking}")
    with MediaWiki(tmp_path_factory.mktemp("mediawiki") / "wiki", files()) as started:
        yield started


@pytest.fixture
def wiki(running):
    running.asked.clear()
    running.agents.clear()
    running.moves.clear()
    return running


def test_a_picture_comes_with_all_that_the_wiki_says_of_it(tmp_path, wiki):
    source = source_of(wiki.api, contact="me@x.org")
    first = collected(source, tmp_path, "red kite")[0]
    assert first["url"].startswith(f"{wiki.root}/images/thumb/")
    assert first["url"].endswith("/330px-Kite_0.jpg")
    shown = cv2.imdecode(np.frombuffer(requests.get(first["url"]).content, np.uint8), 1)
    assert shown.shape == (220, 330, 3)
    page_url = f"{wiki.root}/index.php/File:Kite_0.jpg"
    said = {
        "caption": "A red kite number 0",
        "license": "CC BY-SA 4.0",
        "license_url": "https://creativecommons.org/licenses/by-sa/4.0",
        "page_url": page_url,
        "description_url": page_url,
        "reason": None,
        "query": "red kite",
        "query_id": 0,
        "title": "File:Kite 0.jpg",
        "author": "Zoë",
        "mime": "image/jpeg",
        "width": 600,
        "height": 400,
        "index": 1,
        "source": "wiki",
    }
    assert {key: first[key] for key in said} == said
    assert len(first["sha1"]) == 40
    assert wiki.agents[0].endswith(" (me@x.org)")
    assert wiki.asked[0]["maxlag"] == "5"
    german = collected(source.model_copy(update={"language": "de"}), tmp_path, "red kite")[0]
    assert german["caption"] == "Ein Rotmilan, Nummer 0"
    assert len(wiki.asked) == 1  # another language asks nothing


@pytest.mark.parametrize("most", [5, 7, 50])
def test_a_search_is_followed_up_to_what_is_wanted_in_the_order_of_rank(
    tmp_path, wiki, monkeypatch, most
):
    whole = [row["title"] for row in collected(source_of(wiki.api), tmp_path, "kite")]
    assert len(whole) == len(set(whole)) == KITES
    monkeypatch.setattr(mediawiki, "MOST_AT_ONCE", 5)
    wiki.asked.clear()
    found = collected(source_of(wiki.api, results_per_query=most), tmp_path, "kite")
    assert [row["title"] for row in found] == whole[:most]
    assert [row["index"] for row in found] == list(range(1, len(found) + 1))
    offsets = [None, "5", "10"]
    assert [one.get("gsroffset") for one in wiki.asked] == offsets[: (min(most, KITES) + 4) // 5]


def test_more_at_once_than_the_server_allows_loses_nothing(tmp_path, wiki, monkeypatch):
    monkeypatch.setattr(mediawiki, "MOST_AT_ONCE", 5_000)
    source = source_of(wiki.api, results_per_query=5_000)
    assert len(collected(source, tmp_path, "kite")) == KITES


def test_captions_fall_back_to_the_name_and_are_never_of_another_language(tmp_path, wiki):
    found = {row["title"]: row for row in collected(source_of(wiki.api), tmp_path, "lighthouse")}
    old, small = found["File:Old lighthouse of 1850.jpg"], found["File:Small lighthouse.png"]
    assert (old["caption"], small["caption"]) == ("Old lighthouse of 1850", "Small lighthouse")
    assert (old["license"], old.get("author")) == (None, None)
    assert old["url"].endswith("/330px-Old_lighthouse_of_1850.jpg")
    assert small["url"].startswith(f"{wiki.root}/images/")  # narrower than the width: as it is
    assert "/thumb/" not in small["url"]


def test_hostile_descriptions_are_text_and_other_files_are_told_of(tmp_path, wiki):
    found = {row["title"]: row for row in collected(source_of(wiki.api), tmp_path, "fox")}
    fox, book = found["File:Fox.jpg"], found["File:Fox book.pdf"]
    assert (fox["caption"], fox["license"], fox["reason"]) == ("Wild & free", "No limits", None)
    assert (book["reason"], book["mime"]) == ("not_a_picture", "application/pdf")
    assert book["url"].endswith(".pdf")  # and not the icon that the wiki shows of it


@pytest.mark.parametrize("query", ["zeppelin", "fox or kite", "fox not red", "ключ", "猫", "é"])
def test_a_query_without_hits_gives_no_rows_and_no_word_is_an_operator(tmp_path, wiki, query):
    assert collected(source_of(wiki.api), tmp_path, query) == []
    assert len(wiki.asked) == 1


def test_a_later_build_asks_only_for_queries_that_it_has_not_asked_for(tmp_path, wiki, waits):
    source = source_of(wiki.api)
    whole = collected(source, tmp_path / "whole", "kite", "fox", "lighthouse")
    wiki.asked.clear()
    wiki.moves[:] = ["answer", *["status 503"] * 9]
    with pytest.raises(DownloadError) as failed:
        collected(source, tmp_path, "kite", "fox", "lighthouse")
    assert str(failed.value) == f"{wiki.api}: HTTP 503, asked 6 times"
    assert wiki.searched() == ['"kite"'] + ['"fox"'] * 6
    wiki.asked.clear()
    wiki.moves.clear()
    assert collected(source, tmp_path, "kite", "fox", "lighthouse") == whole
    assert wiki.searched() == ['"fox"', '"lighthouse"']
    assert collected(source, tmp_path, "kite", "fox", "lighthouse") == whole
    assert len(wiki.asked) == 2


KILLED = """
import sys
from pathlib import Path
from pipeline.sources import mediawiki, search
from tests.pipeline.sources.test_mediawiki import collected, source_of

whole, n = search.Journal.note, 0
def note(self, query, answer):
    global n
    n += 1
    if n == 3:  # killed while it writes
        self.file.write(b'{"pages": [')
        self.file.flush()
        print("now", flush=True)
        sys.stdin.read()
    whole(self, query, answer)
search.Journal.note = note
collected(source_of(sys.argv[1]), Path(sys.argv[2]), "kite", "red", "fox", "lighthouse")
"""


def test_a_build_that_was_killed_goes_on_at_the_query_it_had_not_noted(tmp_path, wiki):
    asked = ("kite", "red", "fox", "lighthouse")
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, wiki.api, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    with child:
        assert child.stdout.readline() == b"now\n"
        os.kill(child.pid, signal.SIGKILL)
    assert wiki.searched() == ['"kite"', '"red"', '"fox"']
    wiki.asked.clear()
    found = collected(source_of(wiki.api), tmp_path, *asked)
    assert wiki.searched() == ['"fox"', '"lighthouse"']
    assert found == collected(source_of(wiki.api), tmp_path / "whole", *asked)


def test_a_part_of_the_engine_is_made_from_a_search(tmp_path, wiki):
    source, engine = source_of(wiki.api, queries_per_part=1), DuckEngine(quiet=True)
    given = Planning(str, queries("kite", "zeppelin", "fox"), tmp_path / "search")
    inputs = [MapInput(digest(one.identity), one.rows) for one in sources.parts(source, given)]
    made = engine.map(
        "candidate",
        lambda batches: sources.collect(batches, source, 0),
        inputs,
        TABLES["candidate"],
        tmp_path / "candidate",
        in_turn=True,
    )
    assert [(part.rows_kept, part.rows_dropped) for part in made] == [(KITES, 0), (0, 0), (1, 1)]


# --- a server that is not well --------------------------------------------------------------------
@pytest.mark.parametrize("code", ["maxlag", "ratelimited", "readonly", "internal_api_error_X"])
def test_an_error_of_the_moment_is_waited_for(tmp_path, wiki, waits, code):
    wiki.moves[:] = [f"error {code}"]
    assert len(collected(source_of(wiki.api), tmp_path, "kite")) == KITES
    assert len(wiki.asked) == 2
    assert 2.5 <= waits[0] <= 7.5  # no time was named: five seconds, by more or less


def test_a_lagging_wiki_is_given_the_time_it_asks_for(tmp_path, wiki, waits, monkeypatch):
    monkeypatch.setattr(search, "BACKOFF_S", 0.0)
    monkeypatch.setattr(mediawiki, "LAG_S", -2)  # which no wiki reaches
    with pytest.raises(DownloadError, match="the error 'maxlag', asked 6 times"):
        collected(source_of(wiki.api), tmp_path, "kite")
    assert waits == [5.0] * 5  # what MediaWiki says in Retry-After
    monkeypatch.setattr(mediawiki, "LAG_S", 5)
    assert len(collected(source_of(wiki.api), tmp_path, "kite")) == KITES


def test_an_error_that_stays_gives_one_row_and_the_part_goes_on(tmp_path, wiki, waits):
    errors = ["error badvalue", *["error internal_api_error_X"] * 3]
    wiki.moves[:] = errors
    found = collected(source_of(wiki.api), tmp_path, "kite", "red", "fox")
    assert [row["reason"] for row in found] == ["search_failed"] * 2 + [None, "not_a_picture"]
    assert [row.get("error") for row in found[:2]] == ["badvalue: No.", "internal_api_error_X: No."]
    assert [row["query"] for row in found] == ["kite", "red", "fox", "fox"]
    assert wiki.searched() == ['"kite"', '"red"', '"red"', '"red"', '"fox"']


def test_an_answer_that_is_no_json_is_asked_for_again(tmp_path, wiki, waits):
    wiki.moves[:] = ["body <html>busy</html>", "body " + "[" * 100_000, "body {"]
    assert len(collected(source_of(wiki.api), tmp_path, "kite")) == KITES
    assert len(wiki.asked) == 4


def test_a_packed_answer_is_unpacked_no_further_than_the_bound(tmp_path, wiki, waits):
    wiki.moves[:] = ["torn", 'gzip {"batchcomplete": true}', "bomb"]
    with pytest.raises(DownloadError, match=f"expected at most {search.MOST_ANSWER_BYTES} bytes"):
        collected(source_of(wiki.api), tmp_path, "kite", "fox")
    wiki.asked.clear()
    assert len(collected(source_of(wiki.api), tmp_path, "kite", "fox")) == 2  # none of "kite"
    assert wiki.searched() == ['"fox"']


def test_a_server_that_is_not_there_is_told_of_in_one_line(tmp_path, waits):
    with pytest.raises(DownloadError, match=r"^http://127\.0\.0\.1:9/api\.php: [^\n]+ 6 times$"):
        collected(source_of("http://127.0.0.1:9/api.php"), tmp_path, "kite")


def test_an_answer_without_end_stops_the_build(tmp_path, wiki, monkeypatch):
    monkeypatch.setattr(search, "MOST_ANSWER_BYTES", 1_000)
    with pytest.raises(DownloadError, match="expected at most 1000 bytes"):
        collected(source_of(wiki.api), tmp_path, "kite")


def test_a_wiki_that_refuses_who_asks_stops_the_build(tmp_path, wiki):
    wiki.moves[:] = ["status 403"]
    with pytest.raises(DownloadError, match="HTTP 403"):
        collected(source_of(wiki.api), tmp_path, "kite")
    assert len(wiki.asked) == 1


def test_a_pause_is_kept_before_each_request(tmp_path, wiki, monkeypatch):
    paused: list[float] = []
    monkeypatch.setattr(search.time, "sleep", paused.append)
    site = Site(source_of(wiki.api, pause_s=0.7))
    find(site, source_of(wiki.api), "kite")
    assert paused.count(0.7) == 1
