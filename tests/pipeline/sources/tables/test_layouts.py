"""Ready layouts read the files of public data sets as they are published."""

import gzip
import json
from io import StringIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline import sources
from pipeline.settings.sources import TablesSource
from pipeline.settings.whole import SAMPLE, SettingsError, load
from pipeline.sources import SourceError
from pipeline.sources.tables import nested
from pipeline.sources.tables.ready import READY
from pipeline.sources.tables.rows import plain
from tests.pipeline.sources.table_source import (
    CAT,
    DOG,
    collected,
    reasons,
    seen,
    source_of,
    written,
)

SMALL = {"SAMPLE_ID": 7, "WIDTH": 640, "similarity": 0.31}


def table(path: Path, **columns: list) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def extra_of(row: dict) -> dict:
    return json.loads(row["extra"] or "{}")


# --- one test a data set --------------------------------------------------------------------------
@pytest.mark.parametrize("names", [("URL", "TEXT"), ("url", "text")])
def test_laion_is_read_in_either_spelling(tmp_path, names):
    named = dict(zip(names, ([CAT], ["a cat"]), strict=True))
    path = table(
        tmp_path / "a.parquet", **named, LICENSE=["?"], **{k: [v] for k, v in SMALL.items()}
    )
    (row,) = collected(path, columns="laion")
    assert (row["url"], row["caption"], row["license"]) == (CAT, "a cat", "?")
    assert extra_of(row) == SMALL


def test_captions_of_laion_are_the_text_of_their_markup(tmp_path):
    texts = ["Fish &amp; Chips<br />1837", "<img src='a.jpg'/>", "?a=1&copy=3", None]
    path = table(tmp_path / "a.parquet", URL=[CAT] * 4, TEXT=texts)
    assert [row[1:] for row in seen(path, columns="laion")] == [
        ("Fish & Chips 1837", None),
        ("", "caption_missing"),
        ("?a=1&copy=3", None),
        ("", "caption_missing"),
    ]
    assert seen(path, columns="laion", html=False)[0][1] == texts[0]


def test_a_table_of_ones_own_says_whether_its_captions_hold_markup(tmp_path):
    path = written(tmp_path / "a.csv", f"url,caption\n{CAT},<b>cat</b> &amp; dog\n{DOG},a\xff\n")
    assert [row[1] for row in seen(path, html=True)] == ["cat & dog", "a\xff"]
    assert seen(path)[0][1] == "<b>cat</b> &amp; dog"
    broken = table(tmp_path / "a.parquet", url=[CAT], caption=[b"<b>a\xff</b>"])
    assert reasons(broken, html=True) == ["caption_invalid"]


@pytest.mark.parametrize(
    ("stated", "meant"),
    [
        (f"{CAT}?w=640&amp;h=480", f"{CAT}?w=640&h=480"),
        (f"{CAT}?a=1&copy=2&#38;b=3", f"{CAT}?a=1&copy=2&b=3"),
        (f"{CAT}?a=&amp;amp;b", f"{CAT}?a=&amp;b"),
        (f"{CAT}?a=1&b;=<i>", f"{CAT}?a=1&b;=<i>"),
    ],
)
def test_addresses_of_a_table_with_markup_are_unescaped_once(tmp_path, stated, meant):
    columns = {"url": "u", "caption": "c", "page_url": "p", "license": "l"}
    path = table(tmp_path / "a.parquet", u=[stated.encode()], c=["a cat"], p=[stated], l=[stated])
    (row,) = collected(path, columns=columns, html=True)
    assert [row["url"], row["page_url"], row["license"]] == [meant] * 3
    (row,) = collected(path, columns=columns)
    assert [row["url"], row["page_url"], row["license"]] == [stated] * 3


def test_datacomp_is_read(tmp_path):
    path = table(tmp_path / "a.parquet", uid=["f00d"], url=[CAT], text=["a cat"])
    (row,) = collected(path, columns="datacomp")
    assert (row["url"], row["caption"], extra_of(row)) == (CAT, "a cat", {"uid": "f00d"})


@pytest.mark.parametrize(
    ("name", "line"), [("cc3m", 'a "red" cat\t{url}'), ("cc12m", '{url}\ta "red" cat')]
)
def test_conceptual_captions_have_no_header_and_no_quoting(tmp_path, name, line):
    lines = [line, line.replace('a "red"', '"a'), line.replace("cat", "cat\rand a dog")]
    text = (
        "\n".join(lines).format(url=CAT)
        if name == "cc12m"
        else "\n".join(one.replace("{url}", CAT) for one in lines)
    )
    path = written(tmp_path / "train.tsv", text + "\n")
    sources.check([source_of(path, columns=name)])
    assert seen(path, columns=name) == [
        (CAT, 'a "red" cat', None),
        (CAT, '"a cat', None),
        (CAT, 'a "red" cat\rand a dog', None),
    ]


def test_redcaps_is_read(tmp_path):
    one = {
        "image_id": "bpzj7r",
        "author": "zoe",
        "url": CAT,
        "raw_caption": "My CAT",
        "score": 3,
    }
    whole = {
        "info": {"url": "https://redcaps.xyz/"},
        "annotations": [{**one, "caption": "my cat", "subreddit": "cats"}, 7, {"caption": "x"}],
    }
    written(tmp_path / "cats_2017.json", json.dumps(whole))
    sources.check([source_of(tmp_path, columns="redcaps")])
    first, number, bare = collected(tmp_path, columns="redcaps")
    assert (first["url"], first["caption"], first["reason"]) == (CAT, "my cat", None)
    assert extra_of(first) == {
        "image_id": "bpzj7r",
        "author": "zoe",
        "subreddit": "cats",
        "score": 3,
    }
    assert (number["reason"], bare["reason"]) == ("row_invalid", "url_missing")


def test_wit_gives_a_pair_for_each_of_its_captions(tmp_path):
    names = [
        "language",
        "page_url",
        "image_url",
        "page_title",
        "caption_reference_description",
        "caption_attribution_description",
        "caption_alt_text_description",
    ]
    page = "https://en.wikipedia.org/wiki/Cat"
    rows = [
        ["en", page, CAT, "Cat", '"a ""cat"" asleep"', "English: A cat", ""],
        ["de", page, DOG, "Hund", "", "", ""],
    ]
    path = tmp_path / "wit_v1.train.all-00000-of-00010.tsv.gz"
    path.write_bytes(
        gzip.compress("\n".join("\t".join(row) for row in [names, *rows]).encode(), mtime=0)
    )
    found = collected(path, columns="wit")
    assert [(row["url"], row["caption"], row["reason"]) for row in found] == [
        (CAT, 'a "cat" asleep', None),
        (CAT, "English: A cat", None),
        (DOG, "", "caption_missing"),
    ]
    assert {row["page_url"] for row in found} == {page}
    assert extra_of(found[1])["caption_column"] == "caption_attribution_description"
    assert extra_of(found[2])["language"] == "de"


def yfcc_line(**values: str) -> str:
    return "\t".join(values.get(name, "") for name in READY["yfcc"].headers[0])


def test_yfcc_gives_title_and_description_decoded_and_no_films(tmp_path):
    known = {
        "download_url": CAT,
        "page_url": "http://www.flickr.com/photos/1/2/",
        "license_name": "Attribution License",
        "license_url": "http://creativecommons.org/licenses/by/2.0/",
        "photo_id": "2",
    }
    lines = [
        yfcc_line(**known, title="My+caf%C3%A9", description="A+cat%2C+asleep%0A", marker="0"),
        yfcc_line(**known, title="IMG_0520", marker="0"),
        yfcc_line(**known, title="a+film", marker="1"),
        yfcc_line(**known, title="caf%E9", marker="0"),
        "too\tshort",
    ]
    assert lines[0].count("\t") == 24
    path = tmp_path / "yfcc100m_dataset.bz2"
    with pa.output_stream(str(path), compression="bz2") as out:
        out.write("\n".join(lines).encode())
    sources.check([source_of(path, columns="yfcc")])
    found = collected(path, columns="yfcc")
    assert [(row["caption"], row["reason"]) for row in found] == [
        ("My café", None),
        ("A cat, asleep\n", None),
        ("IMG_0520", None),
        ("a film", "not_a_picture"),
        ("caf�", "caption_invalid"),
        ("", "not_a_picture"),
    ]
    assert found[0]["license"] == "Attribution License"
    assert extra_of(found[1]) == {
        "caption_column": "description",
        "license_url": "http://creativecommons.org/licenses/by/2.0/",
        "photo_id": "2",
        **dict.fromkeys(
            ("user_nsid", "user_nickname", "date_taken", "user_tags", "longitude", "latitude"), ""
        ),
    }


@pytest.mark.parametrize("order", [("images", "annotations"), ("annotations", "images")])
def test_coco_captions_find_their_pictures_in_any_order(tmp_path, order):
    lists = {
        "images": [{"id": 9, "coco_url": CAT, "license": 3, "width": 640, "file_name": "9.jpg"}],
        "annotations": [
            {"image_id": 9, "id": 1, "caption": "A cat sleeps."},
            {"image_id": 9, "id": 2, "caption": "A sleeping cat."},
            {"image_id": 8, "id": 3, "caption": "Lost."},
            {"image_id": [9], "id": 4, "caption": "Odd."},
        ],
    }
    whole = {
        "info": {"year": 2017},
        **{name: lists[name] for name in order},
        "licenses": [{"id": 3, "url": "http://creativecommons.org/licenses/by-nc-nd/2.0/"}],
    }
    written(tmp_path / "captions_val2017.json", json.dumps(whole))
    written(tmp_path / "instances_val2017.json", "{}")
    sources.check([source_of(tmp_path, columns="coco")])
    first, second, *lost = collected(tmp_path, columns="coco")
    assert (first["url"], first["caption"], second["caption"]) == (
        CAT,
        "A cat sleeps.",
        "A sleeping cat.",
    )
    assert first["license"] == "http://creativecommons.org/licenses/by-nc-nd/2.0/"
    assert extra_of(first) == {"id": 1, "image_id": 9, "width": 640, "file_name": "9.jpg"}
    assert [row["reason"] for row in lost] == ["url_missing", "url_missing"]


def test_visual_genome_regions_find_their_pictures_in_the_file_beside(tmp_path):
    regions = [
        {"region_id": 1, "image_id": 5, "phrase": "the clock is green", "x": 421, "y": 57},
        {"region_id": 2, "image_id": 6, "phrase": "a dog"},
    ]
    written(tmp_path / "region_descriptions.json", json.dumps([{"id": 5, "regions": regions}]))
    with pytest.raises(SourceError, match=r"no file .*image_data\.json"):
        sources.check([source_of(tmp_path, columns="visual_genome")])
    pictures = [{"image_id": 5, "url": CAT, "width": 800}, {"image_id": 6, "url": DOG}]
    written(tmp_path / "image_data.json", json.dumps(pictures))
    sources.check([source_of(tmp_path, columns="visual_genome")])
    cat, dog = collected(tmp_path, columns="visual_genome")
    assert (cat["url"], cat["caption"]) == (CAT, "the clock is green")
    assert extra_of(cat) == {"region_id": 1, "image_id": 5, "x": 421, "y": 57, "width": 800}
    assert (dog["url"], dog["caption"]) == (DOG, "a dog")


def test_a_changed_file_of_pictures_makes_another_part(tmp_path):
    written(tmp_path / "region_descriptions.json", "[]")
    source = source_of(tmp_path, columns="visual_genome")
    identities = []
    for text in ("[]", "[{}]"):
        written(tmp_path / "image_data.json", text)
        (part,) = sources.parts(source, sources.Planning(Path.read_text))
        identities.append(part.identity)
    assert identities[0] != identities[1]


# --- columns and extra columns --------------------------------------------------------------------
def test_several_columns_of_captions_give_a_pair_each(tmp_path):
    text = f"url,title,about\n{CAT},a cat,it sleeps\n{DOG},,a dog\n{DOG},,\n"
    path = written(tmp_path / "a.csv", text)
    assert seen(path, columns={"caption": ("title", "about")}) == [
        (CAT, "a cat", None),
        (CAT, "it sleeps", None),
        (DOG, "a dog", None),
        (DOG, "", "caption_missing"),
    ]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_extra_columns_are_kept_beside_the_pair(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    row = {"url": CAT, "caption": "a cat", "width": 640, "author": "Zoë"}
    if ending == "parquet":
        table(path, **{name: [value] for name, value in row.items()})
    elif ending == "csv":
        written(path, f"{','.join(row)}\n{','.join(map(str, row.values()))}\n")
    else:
        written(path, json.dumps(row))
    width = "640" if ending == "csv" else 640
    (none,) = collected(path)
    (some,) = collected(path, extra=("width",))
    (every,) = collected(path, extra="all")
    assert none["extra"] is None
    assert extra_of(some) == {"width": width}
    assert extra_of(every) == {"width": width, "author": "Zoë"}


def test_extra_values_of_any_type_are_written_as_json(tmp_path):
    late = pa.array([1 << 60], pa.timestamp("ms"))
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    )
    path = table(
        tmp_path / "a.parquet",
        url=[CAT],
        caption=["a cat"],
        nan=[float("nan")],
        box=[[1, 2]],
        by=[{"name": "Zoë", "age": None}],
        day=pa.array([18_000], pa.date32()),
        late=late,
        broken=broken,
        long=["x" * 20_000],
        longer=["x" * 2_000_000],
        sort=pa.array(["photo"]).dictionary_encode(),
    )
    (row,) = collected(path, extra="all")
    assert extra_of(row) == {
        "box": [1, 2],
        "by": {"age": None, "name": "Zoë"},
        "day": "2019-04-14",
        "broken": "��",
        "long": "x" * 10_000,
        "sort": "photo",
    }


def test_no_nesting_is_too_deep_for_the_extra_columns(tmp_path):
    deep = "[" * 900 + "]" * 900
    path = written(tmp_path / "a.jsonl", f'{{"url": "{CAT}", "caption": "a cat", "deep": {deep}}}')
    (row,) = collected(path, extra="all")
    assert row["reason"] is None
    assert extra_of(row) == {"deep": [[[[[[[[None]]]]]]]]}


@given(st.recursive(st.none() | st.floats() | st.text() | st.binary(), st.lists))
def test_every_extra_value_becomes_json_that_others_read(value):
    made = plain(value)
    assert json.loads(json.dumps(made, allow_nan=False)) == made


def test_a_header_may_be_given(tmp_path):
    path = written(tmp_path / "a.csv", f"a cat,{CAT}\na dog,{DOG}\n")
    assert seen(path, header=("caption", "url")) == [(CAT, "a cat", None), (DOG, "a dog", None)]


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("link,text\n", {"columns": "laion"}, "no column 'URL'; it has: link, text"),
        ("url,text\n", {"columns": "laion", "extra": ("WIDTH",)}, "no column 'WIDTH'"),
        ("url,caption\n", {"extra": ("width",)}, "no column 'width'; it has: url, caption"),
        ("url,caption,url\n", {}, "2 columns 'url'; it has: url, caption, url"),
        ('url,"a\nb\x1b[2J"\n', {}, "no column 'caption'; it has: url, 'a\\nb\\x1b[2J'"),
        (",".join(f"c{n}" for n in range(99)), {}, "c49, and 49 more"),
    ],
)
def test_wrong_columns_are_told_in_one_line_with_those_there_are(tmp_path, text, settings, message):
    path = written(tmp_path / "a.csv", text)
    with pytest.raises(SourceError) as refused:
        sources.check([source_of(path, **settings)])
    assert message in str(refused.value)
    assert str(refused.value).isprintable()


# --- settings -------------------------------------------------------------------------------------
def with_source(tmp_path: Path, lines: str) -> Path:
    sample = SAMPLE.read_text()
    start = sample.index("[[sources]]")
    stop = sample.index("[", start + len("[[sources]]"))
    source = f'[[sources]]\nkind = "tables"\nname = "mine"\n{lines}\n\n'
    return written(tmp_path / "build.toml", sample[:start] + source + sample[stop:])


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        ('paths = ["no.csv"]', "expected a file or folder that exists"),
        ('paths = ["s3://b/*.csv"]\ncolumns = "leon"', "= 'leon': expected 'laion', 'relaion'"),
        ('paths = ["s3://b/*.csv"]\ncolumns = { link = "x" }', "link: unknown key"),
        ('paths = ["s3://b/*.csv"]\nextra = "some"', "expected 'all'"),
    ],
)
def test_wrong_settings_are_told_with_what_was_expected(tmp_path, lines, line):
    with pytest.raises(SettingsError) as refused:
        load(with_source(tmp_path, lines))
    assert line in str(refused.value)


def test_settings_name_a_ready_layout_or_columns():
    ready = {"kind": "tables", "name": "a", "paths": ("s3://b/*.csv",), "columns": "wit"}
    assert TablesSource.model_validate(ready).columns == "wit"
    own = TablesSource.model_validate({**ready, "columns": {"caption": ("a", "b")}})
    assert own.columns.caption == ("a", "b")
    with pytest.raises(ValidationError):
        TablesSource.model_validate({**ready, "columns": {"caption": ()}})


# --- JSON that is one value -----------------------------------------------------------------------
ITEM = st.recursive(st.integers() | st.text(), lambda some: st.lists(some, max_size=3))


@given(ITEM, st.integers(1, 9))
def test_items_are_what_the_whole_file_holds(value, n_characters):
    whole = {"before": [1, {"rows": [2]}], "rows": [value, {"a": value}], "after": value}
    stream = StringIO(json.dumps(whole, indent=1))
    chunks = type("Chunks", (), {"read": lambda _, __: stream.read(n_characters)})()
    assert [item for _, item in nested.items(chunks, {"rows"})] == whole["rows"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"annotations": [{"url": "u", "caption": "c"}', ["url_invalid", "bad_stream"]),
        ('{"annotations": [{"url": "u", "caption": "c"}, {', ["url_invalid", "bad_stream"]),
        ('{"annotations": [{"url": "u", "caption": "c"}]} x', ["url_invalid", "bad_stream"]),
        ('{"annotations": [1 2]}', ["row_invalid", "bad_stream"]),
        ('{"annotations": ' + "[" * 100_000, ["bad_stream"]),
        ("[" * 100_000, ["bad_stream"]),
        ('{"annotations": "' + "x" * 5_000_000, ["bad_stream"]),
        ('{"annotations": ' + "9" * 10_000 + "}", ["bad_stream"]),
        ("7", ["bad_stream"]),
        ("", ["bad_stream"]),
        (b"\xff\xfe[\0", ["bad_stream"]),
    ],
)
def test_broken_json_ends_in_a_reason(tmp_path, text, expected):
    path = written(tmp_path / "a.json", text)
    assert reasons(path, columns="redcaps") == expected


def test_json_that_points_to_too_many_pictures_is_not_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(nested, "MOST_PICTURES", 10)
    pictures = [{"id": n, "coco_url": CAT} for n in range(11)]
    whole = {"images": pictures, "annotations": [{"image_id": 1, "caption": "a cat"}]}
    path = written(tmp_path / "captions_x.json", json.dumps(whole))
    assert reasons(path, columns="coco") == ["file_bomb"]


def test_a_list_of_objects_is_a_table_too(tmp_path):
    path = written(tmp_path / "a.json", json.dumps([{"url": CAT, "caption": "a cat"}]))
    sources.check([source_of(path)])
    assert seen(path) == [(CAT, "a cat", None)]
