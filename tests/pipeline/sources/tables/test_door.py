"""A table that does not fit its layout is refused in one line: file, first row, what to set."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import sources
from pipeline.sources import SourceError
from tests.pipeline.sources.table_source import CAT, DOG, reasons, source_of, written

OWN = {"url": "link", "caption": "title"}


def refused(*paths, **settings) -> str:
    with pytest.raises(SourceError) as error:
        sources.check([source_of(*paths, **settings)])
    said = str(error.value)
    assert said.isprintable()
    assert str(paths[0]) in said
    return said


def test_addresses_and_captions_in_each_others_columns_are_told(tmp_path):
    path = written(tmp_path / "a.csv", f"link,title\na red house,{CAT}\na dog,{DOG}\n")
    assert refused(path, columns=OWN).endswith(
        "no http address in column 'link' of its first 2 rows; the first row: link = "
        "'a red house', "
        f'title = \'{CAT}\'; did you mean columns = {{ url = "title", caption = "link" }}?'
    )


@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet"])
def test_every_kind_of_file_is_tried(tmp_path, ending):
    row = {"url": "cat.jpg", "caption": "a cat", "img": {"src": CAT}}
    path = tmp_path / f"a.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist([row]), path)
    else:
        written(path, json.dumps(row))
    said = refused(path)
    assert "no http address in column 'url' of its only row" in said
    assert 'did you mean columns = { url = "img.src", caption = "caption" }?' in said


def test_a_table_without_addresses_is_told_that_it_has_none(tmp_path):
    path = written(tmp_path / "a.csv", "url,caption\n000/1.jpg,a cat\n")
    assert refused(path).endswith("caption = 'a cat'; no column has http addresses")


def test_one_address_among_the_first_thousand_rows_is_enough(tmp_path):
    rows = ["cat.jpg,a cat"] * 999
    path = written(tmp_path / "a.csv", "\n".join(["url,caption", *rows, f"{CAT},a cat"]))
    sources.check([source_of(path)])
    written(path, "\n".join(["url,caption", *rows, "dog.jpg,a dog", f"{CAT},a cat"]))
    assert "of its first 1,000 rows" in refused(path)


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        (f"link;title\n{CAT};ein Haus; rot\n{CAT};a dog\n", 'delimiter = ";"'),
        (f"link\ttitle\n{CAT}\ta cat\n", r'delimiter = "\t"'),
        (f"link|title\n{CAT}|a cat, a dog\n", 'delimiter = "|"'),
    ],
)
def test_another_delimiter_is_told(tmp_path, text, cure):
    path = written(tmp_path / "a.csv", text)
    said = refused(path, columns=OWN)
    assert "no column 'link'" in said
    assert said.endswith(f"; it reads better with {cure}")


def test_a_first_line_that_is_a_row_is_told(tmp_path):
    path = written(tmp_path / "a.csv", f"{CAT},a cat\n{DOG},a dog\n")
    assert refused(path).endswith("its first line is a row: expected `header` to name the columns")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("windows-1252", "Gemüsesuppe mit Klößen"),
        ("windows-1251", "Красный коршун над лесом и рекой — осенний вечер в горах"),
        ("utf-16-le", "a red kite"),
    ],
)
def test_another_charset_is_told_and_then_read(tmp_path, encoding, text):
    path = written(tmp_path / "a.csv", f"url,caption\n{CAT},{text}\n".encode(encoding))
    said = refused(path)
    if encoding != "utf-16-le":  # whose column names cannot be read either
        assert f'it looks like encoding = "{encoding}"' in said
    sources.check([source_of(path, encoding=encoding)])


@pytest.mark.parametrize(
    ("columns", "fields", "expected"),
    [
        ("yfcc", 7, "expected 25 or 23 fields in a line"),
        ("cc3m", 3, "expected 5 or 2 fields in a line"),
        ("cc12m", 1, "expected 2 fields in a line"),
    ],
)
def test_lines_that_are_never_as_wide_as_the_layout_are_refused(
    tmp_path, columns, fields, expected
):
    line = "\t".join(["a cat", CAT, *"abcdefgh"][:fields])
    path = written(tmp_path / "a.tsv", f"{line}\n" * 3)
    said = refused(path, columns=columns)
    assert f"{expected}, separated by '\\t'; the first line has {fields}: 'a cat" in said


def test_lists_as_captions_pass_and_objects_do_not(tmp_path):
    good = {"url": CAT, "caption": ["a cat", "it sleeps"]}
    sources.check([source_of(written(tmp_path / "a.jsonl", json.dumps(good)))])
    path = written(tmp_path / "b.jsonl", json.dumps({"url": CAT, "caption": {"en": "a cat"}}))
    said = refused(path)
    assert "no text that can be read in column 'caption' of its only row" in said
    assert 'caption = "caption.en"' in said


def test_a_file_that_breaks_off_is_tried_as_far_as_it_goes(tmp_path):
    rows = (f"http://x.org/{hash((n, CAT)) & 0xFFFFFFFF},a cat" for n in range(20_000))
    whole = "\n".join(["url,caption", *rows]).encode()
    with pa.output_stream(str(tmp_path / "a.csv.gz"), compression="gzip") as out:
        out.write(whole)
    path = tmp_path / "a.csv.gz"
    path.write_bytes(path.read_bytes()[:-1000])
    sources.check([source_of(path)])
    assert "bad_stream" in reasons(path)


def test_of_many_parquet_files_only_some_are_tried(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.sources.tables.files.MOST_TRIED", 2)
    for number in range(5):
        table = pa.table({"url": [CAT if number in (0, 3) else "x"], "caption": ["a cat"]})
        pq.write_table(table, tmp_path / f"{number}.parquet")
    sources.check([source_of(tmp_path)])
