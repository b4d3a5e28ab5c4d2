"""The losses: CLIP's, SLIP's, SimCLR's and SigLIP's.

Each loss is this process's share: over all processes, the shares add up to the loss of the joined
batch, and so do their gradients.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.model import CLIP
from trainer.settings import Recipe
from trainer.training.distributed import ALONE, Group
from trainer.training.slip import head

SIMCLR_TEMPERATURE = 0.1


def contrastive(image: Tensor, text: Tensor, scale: Tensor, group: Group = ALONE) -> Tensor:
    """Symmetric cross entropy over the cosines of all pairs of a batch (CLIP, figure 3).

    image, text: (B, embed) of length 1, row i of one belonging to row i of the other; scale:
    1 / temperature. ln(B) where nothing has been learned, 0 where every pair stands apart.
    """
    images, first = group.gather(image)  # (N, embed)
    texts, _ = group.gather(text)
    own = first + torch.arange(len(image), device=image.device)
    by_text = scale * image @ texts.T  # (B, N)
    by_image = by_text.T if group.world == 1 else scale * text @ images.T
    total = F.cross_entropy(by_text, own, reduction="sum")
    total = total + F.cross_entropy(by_image, own, reduction="sum")
    return total / (2 * len(images))


def sigmoid(
    image: Tensor, text: Tensor, scale: Tensor, bias: Tensor, group: Group = ALONE
) -> Tensor:
    """Logistic loss of each of the N x N pairs by itself (SigLIP, Zhai et al. 2023, algorithm 1).

    image, text, scale: as in `contrastive`; bias: a scalar. The sum over the texts, averaged over
    the images.
    """
    texts, first = group.gather(text)
    logits = scale * image @ texts.T + bias  # (B, N)
    own = torch.arange(len(image), device=image.device)
    signs = -torch.ones_like(logits)
    signs[own, first + own] = 1
    return -F.logsigmoid(signs * logits).sum() / len(texts)


def simclr(first_view: Tensor, second_view: Tensor, group: Group = ALONE) -> Tensor:
    """Each view must find the other view of its picture among all views (SimCLR, equation 1).

    Both (B, C), not normalised, row i of both of one picture. ln(2 B - 1) at first.
    """
    first_view, second_view = F.normalize(first_view, dim=-1), F.normalize(second_view, dim=-1)
    ones, first = group.gather(first_view)  # (N, C)
    others, _ = group.gather(second_view)
    own = first + torch.arange(len(first_view), device=first_view.device)
    total = first_view.new_zeros(())
    for view, same, opposite in ((first_view, ones, others), (second_view, others, ones)):
        among = view @ same.T / SIMCLR_TEMPERATURE  # (B, N)
        itself = own[:, None] == torch.arange(len(same), device=own.device)
        among = among.masked_fill(itself, float("-inf"))  # a view is not its own neighbour
        logits = torch.cat([view @ opposite.T / SIMCLR_TEMPERATURE, among], dim=1)  # (B, 2 N)
        total = total + F.cross_entropy(logits, own, reduction="sum")
    return total / (2 * len(ones))


class Objective(nn.Module):
    """The loss of a recipe's objective, with the weights that only training needs.

    They stay out of the model: no embedding depends on them, and CLIP's files have no place
    for them.
    """

    def __init__(self, model: CLIP, recipe: Recipe):
        super().__init__()
        self.name = recipe.objective
        self.views = 2 if self.name in ("slip", "simclr") else 0
        if self.views:
            self.image_mlp = head(model.config.vision.features, recipe.head_width)
        if self.name == "siglip":
            self.logit_bias = nn.Parameter(torch.tensor(-10.0))
            nn.init.constant_(model.logit_scale, math.log(10))

    @property
    def needs(self) -> tuple[str, ...]:
        """The kinds of embeddings that the loss reads."""
        pairs = () if self.name == "simclr" else ("image", "text")
        return pairs + (("view1", "view2") if self.views else ())

    def forward(self, embeddings: dict[str, Tensor], scale: Tensor, group: Group = ALONE) -> Tensor:
        """The share of the loss; SLIP's is CLIP's and SimCLR's added up (SLIP, algorithm 1).

        embeddings: image and text (B, embed) of length 1, view1 and view2 (B, C) before projection.
        """
        if self.name == "siglip":
            return sigmoid(embeddings["image"], embeddings["text"], scale, self.logit_bias, group)
        loss = scale.new_zeros(())
        if self.name != "simclr":
            loss = contrastive(embeddings["image"], embeddings["text"], scale, group)
        if self.views:
            first, second = (self.image_mlp(embeddings[view]) for view in ("view1", "view2"))
            loss = loss + simclr(first, second, group)
        return loss
