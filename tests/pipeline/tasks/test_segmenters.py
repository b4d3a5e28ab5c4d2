"""A query list of Chinese: its words are the segmenter's, and without one the build says so."""

import json
import subprocess
from pathlib import Path

import pytest

from queries.tables.manifest import find, manifest
from tests.small_build import LUIGI, ROOT, table

pytestmark = pytest.mark.slow
TEXT = "我买了新款手机壳，他也买了手机壳。太阳很大，我喜欢太阳镜。" * 3


def build(folder: Path, segmenter: str) -> tuple[subprocess.CompletedProcess, Path]:
    (folder / "zh.jsonl").write_text(json.dumps({"id": 1, "title": "手机壳", "text": TEXT}) + "\n")
    settings = folder / f"{segmenter}.toml"
    settings.write_text(
        f'queries = {{ articles = ["zh.jsonl"], wiki = "zh", word_min = 1, word_quota = 99 }}\n'
        f'text = {{ segmenter = "{segmenter}" }}\n'
    )
    options = ["--settings", settings, "--out", folder / segmenter]
    command = [LUIGI, "--module", "pipeline", "BuildQueries", *options]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done, find(folder / segmenter / "queries")


def test_a_list_of_chinese_holds_the_words_of_the_segmenter_which_the_build_records(tmp_path):
    pytest.importorskip("icu4py", reason="icu4py is not installed: pip install '.[languages]'")
    done, folder = build(tmp_path, "auto")
    assert {"手机", "太阳", "喜欢"} <= set(table(folder, "query")["text"].to_pylist())
    text = manifest(folder)["settings"]["text"]
    assert text["segmenter"] == "icu"
    assert text["version"].startswith("icu4py 1.")
    assert "without spaces" not in done.stdout


def test_without_a_segmenter_the_build_says_what_share_wants_one_and_the_cure(tmp_path):
    done, folder = build(tmp_path, "none")
    assert "手机" not in table(folder, "query")["text"].to_pylist()
    said = " ".join(done.stdout.split())
    assert "SHORT: 86.2% of the characters of the articles are in scripts without spaces" in said
    assert "pip install '.[languages]'" in said
    assert manifest(folder)["unspaced"] == {"article": pytest.approx(0.862, abs=0.001)}
