"""A run from shards to report, on drawn shapes: it learns, repeats, and finds planted copies."""

import json
import math
import os
import signal
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from queries.tables.schemas import TABLES
from tests.processes import WAIT_S, wait_while
from tests.trainer_fixtures import CLASSES, make_build, make_eval_set, picture, png
from trainer.__main__ import main
from trainer.evaluation.intervals import wilson
from trainer.evaluation.sets import read_eval_set
from trainer.model import tokenizer
from trainer.settings import RECIPES, TrainerError

TRAIN = ["--epochs", "40", "--batch", "32"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A build, evaluation sets of unseen and of copied pictures, and a run trained on the build."""
    root = tmp_path_factory.mktemp("world")
    make_build(root / "build", per_class=8)
    make_eval_set(root / "unseen", first=1000)
    make_eval_set(root / "copied", first=6)  # pictures 6 and 7 are in the build, 8 and 9 are not
    assert main(["train", "--data", f"{root}/build", "--run", f"{root}/run", *TRAIN]) == 0
    return root


def test_training_brings_the_loss_below_that_of_chance(world):
    done = json.loads((world / "run" / "run.json").read_text())
    lines = [json.loads(line) for line in (world / "run" / "train.jsonl").read_text().splitlines()]
    assert done["steps"] == done["steps_planned"] == lines[-1]["step"] == 160
    assert done["images"] == 40 * 128
    assert done["ended_by"] == "epochs"
    assert lines[-1]["loss"] < 0.6 * math.log(32)


def test_zero_shot_is_far_above_chance_on_unseen_pictures(world, capsys):
    assert main(["zeroshot", "--run", f"{world}/run", "--eval", f"{world}/unseen"]) == 0
    result = json.loads((world / "run" / "zeroshot.json").read_text())["unseen"]
    assert result["images"] == 4 * len(CLASSES)
    assert result["top1_interval_95"][0] > 3 * result["chance"]
    assert "chance" in capsys.readouterr().out


def test_overlap_finds_the_planted_copies(world, capsys):
    data, run, copied = f"{world}/build", world / "run", f"{world}/copied"
    assert main(["overlap", "--data", data, "--run", f"{run}", "--eval", copied]) == 0
    rows = pq.read_table(run / "tables" / "overlap" / "copied.parquet")
    assert rows.schema.equals(TABLES["overlap"].schema)
    planted = {
        row["image"]: row
        for row in rows.to_pylist()
        if row["image"].endswith(("006.png", "007.png"))
    }
    assert len(planted) == 2 * len(CLASSES)
    assert all(row["overlap"] and row["nearest_distance"] == 0 for row in planted.values())
    near = pq.read_table(run / "tables" / "neighbour" / "copied.parquet")
    assert near.schema.equals(TABLES["neighbour"].schema)
    assert set(planted) <= set(near["image"].to_pylist())
    result = json.loads((run / "overlap.json").read_text())["copied"]
    assert result["n_overlap"] == sum(rows["overlap"].to_pylist())
    assert "All - Clean" in capsys.readouterr().out


def test_a_finished_run_is_found_within_a_second(world):
    command = [sys.executable, "-m", "trainer", "train", "--data", f"{world}/build"]
    cpu_s = []  # the clock would count what other programs take on a busy machine
    for _ in range(3):
        before = os.times()
        output = subprocess.run(
            [*command, "--run", f"{world}/run", *TRAIN], capture_output=True, text=True, check=True
        ).stdout
        after = os.times()
        assert "nothing to do" in output
        cpu_s.append(sum(after[2:4]) - sum(before[2:4]))  # of children that have ended
    assert min(cpu_s) < 1


def test_two_runs_of_one_seed_give_equal_weights(world, tmp_path):
    args = ["--data", f"{world}/build", "--epochs", "1", "--batch", "32", "--run"]
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        assert main(["train", *args, f"{tmp_path}/{name}", "--seed", seed]) == 0
    a, b, c = ((tmp_path / name / "checkpoint.safetensors").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_other_settings_with_anew_drop_the_old_results(world, tmp_path):
    make_build(tmp_path / "build", per_class=2)
    args = ["train", "--data", f"{tmp_path}/build", "--run", f"{tmp_path}/run", "--batch", "16"]
    assert main([*args, "--epochs", "1"]) == 0
    (tmp_path / "run" / "zeroshot.json").write_text("{}")
    assert main([*args, "--epochs", "2"]) == 2
    assert (tmp_path / "run" / "zeroshot.json").exists()
    assert main([*args, "--epochs", "2", "--anew"]) == 0
    assert not (tmp_path / "run" / "zeroshot.json").exists()


def test_a_bound_in_seconds_ends_the_run_with_a_checkpoint(world, tmp_path):
    args = ["train", "--data", f"{world}/build", "--run", f"{tmp_path}", "--epochs", "9999"]
    assert main([*args, "--batch", "16", "--max-seconds", "3"]) == 0
    done = json.loads((tmp_path / "run.json").read_text())
    assert done["ended_by"] == "seconds"
    assert 0 < done["steps"] < done["steps_planned"]
    assert (tmp_path / "checkpoint.safetensors").is_file()


def test_a_run_without_time_takes_a_few_steps_and_says_so(tmp_path, capsys):
    make_build(tmp_path / "build", per_class=2)
    args = ["train", "--data", f"{tmp_path}/build", "--run", f"{tmp_path}/run", "--batch", "4"]
    assert main([*args, "--max-seconds", "0.001"]) == 0
    done = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (done["steps"], done["ended_by"]) == (3, "seconds")
    assert (tmp_path / "run" / "checkpoint.safetensors").is_file()
    said = capsys.readouterr().out
    assert ("too little time for a result" in said) == (done["images"] < done["samples"])


def test_corrupt_samples_are_counted_and_named(tmp_path, capsys):
    bad = make_build(tmp_path / "build", per_class=2, corrupt=2)
    args = ["--data", f"{tmp_path}/build", "--run", f"{tmp_path}/run", "--epochs", "1"]
    assert main(["train", *args, "--batch", "16"]) == 0
    assert sorted(json.loads((tmp_path / "run" / "run.json").read_text())["corrupt"]) == bad
    told = capsys.readouterr().out
    assert all(key in told for key in bad)
    assert "2 corrupt samples" in told


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["train", "--data", "nowhere", "--run", "r"], "nowhere: expected a build"),
        (["train", "--data", "nowhere", "--run", "r", "--model", "RN51"], "expected one of RN50"),
        (
            ["train", "--data", "nowhere", "--run", "r", "--epochs", "0"],
            "recipe.epochs = 0: expected greater",
        ),
        (
            ["train", "--data", "nowhere", "--run", "r", "--seed", f"{10**25}"],
            f"seed = {10**25}: expected less than or equal to {2**63 - 1}",
        ),
        (["zeroshot", "--run", "r", "--eval", "nowhere"], "expected an evaluation set"),
    ],
)
def test_a_wrong_argument_is_one_line_and_status_2(args, expected, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(args) == 2
    told = capsys.readouterr().err
    assert expected in told
    assert told.count("\n") == 1


def test_a_run_that_is_none_is_named(world, capsys):
    assert main(["zeroshot", "--run", f"{world}/build", "--eval", f"{world}/unseen"]) == 2
    assert "expected a run that" in capsys.readouterr().err


def test_an_interrupt_ends_with_one_line_and_status_130(world, tmp_path):
    args = ["--data", f"{world}/build", "--run", f"{tmp_path}/run", "--epochs", "9999"]
    args += ["--batch", "16"]
    process = subprocess.Popen(
        [sys.executable, "-m", "trainer", "train", *args], stderr=subprocess.PIPE, text=True
    )
    log = tmp_path / "run" / "train.jsonl"
    wait_while(process, lambda: log.is_file() and log.read_text(), "a step is done")
    os.kill(process.pid, signal.SIGINT)
    told = process.communicate(timeout=WAIT_S)[1]
    assert process.returncode == 130
    assert "stopped by SIGINT, saved at step" in told
    assert "Traceback" not in told
    assert not (tmp_path / "run" / "run.json").exists()


def test_an_image_folder_is_an_evaluation_set_of_its_folders(tmp_path):
    for name in ("red circle", "blue_cross"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(png(picture(name.replace("_", " "), 0)))
    (tmp_path / "red circle" / "2.jpg").write_bytes(b"no picture")
    found = read_eval_set(tmp_path)
    assert found.classes == ["blue cross", "red circle"]
    assert [(p.name, p.label) for p in found.pictures()] == [
        ("blue_cross/1.png", 0),
        ("red circle/1.png", 1),
    ]
    assert list(found.bad) == ["red circle/2.jpg"]
    assert found.prompts(0) == ["a photo of a blue cross."]


def test_a_template_without_a_place_for_the_class_is_refused(tmp_path):
    make_eval_set(tmp_path, first=0, per_class=1)
    (tmp_path / "zeroshot_classification_templates.txt").write_text("a photo of a {}.\n")
    with pytest.raises(TrainerError, match=r"expected one with \{c\}"):
        read_eval_set(tmp_path)


def test_wilsons_interval_agrees_with_scipy():
    from scipy.stats import binomtest

    expected = binomtest(37, 300).proportion_ci(0.95, method="wilson")
    assert wilson(37, 300) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert wilson(0, 10)[0] == 0.0


def test_every_model_has_a_recipe():
    from trainer.settings import MODELS

    assert MODELS.keys() == RECIPES.keys()


def test_a_bag_of_words_and_given_merges_train_too(world, tmp_path):
    words = tokenizer.load(world / "run" / "tokenizer.json")
    words.save_merges(tmp_path / "merges.txt.gz")
    args = ["--data", f"{world}/build", "--run", f"{tmp_path}/run", "--epochs", "1"]
    args += ["--batch", "32", "--model", "tiny-rn-cbow", "--merges", f"{tmp_path}/merges.txt.gz"]
    assert main(["train", *args]) == 0
    done = json.loads((tmp_path / "run" / "run.json").read_text())
    assert done["steps"] == 4
    used = tokenizer.load(tmp_path / "run" / "tokenizer.json")
    assert used.encode(["a red circle"], 32).tolist() == words.encode(["a red circle"], 32).tolist()
