"""What a model under way knows of pairs that it is not trained on: their loss, and recall.

The pairs are a share of the data by a hash of pair_id alone, so they are the same for every seed,
and stay out when the data grow. Near duplicates of them may still be trained on: `trainer overlap`
finds these.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from trainer.data.loader import mixed
from trainer.data.samples import Samples
from trainer.model import CLIP
from trainer.model.tokenizer import Tokenizer
from trainer.training.losses import contrastive
from trainer.training.step import HALF

SALT = np.uint64(0x5851F42D4C957F2D)  # no other draw is made of pair_id by it
TOGETHER = 256  # pairs embedded at a time
BLOCK = 1_024  # pairs contrasted with each other, whatever the batch that is trained on
MOST = 10_000  # pairs measured: the first by hash


def held_out(pair_ids: np.ndarray, share: float) -> np.ndarray:
    """bool (N,): which pairs are held out.

    >>> held_out(np.arange(1000), 0.1).sum(), held_out(np.arange(1000), 0.0).sum()
    (np.int64(98), np.int64(0))
    """
    return _draws(pair_ids) < share * 2.0**64


def _draws(pair_ids: np.ndarray) -> np.ndarray:
    return mixed(pair_ids.astype(np.uint64) ^ SALT)


@dataclass(frozen=True)
class HeldOut:
    """The pairs that are held out, in the order of their hash, and how to measure a model."""

    samples: Samples
    tokenizer: Tokenizer
    context: int
    pixels: int
    kind: torch.dtype  # of matrix products

    @torch.inference_mode()
    def measure(self, model: CLIP) -> dict[str, float]:
        """loss: of blocks of BLOCK pairs, the mean of CLIP's; recall at 1 and 5 among all pairs.

        The model is as it was when this returns. Pictures are the middle squares.
        """
        was_training = model.training
        model.eval()
        try:
            image, text = self._embeddings(model)
        finally:
            model.train(was_training)
        scale = model.logit_scale.exp()
        n_blocks = max(1, len(image) // BLOCK)
        blocks = zip(image.tensor_split(n_blocks), text.tensor_split(n_blocks), strict=True)
        losses = [contrastive(*block, scale).item() for block in blocks]
        figures = {"loss": float(np.mean(losses)), "pairs": len(image)}
        ranks = {"image_to_text": _rank(image, text), "text_to_image": _rank(text, image)}
        for name, rank in ranks.items():
            figures |= {f"{name}_{k}": (rank < k).double().mean().item() for k in (1, 5)}
        return figures

    def _embeddings(self, model: CLIP) -> tuple[Tensor, Tensor]:
        """Both (N, embed), of length 1; pairs whose picture is corrupt are left out."""
        device, both = model.logit_scale.device, []
        for images, tokens in self._pieces():
            with torch.autocast(device.type, self.kind, enabled=self.kind in HALF):
                image = model.encode_image(torch.from_numpy(images).to(device))
                text = model.encode_text(torch.from_numpy(tokens).to(device))
            both.append([F.normalize(side.float(), dim=-1) for side in (image, text)])
        image, text = (torch.cat(side) for side in zip(*both, strict=True))
        return image, text

    def _pieces(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        order = np.argsort(_draws(self.samples.pair_ids), kind="stable")[:MOST]
        for at in range(0, len(order), TOGETHER):
            rows = order[at : at + TOGETHER]
            page = np.empty((len(rows), self.pixels, self.pixels, 3), np.uint8)
            sound = [
                self.samples.fill(row, 0.5, 0.5, out)
                for row, out in zip(rows.tolist(), page, strict=True)
            ]
            if any(sound):
                captions = self.samples.captions(rows[sound])
                tokens = self.tokenizer.encode(captions, self.context)
                yield page[sound].transpose(0, 3, 1, 2), tokens


def _rank(queries: Tensor, answers: Tensor) -> Tensor:
    """(N,): how many answers are nearer than a query's own. Of equals the lower row is nearer."""
    ranks = []
    for at in range(0, len(queries), BLOCK):
        cosines = queries[at : at + BLOCK] @ answers.T
        own = torch.arange(at, at + len(cosines), device=cosines.device)[:, None]
        right = cosines.gather(1, own)
        before = torch.arange(cosines.shape[1], device=cosines.device) < own
        ranks.append(((cosines > right) | ((cosines == right) & before)).sum(dim=1))
    return torch.cat(ranks)
