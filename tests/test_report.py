"""The report: what strangers wrote is shown as text, and nothing is loaded from anywhere."""

import io
import re
import tarfile
from html.parser import HTMLParser

import pyarrow as pa
import pytest

from pipeline.publish import publish
from pipeline.report import plot_pairs_per_query, write_report
from queries.parts import write_part
from queries.schemas import TABLES
from tests.image_server import picture
from tests.tables import build_row, rows

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "right \u202eto left\u202c again",
    "{{ 7 * 7 }}",
    "long " * 2_000,
]
SETTINGS = {"selection": {"cap": 2}}


@pytest.fixture
def page(tmp_path) -> str:
    samples = [
        {"pair_id": n, "key": f"{n:016x}", "caption": caption, "priority": n, "n_words": 1}
        for n, caption in enumerate(HOSTILE)
    ]
    shard = tmp_path / "shard.parquet"
    write_part(shard, TABLES["sample"], rows("sample", *samples).to_batches())
    with tarfile.open(shard.with_suffix(".tar"), "w") as tar:
        for row in samples:
            member = tarfile.TarInfo(f"{row['key']}.jpg")
            content = picture(row["pair_id"])
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    kept = rows("kept_match", *[{"pair_id": row["pair_id"], "query_id": 0} for row in samples])
    tables: dict[str, list | pa.Table] = {
        "query": rows("query", {"query_id": 0, "text": "<b>query</b>"}),
        "match": rows("match", *[{"pair_id": row["pair_id"], "query_id": 0} for row in samples]),
        "kept_match": kept,
        "build": build_row(),
    }
    build = publish(tmp_path / "wit", "v1", tables, [shard], {"settings": SETTINGS})
    return write_report(build).read_text()


class Seen(HTMLParser):
    """The tags and attributes that a browser would see, and the text."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def test_captions_are_text_and_nothing_runs(page):
    seen = Seen(page)
    assert "script" not in {tag for tag, _ in seen.tags}
    assert not [name for _, of in seen.tags for name in of if name.startswith("on")]
    for caption in HOSTILE:
        assert caption.strip() in seen.text
    assert "49" not in seen.text.split("Settings")[0].split("Some samples")[1]


def test_nothing_is_loaded_from_anywhere(page):
    sources = [of.get("src") or of.get("href") for tag, of in Seen(page).tags if tag != "a"]
    assert all(one.startswith(("data:", "#")) for one in sources if one)
    assert "default-src 'none'" in page
    assert not re.search(r"url\((?!#)", page)


def test_every_picture_has_its_caption_as_alternative(page):
    pictures = [of for tag, of in Seen(page).tags if tag == "img"]
    assert len(pictures) == len(HOSTILE)
    assert {of["alt"] for of in pictures} == set(HOSTILE)


def test_a_build_that_keeps_nothing_is_plotted_all_the_same():
    rows = {"matched": [3, 1], "kept": [0, 0]}
    assert "before the cap" in plot_pairs_per_query(pa.table(rows))
    assert plot_pairs_per_query(pa.table({"matched": [0], "kept": [0]})) == ""
