"""A workspace is opened once, by a call, and before any stage is at work."""

import logging
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.tasks.opening import Options, open_workspace, opened_workspace
from tests.small_build import ROOT, Small


@pytest.fixture
def small(tmp_path):
    return Small(tmp_path / "in", "http://127.0.0.1:9")


@pytest.fixture(autouse=True)
def as_before():
    """Opening a workspace is for a whole process: give this one its handlers and filters back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    log = logging.getLogger("luigi-interface")
    filters = list(log.filters)
    yield
    log.filters[:] = filters
    for number, handler in handlers.items():
        signal.signal(number, handler)


def options(small: Small, out: Path, **changed: str) -> Options:
    words = {"engine": "duckdb", "retry": "", "exclude": ""} | changed
    return Options(str(small.settings()), str(out), **words)


def test_a_workspace_is_opened_by_a_call_and_once(small, tmp_path):
    here = options(small, tmp_path / "wit")
    with pytest.raises(RuntimeError, match="before open_workspace was called"):
        opened_workspace(here)
    ws = open_workspace(here)
    assert ws.folder == tmp_path / "wit"
    assert opened_workspace(here) is open_workspace(here) is ws


def test_one_process_opens_several_folders(small, tmp_path):
    first, second = (options(small, tmp_path / name) for name in ("first", "second"))
    assert open_workspace(first).folder != open_workspace(second).folder
    assert opened_workspace(first).folder == tmp_path / "first"


def test_a_line_that_would_exclude_nothing_ends_the_build_before_its_first_stage(
    small, tmp_path, capsys
):
    listed = tmp_path / "list.txt"
    listed.write_text("example.org\nhttps://example.org\n")
    with pytest.raises(SystemExit) as ended:
        open_workspace(options(small, tmp_path / "wit", exclude=str(listed)))
    assert ended.value.code == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"{listed}, line 2: url 'https://example.org': expected")
    assert said.endswith("for all of it write the host example.org)")
    listed.write_text("example.org\n")
    ws = open_workspace(options(small, tmp_path / "mended", exclude=str(listed)))
    (part,) = (ws.work / "exclusion").glob("*.parquet")
    assert pq.read_table(part)["value"].to_pylist() == ["example.org"]


def test_a_folder_that_is_open_with_other_options_is_refused_in_one_line(small, tmp_path, capsys):
    open_workspace(options(small, tmp_path / "wit"))
    excluded = tmp_path / "excluded.txt"
    excluded.write_text("a.org\n")
    with pytest.raises(SystemExit) as ended:
        open_workspace(options(small, tmp_path / "wit", exclude=str(excluded)))
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said == f"{tmp_path / 'wit'}: another build is at work in this workspace\n"


def test_to_load_the_tasks_opens_nothing(small, tmp_path):
    """Neither the command's help nor a task that is made locks a folder or handles a signal."""
    code = (
        "import signal; from pipeline import BuildWIT;"
        f"BuildWIT(settings={str(small.settings())!r}, out={str(tmp_path / 'wit')!r});"
        "print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "True\n", done.stderr
    assert not (tmp_path / "wit").exists()


def test_lists_by_which_no_caption_can_be_judged_end_the_program_before_any_work(
    small, tmp_path, capsys
):
    for line, fault in {
        'placeholders = ["[xx]"]': "filters.placeholders: '[xx]': expected a phrase or [all]",
        'placeholders = ["photo **"]': "filters.placeholders: '**': expected a word",
    }.items():
        path = Path(small.settings())
        text = path.read_text()
        path.write_text(text.replace("[filters]", f"[filters]\n{line}"))
        assert line in path.read_text()
        with pytest.raises(SystemExit) as ended:
            open_workspace(Options(str(path), str(tmp_path / "wit"), "duckdb", "", ""))
        assert ended.value.code == 2
        assert fault in capsys.readouterr().err
        path.write_text(text)
