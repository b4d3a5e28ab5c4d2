"""What people tell of a dataset in [card]: in every page of the card, and kept for the next."""

import json
import tarfile
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.publish.version import publish
from queries.tables.manifest import content, manifest
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from tests.tables import build_row, rows

CARD = """
[card]
name = "dogs"
creators = ["Ada Lovelace", "Charles Babbage"]
publisher = "Analytical Society"
license = "CC-BY-4.0"
citation = "@misc{dogs, title = {Dogs}}"
limitations = "No cats."
biases = "Mostly dogs."
sensitive = "Owners' names."
uses = "To find dogs."
social_impact = "More dogs."
synthetic = false
maintenance = "Till 2030."
contact = "ada@example.org"
"""
GAP = "Not known to the build:"


@pytest.fixture
def build(tmp_path) -> Path:
    shard = tmp_path / "shard.parquet"
    samples = [{"pair_id": n, "key": f"{n:016x}"} for n in (1, 2)]
    write_part(shard, TABLES["sample"], rows("sample", *samples).to_batches())
    tarfile.open(shard.with_suffix(".tar"), "w").close()
    tables = {"build": build_row(), "query": rows("query", {"text": "dog"})}
    return publish(tmp_path / "wit", "v1", tables, [shard], {"settings": {}})


def card(build: Path, *words: str) -> dict:
    """The Croissant of a card that is made now."""
    assert main(["card", "--build", str(build), *words]) == 0
    return json.loads((build / "croissant.json").read_text())


def test_what_nobody_has_told_is_a_marked_gap(build):
    described = card(build)
    for name in ("dataLimitations", "dataBiases", "personalSensitiveInformation", "dataUseCases"):
        assert described[f"rai:{name}"][-1].startswith(GAP)
    for name in ("dataSocialImpact", "dataReleaseMaintenancePlan", "syntheticDataExplanation"):
        assert described[f"rai:{name}"].startswith(GAP)
    assert "creator" not in described
    assert "rai:hasSyntheticData" not in described
    assert "as the column license states it" in described["license"]


def test_what_people_told_is_in_the_card_and_in_every_later_one(build, tmp_path):
    settings = tmp_path / "my.toml"
    settings.write_text(CARD)
    described = card(build, "--settings", str(settings))
    assert described["name"] == "dogs"
    assert [person["name"] for person in described["creator"]] == [
        "Ada Lovelace",
        "Charles Babbage",
    ]
    assert described["publisher"]["name"] == "Analytical Society"
    assert described["license"] == "CC-BY-4.0"
    assert described["citeAs"] == "@misc{dogs, title = {Dogs}}"
    assert described["rai:dataLimitations"][-1] == "No cats."
    assert described["rai:dataBiases"][-1] == "Mostly dogs."
    assert described["rai:hasSyntheticData"] is False
    assert described["rai:dataReleaseMaintenancePlan"].startswith("Till 2030.")
    pages = (build / "README.md").read_text() + (build / "datasheet.md").read_text()
    for text in ("No cats.", "More dogs.", "Owners' names.", "ada@example.org", "To find dogs."):
        assert text in pages
    assert "license: cc-by-4.0\n" in pages
    settings.unlink()
    assert card(build) == described


def test_a_citation_names_the_version_and_the_content(build):
    described = card(build)
    assert f"version v1, content sha256:{content(build)}" in described["citeAs"]
    assert described["identifier"] == f"sha256:{content(build)}"


def test_the_statistics_of_the_card_are_those_of_the_build(build):
    described = card(build)
    assert described["description"].startswith("2 pairs of an image and its caption")
    files = {row["path"]: row["sha256"] for row in manifest(build)["files"]}
    named = {one["@id"]: one.get("sha256") for one in described["distribution"]}
    assert files.items() <= named.items()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[card]\nlicence = 'x'\n", "card.licence: unknown key; did you mean license?"),
        ("[card]\npublished = '30.11.2026'\n", "card.published = '30.11.2026': expected a date"),
        ("[card]\ncreators = 'Ada'\n", "card.creators = 'Ada': expected a list, in brackets"),
        ("card = 5\n", "expected a section, [card]"),
        ("[card\n", "expected a TOML with [card]: Expected ']'"),
    ],
)
def test_a_mistake_in_it_is_one_line_with_the_cure(build, tmp_path, capsys, text, said):
    settings = tmp_path / "my.toml"
    settings.write_text(text)
    assert main(["card", "--build", str(build), "--settings", str(settings)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"settings: {settings}: ")
    assert said in line
