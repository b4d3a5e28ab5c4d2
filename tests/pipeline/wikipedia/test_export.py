"""The export reader: which pages become rows, and what a damaged or hostile file does."""

import bz2
import gzip
import importlib.util
import random
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
import regex

from pipeline import wikipedia
from pipeline.wikipedia import pages, plain_text, read_articles, read_pages, streams
from queries.tables.errors import InputError
from queries.tables.schemas import TABLES


def page(title="Dog", text="A '''dog'''.", ns="0", number="7", extra="", model=""):
    return (
        f"<page><title>{title}</title><ns>{ns}</ns><id>{number}</id>{extra}<revision><id>99</id>"
        f"<contributor><id>5</id></contributor>{model}<text>{text}</text></revision></page>\n"
    )


def export(*pages: str) -> bytes:
    head = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/"><siteinfo/>\n'
    return (head + "".join(pages) + "</mediawiki>").encode()


def rows_of(tmp_path: Path, content: bytes) -> list[tuple]:
    file = tmp_path / "pages"
    file.write_bytes(content)
    return [tuple(row.values()) for row in table_of(file).to_pylist()]


def table_of(file: Path | str) -> pa.Table:
    paths = pa.RecordBatch.from_pydict({"path": [str(file)]})
    return pa.Table.from_batches(read_pages(iter([paths])), TABLES["article"].schema)


def test_every_page_is_an_article_or_has_a_reason(tmp_path):
    content = export(
        page(),
        page("Hound", extra='<redirect title="Dog"/>'),
        page("Cur", "#REDIRECT [[Dog]]"),
        page("Talk:Dog", ns="1"),
        page("Cat", number="seven"),
        page("", "no title"),
        page("Void", " \n"),
    )
    assert rows_of(tmp_path, content) == [
        (7, "Dog", "A dog.", None),
        (7, "Hound", None, "redirect"),
        (7, "Cur", None, "redirect"),
        (7, "Talk:Dog", None, "not_article"),
        (None, "Cat", None, "bad_page"),
        (7, None, None, "bad_page"),
        (7, "Void", None, "bad_page"),
    ]


def test_the_kind_is_told_by_content_and_streams_may_follow_each_other(tmp_path):
    content = export(page(), page("Cat"))
    cut = content.index(b"<page><title>Cat")
    streams = bz2.compress(content[:cut]) + bz2.compress(content[cut:])
    expected = rows_of(tmp_path, content)
    assert len(expected) == 2
    assert rows_of(tmp_path, bz2.compress(content)) == expected
    assert rows_of(tmp_path, streams) == expected


def test_pages_before_a_damage_are_kept_and_a_row_tells_of_it(tmp_path):
    whole = export(*(page(f"Dog {n}", number=str(n)) for n in range(50)))
    damage = (None, None, None, "bad_stream")
    expected = rows_of(tmp_path, whole)
    assert rows_of(tmp_path, whole[:-5]) == [*expected, damage]
    assert rows_of(tmp_path, whole[: len(whole) // 2])[-1] == damage
    lost_one = [*expected[:30], damage, *expected[31:]]
    assert rows_of(tmp_path, whole.replace(b"Dog 30<", b"Dog 30<<")) == lost_one


BAD_STREAM = (None, None, None, "bad_stream")


@pytest.mark.parametrize(
    "damage",
    [
        b"<page><title>Do\x01g</title></page>",
        b"<page><title>D\xffg</title></page>",
        b"<page><title>Dog</ti",
        b"<page><title>Dog</title><revision><text>cut in the mid",
        b"<page><title>AT&T;</title></page>",
        b"<page><title>Dog</page>",
        b"</revision>",
        b"\0" * 4096,  # a hole in a file, where a disk was full
        b"<page><title>Dog <!-- cut</title></page>",
        b"<page><title>Dog <![CDATA[cut</title></page>",
        b"<?php cut",
    ],
    ids=[
        *("control", "utf-8", "cut tag", "cut page", "entity", "no end tag", "stray end", "zeros"),
        *("comment", "cdata", "instruction"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, bz2.compress, gzip.compress], ids=["plain", "bz2", "gzip"])
def test_a_damage_costs_its_own_page_alone(tmp_path, damage, pack):
    whole = export(*(page(f"Dog {n}", number=str(n)) for n in range(200)))
    expected = rows_of(tmp_path, whole)
    for n in (0, 100, 199):
        at = whole.index(b"<page><title>Dog %d<" % n)
        content = pack(whole[:at] + damage + whole[at:])
        assert rows_of(tmp_path, content) == [*expected[:n], BAD_STREAM, *expected[n:]]


def test_comments_and_cdata_that_end_are_read(tmp_path):
    text = "<![CDATA[a dog & ]]>" + "<!-- x -->" * 3 + "a <![CDATA[<page ]]>cat"
    content = export("<!-- pages -->", page("A", text), "<?x y?>", page("B"))
    rows = rows_of(tmp_path, content)
    assert [(row[1], row[3]) for row in rows] == [("A", None), ("B", None)]
    assert "a dog & a" in rows[0][2]


def test_a_page_that_is_cut_at_any_byte_costs_no_other(tmp_path):
    """As after `head -c` of a dump and another one behind it."""
    first, cut, last = (page(title, number="1") for title in ("A", "B", "C"))
    for stop in range(7, len(cut) - 1):
        rows = rows_of(tmp_path, export(first, cut[:stop], last))
        assert [row[1] for row in rows if row[3] is None] == ["A", "C"]
        assert 1 <= [row[3] for row in rows].count("bad_stream") <= 2


def test_broken_dumps_of_bug_reports_lose_no_whole_page(tmp_path):
    """A page that ends early before a whole one (WikiTeam/wikiteam issue 227), tags inside a text
    (python-mediawiki-utilities issue 44), a tag in a place of its own (issue 12 there)."""
    cut = page("A")[: -len("</text></revision></page>\n")]
    tags = page("B", "one<br />two <b>three</b>")
    threads = page("C", extra="<DiscussionThreading><ThreadID>9</ThreadID></DiscussionThreading>")
    moved = page("D").replace("</revision>", "</revision><sha1>x</sha1>")
    rows = rows_of(tmp_path, export(cut, tags, threads, moved))
    assert [row[3] for row in rows] == ["bad_stream", None, None, None]
    assert [row[2] for row in rows[1:]] == ["onetwo three", "A dog.", "A dog."]


def test_the_page_behind_a_damage_may_begin_in_another_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "CHUNK_BYTES", 7)
    content = export(page("A"), "<page>\x01", page("B"))
    assert [row[1] for row in rows_of(tmp_path, content)] == ["A", None, "B"]


@pytest.mark.parametrize("between", [b"", b"\n\n", b'\xef\xbb\xbf<?xml version="1.0"?>\n'])
def test_exports_may_follow_each_other_in_a_file(tmp_path, between):
    german = export(page("Hund", "[[Kategorie:X]] Ein Hund.")).replace(
        b"<siteinfo/>", siteinfo({"14": "Kategorie"}).encode()
    )
    content = export(page()) + between + german + export(page("Cat"))
    assert [(row[1], row[2]) for row in rows_of(tmp_path, content)] == [
        ("Dog", "A dog."),
        ("Hund", "Ein Hund."),
        ("Cat", "A dog."),
    ]


def siteinfo(names: dict[str, str]) -> str:
    namespaces = "".join(
        f'<namespace key="{key}" case="first-letter">{name}</namespace>'
        for key, name in names.items()
    )
    return f"<siteinfo><sitename>W</sitename><namespaces>{namespaces}</namespaces></siteinfo>"


# A wiki of its own, a Wikipedia, and one whose language only its names tell.
SITES = [
    ("", {"6": "Skjalasafn", "14": "Hólf", "-2": "Hljóð"}, "[[Skjalasafn:x|mini]] [[Hólf:y]] a"),
    (' xml:lang="tr"', {}, "[[Dosya:x|küçükresim]] [[Resim:y|sağ]] [[KAT:z]] [[Kategori:z]] a"),
    ("", {"6": "Datei", "14": "Kategorie"}, "[[Bild:x|miniatur|links]] [[Medium:y]] a"),
    ("", {}, "[[Plik:x|mały]] [[ファイル:x]] [[Фото:x.jpg|мини]] [[Kategoria:z]] a"),
]


@pytest.mark.parametrize(("language", "names", "text"), SITES)
def test_links_to_files_and_categories_show_no_words_in_any_language(
    tmp_path, language, names, text
):
    content = export(page(text=text)).decode().replace("<siteinfo/>", siteinfo(names))
    content = content.replace("<mediawiki", f"<mediawiki{language}")
    assert [row[2] for row in rows_of(tmp_path, content.encode())] == ["a"]


def test_a_later_piece_knows_the_names_of_the_head(tmp_path, monkeypatch):
    file = tmp_path / "pages"
    pages_ = [page(f"P {n}", "[[Hólf:y]] a" + " b" * 50, number=str(n)) for n in range(50)]
    content = export(*pages_).replace(b"<siteinfo/>", siteinfo({"14": "Hólf"}).encode())
    file.write_bytes(content)
    inputs = [
        pa.RecordBatch.from_pydict({"path": [path], "start": [start], "stop": [stop]})
        for path, start, stop in wikipedia.pieces(file, 1000)
    ]
    assert len(inputs) > 5
    cut = pa.Table.from_batches(read_pages(iter(inputs)), TABLES["article"].schema)
    assert cut == table_of(file)
    assert "Hólf" not in "".join(cut["text"].to_pylist())


@pytest.mark.parametrize(
    "text",
    [
        "#WEITERLEITUNG [[Hund]]",
        "#リダイレクト[[犬]]",
        " #перенаправление: [[Собака]]",
        "＃転送 [[犬]]",
        "#YÖNLENDİRME [[Köpek]]",
        "#yönlendirme [[Köpek]]",
    ],
)
def test_a_redirect_is_one_in_any_language(tmp_path, text):
    assert rows_of(tmp_path, export(page(text=text)))[0][3] == "redirect"
    assert rows_of(tmp_path, export(page(text=f"See {text}")))[0][3] is None


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("<model>wikitext</model><format>text/x-wiki</format>", None),
        ("<model>json</model><format>application/json</format>", "not_wikitext"),
        ("<model>sanitized-css</model><format>text/css</format>", "not_wikitext"),
        ("<model>Scribunto</model><format>text/plain</format>", "not_wikitext"),
        ("<format>text/javascript</format>", "not_wikitext"),
    ],
)
def test_pages_of_data_and_of_programs_are_no_articles(tmp_path, model, reason):
    assert rows_of(tmp_path, export(page(model=model)))[0][3] == reason


def zstd(content: bytes) -> bytes:
    return pa.compress(content, "zstd", asbytes=True)


PACKS = {
    "gzip": gzip.compress,
    "members": lambda content: (
        gzip.compress(content[:999], mtime=0) + gzip.compress(content[999:], mtime=0)
    ),
    "padded": lambda content: gzip.compress(content, mtime=0) + bytes(999),
    "zstd": zstd,
    "frames": lambda content: zstd(content[:999]) + zstd(content[999:]),
}


@pytest.mark.parametrize("kind", PACKS)
def test_a_packed_export_gives_the_rows_of_the_plain_one(tmp_path, kind):
    content = export(*(page(f"Dog {n}", number=str(n)) for n in range(100)))
    assert rows_of(tmp_path, PACKS[kind](content)) == rows_of(tmp_path, content)
    assert len(wikipedia.pieces(tmp_path / "pages", 10)) > 1  # the plain one
    (tmp_path / "packed").write_bytes(PACKS[kind](content))
    assert len(wikipedia.pieces(tmp_path / "packed", 10)) == 1


@pytest.mark.parametrize("pack", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_a_packed_export_that_is_cut_keeps_what_was_read_before(tmp_path, pack):
    noise = random.Random(0).randbytes(400_000).hex()  # of which no packer leaves nothing
    packed = pack(export(page(), page("Noise", noise)))
    assert rows_of(tmp_path, packed[: len(packed) // 2]) == [(7, "Dog", "A dog.", None), BAD_STREAM]


DAMAGES_BEHIND_PAGES = {
    "a wrong sum": lambda content: flipped(gzip.compress(content, mtime=0), -8),
    "a wrong length": lambda content: flipped(gzip.compress(content, mtime=0), -1),
    "no end of gzip": lambda content: gzip.compress(content, mtime=0)[:-8],
    "a member that is damaged": lambda content: (
        gzip.compress(content, mtime=0) + flipped(gzip.compress(content, mtime=0), 10)
    ),
    "a log behind zstd": lambda content: zstd(content) + b"404 page not found",
    "a frame of zstd that is cut": lambda content: zstd(content) + zstd(content)[:-20],
}


def flipped(content: bytes, place: int) -> bytes:
    damaged = bytearray(content)
    damaged[place] ^= 0xFF
    return bytes(damaged)


@pytest.mark.parametrize("damage", DAMAGES_BEHIND_PAGES.values(), ids=DAMAGES_BEHIND_PAGES)
def test_a_small_file_keeps_the_pages_before_a_damage_of_its_packing(tmp_path, damage):
    content = export(page("A"), page("B")).removesuffix(b"</mediawiki>")
    rows = rows_of(tmp_path, damage(content))
    assert [row[1] for row in rows if row[3] is None] == ["A", "B"]
    assert [row[3] for row in rows].count("bad_stream") >= 1


def test_a_damaged_member_of_a_gzip_file_costs_no_other(tmp_path):
    first, second, third = (
        gzip.compress(text.encode(), mtime=0) for text in (page("A"), page("B") * 500, page("C"))
    )
    head, tail = (
        gzip.compress(export()[: -len("</mediawiki>")], mtime=0),
        gzip.compress(b"</mediawiki>", mtime=0),
    )
    broken = second[:40] + b"\xff" * 20 + second[60:]
    rows = rows_of(tmp_path, head + first + broken + third + tail)
    assert [row[1] for row in rows if row[1] != "B"] == ["A", None, "C"]


def test_a_damaged_bz2_keeps_what_was_read_before(tmp_path):
    first, second = export(page())[: -len("</mediawiki>")], b"<page>"
    good, bad = bz2.compress(first), bytearray(bz2.compress(second * 1000))
    bad[12] ^= 0xFF
    expected = [(7, "Dog", "A dog.", None), (None, None, None, "bad_stream")]
    assert rows_of(tmp_path, good + bytes(bad)) == expected  # its checksum is wrong
    assert rows_of(tmp_path, good + bytes(bad)[:20]) == expected  # it is cut off
    assert rows_of(tmp_path, good + b"no stream") == expected


@pytest.mark.parametrize(
    "prologue",
    [
        '<!DOCTYPE mediawiki [<!ENTITY a "lol"><!ENTITY b "&a;&a;">]>',
        '<!DOCTYPE mediawiki SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE mediawiki [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
    ],
)
def test_a_doctype_is_refused_before_it_declares_anything(tmp_path, prologue):
    content = prologue.encode() + export(page(text="&a;&b;&x;"))
    with pytest.raises(InputError, match="found <!DOCTYPE mediawiki>"):
        rows_of(tmp_path, content)
    within = export(page())[: -len("</mediawiki>")] + content
    assert [row[3] for row in rows_of(tmp_path, within)] == [None, "bad_stream", "bad_stream"]


def test_an_undeclared_entity_and_endless_nesting_end_the_file(tmp_path):
    for text in ("&nbsp;", "<a>" * 10_000):
        assert rows_of(tmp_path, export(page(), page(text=text)))[-1][3] == "bad_stream"


def test_a_tag_without_an_end_is_not_kept_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "MAX_TOKEN_BYTES", 3 << 20)
    content = export(page())[: -len("</mediawiki>")] + b'<page a="' + b"x" * (6 << 20)
    assert [row[3] for row in rows_of(tmp_path, content)] == [None, "bad_stream"]


def test_a_page_longer_than_any_of_wikipedia_is_bad(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "MAX_TEXT", 100)
    reasons = [row[3] for row in rows_of(tmp_path, export(page(text="x" * 101), page()))]
    assert reasons == ["bad_page", None]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "0 bytes"),
        (b"PK\x03\x04 a zip", "PK"),
        (b"title,text\n", "title,text"),
        (b"<rss><page/></rss>", "<rss>"),
        (bz2.compress(b"no xml"), "no xml"),
        (gzip.compress(b"no xml", mtime=0), "no xml"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "<!DOCTYPE html>"),
        (b"<!doctype html>\n<title>503</title>", "<!doctype html>"),
        (b"<html><head><title>Rate limited</title></head></html>", "<html>"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_one_line(tmp_path, content, found):
    with pytest.raises(ValueError, match="expected a MediaWiki XML export") as refused:
        rows_of(tmp_path, content)
    assert found in str(refused.value)
    assert "\n" not in str(refused.value)


def test_articles_are_the_pages_without_a_reason(tmp_path):
    file = tmp_path / "pages.xml"
    file.write_bytes(export(page(), page("Talk:Dog", ns="1")))
    articles = pa.Table.from_batches(read_articles(file))
    assert articles.to_pylist() == [{"page_id": 7, "title": "Dog", "text": "A dog."}]


def test_batches_stay_small(tmp_path, monkeypatch):
    monkeypatch.setattr(wikipedia, "BATCH_TEXT", 10)
    file = tmp_path / "pages.xml"
    file.write_bytes(export(*[page()] * 5))
    assert [batch.num_rows for batch in read_articles(file)] == [2, 2, 1]


@pytest.fixture(scope="module")
def real_export() -> str:
    gensim = importlib.util.find_spec("gensim")
    if gensim is None:
        pytest.skip("gensim, which carries a real export, is not installed")
    folder = Path(gensim.submodule_search_locations[0]) / "test" / "test_data"
    name = "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
    return str(folder / name)


def test_a_real_export_gives_its_articles_and_no_markup(real_export):
    table = table_of(real_export)
    reasons = Counter(table["reason"].to_pylist())
    assert reasons == {None: 106, "redirect": 99, "not_article": 1}
    texts = table["text"].drop_null().to_pylist()
    tokens = [one for text in texts for one in regex.findall(r"[\p{L}\p{N}]+", text.lower())]
    assert 440_000 < len(tokens) < 490_000
    junk = Counter(tokens)
    assert [one for one in ("px", "nbsp", "ref", "http", "br", "jpg") if junk[one]] == []
    assert junk["cite"] <= 5e-6 * len(tokens)
    assert junk["thumb"] <= 10e-6 * len(tokens)


def test_plain_text_is_offered_here():
    assert plain_text("'''[[Dog]]'''") == "Dog"
