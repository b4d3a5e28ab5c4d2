"""Moments and text weights in 16 bits: right on average, half the memory, the same after a save."""

from dataclasses import replace

import pytest
import torch

from tests.trainer.training.test_step import RECIPE, inputs_of, model_of
from tests.trainer_fixtures import make_build
from trainer.__main__ import main
from trainer.settings import Means, recipe
from trainer.training.half import HalfAdamW, round_at_random
from trainer.training.losses import Objective
from trainer.training.optim import adamw, halve_text
from trainer.training.step import Stepper

HALF = replace(RECIPE, half_moments=True)


def weights(n: int = 1_000) -> torch.nn.Parameter:
    torch.manual_seed(0)
    return torch.nn.Parameter(torch.randn(n, 4))


def test_numbers_rounded_at_random_are_right_on_average_and_never_further_than_a_step():
    exact = torch.tensor([1.0009765625, -3.01, 1e-30, 0.0, 1e38, float("inf"), float("nan")])
    draw, rounded = torch.Generator().manual_seed(0), []
    for _ in range(4_000):
        into = torch.empty(exact.shape, dtype=torch.bfloat16)
        round_at_random(exact, into, draw)
        rounded.append(into.double())
    both = torch.stack(rounded)[:, :5]
    expected = exact[:5].double()
    assert ((both - expected).abs() <= expected.abs() / 128).all()
    assert ((both.mean(0) - expected).abs() <= expected.abs() * 3e-4).all()
    assert rounded[0][5] == float("inf")
    assert rounded[0][6].isnan()


def test_a_second_moment_follows_gradients_that_nearest_rounding_would_stop_at():
    """beta2 = 0.999: a change is a thousandth, and half of bfloat16's step is 1 of 512."""
    parameter = weights()
    half = HalfAdamW([parameter], 0.0, (0.9, 0.999), 1e-8)
    for step in range(800):
        parameter.grad = torch.full_like(parameter, 1.0 if step < 400 else 2.0)
        half.step()
    exact = (1 - 0.999**400) * 0.999**400 + 4 * (1 - 0.999**400)
    moment = half.state[parameter]["exp_avg_sq"]
    assert moment.dtype == torch.bfloat16
    assert abs(moment.float().mean().item() - exact) < 0.01 * exact


def test_the_first_steps_are_those_of_torchs_adamw():
    parameter, other = weights(), weights()
    half = HalfAdamW([{"params": [parameter], "weight_decay": 0.1}], 1e-2, (0.9, 0.98), 1e-6)
    plain = torch.optim.AdamW([other], 1e-2, (0.9, 0.98), 1e-6, 0.1)
    for step in range(20):
        torch.manual_seed(step)
        parameter.grad = torch.randn_like(parameter)
        other.grad = parameter.grad.clone()
        half.step()
        plain.step()
    difference = (parameter - other).detach()
    assert difference.abs().max() < 2e-3  # of a way of some 0.1
    assert abs(difference.mean().item()) < 1e-4


@pytest.mark.parametrize("norm", [0.0, 0.05])
@pytest.mark.parametrize("means", [Means(micro_batch=5), Means(checkpointing=True)])
def test_gradients_are_bound_by_the_norm_of_the_whole_batch(norm, means):
    inputs = inputs_of("vit")

    def after(means: Means) -> tuple[float, dict[str, torch.Tensor]]:
        torch.manual_seed(1)
        model = model_of("vit")
        towards = Objective(model, RECIPE).double().train()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        stepper = Stepper(model, towards, optimizer, means=means, grad_clip_norm=norm)
        taken = stepper.step(inputs, 1.0)
        return taken.norm.item(), {k: p.grad for k, p in model.named_parameters()}

    whole, pieces = after(Means(length_groups=1)), after(means)
    assert abs(whole[0] - pieces[0]) < 1e-9
    total = torch.stack([g.norm() for g in pieces[1].values()]).norm().item()
    assert abs(total - (min(norm, pieces[0]) if norm else pieces[0])) < 1e-5
    assert pieces[0] > 0.05
    for name, gradient in pieces[1].items():
        torch.testing.assert_close(gradient, whole[1][name], rtol=1e-7, atol=1e-10)


def test_moments_take_half_the_memory_and_text_matrices_too():
    def state_bytes(recipe_, half_text: bool) -> tuple[int, int]:
        torch.manual_seed(1)
        model = model_of("vit").float()
        if half_text:
            halve_text(model)
        optimizer = adamw(model, recipe_)
        towards = Objective(model, recipe_)
        kind = torch.bfloat16
        Stepper(model, towards, optimizer, kind).step(inputs_of("vit"), 1e-3)
        moments = [m for s in optimizer.state.values() for m in s.values() if m.ndim]
        return sum(m.nbytes for m in moments), sum(p.nbytes for p in model.parameters())

    whole, half, both = (
        state_bytes(RECIPE, half_text=False),
        state_bytes(HALF, half_text=False),
        state_bytes(HALF, half_text=True),
    )
    assert half == (whole[0] / 2, whole[1])
    assert both[0] == half[0]
    text = [p for p in model_of("vit").transformer.parameters() if p.ndim >= 2]
    text.append(model_of("vit").token_embedding.weight)
    assert both[1] == whole[1] - 2 * sum(p.numel() for p in text)


def test_a_run_in_half_precision_learns_goes_on_exactly_and_is_read_like_any_other(
    tmp_path, capsys
):
    make_build(tmp_path / "build", per_class=4)
    settings = tmp_path / "half.toml"
    settings.write_text(
        'model = "tiny-vit"\nprecision = "bf16"\n[recipe]\nhalf_moments = true\n'
        "half_text = true\ngrad_clip_norm = 1.0\nbatch = 16\nepochs = 2\n"
    )
    train = ["train", "--data", f"{tmp_path}/build", "--settings", f"{settings}"]
    assert main([*train, "--run", f"{tmp_path}/run", "--log-every", "1"]) == 0
    assert '"grad_norm"' in (tmp_path / "run/train.jsonl").read_text()
    assert main(["export", "--run", f"{tmp_path}/run", "--to", f"{tmp_path}/export"]) == 0
    saved = torch.load(tmp_path / "export/tiny-vit.pt", weights_only=True)
    assert {weight.dtype for weight in saved.values()} <= {torch.float32, torch.int64}


def test_half_text_asks_for_what_it_needs(tmp_path, capsys):
    make_build(tmp_path / "build", per_class=1)
    settings = tmp_path / "half.toml"
    train = ["train", "--data", f"{tmp_path}/build", "--settings", f"{settings}"]
    for lines, expected in (
        ("half_text = true", "half_moments"),
        ("half_text = true\nhalf_moments = true\n[means]\n", "precision bf16"),
    ):
        settings.write_text(f'precision = "fp32"\n[recipe]\nbatch = 8\n{lines}\n')
        assert main([*train, "--run", f"{tmp_path}/run"]) == 2
        assert expected in capsys.readouterr().err


def test_simclrs_rate_is_that_of_slips_readme():
    assert recipe("ViT-B-16", "simclr").lr == 3.2e-3
    assert recipe("ViT-B-16", "slip").lr == 3e-3
