"""A run that was killed and goes on is the run that was not killed: same pairs, same losses."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from tests.hold import Hold
from tests.processes import wait_while
from tests.trainer_fixtures import make_build
from trainer.__main__ import main
from trainer.model import checkpoint
from trainer.run_folder import RunFolder
from trainer.settings import Means, Recipe, TrainerError, TrainSettings, read
from trainer.training import saves
from trainer.training.log import keep_lines
from trainer.training.run import train
from trainer.training.start import Habits
from trainer.training.step import Taken

STEPS = 8  # 32 samples in batches of 8, twice
SETTINGS = {"": {"precision": "fp32"}, "recipe": {"epochs": 2, "batch": 8}}
EXACT = ("step", "loss", "lr", "temperature", "pairs")
EVERY_STEP = Habits(save_seconds=0, log_every=1)


def log(run: Path) -> list[tuple]:
    """What must repeat of each line: not the times."""
    lines = (run / "train.jsonl").read_text().splitlines()
    return [tuple(json.loads(line)[name] for name in EXACT) for line in lines]


def weights(run: Path) -> bytes:
    return (run / "checkpoint.safetensors").read_bytes()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A build, and a whole run whose folder was copied after every save: `after-N`."""
    root = tmp_path_factory.mktemp("resume")
    make_build(root / "build", per_class=2, corrupt=1)
    run, write = root / "run", saves.write

    def save_and_copy(folder, modules, optimizer, state):
        write(folder, modules, optimizer, state)
        shutil.copytree(run, root / f"after-{state['progress']['steps']}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saves, "write", save_and_copy)
        train(root / "build", RunFolder(run), read(None, SETTINGS), EVERY_STEP)
    return root


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_a_run_killed_after_any_step_goes_on_as_if_it_had_not(step, world):
    killed = world / f"after-{step}"
    done = train(world / "build", RunFolder(killed), read(None, SETTINGS), EVERY_STEP)
    assert log(killed) == log(world / "run")
    assert len(log(killed)) == STEPS
    assert weights(killed) == weights(world / "run")
    whole = json.loads((world / "run" / "run.json").read_text())
    for name in ("images", "corrupt", "best_loss", "loss", "steps"):
        assert done[name] == whole[name]
    assert (killed / "best.safetensors").read_bytes() == (
        world / "run" / "best.safetensors"
    ).read_bytes()


def test_a_run_killed_twice_by_the_system_goes_on(world, tmp_path):
    run = tmp_path / "run"
    command = ["train", "--data", f"{world}/build", "--run", f"{run}", "--precision", "fp32"]
    command += ["--epochs", "2", "--batch", "8", "--log-every", "1", "--save-seconds", "0"]
    hold = Hold(tmp_path / "hold")
    hold.names("/run/run[.]json")  # so a run that is not killed in time does not end
    env = {**os.environ, **hold.environment}
    for lines in (2, 5):
        process = subprocess.Popen([sys.executable, "-m", "trainer", *command], env=env)
        try:
            wait_while(process, lambda n=lines: len(log_lines(run)) >= n, f"{lines} steps")
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        assert not (run / "run.json").exists()
    assert main(command) == 0
    assert log(run) == log(world / "run")
    assert weights(run) == weights(world / "run")
    assert sorted(path.name for path in run.iterdir()) == [
        ".lock",
        "best.safetensors",
        "checkpoint.safetensors",
        "run.json",
        "run.toml",
        "tokenizer.json",
        "train.jsonl",
    ]


def log_lines(run: Path) -> list[str]:
    log = run / "train.jsonl"
    return log.read_text().splitlines() if log.is_file() else []


def copied(world: Path, tmp_path: Path, step: int) -> Path:
    """The folder of a run that was killed after a step and not gone on with."""
    again = tmp_path / "killed"
    with pytest.MonkeyPatch.context() as patch:
        write = saves.write

        def save_and_stop(folder, modules, optimizer, state):
            write(folder, modules, optimizer, state)
            if state["progress"]["steps"] == step:
                raise KeyboardInterrupt

        patch.setattr(saves, "write", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            train(world / "build", RunFolder(again), read(None, SETTINGS), EVERY_STEP)
    return again


def test_a_kill_in_the_middle_of_a_write_leaves_the_save_before(world, tmp_path):
    run = copied(world, tmp_path, 3)
    whole = (run / "last.safetensors").read_bytes()
    half = run / ".last.safetensors.k1ll3d"
    half.write_bytes(whole[: len(whole) // 2])
    with (run / "train.jsonl").open("a") as cut:
        cut.write('{"step": 4, "lo')
    train(world / "build", RunFolder(run), read(None, SETTINGS), EVERY_STEP)
    assert log(run) == log(world / "run")
    assert not half.exists()


def test_other_settings_are_refused_and_with_anew_begin_anew(world, tmp_path):
    run = copied(world, tmp_path, 3)
    other = read(None, {**SETTINGS, "": {"precision": "fp32", "seed": 1}})
    before = (run / "last.safetensors").read_bytes()
    with pytest.raises(TrainerError, match=r"another run \(seed 0, now 1\); expected another"):
        train(world / "build", RunFolder(run), other, EVERY_STEP)
    assert (run / "last.safetensors").read_bytes() == before
    done = train(world / "build", RunFolder(run), other, EVERY_STEP, anew=True)
    assert len(log(run)) == done["steps"] == STEPS
    assert log(run)[0][-1] != log(world / "run")[0][-1]


def test_the_settings_and_the_builds_digest_are_in_the_checkpoint(world):
    state = checkpoint.load(RunFolder(world / "run")).state
    assert state.toml == (world / "run" / "run.toml").read_text()
    assert len(state.build_digest) == 64
    assert read(world / "run" / "run.toml", {}) == read(None, SETTINGS)


def test_the_best_epoch_is_kept(world):
    losses = [line[1] for line in log(world / "run")]
    means = [sum(losses[:4]) / 4, sum(losses[4:]) / 4]
    done = json.loads((world / "run" / "run.json").read_text())
    assert done["best_loss"] == pytest.approx(min(means), abs=1e-5)


def test_moments_come_back_in_the_memory_that_their_weights_have(tmp_path):
    conv = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    modules = torch.nn.ModuleDict({"model": conv})
    optimizer = torch.optim.AdamW(modules.parameters(), fused=True)
    conv(torch.ones(1, 3, 5, 5)).sum().backward()
    optimizer.step()
    folder = RunFolder(tmp_path)
    saves.write(folder, modules, optimizer, {})
    again = torch.optim.AdamW(modules.parameters(), fused=True)
    saves.restore(folder.last, modules, again)
    for parameter in modules.parameters():
        for name, value in optimizer.state[parameter].items():
            assert torch.equal(again.state[parameter][name], value)
            assert again.state[parameter][name].stride() == value.stride()


def test_lines_after_the_save_are_dropped_and_a_cut_one_too(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\nno JSON\n[2]\n{"step": 3}\n{"st')
    keep_lines(path, 2)
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'


def test_a_loss_that_is_no_number_ends_the_run_before_it_is_saved(world, tmp_path, monkeypatch):
    nan = torch.tensor(float("nan"))
    monkeypatch.setattr("trainer.training.step.Stepper.step", lambda *_: Taken(nan, nan))
    with pytest.raises(TrainerError, match=r"step 1: loss nan, expected .* so no weights are kept"):
        train(world / "build", RunFolder(tmp_path), read(None, SETTINGS), EVERY_STEP)
    assert not (tmp_path / "last.safetensors").exists()


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("model = 3", "expected a name"),
        ("speed = 3", "speed: unknown key, expected one of model, recipe"),
        ("[recipe]\nlr = 'fast'", "recipe.lr = 'fast': expected a valid number"),
        ("[recipe]\nlr = nan", "recipe.lr = nan: expected less than inf"),
        ("[recipe]\nobjective = 'blip'", "objective 'blip': expected one of clip, slip"),
        ("[recipe]\nlr = 0", "recipe.lr = 0: expected greater than 0"),
        ("[recipe]\nepochs = true", "recipe.epochs = True: expected a valid integer"),
        ("[recipe]\nspeed = 3", "recipe.speed: unknown key, expected one of epochs, batch"),
        (
            "[means]\nmicro_batch = -1",
            "means.micro_batch = -1: expected greater than or",
        ),
        ("[means]\ncompile = 1", "means.compile = 1: expected a valid boolean"),
        ("means = 1", "means = 1: expected an object"),
        ("precision = 'fp8'", "precision = 'fp8': expected 'auto', 'bf16', 'fp16' or 'fp32'"),
        ("where = 2026-12-01", "where = .'2026-12-01'.: expected a valid string"),
        ("seed = 1.5\nmax_seconds = 0", "seed = 1.5: expected .*\nmax_seconds = 0: expected"),
        ("scores = 'scores.parquet'", "scores scores.parquet: expected --where beside it"),
        ("[recipe", "expected a TOML of settings"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_what_was_expected(toml, expected, tmp_path):
    (tmp_path / "run.toml").write_text(toml)
    with pytest.raises(TrainerError, match=expected):
        read(tmp_path / "run.toml", {})


def test_a_whole_number_that_no_run_can_have_is_refused_whichever_it_is():
    numbers = [
        (section, field.name)
        for section, settings in (("", TrainSettings), ("recipe", Recipe), ("means", Means))
        for field in fields(settings)
        if field.type is int or getattr(field.type, "__origin__", None) is int
    ]
    assert len(numbers) == 9
    for section, name in numbers:
        with pytest.raises(TrainerError, match=f"{name} = 1{'0' * 25}: expected less than"):
            read(None, {section: {name: 10**25}})
