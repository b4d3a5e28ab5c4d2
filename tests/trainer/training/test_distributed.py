"""Two processes with a part each do what one does with the joined batch."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.processes import WAIT_S, free_port
from tests.trainer.training.test_step import (
    assert_equal,
    gradients,
    inputs_of,
    model_of,
    stepper_of,
)
from tests.trainer_fixtures import make_build
from trainer.__main__ import main
from trainer.settings import Means
from trainer.training import distributed
from trainer.training.distributed import SharedBatchNorm, process_group, share_batch_statistics
from trainer.training.pieces import Inputs
from trainer.training.step import Stepper

CASES = {
    "clip of a ViT": ("vit", "clip", 0, 7),
    "clip of a ViT, cached": ("vit", "clip", 3, 7),
    "clip of a ResNet": ("rn", "clip", 0, 7),
    "clip of a ResNet, one process without a row": ("rn", "clip", 0, 12),
    "siglip": ("vit", "siglip", 0, 5),
    "slip": ("vit", "slip", 0, 6),
    "slip, cached": ("vit", "slip", 4, 6),
}


def part(inputs: Inputs, cut: int, rank: int) -> Inputs:
    """The first process has the rows below `cut`, the second the others."""
    rows = slice(0, cut) if rank == 0 else slice(cut, None)
    views = tuple(view[rows] for view in inputs.views)
    return Inputs(inputs.images[rows], inputs.tokens[rows], views)


def work(out: Path) -> None:
    """What each of the two processes runs: every case, each twice: sums begin early from then."""
    with process_group() as (group, _):
        assert group.broadcast(group.rank + 5.0) == 5.0
        assert group.sizes(group.rank + 3) == [3, 4]
        distributed.BUCKET = 1_000
        for name, (tower, objective, micro_batch, cut) in CASES.items():
            stepper = stepper_of(model_of(tower), Means(micro_batch=micro_batch), objective)
            stepper = replace(stepper, group=group)
            share_batch_statistics(nn.ModuleList([stepper.model, stepper.objective]))
            inputs = part(inputs_of(tower), cut, group.rank)
            torch.save(summed(stepper, inputs), at(out, name))
            stepper.optimizer.zero_grad()
            torch.save(begun_early(stepper, inputs), at(out, f"{name}, again"))
        group.wait()  # as a training does: neither ends while the other still talks to it


def at(out: Path, name: str, rank: int | None = None) -> Path:
    return out / f"{name}-{os.environ['RANK'] if rank is None else rank}.pt"


def begun_early(stepper: Stepper, inputs: Inputs) -> dict[str, torch.Tensor | int]:
    """As `summed`, and how many sums had begun when the backward pass was done, of how many."""
    begun, finish = [], stepper.sums.finish

    def noted() -> None:
        begun.extend([len(stepper.sums._begun), len(stepper.sums._buckets)])
        finish()

    stepper.sums.finish = noted
    return {**summed(stepper, inputs), "begun": begun[0], "buckets": begun[1]}


def summed(stepper: Stepper, inputs: Inputs) -> dict[str, torch.Tensor]:
    """The loss, the gradients that the optimiser sees, and the averages of batch statistics."""
    found = gradients(stepper, inputs)
    found["loss"] = stepper.group.sum(found["loss"])
    return {**found, **dict(stepper.model.named_buffers())}


def run_two(command: list[str]) -> None:
    """Run the command as torchrun does, twice, on loopback."""
    processes, port = [], free_port()
    for rank in ("0", "1"):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
        place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "CUDA_VISIBLE_DEVICES": ""}
        place |= {"GLOO_SOCKET_IFNAME": "lo"}
        processes.append(subprocess.Popen(command, env=os.environ | place))
    try:
        assert [process.wait(timeout=WAIT_S) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("two")
    run_two([sys.executable, "-m", "tests.trainer.training.test_distributed", str(out)])
    return out


@pytest.mark.parametrize("name", CASES)
def test_two_processes_have_the_gradients_of_one_with_the_joined_batch(name, two):
    tower, objective, _, _ = CASES[name]
    alone = summed(stepper_of(model_of(tower), Means(), objective), inputs_of(tower))
    for rank in (0, 1):
        assert_equal(torch.load(at(two, name, rank)), alone, atol=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_gradients_summed_while_the_backward_pass_runs_are_those_summed_after_it(name, two):
    for rank in (0, 1):
        after, during = (torch.load(at(two, which, rank)) for which in (name, f"{name}, again"))
        begun, n_buckets = during.pop("begun"), during.pop("buckets")
        assert n_buckets > 3
        assert begun == n_buckets if "cached" not in name or "slip" not in name else begun > 0
        for key in during.keys() - buffers_of(name):
            assert torch.equal(during[key], after[key]), key


def buffers_of(name: str) -> set[str]:
    """The averages of batch statistics: a second step changes them further."""
    return {key for key, _ in model_of(CASES[name][0]).named_buffers()}


def test_shared_statistics_keep_the_names_and_evaluate_as_before():
    plain, shared = model_of("rn").eval(), model_of("rn").eval()
    share_batch_statistics(shared)
    assert sum(isinstance(one, SharedBatchNorm) for one in shared.modules()) == 19
    assert list(shared.state_dict()) == list(plain.state_dict())
    images = torch.from_numpy(inputs_of("rn").images)
    assert torch.equal(shared.encode_image(images), plain.encode_image(images))


def test_gradients_are_summed_in_buckets_of_bounded_size_and_of_one_type(monkeypatch):
    monkeypatch.setattr(distributed, "BUCKET", 10)
    parameters = [nn.Parameter(torch.zeros(n)) for n in (4, 4, 4, 30, 2)]
    parameters.append(nn.Parameter(torch.zeros(1, dtype=torch.bfloat16)))
    buckets = list(distributed.buckets(parameters))
    assert [[p.numel() for p in bucket] for bucket in buckets] == [[4, 4], [4], [30], [2], [1]]


def test_torchrun_trains_as_one_process_does(tmp_path):
    make_build(tmp_path / "build", per_class=2, corrupt=1)
    args = ["train", "--data", f"{tmp_path}/build", "--precision", "fp32", "--log-every", "1"]
    args += ["--epochs", "2", "--batch", "16", "--lr", "1e-4", "--run"]
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--"]
    command = [*torchrun, "trainer", *args, f"{tmp_path}/two"]
    env = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, "-m", *command], env=env, check=True, timeout=WAIT_S)
    assert main([*args, f"{tmp_path}/one"]) == 0
    two, one = (
        [json.loads(line)["loss"] for line in (tmp_path / name / "train.jsonl").open()]
        for name in ("two", "one")
    )
    assert len(one) == 4
    assert two == pytest.approx(one, rel=1e-3)
    done = [json.loads((tmp_path / name / "run.json").read_text()) for name in ("two", "one")]
    assert [run["images"] for run in done] == [62, 62]
    assert [run["processes"] for run in done] == [2, 1]


if __name__ == "__main__":
    work(Path(sys.argv[1]))
