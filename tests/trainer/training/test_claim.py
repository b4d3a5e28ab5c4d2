"""Nothing of a run is lost: damaged saves, folders of other runs, signals, locks."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import save_file

from tests.processes import WAIT_S, wait_while
from tests.trainer_fixtures import make_build
from trainer.__main__ import main
from trainer.model import checkpoint
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError, read
from trainer.training import saves
from trainer.training.claim import locked
from trainer.training.log import Log
from trainer.training.run import train
from trainer.training.start import Habits
from trainer.training.stop import StoppedError

STEPS = 8  # 32 samples in batches of 8, twice
SETTINGS = {"": {"precision": "fp32"}, "recipe": {"epochs": 2, "batch": 8}}
EVERY_STEP = Habits(save_seconds=0, log_every=1)
FLAGS = ["--precision", "fp32", "--epochs", "2", "--batch", "8", "--log-every", "1"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A build, a whole run, and one that was stopped after 5 of its 8 steps."""
    root = tmp_path_factory.mktemp("claim")
    make_build(root / "build", per_class=2)
    train(root / "build", RunFolder(root / "run"), read(None, SETTINGS), EVERY_STEP)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Log, "step", killed_after(5))
        with pytest.raises(KeyboardInterrupt):
            train(root / "build", RunFolder(root / "killed"), read(None, SETTINGS), EVERY_STEP)
    return root


def killed_after(n):
    step = Log.step

    def step_and_die(log, done, *rest):
        if done.steps > n:
            raise KeyboardInterrupt
        step(log, done, *rest)

    return step_and_die


@pytest.fixture
def run(world, tmp_path):
    """A copy of the run that was stopped after 5 steps."""
    shutil.copytree(world / "killed", tmp_path / "run")
    return RunFolder(tmp_path / "run")


def go_on(world: Path, run: RunFolder, settings=SETTINGS, **options) -> dict:
    return train(world / "build", run, read(None, settings), EVERY_STEP, **options)


def weights(path: Path) -> bytes:
    return (path / "checkpoint.safetensors").read_bytes()


def flipped(path: Path) -> None:
    """One bit of the last tensor is another."""
    data = bytearray(path.read_bytes())
    data[-5] ^= 0x10
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def pickled(path: Path) -> None:
    path.write_bytes(b"\x80\x04pickled")


@pytest.mark.parametrize("damage", [flipped, cut, pickled])
def test_a_damaged_save_is_named_and_the_one_before_goes_on(damage, world, run, capsys):
    damage(run.last)
    go_on(world, run)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "damaged" in line]
    assert line.startswith(f"{run.last}: damaged (")
    assert line.endswith("going on from the save before it, of step 4")
    assert weights(run.root) == weights(world / "run")
    assert not run.last.exists()
    assert not run.previous.exists()


def test_two_damaged_saves_are_refused_and_anew_begins_without_them(world, run):
    flipped(run.last)
    cut(run.previous)
    with pytest.raises(TrainerError, match=r"last.safetensors: damaged .* --anew begins without"):
        go_on(world, run)
    assert run.last.exists()
    assert run.previous.exists()
    go_on(world, run, anew=True)
    assert weights(run.root) == weights(world / "run")


def test_a_kill_between_two_renames_leaves_the_save_before(world, run):
    run.last.unlink()
    go_on(world, run)
    assert weights(run.root) == weights(world / "run")


def test_a_full_disk_keeps_both_saves_and_ends_in_one_line(world, run, monkeypatch):
    before = run.last.read_bytes(), run.previous.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(TrainerError, match=r"last.safetensors: cannot be saved: .*No space left"):
        go_on(world, run)
    assert (run.last.read_bytes(), run.previous.read_bytes()) == before


def changed_state(path: Path, **changes: object) -> None:
    """The save with another state, and its tensors as they were."""
    with safe_open(path, framework="pt") as file:
        state = json.loads(file.metadata()["buildwit"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, {"buildwit": json.dumps(state | changes)})


PROGRESS = {"steps_planned": 8, "steps": 5, "batches": 5}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"progress": {"steps": 5, "speed": 1}}, "expected a save of this version .*speed"),
        ({"progress": PROGRESS, "corrupt": 3}, "expected a save of this version"),
        ({"progress": PROGRESS, "seconds": "long"}, "expected a save of this version"),
        ({"tokenizer": "0" * 16}, "tokenizer.json: digest .*, expected the tokenizer of last"),
        ({"settings": 7}, "another run .its settings cannot be read."),
        ({"build_digest": "0" * 64}, "another run .build_digest"),
    ],
)
def test_a_state_that_is_another_ends_in_one_line(changes, expected, world, run):
    changed_state(run.last, **changes)
    with pytest.raises(TrainerError, match=expected) as error:
        go_on(world, run)
    assert "\n" not in str(error.value)


def test_a_state_that_is_no_progress_is_a_damaged_save(world, run, capsys):
    changed_state(run.last, progress=[])
    go_on(world, run)
    assert "going on from the save before it, of step 4" in capsys.readouterr().err
    assert weights(run.root) == weights(world / "run")


def test_a_damaged_tokenizer_is_named(world, run):
    run.tokenizer.write_text("{")
    with pytest.raises(TrainerError, match=r"tokenizer.json: Expecting .*, expected the tokenizer"):
        go_on(world, run)


def other(section: str, **changes: object) -> dict:
    return {**SETTINGS, section: {**SETTINGS.get(section, {}), **changes}}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (other("", seed=3), r"\(seed 0, now 3\)"),
        (other("recipe", lr=0.001), r"\(recipe.lr 0.002, now 0.001\)"),
        (other("recipe", epochs=3, batch=4), r"epochs 2, now 3; recipe.batch 8, now 4\)"),
        (other("", where="n_words > 0"), r"\(where null, now .n_words > 0.\)"),
    ],
)
@pytest.mark.parametrize("ended", ["killed", "run"])
def test_a_folder_of_another_run_is_refused_and_says_what_differs(
    ended, settings, expected, world, tmp_path
):
    shutil.copytree(world / ended, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(TrainerError, match=f"holds the work of another run .*{expected}"):
        go_on(world, RunFolder(tmp_path / "run"), settings)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_another_build_is_another_run(world, run, tmp_path):
    make_build(tmp_path / "build", per_class=3)
    with pytest.raises(TrainerError, match=r"another run \(build_digest"):
        train(tmp_path / "build", run, read(None, SETTINGS), EVERY_STEP)


@pytest.mark.parametrize("name", ["run.json", "best.safetensors"])
def test_weights_alone_are_work_too(name, world, tmp_path):
    folder = RunFolder(tmp_path)
    shutil.copy(world / "run" / name, tmp_path)
    with pytest.raises(TrainerError, match=r"another run \(seed 0, now 9\)"):
        go_on(world, folder, other("", seed=9))
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(TrainerError, match="its settings cannot be read"):
        go_on(world, folder)


def test_how_a_step_is_computed_makes_no_other_run(world, run):
    means = {**SETTINGS, "means": {"length_groups": 2, "micro_batch": 4}}
    assert go_on(world, run, means)["steps"] == STEPS
    command = ["train", "--data", f"{world}/build", "--run", f"{world}/run", *FLAGS]
    assert main([*command, "--micro-batch", "4"]) == 0
    assert json.loads((world / "run" / "run.json").read_text())["settings"]["means"] == {
        **{"micro_batch": 0, "length_groups": 4},
        **{"checkpointing": False, "compile": False, "tf32": False, "cudnn_benchmark": True},
    }


def test_what_a_kill_left_beside_any_file_goes_and_a_stranger_s_file_stays(world, run):
    beside = [".run.toml.k1ll3d", ".train.jsonl.ab12cd34", ".previous.safetensors.x", ".mine.txt"]
    for name in beside:
        (run.root / name).write_text("half")
    go_on(world, run)
    assert [name for name in beside if (run.root / name).exists()] == [".mine.txt"]


def test_two_processes_never_train_in_one_folder(world, run, capsys):
    with locked(run):
        command = ["train", "--data", f"{world}/build", "--run", f"{run.root}", *FLAGS]
        assert main(command) == 2
    assert "another process trains there" in capsys.readouterr().err
    assert main(command) == 0


def test_a_folder_that_cannot_be_written_is_one_line(world, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    command = ["train", "--data", f"{world}/build", "--run", f"{tmp_path}/file", *FLAGS]
    assert main(command) == 2
    assert "expected a folder to write" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_after_the_step_with_a_save(number, world, tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "trainer", "train", "--data", f"{world}/build"]
    command += ["--run", f"{run}", *FLAGS, "--epochs", "9999"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        wait_while(process, lambda: lines(run), "a step is done")
        process.send_signal(number)
        _, errors = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    steps = lines(run)[-1]["step"]
    stopped = f"{run}: stopped by {number.name}, saved at step {steps}; the same command goes on"
    assert errors.splitlines()[-1] == stopped
    assert saves.newest(RunFolder(run)).state["progress"]["steps"] == steps
    assert "Traceback" not in errors


def lines(run: Path) -> list[dict]:
    log = run / "train.jsonl"
    whole = log.read_text().splitlines(keepends=True) if log.is_file() else []
    return [json.loads(line) for line in whole if line.endswith("\n")]


def test_a_run_that_was_stopped_by_a_signal_ends_as_if_it_had_not(world, tmp_path, monkeypatch):
    step, run = Log.step, RunFolder(tmp_path / "run")

    def step_and_signal(log, done, *rest):
        step(log, done, *rest)
        if done.steps in (2, 6):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Log, "step", step_and_signal)
    for steps in (2, 6):
        with pytest.raises(StoppedError, match=f"stopped by SIGTERM, saved at step {steps};"):
            go_on(world, run)
    go_on(world, run)
    assert weights(run.root) == weights(world / "run")
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.slow
def test_two_processes_stop_together_and_keep_the_corrupt_pictures_of_both(tmp_path):
    make_build(tmp_path / "build", per_class=2, corrupt=6)
    flags = ["--data", f"{tmp_path}/build", "--precision", "fp32", "--log-every", "1"]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "-m", "--", "trainer"]
    command += ["train", *flags, "--batch", "8", "--epochs", "9999", "--run"]
    run = tmp_path / "run"
    process = subprocess.Popen([*command, f"{run}"], stderr=subprocess.PIPE, text=True)
    try:
        wait_while(process, lambda: len(lines(run)) > 9, "steps are done")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
    assert "saved at step" in errors
    save = saves.newest(RunFolder(run))
    assert save.state["progress"]["steps"] == lines(run)[-1]["step"]
    assert len(save.state["corrupt"]) == 6


def test_a_run_of_version_0_1_0_goes_on(world, run):
    """Its saves name no digest of their tensors."""
    for path in (run.last, run.previous):
        with safe_open(path, framework="pt") as file:
            state = json.loads(file.metadata()["buildwit"])
        del state[checkpoint.DIGEST]
        tensors, _ = checkpoint.read(path)
        save_file(tensors, path, {"buildwit": json.dumps(state)})
    run.previous.unlink()
    go_on(world, run)
    assert weights(run.root) == weights(world / "run")
