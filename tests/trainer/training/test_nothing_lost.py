"""Kills, signals, a full disk, tampered files: a run ends as if nothing had been, or in a line."""

import json
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trainer.training.killed import EVERY_STEP, REFUSED, STOPPED, ended
from tests.trainer_fixtures import make_build
from trainer.model import checkpoint
from trainer.run_folder import RunFolder
from trainer.settings import OBJECTIVES, TrainerError, read
from trainer.training.run import train

STEPS, KILLS = 8, 20
EXACT = ("step", "loss", "lr", "temperature", "pairs")
PRECISIONS = ("fp32", "bf16", "fp16")


def settings(objective: str = "clip", precision: str = "fp32") -> dict:
    recipe = {"objective": objective, "epochs": 2, "batch": 8, "head_width": 32}
    return {"": {"precision": precision}, "recipe": recipe}


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """32 pairs, of which a picture cannot be read."""
    root = tmp_path_factory.mktemp("lost") / "build"
    make_build(root, per_class=2, corrupt=1)
    return root


@pytest.fixture(scope="module")
def whole(build):
    """A run that nothing happened to."""
    assert ended(build, build.parent / "whole", settings()) == (0, "")
    return build.parent / "whole"


def results(run: Path) -> tuple:
    """What must be equal: the log but for its times, the weights of the end and of the best epoch,
    and the record of the pictures that cannot be read."""
    lines = map(json.loads, (run / "train.jsonl").read_text().splitlines())
    weights = [(run / f"{name}.safetensors").read_bytes() for name in ("checkpoint", "best")]
    record = json.loads((run / "run.json").read_text())
    return [tuple(line[name] for name in EXACT) for line in lines], weights, record["corrupt"]


def assert_equal_runs(run: Path, whole: Path) -> None:
    ours, theirs = results(run), results(whole)
    assert ours[0] == theirs[0]
    assert ours[1:] == theirs[1:]
    left = {path.name for path in run.iterdir()} - {path.name for path in whole.iterdir()}
    assert not left


def killed_at_random(build: Path, run: Path, own: dict, kills: int, seed: int) -> int:
    """Kill the run `kills` times, each time at a call by chance, then let it end; the kills."""
    chance, done = random.Random(seed), 0
    most = 60_000  # calls of Python functions: two or three steps
    while done < kills:
        code, line = ended(build, run, own, calls=chance.randrange(200, most))
        assert code in (0, -signal.SIGKILL), line
        if code == 0:  # it has ended before: from here on nothing is left to kill
            break
        done += 1
    assert ended(build, run, own) == (0, "") or (run / "run.json").exists()
    return done


def test_a_run_that_is_killed_at_random_ends_as_if_it_had_not(build, whole, tmp_path):
    assert killed_at_random(build, tmp_path / "run", settings(), kills=5, seed=0) > 0
    assert_equal_runs(tmp_path / "run", whole)


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_twenty_random_kills_change_nothing(objective, precision, build, tmp_path):
    own = settings(objective, precision)
    assert ended(build, tmp_path / "whole", own) == (0, "")
    kills, seed = 0, 0
    while kills < KILLS:  # a run that ends before is begun anew
        kills += killed_at_random(build, tmp_path / f"{seed}", own, KILLS - kills, seed)
        assert_equal_runs(tmp_path / f"{seed}", tmp_path / "whole")
        seed += 1


# --- at a moment ----------------------------------------------------------------------------
WRITE = ("model/checkpoint.py", "write")  # of a save, or of the weights of an epoch
SYNC = ("model/checkpoint.py", "_sync")
MOMENTS = {
    "before the first save": ("training/saves.py", "write", 1),
    "before a save is on the disk": (*SYNC, 5),
    "after a save, before its folder is on the disk": (*SYNC, 6),
    "between a save and the next step": ("training/step.py", "step", 4),
    "when an epoch ends": ("training/run.py", "keep_weights", 1),
    "when the last epoch ends": ("training/run.py", "keep_weights", 2),
    "before the record is written": ("tables/parts.py", "write_json", 1),
    "while the tokenizer is learned": ("model/tokenizer.py", "train", 1),
    "while the settings are written": ("trainer/settings.py", "toml", 1),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_is_killed_at_any_moment_ends_as_if_it_had_not(moment, build, whole, tmp_path):
    run = tmp_path / "run"
    assert ended(build, run, settings(), function=MOMENTS[moment])[0] == -signal.SIGKILL
    assert ended(build, run, settings()) == (0, "")
    assert_equal_runs(run, whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("moment", ["before a save is on the disk", "when an epoch ends"])
def test_a_signal_at_any_moment_saves_first(number, moment, build, whole, tmp_path):
    run = tmp_path / "run"
    code, line = ended(build, run, settings(), function=MOMENTS[moment], number=number)
    assert code == STOPPED
    assert f"stopped by {number.name}, saved at step" in line
    assert ended(build, run, settings()) == (0, "")
    assert_equal_runs(run, whole)


@pytest.mark.parametrize("room", [200, 20_000, 4_000_000])
def test_a_disk_without_room_ends_in_one_line_and_the_run_goes_on(room, build, whole, tmp_path):
    """The limit is of a file's size: the tokenizer, the log, or a save does not fit."""
    run = tmp_path / "run"
    if room > 1_000_000:
        assert ended(build, run, settings(), function=MOMENTS["when an epoch ends"])[0] < 0
    before = {path.name: path.read_bytes() for path in run.glob("*.safetensors")}
    code, line = ended(build, run, settings(), room=room)
    assert code == REFUSED
    assert "File too large" in line
    assert "\n" not in line
    assert {path.name: path.read_bytes() for path in run.glob("*.safetensors")} == before
    assert ended(build, run, settings()) == (0, "")
    assert_equal_runs(run, whole)


# --- tampered with --------------------------------------------------------------------------
def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def state(**changes: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        tensors, before = checkpoint.read(path)
        progress = changes.pop("progress", None)
        after = before | changes
        if isinstance(progress, dict):
            after["progress"] = before["progress"] | progress
        elif progress is not None:
            after["progress"] = progress
        checkpoint.write(path, tensors, after)

    return change


def without_a_tensor(path: Path) -> None:
    tensors, about = checkpoint.read(path)
    checkpoint.write(path, dict(list(tensors.items())[1:]), about)


def line_of_another(path: Path) -> None:
    path.write_text(path.read_text() + '{"step": "no"}\n[]\nnothing\n')


GOES_ON, ENDS = "goes on", "ends in one line"
TAMPERED = {
    "a bit of the newest save": ("last.safetensors", flipped, GOES_ON),
    "a bit of the save before": ("previous.safetensors", flipped, GOES_ON),
    "the newest save is gone": ("last.safetensors", Path.unlink, GOES_ON),
    "the newest save is empty": ("last.safetensors", lambda path: path.write_bytes(b""), GOES_ON),
    "the newest save is a pickle": (
        "last.safetensors",
        lambda path: path.write_bytes(b"\x80\x04cposix\nsystem\n"),
        GOES_ON,
    ),
    "a progress that is none": ("last.safetensors", state(progress=[]), GOES_ON),
    "lines of nobody in the log": ("train.jsonl", line_of_another, GOES_ON),
    "the settings for people": ("run.toml", Path.unlink, GOES_ON),
    "a tensor too few": ("last.safetensors", without_a_tensor, ENDS),
    "steps below 0": ("last.safetensors", state(progress={"steps": -4}), GOES_ON),
    "more batches than planned": ("last.safetensors", state(progress={"batches": 99}), GOES_ON),
    "batches that are words": ("last.safetensors", state(progress={"batches": "two"}), GOES_ON),
    "other settings": ("last.safetensors", state(settings={"seed": 3}), ENDS),
    "other data": ("last.safetensors", state(build_digest="0" * 64), ENDS),
    "a corrupt list that is none": ("last.safetensors", state(corrupt=7), ENDS),
    "seconds that are no number": ("last.safetensors", state(seconds=[1]), ENDS),
    "another tokenizer's digest": ("last.safetensors", state(tokenizer="0" * 16), ENDS),
    "a tokenizer that is none": ("tokenizer.json", lambda path: path.write_text("{}"), ENDS),
    "no tokenizer": ("tokenizer.json", Path.unlink, ENDS),
}


@pytest.fixture(scope="module")
def stopped(build):
    """A run that was killed after five steps."""
    run = build.parent / "stopped"
    killed = ended(build, run, settings(), function=("training/step.py", "step", 6))
    assert killed[0] == -signal.SIGKILL
    return run


@pytest.mark.parametrize("case", TAMPERED)
def test_a_file_that_was_tampered_with_is_refused_or_another_used(
    case, build, whole, stopped, tmp_path
):
    name, harm, expected = TAMPERED[case]
    run = tmp_path / "run"
    shutil.copytree(stopped, run)
    harm(run / name)
    before = {path.name: path.read_bytes() for path in run.glob("*.safetensors")}
    if expected == GOES_ON:
        train(build, RunFolder(run), read(None, settings()), EVERY_STEP)
        if name != "run.toml":
            assert_equal_runs(run, whole)
        return
    with pytest.raises(TrainerError) as told:
        train(build, RunFolder(run), read(None, settings()), EVERY_STEP)
    assert "\n" not in str(told.value)
    assert {path.name: path.read_bytes() for path in run.glob("*.safetensors")} == before


@pytest.mark.parametrize("best", [False, True])
def test_weights_of_which_a_bit_was_flipped_are_refused_in_one_line(best, whole, tmp_path):
    run = RunFolder(tmp_path / "run", best=best)
    shutil.copytree(whole, run.root)
    checkpoint.load(run)
    flipped(run.weights)
    with pytest.raises(TrainerError, match="its tensors are not those that were saved") as told:
        checkpoint.load(run)
    assert "\n" not in str(told.value)
