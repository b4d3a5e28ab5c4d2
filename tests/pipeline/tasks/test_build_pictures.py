"""Whole builds whose settings say what becomes of pictures: scored, pruned, kept as served."""

import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from queries.tables.manifest import find
from tests.image_server import ImageServer, picture
from tests.pipeline.images.mean_model import mean_model
from tests.processes import WAIT_S
from tests.small_build import ROOT, Small, published, table

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    with ImageServer() as server:
        yield Small(tmp_path_factory.mktemp("small"), server.url(""))


def build(small: Small, out: Path, cap: int = 4, top: str = "", more: str = "") -> Path:
    """A build with lines added at the top and at the end of the TOML."""
    settings = small.settings(cap=cap)
    settings.write_text(f"{top}\n{settings.read_text()}\n{more}\n")
    done = small.luigi(out, settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return find(out)


def n_fetched(out: Path) -> int:
    lines = [json.loads(line) for line in (out / "fetch_log.jsonl").read_text().splitlines()]
    return sum(line.get("rows", 0) for line in lines)


def check(build: Path) -> None:
    command = [sys.executable, "-m", "queries", "check", "--build", str(build)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_a_pruned_workspace_builds_the_same_versions_and_fetches_nothing_again(small, tmp_path):
    versions = {}
    for name, top in (("whole", ""), ("pruned", "prune = true")):
        first, second = (build(small, tmp_path / name, cap, top) for cap in (2, 4))
        versions[name] = [(one.name, published(one)) for one in (first, second)]
    assert versions["whole"] == versions["pruned"]
    assert n_fetched(tmp_path / "whole") == n_fetched(tmp_path / "pruned")
    kept = {row["pair_id"] for row in table(second, "kept_match").to_pylist()}
    stored, lost = {}, {}
    for name in ("whole", "pruned"):
        parts = list((tmp_path / name / "images").glob("*/*/images.parquet"))
        ids = [pair_id for path in parts for pair_id in pq.read_table(path)["pair_id"].to_pylist()]
        stored[name], lost[name] = set(ids), len(ids) - len(set(ids))
    assert stored["whole"] - stored["pruned"] >= kept
    assert not stored["pruned"] & kept
    assert lost == {"whole": 0, "pruned": 0}
    check(second)


def test_a_scorer_added_later_fetches_nothing_and_its_limit_drops_with_a_reason(small, tmp_path):
    out, model = tmp_path / "wit", mean_model(tmp_path / "mean.onnx")
    section = f'[[scorers]]\nkind = "onnx"\nname = "red"\nmodel = "{model}"\nside = 32\n'
    without = build(small, out, top="prune = true")
    had = n_fetched(out)
    scored = build(small, out, top="prune = true", more=section)
    assert scored != without
    assert n_fetched(out) == had
    assert table(scored, "kept_match").equals(table(without, "kept_match"))
    scores = {row["pair_id"]: row["score"] for row in table(scored, "score").to_pylist()}
    pictured = {
        row["pair_id"] for row in table(scored, "attempt").to_pylist() if row["sha256"] is not None
    }
    assert set(scores) == pictured
    assert len(set(scores.values())) > 10

    limit = sorted(scores.values())[len(scores) // 2]
    limited = build(small, out, top="prune = true", more=f"{section}max_score = {limit}\n")
    outcome = {row["pair_id"]: row["reason"] for row in table(limited, "outcome").to_pylist()}
    beyond = {one for one, score in scores.items() if score > limit}
    assert {outcome[one] for one in beyond & outcome.keys()} <= {"image_score", "image_too_small"}
    assert sum(outcome[one] == "image_score" for one in beyond) > 5
    assert n_fetched(out) == len(outcome.keys() | scores.keys() | _asked(scored))
    (row,) = table(limited, "scorer").to_pylist()
    assert (row["scorer"], row["kind"], row["max_score"]) == ("red", "onnx", limit)
    check(limited)


def _asked(build: Path) -> set[int]:
    return set(table(build, "attempt")["pair_id"].to_pylist())


def test_a_model_that_cannot_score_ends_the_build_in_one_line_before_work_starts(small, tmp_path):
    (tmp_path / "no.onnx").write_bytes(b"no model")
    section = '[[scorers]]\nkind = "onnx"\nname = "red"\nside = 32\n'
    settings = small.settings()
    settings.write_text(f'{settings.read_text()}\n{section}model = "{tmp_path / "no.onnx"}"\n')
    done = small.luigi(tmp_path / "wit", settings)
    assert done.returncode == 2
    assert "expected an ONNX model" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "wit").exists()


def test_originals_are_packed_under_their_own_ending_as_they_were_served(small, tmp_path):
    settings = small.settings()
    settings.write_text(
        settings.read_text().replace("size = 64", "size = 64\nkeep_originals = true")
    )
    done = small.luigi(tmp_path / "wit", settings)
    assert done.returncode == 0, done.stderr
    made = find(tmp_path / "wit")
    number_of = {
        f"{row['pair_id']:016x}": int(row["url"].rsplit("/", 1)[1].split(".")[0])
        for row in table(made, "pair").to_pylist()
    }
    names = []
    for path in (made / "shards").glob("*.tar"):
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, ending = member.name.partition(".")
                if ending == "png":
                    assert tar.extractfile(member).read() == picture(number_of[key])
                names.append(ending)
    assert names.count("png") > 10
    assert set(names) == {"png", "txt", "json"}
    check(made)
