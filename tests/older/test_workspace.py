"""A workspace that release 0.1.0 made: today's code reads it, and builds on in it.

`workspace-0.1.0.tar.xz` holds the inputs of a small build (`in`) and the workspace that 0.1.0 made
of them (`wit`), without its notes of where the inputs were. Its pictures are those of
`tests/image_server.py` at one port, where today's build asks for them again only if it must.
"""

import json
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from queries.tables.manifest import find
from tests import ROOT
from tests.image_server import ImageServer
from tests.processes import WAIT_S
from tests.small_build import LUIGI, published, table

pytestmark = pytest.mark.slow

PORT = 8431  # of the addresses in the old build's candidates
PACKED = Path(__file__).with_name("workspace-0.1.0.tar.xz")


def pictures() -> ImageServer:
    try:
        return ImageServer(PORT)
    except OSError as error:
        pytest.skip(f"port {PORT}, of the old build's addresses: {error}")


@dataclass
class Continued:
    """The workspace after today's build: the two versions, and what was asked of the server."""

    folder: Path
    old: Path
    files_before: dict[str, str]
    checked_before: subprocess.CompletedProcess
    images_before: list[str]
    new: Path
    paths: list[str]

    def luigi(self) -> subprocess.CompletedProcess:
        return luigi(self.folder)


def luigi(folder: Path) -> subprocess.CompletedProcess:
    command = [LUIGI, "--module", "pipeline", "BuildWIT"]
    command += ["--settings", folder / "in/build.toml", "--out", folder / "wit"]
    return run(*command)


def run(*command: object) -> subprocess.CompletedProcess:
    words = [*map(str, command)]
    return subprocess.run(words, capture_output=True, text=True, timeout=WAIT_S, cwd=ROOT)


def question(*words: object) -> subprocess.CompletedProcess:
    return run(sys.executable, "-m", "queries", *words)


@pytest.fixture(scope="module")
def continued(tmp_path_factory):
    folder = tmp_path_factory.mktemp("older")
    with tarfile.open(PACKED) as tar:
        tar.extractall(folder, filter="data")
    old = find(folder / "wit")
    before, checked = published(old), question("check", "--build", old)
    images = sorted(path.name for path in (folder / "wit/images").iterdir())
    with pictures() as server:
        done = luigi(folder)
        assert done.returncode == 0, done.stdout + done.stderr
        yield Continued(
            folder, old, before, checked, images, find(folder / "wit"), list(server.paths)
        )


def test_the_old_version_is_whole_before_and_after(continued):
    assert continued.checked_before.returncode == 0, continued.checked_before.stdout
    after = question("check", "--build", continued.old)
    assert after.returncode == 0, after.stdout
    assert published(continued.old) == continued.files_before


def test_today_s_code_makes_a_version_of_its_own_that_every_check_passes(continued):
    assert continued.new != continued.old
    assert json.loads((continued.new / "manifest.json").read_text())["version"] == (
        continued.new.name
    )
    done = question("check", "--build", continued.new)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("of", ["old", "new"])
def test_every_audit_answers_of_both_versions(continued, of):
    both = {"old": continued.old, "new": continued.new}
    (other,) = {*both.values()} - {both[of]}
    done = question("audit", "--build", both[of], "--other", other)
    assert done.returncode == 0, done.stderr
    assert "Pairs per query before and after the cap" in done.stdout


def test_no_row_of_the_old_version_is_lost_without_a_reason(continued):
    """A candidate's id is as it was; it is a pair, or a drop with its reason."""

    def ids(version: Path) -> Counter:
        rows = [table(version, name)["pair_id"].to_pylist() for name in ("pair", "drop")]
        return Counter(pair_id for column in rows for pair_id in column)

    assert ids(continued.new) == ids(continued.old)
    kept = {row["pair_id"] for row in table(continued.old, "kept_match").to_pylist()}
    still = {row["pair_id"] for row in table(continued.new, "kept_match").to_pylist()}
    reasons = {row["pair_id"] for row in table(continued.new, "drop").to_pylist()}
    reasons |= {
        row["pair_id"] for row in table(continued.new, "outcome").to_pylist() if row["reason"]
    }
    asked = {row["pair_id"] for row in table(continued.new, "outcome").to_pylist()}
    passed_over = {row["pair_id"] for row in table(continued.new, "pair").to_pylist()} - asked
    assert len(still) > 15
    assert kept - still <= reasons | passed_over


def test_what_is_stored_is_not_asked_for_again(continued):
    """Only a change of what is stored of a picture, which names its folder anew, asks again."""
    old = table(continued.old, "attempt")["pair_id"].to_pylist()
    pairs = table(continued.new, "pair").to_pylist()
    of_pair = {row["pair_id"]: "/" + row["url"].split("/", 3)[3] for row in pairs}
    stored = {of_pair[pair_id] for pair_id in old if pair_id in of_pair}
    asked = Counter(path for path in continued.paths if path in of_pair.values())
    assert set(asked.values()) <= {1}, "no address twice"
    images = sorted(path.name for path in (continued.folder / "wit/images").iterdir())
    if images == continued.images_before:
        assert stored.isdisjoint(asked)
        new = set(table(continued.new, "attempt")["pair_id"].to_pylist()) - set(old)
        assert set(asked) == {of_pair[pair_id] for pair_id in new}
    else:
        assert len(images) == 1 + len(continued.images_before)


def test_what_0_1_0_left_out_of_a_list_or_lost_to_a_caption_is_mended(continued):
    def reasons(version: Path) -> dict[str, str]:
        rows = table(version, "drop").to_pylist()
        return {row["caption"]: row["reason"] for row in rows}

    old, new = reasons(continued.old), reasons(continued.new)
    spelled = "green boat in another spelling"  # the list has it as /%70icture/49.png
    assert (old.get(spelled), new[spelled]) == (None, "excluded")
    without = [caption for caption in new if caption.startswith("DSC ")]
    assert len(without) == 8
    assert {new[caption] for caption in without} == {"no_query"}
    assert "url_seen" in old.values()
    assert "url_seen" not in new.values()
    done = question(
        "audit", "exclusions_without_pair", "--build", continued.new, "--format", "json"
    )
    assert json.loads(done.stdout) == []


def test_a_second_build_makes_nothing(continued):
    done = continued.luigi()
    assert done.returncode == 0
    assert "nothing to do" in done.stdout


def test_a_takedown_reaches_what_0_1_0_made(continued, tmp_path):
    copy = tmp_path / "older"
    shutil.copytree(continued.folder, copy)
    old = copy / "wit" / continued.old.name
    (shard,) = (old / "shards").glob("*.parquet")
    sample = pq.read_table(shard).to_pylist()[0]
    listed = copy / "list.csv"
    listed.write_text(f"kind,value\nurl,{sample['url']}\n")
    settings, out = copy / "in/build.toml", copy / "wit"
    words = ["takedown", "--settings", settings, "--out", out, "--list", listed]
    done = run(sys.executable, "-m", "pipeline", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing is left" in done.stdout
    (shard,) = (old / "shards").glob("*.parquet")
    assert sample["pair_id"] not in pq.read_table(shard)["pair_id"].to_pylist()
    checked = question("check", "--build", old)
    assert checked.returncode == 0, checked.stdout
