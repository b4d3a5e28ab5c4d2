"""Whom to credit, and the summary of training content: held against golden files and the audits."""

import csv
import json
import re
import tarfile
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.publish.version import publish
from queries.questions import answer, sql, tables
from queries.tables.domains import domain_of
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from tests.queries.asking import ENGINE
from tests.tables import build_row, rows

GOLDEN = Path(__file__).parent / "golden"
CC0 = {"license": "CC0", "license_id": "CC0-1.0", "language": "en", "source": "mine"}
SAMPLES = [
    {**CC0, "url": "http://img.a.co.uk/1.jpg", "image_bytes": 900, "n_words": 2},
    {**CC0, "url": "http://www.a.co.uk/2.jpg", "image_bytes": 100, "n_words": 3},
    {**CC0, "url": "http://me.github.io/3.jpg", "image_bytes": 300, "license": "by-nc?",
     "license_id": None, "page_url": "http://me.github.io/", "n_words": 1},
    {**CC0, "url": "http://192.0.2.1:8080/4.jpg", "image_bytes": 50, "license": None,
     "license_id": None, "n_words": 1},
    {**CC0, "url": "http://www.xn--bcher-kva.example/5.jpg", "image_bytes": 20, "n_words": 1},
]  # fmt: skip
EXTRA = [
    {"pair_id": 0, "source": "mine", "extra": '{"author": "Zoë, of the sea"}'},
    {"pair_id": 1, "source": "mine", "extra": '{"creator": "=HYPERLINK(1)"}'},
    {"pair_id": 2, "source": "mine", "extra": "[1]"},
]
CONSENT = {"pair_id": 9, "signal": "robots_tag", "value": "noai", "refuses": True, "place": "page",
           "url": "http://b.example/p", "policy": "obey"}  # fmt: skip


@pytest.fixture(scope="module")
def build(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("rights")
    shard = folder / "shard.parquet"
    samples = [{**row, "pair_id": n, "key": f"{n:016x}"} for n, row in enumerate(SAMPLES)]
    write_part(shard, TABLES["sample"], rows("sample", *samples).to_batches())
    tarfile.open(shard.with_suffix(".tar"), "w").close()
    pairs = [{"pair_id": n, "language": "en", "source": "mine"} for n in range(5)]
    made = {
        "pair": rows("pair", *pairs),
        "outcome": rows("outcome", *({"pair_id": n} for n in range(5))),
        "kept_match": rows("kept_match", *({"pair_id": n} for n in range(5))),
        "extra": rows("extra", *EXTRA),
        "consent": rows("consent", CONSENT),
        "build": build_row(cap=2),
    }
    settings = {
        "sources": [{"kind": "tables", "name": "mine"}],
        "consent": {"robots_tag": "obey", "crawlers": ["GPTBot"]},
        "privacy": {"email": "mask"},
        "fetch": {"contact": "me@example.org"},
    }
    publish(folder / "wit", "v1", made, [shard], {"settings": settings})
    assert main(["rights", "--build", str(folder / "wit")]) == 0
    return folder / "wit" / "v1"


def test_the_files_are_as_they_were_read_by_eye(build):
    for golden in sorted(GOLDEN.iterdir()):
        made = build / ("attribution" if golden.suffix == ".csv" else "") / golden.name
        assert made.read_text("utf-8") == golden.read_text("utf-8"), golden.name
    listed = {path.name for path in (build / "attribution").iterdir()}
    assert listed == {path.name for path in GOLDEN.glob("*.csv")}


def test_every_sample_is_credited_once(build):
    keys = [
        row["key"]
        for path in (build / "attribution").glob("*.csv")
        for row in csv.DictReader(path.read_text("utf-8").splitlines())
    ]
    assert sorted(keys) == [f"{n:016x}" for n in range(5)]


def test_the_sums_of_the_summary_are_those_of_the_audits(build):
    question = sql("audit", "domains")
    domains = answer(ENGINE, tables(build, asked=question), question).to_pylist()
    assert [row["domain"] for row in domains] == [
        *("a.co.uk", "me.github.io", "192.0.2.1", "xn--bcher-kva.example"),
    ]
    page = (build / "training_summary.md").read_text("utf-8")
    assert f"{sum(row['samples'] for row in domains)} pictures, 1,370 bytes" in page
    assert f"Registrable domains of the pictures: {len(domains)}." in page
    assert "| a.co.uk | co.uk | 2 | 2 | 1,000 | 73 |" in page
    assert len(re.findall(r"\*\*Not known to the build:\*\*", page)) >= 7


@pytest.mark.parametrize(
    ("host", "domain", "suffix"),
    [
        ("a.b.example.co.uk", "example.co.uk", "co.uk"),
        ("me.github.io", "me.github.io", "github.io"),
        ("cdn.me.github.io:8080", "me.github.io", "github.io"),
        ("[2001:db8::1]:80", "[2001:db8::1]", None),
        ("192.0.2.1", "192.0.2.1", None),
        ("www.bücher.example", "xn--bcher-kva.example", "example"),
        ("WWW.Example.COM.", "example.com", "com"),
        ("localhost", "localhost", "localhost"),
    ],
)
def test_hosts_belong_to_what_somebody_registers(host, domain, suffix):
    assert domain_of(host) == (domain, suffix)


def test_a_manifest_is_not_changed(build):
    files = json.loads((build / "manifest.json").read_text())["files"]
    assert not [row for row in files if "attribution" in row["path"]]
    assert main_check(build) == 0


def main_check(build: Path) -> int:
    from queries.__main__ import main as ask

    return ask(["check", "files_are_as_published", "--build", str(build)])
