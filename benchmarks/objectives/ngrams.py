"""Visual n-grams: the picture scores n-grams, and Jelinek-Mercer smoothing makes them a language
model.

Source: Li et al. 2017, section 3. A word's probability is mixed from what the picture says of the
longest n-gram that it ends, of the next shorter one, and so on; the last is spread over all words.
Our n-gram's share is a softmax over the n-grams of equal history, so the smoothed probabilities of
all words sum to 1, and the end of a caption is a word.
"""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benchmarks.objectives.predictors import FLOOR, Predictor, Vocabulary
from trainer.settings import ModelConfig

LONGEST = 3  # words; the paper's is 5
LEAST = 10  # times that an n-gram of several words must occur
WEIGHT = 0.5  # of an n-gram's own share, against that of the shorter ones
IMAGES = 64  # that are scored at a time


class Dictionary:
    """The n-grams that have a weight of their own, and the groups of those of equal history."""

    def __init__(self, vocabulary: Vocabulary, captions: Sequence[str]):
        self.vocabulary, self.end = vocabulary, len(vocabulary)
        texts = [(*vocabulary.encode(one), self.end) for one in captions]
        counts = Counter(
            text[last - n : last]
            for text in texts
            for last in range(1, len(text) + 1)
            for n in range(2, min(LONGEST, last) + 1)
        )
        often = sorted(gram for gram, count in counts.items() if count >= LEAST)
        grams = [(word,) for word in range(self.end + 1)] + often
        self.number = {gram: at for at, gram in enumerate(grams)}
        self.group = {gram: at for at, gram in enumerate(dict.fromkeys(g[:-1] for g in grams))}
        self.group_of = torch.tensor([self.group[gram[:-1]] for gram in grams])  # (K,)

    def __len__(self) -> int:
        return len(self.number)

    def encode(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """The n-grams that end at each word, and their groups: int64 (B, T, LONGEST) each.

        The last axis goes from one word to LONGEST; -1 where there is none. T counts the end.
        """
        found = [[*self.vocabulary.encode(one), self.end] for one in texts]
        shape = (len(found), max(map(len, found)), LONGEST)
        grams, groups = (torch.full(shape, -1) for _ in range(2))
        for row, text in enumerate(found):
            for last in range(len(text)):
                for n in range(min(LONGEST, last + 1)):
                    gram = tuple(text[last - n : last + 1])
                    grams[row, last, n] = self.number.get(gram, -1)
                    groups[row, last, n] = self.group.get(gram[:-1], -1)
        return grams, groups


class VisualNgrams(Predictor):
    """An embedding per n-gram, whose product with the picture's is its score."""

    def __init__(self, config: ModelConfig, dictionary: Dictionary):
        super().__init__(config)
        self.dictionary = dictionary
        self.to_ngrams = nn.Linear(config.embed, len(dictionary))

    def loss(self, images: Tensor, captions: Sequence[str]) -> Tensor:
        grams, groups = self.dictionary.encode(captions)
        scores = self.to_ngrams(self.tower(images)).float()
        each = self.log_likely(scores, torch.arange(len(scores)), grams, groups)
        return -each.sum() / (grams[..., 0] >= 0).sum()

    def log_likely(self, scores: Tensor, rows: Tensor, grams: Tensor, groups: Tensor) -> Tensor:
        """log p of M texts, (M,): (B, K) scores of pictures, whose row each text is read with (M,).

        grams and groups (M, T, n) are of `Dictionary.encode`.
        """
        totals = group_logsumexp(scores, self.dictionary.group_of, len(self.dictionary.group))
        row = rows[:, None, None]
        own = (scores[row, grams.clamp(min=0)] - totals[row, groups.clamp(min=0)]).exp()
        own = own * (grams >= 0)  # (M, T, n): each n-gram's share of those of its history
        likely = smoothed(own, groups >= 0, self.dictionary.end + 1)
        return (likely.log() * (grams[..., 0] >= 0)).sum(dim=1)

    def scores(self, images: Tensor, names: Sequence[str]) -> Tensor:
        grams, groups = self.dictionary.encode(names)
        parts = []
        for some in self.to_ngrams(self.tower(images)).float().split(IMAGES):
            rows = torch.arange(len(some)).repeat_interleave(len(names))
            texts = [one.repeat(len(some), 1, 1) for one in (grams, groups)]
            parts.append(self.log_likely(some, rows, *texts).view(len(some), len(names)))
        return torch.cat(parts)

    def lengths(self, names: Sequence[str]) -> Tensor:
        grams, _ = self.dictionary.encode(names)
        return (grams[..., 0] >= 0).sum(dim=1)


def smoothed(own: Tensor, has_history: Tensor, n_words: int) -> Tensor:
    """Jelinek-Mercer: (..., n) shares of the n-grams from one word on -> (...) probabilities.

    A history that the dictionary does not have leaves the shorter ones as they are.

    >>> smoothed(torch.tensor([0.5, 1.0]), torch.tensor([True, True]), 10)
    tensor(0.7480)
    """
    likely = (1 - FLOOR) * own[..., 0] + FLOOR / n_words
    for n in range(1, own.shape[-1]):
        mixed = WEIGHT * own[..., n] + (1 - WEIGHT) * likely
        likely = torch.where(has_history[..., n], mixed, likely)
    return likely


def group_logsumexp(scores: Tensor, group_of: Tensor, n_groups: int) -> Tensor:
    """(B, K) scores and the group of each column (K,) -> (B, G).

    >>> group_logsumexp(torch.zeros(1, 3), torch.tensor([0, 1, 1]), 2).exp().round().tolist()
    [[1.0, 2.0]]
    """
    among = group_of.expand(len(scores), -1)
    top = scores.new_full((len(scores), n_groups), float("-inf"))
    top = top.scatter_reduce(1, among, scores.detach(), "amax")
    sums = torch.zeros_like(top).index_add(1, group_of, (scores - top[:, group_of]).exp())
    return top + sums.log()
