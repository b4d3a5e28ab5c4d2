"""What is no table, or not as its settings say: refused in one line whose cure works."""

import gzip
import io
import json
import re
import sqlite3
import tomllib
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import sources
from pipeline.sources.candidate import SourceError
from pipeline.sources.tables.proposal import propose
from tests.pipeline.sources.table_source import CAT, DOG, collected, seen, source_of, written

ROW = ("http://x.org/1.jpg", "a red kite in the sky")
CC3M = "".join(f"a red kite number {n}\thttp://x.org/{n}.jpg\n" for n in range(5))
CC12M = "".join(f"http://x.org/{n}.jpg\ta red kite number {n}\n" for n in range(5))


def refused(*paths, **settings) -> str:
    with pytest.raises(SourceError) as caught:
        sources.check([source_of(*paths, **settings)])
    (line,) = str(caught.value).splitlines()
    return line


def cure(line: str) -> dict:
    """The settings that a refusal asks for."""
    return tomllib.loads(re.search(r"(?:did you mean|by|like) (\w+ = .*?\]?)(?:\?| \(|$)", line)[1])


# --- the order of columns -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "wrong", "right"), [(CC12M, "cc3m", "cc12m"), (CC3M, "cc12m", "cc3m")]
)
def test_the_other_order_of_columns_is_cured_by_the_other_layout(tmp_path, text, wrong, right):
    path = written(tmp_path / "a.tsv", text)
    assert cure(refused(path, columns=wrong)) == {"columns": right}
    assert seen(path, columns=right)[0] == ("http://x.org/0.jpg", "a red kite number 0", None)


def test_a_third_order_is_cured_by_columns_with_a_header(tmp_path):
    lines = (f"{n}\ta red kite {n}\t\t\thttp://x.org/{n}.jpg\n" for n in range(5))
    path = written(tmp_path / "a.tsv", "".join(lines))
    line = refused(path, columns="cc3m")
    made = tomllib.loads(line.partition("did you mean ")[2].partition(" with ")[0])
    made |= tomllib.loads(line.partition(" with ")[2].rstrip("?"))
    assert seen(path, columns=made["columns"], header=tuple(made["header"]), delimiter="\t")[2] == (
        *("http://x.org/2.jpg", "a red kite 2", None),
    )


# --- Excel's first line, and two columns of one name ----------------------------------------------
@pytest.mark.parametrize(
    ("start", "mark"),
    [("sep=;\r\n", ";"), ('"sep=;"\n', ";"), ("SEP=|\r", "|"), ("\ufeffsep=\t\r\n", "\t")],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_first_line_that_states_the_delimiter_is_obeyed(tmp_path, start, mark, encoding):
    """pandas#47303, parsecsv-for-php#60: Excel reads it and others write it."""
    end = "\r" if start.endswith("\r") else "\n"
    text = start + end.join([f"url{mark}caption", mark.join(ROW), ""])
    path = written(tmp_path / "a.csv", text.encode(encoding))
    assert seen(path) == [(*ROW, None)]
    sources.check([source_of(path)])
    proposal = propose(str(path))
    assert (proposal.settings["delimiter"], len(proposal.rows)) == (mark, 1)


def test_a_caption_that_begins_so_is_a_row(tmp_path):
    path = written(tmp_path / "a.csv", "url,caption\nhttp://x.org/1.jpg,sep=;\n")
    assert seen(path) == [("http://x.org/1.jpg", "sep=;", None)]


def test_two_columns_of_one_name_are_told_apart_by_a_header(tmp_path):
    path = written(tmp_path / "a.csv", f"url,caption,caption\n{','.join(ROW)},b\n")
    header = cure(refused(path))["header"]
    assert header == ["url", "caption", "caption_2"]
    sources.check([source_of(path, header=tuple(header))])
    assert seen(path, header=tuple(header))[1] == (*ROW, None)
    assert propose(str(path)).settings["header"] == header


def test_two_columns_of_one_name_in_parquet_are_to_be_written_anew(tmp_path):
    arrays = [pa.array([text]) for text in (*ROW, "b")]
    table = pa.Table.from_arrays(arrays, ["url", "caption", "caption"])
    pq.write_table(table, tmp_path / "a.parquet")
    assert refused(tmp_path / "a.parquet").endswith("write them with names of their own: caption")


# --- charsets -------------------------------------------------------------------------------------
TEXTS = [
    *(("shift_jis", "赤い家の写真"), ("shift_jis", "東京タワー"), ("euc_jp", "赤い家の写真")),
    *(("euc_jp", "猫の写真"), ("mac_roman", "Hänsel und Gretel"), ("mac_roman", "l’été à Paris")),
    *(("cp437", "Größe und Klöße"), ("cp437", "crème brûlée"), ("cp850", "Ação e coração")),
    *(("iso2022_jp", "赤い家の写真"), ("iso2022_kr", "빨간 집"), ("hz", "红色的房子")),
    *(("euc_kr", "빨간 집 사진"), ("gb2312", "北京的秋天"), ("big5", "紅色的房子")),
    *(("koi8_r", "красный дом"), ("cp866", "красный дом"), ("iso8859_2", "Žluťoučký kůň")),
    *(("cp1250", "Łódź w śniegu"), ("cp1252", "Gemüsesuppe — „Klöße“"), ("cp1255", "בית אדום")),
]


@pytest.mark.parametrize(("encoding", "text"), TEXTS)
def test_a_small_file_is_refused_with_a_charset_in_which_it_is_read(tmp_path, encoding, text):
    lines = (f"http://x.org/{n}.jpg,{text} {n}\n" for n in range(3))
    path = written(tmp_path / "a.csv", "".join(["url,caption\n", *lines]).encode(encoding))
    made = cure(refused(path))
    assert [row["caption"] for row in collected(path, **made)] == [f"{text} {n}" for n in range(3)]
    assert propose(str(path)).settings["encoding"] == made["encoding"]


@pytest.mark.parametrize("text", ["~{a~} and {b}", "a ~ b", "\x1b[31mred\x1b[0m kite"])
def test_ascii_that_only_looks_like_an_escape_is_ascii(tmp_path, text):
    path = written(tmp_path / "a.csv", f"url,caption\nhttp://x.org/1.jpg,{text}\n")
    sources.check([source_of(path)])
    assert seen(path) == [("http://x.org/1.jpg", text, None)]


# --- what is no table -----------------------------------------------------------------------------
def workbook() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("[Content_Types].xml", "<Types/>")
        file.writestr("xl/workbook.xml", "<workbook/>")
    return out.getvalue()


def database(path) -> bytes:
    file = sqlite3.connect(path)
    file.execute("create table a(url, caption)")
    file.commit()
    file.close()
    return path.read_bytes()


GOOD = f"url,caption\n{','.join(ROW)}\n".encode()
STRANGE = {
    "excel.csv": (workbook(), "it is a workbook of Excel: save its sheet as CSV"),
    "old.csv": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), "it is a workbook of Excel"),
    "packed.csv": (gzip.compress(GOOD, mtime=0), "it is packed: name it packed.csv.gz"),
    "zip.csv.gz": (b"BZh91AY&SY" + bytes(9), "it is packed: name it zip.csv.bz2"),
    "plain.csv.gz": (GOOD, "it is not packed as .gz: name it without that ending"),
    "page.csv": (b"\n<!DOCTYPE html><html><p>Not found</p></html>", "it is a web page"),
    "page.parquet": (b"<html><p>Not found</p></html>", "it is a web page"),
    "pointer.parquet": (b"version https://git-lfs.github.com/spec/v1\noid a\n", "`git lfs pull`"),
    "feather.csv": (b"ARROW1\0\0" + bytes(64), "it is an Arrow file"),
    "notes.tsv": (b"%PDF-1.7\n%\xe2\xe3\n", "it is a PDF"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_no_table_is_named_by_its_first_bytes(tmp_path, name):
    content, expected = STRANGE[name]
    path = written(tmp_path / name, content)
    assert f"{name}: expected a " in refused(path)
    assert expected in refused(path)
    with pytest.raises(SourceError, match=re.escape(expected)):
        propose(str(path))


def test_a_database_and_a_parquet_file_are_named_too(tmp_path):
    path = written(tmp_path / "a.csv", database(tmp_path / "a.db"))
    assert refused(path).endswith("it is an SQLite database: write its table as CSV")
    pq.write_table(pa.table({"url": [ROW[0]], "caption": [ROW[1]]}), path)
    assert refused(path).endswith("it is a Parquet file: name it .parquet")


def test_an_unknown_ending_comes_with_what_the_file_is(tmp_path):
    path = written(tmp_path / "a.xlsx", workbook())
    assert refused(path).endswith("it is a workbook of Excel: save its sheet as CSV")


# --- tables without rows, and with pictures inside ------------------------------------------------
def test_a_table_of_a_header_alone_is_refused_but_not_among_others(tmp_path):
    path = written(tmp_path / "a.csv", "url,caption\n")
    assert refused(path).endswith("it has a header and no row")
    with pytest.raises(SourceError, match=r"a\.csv: it has no row"):
        propose(str(path))
    pq.write_table(
        pa.table({"url": pa.array([], "string"), "caption": pa.array([], "string")}),
        tmp_path / "b.parquet",
    )
    assert refused(tmp_path).endswith("it has a header and no row")
    written(tmp_path / "c.csv", GOOD)
    sources.check([source_of(tmp_path)])
    assert seen(tmp_path) == [(*ROW, None)]


def test_pictures_inside_of_a_table_are_named_and_are_no_text(tmp_path):
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": [{"bytes": png, "path": "a.png"}], "text": ["a kite"]}), path)
    assert "image.bytes may hold pictures themselves, which are not read from a table" in refused(
        path
    )
    pq.write_table(
        pa.table({"url": [ROW[0]], "jpg": [png], "caption": [ROW[1]], "id": [b"7"]}), path
    )
    (row,) = collected(path, extra="all")
    assert (row["reason"], row["extra"]) == (None, '{"id": "7"}')


def test_a_header_that_names_a_column_null_is_refused(tmp_path):
    """Made up by tests.fuzz: `\\N` is the null of `mysqldump --tab`."""
    path = written(tmp_path / "a.tsv", b"caption\t\\N\nb\t\\N\n")
    assert "no column 'url'; it has: caption, " in refused(path, escapes=True, quotes=False)


BOATS = [{"url": CAT, "caption": "a red cat"}, {"url": DOG, "caption": "a big dog"}] * 3
BY_NUMBER = {str(number): row for number, row in enumerate(BOATS)}
BY_COLUMN = {name: {key: row[name] for key, row in BY_NUMBER.items()} for name in BOATS[0]}
LISTS = [list(row.values()) for row in BOATS]


@pytest.mark.parametrize(
    ("value", "cure"),
    [
        (BY_COLUMN, "records"),
        ({name: values | {"7": CAT} for name, values in BY_COLUMN.items()}, "records"),
        (BY_NUMBER, "records"),
        ({"columns": ["url", "caption"], "index": [*range(6)], "data": LISTS}, "records"),
        (LISTS, "records"),
        ({name: {str(i): CAT for i in range(60_000)} for name in BOATS[0]}, "records"),
        ({"result": {"items": BOATS}}, "'result.items'"),
        ({"pictures": {"cat": BOATS[0], "dog": BOATS[1]}}, "'pictures'"),
    ],
)
def test_rows_within_one_json_value_are_refused_and_no_setting_is_proposed(tmp_path, value, cure):
    path = written(tmp_path / "a.json", json.dumps(value))
    with pytest.raises(SourceError) as error:
        propose(str(path))
    for said in (str(error.value), refused(path)):
        assert cure in said
        assert "did you mean" not in said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\n".join(json.dumps(row, indent=2) for row in BOATS), "got '{': name it .json"),
        ("[\n" + ",\n".join(map(json.dumps, BOATS)) + "\n]", ",': name it .json"),
        (json.dumps(BOATS), "name it .json"),
        (",\n".join(map(json.dumps, BOATS)), "take out the commas between the lines"),
        ("url: a\n", "expected an object in each line, got 'url: a'"),
    ],
)
def test_lines_that_are_no_objects_are_named_with_the_cure(tmp_path, text, told):
    path = written(tmp_path / "a.jsonl", text)
    with pytest.raises(SourceError) as error:
        propose(str(path))
    assert told in str(error.value)
    assert told in refused(path)
    if "name it .json" in told:
        assert propose(str(written(tmp_path / "a.json", text))).columns["url"] == "url"


def test_a_caption_with_commas_and_no_quotes_is_named(tmp_path):
    path = written(tmp_path / "a.csv", "url,caption\n" + f"{CAT},a cat, red, asleep\n" * 2)
    assert refused(path).endswith(
        "expected 2 fields in a line, with a text that has ',' in quotes; the first row has 4: "
        f"'{CAT},a cat, red, asleep'"
    )
