"""Features of an evaluation set's pictures, and embeddings of pictures and texts, by a model.

A picture is encoded once, its middle square. Its features are the input of a linear probe;
projected and normalised they are its embedding (CLIP, figure 3).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from queries.engine.progress import shown
from trainer.data.pixels import centre, stacked
from trainer.evaluation.sets import EvalSet, Picture
from trainer.model.checkpoint import Checkpoint
from trainer.settings import TrainerError

BATCH = 128


@dataclass(frozen=True)
class Features:
    """N pictures: names, class numbers (N,), features (N, D) float32 as `values`, and captions."""

    names: list[str]
    labels: np.ndarray
    values: np.ndarray
    captions: list[tuple[str, ...]]
    several: list[tuple[int, ...]] = field(default_factory=list)  # of a multi-label set: classes

    def __len__(self) -> int:
        return len(self.names)

    def rows(self, at: np.ndarray) -> "Features":
        """The pictures at these places (n,), or of this mask, bool (N,)."""
        places = np.arange(len(self))[at]
        names, captions = ([column[i] for i in places] for column in (self.names, self.captions))
        several = [self.several[i] for i in places] if self.several else []
        return Features(names, self.labels[at], self.values[at], captions, several)


def enough(checkpoint: Checkpoint) -> int:
    """The shorter side, in pixels, that a picture needs for the model: twice the model's own.

    A decoder shrinks fast but not well; the last half is averaged.
    """
    return 2 * checkpoint.state.model.vision.pixels


@torch.inference_mode()
def features(checkpoint: Checkpoint, eval_set: EvalSet, pictures: Iterable[Picture]) -> Features:
    """The pictures' features, in float32. Raises TrainerError if no picture is readable."""
    side, device = checkpoint.state.model.vision.pixels, checkpoint.model.logit_scale.device
    names: list[str] = []
    labels: list[int] = []
    captions: list[tuple[str, ...]] = []
    several: list[tuple[int, ...]] = []
    values = []
    with shown(eval_set.name, unit="images", rate=True) as step:
        for batch in batches(pictures, BATCH):
            images = torch.from_numpy(stacked([centre(p.pixels, side) for p in batch]))
            values.append(checkpoint.model.image_features(images.to(device)).cpu().numpy())
            names += [picture.name for picture in batch]
            labels += [picture.label for picture in batch]
            captions += [picture.captions for picture in batch]
            if eval_set.kind == "labels":
                several += [picture.labels for picture in batch]
            step.update(len(batch))
    if not names:
        raise TrainerError(f"{eval_set.root}: no readable picture; {len(eval_set.bad)} are not")
    return Features(names, np.array(labels), np.concatenate(values), captions, several)


@torch.inference_mode()
def embeddings(checkpoint: Checkpoint, values: np.ndarray) -> Tensor:
    """Features (N, D) -> embeddings (N, embed), each of length 1."""
    device = checkpoint.model.logit_scale.device
    blocks = torch.from_numpy(values).split(BATCH)
    projected = torch.cat([checkpoint.model.project(block.to(device)) for block in blocks])
    return F.normalize(projected, dim=-1).cpu()


@torch.inference_mode()
def text_embeddings(checkpoint: Checkpoint, prompts: Sequence[Sequence[str]]) -> Tensor:
    """T lists of prompts -> (T, embed), of length 1: the mean of each list's embeddings.

    Source: CLIP, section 3.1.4, prompt ensembling.
    """
    context, device = checkpoint.state.model.text.context, checkpoint.model.logit_scale.device
    owners = np.repeat(np.arange(len(prompts)), [len(texts) for texts in prompts])
    texts = [text for ensemble in prompts for text in ensemble]
    sums: Tensor | None = None
    for at in range(0, len(texts), BATCH):
        batch = texts[at : at + BATCH]
        tokens = torch.from_numpy(checkpoint.tokenizer.encode(batch, context)).to(device)
        each = F.normalize(checkpoint.model.encode_text(tokens), dim=-1).cpu()
        if sums is None:
            sums = torch.zeros(len(prompts), each.shape[1])
        sums.index_add_(0, torch.from_numpy(owners[at : at + BATCH]), each)
    if sums is None:
        raise ValueError("no prompts")
    return F.normalize(sums, dim=-1)


def batches(rows: Iterable, size: int) -> Iterator[list]:
    rows = iter(rows)
    while batch := list(islice(rows, size)):
        yield batch
