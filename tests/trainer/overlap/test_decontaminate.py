"""Decontamination, from the look at a build to the next one without what was found."""

import csv
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

from queries.pixels.fingerprint import phash
from queries.tables.manifest import find
from tests.image_server import ImageServer
from tests.processes import WAIT_S
from tests.small_build import ROOT, Small, table
from tests.trainer.overlap.test_planted import COPIES
from tests.trainer_fixtures import write_tar

KINDS = ("jpeg", "webp", "half", "double", "mirror", "bright")
SHOWN, NEAR_BITS = len(KINDS), 2


def run(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120"},
    )


def is_found(image: Image.Image, copy: Image.Image) -> bool:
    """Whether pHash tells that they are one picture, with a bit to spare: not of every copy."""
    hashes = [phash(np.asarray(side.convert("RGB"))) for side in (copy, ImageOps.mirror(copy))]
    own = phash(np.asarray(image))
    bits = (((own ^ other) & (1 << 64) - 1).bit_count() for other in hashes)
    return min(bits) < NEAR_BITS


def pictures_of(build: Path) -> dict[str, Image.Image]:
    """The pictures of a build's shards, by key."""
    pictures = {}
    for path in sorted((build / "shards").glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in (each for each in tar if each.name.endswith(".jpg")):
                key = member.name.removesuffix(".jpg")
                pictures[key] = Image.open(tar.extractfile(member)).convert("RGB")
    return pictures


def evaluation_set(folder: Path, build: Path) -> None:
    """Copies of SHOWN pictures of a build's shards, each of another kind, in two classes.

    Which pictures a build has depends on its server's port, so a kind may be found of none of them:
    then a picture is shown as it is.
    """
    files: dict[str, bytes] = {}
    pictures = pictures_of(build)
    for number, kind in enumerate(KINDS):
        copies = ((key, COPIES[kind](image)) for key, image in pictures.items())
        found = (key_copy for key_copy in copies if is_found(pictures[key_copy[0]], key_copy[1]))
        key, copy = next(found, next(iter(pictures.items())))
        del pictures[key]
        body = io.BytesIO()
        copy.save(body, "PNG")
        files |= {f"{key}.png": body.getvalue(), f"{key}.cls": b"%d" % (number % 2)}
    write_tar(folder / "test" / "0.tar", files)
    (folder / "classnames.txt").write_text("one\nother\n")


def stored(build: Path) -> set[int]:
    """The pairs whose pictures a build has in its shards."""
    tables = [pq.read_table(path) for path in sorted((build / "shards").glob("*.parquet"))]
    return {pair_id for rows in tables for pair_id in rows["pair_id"].to_pylist()}


@pytest.mark.slow
def test_after_a_round_or_two_no_pair_is_near_the_evaluation_set(tmp_path):
    with ImageServer() as server:
        small = Small(tmp_path / "inputs", server.url(""))
        first = small.build(tmp_path / "wit")
        evaluation_set(tmp_path / "set", first)
        out, exclude, settings = tmp_path / "wit", tmp_path / "excluded.csv", small.settings()
        data = ("--data", f"{out}", "--eval", f"{tmp_path}/set", "--threshold", f"{NEAR_BITS}")
        done = run(
            *("trainer", "decontaminate", *data),
            *("--exclude", f"{exclude}", "--settings", f"{settings}"),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        with exclude.open() as file:
            named = {int(row["value"]) for row in csv.DictReader(file) if row["kind"] == "pair_id"}
    last = find(out)
    assert last != first
    kept = set(table(last, "kept_match")["pair_id"].to_pylist())
    assert len(named) >= SHOWN
    assert not named & kept
    before = set(table(first, "kept_match")["pair_id"].to_pylist())
    refills = kept - before
    assert refills  # the freed places are filled with pairs that were not there
    assert refills <= stored(last)
    assert not refills & stored(first)
    looks = [line for line in done.stdout.splitlines() if " pairs are near " in line]
    assert 2 <= len(looks) <= 3
    assert f"{SHOWN} of {SHOWN} evaluation pictures" in looks[0]
    assert "0 pairs are near 0 of" in looks[-1]
    assert run("queries", "check", "no_evaluation_leak", "--build", f"{last}").returncode == 0
    assert table(last, "exclusion").num_rows > 0
    again = run("trainer", "overlap", *data)
    assert "0 training pairs are near" in again.stdout, again.stderr


def test_what_cannot_be_decontaminated_ends_in_one_line(tmp_path):
    done = run(
        "trainer", "decontaminate", "--data", f"{tmp_path}", "--eval", "x", "--exclude", "y.csv"
    )
    assert done.returncode == 2
    assert "expected a build" in done.stderr
    assert "Traceback" not in done.stderr
