"""Objectives that predict the text: a transformer language model, and a bag of words.

Source: CLIP, section 2.3 and figure 2. Each is an image tower of the trainer's and what reads its
embedding; `loss` is what it is trained towards, `scores` how it is used zero-shot.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.text import words
from trainer.model import IMAGE_MEAN, IMAGE_STD
from trainer.model.tokenizer import Tokenizer
from trainer.model.towers import ModifiedResNet, Transformer
from trainer.settings import ModelConfig

FLOOR = 0.01  # of the probability is spread evenly, so a word never seen keeps some
ROWS = 512  # texts that the language model reads at a time


class ImageTower(nn.Module):
    """uint8 RGB (B, 3, S, S) -> (B, embed), normalised as CLIP's."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.visual = ModifiedResNet(config.vision, config.embed)
        self.mean: Tensor
        self.std: Tensor
        for name, values in (("mean", IMAGE_MEAN), ("std", IMAGE_STD)):
            self.register_buffer(name, 255 * torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor, projected: bool = True) -> Tensor:
        return self.visual((images.float() - self.mean) / self.std, projected)


class Predictor(nn.Module, ABC):
    """What predicts a text from a picture; subclasses say how."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.tower = ImageTower(config)

    @abstractmethod
    def loss(self, images: Tensor, captions: Sequence[str]) -> Tensor:
        """Mean surprise per word or token, nats: uint8 (B, 3, S, S) and B captions."""

    @abstractmethod
    def scores(self, images: Tensor, names: Sequence[str]) -> Tensor:
        """The log-likelihood of each of C names given each of N pictures, (N, C)."""

    @abstractmethod
    def lengths(self, names: Sequence[str]) -> Tensor:
        """How many words or tokens of each name are predicted, (C,)."""


class CaptionModel(Predictor):
    """A causal transformer over the caption, whose first place is the picture's embedding.

    The embedding stands where the start mark would, so every token is predicted: the first from
    the picture alone. Output weights are the token embedding's.
    """

    def __init__(self, config: ModelConfig, tokenizer: Tokenizer):
        super().__init__(config)
        text, self.tokenizer = config.text, tokenizer
        self.context = text.context
        self.prefix = nn.Linear(config.embed, text.width)
        self.token_embedding = nn.Embedding(len(tokenizer), text.width)
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        self.positional_embedding = nn.Parameter(0.01 * torch.randn(text.context, text.width))
        self.transformer = Transformer(text.width, text.layers, text.heads, causal=True)
        self.ln_final = nn.LayerNorm(text.width)

    def loss(self, images: Tensor, captions: Sequence[str]) -> Tensor:
        tokens = self.encode(captions)
        return self.surprise(self.tower(images), tokens).sum() / (tokens >= 0).sum()

    def encode(self, texts: Sequence[str]) -> Tensor:
        """int64 (B, T): ids, the end mark, then -1."""
        ids = self.tokenizer.encode(list(texts), self.context)
        end = ids.argmax(axis=1)
        return torch.from_numpy(np.where(np.arange(ids.shape[1]) <= end[:, None], ids, -1)[:, 1:])

    def surprise(self, embedded: Tensor, tokens: Tensor) -> Tensor:
        """-log p of the whole of each text: (B, embed) and (B, T) -> (B,)."""
        first = self.prefix(embedded)[:, None]  # (B, 1, C)
        before = self.token_embedding(tokens[:, :-1].clamp(min=0))
        x = torch.cat([first, before.to(first.dtype)], dim=1)  # (B, T, C)
        x = self.transformer(x + self.positional_embedding[: x.shape[1]])
        logits = F.linear(self.ln_final(x), self.token_embedding.weight)  # (B, T, V)
        each = F.cross_entropy(
            logits.float().flatten(0, 1), tokens.flatten(), ignore_index=-1, reduction="none"
        )
        return each.view(tokens.shape).sum(dim=1)

    def scores(self, images: Tensor, names: Sequence[str]) -> Tensor:
        tokens, embedded = self.encode(names), self.tower(images)
        scores = torch.empty(len(images), len(names))
        for rows in by_length(tokens):
            own = tokens[rows, : int((tokens[rows] >= 0).sum(dim=1).max())]
            for some in torch.arange(len(images)).split(max(1, ROWS // len(rows))):
                each = embedded[some].repeat_interleave(len(rows), dim=0)
                found = -self.surprise(each, own.repeat(len(some), 1))
                scores[some[:, None], rows] = found.view(len(some), len(rows))
        return scores

    def lengths(self, names: Sequence[str]) -> Tensor:
        return (self.encode(names) >= 0).sum(dim=1)


def by_length(tokens: Tensor) -> Iterator[Tensor]:
    """The places of the texts (B, T) of each length: none is padded."""
    lengths = (tokens >= 0).sum(dim=1)
    for length in lengths.unique():
        yield torch.nonzero(lengths == length).squeeze(1)


class Vocabulary:
    """The words of the training captions, and one number for all others."""

    def __init__(self, captions: Sequence[str]):
        known = sorted({word for one in captions for word in words(one)})
        self.number = {word: at for at, word in enumerate(known)}
        self.other = len(known)

    def __len__(self) -> int:
        return len(self.number) + 1

    def encode(self, text: str) -> list[int]:
        """
        >>> Vocabulary(["a red dog"]).encode("Red cat!")
        [2, 3]
        """
        return [self.number.get(word, self.other) for word in words(text)]


class BagOfWords(Predictor):
    """One softmax over all words, of which the caption's are the answers (Joulin et al. 2016)."""

    def __init__(self, config: ModelConfig, vocabulary: Vocabulary):
        super().__init__(config)
        self.vocabulary = vocabulary
        self.to_words = nn.Linear(config.embed, len(vocabulary))

    def loss(self, images: Tensor, captions: Sequence[str]) -> Tensor:
        logits = self.to_words(self.tower(images)).float()
        bags = self.bags(captions)
        return -(bags * logits.log_softmax(dim=1)).sum() / bags.sum()

    def bags(self, texts: Sequence[str]) -> Tensor:
        """How often each word stands in each text: (B, V)."""
        bags = torch.zeros(len(texts), len(self.vocabulary))
        for bag, text in zip(bags, texts, strict=True):
            for word in self.vocabulary.encode(text):
                bag[word] += 1
        return bags

    def scores(self, images: Tensor, names: Sequence[str]) -> Tensor:
        """The sum of the log-probabilities of the name's words."""
        likely = self.to_words(self.tower(images)).float().softmax(dim=1)
        return ((1 - FLOOR) * likely + FLOOR / likely.shape[1]).log() @ self.bags(names).T

    def lengths(self, names: Sequence[str]) -> Tensor:
        return self.bags(names).sum(dim=1)
