"""What a crawled page says of rights: its licence, that of a picture, and opt-outs with a date."""

import json

import pyarrow as pa
import pytest

from pipeline.filters.rows import filter_pairs
from pipeline.settings.consent import ConsentSettings
from pipeline.settings.whole import FilterSettings
from pipeline.sources.candidate import Raw, candidates
from pipeline.sources.crawl.page import pictures
from tests.pipeline.sources.crawl.test_answers import answer
from tests.pipeline.sources.crawl.test_crawl import packed, rows_of, wat

PAGE = "http://site.example/news/"
KITE = '<img src="kite.jpg" alt="a red kite">'
GULL = '<img src="/gull.jpg" alt="a gull">'
BY = "http://creativecommons.org/licenses/by/4.0/"
# The badge that Creative Commons' chooser gives, as pages have it (iframely's documentation).
BADGE = (
    '<a rel="license" href="http://creativecommons.org/licenses/by-sa/3.0/deed.en_US"><img alt="" '
    'src="http://i.creativecommons.org/l/by-sa/3.0/88x31.png" /></a><br /><span>This</span> is '
    'under a <a rel="license" href="http://creativecommons.org/licenses/by-sa/3.0/deed.en_US">'
    "Creative Commons Attribution-ShareAlike 3.0 Unported License</a>."
)


def linked(value: object) -> str:
    return f'<script type="application/ld+json">{json.dumps(value)}</script>'


def of(html: str) -> list[tuple[str | None, str | None]]:
    """(licence, its id) of each picture."""
    raws = list(pictures(html.encode(), PAGE))
    (batch,) = candidates(raws, "crawl", 0)
    assert batch["license"].to_pylist() == [raw.license for raw in raws]
    return list(zip(batch["license"].to_pylist(), batch["license_id"].to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("html", "id"),
    [
        (f"{KITE}{BADGE}", "CC-BY-SA-3.0"),
        (f'<link REL="License" href="{BY}">{KITE}', "CC-BY-4.0"),
        (f'{KITE}<A HREF="//creativecommons.org/publicdomain/zero/1.0/" REL="nofollow license">',
         "CC0-1.0"),
        (f'{KITE}<area shape=rect href="{BY}" rel="license">', "CC-BY-4.0"),
        (f'{KITE}<a/rel="license"/href="{BY}">by</a>', "CC-BY-4.0"),
        (f'<meta name="dcterms.license" content="{BY}">{KITE}', "CC-BY-4.0"),
        (f'<meta name="DC.rights" content="CC BY-NC 4.0">{KITE}', "CC-BY-NC-4.0"),
        (linked({"@type": "NewsArticle", "license": BY}) + KITE, "CC-BY-4.0"),
        (linked({"@graph": [{"@type": ["WebPage", "ItemPage"], "license": {"url": BY}}]}) + KITE,
         "CC-BY-4.0"),
        (linked({"@type": "Article", "license": {"@type": "CreativeWork", "name": "CC BY 4.0"}})
         + KITE, "CC-BY-4.0"),
        # no licence of the page's pictures
        (KITE, None),
        ('<meta name="copyright" content="Copyright 2019 Ann, all rights reserved">' + KITE, None),
        (linked({"@type": "Dataset", "license": BY}) + KITE, None),
        (f'<!-- <a rel="license" href="{BY}"> -->{KITE}', None),
        (f'<script>x = \'<a rel="license" href="{BY}">\'</script>{KITE}', None),
        (f'<a href="{BY}" title="license">{KITE}</a>', None),
        (f'<a rel="license" href="#">{KITE}</a>', None),
        (f'{BADGE}<a rel="license" href="{BY}">{KITE}</a>', None),  # of two, which?
    ],
)  # fmt: skip
def test_a_page_has_the_licence_that_it_states(html, id):
    assert of(html)[0][1] == id


def test_a_licence_that_has_no_id_is_kept_as_the_page_states_it():
    found = of(f'<base href="/b/">{KITE}<a rel="license" href="terms.html">terms</a>')
    assert found == [("http://site.example/b/terms.html", None)]


def test_a_picture_in_a_figure_with_a_licence_has_that_one():
    figure = (
        f'<figure>{KITE}<figcaption><a rel="license" href="{BY}">CC BY</a></figcaption></figure>'
    )
    assert of(figure + GULL) == [(BY, "CC-BY-4.0")] * 2 + [(None, None)]
    assert of(figure + GULL + BADGE)[-1][1] == "CC-BY-SA-3.0"


def test_a_picture_has_the_licence_that_json_ld_gives_it():
    """The form of Google's "Image metadata": @type ImageObject, contentUrl, license."""
    own = {
        "@context": "https://schema.org/",
        "@type": "ImageObject",
        "contentUrl": "http://site.example/news/kite.jpg",
        "license": BY,
        "acquireLicensePage": "http://site.example/buy",
        "creditText": "Ann",
    }
    assert of(linked(own) + KITE + GULL) == [(BY, "CC-BY-4.0"), (None, None)]
    assert of(linked(own | {"license": [BY, "http://b.org/"]}) + KITE) == [(None, None)]
    assert of(linked(own | {"license": 3}) + KITE) == [(None, None)]


SIGNALS = [
    ("X-Robots-Tag: noai", "robots_tag=noai", "opted_out"),
    ("x-robots-tag: otherbot: noai", None, None),
    # Two lines: the second is for all again, which a joined one would lose.
    ("X-Robots-Tag: otherbot: nofollow\r\nX-Robots-Tag: noimageai", "robots_tag=noimageai",
     "opted_out"),
    ("TDM-Reservation: 1\r\nTDM-Policy: /p.json",
     "tdm_reservation=1 tdm_reservation=policy=/p.json", "opted_out"),
    ("TDM-Reservation: 0", "tdm_reservation=0", None),
    ("X-Robots-Tag: noindex", "robots_tag=noindex", None),  # of the page
    ("Content-Usage: train-ai=n", "content_usage=train-ai=n", None),  # a draft: recorded
    ("Server: x", None, None),
]  # fmt: skip
METAS = [
    ('<meta name="robots" content="index, NoAI">', "robots_tag=noai", "opted_out"),
    ('<META CONTENT=noimageindex NAME=ROBOTS>', "robots_tag=noimageindex", "opted_out"),
    # rom1504/img2dataset, issue 365: a word of search engines
    ('<meta name="robots" content="noml">', "robots_tag=noml", "opted_out"),
    ('<meta name="tdm-reservation" content="1">', "tdm_reservation=1", "opted_out"),
    ('<!-- <meta name="robots" content="noai"> -->', None, None),
    ('<meta name="googlebot" content="noai">', None, None),
    ('<meta name="description" content="noai">', None, None),
]  # fmt: skip


def dropped(raws: list[Raw], consent: ConsentSettings = ConsentSettings()) -> set[str | None]:  # noqa: B008
    rows = pa.Table.from_batches(
        filter_pairs(candidates(raws, "c", 0), FilterSettings(), consent=consent)
    )
    return set(rows["reason"].to_pylist())


@pytest.mark.parametrize(("lines", "signals", "reason"), SIGNALS)
def test_what_the_server_said_of_a_page_is_kept_and_obeyed(tmp_path, lines, signals, reason):
    block = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{lines}\r\n\r\n{KITE}".encode()
    raws = rows_of(tmp_path, packed(answer(block)))
    date = "2026-11-01T00:00:00Z" if signals else None
    assert [(raw.page_signals, raw.page_date) for raw in raws] == [(signals, date)]
    assert dropped(raws) == {reason}


@pytest.mark.parametrize(("meta", "signals", "reason"), METAS)
def test_what_the_page_says_itself_is_kept_and_obeyed(meta, signals, reason):
    raws = list(pictures((meta + KITE + GULL).encode(), PAGE))
    assert [raw.page_signals for raw in raws] == [signals, signals]
    assert dropped(raws) == {reason}


def test_the_settings_say_which_signals_are_obeyed():
    raws = list(pictures((METAS[0][0] + KITE).encode(), PAGE))
    assert dropped(raws, ConsentSettings(robots_tag="record")) == {None}
    raws = [raws[0]._replace(page_signals="content_usage=train-ai=n")]
    assert dropped(raws, ConsentSettings(content_usage="obey")) == {"opted_out"}


def test_a_wat_record_says_the_same_where_it_has_the_data(tmp_path):
    """rom1504/cc2dataset, issue 39: where WAT files hold the words of headers and of <meta>."""
    links = [
        {"path": "IMG@/src", "url": "kite.jpg", "alt": "a red kite"},
        {"path": "A@/href", "url": BY, "rel": "license"},
    ]
    metas = [{"name": "robots", "content": "noai"}]
    record = json.loads(
        json.dumps({"Links": links, "Head": {"Metas": metas, "Link": [{"path": "LINK@/href"}]}})
    )
    (raw,) = rows_of(tmp_path, packed(wat(record["Links"], Head=record["Head"])))
    assert (raw.license, raw.page_signals) == (BY, "robots_tag=noai")
    assert dropped([raw]) == {"opted_out"}
