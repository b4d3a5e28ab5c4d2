"""What docs/security.md promises, where no module's own tests hold it; and that it names tests that
exist.
"""

import ast
import io
import json
import os
import re
import stat
import tarfile
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

from pipeline.query_list.wordnet import read_synsets
from pipeline.settings.whole import SettingsError, load
from queries.questions import views
from queries.tables.folder import tar_samples
from queries.tables.parts import folder_written_whole, write_json, written_whole
from tests.test_architecture import MODULES, ROOT, imports, name
from trainer.data.shards import open_shards
from trainer.model.checkpoint import load as load_checkpoint
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError

PAGE = ROOT / "docs" / "security.md"
NAMED = re.compile(r"`(test_\w+)`")

UNPICKLERS = {"pickle", "cPickle", "dill", "marshal", "shelve", "joblib", "cloudpickle", "yaml"}
# Their one name is an exception, which numba's own cache and torch's reader of tensors raise.
UNPICKLES_NOTHING = {"pipeline/match/kernel.py", "trainer/model/start_weights.py"}
READS_TENSORS = "trainer/model/start_weights.py"  # by torch.load, as tensors alone
RUNS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load"),
    *("tempfile.mktemp", "shutil.unpack_archive"),
}
SQL_IS_MADE_IN = ["queries/engine/duck.py", "queries/questions.py"]


def names_of_tests() -> set[str]:
    return {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_test_that_the_review_names_exists():
    named = set(NAMED.findall(PAGE.read_text()))
    assert len(named) > 50
    assert named <= names_of_tests()


def calls(path: Path) -> list[tuple[str, dict[str | None, str]]]:
    """What each call of a module calls, as written, and its named arguments."""
    return [
        (ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords})
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    ]


# --- nothing of a stranger's runs ---------------------------------------------------------------
@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_unpickles_or_runs_what_it_reads(path):
    if name(path) not in UNPICKLES_NOTHING:
        assert not {one.split(".")[0] for one in imports(path)} & UNPICKLERS
    for called, given in calls(path):
        if called == "torch.load" and name(path) == READS_TENSORS:
            assert given["weights_only"] == "True"
            continue
        assert called not in RUNS
        assert given.get("shell", "False") == "False"
        assert given.get("allow_pickle", "False") == "False"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_unpacks_an_archive_to_the_disk(path):
    assert not any(called.endswith((".extractall", ".extract")) for called, _ in calls(path))


def test_members_with_absolute_and_parent_paths_are_names_and_nothing_else(tmp_path):
    archive = tmp_path / "in" / "a.tar"
    archive.parent.mkdir()
    for_wordnet = ("/data.noun", "../data.verb", "../../data.adj", "a/../data.adv")
    with tarfile.open(archive, "w") as tar:
        for member in (*for_wordnet, "../../../../tmp/escaped", "/tmp/escaped"):
            content = b"00001740 03 n 01 kite 0 000 | a toy\n"
            about = tarfile.TarInfo(member)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
        link = tarfile.TarInfo("data.link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    (rows,) = read_synsets(iter([pa.record_batch({"path": [str(archive)]})]))
    assert rows["name"].to_pylist() == ["kite"] * 4
    assert tar_samples(archive)
    assert [one.name for one in tmp_path.rglob("*")] == ["in", "a.tar"]


# --- checkpoints --------------------------------------------------------------------------------
def refused(run: Path) -> str:
    with pytest.raises(TrainerError) as told:
        load_checkpoint(RunFolder(run))
    assert "\n" not in str(told.value)
    return str(told.value)


def test_a_checkpoint_that_is_a_pickle_is_refused_and_does_not_run(tmp_path):
    ran = tmp_path / "ran"
    hostile = f"cos\nsystem\n(S'touch {ran}'\ntR."
    RunFolder(tmp_path).checkpoint.write_bytes(hostile.encode())
    assert "expected a run" in refused(tmp_path)
    assert not ran.exists()


VISION = {"pixels": 16, "width": 8, "blocks": [1], "heads": 2, "patch": 8}
TEXT = {"width": 8, "heads": 2, "layers": 1, "context": 8, "vocabulary": 600}
STATE = {"settings": {}, "step": 1, "build_version": "", "tokenizer": ""}


@pytest.mark.parametrize(
    "state",
    [
        *("", "{", "[]", "7", "[" * 100_000, "{}"),
        *(
            json.dumps(STATE | {"model": {"embed": 4, "vision": VISION | v, "text": TEXT | t}})
            for v, t in (
                *(({}, {"layers": 10**12}), ({"blocks": [10**12]}, {}), ({"blocks": ["a"]}, {})),
                *(({"width": 10**9}, {}), ({}, {"vocabulary": 10**15}), ({}, {"width": -1})),
                *(({"patch": 0}, {}), ({"heads": 0}, {}), ({"pixels": 10**30}, {}), ({"a": 1}, {})),
            )
        ),
    ],
)
def test_a_checkpoint_cannot_claim_a_size_that_its_weights_have_not(state, tmp_path):
    run = RunFolder(tmp_path)
    save_file({"logit_scale": torch.zeros(())}, run.checkpoint, {"buildwit": state})
    run.tokenizer.write_text(json.dumps({"merges": []}))
    assert "expected a run" in refused(tmp_path)


# --- SQL ----------------------------------------------------------------------------------------
def test_sql_is_made_of_names_and_literals_in_two_places_alone():
    made = [name(path) for path in MODULES if "noqa: S608" in path.read_text()]
    assert made == SQL_IS_MADE_IN  # ruff finds the others


def test_a_strangers_table_cannot_bring_sql_into_a_shell(tmp_path):
    build = tmp_path / "it's"
    hostile = """x" AS SELECT 1; COPY (SELECT 1) TO 'escaped'; --"""
    for table in (hostile, "pair", 'a"b'):
        (build / "tables" / table).mkdir(parents=True)
        pq.write_table(pa.table({'"; DROP': [7]}), build / "tables" / table / "0'0.parquet")
    value = "'; COPY (SELECT 1) TO 'escaped'; --"
    about = {"version": value, "settings": {value: value}, "files": [{"path": value}]}
    (build / "manifest.json").write_text(json.dumps(about))
    with duckdb.connect() as shell:
        for line in views(build):
            shell.execute(line)
        found = {row[0] for row in shell.sql("SELECT view_name FROM duckdb_views()").fetchall()}
        assert {hostile, "pair", 'a"b'} <= found
        assert shell.sql('SELECT * FROM "a""b"').fetchall() == [(7,)]
        assert shell.sql("SELECT path FROM manifest_file").fetchall() == [(value,)]
    assert not Path("escaped").exists()


# --- files and secrets --------------------------------------------------------------------------
def test_what_is_written_can_be_changed_by_its_owner_alone(tmp_path):
    before = os.umask(0)  # the most that any user's could allow
    try:
        with folder_written_whole(tmp_path / "folder") as beside:
            assert stat.S_IMODE(beside.stat().st_mode) == 0o700
            write_json(beside / "a.json", {})
        with written_whole(tmp_path / "file") as beside:
            assert stat.S_IMODE(beside.stat().st_mode) == 0o600
    finally:
        os.umask(before)
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.rglob("*")}
    assert modes == {"folder": 0o755, "a.json": 0o644, "file": 0o644}


SECRETS = (
    *("https://me:word@example.org/a.gz", "https://word@example.org/a.gz"),
    *("https://example.org/a?X-Amz-Signature=word", "https://example.org/a?b=1&token=word"),
)


@pytest.mark.parametrize("address", [*SECRETS, "ftp://me:word@example.org/a.csv"])
def test_an_address_with_a_secret_is_refused_without_showing_it(address, tmp_path):
    path = tmp_path / "a.toml"
    for setting in (
        f'articles = ["{address}"]\nwordnet = ["{tmp_path}"]',
        f'articles = ["{tmp_path}"]\nwordnet = ["{address}"]',
    ):
        source = f'[[sources]]\nkind = "tables"\nname = "a"\npaths = ["{address}"]\n'
        path.write_text(f"[queries]\n{setting}\n{source}")
        with pytest.raises(SettingsError) as told:
            load(path)
        assert "***" in str(told.value)
        assert "word@" not in str(told.value)
        assert "=word" not in str(told.value)
        assert "sources.0.tables.paths.0" in str(told.value)


@pytest.mark.parametrize("address", ["s3://me:word@bucket/wit", *SECRETS])
def test_a_build_at_an_address_with_a_secret_is_refused_without_showing_it(address):
    with pytest.raises(TrainerError) as told:
        open_shards(address)
    assert "***" in str(told.value)
    assert "word@" not in str(told.value)
    assert "=word" not in str(told.value)
