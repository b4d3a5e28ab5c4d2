"""No file exhausts memory or stops a build: each ends in rows and reasons."""

import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import sources
from pipeline.sources import SourceError, unpacked
from pipeline.sources.tables import lines, parquet_child
from pipeline.sources.tables.files import files
from pipeline.sources.unpacked import PACKED
from tests import ROOT
from tests.pipeline.sources.table_source import (
    CAT,
    DOG,
    collected,
    reasons,
    seen,
    source_of,
    written,
)

MB = 1 << 20
GOOD = f"url,caption\n{CAT},a cat\n"


def packed(path: Path, data: bytes, times: int) -> Path:
    """A file that unpacks to the data again and again: all three formats may be joined."""
    kind = PACKED[path.suffix]
    piece = pa.BufferOutputStream()
    with pa.CompressedOutputStream(piece, kind) as out:
        out.write(data)
    with path.open("wb") as file:
        for _ in range(times):
            file.write(piece.getvalue())
    return path


# --- CSV, TSV and JSONL ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", ["bad_stream"]),
        (b"url,caption\n", []),
        (b"\n\n\n", []),
        ("url,caption\nx,é\n".encode("utf-16"), ["url_invalid"]),
        ("url,caption\nx,é\n".encode("utf-16-le"), ["url_missing"] * 2),
        (GOOD.encode() + b"\0\0\0,\0", [None, "url_invalid"]),
        (GOOD.encode() + b"\xff\xfe,\xff", [None, "url_invalid"]),
        (GOOD.encode().replace(b"\n", b"\r"), [None]),
        (b"\xef\xbb\xbf" + GOOD.encode(), [None]),
        (b'url,"caption', ["bad_stream"]),
        (b"url,caption\n" + b"," * 2_000_000, ["row_invalid"]),
        (b"url,caption\n" + b'","\n' * 30_000, ["url_invalid"] * 30_000),
    ],
)
def test_every_odd_csv_ends_in_reasons(tmp_path, text, expected):
    assert reasons(written(tmp_path / "a.csv", text)) == expected


@pytest.mark.parametrize("n_rows", [3, 20_000])
def test_a_quote_that_is_never_closed_costs_one_row(tmp_path, n_rows):
    good = "".join(f"http://x.org/{n},a cat\n" for n in range(n_rows))
    path = written(tmp_path / "a.csv", f'url,caption\n{DOG},"a dog\n{good}{DOG},"a dog\n{good}')
    expected = ["row_invalid", *[None] * n_rows] * 2
    assert reasons(path) == expected


def test_a_quoted_field_of_many_lines_is_one_row(tmp_path):
    path = written(tmp_path / "a.csv", f'url,caption\n{CAT},"a cat\n\nthat sleeps"\n{DOG},a dog\n')
    assert seen(path) == [(CAT, "a cat\n\nthat sleeps", None), (DOG, "a dog", None)]


def test_no_line_is_read_more_than_twice(tmp_path, monkeypatch):
    n_read = 0

    def counting(self: lines.Lines) -> str:
        nonlocal n_read
        n_read += 1
        return original(self)

    original = lines.Lines.__next__
    monkeypatch.setattr(lines.Lines, "__next__", counting)
    rng = random.Random(0)
    some = ['"', '""', ",", "x", "\n"]
    text = "url,caption\n" + "".join(rng.choices(some, k=30_000))
    found = reasons(written(tmp_path / "a.csv", text))
    assert len(found) > 1_000
    assert n_read < 2 * text.count("\n") + 100


@pytest.mark.parametrize("ending", ["jsonl", "csv", "tsv"])
def test_a_line_that_is_too_long_is_one_row(tmp_path, ending):
    good = json.dumps({"url": CAT, "caption": "a cat"})
    rows = [good, "x" * (lines.LONGEST_LINE + 1), good]
    if ending != "jsonl":
        mark = "," if ending == "csv" else "\t"
        row = f"{CAT}{mark}a cat"
        rows = [f"url{mark}caption", row, "x" * (lines.LONGEST_LINE + 1), row]
    path = written(tmp_path / f"a.{ending}", "\n".join(rows))
    assert reasons(path) == [None, "row_invalid", None]


def test_a_line_without_an_end_is_not_read_on(tmp_path):
    path = tmp_path / "a.csv"
    written(path, GOOD)
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # a sparse file: zeros that take no place
    assert reasons(path) == [None, "file_bomb"]


@pytest.mark.parametrize("ending", ["gz", "bz2", "zst"])
@pytest.mark.parametrize("unit", [b"\0" * 4, b"\n" * 4, b"a,b\n"])
def test_a_packed_file_that_unpacks_to_too_much_is_not_read_on(tmp_path, monkeypatch, ending, unit):
    monkeypatch.setattr(unpacked, "FREE_BYTES", MB // 8)
    path = packed(tmp_path / f"a.csv.{ending}", unit * (MB // 128), 64)
    assert reasons(path, header=("url", "caption"))[-1] == "file_bomb"


def test_captions_that_pack_well_are_no_bomb(tmp_path):
    rows = "".join(f"http://x.org/{n},a cat\n" for n in range(20_000))
    path = packed(tmp_path / "a.csv.zst", rows.encode(), 5)
    assert reasons(path, header=("url", "caption")) == [None] * 100_000


@pytest.mark.parametrize("ending", ["gz", "bz2", "zst"])
def test_a_packed_file_that_breaks_off_keeps_what_came_before(tmp_path, ending):
    rng = random.Random(0)
    rows = "".join(f"http://x.org/{rng.random()},a cat {rng.random()}\n" for _ in range(60_000))
    path = packed(tmp_path / f"a.csv.{ending}", f"url,caption\n{rows}".encode(), 1)
    data = path.read_bytes()
    for broken in (data[: len(data) // 2], data[: len(data) // 2] + b"\0" * 1000):
        path.write_bytes(broken)
        *before, last = reasons(path)
        assert last == "bad_stream"
        assert set(before) <= {None, "caption_missing"}
        assert ending == "bz2" or before


@pytest.mark.parametrize("name", ["a.csv.gz", "a.jsonl.zst", "a.tsv.bz2", "a.json.gz"])
def test_bytes_that_were_never_packed_are_a_reason(tmp_path, name):
    assert reasons(written(tmp_path / name, "no packed file")) == ["bad_stream"]


# --- Parquet --------------------------------------------------------------------------------------
def a_table(n_rows: int = 10) -> pa.Table:
    return pa.table({"url": [CAT] * n_rows, "caption": [f"cat {n}" for n in range(n_rows)]})


def test_a_parquet_file_without_rows_gives_none(tmp_path):
    pq.write_table(a_table(0), tmp_path / "a.parquet")
    assert reasons(tmp_path / "a.parquet") == []


@pytest.mark.parametrize("n_bytes", [0, 3, 8, 60, -9, -1])
def test_a_parquet_file_that_is_cut_short_is_a_reason(tmp_path, n_bytes):
    path = tmp_path / "a.parquet"
    pq.write_table(a_table(), path)
    path.write_bytes(path.read_bytes()[:n_bytes])
    assert reasons(path) == ["bad_stream"]


def test_a_footer_that_claims_gigabytes_is_not_read(tmp_path):
    path = written(tmp_path / "a.parquet", b"PAR1" + b"x" * 100 + b"\xff\xff\xff\x7fPAR1")
    assert reasons(path) == ["file_bomb"]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (pa.struct({"url": pa.string()}), {"url": "x"}, "caption_invalid"),
        (pa.list_(pa.string()), ["x"], None),
        (pa.list_(pa.list_(pa.string())), [["x"]], "caption_invalid"),
        (pa.list_(pa.string()), ["x" * 2_000_000], "caption_invalid"),
        (pa.list_(pa.string(), 1), ["x"], None),
        (pa.large_list(pa.binary()), [b"\xff"], "caption_invalid"),
        (pa.list_(pa.string()), [], "caption_missing"),
        (pa.map_(pa.string(), pa.string()), [("a", "b")], "caption_invalid"),
        (pa.timestamp("ns"), 5, "caption_invalid"),
        (pa.bool_(), True, "caption_invalid"),
        (pa.null(), None, "caption_missing"),
        (pa.binary(), b"\xff", "caption_invalid"),
        (pa.string(), "x" * 2_000_000, "caption_invalid"),
        (pa.string(), "", "caption_missing"),
        (pa.float64(), float("nan"), "caption_missing"),
        (pa.int8(), 7, None),
    ],
)
def test_a_column_of_any_type_is_a_caption_or_a_reason(tmp_path, kind, value, expected):
    table = pa.table({"url": [CAT, DOG], "caption": pa.array([value, None], kind)})
    pq.write_table(table, tmp_path / "a.parquet")
    assert reasons(tmp_path / "a.parquet") == [expected, "caption_missing"]


def test_two_columns_of_one_name_are_refused_where_they_are_wanted(tmp_path):
    path = tmp_path / "a.parquet"
    names = ["url", "caption", "note", "note"]
    pq.write_table(
        pa.Table.from_arrays([pa.array([one]) for one in (CAT, "a cat", 1, 2)], names), path
    )
    sources.check([source_of(path)])
    (row,) = collected(path, extra="all")
    assert (row["reason"], row["extra"]) == (None, None)
    with pytest.raises(SourceError, match="2 columns 'note'"):
        sources.check([source_of(path, extra=("note",))])


def bombs(folder: Path) -> list[Path]:
    """Small files whose rows are gigabytes."""
    one = pa.table({"url": [CAT], "caption": pa.array(["x" * (300 * MB)], pa.large_string())})
    plain = {"use_dictionary": False, "write_statistics": False}
    pq.write_table(one, folder / "page.parquet", compression="zstd", **plain)
    del one
    n_rows = 20_000
    for name, stored in (("same", False), ("categories", True)):
        places = pa.array([0] * n_rows, pa.int32())
        captions = pa.DictionaryArray.from_arrays(places, pa.array(["x" * MB]))
        table = pa.table({"url": [CAT] * n_rows, "caption": captions})
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd", store_schema=stored)
    zeros = [packed(folder / f"a.{end}", b"0" * (64 * MB), 160) for end in ("csv.gz", "jsonl.zst")]
    more = packed(folder / "b.tsv.bz2", b"0" * (4 * MB), 2560)
    return [*(folder / f"{one}.parquet" for one in ("page", "same", "categories")), *zeros, more]


def large(folder: Path) -> list[Path]:
    """Files in forms that other readers hold whole, with rows of a megabyte."""
    wide = {"url": CAT, "caption": "a cat", **{f"c{n}": "x" * 10_000 for n in range(80)}}
    row = json.dumps(wide) + "\n"
    lines_of = written(folder / "wide.jsonl", row * 120)
    one_by_one = written(folder / "wide.json", json.dumps(wide, indent=1) * 120)
    columns = {"url": [CAT] * 200_000, "caption": ["a cat"] * 200_000}
    by_column = written(folder / "columns.json", json.dumps(columns))
    pairs = pa.table(
        {"image": [{"url": CAT, "bytes": b"x" * MB}] * 100, "caption": ["a cat"] * 100}
    )
    pq.write_table(pairs, folder / "pictures.parquet", compression="none", row_group_size=10)
    return [lines_of, one_by_one, by_column, folder / "pictures.parquet"]


def test_large_files_of_every_form_are_read_in_500_mb(tmp_path):
    code = """
import sys
from pathlib import Path
from pipeline import sources
from pipeline.sources.tables.proposal import propose
from tests.pipeline.sources.table_source import source_of
for path in sys.argv[1:]:
    columns = {"url": "image.url"} if path.endswith("parquet") else {}
    source = source_of(path, columns=columns, extra="all" if "wide" in path else None)
    sources.check([source])
    propose(path)
    (part,) = sources.parts(source, sources.Planning(str))
    batches = sources.collect(iter(part.rows.to_batches()), source, 0)
    print(Path(path).name, sum(batch["reason"].null_count for batch in batches))
status = Path("/proc/self/status").read_text()
print("MB", int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""
    if not parquet_child.STATUS.exists():
        pytest.skip("no /proc, where a process is told of its memory")
    paths = large(tmp_path)
    *said, last = subprocess.run(
        [sys.executable, "-c", code, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout.splitlines()
    assert said == [
        "wide.jsonl 120",
        "wide.json 120",
        "columns.json 200000",
        "pictures.parquet 100",
    ]
    assert int(last.removeprefix("MB ")) < 500


def test_no_file_takes_a_worker_past_500_mb(tmp_path):
    paths = bombs(tmp_path)
    code = """
import resource, sys
from pathlib import Path
from pipeline import sources
from tests.pipeline.sources.table_source import source_of
for path in sys.argv[1:]:
    source = source_of(path, header=("url", "caption"))
    (part,) = sources.parts(source, sources.Planning(str))
    last = None
    for batch in sources.collect(iter(part.rows.to_batches()), source, 0):
        last = batch["reason"][-1].as_py()
    print(Path(path).name, last)
status = Path("/proc/self/status").read_text()
children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print("MB", (int(status.split("VmHWM:")[1].split()[0]) + children) // 1024)
"""
    if not parquet_child.STATUS.exists():
        pytest.skip("/proc, which tells how much memory a process has, is Linux's")
    command = [sys.executable, "-c", code, *map(str, paths)]
    *said, last = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert said == [f"{path.name} file_bomb" for path in paths]
    assert int(last.removeprefix("MB ")) < 500


# --- a source of many files -----------------------------------------------------------------------
def test_a_damaged_file_among_others_stops_nothing(tmp_path):
    written(tmp_path / "a.csv", GOOD)
    written(tmp_path / "b.csv.gz", "no gzip")
    written(tmp_path / "c.parquet", "no parquet")
    written(tmp_path / "d.jsonl", b"\xff\xfe")
    sources.check([source_of(tmp_path)])
    assert reasons(tmp_path) == [None, "bad_stream", "bad_stream", "bad_stream"]


def test_wrong_columns_among_others_are_refused_before_work_starts(tmp_path):
    written(tmp_path / "a.csv", GOOD)
    written(tmp_path / "b.csv", "link,text\n")
    with pytest.raises(SourceError, match=r"b\.csv: no column 'url'; it has: link, text"):
        sources.check([source_of(tmp_path)])


def test_what_is_no_file_in_a_folder_is_passed_over(tmp_path):
    written(tmp_path / "a.csv", GOOD)
    os.mkfifo(tmp_path / "b.csv")
    (tmp_path / "c.csv").mkdir()
    written(tmp_path / "stats.json", "{}")
    assert [file.path for file in files(source_of(tmp_path))] == [str(tmp_path / "a.csv")]


def test_random_damage_ends_in_rows_or_reasons(tmp_path):
    rng = random.Random(0)
    pq.write_table(a_table(500), tmp_path / "a.parquet", row_group_size=200, compression="zstd")
    packed(tmp_path / "a.csv.zst", GOOD.encode() * 100, 1)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(GOOD.encode() * 100, mtime=0))
    written(tmp_path / "a.jsonl", json.dumps({"url": CAT, "caption": "a cat"}) + "\n")
    for path in sorted(tmp_path.iterdir()):
        whole = path.read_bytes()
        for _ in range(25):
            damaged = bytearray(whole)
            for _ in range(rng.randint(1, 4)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            path.write_bytes(damaged)
            found = reasons(path)
            known = {*sources_reasons(), None}
            assert set(found) <= known
            assert found.count("bad_stream") + found.count("file_bomb") <= 1
            if path.suffix == ".parquet" and len(found) != 500:
                assert found[-1] in ("bad_stream", "file_bomb")


def sources_reasons() -> set[str]:
    return {
        "row_invalid",
        "url_missing",
        "url_invalid",
        "caption_missing",
        "caption_invalid",
        "bad_stream",
        "file_bomb",
    }
