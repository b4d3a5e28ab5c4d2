"""Personal data and words for people in whole builds, asked for by the public commands."""

import csv
import json
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.sources.candidate import Raw, candidates
from queries.tables.manifest import find
from tests import ROOT
from tests.image_server import Handler, ImageServer, picture
from tests.pipeline.tasks.test_build import question
from tests.small_build import PAGE, Small, table

pytestmark = pytest.mark.slow
CASES = ROOT.parent / "shared" / "cases" / "tables"
SETTINGS = """
[queries]
n = 5_000
articles = ["{wiki}wiki.xml"]
wiki = "{wiki}"
word_min = 2
bigram_min = 2
pmi_min = 0.0
title_quota = 0
[[sources]]
kind = "tables"
name = "mine"
paths = ["{rows}"]
[filters]
allow_private_hosts = true
[fetch]
contact = "me@example.org"
allow_networks = ["127.0.0.0/8"]
per_host_rate = 1_000.0
[privacy]
{privacy}
"""
CAPTIONS = [
    "a water for erika.m@example.org",
    "ring 030 1234567 for the boat",
    "a boat by the water, 12 rue de la Paix",
    "红色的船 联系alice@example.com",  # langchain-ai/langchain#40002
    "the blue boat of bob＠example.org",  # RPBLC-hq/DAM#9
    "a red boat on the water",
]
NO = '<meta name="robots" content="noai">'


class AnyPath(Handler):
    """Another picture at every path."""

    def body(self, kind: str, number: int) -> bytes:
        return picture(zlib.crc32(kind.encode()))


@pytest.fixture(scope="module")
def server():
    with ImageServer(handler=AnyPath) as server:
        yield server


def built(folder: Path, texts: list[str], toml: str, wiki: str) -> Path:
    """A build of a TOML, with an article in which every word of the captions stands twice."""
    article = PAGE.format(title="A", ns=0, number=1, redirect="", text=". ".join(texts * 2))
    (folder / f"{wiki}wiki.xml").write_text(f"<mediawiki>{article}</mediawiki>")
    settings = folder / "build.toml"
    settings.write_text(toml)
    done = Small.luigi(None, folder / "wit", settings)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stdout + done.stderr
    return find(folder / "wit")


def audit(build: Path, name: str) -> list[dict]:
    done = question("audit", name, "--build", str(build), "--format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def kinds(build: Path) -> dict[str, tuple[int, int, int]]:
    return {
        row["kind"]: (row["candidates"], row["lost_for_it"], row["samples"])
        for row in audit(build, "personal")
    }


def write_own(folder: Path, server: ImageServer) -> list[Raw]:
    raws = [Raw(server.url(f"/{n}.png"), text) for n, text in enumerate(CAPTIONS)]
    lines = "".join(f"{raw.url}\t{raw.caption}\n" for raw in raws)
    (folder / "rows.tsv").write_text("url\tcaption\n" + lines)
    return raws


def test_who_sets_nothing_keeps_all_and_is_told(tmp_path, server):
    write_own(tmp_path, server)
    build = built(tmp_path, CAPTIONS, SETTINGS.format(wiki="en", rows="rows.tsv", privacy=""), "en")
    assert kinds(build) == {"address": (1, 0, 1), "email": (3, 0, 3), "phone": (1, 0, 1)}
    done = question("audit", "--for", "dpo", "--build", str(build))
    assert "Look: 5 findings are in samples as they were" in " ".join(done.stdout.split())


def test_what_is_masked_stays_joinable_and_what_is_dropped_has_its_reason(tmp_path, server):
    raws = write_own(tmp_path, server)
    privacy = 'email = "mask"\nphone = "drop"'
    toml = SETTINGS.format(wiki="en", rows="rows.tsv", privacy=privacy)
    build = built(tmp_path, CAPTIONS, toml, "en")
    assert kinds(build) == {"address": (1, 0, 1), "email": (3, 0, 3), "phone": (1, 1, 0)}
    of_source = {
        row["pair_id"]: row["caption"]
        for batch in candidates(raws, "mine", 0)
        for row in batch.to_pylist()
    }
    samples = table(build, "pair").to_pylist()
    masked = {of_source[row["pair_id"]]: row["caption"] for row in samples}
    assert masked == {
        CAPTIONS[0]: "a water for ***",
        CAPTIONS[2]: CAPTIONS[2],
        CAPTIONS[3]: "红色的船 联系***",
        CAPTIONS[4]: "the blue boat of ***",
        CAPTIONS[5]: CAPTIONS[5],
    }
    (lost,) = table(build, "drop").to_pylist()
    assert (lost["reason"], "1234567" in str(lost)) == ("personal_phone", False)


def test_pages_that_say_no_are_counted_with_the_rows_that_they_cost(tmp_path, server):
    """Of three pages one says no, in <meta>; its picture is lost, and the audit says for what."""
    records = [page(server, n, head) for n, head in enumerate(("", NO, ""))]
    (tmp_path / "pages.warc").write_text("".join(records), newline="")
    toml = SETTINGS.format(wiki="en", rows="pages.warc", privacy="")
    toml = toml.replace('kind = "tables"', 'kind = "commoncrawl"')
    build = built(tmp_path, CAPTIONS, toml, "en")
    (said,) = audit(build, "consent")
    assert (said["value"], said["pairs"], said["lost"], said["samples"]) == ("noai", 1, 1, 0)


def page(server: ImageServer, n: int, head: str) -> str:
    image = f'<img src="{server.url(f"/{n}.png")}" alt="a red boat">'
    html = f"<html><head>{head}</head><body>{image}</body></html>"
    http = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n{html}"
    fields = {
        "WARC-Type": "response",
        "WARC-Target-URI": f"http://site{n}.example/",
        "WARC-Date": "2026-01-01T00:00:00Z",
        "Content-Type": "application/http; msgtype=response",
        "Content-Length": str(len(http)),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"WARC/1.0\r\n{lines}\r\n{http}\r\n\r\n"


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases/tables")
@pytest.mark.parametrize(
    ("privacy", "found"),
    [
        ("", {"address": (1, 0, 1), "email": (1, 0, 1), "phone": (1, 0, 1)}),
        (
            'email = "drop"\naddress = "drop"',
            {"address": (1, 1, 0), "email": (1, 1, 0), "phone": (1, 0, 0)},
        ),
    ],
)
def test_the_case_of_two_captions_is_counted_and_dropped(privacy, found, tmp_path, server):
    given = pq.read_table(CASES / "pii.parquet").to_pylist()
    place = server.url("").removeprefix("http://")
    moved = [row | {"link": row["link"].replace("127.0.0.1:8402", place)} for row in given]
    pq.write_table(pa.Table.from_pylist(moved), tmp_path / "pii.parquet")
    texts = [row["title"] for row in given]
    toml = SETTINGS.format(wiki="en", rows="pii.parquet", privacy=privacy)
    toml = toml.replace("[filters]", 'columns = { url = "link", caption = "title" }\n[filters]')
    assert kinds(built(tmp_path, texts, toml, "en")) == found


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases/tables")
def test_the_case_of_german_recipes_names_its_lists_and_counts_children(tmp_path, server):
    text = (CASES / "rezepte.csv").read_text()
    recipes = text.replace("127.0.0.1:8401", server.url("")[7:])
    (tmp_path / "rezepte.csv").write_text(recipes)
    captions = [row["Überschrift"] for row in csv.DictReader(recipes.splitlines())]
    build = built(tmp_path, captions, (CASES / "de.toml").read_text(), "de")
    assert kinds(build) == {"email": (6, 0, 6), "phone": (6, 0, 6)}
    done = question("audit", "person_terms", "--build", str(build))
    assert "lists in de, en" in " ".join(done.stdout.split())
    (children,) = [
        row
        for row in audit(build, "person_terms")
        if row["term_group"] == "children" and row["term"] is None
    ]
    assert children["samples"] == sum("Kinder" in caption for caption in captions) == 6
