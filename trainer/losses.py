"""What a batch is trained towards. May import torch."""

import torch
from torch import Tensor
from torch.nn import functional as F


def contrastive(image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    """Symmetric cross entropy over the cosines of all pairs of a batch (CLIP, figure 3).

    image, text: (B, embed) of length 1, row i of one belonging to row i of the other; scale:
    1 / temperature. ln(B) where nothing has been learned, 0 where every pair stands apart.
    """
    logits = scale * image @ text.T  # (B, B): image by text
    own = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
