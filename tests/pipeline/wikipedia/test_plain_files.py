"""The readers of plain-text articles: which lines become rows, and what hostile files do."""

import bz2
import gzip
import json
import tracemalloc
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.wikipedia import plain_files
from pipeline.wikipedia.plain_files import kind_of, read_rows

BAD_STREAM = (None, None, None, "bad_stream")
LOST = (None, None, None, "bad_page")
PACKERS = [bytes, gzip.compress, bz2.compress, lambda b: pa.compress(b, "zstd", asbytes=True)]


def lines(*values: object) -> bytes:
    """JSON values, or bytes as they are, one a line."""
    written = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in values]
    return b"\n".join(written) + b"\n"


def document(number, title="Dog", text="A dog.", namespace=0, **more) -> list[dict]:
    body = {"title": title, "text": text, "namespace": namespace, "redirect": [{"title": "Cur"}]}
    return [{"index": {"_type": "page", "_id": number}}, {**body, **more}]


def article(number, title="Dog", text="A dog.", **more) -> dict:
    return {"id": number, "title": title, "text": text, **more}


def rows_of(tmp_path: Path, content: bytes) -> list[tuple]:
    file = tmp_path / "articles"
    file.write_bytes(content)
    kind = kind_of(file)
    assert kind
    return list(read_rows(file, kind))


def two_texts() -> pa.Table:
    names = ["id", "title", "text", "text"]
    return pa.Table.from_arrays([pa.array(["7"])] * 4, names)


def parquet(tmp_path: Path, columns: dict | pa.Table, **options) -> bytes:
    file = tmp_path / "made"
    pq.write_table(pa.table(columns) if isinstance(columns, dict) else columns, file, **options)
    return file.read_bytes()


@pytest.mark.parametrize("pack", PACKERS)
def test_the_kind_is_told_by_content_however_it_is_packed(tmp_path, pack):
    file = tmp_path / "articles.xml"
    for content, kind in [
        (lines(*document(7)), "cirrus"),
        (b"\xef\xbb\xbf \n" + lines(article(7)), "jsonl"),
        (b"<mediawiki>", None),
        (b'[{"id": 7}]', None),
        (b"", None),
    ]:
        file.write_bytes(pack(content))
        assert kind_of(file) == kind
    file.write_bytes(pack(lines(*document(7)))[:5])
    assert kind_of(file) == ("jsonl" if pack is bytes else None)  # nothing can be unpacked


@pytest.mark.parametrize("pack", PACKERS)
def test_a_cirrus_dump_gives_a_row_for_every_document(tmp_path, pack):
    content = lines(
        *document("7"),
        *document(8, "Cat", "A cat."),
        *document("9", "Talk:Cat", namespace=1),
        *document("10", "Talk:Dog", None, namespace=1),
    )
    assert rows_of(tmp_path, pack(content)) == [
        (7, "Dog", "A dog.", None),
        (8, "Cat", "A cat.", None),
        (9, "Talk:Cat", None, "not_article"),
        (10, "Talk:Dog", None, "not_article"),
    ]


@pytest.mark.parametrize("pack", PACKERS)
def test_json_lines_give_a_row_for_every_object(tmp_path, pack):
    content = lines(article("7"), article(8, "Cat", "A\ncat."), b"", article(9, url="x"))
    assert rows_of(tmp_path, pack(content)) == [
        (7, "Dog", "A dog.", None),
        (8, "Cat", "A\ncat.", None),
        (9, "Dog", "A dog.", None),
    ]


def test_a_line_that_is_no_document_gives_a_row_and_the_next_document_is_read(tmp_path):
    index, body = document(7)
    content = lines(
        *[index, body],
        *[b'{"index": torn', {**body, "page_id": 11}],  # a document knows its own id
        *[{"index": ["_id"]}, {**body, "page_id": 12}],
        *[b"\0\0\0\0", body],
        *[index, b'{"title": torn'],
        *[index, index, body],
        index,
    )
    dog = (7, "Dog", "A dog.", None)
    no_id, no_document = (None, "Dog", None, "bad_page"), (7, None, None, "bad_page")
    assert rows_of(tmp_path, content) == [
        dog,
        *[LOST, (11, *dog[1:])],
        (12, *dog[1:]),
        *[LOST, no_id],
        no_document,
        *[no_document, dog],
        no_document,
    ]


@pytest.mark.parametrize("number", [None, True, 7.0, -7, "7a", "", "٧", [7], {"a": 7}, 10**18])
def test_an_id_that_is_no_number_makes_a_bad_page(tmp_path, number):
    expected = (None, "Dog", None, "bad_page")
    assert rows_of(tmp_path, lines(*document(number))) == [expected]
    assert rows_of(tmp_path, lines(article(number))) == [expected]


@pytest.mark.parametrize("value", [None, 7, "", " \n", ["A dog."], {"a": 1}, "a\0b", "\ud800"])
def test_a_text_or_title_that_is_none_makes_a_bad_page(tmp_path, value):
    no_text, no_title = (7, "Dog", None, "bad_page"), (7, None, None, "bad_page")
    assert rows_of(tmp_path, lines(*document(7, text=value))) == [no_text]
    assert rows_of(tmp_path, lines(*document(7, title=value))) == [no_title]
    assert rows_of(tmp_path, lines(article(7, text=value))) == [no_text]
    assert rows_of(tmp_path, lines(article(7, title=value))) == [no_title]


def test_a_namespace_that_is_no_number_makes_a_bad_page(tmp_path):
    for namespace in (None, "0", False, 0.0, [0]):
        content = lines(*document(7, namespace=namespace))
        assert rows_of(tmp_path, content) == [(7, "Dog", None, "bad_page")]


@pytest.mark.parametrize(
    "hostile",
    [
        b'{"id": 7, "title": "Dog", "text": ' + b"[" * 200_000,
        b'{"id": 7, "title": "Dog", "text": ' + b'{"a":' * 200_000,
        b'{"id": ' + b"7" * 10_000 + b', "title": "Dog", "text": "A dog."}',
        b'{"id": 7, "title": "Dog", "text": "\xff"}',
        b"[7]",
        b"\0" * 100,
        '{"id": 7}'.encode("utf-16"),
    ],
    ids=range(7),
)
def test_a_hostile_line_is_one_bad_page(tmp_path, hostile):
    dog = (7, "Dog", "A dog.", None)
    assert rows_of(tmp_path, lines(article(7), hostile, article(7))) == [dog, LOST, dog]


def test_a_line_longer_than_any_page_is_passed_over_in_little_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(plain_files, "MAX_LINE_BYTES", 1 << 20)
    long = lines(article(8, text="x" * (40 << 20)))
    content = bz2.compress(lines(article(7)) + long + lines(article(9)) + long.strip())
    del long
    tracemalloc.start()
    rows = rows_of(tmp_path, content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(row[0], row[3]) for row in rows] == [
        *[(7, None), (None, "bad_page")],
        *[(9, None), (None, "bad_page")],
    ]
    assert peak < 8 << 20


def test_a_page_longer_than_any_or_of_endless_brackets_is_bad(tmp_path, monkeypatch):
    monkeypatch.setattr(plain_files, "MAX_TEXT", 100)
    monkeypatch.setattr(plain_files, "MAX_MARKS", 1_000)
    numbers, brackets = article(7, more=[0] * 900), article(7, more=[[]] * 900)
    content = lines(article(7, text="x" * 101), brackets, numbers)
    assert [row[3] for row in rows_of(tmp_path, content)] == ["bad_page", "bad_page", None]


@pytest.mark.parametrize("pack", PACKERS[1:])
def test_a_stream_that_is_cut_off_keeps_what_was_read_before(tmp_path, pack, monkeypatch):
    monkeypatch.setattr(plain_files, "CHUNK_BYTES", 1 << 12)
    packed, expected = many_articles(pack)
    rows = rows_of(tmp_path, packed[: len(packed) // 2])
    assert rows == [*expected[: len(rows) - 1], BAD_STREAM]
    assert 10_000 < len(rows) < 45_000


def test_a_damaged_bz2_keeps_the_blocks_before(tmp_path):
    packed, expected = many_articles(bz2.compress)
    broken = bytearray(packed)
    broken[len(packed) // 2] ^= 0xFF
    rows = rows_of(tmp_path, bytes(broken))
    assert rows == [*expected[: len(rows) - 1], BAD_STREAM]
    assert 10_000 < len(rows) < 45_000


def test_a_damaged_zstd_file_keeps_the_lines_before(tmp_path):
    content = lines({"id": 1, "title": "A", "text": "a dog"}, {"id": 2, "title": "B", "text": "b"})
    packed = pa.compress(content, "zstd", asbytes=True)
    file = tmp_path / "pages.jsonl.zst"
    for damage in (b"404 page not found", packed[:-5]):
        file.write_bytes(packed + damage)
        assert kind_of(file) == "jsonl"
        rows = list(read_rows(file, "jsonl"))
        assert [(row[1], row[3]) for row in rows] == [
            ("A", None),
            ("B", None),
            (None, "bad_stream"),
        ]


def test_a_damaged_gzip_ends_in_a_row_that_tells_of_it(tmp_path):
    packed = many_articles(gzip.compress)[0]
    broken = bytearray(packed)
    broken[-6] ^= 0xFF  # its sum
    for damaged in (bytes(broken), packed + b"no stream"):
        rows = rows_of(tmp_path, damaged)
        assert rows[-1] == BAD_STREAM
        assert len(rows) == 50_001


def many_articles(pack) -> tuple[bytes, list[tuple]]:
    """Articles in a file, packed, and the rows that they give."""
    articles = [article(n, text=f"Dog {n} of {n * n * n}.") for n in range(50_000)]
    expected = [(one["id"], one["title"], one["text"], None) for one in articles]
    return pack(lines(*articles)), expected


def test_a_parquet_file_has_ids_of_either_name_and_type(tmp_path):
    texts = {"title": ["Dog", "Cat"], "text": ["A dog.", "A cat."]}
    expected = [(7, "Dog", "A dog.", None), (8, "Cat", "A cat.", None)]
    for columns in [
        {"id": ["7", "8"], "url": ["", ""], **texts},
        {"page_id": [7, 8], **texts},
        {"text": texts["text"], "page_id": [7, 8], "id": ["a", "b"], "title": texts["title"]},
        {"id": pa.array([7, 8], pa.uint32()), **texts},
        {"id": [7, 8], **{k: pa.array(v, pa.large_string()) for k, v in texts.items()}},
        {"id": [7, 8], **{k: pa.array(v).dictionary_encode() for k, v in texts.items()}},
        {"id": [7, 8], **{k: [one.encode() for one in v] for k, v in texts.items()}},
    ]:
        assert rows_of(tmp_path, parquet(tmp_path, columns)) == expected


def test_a_parquet_row_without_an_id_a_title_or_a_text_is_bad(tmp_path):
    titles, texts = ["Dog", "Cat", None, "Cow"], ["A dog.", "A cat.", "A rat.", None]
    columns = {"id": [7, None, 8, -1], "title": titles, "text": texts}
    assert rows_of(tmp_path, parquet(tmp_path, columns)) == [
        (7, "Dog", "A dog.", None),
        (None, "Cat", None, "bad_page"),
        (8, None, None, "bad_page"),
        (None, "Cow", None, "bad_page"),
    ]


def test_a_damaged_parquet_file_keeps_what_was_read_before(tmp_path):
    n = 20_000
    columns = {"id": range(n), "title": ["Dog"] * n, "text": [f"Dog {i * i}." for i in range(n)]}
    whole = parquet(tmp_path, {k: list(v) for k, v in columns.items()}, row_group_size=1_000)
    expected = rows_of(tmp_path, whole)
    assert [row[3] for row in expected] == [None] * n
    for cut in (4, 100, len(whole) // 2, len(whole) - 1):
        assert rows_of(tmp_path, whole[:cut]) == [BAD_STREAM]  # the footer comes last
    broken = bytearray(whole)
    broken[len(whole) // 2 : len(whole) // 2 + 2_000] = b"\xff" * 2_000
    rows = rows_of(tmp_path, bytes(broken))
    assert rows[-1] == BAD_STREAM
    assert rows[:-1] == expected[: len(rows) - 1]
    assert len(rows) > 1_000


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"id": [7], "headline": ["Dog"], "text": ["x"]}, "found 'id', 'headline', 'text'"),
        ({"title": ["Dog"], "text": ["x"]}, "found 'title', 'text'"),
        ({"id": [7], "title": ["Dog"], "text": [["x"]]}, "column text; found list"),
        ({"id": [7], "title": [{"en": "Dog"}], "text": ["x"]}, "column title; found struct"),
        (two_texts(), "expected one column text; found 2"),
        ({"id": [7.5], "title": ["Dog"], "text": ["x"]}, "column id; found double"),
        ({"a\nb" * 99: [7]}, r"found 'a\nba"),
    ],
)
def test_a_parquet_file_of_other_columns_is_refused_in_one_line(tmp_path, columns, found):
    with pytest.raises(ValueError, match="expected ") as refused:
        rows_of(tmp_path, parquet(tmp_path, columns))
    assert found in str(refused.value)
    assert "\n" not in str(refused.value)


def test_json_lines_of_other_keys_are_refused_in_one_line(tmp_path):
    for first, found in [({"id": 7, "body": "x"}, "'id', 'body'"), ({}, "none")]:
        with pytest.raises(ValueError, match=f"expected the columns page_id or id.*found {found}$"):
            rows_of(tmp_path, lines(first, article(7)))


def test_real_articles_are_all_read_in_little_memory(shared):
    file = shared / "enwiki_articles_20k.parquet"
    assert kind_of(file) == "parquet"
    reasons, characters, longest = Counter(), 0, 0
    before = pa.total_allocated_bytes()
    for _, _, text, reason in read_rows(file, "parquet"):
        reasons[reason] += 1
        characters += len(text or "")
        longest = max(longest, pa.total_allocated_bytes() - before)
    assert reasons == {None: 20_435}
    assert characters > 15_000_000
    assert longest < 32 << 20
