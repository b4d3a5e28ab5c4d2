"""Whole builds of what img2dataset downloaded: nothing is fetched again, and all else holds."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from queries.tables.manifest import find
from tests.image_server import ImageServer
from tests.pipeline.sources.downloaded.outputs import download
from tests.processes import WAIT_S
from tests.small_build import ROOT, Small, published, table

pytestmark = pytest.mark.slow

N = 30


@pytest.fixture(scope="module")
def server():
    with ImageServer() as one:
        yield one


@pytest.fixture(scope="module")
def small(server, tmp_path_factory):
    return Small(tmp_path_factory.mktemp("small"), server.url(""))


def rows(small: Small) -> list[dict]:
    captions = [small.caption(number) for number in range(N)]
    return [{"url": url, "caption": text, "score": n / 8} for n, (url, text) in enumerate(captions)]


@pytest.fixture(scope="module")
def output(small, tmp_path_factory):
    return download(
        tmp_path_factory.mktemp("downloaded") / "a",
        rows(small),
        "webdataset",
        disable_all_reencoding=True,
    )


def settings(small: Small, *paths: Path) -> Path:
    """A build of an output, and of the last rows from the web."""
    settings = small.settings(cap=50)
    source = f'kind = "img2dataset"\nname = "held"\npaths = {json.dumps([*map(str, paths)])}'
    text = settings.read_text().replace("[[sources]]", f"[[sources]]\n{source}\n[[sources]]", 1)
    settings.write_text(text)
    lines = [f"{url}\t{text}" for url, text in map(small.caption, range(N, N + 10))]
    (small.folder / "captions.tsv").write_text("\n".join(["url\tcaption", *lines, ""]))
    return settings


def build(small: Small, out: Path, *paths: Path, more: tuple[str, ...] = ()) -> Path:
    done = small.luigi(out, settings(small, *paths), *more)
    assert done.returncode == 0, done.stdout + done.stderr
    return find(out)


@pytest.fixture(scope="module")
def built(small, server, output, tmp_path_factory):
    server.paths.clear()
    out = tmp_path_factory.mktemp("wit") / "wit"
    version = build(small, out, output)
    return out, version, list(server.paths)


def of(build: Path, name: str) -> list[dict]:
    """The rows of a table that are of the output."""
    if name == "sample":
        rows = pa.concat_tables(map(pq.read_table, sorted((build / "shards").glob("*.parquet"))))
    else:
        rows = table(build, name)
    return [row for row in rows.to_pylist() if row["source"] == "held"]


def test_no_picture_that_is_held_is_asked_for(built):
    _, version, paths = built
    asked = {int(number) for path in paths for number in re.findall(r"/(\d+)\.png", path)}
    assert asked
    assert min(asked) >= N
    assert len(of(version, "pair")) > N / 2


def test_every_row_is_a_sample_or_has_a_reason(built):
    _, version, _ = built
    pairs = {row["pair_id"] for row in of(version, "pair")}
    drops = of(version, "drop")
    assert len(pairs) + len(drops) == N
    assert {"not_downloaded"} <= {row["reason"] for row in drops if row["stage"] == "collect"}
    outcome = {row["pair_id"]: row["reason"] for row in table(version, "outcome").to_pylist()}
    assert {outcome[pair_id] for pair_id in pairs} == {None, "not_an_image", "image_too_small"}
    command = [sys.executable, "-m", "queries", "check", "--build", str(version)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_a_sample_is_of_the_bytes_that_are_held(built):
    _, version, _ = built
    extra = {row["pair_id"]: json.loads(row["extra"]) for row in of(version, "extra")}
    samples = of(version, "sample")
    assert len(samples) > N / 3
    for row in samples:
        more = extra[row["pair_id"]]
        assert row["sha256"] == more["held"]["sha256"] == more["sha256"]
        assert more["held"]["as_served"] is True
        assert "score" in more


def test_the_same_files_elsewhere_give_the_same_build(built, small, output, tmp_path):
    _, version, _ = built
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in output.iterdir():
        (moved / file.name).write_bytes(file.read_bytes())
    again = build(small, tmp_path / "wit", moved)
    same = {name: found for name, found in published(again).items() if "input" not in name}
    assert {name: published(version)[name] for name in same} == same
    assert again.name == version.name


def test_lists_of_exclusions_name_addresses_and_bytes(built, small, output, tmp_path):
    out, version, _ = built
    by_url, by_bytes = of(version, "sample")[:2]
    listed = tmp_path / "out.csv"
    listed.write_text(f"kind,value\nurl,{by_url['url']}\nsha256,{by_bytes['sha256']}\n")
    less = build(small, out, output, more=("--exclude", str(listed)))
    left = {row["pair_id"] for row in of(less, "sample")}
    assert not left & {by_url["pair_id"], by_bytes["pair_id"]}
    assert len(left) == len(of(version, "sample")) - 2


def test_a_takedown_takes_a_picture_that_is_held_and_it_does_not_come_back(built, small, output):
    """The last test here: it changes the versions."""
    out, version, _ = built
    row = of(version, "sample")[-1]
    listed = out.parent / "takedown.csv"
    listed.write_text(f"kind,value,reason,date\nurl,{row['url']},asked,2026-11-30\n")
    command = [sys.executable, "-m", "pipeline", "takedown", "--list", str(listed)]
    command += ["--out", str(out), "--settings", str(settings(small, output))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    for again in (find(out), build(small, out, output)):
        assert row["pair_id"] not in {other["pair_id"] for other in of(again, "sample")}
