"""The card: a datasheet, a README for a hub, and Croissant, all from the build's own tables."""

import json
import logging
import re
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.publish.card import MARKDOWN, TEMPLATES, card_pages
from pipeline.publish.layout import PUBLISHED
from pipeline.publish.version import publish
from pipeline.settings.card import CardSettings
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from tests.tables import build_row, rows

HOSTILE = "<script>alert(1)</script> | ]( {{ 7 * 7 }}"
SECTIONS = [
    *("Motivation", "Composition", "Collection Process", "Preprocessing/Cleaning/Labeling"),
    *("Uses", "Distribution", "Maintenance"),
]


@pytest.fixture(scope="module")
def build(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("card")
    samples = [
        {"pair_id": 1, "key": f"{1:016x}", "license": "CC0", "language": "en", "url": "http://a/"},
        {"pair_id": 2, "key": f"{2:016x}", "license": HOSTILE, "language": "no: yes"},
        {"pair_id": 3, "key": f"{3:016x}"},
    ]
    shard = folder / "shard.parquet"
    write_part(shard, TABLES["sample"], rows("sample", *samples).to_batches())
    tarfile.open(shard.with_suffix(".tar"), "w").close()
    tables = {
        "query": rows("query", {"query_id": 0, "text": "dog"}),
        "pair": rows("pair", *[{"pair_id": n, "language": "en"} for n in (1, 2, 3)]),
        "stage": rows("stage", {"stage": "collect", "rows_in": 1_234}),
        "build": build_row(cap=2),
    }
    settings = {"selection": {"cap": 2}, "note": HOSTILE}
    made = publish(folder / "wit", "v1", tables, [shard], {"settings": settings})
    assert main(["card", "--build", str(folder / "wit"), "--name", "dogs"]) == 0
    return made


def test_the_datasheet_has_every_section_and_marks_what_nobody_told(build):
    sheet = (build / "datasheet.md").read_text()
    assert re.findall(r"^## (.+)$", sheet, re.M) == SECTIONS
    assert "3 samples" in sheet
    assert "Of 1,234 candidates 3 were" in sheet
    assert sheet.count("**Not known to the build:**") > 5
    assert "| selection.cap | 2 |" in sheet


def test_no_line_of_a_template_joins_the_next(build):
    """Jinja takes the newline after a block away, which is meant for blocks that stand alone."""
    for page in MARKDOWN:
        text = (TEMPLATES / page).read_text("utf-8")
        lines = re.findall(r"^.*\S.*(?<!\+)%\}$", text, re.M)
        alone = r"\s*\{%[^%]*%\}|\{% macro .*"
        assert [line for line in lines if not re.fullmatch(alone, line)] == []
    sheet = (build / "datasheet.md").read_text()
    assert "the makers and their funding.\n\n## Composition" in sheet


@pytest.mark.parametrize("embedded", ["", "data/*.parquet"])
def test_the_cards_examples_are_blocks_that_end_and_python_that_parses(build, embedded):
    layout = replace(PUBLISHED, embedded=embedded)
    pages = card_pages(build, layout, [], CardSettings(name="dogs"))
    text = pages["README.md"]
    fences = [line for line in text.splitlines() if "```" in line]
    assert fences == ["```python", "```"]
    code = text.split("```python\n")[1].split("```\n")[0]
    assert "PATH/OF/THIS/FOLDER" in code  # `dogs` is the name of nothing that can be loaded
    assert "dogs" not in code
    compile(code, "README.md", "exec")


def test_licences_are_counted_as_stated_and_the_whole_gets_none(build):
    readme = (build / "README.md").read_text()
    assert "license: other" in readme
    assert "2 of 3 samples state a licence" in readme
    assert "| none stated |  | 1 | 33.3 | 1 | 0 |" in readme
    assert '- "en"' in readme
    assert "no: yes" not in readme.split("---")[1]


def test_what_strangers_wrote_is_text_in_the_card(build):
    shown = r"&lt;script&gt;alert(1)&lt;/script&gt; \| \]( {{ 7 \* 7 }}"
    for name in ("README.md", "datasheet.md"):
        page = (build / name).read_text()
        assert "<script>" not in page
        assert shown in page


def test_croissant_names_every_published_file_by_its_hash_and_every_column(build):
    told = json.loads((build / "croissant.json").read_text())
    files = json.loads((build / "manifest.json").read_text())["files"]
    named = {one["@id"]: one.get("sha256") for one in told["distribution"]}
    assert {row["path"]: row["sha256"] for row in files}.items() <= named.items()
    sample = next(one for one in told["recordSet"] if one["name"] == "sample")
    columns = [one["source"]["extract"]["column"] for one in sample["field"]]
    assert columns == TABLES["sample"].schema.names
    assert {"license", "page_url", "source"} <= set(columns)


def test_mlcroissant_accepts_the_file_and_reads_the_samples(build, caplog):
    mlcroissant = pytest.importorskip("mlcroissant", reason="needs mlcroissant")
    with caplog.at_level(logging.ERROR):
        told = mlcroissant.Dataset(build / "croissant.json")
    assert told.metadata.ctx.issues.errors == set()
    records = [
        {name.split("/")[1]: value for name, value in row.items()} for row in told.records("sample")
    ]
    assert sorted(row["pair_id"] for row in records) == [1, 2, 3]


def test_the_card_is_no_part_of_the_manifest_and_can_be_made_again(build):
    before = {path.name: path.read_bytes() for path in build.iterdir() if path.is_file()}
    assert main(["card", "--build", str(build), "--name", "dogs"]) == 0
    assert {path.name: path.read_bytes() for path in build.iterdir() if path.is_file()} == before
    assert not [row for row in json.loads(before["manifest.json"])["files"] if ".md" in row["path"]]
