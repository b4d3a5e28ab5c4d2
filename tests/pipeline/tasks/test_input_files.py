"""What became of the rows of each input file: parts in, rows out; and a build that is refused."""

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.tasks.input_files import input_files, refuse_empty
from queries.tables.manifest import find
from queries.tables.parts import Part, write_part
from queries.tables.schemas import TABLES
from tests.small_build import PAGE, Small, table
from tests.tables import rows


def part(place: Path, of: str, *given: dict) -> Part:
    return write_part(place, TABLES[of], rows(of, *given).to_batches())


def pages(place: Path, *reasons: str | None) -> Part:
    return part(place, "article", *({"reason": reason} for reason in reasons))


def tuples(found: pa.Table) -> list[tuple]:
    return [tuple(row.values()) for row in found.to_pylist()]


def test_five_rows_of_two_files_are_counted_by_file_and_reason(tmp_path):
    first = pages(tmp_path / "1.parquet", None, "redirect")
    second = pages(tmp_path / "2.parquet", None, "not_article", None)
    read = [("/data/de/dump.xml", first), ("/data/fr/dump.xml", second)]
    assert tuples(input_files("articles", read)) == [
        ("articles", 0, "dump.xml", None, 1),
        ("articles", 0, "dump.xml", "redirect", 1),
        ("articles", 1, "dump.xml", None, 2),
        ("articles", 1, "dump.xml", "not_article", 1),
    ]


def test_the_pieces_of_a_file_are_counted_together(tmp_path):
    pieces = [pages(tmp_path / f"{n}.parquet", *of) for n, of in enumerate([["redirect"], [None]])]
    read = [("a.xml", piece) for piece in pieces]
    assert [row[2:] for row in tuples(input_files("articles", read))] == [
        ("a.xml", None, 1),
        ("a.xml", "redirect", 1),
    ]


def test_lines_of_views_count_and_not_the_titles_that_they_sum_to(tmp_path):
    given = [
        {"title": "Dog", "views": 9, "n_lines": 3},
        {"title": "Cat", "views": 1, "n_lines": 1},
        {"n_lines": 70, "reason": "other_wiki"},
    ]
    read = [("a.gz", part(tmp_path / "1.parquet", "title_view_part", *given))]
    assert tuples(input_files("views", read, "n_lines")) == [
        ("views", 0, "a.gz", None, 4),
        ("views", 0, "a.gz", "other_wiki", 70),
    ]


def test_a_file_of_articles_without_one_is_refused_with_what_it_holds(tmp_path):
    good = pages(tmp_path / "1.parquet", None)
    redirects = pages(tmp_path / "2.parquet", *["redirect"] * 2)
    talk = pages(tmp_path / "3.parquet", *["not_article"] * 12)
    refuse_empty([("a.xml", redirects), ("a.xml", good), ("b.xml", good)])
    with pytest.raises(
        ValueError,
        match=r"^b\.xml: expected articles of Wikipedia; found only 12 not_article \(page "
        r"outside namespace 0\), 2 redirect",
    ):
        refuse_empty([("a.xml", good), ("b.xml", redirects), ("b.xml", talk)])
    with pytest.raises(ValueError, match=r"^c\.xml: .* found no page"):
        refuse_empty([("c.xml", pages(tmp_path / "4.parquet"))])


@pytest.mark.slow
def test_a_build_publishes_the_reasons_and_ends_at_an_input_that_gives_nothing(tmp_path):
    small = Small(tmp_path / "inputs", "http://127.0.0.1:9")
    tables = {
        "page": ("page_id, page_namespace, page_title", "(1,0,'Yellow'),\n(2,0,'Kite_(toy)')"),
        "redirect": ("rd_from, rd_namespace, rd_title", "(2,0,'List_of_kites')"),
    }
    for name, (columns, values) in tables.items():
        dump = f"INSERT INTO {name} ({columns}) VALUES\n{values};\n"
        (tmp_path / "inputs" / f"{name}.sql").write_text(dump)
    settings = small.settings()
    sql = 'page_table = "page.sql"\nredirect_table = "redirect.sql"\nword_min'
    settings.write_text(settings.read_text().replace("word_min", sql, 1))
    made = small.luigi(tmp_path / "lists", settings, task="BuildQueries")
    assert made.returncode == 0, made.stderr
    published = table(find(tmp_path / "lists" / "queries"), "input_file")
    assert tuples(published) == [
        ("en", "articles", 0, "dump.xml", None, 1),
        ("en", "articles", 0, "dump.xml", "not_article", 1),
        ("en", "articles", 0, "dump.xml", "redirect", 1),
        ("en", "views", 0, "views.tsv", None, 3),
        ("en", "wordnet", 0, "dict", None, 1),
    ]
    queries = table(find(tmp_path / "lists" / "queries"), "query").to_pylist()
    assert [row["text"] for row in queries if row["title_views"] is not None] == ["yellow"]
    (tmp_path / "inputs" / "talk.xml").write_text(
        f"<mediawiki>{PAGE.format(title='T', ns=1, number=1, redirect='', text='t')}</mediawiki>"
    )
    settings.write_text(settings.read_text().replace('"dump.xml"', '"dump.xml", "talk.xml"'))
    ended = small.luigi(tmp_path / "lists", settings, task="BuildQueries")
    assert ended.returncode != 0
    assert f"{tmp_path}/inputs/talk.xml: expected articles of Wikipedia; found only 1 not_" in (
        ended.stdout + ended.stderr
    )
    assert "Traceback" not in ended.stdout + ended.stderr
