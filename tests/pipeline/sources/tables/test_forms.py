"""The forms in which tables come: five of JSON, lists, paths, folders, charsets, escapes."""

import bz2
import gzip
import io
import json
import lzma
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from pipeline import sources
from pipeline.settings.sources import TablesSource
from pipeline.sources import SourceError
from pipeline.sources.tables import json_files
from pipeline.sources.tables.rows import MOST_CAPTIONS
from tests.pipeline.sources.table_source import (
    CAT,
    DOG,
    collected,
    reasons,
    seen,
    source_of,
    written,
)

PAIRS = [(CAT, "a cat", None), (DOG, "a dog", None)]
ROWS = [{"url": CAT, "caption": "a cat"}, {"url": DOG, "caption": "a dog"}]


# --- JSON -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2),
        "\n".join(map(json.dumps, ROWS)),
        "\ufeff" + "\r\n\r\n".join(map(json.dumps, ROWS)),
        "\n".join(json.dumps(row, indent=2) for row in ROWS),  # as jq writes them
        json.dumps({"info": {"year": 2017}, "license": "CC0", "data": ROWS}),
        json.dumps({"url": [CAT, DOG], "n": 2, "caption": ["a cat", "a dog"]}),
        json.dumps({"tags": [[], [1]], "caption": ["a cat", "a dog"], "url": [CAT, DOG]}, indent=1),
    ],
)
def test_the_content_of_a_json_file_tells_its_form(tmp_path, text):
    path = written(tmp_path / "a.json", text)
    sources.check([source_of(path)])
    assert seen(path) == PAIRS


def test_one_object_is_one_row(tmp_path):
    assert seen(written(tmp_path / "a.json", json.dumps(ROWS[0]))) == PAIRS[:1]
    assert seen(written(tmp_path / "b.json", json.dumps(ROWS[0], indent=1))) == PAIRS[:1]


def test_a_damaged_line_of_json_lines_called_json_costs_its_row_alone(tmp_path):
    lines = [json.dumps(ROWS[0]), '{"url": ', "[1]", json.dumps(ROWS[1])]
    path = written(tmp_path / "a.json", "\n".join(lines))
    assert reasons(path) == [None, "row_invalid", "row_invalid", None]
    written(path, "\n".join(lines[1:]))
    assert reasons(path) == ["row_invalid", "row_invalid", None]


def test_sbu_has_a_list_for_each_column(tmp_path):
    whole = {"image_urls": [CAT, DOG], "user_ids": ["7@N0", "8@N0"], "captions": ["a cat", "a dog"]}
    path = written(tmp_path / "sbu-captions-all.json", json.dumps(whole))
    for columns in ("sbu", {"url": "image_urls", "caption": "captions"}):
        sources.check([source_of(path, columns=columns)])
        assert seen(path, columns=columns) == PAIRS
    (row, _) = collected(path, columns="sbu")
    assert json.loads(row["extra"]) == {"user_ids": "7@N0"}


def test_a_list_that_is_shorter_or_breaks_off_loses_no_row_of_the_others(tmp_path):
    text = json.dumps({"url": [CAT, DOG], "caption": ["a cat"]})
    path = written(tmp_path / "a.json", text)
    assert seen(path) == [PAIRS[0], (DOG, "", "caption_missing")]
    written(path, text[:-3])
    assert reasons(path) == ["bad_stream"]
    written(path, json.dumps({"url": [CAT], **{f"c{n}": [1] for n in range(40)}}))
    assert reasons(path, extra="all") == ["bad_stream"]  # each list is a pass over the file


def test_the_lists_of_a_file_are_read_like_a_whole_one(tmp_path, monkeypatch):
    monkeypatch.setattr(json_files, "LONGEST_LINE", 50)  # so that the head is only a part
    whole = {"url": [CAT, DOG] * 300, "caption": ["a cat", ["a", "dog"]] * 300, "n": [None] * 600}
    path = written(tmp_path / "a.json", json.dumps(whole))
    expected = [
        (url, caption)
        for url, texts in zip(whole["url"], whole["caption"], strict=True)
        for caption in (texts if isinstance(texts, list) else [texts])
    ]
    assert [row[:2] for row in seen(path)] == expected


# --- lists and paths ------------------------------------------------------------------------------
NESTED = {
    "image": {"url": CAT, "bytes": "\0" * 1000, "size": {"w": 640}},
    "sentences": [{"raw": "a cat"}, {"raw": "  "}, {"raw": "it sleeps"}],
}


@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet"])
def test_a_path_leads_into_objects_and_a_list_is_a_pair_for_each(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist([NESTED, {"image": None, "sentences": None}]), path)
    else:
        written(path, json.dumps([NESTED, {}]) if ending == "json" else json.dumps(NESTED) + "\n{}")
    columns = {"url": "image.url", "caption": "sentences.raw"}
    sources.check([source_of(path, columns=columns, extra=("image.size.w",))])
    found = collected(path, columns=columns, extra=("image.size.w",))
    assert [(row["url"], row["caption"], row["reason"]) for row in found] == [
        (CAT, "a cat", None),
        (CAT, "it sleeps", None),
        ("", "", "url_missing"),
    ]
    assert json.loads(found[0]["extra"]) == {"image.size.w": 640}


def test_a_column_whose_own_name_has_a_dot_comes_before_a_path(tmp_path):
    row = {"image.url": CAT, "image": {"url": DOG}, "caption": "a cat"}
    columns = {"url": "image.url"}
    assert seen(written(tmp_path / "a.jsonl", json.dumps(row)), columns=columns) == PAIRS[:1]
    path = written(tmp_path / "a.csv", f"image.url,caption\n{CAT},a cat\n")
    assert seen(path, columns=columns) == PAIRS[:1]


def test_of_a_struct_only_the_wanted_part_is_read(tmp_path):
    pictures = pa.array(
        [{"url": CAT, "bytes": b"\xff" * 200_000_000}],
        pa.struct({"url": pa.string(), "bytes": pa.binary()}),
    )
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": pictures, "caption": ["a cat"]}), path, compression="none")
    assert seen(path, columns={"url": "image.url"}) == PAIRS[:1]  # the whole would be a bomb


def test_texts_that_are_no_utf8_are_a_reason_inside_of_structs_and_lists_too(tmp_path):
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    )
    lists = pa.ListArray.from_arrays([0, 1], broken)
    table = {"url": [CAT], "a": lists, "b": pa.StructArray.from_arrays([broken], ["text"])}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    for caption in ("a", "b.text"):
        assert reasons(tmp_path / "a.parquet", columns={"caption": caption}) == ["caption_invalid"]


def test_more_captions_than_a_row_may_have_are_a_reason(tmp_path):
    row = {"url": CAT, "caption": ["a cat"] * (MOST_CAPTIONS + 5)}
    found = reasons(written(tmp_path / "a.jsonl", json.dumps(row)))
    assert found == [None] * MOST_CAPTIONS + ["row_invalid"]
    row |= {f"c{n}": "x" * 9_000 for n in range(50)}
    path = written(tmp_path / "b.jsonl", json.dumps(row))
    assert reasons(path, extra="all") == [None] * 10 + ["row_invalid"]  # each comes with them all
    assert len(reasons(path, extra=("c1",))) == (1 << 22) // 9_009 + 1


def test_laion_coco_gives_the_text_of_the_page_and_every_made_caption(tmp_path):
    table = pa.table(
        {
            "URL": [CAT],
            "TEXT": ["IMG &amp; cat"],
            "top_caption": ["b"],
            "all_captions": [["a", "b"]],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    sources.check([source_of(tmp_path, columns="laion_coco")])
    found = collected(tmp_path, columns="laion_coco")
    assert [row["caption"] for row in found] == ["IMG & cat", "a", "b"]
    assert json.loads(found[1]["extra"]) == {"caption_column": "all_captions", "top_caption": "b"}


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ("relaion", ("url", "caption")),
        ("laion", ("url", "caption")),  # Re-LAION under the older name
        ("coyo", ("url", "text")),
        ("relaion", ("URL", "TEXT")),
    ],
)
def test_releases_of_laion_and_coyo_are_read(tmp_path, columns, names):
    url, caption = names
    table = pa.table({url: [CAT], caption: ["a &quot;cat&quot;"], "width": [640]})
    pq.write_table(table, tmp_path / "a.parquet")
    sources.check([source_of(tmp_path, columns=columns)])
    assert seen(tmp_path, columns=columns) == [(CAT, 'a "cat"', None)]


# --- folders --------------------------------------------------------------------------------------
def csv(text: str) -> str:
    return f"url,caption\n{CAT},{text}\n"


def test_a_folder_stands_for_its_subfolders_and_hidden_names_are_left_out(tmp_path):
    wanted = ["a.csv", "b/c.csv", "b/d/e.CSV.GZ", "lang=de/f.csv"]
    aside = [".g.csv", "._a.csv", ".git/h.csv", "b/.ipynb_checkpoints/c.csv", "__MACOSX/._a.csv"]
    aside += ["_delta_log/0.csv", "@eaDir/a.csv", "_temporary/0/part.csv"]
    for name in (*wanted, *aside):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        text = csv(name).encode()
        written(tmp_path / name, gzip.compress(text, mtime=0) if name.endswith("GZ") else text)
    (tmp_path / "b" / "again").symlink_to(tmp_path)  # without end, were it followed
    sources.check([source_of(tmp_path)])
    assert [row[1] for row in seen(tmp_path)] == wanted
    parts = sources.parts(source_of(tmp_path), sources.Planning(str))
    assert [part.name for part in parts] == [f"mine/{name}" for name in wanted]


@pytest.mark.parametrize(
    ("base", "name", "is_read"),
    [
        ("data", "._file-000.parquet", False),  # huggingface/lerobot pull request 2568
        ("data", "partition=1/.part-00000.c000.snappy.parquet", False),  # duckdb/duckdb issue 15916
        ("data", ".spark-staging/a.parquet", False),  # apache/arrow pull request 6821
        ("data", "_year=2020/a.parquet", True),  # apache/arrow issue 42160
        ("_data/_split", "year=2020/a.parquet", True),  # apache/arrow issue 7857
        (".cache/hub", "snapshots/0/a.parquet", True),  # where Hugging Face's hub puts files
    ],
)
def test_names_that_other_readers_took_for_hidden_or_for_tables(tmp_path, base, name, is_read):
    path = tmp_path / base / name
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"url": [CAT], "caption": ["a cat"]}), path)
    source = source_of(tmp_path / base)
    if is_read:
        sources.check([source])
        assert seen(tmp_path / base) == PAIRS[:1]
    else:
        with pytest.raises(SourceError, match="no table in there"):
            sources.check([source])


def test_folders_that_name_a_value_are_columns(tmp_path):
    for place in ("license=CC0/lang=pt%2Dbr", "license=__HIVE_DEFAULT_PARTITION__/lang=de"):
        (tmp_path / place).mkdir(parents=True)
        written(tmp_path / place / "a.csv", csv("a cat"))
    settings = {"columns": {"license": "license"}, "extra": ("lang",)}
    sources.check([source_of(tmp_path, **settings)])
    first, second = collected(tmp_path, **settings)
    assert (first["license"], json.loads(first["extra"])) == ("CC0", {"lang": "pt-br"})
    assert (second["license"], json.loads(second["extra"])) == (None, {"lang": "de"})
    (every, _) = collected(tmp_path, extra="all")
    assert json.loads(every["extra"]) == {"lang": "pt-br", "license": "CC0"}
    one, two = sources.parts(source_of(tmp_path, **settings), sources.Planning(lambda _: "same"))
    assert one.identity != two.identity


def test_a_folder_of_a_store_is_read_as_one_of_this_machine(tmp_path):
    for name in ("a.csv", "lang=de/b.csv", ".hidden/c.csv", "_d/e.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        written(tmp_path / name, csv(name))
    for address in (f"file://{tmp_path}", f"file://{tmp_path}/**/*.csv"):
        assert {row[1] for row in seen(address)} >= {"lang=de/b.csv"}
        assert not {".hidden/c.csv", "_d/e.csv"} & {row[1] for row in seen(address)}
    (*_, last) = collected(f"file://{tmp_path}", extra=("lang",))
    assert json.loads(last["extra"]) == {"lang": "de"}


def zipped(data: bytes, *names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as members:
        for name in names or ("inner.json",):
            members.writestr(name, data)
    return file.getvalue()


# As visualgenome.org gives them out: region_descriptions.json.zip, image_data.json.zip.
@pytest.mark.parametrize(
    "pack", [None, (".gz", gzip.compress), (".bz2", bz2.compress), (".zip", zipped)]
)
@pytest.mark.parametrize("key", ["image_id", "id"])
def test_visual_genome_is_read_in_both_versions_and_its_pictures_under_any_packing(
    tmp_path, pack, key
):
    region = {"phrase": "a cat", "x": 1, "width": 9}
    region |= {"region_id": 4, "image_id": 5} if key == "image_id" else {"id": 4, "image": 5}
    regions = [{key: 5, "regions": [region, {"region_id": 6, "phrase": "of the outer one"}]}]
    ending, packed = pack or ("", bytes)
    text = json.dumps(regions).encode()
    written(tmp_path / f"region_descriptions.json{ending}", packed(text))
    pictures = json.dumps([{key: "5", "url": CAT, "width": 800, "coco_id": None}]).encode()
    written(tmp_path / f"image_data.json{ending}", packed(pictures))
    sources.check([source_of(tmp_path, columns="visual_genome")])
    found = collected(tmp_path, columns="visual_genome")
    assert [(row["url"], row["caption"]) for row in found] == [
        (CAT, "a cat"),
        (CAT, "of the outer one"),
    ]
    extra = json.loads(found[0]["extra"])
    assert (extra["region_id"], extra["image_id"], extra["width"]) == (4, 5, 9)


# --- packed files ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("ending", "pack"),
    [("zip", zipped), ("xz", lzma.compress), ("gz", gzip.compress), ("bz2", bz2.compress)],
)
@pytest.mark.parametrize("name", ["a.csv", "A.CSV", "a.jsonl", "a.json"])
def test_a_packed_table_is_read_as_it_is_unpacked(tmp_path, ending, pack, name):
    rows = [f"url,caption\n{CAT},a cat\n", json.dumps(ROWS[0])]
    data = rows[name.lower().endswith(("json", "jsonl"))].encode()
    path = written(tmp_path / f"{name}.{ending}", pack(data))
    sources.check([source_of(path)])
    assert seen(path) == PAIRS[:1]


def test_a_zip_is_of_one_file_and_those_that_an_archiver_adds(tmp_path):
    data = f"url,caption\n{CAT},a cat\n".encode()
    path = written(tmp_path / "a.csv.zip", zipped(data, "in/a.csv", "__MACOSX/in/._a.csv", "in/"))
    assert seen(path) == PAIRS[:1]
    written(path, zipped(data, "a.csv", "b.csv"))
    with pytest.raises(SourceError, match="expected a zip of one file, got 2: unpack it"):
        sources.check([source_of(path)])


def test_a_zip_that_is_damaged_or_unpacks_to_too_much_is_a_reason(tmp_path):
    whole = zipped(f"url,caption\n{CAT},a cat\n".encode() + b"x,y\n" * 10_000, "a.csv")
    path = written(tmp_path / "a.csv.zip", whole[:-5])
    assert reasons(path) == ["bad_stream"]
    place = len(whole) // 2
    written(path, whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
    assert reasons(path)[-1] == "bad_stream"
    locked = bytearray(whole)
    locked[6] |= 1  # of the file's head, and of the list's: encrypted
    locked[whole.index(b"PK\1\2") + 8] |= 1
    written(path, bytes(locked))
    assert reasons(path) == ["bad_stream"]
    written(path, zipped(b"url,caption\n" + b"0" * 50_000_000, "a.csv"))
    assert reasons(path) == ["file_bomb"]
    written(path.with_suffix(".xz"), lzma.compress(b"url,caption\n" + b"0" * 50_000_000))
    assert reasons(path.with_suffix(".xz")) == ["file_bomb"]


# --- how lines are written ------------------------------------------------------------------------
def test_a_delimiter_is_any_character_and_names_the_kind_of_an_unknown_file(tmp_path):
    for name in ("a.csv", "a.tsv", "a.txt", "dump"):
        path = written(tmp_path / name, f'url;caption\n{CAT};"a cat"\n')
        sources.check([source_of(path, delimiter=";")])
        assert seen(path, delimiter=";") == PAIRS[:1]
    written(tmp_path / "b.tab", f"url\tcaption\n{DOG}\ta dog\n")
    assert seen(tmp_path / "b.tab") == PAIRS[1:]


@pytest.mark.parametrize("delimiter", [";;", '"', "\n", "\\"])
def test_what_is_no_delimiter_is_refused(delimiter):
    with pytest.raises(ValidationError, match="one character"):
        TablesSource(kind="tables", name="a", paths=("s3://b/a.csv",), delimiter=delimiter)


def test_backslashes_are_escapes_where_the_settings_say_so(tmp_path):
    text = f'url,caption\n{CAT},"a \\"red\\" cat, 1\\\\2"\n{DOG},a \\, dog\n'
    path = written(tmp_path / "a.csv", text)
    assert seen(path, escapes=True) == [
        (CAT, 'a "red" cat, 1\\2', None),
        (DOG, "a , dog", None),
    ]
    assert "row_invalid" in reasons(path)


def test_mysql_and_postgres_dumps_are_read(tmp_path):
    text = f"url\tcaption\tlicense\n{CAT}\ta\\tred\\\ncat \\\\o/ \\'x\\'\t\\N\n{DOG}\ta dog\tCC0\n"
    path = written(tmp_path / "a.tsv", text)
    found = collected(path, quotes=False, escapes=True, columns={"license": "license"})
    assert [(row["caption"], row["license"]) for row in found] == [
        ("a\tred\ncat \\o/ 'x'", None),
        ("a dog", "CC0"),
    ]


def test_a_backslash_at_the_end_of_a_file_ends_in_a_row(tmp_path):
    path = written(tmp_path / "a.tsv", f"url\tcaption\n{CAT}\ta cat\\")
    assert seen(path, quotes=False, escapes=True) == [(CAT, "a cat\\", None)]
    path = written(tmp_path / "b.tsv", f"url\tcaption\n{CAT}\ta cat\\\n")
    assert seen(path, quotes=False, escapes=True) == [(CAT, "a cat\n", None)]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "json"])
@pytest.mark.parametrize(
    ("encoding", "written_in"),
    [
        ("windows-1252", "cp1252"),
        ("Latin-1", "cp1252"),
        ("cp437", "cp437"),
        ("utf-16-be", "utf-16-be"),
        ("", "utf-16"),
        ("", "utf-32"),
        ("windows-1252", "utf-8-sig"),  # a byte order mark comes first
    ],
)
def test_a_table_is_read_in_its_charset(tmp_path, ending, encoding, written_in):
    row = {"url": CAT, "caption": "Klöße"}
    text = json.dumps([row], ensure_ascii=False)
    text = {"csv": f"url,caption\n{CAT},Klöße\n", "json": text}.get(ending, text[1:-1])
    path = written(tmp_path / f"a.{ending}", text.encode(written_in))
    sources.check([source_of(path, encoding=encoding)])
    assert seen(path, encoding=encoding) == [(CAT, "Klöße", None)]


def test_bytes_that_a_charset_lacks_are_a_reason(tmp_path):
    path = written(
        tmp_path / "a.csv", f"url,caption\n{CAT},".encode() + b"\x81\x8d\n" + b"x,\xe9\n"
    )
    assert reasons(path, encoding="windows-1252") == ["caption_invalid", "url_invalid"]
    path = written(
        tmp_path / "b.csv", ("url,caption\n" + f"{CAT},a\ud800").encode("utf-16", "surrogatepass")
    )
    assert reasons(path) == ["caption_invalid"]


@pytest.mark.parametrize("encoding", ["klingon", "idna", "zip", "punycode", "a\0b"])
def test_what_is_no_charset_of_texts_is_refused(tmp_path, encoding):
    path = written(tmp_path / "a.csv", csv("a cat"))
    with pytest.raises(SourceError, match="expected a charset, such as 'utf-8'"):
        sources.check([source_of(path, encoding=encoding)])


def test_quotes_and_line_ends_in_captions_that_stopped_other_readers(tmp_path):
    # iejMac/video2dataset pull request 117, rom1504/img2dataset pull request 283
    text = f'url\tcaption\n{CAT}\ta 6" cat, "asleep\n{DOG}\ta dog\n'
    path = written(tmp_path / "a.tsv", text)
    assert [row[1] for row in seen(path, quotes=False)] == ['a 6" cat, "asleep', "a dog"]
    path = written(tmp_path / "b.csv", f'url,caption\n{CAT},"a cat,\r\n\nasleep"\n{DOG},a dog\n')
    assert [row[1] for row in seen(path)] == ["a cat,\r\n\nasleep", "a dog"]


# --- releases without a header line ---------------------------------------------------------------
def test_cc3m_is_read_with_labels_and_without(tmp_path):
    path = written(tmp_path / "a.tsv", f"a cat\t{CAT}\tcat,animal\t/m/01,/m/02\t0.9,0.8\n")
    sources.check([source_of(path, columns="cc3m")])
    (row,) = collected(path, columns="cc3m")
    assert (row["url"], row["caption"]) == (CAT, "a cat")
    assert json.loads(row["extra"])["labels"] == "cat,animal"
    written(path, f"a cat\t{CAT}\n" * 3 + f"torn\tby\ttabs\t{CAT}\t-\n")
    assert reasons(path, columns="cc3m") == [None] * 3 + ["row_invalid"]


def test_parts_of_yfcc_lack_the_line_and_the_hash(tmp_path):
    from pipeline.sources.tables.ready import READY

    long, short = READY["yfcc"].headers
    assert (len(long), len(short)) == (25, 23)
    values = {"title": "a+cat", "download_url": CAT, "marker": "0", "license_name": "BY"}
    for number, header in enumerate((long, short)):
        line = "\t".join(values.get(name, "") for name in header) + "\n"
        written(tmp_path / f"yfcc100m_dataset-{number}.bz2", bz2.compress(line.encode() * 2))
    sources.check([source_of(tmp_path, columns="yfcc")])
    assert seen(tmp_path, columns="yfcc") == PAIRS[:1] * 4
    assert {row["license"] for row in collected(tmp_path, columns="yfcc")} == {"BY"}
