"""Page views: three kinds of file, and which titles name something."""

import bz2
import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.wikipedia import pageviews
from pipeline.wikipedia.pageviews import displayed, named_views, read_views, views_of_lines
from queries.tables.schemas import TABLES
from tests import ROOT
from tests.tables import rows

HOURLY = (
    b"de Hund 9 0\nen Star_Trek:_Picard 2 0\nen.m Star_Trek:_Picard 3 0\nen.d Dog 7 0\n"
    b"en Special:Search 50 0\nen.zero Dog 1 0\nenm Dog 1 0\nen Dog 4 0\n"
)
MONTHLY = (
    b"de.wikipedia Hund 12 desktop 9 A9\n"
    b"en.wikipedia Dog 4269567 desktop 45 A20B25\n"
    b"en.wikipedia Dog 4269567 mobile-web 5 A5\n"
    b"en.wikipedia Cat null mobile-app 3 A1C2\n"
    b"en.wikibooks Dog 7 desktop 9 A9\n"
)


def part_of(tmp_path: Path, content: bytes, wiki: str = "en") -> list[dict]:
    file = tmp_path / "views"
    file.write_bytes(content)
    paths = pa.RecordBatch.from_pydict({"path": [str(file)]})
    batches = list(read_views(iter([paths]), wiki))
    return pa.Table.from_batches(batches, TABLES["title_view_part"].schema).to_pylist()


def views_in(tmp_path: Path, content: bytes, wiki: str = "en") -> list[tuple]:
    rows = part_of(tmp_path, content, wiki)
    return [(row["title"], row["views"]) for row in rows if row["reason"] is None]


def rows_in(tmp_path: Path, content: bytes) -> list[tuple]:
    rows = part_of(tmp_path, content)
    return [tuple(row.values())[:4] for row in rows if row["reason"] is None]


def dropped_in(tmp_path: Path, content: bytes, wiki: str = "en") -> dict[str, int]:
    rows = part_of(tmp_path, content, wiki)
    return {row["reason"]: row["n_lines"] for row in rows if row["reason"]}


def test_an_hourly_file_gives_desktop_and_mobile_views_of_one_wiki(tmp_path):
    expected = [("Dog", 4), ("Star Trek: Picard", 5)]
    assert views_in(tmp_path, gzip.compress(HOURLY, mtime=0)) == expected
    assert views_in(tmp_path, HOURLY) == expected
    assert views_in(tmp_path, HOURLY, wiki="de") == [("Hund", 9)]


def test_a_monthly_file_gives_views_of_all_access_types(tmp_path):
    assert views_in(tmp_path, bz2.compress(MONTHLY)) == [("Cat", 3), ("Dog", 50)]
    assert views_in(tmp_path, MONTHLY, wiki="de") == [("Hund", 9)]


def test_page_ids_and_mobile_views_are_kept_apart(tmp_path):
    assert rows_in(tmp_path, MONTHLY) == [(None, "Cat", 3, 3), (4269567, "Dog", 50, 5)]
    assert rows_in(tmp_path, HOURLY) == [(None, "Dog", 4, 0), (None, "Star Trek: Picard", 5, 3)]


def test_a_small_table_is_told_by_its_header(tmp_path):
    table = b"title\tviews\nNew York\t7\r\nMain Page\t99\nDog\t2\n"
    assert views_in(tmp_path, table) == [("Dog", 2), ("New York", 7)]


def test_malformed_lines_are_seen_and_break_nothing(tmp_path):
    lines = [
        b"en Dog 4 0",
        b"en",
        b"en Cat x 0",
        b"en a b c d e f",
        b"en Cow -1 0",
        b"en  1 0",
        b"en Bat " + b"9" * 40 + b" 0",
        b"en.m Dog 1 0",
    ]
    assert views_in(tmp_path, b"\n".join(lines)) == [("Dog", 5)]
    assert list(views_of_lines(iter(lines), "en")).count(None) == 6
    assert views_in(tmp_path, b"en Dog 4 0\nen Caf\xe9 4 0\n\0\xff\n") == [("Dog", 4)]


def test_every_line_is_counted_kept_or_by_its_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(pageviews, "FLUSH_TITLES", 2)
    reasons = {"bad_line": 1, "no_name": 1, "other_wiki": 4}
    content = HOURLY + b"en Cat x 0\n\n"
    assert dropped_in(tmp_path, content) == reasons
    kept = [row["n_lines"] for row in part_of(tmp_path, content) if row["reason"] is None]
    assert sum(kept) + sum(reasons.values()) == content.count(b"\n") - 1
    assert dropped_in(tmp_path, b"title\tviews\nDog\t7\nCat\nMain Page\t9\n") == {
        "bad_line": 1,
        "no_name": 1,
    }
    assert dropped_in(tmp_path, b"en Dog 4 0\nen Caf\xe9 4 0\n") == {"no_name": 1}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (HOURLY, "wiki 'fr'; found 8 other_wiki .* first line is 'de Hund 9 0'"),
        (MONTHLY, "found 5 other_wiki"),
        (
            b"fr Sp\xc3\xa9cial:Recherche 7 0\nfr A x 0\nde B 1 0\n",
            "1 bad_line .*, 1 no_name .*, 1 oth",
        ),
        (b"title\tviews\n", "found nothing"),
    ],
)
def test_a_file_without_a_view_is_refused_with_what_was_found(tmp_path, content, said):
    with pytest.raises(ValueError, match=said) as refused:
        views_in(tmp_path, content, wiki="fr")
    assert "\n" not in str(refused.value)
    assert str(tmp_path / "views") in str(refused.value)


def test_other_wikis_pages_that_name_nothing_are_left_out(tmp_path):
    """it-wiki-top25-weekly and wikimedia's most-read lists leave out the same by hand."""
    lines = {
        "de": ["Hund", "Wikipedia:Hauptseite", "Spezial:Suche", "Liste_der_Hunde", "-"],
        "ja": ["犬", "メインページ", "特別:検索", "Special:Search", "日本の城一覧"],
        "it": ["Cane", "Pagina_principale", "Speciale:Ricerca", "load.php", "Progetto:Cani"],
        "es": [
            "Perro",
            "Wikipedia:Portada",
            "Especial:Buscar",
            "Images/upload/bel.jpg",
            "undefined",
        ],
    }
    content = "".join(f"{wiki} {title} 3 0\n" for wiki, titles in lines.items() for title in titles)
    for wiki, (name, *_) in lines.items():
        assert views_in(tmp_path, content.encode(), wiki) == [(name, 3)]
        assert dropped_in(tmp_path, content.encode(), wiki) == {"no_name": 4, "other_wiki": 15}


def test_what_a_redirect_leads_to_is_judged_again():
    given = rows("title_view", *({"title": title} for title in ("Katze", "Liste der Katzen", "-")))
    (named,) = named_views(iter(given.to_batches()), "de")
    assert named["title"].to_pylist() == ["Katze"]


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path):
    assert views_in(tmp_path, b"\xef\xbb\xbftitle\tviews\r\nDog\t2\r\n") == [("Dog", 2)]
    assert views_in(tmp_path, b"\xef\xbb\xbfen Dog 2 0\n") == [("Dog", 2)]


def test_sums_beyond_64_bits_are_cut_and_break_nothing(tmp_path):
    line = b"en.m Dog 999999999999999 0\n"
    assert rows_in(tmp_path, line * 20_000) == [(None, "Dog", 1 << 50, 1 << 50)]


def test_a_line_without_an_end_comes_in_pieces(tmp_path):
    assert views_in(tmp_path, b"en Dog 4 0\nen " + b"x" * 1_000_000) == [("Dog", 4)]


def test_partial_sums_add_up(tmp_path, monkeypatch):
    monkeypatch.setattr(pageviews, "FLUSH_TITLES", 2)
    content = b"en A 1 0\nen B 1 0\nen A 2 0\n"
    assert views_in(tmp_path, content) == [("A", 1), ("B", 1), ("A", 2)]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"url\tcaption\nx\ty\n"])
def test_a_file_of_another_kind_is_refused_in_one_line(tmp_path, content):
    with pytest.raises(ValueError, match="expected page views") as refused:
        views_in(tmp_path, content)
    assert "\n" not in str(refused.value)


def test_a_damaged_stream_is_refused_and_not_taken_for_a_short_one(tmp_path):
    for whole in (gzip.compress(HOURLY, mtime=0), bz2.compress(MONTHLY)):
        with pytest.raises(ValueError, match="damaged stream"):
            views_in(tmp_path, whole[:-12])


@pytest.mark.parametrize(
    "title",
    [
        "Main_Page",
        "Special:Search",
        "File:A.jpg",
        "user_talk:X",
        "Talk:Dog",
        "List_of_cats",
        "Lists_of_dogs",
        "Index_of_law",
        "Outline_of_art",
        "Timeline_of_Rome",
        "-",
        "",
        "_",
    ],
)
def test_pages_that_name_nothing_are_dropped(title):
    assert displayed(title.encode()) is None


@pytest.mark.parametrize(
    "title", ["Star_Trek:_Picard", "Listeria", "Indexof", "Category_theory", "Talk_Talk", "C++"]
)
def test_names_that_look_like_other_pages_stay(title):
    assert displayed(title.encode()) == title.replace("_", " ")


def test_a_real_hourly_sample_is_read():
    file = ROOT.parent / "shared/data/pageviews-20240803-060000.sample.gz"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    paths = pa.RecordBatch.from_pydict({"path": [str(file)]})
    table = pa.Table.from_batches(read_views(iter([paths])))
    views = dict(zip(table["title"].to_pylist(), table["views"].to_pylist(), strict=True))
    views.pop(None)
    assert views["World record progression 50 metres freestyle"] == 330
    assert 300 < len(views) <= 395
