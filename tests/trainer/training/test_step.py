"""One step: pieces, groups and recomputation change time and memory, never the gradient."""

import shutil
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torch import nn

from trainer.model import CLIP
from trainer.settings import MODELS, RECIPES, Means, TextConfig, VisionConfig
from trainer.training.losses import Objective, contrastive
from trainer.training.optim import adamw, dtype, learning_rate
from trainer.training.pieces import Inputs, copied, texts_in_pieces
from trainer.training.step import Stepper, prepare, without_statistics

TEXT = TextConfig(width=32, heads=2, layers=2, context=16, vocabulary=64)
SMALL = {
    "vit": replace(
        MODELS["tiny-vit"], embed=16, vision=VisionConfig(16, 32, (2,), 2, 8), text=TEXT
    ),
    "rn": replace(
        MODELS["tiny-rn"], embed=16, vision=VisionConfig(32, 8, (1, 1, 1, 1), 4), text=TEXT
    ),
}
RECIPE = replace(RECIPES["tiny-rn"], head_width=24)


def model_of(tower: str) -> CLIP:
    """A small model in float64 whose residual branches are not zero."""
    torch.manual_seed(0)
    model = CLIP(SMALL[tower]).double().train()
    for name, parameter in model.named_parameters():
        if name.endswith("bn3.weight"):
            nn.init.ones_(parameter)
    return model


def inputs_of(tower: str, n: int = 12, seed: int = 0) -> Inputs:
    """Pictures, captions of all lengths, and two views."""
    draw = np.random.default_rng(seed)
    side = SMALL[tower].vision.pixels
    images = draw.integers(0, 256, (3, n, 3, side, side), dtype=np.uint8)
    tokens = np.zeros((n, 16), np.int64)
    for row in tokens:
        length = draw.integers(1, 14)
        row[: length + 2] = [62, *draw.integers(0, 62, length), 63]
    return Inputs(images[0], tokens, (images[1], images[2]))


def stepper_of(model: CLIP, means: Means, objective: str = "clip", **more) -> Stepper:
    torch.manual_seed(1)
    recipe = replace(RECIPE, objective=objective)
    towards = Objective(model, recipe).double().train()
    optimizer = adamw(nn.ModuleList([model, towards]), recipe)
    return Stepper(model, towards, optimizer, means=means, **more)


def gradients(stepper: Stepper, inputs: Inputs) -> dict[str, torch.Tensor]:
    """The loss and every gradient of one step, by name."""
    loss = stepper.gradients(inputs)
    both = {**dict(stepper.model.named_parameters()), **dict(stepper.objective.named_parameters())}
    found = {name: p.grad for name, p in both.items() if p.grad is not None}
    return {"loss": loss} | found


def assert_equal(found: dict, expected: dict, atol: float = 1e-10) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-7, atol=atol, msg=name)


@pytest.mark.parametrize("objective", ["clip", "siglip", "slip", "simclr"])
@pytest.mark.parametrize("micro_batch", [1, 5, 12])
def test_a_gradient_cache_gives_the_gradients_of_the_whole_batch(objective, micro_batch):
    inputs = inputs_of("vit")
    whole = gradients(stepper_of(model_of("vit"), Means(length_groups=1), objective), inputs)
    means = Means(micro_batch=micro_batch)
    cached = gradients(stepper_of(model_of("vit"), means, objective), inputs)
    assert_equal(cached, whole)
    if objective == "simclr":
        assert "logit_scale" not in whole
    else:
        assert whole["logit_scale"].abs() > 1e-6


def test_without_pieces_a_step_is_the_plain_loss_of_the_model():
    inputs, model, plain = inputs_of("rn"), model_of("rn"), model_of("rn")
    found = gradients(stepper_of(model, Means()), inputs)
    loss = contrastive(*plain_embeddings(plain, inputs))
    loss.backward()
    expected = {name: p.grad for name, p in plain.named_parameters()}
    assert_equal(found, {"loss": loss.detach()} | expected)


def plain_embeddings(model: CLIP, inputs: Inputs):
    """As CLIP.forward, but in float64 to the end."""
    image = model.encode_image(torch.from_numpy(inputs.images))
    text = model.encode_text(torch.from_numpy(inputs.tokens))
    normal = nn.functional.normalize
    return normal(image, dim=-1), normal(text, dim=-1), model.logit_scale.exp()


def test_a_resnets_pieces_have_their_own_batch_statistics_in_both_passes():
    inputs, plain = inputs_of("rn"), model_of("rn")
    stepper = stepper_of(model_of("rn"), Means(micro_batch=4, length_groups=1))
    found = gradients(stepper, inputs)
    parts = torch.from_numpy(inputs.images).split(4)
    image = torch.cat([plain.encode_image(part) for part in parts])
    text = plain.encode_text(torch.from_numpy(inputs.tokens))
    normal = nn.functional.normalize
    loss = contrastive(normal(image, dim=-1), normal(text, dim=-1), plain.logit_scale.exp())
    loss.backward()
    expected = {name: p.grad for name, p in plain.named_parameters()}
    assert_equal(found, {"loss": loss.detach()} | expected)
    after = dict(stepper.model.named_buffers())
    assert all(torch.equal(after[name], value) for name, value in plain.named_buffers())


def test_the_averages_of_batch_statistics_can_be_left_alone():
    model = model_of("rn")
    before = {name: value.clone() for name, value in model.named_buffers()}
    with without_statistics(model):
        model.encode_image(torch.from_numpy(inputs_of("rn").images))
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())
    assert model.visual.bn1.momentum == 0.1


@pytest.mark.parametrize("tower", SMALL)
def test_gradient_checkpointing_changes_no_gradient_and_no_statistic(tower):
    inputs, kept, again = inputs_of(tower), model_of(tower), model_of(tower)
    prepare(again, Means(checkpointing=True))
    expected = gradients(stepper_of(kept, Means()), inputs)
    assert_equal(gradients(stepper_of(again, Means(checkpointing=True)), inputs), expected)
    assert all(map(torch.equal, again.state_dict().values(), kept.state_dict().values()))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++")
@pytest.mark.parametrize(("tower", "checkpointing"), [("vit", False), ("vit", True), ("rn", True)])
def test_a_compiled_slip_has_the_same_gradients_and_statistics(tower, checkpointing):
    inputs, plain, compiled = inputs_of(tower), model_of(tower), model_of(tower)
    means = Means(compile=True, checkpointing=checkpointing)
    prepare(compiled, means)
    expected = gradients(stepper_of(plain, Means(), "slip"), inputs)
    assert_equal(gradients(stepper_of(compiled, means, "slip"), inputs), expected)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[name], value, rtol=0, atol=1e-12)


@pytest.mark.parametrize("groups", [2, 4, 40])
def test_texts_grouped_by_length_give_the_same_gradients(groups):
    inputs = inputs_of("vit")
    whole = gradients(stepper_of(model_of("vit"), Means(length_groups=1)), inputs)
    assert_equal(gradients(stepper_of(model_of("vit"), Means(length_groups=groups)), inputs), whole)


def test_the_words_of_all_groups_are_looked_up_at_once_and_embedded_as_each_by_itself():
    model, tokens = model_of("vit"), torch.from_numpy(inputs_of("vit").tokens)
    groups = [tokens[:5, :15], tokens[5:], tokens[:0]]
    for one, group in zip(model.encode_texts(groups), groups, strict=True):
        assert torch.equal(one, model.encode_text(group))


def test_a_group_of_texts_is_as_long_as_its_longest():
    stepper, inputs = stepper_of(model_of("vit"), Means(length_groups=4)), inputs_of("vit")
    texts = [piece for piece in stepper.pieces(inputs) if piece.kind == "text"]
    assert sorted(torch.cat([piece.rows for piece in texts]).tolist()) == list(range(12))
    texts = list(copied(texts, torch.device("cpu")))
    for piece in texts:
        assert piece.inputs.shape[1] == (piece.inputs.argmax(dim=1) + 1).max()
        assert torch.equal(piece.inputs, torch.from_numpy(inputs.tokens)[piece.rows, : piece.width])
    widths = [piece.inputs.shape[1] for piece in texts]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]


@pytest.mark.parametrize(
    ("lengths", "n", "most", "expected"),
    [
        ([5] * 12, 4, 12, [(12, 5)]),
        ([5] * 12, 4, 6, [(6, 5), (6, 5)]),
        ([5] * 12, 4, 3, [(3, 5)] * 4),
        ([9, 3, 3, 3, 3, 3, 9, 9], 4, 8, [(4, 3), (4, 9)]),
        ([3, 4, 5, 6], 4, 4, [(1, 3), (1, 4), (1, 5), (1, 6)]),
        ([7], 4, 1, [(1, 7)]),
        ([], 4, 1, [(0, 1)]),
    ],
)
def test_groups_of_texts_as_long_as_each_other_are_one(lengths, n, most, expected):
    tokens = np.zeros((len(lengths), 16), np.int64)
    for row, length in zip(tokens, lengths, strict=True):
        row[:length] = [*range(1, length), 63]
    pieces = list(texts_in_pieces(tokens, n, torch.device("cpu"), most))
    assert [(len(piece.inputs), piece.width) for piece in pieces] == expected
    assert sorted(torch.cat([piece.rows for piece in pieces]).tolist()) == [*range(len(lengths))]


def test_no_piece_is_larger_than_the_micro_batch():
    stepper = stepper_of(model_of("vit"), Means(micro_batch=5, length_groups=2), "slip")
    sizes = {}
    for piece in stepper.pieces(inputs_of("vit"), stepper.n_pieces(12)):
        sizes.setdefault(piece.kind, []).append(len(piece.inputs))
    assert sizes == {kind: [4, 4, 4] for kind in ("image", "view1", "view2", "text")}


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_step_in_each_precision_lowers_the_loss(precision):
    inputs, kind = inputs_of("vit"), dtype(precision)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024) if precision == "fp16" else None
    stepper = stepper_of(model_of("vit").float(), Means(micro_batch=8), kind=kind, scaler=scaler)
    stepper.objective.float()
    losses = [stepper.step(inputs, 1e-3).loss.item() for _ in range(8)]
    assert losses[-1] < losses[0] - 0.1


def test_gains_biases_and_the_temperature_are_not_decayed():
    model = model_of("rn")
    free = adamw(model, RECIPE).param_groups[1]
    assert free["weight_decay"] == 0
    named = {id(p): name for name, p in model.named_parameters()}
    names = {named[id(p)] for p in free["params"]}
    assert {"logit_scale", "ln_final.weight", "visual.bn1.bias"} <= names
    assert not any(name.endswith(("proj", "conv1.weight", "embedding.weight")) for name in names)


def test_the_learning_rate_warms_up_from_the_first_and_cools_to_the_last():
    recipe = replace(
        RECIPE, epochs=10, lr=1.0, warmup_steps=0, warmup_epochs=1, lr_first=0.1, lr_last=0.2
    )
    rates = [learning_rate(recipe, 100, step / 100) for step in range(101)]
    assert rates[0] == pytest.approx(0.19)
    assert rates[10] == pytest.approx(1.0) == max(rates)
    assert rates[100] == pytest.approx(0.2)
    assert all(a > b for a, b in pairwise(rates[10:]))


def test_an_empty_part_of_a_batch_has_no_gradient_and_stops_nobody():
    for tower, micro_batch in product(SMALL, (0, 4)):
        empty = inputs_of(tower, n=1)
        empty = Inputs(empty.images[:0], empty.tokens[:0])
        stepper = stepper_of(model_of(tower), Means(micro_batch=micro_batch))
        pieces = stepper.pieces(empty, stepper.n_pieces(0))
        assert [len(piece.inputs) for piece in pieces] == [0, 0]
