"""`python -m trainer compare` on tiny builds: whole, ended and gone on with, refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from queries import questions
from queries.engine.duck import DuckEngine
from tests import ROOT
from tests.trainer_fixtures import CLASSES, make_build, make_eval_set
from trainer.__main__ import main
from trainer.commands import evaluate
from trainer.run_folder import RunFolder

RUNS = ("--batch", "8", "--samples", "64", "--seeds", "2", "--points", "2")
N_STEPS, N_IMAGES = 8, len(CLASSES)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A build, one that has one corrupt picture, and two sets, one of them of half the classes."""
    root = tmp_path_factory.mktemp("world")
    make_build(root / "build", per_class=2)
    make_build(root / "corrupt", per_class=1, corrupt=1)
    make_eval_set(root / "shapes", first=1000, per_class=1)
    make_eval_set(root / "other/shapes", first=2000, per_class=1)
    return root


def arguments(world: Path, to: Path, *more: str) -> list[str]:
    """A comparison of a build with itself and with its half, on one set."""
    arms = [f"all={world}/build", f"same={world}/build"]
    arms += [f"half={world}/build where caption LIKE '%circle' OR caption LIKE '%square'"]
    flags = [flag for arm in arms for flag in ("--arm", arm)]
    return ["compare", *flags, "--eval", f"{world}/shapes", "--to", str(to), *RUNS, *more]


@pytest.fixture(scope="module")
def compared(world, tmp_path_factory) -> Path:
    """The folder of a finished comparison."""
    to = tmp_path_factory.mktemp("compared")
    assert main(arguments(world, to)) == 0
    return to


def rows_of(folder: Path, table: str) -> list[dict]:
    paths = sorted((folder / "tables" / table).glob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def test_equal_compute_is_proved_by_counts(compared):
    runs = rows_of(compared, "compared_run")
    assert {(run["arm"], run["seed"]) for run in runs} == {
        (arm, seed) for arm in ("all", "same", "half") for seed in (0, 1)
    }
    assert {(run["samples_seen"], run["steps"]) for run in runs} == {(64, N_STEPS)}
    assert {run["arm"]: run["pairs"] for run in runs} == {"all": 32, "same": 32, "half": 16}
    assert {run["arm"]: run["decoded"] for run in runs} == {"all": 32, "same": 32, "half": 16}
    assert all(run["cpu_seconds"] > 0 for run in runs)


def test_a_build_does_not_differ_from_itself(compared):
    rows = [row for row in rows_of(compared, "comparison") if row["arm"] == "same"]
    assert {row["samples_seen"] for row in rows} == {32, 64}
    assert {row["difference"] for row in rows} == {0.0}
    assert all(row["difference_low"] < 0 < row["difference_high"] for row in rows)


def test_the_table_is_made_of_the_answers(compared):
    """Means by a plain loop over the rows of answers."""
    answers = [row for row in rows_of(compared, "compared_answer") if row["samples_seen"] == 64]
    for row in rows_of(compared, "comparison"):
        if (row["class_group"], row["samples_seen"]) == ("all", 64):
            own = [answer["correct"] for answer in answers if answer["arm"] == row["arm"]]
            assert row["accuracy"] == pytest.approx(np.mean(own))
            assert (row["seeds"], row["images"]) == (2, N_IMAGES)


def test_classes_are_counted_in_the_pairs_of_each_arm(compared):
    classes = {(row["arm"], row["class_name"]): row for row in rows_of(compared, "compared_class")}
    assert classes["all", "red circle"]["pairs"] == 2
    assert classes["half", "red circle"]["pairs"] == 2
    assert classes["half", "red cross"]["pairs"] == 0


def test_accuracies_are_those_of_zeroshot(world, compared, capsys):
    """The run's own weights, asked by the other command."""
    run = RunFolder(compared / "runs/all-0")
    args = ["zeroshot", "--run", str(run.root), "--eval", f"{world}/shapes"]
    assert main(args) == 0
    figure = json.loads((run.root / "zeroshot.json").read_text())["shapes"]["top1"]
    answers = [
        row["correct"]
        for row in rows_of(compared, "compared_answer")
        if (row["arm"], row["seed"], row["samples_seen"]) == ("all", 0, 64)
    ]
    assert figure == pytest.approx(np.mean(answers))
    assert evaluate.COMMANDS["zeroshot"].evaluation().TITLE in capsys.readouterr().out


def test_a_finished_comparison_is_not_trained_again(world, compared, capsys):
    before = {path: path.stat().st_mtime_ns for path in compared.glob("runs/*/run.json")}
    table = (compared / "comparison.parquet").read_bytes()
    assert main(arguments(world, compared)) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (compared / "comparison.parquet").read_bytes() == table
    printed = capsys.readouterr().out
    assert "compute of a run" in printed
    assert "0 of " in printed


def test_sql_reads_a_comparison_as_it_reads_a_run(world, compared):
    inputs = questions.tables(world / "build", compared)
    rows = DuckEngine(quiet=True).ask(inputs, questions.sql("audit", "comparison")).to_pylist()
    assert {row["arm"] for row in rows} == {"all", "same", "half"}
    assert {row["samples_seen"] for row in rows} == {64}


def test_a_plot_of_each_group_is_drawn(compared):
    drawn = (compared / "comparison.svg").read_text()
    assert "samples seen" in drawn
    assert "shapes: all" in drawn


@pytest.mark.slow
def test_more_seeds_are_added_to_those_that_are_there(world, tmp_path):
    assert main(arguments(world, tmp_path / "to")) == 0
    records = {path: path.stat().st_mtime_ns for path in (tmp_path / "to").glob("runs/*/run.json")}
    more = arguments(world, tmp_path / "to")
    more[more.index("--seeds") + 1] = "3"
    assert main(more) == 0
    assert all(path.stat().st_mtime_ns == before for path, before in records.items())
    assert {row["seeds"] for row in rows_of(tmp_path / "to", "comparison")} == {3}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--lr", "0.001"], "another comparison (other settings)"),
        (["--samples", "72"], "another comparison (other plan)"),
        (["--seeds", "1"], "seeds 1: expected at least 2"),
    ],
)
def test_another_comparison_is_refused(world, compared, capsys, more, expected):
    before = (compared / "comparison.parquet").read_bytes()
    assert main(arguments(world, compared, *more)) == 2
    assert expected in capsys.readouterr().err
    assert (compared / "comparison.parquet").read_bytes() == before


def test_runs_that_are_of_no_comparison_are_never_deleted(world, tmp_path, capsys):
    weights = tmp_path / "runs/mine/checkpoint.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"a month of work")
    for more in ((), ("--anew",)):
        assert main(arguments(world, tmp_path, *more)) == 2
        assert "has runs that are of no comparison" in capsys.readouterr().err
        assert weights.read_bytes() == b"a month of work"


def test_sets_of_one_name_are_refused(world, tmp_path, capsys):
    args = arguments(world, tmp_path)
    args.insert(args.index("--to"), f"{world}/other/shapes")
    assert main(args) == 2
    assert "a second set named shapes" in capsys.readouterr().err


def test_an_arm_that_sees_fewer_samples_is_refused(world, tmp_path, capsys):
    args = ["compare", "--arm", f"all={world}/build", "--arm", f"bad={world}/corrupt"]
    args += ["--eval", f"{world}/shapes", "--to", str(tmp_path), *RUNS]
    assert main(args) == 2
    fault = capsys.readouterr().err
    assert "arm bad, seed 0: 6" in fault
    assert "samples seen in 8 steps, expected 64 in 8 as of every arm" in fault
    assert "1 pictures are corrupt" in fault


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("max_seconds = 3\n", "max_seconds 3.0: expected none"),
        ("val = 0.1\n", "val 0.1: expected none"),
        ("where = 'n_words > 3'\n", "where n_words > 3: expected none"),
        ("[recipe]\nobjective = 'simclr'\n", "objective simclr"),
    ],
)
def test_settings_that_would_make_arms_unequal_are_refused(world, tmp_path, capsys, toml, expected):
    (tmp_path / "recipe.toml").write_text(toml)
    to = tmp_path / "to"
    assert main(arguments(world, to, "--settings", str(tmp_path / "recipe.toml"))) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.slow
def test_a_comparison_that_was_ended_goes_on_to_the_same_answers(world, compared, tmp_path):
    """Ended by SIGTERM as soon as the second run has begun; the first is not trained again."""
    to = tmp_path / "to"
    command = [sys.executable, "-m", "trainer", *arguments(world, to, "--save-seconds", "0")]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    while process.poll() is None and not (to / "runs/same-0/train.jsonl").is_file():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait() in (128 + signal.SIGTERM, 0)  # 0: all was done before it came
    first = (to / "runs/all-0/run.json").stat().st_mtime_ns
    assert main(arguments(world, to)) == 0
    assert (to / "runs/all-0/run.json").stat().st_mtime_ns == first
    assert rows_of(to, "compared_answer") == rows_of(compared, "compared_answer")
    result = "comparison.parquet"
    assert (to / result).read_bytes() == (compared / result).read_bytes()
