"""Targets that read texts: wikitext, pages, captions, addresses, robots, answers to requests."""

import io
import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from pipeline.fetch.wire import AttemptError, Clock, Wire, named_failures, read_body, response
from pipeline.filters.hosts import host_reason, parents
from pipeline.filters.rows import judge
from pipeline.match import Matcher
from pipeline.rights.signals import FIELDS, read, statements, written
from pipeline.settings.sources import MediaWikiSource
from pipeline.settings.whole import FilterSettings
from pipeline.sources import mediawiki
from pipeline.sources.candidate import Raw, SourceError, candidates
from pipeline.sources.charsets import in_utf_8
from pipeline.sources.crawl.page import pictures
from pipeline.sources.descriptions import in_language
from pipeline.sources.search import Journal
from pipeline.web.client import DownloadError
from pipeline.web.equivalence import equivalence_key, equivalence_keys
from pipeline.web.robots import parse_robots
from pipeline.web.url import as_address, clean_host, is_public, normalise_url, parse_url, redirected
from pipeline.wikipedia.markup import plain_text
from queries.tables.reasons import COLLECT, FETCH, FILTER
from tests.fuzz.inputs import changed, changed_text, tokens
from tests.fuzz.target import Target

# --- wikitext -----------------------------------------------------------------------------------
WIKITEXT = [
    "== A ==\nA '''[[red kite|kite]]''' of [[Wales]]{{cn|{{x}}}}.<ref name='a'>b</ref>\n* one\n",
    "{| class=wikitable\n|-\n! a\n| b || c\n|}\n[[File:a.jpg|thumb|the [[b]]]] [http://x.org y]",
    "<!-- c --><nowiki>[[d]]</nowiki><math>\\frac</math>&amp;nbsp;__TOC__ #REDIRECT [[A]]",
    "{{lang|fr|l'''[[a|b]]''}} -{H|zh-cn:a;zh-tw:b}- {{convert|1|to|2|km}}{{snd}}\1\2\3 __目__",
]
WIKITEXT_TOKENS = tokens(
    "{{ }} [[ ]] {| |} | || |- ! '' ''' == \n * # : ; <ref> </ref> <ref/> <!-- --> <nowiki> "
    "</nowiki> <math> </math> < > & &amp; &#60; &#x10ffff; http:// [http:// ] __TOC__ File: "
    "{{{ }}} <br> <div </div> ~~~~ -{ }- \t \u00a0 \u202e",
    " ",
)


# --- pages --------------------------------------------------------------------------------------
HTML = [
    b'<html lang=en><head><meta charset="utf-8"><base href="/b/"><meta property="og:image" '
    b'content="o.jpg"><meta property="og:title" content="A kite"></head><body><figure><picture>'
    b'<source srcset="a.webp 2x, b.webp 640w"><img src="/a.jpg" alt="A red kite" title="kite">'
    b"</picture><figcaption>A <i>kite</i></figcaption></figure><img data-src=//c.org/d alt=d>",
    b'<meta property="og:image:alt" content="a"><meta name="twitter:image" content="\\\\t.org\\t">'
    b'<script type="application/ld+json">{"@type": ["ImageObject"], "url": ["/a"], "caption": "A"}'
    b'</script><amp-img src="{a}" data-lazy-srcset="b 1x" alt="\xe9\xe8"></amp-img>',
]
HTML_TOKENS = tokens(
    b"<img |<img src=|alt=|srcset=|<figure>|</figure>|<figcaption>|</figcaption>|<picture>|"
    b"</picture>|<source |<meta |<base |<!--|-->|<script>|</script>|<style>|<title>|</title>|<|>|"
    b"\"|'|=|,| 2x|data:image/png;base64,|http://|//|http://[|charset=utf-16|charset=gb18030|&|"
    b"&#0;|&#xd800;|&amp|\0|\xff\xfe|\xed\xa0\x80|<svg>|<template>|<b>|<table>|<a"
)
CHARSETS = st.sampled_from([None, "utf-8", "utf-16", "shift_jis", "iso-2022-jp", "gbk", "idna"])


def page(given: tuple[bytes, str | None]) -> None:
    html, guess = in_utf_8(*given)
    raws = pictures(html, "http://example.org/a/b.html", guessed_charset=guess)
    rows(candidates(raws, "fuzz", 0), COLLECT)


def rows(batches: Any, reasons: dict[str, str]) -> None:
    """Every row has one of these reasons, or none."""
    for batch in batches:
        assert set(batch["reason"].to_pylist()) <= {None, *reasons}


# --- captions -----------------------------------------------------------------------------------
CAPTIONS = [
    "A red house by the lake",
    "IMG_0412.jpg",
    "CafÃ© in Paris",
    "http://a.org",
    "sofa sofa",
]
CAPTION_TOKENS = tokens(
    "a|red house|.jpg|IMG_|0|_|www.|.com|Ã|©|\ufffd|\x80|\u0301|İ|ß|\u200d|👩|中|\u202e|\0|\n| |@|-"
)
MATCHER = Matcher(pa.array(["house", "kite", "red house"]))
SETTINGS = FilterSettings()


# The first text that is not ASCII makes the tables of all characters: a second that is no input's.
judge(pa.array(["http://example.org/a"]), pa.array(["é 一"]), SETTINGS)
MATCHER.match(pa.array(["é 一"]))


def captions(texts: list[str]) -> None:
    keys = pa.array(["http://example.org/a"] * len(texts), pa.string())
    array = pa.array(texts, pa.string())
    reasons, *_ = judge(keys, array, SETTINGS)
    assert set(reasons.to_pylist()) <= {None, *FILTER}
    assert len(reasons) == len(texts)
    assert set(MATCHER.match(array)["row"].to_pylist()) <= set(range(len(texts)))


# --- addresses ----------------------------------------------------------------------------------
URLS = [
    "http://example.org:8080/a%20b/../c.jpg?d=e&f#g",
    "https://bücher.example/ä b",
    "http://0x7f.1/",
    "http://[::ffff:10.0.0.1]:80/",
    "http://１２７.0.0.1./%zz",
    "//a.b/c",
]
URL_TOKENS = tokens(
    "http://|https://|file://|//|/|..|?|#|@|:|%|%2e|%00|[|]|::1|0x|127.1|xn--|。|．|\u00ad|ß|İ|\u200d|"
    "user:word@|:80|:0|:99999|\\|\t|\n|\r\nHost: a|\0|\u202e|😀|a.b.|.local|١"
)


def address(given: tuple[str, str]) -> None:
    url, location = given
    target = parse_url(url)
    if target is not None:
        assert parse_url(target.url) == target
        target.url.encode("ascii")
        assert not set(target.url) & set(" \r\n\t\0")
        followed = redirected(target, location)
        assert followed is None or parse_url(followed.url) == followed
    for one in (url, location):
        for reader in (clean_host, normalise_url):
            try:
                reader(one)
            except ValueError:
                continue
        assert host_reason(one) in (None, "url_bad_host", "url_private_host")
        literal = as_address(one)
        assert literal is None or is_public(literal) in (True, False)
        assert parents(one)
    keys(url)
    rows(candidates([Raw(url, location)], "fuzz", 0), COLLECT)


def keys(url: str) -> None:
    """A key is its own key, and nobody's machine is asked because a key is spelt otherwise."""
    try:
        key = normalise_url(url)
    except ValueError:
        return
    assert normalise_url(key) == key
    shared = equivalence_key(key)
    assert equivalence_key(shared) == shared
    assert equivalence_keys(pa.array([key])).to_pylist() == [shared if shared != key else None]
    judge(pa.array([key]), pa.array(["A red house"]), SETTINGS)


# --- robots, answers ----------------------------------------------------------------------------
ROBOTS = ["User-agent: *\nDisallow: /private/*.jpg$\nAllow: /\n\nUser-agent: buildwit\nDisallow:\n"]
ROBOTS_TOKENS = tokens(
    "User-agent: buildwit\n|User-agent: *\n|Disallow: /\n|Allow: /*a*a*a$\n|*|$|%|%41|#|:|\ufeff|"
    "\r|\n|noindex|unavailable_after: |25 Jun 2010 15:00:00 PST|buildwit: |, |;|none|9999999999"
)


def robots(given: tuple[str, str]) -> None:
    text, header = given
    parse_robots(text).allows("/private/" + "a" * 200 + ".jpg")
    lines = [(name, value) for name in FIELDS for value in (header, text[:2_000])]
    said = statements(lines, datetime.now(UTC))
    assert written(read(written(said))) == written(said)


ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 5\r\n\r\nabcde",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.0 302 Found\r\nLocation: http://a.org/\r\nContent-Encoding: gzip\r\n\r\n"
    b"\x1f\x8b\x08\0",
]
ANSWER_TOKENS = tokens(
    b"HTTP/1.1 |200 OK|\r\n|\n|\r|: |Content-Length: |Content-Encoding: deflate\r\n|-1|ffffffff|"
    b"Transfer-Encoding: chunked\r\n|HTTP/1.1 100 A\r\n\r\n|X: y\r\n|\0|\xff|\x78\x9c|;|0\r\n\r\n"
)


class Connection:
    """Stands for a socket on which a server has sent all that it will."""

    def __init__(self, sent: bytes) -> None:
        self.sent = io.BytesIO(sent)

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def recv_into(self, buffer: Any) -> int:
        return self.sent.readinto(buffer)


def answer(sent: bytes) -> None:
    reason = None
    try:
        wire = Wire(Connection(sent), Clock(60.0))  # type: ignore[arg-type]
        with named_failures(), response(wire) as said:
            assert len(read_body(said, 10_000, cut=False)) <= 10_000
    except AttemptError as error:
        reason = error.reason
    assert reason in {None, *FETCH}


# --- what a wiki says of its pictures -------------------------------------------------------------
DESCRIPTIONS = [
    '<div class="description" lang="de"><span class="language de">Deutsch:</span> Milan</div>'
    '<div lang="en">A kite <span lang="la">Milvus</span></div>',
    "A <b>red</b> kite &amp; <script>1</script><p lang=en-gb hidden>colour",
]
DESCRIPTION_TOKENS = tokens(
    "<div lang=en>|<p lang='de'>|</div>|<section lang>|<span class=language>|<table>|<tr>|<td>|"
    "<template>|<script>|<!--|&|&#0;|<svg>|</p>|<b>|\0|<div style='display:none'>"
)
RESULTS = [
    '{"batchcomplete": true, "query": {"pages": [{"title": "File:A.jpg", "index": 1, "imageinfo": '
    '[{"url": "http://a.org/a.jpg", "mime": "image/png", "width": 9, "extmetadata": '
    '{"ImageDescription": {"value": {"en": "A", "_type": "lang"}}}}]}]}}',
    '{"error": {"code": "badvalue", "info": "<b>No</b>"}}',
    '{"continue": {"a": 1}, "query": {"pages": []}}',
]
RESULT_TOKENS = tokens(
    '{|}|[|]|"|:|,|null|-1|1e999|"code"|"error"|"value"|"url"|"//[x"|"pages"|\\ud800|true|9|"en"'
)
WIKI = MediaWikiSource(kind="mediawiki", name="fuzz", api="http://127.0.0.1/", results_per_query=3)


class Says:
    """Stands for a server that answers each request with the same JSON."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def ask(self, address: str, params: Any, later: Callable[[Any], Any]) -> Any:
        later(self.answer)
        return self.answer


def description(content: tuple[str, str]) -> None:
    text = in_language(*content)
    assert " ".join(text.split()) == text
    in_language({"en": content[0], "x-default": content[0]}, content[1])


def results(text: str) -> None:
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return
    with suppress(DownloadError):
        found = mediawiki.find(Says(answer), WIKI, "kite")  # type: ignore[arg-type]
        if "error" in found:  # which no journal holds
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "journal"
            with Journal(path) as journal:
                journal.note("kite", found)
            part = {"query": ["kite"], "query_id": [0], "journal": str(path)}
            with suppress(SourceError):
                rows(candidates(mediawiki.read(part, WIKI), "fuzz", 0), COLLECT)


TARGETS = (
    Target("wikitext", changed_text(WIKITEXT, WIKITEXT_TOKENS), plain_text),
    Target("html", st.tuples(changed(HTML, HTML_TOKENS), CHARSETS), page),
    Target(
        "captions",
        st.lists(st.one_of(st.text(), changed_text(CAPTIONS, CAPTION_TOKENS)), max_size=6),
        captions,
    ),
    Target("urls", st.tuples(*[changed_text(URLS, URL_TOKENS)] * 2), address),
    Target("robots", st.tuples(*[changed_text(ROBOTS, ROBOTS_TOKENS)] * 2), robots),
    Target(
        "descriptions",
        st.tuples(
            changed_text(DESCRIPTIONS, DESCRIPTION_TOKENS), st.sampled_from(["en", "de", ""])
        ),
        description,
    ),
    Target("results of a wiki", changed_text(RESULTS, RESULT_TOKENS), results),
    Target("answers", changed(ANSWERS, ANSWER_TOKENS), answer),
)
