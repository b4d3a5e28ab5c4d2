"""The loss equals a plain loop over the batch."""

import math

import torch

from trainer.losses import contrastive


def test_the_loss_equals_a_plain_loop():
    image, text = torch.nn.functional.normalize(
        torch.randn(2, 5, 8, generator=torch.manual_seed(0), dtype=torch.float64), dim=-1
    )
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
