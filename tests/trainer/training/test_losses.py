"""Each loss equals a plain loop over the batch."""

import math

import pytest
import torch

from trainer.model import build
from trainer.settings import recipe
from trainer.training.losses import Objective, contrastive, sigmoid, simclr


def test_the_loss_equals_a_plain_loop():
    image, text = embeddings(5)
    total = 0.0
    for i in range(5):
        by_text = [math.exp(10 * (image[i] @ text[j]).item()) for j in range(5)]
        by_image = [math.exp(10 * (image[j] @ text[i]).item()) for j in range(5)]
        total -= math.log(by_text[i] / sum(by_text)) + math.log(by_image[i] / sum(by_image))
    assert math.isclose(contrastive(image, text, torch.tensor(10.0)).item(), total / 10)


def test_a_batch_whose_embeddings_are_all_equal_loses_ln_of_its_size():
    same = torch.nn.functional.normalize(torch.ones(6, 3), dim=-1)
    loss = contrastive(same, same, torch.tensor(14.3)).item()
    assert math.isclose(loss, math.log(6), rel_tol=1e-5)


def test_the_sigmoid_loss_equals_a_plain_loop():
    image, text = embeddings(5)
    scale, bias = torch.tensor(10.0), torch.tensor(-3.0)
    total = 0.0
    for i in range(5):
        for j in range(5):
            logit = 10 * (image[i] @ text[j]).item() - 3
            total += math.log(1 + math.exp(-logit if i == j else logit))
    assert math.isclose(sigmoid(image, text, scale, bias).item(), total / 5)


def test_simclrs_loss_equals_a_plain_loop():
    one, other = embeddings(4)
    views, n = [*one, *other], 4
    total = 0.0
    for i, view in enumerate(views):
        partner = (i + n) % (2 * n)
        heats = {
            j: math.exp((view @ views[j]).item() / 0.1) for j in range(2 * n) if j != i
        }  # among all views but itself
        total -= math.log(heats[partner] / sum(heats.values()))
    found = simclr(3 * one, 5 * other)  # lengths mean nothing
    assert math.isclose(found.item(), total / (2 * n))


@pytest.mark.parametrize("name", ["slip", "simclr", "clip", "siglip"])
def test_an_objective_adds_up_its_parts(name):
    objective = Objective(build("tiny-vit"), recipe("tiny-vit", name)).double()
    image, text = embeddings(6)
    view1, view2 = torch.randn(2, 6, 128, generator=torch.manual_seed(1), dtype=torch.float64)
    found = {"image": image, "text": text, "view1": view1, "view2": view2}
    scale = torch.tensor(10.0, dtype=torch.float64)
    expected = torch.tensor(0.0, dtype=torch.float64)
    if name == "siglip":
        expected = sigmoid(image, text, scale, torch.tensor(-10.0))
    if name in ("clip", "slip"):
        expected = contrastive(image, text, scale)
    if name in ("simclr", "slip"):
        expected = expected + simclr(objective.image_mlp(view1), objective.image_mlp(view2))
    torch.testing.assert_close(
        objective({kind: found[kind] for kind in objective.needs}, scale), expected
    )


def test_siglip_starts_at_its_papers_scale():
    model = build("tiny-vit")
    Objective(model, recipe("tiny-vit", "siglip"))
    assert math.isclose(model.logit_scale.exp().item(), 10, rel_tol=1e-6)


def embeddings(n: int) -> torch.Tensor:
    """Two times n rows of length 1 (2, n, 8)."""
    rows = torch.randn(2, n, 8, generator=torch.manual_seed(0), dtype=torch.float64)
    return torch.nn.functional.normalize(rows, dim=-1)
