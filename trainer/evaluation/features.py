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
        names, captions = ([of[i] for i in places] for of in (self.names, self.captions))
        return Features(names, self.labels[at], self.values[at], captions)


@torch.inference_mode()
def features(found: Checkpoint, eval_set: EvalSet, pictures: Iterable[Picture]) -> Features:
    """The pictures' features, in float32; TrainerError if there is no picture."""
    side, device = found.state.model.vision.pixels, found.model.logit_scale.device
    names: list[str] = []
    labels: list[int] = []
    captions: list[tuple[str, ...]] = []
    values = []
    for some in batches(tqdm(pictures, unit="image", disable=None, leave=False), BATCH):
        images = torch.from_numpy(stacked([centre(p.pixels, side) for p in some]))
        values.append(found.model.image_features(images.to(device)).cpu().numpy())
        names += [picture.name for picture in some]
        labels += [picture.label for picture in some]
        captions += [picture.captions for picture in some]
    if not names:
        raise TrainerError(f"{eval_set.root}: no readable picture; {len(eval_set.bad)} are not")
    return Features(names, np.array(labels), np.concatenate(values), captions)


@torch.inference_mode()
def embeddings(found: Checkpoint, values: np.ndarray) -> Tensor:
    """Features (N, D) -> embeddings (N, embed), each of length 1."""
    device = found.model.logit_scale.device
    some = [found.model.project(rows.to(device)) for rows in torch.from_numpy(values).split(BATCH)]
    return F.normalize(torch.cat(some), dim=-1).cpu()


@torch.inference_mode()
def text_embeddings(found: Checkpoint, prompts: Sequence[Sequence[str]]) -> Tensor:
    """T lists of as many prompts each -> (T, embed): the normalised mean of each list's texts."""
    context, device = found.state.model.text.context, found.model.logit_scale.device
    means = []
    for some in batches(prompts, max(1, BATCH // max(1, len(prompts[0])))):
        texts = [prompt for of_one in some for prompt in of_one]
        tokens = torch.from_numpy(found.tokenizer.encode(texts, context)).to(device)
        each = F.normalize(found.model.encode_text(tokens), dim=-1)
        means.append(each.unflatten(0, (len(some), -1)).mean(dim=1))
    return F.normalize(torch.cat(means), dim=-1).cpu()


def batches(rows: Iterable, size: int) -> Iterator[list]:
    left = iter(rows)
    while batch := list(islice(left, size)):
        yield batch
