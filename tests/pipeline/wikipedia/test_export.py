"""The export reader: which pages become rows, and what a damaged or hostile file does."""

import bz2
import importlib.util
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
import regex

from pipeline import wikipedia
from pipeline.wikipedia import plain_text, read_articles, read_pages
from queries.tables.schemas import TABLES


def page(title="Dog", text="A '''dog'''.", ns="0", number="7", extra=""):
    return (
        f"<page><title>{title}</title><ns>{ns}</ns><id>{number}</id>{extra}<revision><id>99</id>"
        f"<contributor><id>5</id></contributor><text>{text}</text></revision></page>\n"
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
    assert rows_of(tmp_path, whole.replace(b"Dog 30<", b"Dog 30<<")) == [*expected[:30], damage]


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
def test_a_doctype_ends_the_file_before_it_declares_anything(tmp_path, prologue):
    content = prologue.encode() + export(page(text="&a;&b;&x;"))
    assert rows_of(tmp_path, content) == [(None, None, None, "bad_stream")]


def test_an_undeclared_entity_and_endless_nesting_end_the_file(tmp_path):
    for text in ("&nbsp;", "<a>" * 10_000):
        assert rows_of(tmp_path, export(page(), page(text=text)))[-1][3] == "bad_stream"


def test_a_tag_without_an_end_is_not_kept_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(wikipedia.export, "MAX_TOKEN_BYTES", 3 << 20)
    content = export(page())[: -len("</mediawiki>")] + b'<page a="' + b"x" * (6 << 20)
    assert [row[3] for row in rows_of(tmp_path, content)] == [None, "bad_stream"]


def test_a_page_longer_than_any_of_wikipedia_is_bad(tmp_path, monkeypatch):
    monkeypatch.setattr(wikipedia.export, "MAX_TEXT", 100)
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
