"""A query list alone: what docs/queries.md shows runs, and a whole build goes on from it."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pipeline.settings.whole import SAMPLE
from queries.tables.manifest import find
from tests.conftest import packaged
from tests.processes import WAIT_S
from tests.queries.engine.spark_cluster import spark_home
from tests.small_build import LUIGI, ROOT, Small, published, table

pytestmark = pytest.mark.slow
PAGE = (ROOT / "docs/queries.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def run(command: str, folder: Path) -> subprocess.CompletedProcess:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "200",
    }
    return subprocess.run(
        ["bash", "-ec", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )


def test_the_list_of_the_docs_is_made_by_its_command_with_its_audit(tmp_path):
    (settings,) = blocks("toml")
    assert tomllib.loads(settings).keys() == {"queries"}
    for place in re.findall(r"package:[^\"]+", settings):
        packaged(place)
    (tmp_path / "list.toml").write_text(settings)
    made, again = (run(blocks("sh")[0], tmp_path) for _ in range(2))
    assert made.returncode == 0, made.stderr
    n = table(find(tmp_path / "lists"), "query").num_rows
    assert re.search(rf"in the list .* {n:,} ", made.stdout)
    assert "first in, by bigram: " in made.stdout
    assert "last in, by word: " in made.stdout
    *_, about_list, about_words, about_bigrams = made.stdout.splitlines()
    assert about_list.startswith(f"SHORT: the list has {n:,} of the ")
    assert about_words.startswith("SHORT: words end at their floor of 5 occurrences, ")
    assert about_bigrams.startswith("SHORT: bigrams end at their floors of 5 occurrences and 8 bit")
    # What was made is not made again, and the docs' other commands ask of the same list.
    assert made.stdout.replace(": made\n", ": there already, nothing to do\n") == again.stdout
    for command in blocks("sh")[1:]:
        done = run(command, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_list_of_the_sample_lacks_nothing(tmp_path):
    for place in re.findall(r"package:[^\"]+", SAMPLE.read_text()):
        packaged(place)
    done = luigi("BuildQueries", SAMPLE, tmp_path / "wit")
    assert done.returncode == 0, done.stderr
    assert "SHORT" not in done.stdout
    assert table(find(tmp_path / "wit"), "query").num_rows == 90_000


@pytest.fixture
def small(tmp_path) -> Small:
    return Small(tmp_path / "in", "http://127.0.0.1:9")


def queries_alone(settings: Path) -> Path:
    """The [queries] of a settings file, as a file of their own."""
    path = settings.with_name("list.toml")
    path.write_text("[queries]" + settings.read_text().split("[queries]")[1].split("[[")[0])
    return path


def luigi(task: str, settings: Path, out: Path, *more: str) -> subprocess.CompletedProcess:
    words = [LUIGI, "--module", "pipeline", task, "--settings", settings, "--out", out, *more]
    return run(" ".join(map(str, words)), ROOT)


def test_a_list_needs_neither_sources_nor_contact_and_a_build_says_that_it_does(small, tmp_path):
    settings, out = queries_alone(small.settings()), tmp_path / "lists"
    refused = luigi("BuildWIT", settings, out)
    assert refused.returncode == 2
    assert refused.stderr.startswith("sources: missing")
    assert "BuildQueries" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not out.exists()
    made = luigi("BuildQueries", settings, out)
    assert made.returncode == 0, made.stderr
    assert not (out / "images").exists()
    checked = run(f"python -m queries check --build {out}", ROOT)
    assert checked.returncode == 0, checked.stdout
    assert run(f"python -m queries audit --build {out}", ROOT).returncode == 0


def test_other_sections_and_the_engine_do_not_change_the_list(small, tmp_path):
    """Sections that are no part of a list may lack what a build would need, such as a contact."""
    whole = small.settings()
    settings = queries_alone(whole)
    whole.write_text(whole.read_text().replace('allow_networks = ["127.0.0.0/8"]\n', ""))
    lists = []
    for number, words in enumerate([(settings,), (whole,)]):
        out = tmp_path / str(number)
        done = luigi("BuildQueries", *words, out)
        assert done.returncode == 0, done.stderr
        lists.append((find(out).name, published(find(out))))
    assert lists[0] == lists[1]
    spark_home()
    out = tmp_path / "spark"
    done = luigi("BuildQueries", settings, out, "--engine", "spark")
    assert done.returncode == 0, done.stderr
    assert (find(out).name, published(find(out))) == lists[0]


def test_a_build_in_the_workspace_of_a_list_has_its_queries_and_is_then_the_newest(small, tmp_path):
    out = tmp_path / "wit"
    settings = small.settings()
    assert luigi("BuildQueries", settings, out).returncode == 0
    alone = find(out)
    assert alone.parent == out / "queries"
    counted = {path: path.stat().st_mtime_ns for path in out.glob("work/ngram/*")}
    built = luigi("BuildWIT", settings, out)
    assert built.returncode == 0, built.stderr
    assert find(out).parent == out
    # Behind it stands what was lost: no picture of an address that cannot be asked for is fetched.
    ends = [line for line in built.stdout.splitlines() if line.startswith(("SHORT: ", "LOST: "))]
    assert ends[0].startswith("SHORT: ")
    assert built.stdout.splitlines()[-len(ends) :] == ends
    assert "<strong>Short:</strong>" in (find(out) / "report.html").read_text()
    audit = run(f"python -m queries audit query_list --build {out} --rows 1", ROOT)
    assert "SHORT of its quota" in audit.stdout
    assert {path: path.stat().st_mtime_ns for path in out.glob("work/ngram/*")} == counted
    assert table(find(out), "query").equals(table(alone, "query"))
    assert find(out / "queries") == alone
