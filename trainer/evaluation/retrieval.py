"""Retrieval: from a picture to its captions, and back.

Source: CLIP, section 3.1.4 and table 13: recall at k is the share of queries that have a right
answer among the k nearest by cosine. Captions are put into the prompt "a photo of {c}".
"""

import numpy as np
import torch
from scipy.stats import hypergeom
from torch import Tensor

from trainer.evaluation.features import embeddings, enough, features, text_embeddings
from trainer.evaluation.intervals import Figure, clustered, rate
from trainer.evaluation.results import Result, keep
from trainer.evaluation.sets import EvalSet, in_templates
from trainer.evaluation.zeroshot import about
from trainer.model.checkpoint import Checkpoint
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError

TITLE = "retrieval"
KS = (1, 5, 10)
BLOCK_CELLS = 1 << 24  # cosines in memory at a time


def evaluate(run: RunFolder, checkpoint: Checkpoint, captioned: EvalSet) -> Result:
    """Evaluate both ways, and keep the result in the run's retrieval.json."""
    seen = features(checkpoint, captioned, captioned.pictures(size=enough(checkpoint)))
    if len(seen) < 2:
        raise TrainerError(f"{captioned.root}: 1 readable picture, expected at least 2")
    captions = [caption for captions in seen.captions for caption in captions]
    owner = np.repeat(np.arange(len(seen)), [len(captions) for captions in seen.captions])
    prompts = [in_templates(caption, captioned.templates) for caption in captions]
    images, texts = embeddings(checkpoint, seen.values), text_embeddings(checkpoint, prompts)
    context = about(checkpoint, captioned) | {"images": len(seen), "captions": len(captions)}
    recalls = figures(*ranks(images, texts, owner), owner)
    return keep(run, Result("retrieval", captioned.name, context, recalls))


def ranks(images: Tensor, texts: Tensor, owner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rank of the best right answer, from 0, of each picture (P,) and of each text (T,).

    images (P, embed), texts (T, embed); owner (T,) ascending: the picture of each text. Of equal
    cosines the lower row is nearer, so a model whose cosines are all equal is at chance.

    >>> both = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> [rank.tolist() for rank in ranks(both, both[[1, 0, 1]], np.array([0, 0, 1]))]
    [[0, 1], [1, 0, 0]]
    """
    belongs = torch.from_numpy(owner)
    of_texts = [
        _rank(texts[rows] @ images.T, belongs[rows, None] == torch.arange(len(images)))
        for rows in _blocks(len(texts), len(images))
    ]
    of_images = [
        _rank(images[rows] @ texts.T, torch.arange(len(images))[rows, None] == belongs)
        for rows in _blocks(len(images), len(texts))
    ]
    return torch.cat(of_images).numpy(), torch.cat(of_texts).numpy()


def _rank(cosines: Tensor, right: Tensor) -> Tensor:
    """cosines, right: (B, N) -> (B,): how many columns are nearer than the nearest right one."""
    best = cosines.where(right, -torch.inf).amax(dim=1, keepdim=True)
    place = ((cosines == best) & right).int().argmax(dim=1, keepdim=True)  # the first of equals
    before = torch.arange(cosines.shape[1]) < place
    return ((cosines > best) | ((cosines == best) & before)).sum(dim=1)


def _blocks(n_rows: int, n_columns: int) -> list[slice]:
    size = max(1, BLOCK_CELLS // n_columns)
    return [slice(start, start + size) for start in range(0, n_rows, size)]


def figures(of_images: np.ndarray, of_texts: np.ndarray, owner: np.ndarray) -> dict[str, Figure]:
    """Recall at 1, 5 and 10 from pictures to texts and from texts to pictures."""
    n_own = np.bincount(owner)
    recalls: dict[str, Figure] = {}
    for k in KS:
        chance = chance_of_a_picture(n_own, k)
        recalls[f"image_to_text_{k}"] = rate(f"image to text R@{k}", of_images < k, chance)
    for k in KS:
        name, chance = f"text to image R@{k}", min(1.0, k / len(n_own))
        recalls[f"text_to_image_{k}"] = clustered(name, of_texts < k, owner, chance)
    return recalls


def chance_of_a_picture(n_own: np.ndarray, k: int) -> float:
    """The chance that k random captions hold one of a picture's n_own (P,); the pictures' mean.

    >>> chance_of_a_picture(np.array([1, 1, 1, 1]), 1), chance_of_a_picture(np.array([2, 2]), 3)
    (0.25, 1.0)
    """
    n = int(n_own.sum())
    return float(np.mean(1 - hypergeom.pmf(0, n, n_own, min(k, n))))


def remarks(result: Result) -> list[str]:
    """The numbers of pictures and captions: a picture may have several captions."""
    return [f"{result.about['images']:,} pictures, {result.about['captions']:,} captions"]
