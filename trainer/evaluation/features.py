"""What a run's model makes of an evaluation set: features of its pictures, embeddings of texts.

A picture is seen once, its middle square: its features serve a linear probe as they are, and
projected and normalised they are its embedding.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from trainer.data.pixels import centre, stacked
from trainer.evaluation.sets import EvalSet, Picture
from trainer.model.checkpoint import Checkpoint
from trainer.settings import TrainerError

BATCH = 128


@dataclass(frozen=True)
class Features:
    """N pictures: names, classes (N,), what a probe reads (N, D) float32, and their captions."""

    names: list[str]
    labels: np.ndarray
    values: np.ndarray
    captions: list[tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.names)

    def rows(self, at: np.ndarray) -> "Features":
        """Some of the pictures, by their places or by a bool (N,)."""
        places = np.arange(len(self))[at]
        names, captions = ([column[i] for i in places] for column in (self.names, self.captions))
        return Features(names, self.labels[at], self.values[at], captions)


@torch.inference_mode()
def features(checkpoint: Checkpoint, eval_set: EvalSet, pictures: Iterable[Picture]) -> Features:
    """The pictures' features, in float32; TrainerError if there is no picture."""
    side, device = checkpoint.state.model.vision.pixels, checkpoint.model.logit_scale.device
    names: list[str] = []
    labels: list[int] = []
    captions: list[tuple[str, ...]] = []
    values = []
    for batch in batches(tqdm(pictures, unit="image", disable=None, leave=False), BATCH):
        images = torch.from_numpy(stacked([centre(p.pixels, side) for p in batch]))
        values.append(checkpoint.model.image_features(images.to(device)).cpu().numpy())
        names += [picture.name for picture in batch]
        labels += [picture.label for picture in batch]
        captions += [picture.captions for picture in batch]
    if not names:
        raise TrainerError(f"{eval_set.root}: no readable picture; {len(eval_set.bad)} are not")
    return Features(names, np.array(labels), np.concatenate(values), captions)


@torch.inference_mode()
def embeddings(checkpoint: Checkpoint, values: np.ndarray) -> Tensor:
    """Features (N, D) -> embeddings (N, embed), each of length 1."""
    device = checkpoint.model.logit_scale.device
    blocks = torch.from_numpy(values).split(BATCH)
    projected = torch.cat([checkpoint.model.project(block.to(device)) for block in blocks])
    return F.normalize(projected, dim=-1).cpu()


@torch.inference_mode()
def text_embeddings(checkpoint: Checkpoint, prompts: Sequence[Sequence[str]]) -> Tensor:
    """T lists of as many prompts each -> (T, embed): the normalised mean of each list's texts."""
    context, device = checkpoint.state.model.text.context, checkpoint.model.logit_scale.device
    means = []
    for batch in batches(prompts, max(1, BATCH // max(1, len(prompts[0])))):
        texts = [prompt for ensemble in batch for prompt in ensemble]
        tokens = torch.from_numpy(checkpoint.tokenizer.encode(texts, context)).to(device)
        each = F.normalize(checkpoint.model.encode_text(tokens), dim=-1)
        means.append(each.unflatten(0, (len(batch), -1)).mean(dim=1))
    return F.normalize(torch.cat(means), dim=-1).cpu()


def batches(rows: Iterable, size: int) -> Iterator[list]:
    left = iter(rows)
    while batch := list(islice(left, size)):
        yield batch
