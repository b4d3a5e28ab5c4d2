"""Targets that read files: dumps, crawls, tables, lists, settings, manifests."""

import io
import json
import lzma
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from pipeline.filters.exclusions import read_exclusions
from pipeline.query_list.wordnet import read_synsets
from pipeline.settings.sources import CommonCrawlSource, DownloadedSource, TablesSource
from pipeline.settings.whole import SettingsError, load
from pipeline.sources import crawl, downloaded, tables
from pipeline.sources.candidate import SourceError, candidates
from pipeline.sources.tables.proposal import propose
from pipeline.wikipedia import pieces, read_pages
from pipeline.wikipedia.pageviews import read_views
from pipeline.wikipedia.sql_tables import read_page_table
from queries.tables.errors import InputError, UserError
from queries.tables.folder import manifest_tables
from queries.tables.manifest import LATEST, find
from queries.tables.manifest import MANIFEST as MANIFEST_NAME
from queries.tables.reasons import COLLECT, PAGE
from tests import ROOT
from tests.fuzz.inputs import changed, packed, tokens
from tests.fuzz.target import Target, file_of
from tests.fuzz.texts import rows

OF_A_SOURCE = {**COLLECT, "bad_stream": PAGE["bad_stream"]}
NamedContent = tuple[bytes, str]  # a file's content, and how its name ends


def asked(path: Path) -> Any:
    return iter([pa.record_batch({"path": [str(path)]})])


# --- dumps --------------------------------------------------------------------------------------
EXPORT = [
    b'<mediawiki xml:lang="en"><siteinfo><sitename>W</sitename></siteinfo>'
    + b"<page><title>Red kite</title><ns>0</ns><id>7</id><revision><id>1</id>"
    b"<text>A '''red kite''' &amp; [[bird]].</text></revision></page>" * 2 + b"</mediawiki>",
    b'{"index":{"_id":"7"}}\n{"title":"Dog","namespace":0,"text":"A dog."}\n',
    b'{"id": 7, "title": "Dog", "text": "A dog."}\n{"id": "8", "title": "Cat", "text": "c"}\n',
]
EXPORT_TOKENS = tokens(
    b"<page>|</page>|<title>|</title>|<text>|</text>|<ns>|<id>|<revision>|<a>|<a |</mediawiki>|"
    b'<!DOCTYPE a [<!ENTITY b "c">]>|<?xml version="1.0" encoding="utf-16"?>|<![CDATA[|]]>|<!--|'
    b'-->|&|&b;|&#0;|&lt;|\xff|\0|\n|{"index":{"_id":|"title":|"text":|[|{|1e999|\\ud800|99999'
)
VIEWS = [
    b"title\tviews\nRed_kite\t99\n",
    b"en Red_kite 12 0\nen.m Main_Page 3 0\n",
    b"en.wikipedia Red_kite 12 desktop 45 A1B2\n",
]
VIEW_TOKENS = tokens(
    b"en|en.m|en.wikipedia| |\t|\n|_|null|99999999999999999999|-1|\xff|\0|Talk:|de "
)
PAGES = [
    b"CREATE TABLE `page` (\n  `page_id` int,\n  `page_namespace` int,\n  `page_title` varbinary(9)"
    b",\n);\nINSERT INTO `page` VALUES (7,0,'Red_kite'),(8,0,'It\\'s');\n",
    b"INSERT IGNORE INTO w.page (page_id, page_namespace, page_title) VALUES\n(7, 0, 0x52),\n"
    b"(8, 0, _binary 'It''s');\n",
]
PAGE_TOKENS = tokens(
    b"INSERT INTO `page` VALUES |(|)|,|;|'|\\|\n|NULL|-|1.5|9999999999999999999999|/*|*/|-- |#|`|"
    b"\"|x'|0x|0x4|_binary |REPLACE INTO page |CREATE TABLE page (|"
    b"page_id|ON DUPLICATE KEY|''|\0|\xff"
)
LEXICON = [
    b'<LexicalResource><Lexicon id="a"><LexicalEntry id="w1"><Lemma writtenForm="kite"/>'
    b'<Sense id="s" synset="x1"/></LexicalEntry><Synset id="x1" members="w1"/></Lexicon>'
    b"</LexicalResource>",
    b'<LexicalResource><Lexicon id="a"><LexicalEntry id="w1"><Lemma writtenForm="kite"/>'
    b'<Sense id="s" synset="x1" lexicalized="false"/></LexicalEntry></Lexicon><LexiconExtension '
    b'id="b"><ExternalLexicalEntry id="w1"/><ExternalSynset id="x1"/></LexiconExtension>'
    b"</LexicalResource>",
]
LEXICON_TOKENS = tokens(
    b'<LexicalEntry id="|<Lemma writtenForm="|<Synset id="|members="|<Sense synset="|"/>|">|<a>|'
    b'<?xml version="1.0" encoding="utf-7"?>|<!DOCTYPE a [<!ENTITY b "c">]>|&b;|\xff|\0|&#x1F;'
)


def articles(data: bytes) -> None:
    with file_of(data, ".xml") as path, suppress(InputError):
        rows(read_pages(asked(path)), PAGE)
        for piece in pieces(path, 500):
            columns = dict(zip(("path", "start", "stop"), piece, strict=True))
            one = pa.RecordBatch.from_pylist([columns])
            rows(read_pages(iter([one])), PAGE)


def dump(reader: Any) -> Any:
    """Read a whole dump, or accept one line that says what is wrong with it."""

    def run(data: bytes) -> None:
        with file_of(data, ".dump") as path, suppress(InputError):
            list(reader(asked(path)))

    return run


# --- crawls -------------------------------------------------------------------------------------
PAGE_BODY = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b"<img src=/a.jpg alt='A kite'>"
)
WAT_BODY = (
    b'{"Envelope": {"Payload-Metadata": {"HTTP-Response-Metadata": {"HTML-Metadata": {"Head": '
    b'{"Base": "/b"}, "Links": [{"path": "IMG@/src", "url": "/a.jpg", "alt": "A kite"}]}}}}}'
)


def record(kind: bytes, of: bytes, body: bytes) -> bytes:
    head = (
        b"WARC/1.0\r\nWARC-Type: %b\r\nWARC-Record-ID: <urn:uuid:a>\r\nWARC-Target-URI: "
        b"http://example.org/\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
    )
    return head % (kind, of, len(body)) + body + b"\r\n\r\n"


def zipped(name: str, *contents: bytes) -> bytes:
    """A zip with these contents under the name, whose * is their number."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as members:
        for number, content in enumerate(contents):
            members.writestr(name.replace("*", str(number)), content)
    return file.getvalue()


CRAWL = [
    zipped("archive/*.warc", record(b"response", b"application/http", PAGE_BODY), b"WARC/1.0\r\n"),
    record(b"response", b"application/http; msgtype=response", PAGE_BODY) * 2,
    record(b"metadata", b"application/json", WAT_BODY),
    record(b"response", b"application/http", PAGE_BODY.replace(b"\r\n", b"\n")).replace(
        b"Content-Length", b"content-length"
    ),
    record(b"resource", b"text/html", PAGE_BODY[56:]).replace(b"\r\n", b"\n"),
    b"filedesc://a.arc 0.0.0.0 20140216050221 text/plain 4\n1 0\n\n"
    + b"http://a.org/ 192.0.2.1 20140216050221 text/html %d\n%b\n"
    % (len(PAGE_BODY), PAGE_BODY)
    * 2,
]
CRAWL_TOKENS = tokens(
    b"WARC/1.0\r\n|WARC-Type: response\r\n|Content-Length: 99999999999\r\n|Content-Length: -1\r\n|"
    b"\r\n\r\n|HTTP/1.1 200 OK\r\n|Transfer-Encoding: chunked\r\n|Content-Encoding: br\r\n|<img |"
    b'[|{|"Links": [|\x1f\x8b\x08|\0|\xff|Content-Type: text/html; charset=idna\r\n'
)


def read_crawl(data: bytes) -> None:
    with file_of(data, ".warc") as path:
        source = CommonCrawlSource(kind="commoncrawl", name="fuzz", paths=(str(path),))
        with suppress(SourceError):
            crawl.check(source)
        with suppress(SourceError):
            raws = crawl.read({"path": str(path)}, source)
            rows(candidates(raws, "fuzz", 0), OF_A_SOURCE)


# --- tables and lists ---------------------------------------------------------------------------
TABLES: list[NamedContent] = [
    (b'url,caption,more\nhttp://a.org/1,A red kite,"x ""y"""\nhttp://a.org/2,b,c\n', ".csv"),
    (b"url\tcaption\nhttp://a.org/1\tA red kite\n", ".tsv"),
    (b'{"url": "http://a.org/1", "caption": "A red kite", "at": [1, 2.5]}\n', ".jsonl"),
    (b'[{"url": "http://a.org/1", "caption": "A red kite"}]', ".json"),
    (b'{"url": ["http://a.org/1", 2], "caption": ["A red kite", ["a", "b"]]}', ".json"),
    (b'{"info": {}, "rows": [{"url": "http://a.org/1", "caption": "A red kite"}]}', ".json"),
    (b'{"url": "http://a.org/1",\n"caption": "A"}\n{"url": "u", "caption": {"a": 1}}', ".json"),
    ("url,caption\nhttp://a.org/1,kite".encode("utf-16"), ".csv"),
    (zipped("a.csv", b"url,caption\nhttp://a.org/1,kite\n" * 9), ".csv.zip"),
    (lzma.compress(b'{"url": "http://a.org/1", "caption": "A"}\n' * 9), ".jsonl.xz"),
    (b"url\tcaption\nhttp://a.org/1\ta \\t kite\\\nb \\N\t\\N\n", ".tsv"),
]
TABLE_TOKENS = tokens(
    b'"|,|\t|\n|\r|\0|\xff|\xef\xbb\xbf|url|caption|[|{|}|]|:|"a":|\\ud800|1e999|NaN|null|true|'
    b"-|99999999999999999999|http://a.org/"
)
LISTS: list[NamedContent] = [
    (b"kind,value,radius\nhost,*.example.org,\nphash,00ff00ff00ff00ff,4\n", ".csv"),
    (b"kind\tvalue\nurl\thttp://a.org/\nsha256\t" + b"0f" * 32 + b"\n", ".tsv"),
    (b"# hosts\nexample.org\nhttp://a.org/b\n", ".txt"),
]
LIST_TOKENS = tokens(
    b'kind|value|radius|host|url|phash|pair_id|,|\t|\n|"|*|.|-1|9|\xff|\0|#|[::1]|/'
)


def edited(files: list[NamedContent], pieces_of: list[bytes]) -> st.SearchStrategy[NamedContent]:
    """One of the files, changed, packed or not, under the ending of any."""
    endings = st.sampled_from([ending for _, ending in files])
    both = st.tuples(changed([data for data, _ in files], pieces_of), endings)
    ways = st.sampled_from(["", "", ".gz", ".bz2", ".zst", ".xz", ".zip"])
    return st.builds(lambda content, way: (content[0], content[1] + way), both, ways) | st.tuples(
        packed(changed([data for data, _ in files], pieces_of)),
        endings.map(lambda ending: ending + ".gz"),
    )


def table_read(way: dict[str, Any]) -> Any:
    def run(content: NamedContent) -> None:
        with file_of(*content) as path:
            source = TablesSource(kind="tables", name="fuzz", paths=(str(path),), **way)
            with suppress(SourceError):
                tables.check(source)
            row = {"path": str(path), "name": "a=b/c"}
            rows(candidates(tables.read(row, source), "fuzz", 0), OF_A_SOURCE)

    return run


# Each way to write lines, and each ready layout of JSON, reads any of the files.
WAYS: dict[str, dict[str, Any]] = {
    "tables": {"extra": "all"},
    "tables: escapes": {"escapes": True, "quotes": False, "encoding": "shift_jis"},
    "tables: paths": {"columns": {"url": "url.a", "caption": ("caption", "at.b")}},
    "tables: yfcc": {"columns": "yfcc"},
    "tables: coco": {"columns": "coco"},
    "tables: visual genome": {"columns": "visual_genome"},
}


def tarred(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return file.getvalue()


OF_ONE = b'{"url": "http://a.org/1", "caption": "A red kite", "sha256": "0", "license": "CC0"}'
SHARDS = [
    tarred(("1.jpg", b"\xff\xd8\xff"), ("1.txt", b"A red kite"), ("1.json", OF_ONE)) * 2,
    tarred(("a/2.PNG", b"\x89PNG"), ("a/2.json", OF_ONE), ("a/é" + "3" * 120 + ".jpg", b"\0")),
]
SHARD_TOKENS = tokens(
    b".jpg|.json|.txt|.|/|../|ustar|\0|\xff|x|L|2|00000000000|77777777777|30 size=99999999999\n|"
    b'12 path=a/b\n|"url"|"caption"|{|}|[|\\ud800|NaN'
)


def read_shard(data: bytes) -> None:
    with file_of(data, ".tar") as path:
        source = DownloadedSource(kind="img2dataset", name="fuzz", paths=(str(path),))
        with suppress(SourceError):
            downloaded.check(source)
        row = {"path": str(path), "name": "0/a.tar", "listing": None, "kind": "tar"}
        rows(candidates(downloaded.read(row, source), "fuzz", 0), OF_A_SOURCE)


def proposal(content: NamedContent) -> None:
    """What init proposes for a table is read, or the table is refused in one line."""
    with file_of(*content) as path, suppress(SourceError):
        made = propose(str(path)).settings
        header = tuple(made.pop("header", ()))
        source = TablesSource(kind="tables", name="fuzz", paths=(str(path),), header=header, **made)
        with suppress(SourceError):
            tables.check(source)
        rows(candidates(tables.read({"path": str(path)}, source), "fuzz", 0), OF_A_SOURCE)


def exclusions(content: NamedContent) -> None:
    with file_of(*content) as path, suppress(InputError):
        list(read_exclusions(asked(path)))


# --- settings and manifests ---------------------------------------------------------------------
BUILDS = ROOT / "pipeline" / "builds"
TOML_TOKENS = tokens(
    b"[|]|[[|]]|=|\"|'|\n|.|,|{|}|-1|nan|inf|1e400|true|999999999999999999999|1979-05-27|\\u0000|"
    b"\xff|\0|cap|seed|paths|package:|package:../../etc|~/|s3://|http://[|../../../../etc/passwd"
)
MANIFEST = [
    json.dumps(
        {
            "version": "0123456789abcdef",
            "settings": {"cap": 4, "sources": [{"kind": "tables", "paths": ["a"]}]},
            "files": [{"path": "a", "bytes": 1, "sha256": "0", "rows": 1, "members": None}],
        }
    ).encode()
]
JSON_TOKENS = tokens(b'{|}|[|]|"|:|,|null|-1|1e999|"files"|"version"|"../.."|"."|\\ud800|\xff|\0|9')


def settings(data: bytes) -> None:
    with file_of(data, ".toml") as path, suppress(SettingsError):
        load(path).model_dump_json()  # as it is written beside a build


def stranger_build(data: bytes) -> None:
    with file_of(data, ".json") as path:
        folder = path.with_suffix(".build")
        folder.mkdir()
        try:
            for name in (MANIFEST_NAME, LATEST):
                (folder / name).write_bytes(data)
                with suppress(UserError):
                    manifest_tables(find(folder))
                (folder / name).unlink()
        finally:
            rmtree(folder)


TARGETS = (
    Target("articles", packed(changed(EXPORT, EXPORT_TOKENS)), articles),
    Target("views", packed(changed(VIEWS, VIEW_TOKENS)), dump(read_views)),
    Target("page tables", packed(changed(PAGES, PAGE_TOKENS)), dump(read_page_table)),
    Target("wordnet", packed(changed(LEXICON, LEXICON_TOKENS)), dump(read_synsets)),
    Target("crawls", packed(changed(CRAWL, CRAWL_TOKENS)), read_crawl),
    *(Target(name, edited(TABLES, TABLE_TOKENS), table_read(way)) for name, way in WAYS.items()),
    Target("shards", changed(SHARDS, SHARD_TOKENS), read_shard),
    Target("proposals", edited(TABLES, TABLE_TOKENS), proposal),
    Target("exclusions", edited(LISTS, LIST_TOKENS), exclusions),
    Target(
        "settings",
        changed([one.read_bytes() for one in sorted(BUILDS.glob("*.toml"))], TOML_TOKENS),
        settings,
    ),
    Target("manifests", changed(MANIFEST, JSON_TOKENS), stranger_build),
)
