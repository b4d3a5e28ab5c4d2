"""A step never waits for its device: nothing of it is read but where it is reported.

Three ways to see it. On torch's device "meta", which has no numbers, whatever reads one raises: it
takes the way of a GPU. On a CPU the operations that would make a GPU wait are counted. Where CUDA
is, CUDA counts.
"""

from contextlib import contextmanager
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from tests.trainer.training.test_step import RECIPE, SMALL, inputs_of, model_of
from tests.trainer_fixtures import make_build
from trainer.model import CLIP
from trainer.run_folder import RunFolder
from trainer.settings import OBJECTIVES, Means, read
from trainer.training.losses import Objective
from trainer.training.optim import adamw, dtype, set_arithmetic
from trainer.training.pieces import Inputs, copied, texts_in_pieces
from trainer.training.run import train
from trainer.training.start import Habits
from trainer.training.step import Stepper, prepare

WAITED_FOR = ("_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "_unique2")
MEANS = (Means(), Means(micro_batch=4), Means(micro_batch=4, checkpointing=True))


class Waits(TorchDispatchMode):
    """Counts the operations whose result, or whose size, the host needs from the device."""

    def __init__(self):
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.name().removeprefix("aten::").partition(".")[0]
        masks = [
            one for one in (args[1] if name in ("index", "index_put_") else []) if one is not None
        ]
        if name in WAITED_FOR or any(mask.dtype == torch.bool for mask in masks):
            self.seen.append(name)
        return function(*args, **(kwargs or {}))


@contextmanager
def counted():
    waits = Waits()
    with waits:
        yield waits.seen


@pytest.mark.parametrize(
    "read_",
    [
        lambda x: x.sum().item(),
        lambda x: bool(x.sum() > 0),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: int(x[0]),
    ],
)
def test_what_a_gpu_is_waited_for_is_counted_and_has_no_number_on_meta(read_):
    with counted() as seen:
        read_(torch.ones(3))
    assert len(seen) == 1
    with pytest.raises((RuntimeError, NotImplementedError)):
        read_(torch.ones(3, device="meta"))


@pytest.mark.parametrize(("tower", "means"), [*product(SMALL, MEANS)])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_step_needs_no_number_of_its_device(tower, means, objective):
    with torch.device("meta"):
        model = CLIP(SMALL[tower]).train()
        towards = Objective(model, replace(RECIPE, objective=objective)).train()
    prepare(model, means)
    optimizer = torch.optim.SGD([*model.parameters(), *towards.parameters()], lr=0.1)
    stepper = Stepper(model, towards, optimizer, means=means, grad_clip_norm=1.0)
    for _ in range(2):
        taken = stepper.step(inputs_of(tower), 1e-3)
    assert (taken.loss.device.type, taken.loss.shape, taken.norm.shape) == ("meta", (), ())


@pytest.mark.parametrize(
    ("tower", "precision", "means"),
    [
        ("vit", "fp32", MEANS[0]),
        ("vit", "bf16", MEANS[1]),
        ("vit", "fp16", MEANS[2]),
        ("rn", "fp16", MEANS[0]),
    ],
)
def test_a_step_reads_nothing_in_any_precision(tower, precision, means):
    stepper = stepper_on(torch.device("cpu"), tower, precision, means)
    with counted() as seen:
        for _ in range(2):
            stepper.step(inputs_of(tower), 1e-3)
    assert seen == []


def stepper_on(device: torch.device, tower: str, precision: str, means: Means) -> Stepper:
    model = model_of(tower).float()
    recipe = replace(RECIPE, objective="slip")
    both = nn.ModuleDict({"model": model, "objective": Objective(model, recipe)})
    both.to(device).train()
    prepare(model, means)
    scaler = torch.amp.GradScaler(device.type, init_scale=64) if precision == "fp16" else None
    optimizer, kind = adamw(both, recipe), dtype(precision, device.type)
    return Stepper(
        model, both["objective"], optimizer, kind, means, scaler=scaler, grad_clip_norm=1
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
@pytest.mark.parametrize("tower", SMALL)
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("means", MEANS)
def test_cuda_sees_no_wait_in_a_step(tower, precision, means):
    stepper = stepper_on(torch.device("cuda"), tower, precision, means)
    inputs = inputs_of(tower).pinned()
    stepper.step(inputs, 1e-3)  # the libraries begin
    torch.cuda.set_sync_debug_mode("error")
    try:
        taken = [stepper.step(inputs, 1e-3) for _ in range(3)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(one.loss.isfinite() for one in taken)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
def test_pieces_on_a_gpu_are_those_of_the_host():
    tokens, device = inputs_of("vit", n=500).tokens, torch.device("cuda")
    inputs = Inputs(tokens, tokens).pinned()
    for piece in copied(texts_in_pieces(inputs.tokens, 50, device, 10), device):
        expected = torch.from_numpy(tokens).to(device)[piece.rows, : piece.width]
        assert torch.equal(piece.inputs, expected)


def test_a_run_reads_only_where_it_reports(tmp_path):
    make_build(tmp_path / "build", per_class=2)

    def n_waits(batch: int, log_every: int) -> tuple[int, int]:
        """The steps of an epoch with batches of this size, and how often its device is read."""
        settings = {"": {"precision": "fp32"}, "recipe": {"epochs": 1, "batch": batch}}
        folder = RunFolder(tmp_path / f"{batch}-{log_every}")
        with counted() as seen:
            done = train(
                tmp_path / "build", folder, read(None, settings), Habits(log_every=log_every)
            )
        return done["steps"], len(seen)

    few, many = n_waits(8, 1_000), n_waits(4, 1_000)
    assert (few[0], many[0]) == (4, 8)
    assert few[1] == many[1]
    assert n_waits(4, 2)[1] > many[1]


def test_arithmetic_of_a_gpu_is_that_of_the_settings(monkeypatch):
    before = torch.get_float32_matmul_precision()
    cudnn = torch.backends.cudnn
    monkeypatch.setattr(cudnn, "allow_tf32", True)
    monkeypatch.setattr(cudnn, "benchmark", False)
    try:
        set_arithmetic(Means(tf32=True), torch.device("cpu"))
        assert torch.get_float32_matmul_precision() == before
        for tf32, precision in ((True, "high"), (False, "highest")):
            set_arithmetic(Means(tf32=tf32), torch.device("cuda"))
            assert torch.get_float32_matmul_precision() == precision
            assert (cudnn.allow_tf32, cudnn.benchmark) == (tf32, True)
    finally:
        torch.set_float32_matmul_precision(before)
