"""Url-caption tables become candidates: one row for each row, in order, or a reason."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import sources
from pipeline.filters.rows import filter_pairs
from pipeline.settings.whole import FilterSettings
from pipeline.sources import SourceError
from pipeline.sources.candidate import Raw, candidates
from pipeline.sources.tables import lines
from pipeline.web.url import normalise_url
from queries.pixels.fingerprint import hash63
from queries.tables.reasons import REASONS
from tests.pipeline.sources.table_source import CAT, DOG, collected, seen, source_of, written


# --- rows ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("HTTP://X.org", "http://x.org/"),
        ("http://x.org:80/a?b=1&c=2#top", "http://x.org/a?b=1&c=2"),
        ("https://x.org:443/a", "https://x.org/a"),
        ("https://x.org:80/a", "https://x.org:80/a"),
        ("http://x.org/%c3%a9", "http://x.org/%C3%A9"),
        ("http://x.org/é b", "http://x.org/%C3%A9%20b"),
        ("http://x.org/?", "http://x.org/"),
        (" http://bücher.example/A ", "http://xn--bcher-kva.example/A"),
        ("http://[::1]:8080/a", "http://[::1]:8080/a"),
    ],
)
def test_spellings_of_one_address_have_one_key(url, key):
    assert normalise_url(url) == key
    assert normalise_url(key) == key


@pytest.mark.parametrize(
    "url",
    [
        "cat.png",
        "//x.org/a",
        "ftp://x.org/a",
        "file:///etc/passwd",
        "data:image/png;base64,AA",
        "http://",
        "http:///a",
        "http://me@x.org/",
        "http://me:pw@x.org/",
        "http://x.org:99999/",
        "http://x.org:port/",
        "http://[x/",
        "http://a b/",
        "http://x.org/\ud800",
        "http://ü" + 99 * "x",
    ],
)
def test_what_is_no_address_of_a_picture_is_invalid(url):
    (row,) = pa.Table.from_batches(candidates([Raw(url, "a cat")], "mine", 0)).to_pylist()
    assert row["reason"] == "url_invalid"
    assert row["url_key"] == ""


@given(st.text(), st.text())
def test_any_text_gives_one_row_and_a_stable_key(url, caption):
    (row,) = pa.Table.from_batches(candidates([Raw(url, caption)], "mine", 0)).to_pylist()
    if row["reason"] is None:
        assert normalise_url(row["url_key"]) == row["url_key"]
        assert (row["url"], row["caption"]) == (url, caption)


def test_ids_rest_on_the_key_the_caption_and_the_seed():
    raws = [
        Raw("http://X.org/a", "cat"),
        Raw("http://x.org/a#b", "cat"),
        Raw("http://x.org/a", "Cat"),
    ]
    one, same, other = pa.Table.from_batches(candidates(raws, "mine", 7)).to_pylist()
    assert one["pair_id"] == same["pair_id"] == hash63("http://x.org/a", "cat") != other["pair_id"]
    assert one["priority"] == hash63(7, one["pair_id"])
    assert [row["row"] for row in (one, same, other)] == [0, 1, 2]


def test_each_bad_value_has_its_reason():
    raws = [
        Raw(None, "a"),
        Raw(" ", "a"),
        Raw(["u"], "a"),
        Raw(CAT, None),
        Raw(CAT, " \n"),
        Raw(CAT, float("nan")),
        Raw(CAT, "\ud800"),
        Raw(CAT, b"\xff"),
        Raw(CAT, {"a": 1}),
        Raw(CAT, 1969),
        Raw(reason="row_invalid"),
    ]
    rows = pa.Table.from_batches(candidates(raws, "mine", 0)).to_pylist()
    assert [row["reason"] for row in rows] == [
        "url_missing",
        "url_missing",
        "url_invalid",
        "caption_missing",
        "caption_missing",
        "caption_missing",
        "caption_invalid",
        "caption_invalid",
        "caption_invalid",
        None,
        "row_invalid",
    ]
    assert rows[9]["caption"] == "1969"


# --- files --------------------------------------------------------------------------------------
@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "jsonl", "jsonl.zst", "parquet"])
def test_every_kind_of_file_gives_the_same_rows(tmp_path, ending):
    rows = [('a cat, "asleep"\tin the\nsun', CAT, "CC0"), ("ein Hündchen", DOG, "")]
    path = tmp_path / f"captions.{ending}"
    if ending == "parquet":
        names = ["text", "link", "rights"]
        pq.write_table(pa.table([list(one) for one in zip(*rows, strict=True)], names), path)
    else:
        quoted = [
            "\t,"["csv" in ending].join('"' + one.replace('"', '""') + '"' for one in row)
            for row in [("text", "link", "rights"), *rows]
        ]
        if "jsonl" in ending:
            quoted = [json.dumps({"text": a, "link": b, "rights": c}) for a, b, c in rows]
        with pa.output_stream(str(path), compression="detect") as out:
            out.write("".join(line + "\r\n" for line in quoted).encode())
    found = collected(path, columns={"url": "link", "caption": "text", "license": "rights"})
    assert [(row["url"], row["caption"], row["license"]) for row in found] == [
        (CAT, 'a cat, "asleep"\tin the\nsun', "CC0"),
        (DOG, "ein Hündchen", None),
    ]
    assert {row["source"] for row in found} == {"mine"}


def test_a_line_that_does_not_parse_is_a_row_with_a_reason(tmp_path):
    lines = [
        f"{CAT},a cat",
        f"{CAT},a cat, too",
        f"{DOG}",
        "",
        f"{DOG},{'x' * 140_000}",
        f"{DOG},a dog",
    ]
    path = written(tmp_path / "a.csv", "\n".join(["url,caption", *lines]))
    assert seen(path) == [
        (CAT, "a cat", None),
        ("", "", "row_invalid"),
        (DOG, "", "caption_missing"),
        ("", "", "row_invalid"),
        (DOG, "a dog", None),
    ]


def test_a_json_line_that_is_no_object_is_a_row_with_a_reason(tmp_path):
    deep = "[" * 100_000
    good = json.dumps({"url": CAT, "caption": "a cat"})
    lines = [good, "{", "[1]", deep, '{"url": "\\ud800", "caption": "x"}', '{"caption": 5}', good]
    path = written(tmp_path / "a.jsonl", "\n".join(lines))
    assert [reason for _, _, reason in seen(path)] == [
        None,
        "row_invalid",
        "row_invalid",
        "row_invalid",
        "url_invalid",
        "url_missing",
        None,
    ]


def test_a_line_too_long_for_memory_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LONGEST_LINE", 64)
    good = json.dumps({"url": CAT, "caption": "a cat"})
    path = written(tmp_path / "a.jsonl", f"{good}\n{'x' * 1000}\n{good}\n{good}")
    assert [reason for _, _, reason in seen(path)] == [None, "row_invalid", None, None]


def test_bytes_that_are_no_utf8_are_a_reason(tmp_path):
    path = written(
        tmp_path / "a.tsv", b"\xef\xbb\xbfurl\tcaption\n" + CAT.encode() + b"\tcaf\xe9\n"
    )
    assert seen(path) == [(CAT, "caf�", "caption_invalid")]


def test_a_damaged_stream_keeps_what_came_before(tmp_path):
    lines = "".join(f"http://x.org/{n * 7919 % 100_003},cat {n}\n" for n in range(50_000))
    whole = gzip.compress(f"url,caption\n{lines}".encode(), mtime=0)
    path = written(tmp_path / "a.csv.gz", whole[: len(whole) // 2])
    *before, last = collected(path)
    assert last["reason"] == "bad_stream"
    assert len(before) > 1000
    assert [row["row"] for row in before[:3]] == [0, 1, 2]


def test_columns_of_other_types_become_text_or_a_reason(tmp_path):
    path = tmp_path / "a.parquet"
    urls = pa.array([CAT, DOG, None]).dictionary_encode()
    lists = pa.array([["a"], None, ["b", "c"]])
    pq.write_table(pa.table({"url": urls, "year": [1969, None, 7], "words": lists}), path)
    assert seen(path, columns={"caption": "year"}) == [
        (CAT, "1969", None),
        (DOG, "", "caption_missing"),
        ("", "7", "url_missing"),
    ]
    assert [reason for *_, reason in seen(path, columns={"caption": "words"})] == [
        None,
        "caption_missing",
        "url_missing",
        "url_missing",
    ]


def test_invalid_utf8_in_parquet_is_a_reason(tmp_path):
    path = tmp_path / "a.parquet"
    data = [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    broken = pa.Array.from_buffers(pa.string(), 1, data)
    pq.write_table(pa.table({"url": [CAT], "caption": broken}), path)
    assert seen(path) == [(CAT, "��", "caption_invalid")]


def test_a_folder_stands_for_its_tables_in_order(tmp_path):
    for name in ("b.csv", "a.csv"):
        written(tmp_path / name, f"url,caption\n{CAT},{name}\n")
    written(tmp_path / "notes.txt", "no table")
    assert [caption for _, caption, _ in seen(tmp_path)] == ["a.csv", "b.csv"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "URL,TEXT\n1,2\n", "no column 'url'; it has: URL, TEXT"),
        ("a.jsonl", '{"url": 1}\n{"text": 2}\n', "no column 'caption'; it has: url, text"),
        ("a.csv", "", "the file is empty"),
        ("a.parquet", "no parquet", "expected a parquet file"),
        ("a.csv.gz", "no gzip", "expected a csv file"),
        ("a.txt", "x", "expected a file ending in .parquet, .csv"),
        ("a.parquet.gz", "x", "expected a file ending in .parquet, .csv"),
    ],
)
def test_a_source_that_cannot_be_read_is_refused_in_one_line(tmp_path, name, text, message):
    path = written(tmp_path / name, text)
    with pytest.raises(SourceError) as refused:
        sources.check([source_of(path)])
    assert message in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_part_is_known_by_content_and_columns(tmp_path):
    one = written(tmp_path / "a.csv", f"url,caption\n{CAT},a cat\n")
    two = written(tmp_path / "b.csv", f"url,caption\n{CAT},a cat\n")
    content = Path.read_text
    a, b = (sources.parts(source_of(path), sources.Planning(content))[0] for path in (one, two))
    (other,) = sources.parts(
        source_of(one, columns={"license": "caption"}), sources.Planning(content)
    )
    assert a.identity == b.identity != other.identity
    assert (a.name, b.name) == ("mine/a.csv", "mine/b.csv")


# --- real data ----------------------------------------------------------------------------------
def test_all_rows_of_a_real_table_are_kept_or_have_a_reason(shared):
    source = source_of(shared / "laion_url_caption_10k.parquet", columns="laion")
    sources.check([source])
    (part,) = sources.parts(source, sources.Planning(str))
    batches = sources.collect(iter(part.rows.to_batches()), source, 0)
    rows = pa.Table.from_batches(filter_pairs(batches, FilterSettings())).to_pylist()
    kept = [row for row in rows if row["reason"] is None]
    dropped = Counter(row["reason"] for row in rows if row["reason"])
    assert len(rows) == len(kept) + dropped.total() == 10_000
    assert set(dropped) <= REASONS.keys()
    assert len(kept) > 9_000
    assert all(row["url_key"] and row["caption"] for row in kept)
