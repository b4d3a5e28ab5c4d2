"""How each objective is trained: a phase is one objective's run, a course one phase or two.

The contrastive ones are the trainer's model, losses and step as they are; those that predict the
text take the same optimiser and schedule.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.objectives.material import Batch, Material, Scale
from benchmarks.objectives.material import caption as drawn_caption
from benchmarks.objectives.ngrams import Dictionary, VisualNgrams
from benchmarks.objectives.predictors import BagOfWords, CaptionModel, Predictor, Vocabulary
from trainer.model import CLIP, tokenizer
from trainer.model.tokenizer import Tokenizer
from trainer.settings import ModelConfig, Recipe, TextConfig, VisionConfig
from trainer.training.losses import Objective
from trainer.training.optim import adamw, dtype
from trainer.training.pieces import Inputs
from trainer.training.slip import views
from trainer.training.step import Stepper

EMBED = 256
TOKENS = 1_024  # in the vocabulary
CORPUS = 20  # captions of each concept that vocabularies and n-grams are counted in
TEXT = TextConfig(width=128, heads=2, layers=3, context=32, vocabulary=TOKENS)
RECIPE = Recipe(
    1, 0, 2e-3, 0, beta2=0.98, eps=1e-6, warmup_epochs=0.05, weight_decay=0.2, head_width=512
)

ZERO_SHOT = "zero-shot"
PER_WORD = "zero-shot per word"  # of the log-likelihood: names of few words have no advantage


@dataclass(frozen=True)
class Texts:
    """What the training captions say: token ids, words and n-grams, the same for every seed."""

    tokenizer: Tokenizer
    vocabulary: Vocabulary
    dictionary: Dictionary


class Learner(Protocol):
    """A model in training."""

    @property
    def model(self) -> nn.Module: ...

    def step(self, batch: Batch, lr: float) -> float:
        """One step; the loss before it."""

    def features(self, images: np.ndarray) -> Tensor:
        """uint8 (N, 3, S, S) -> (N, D), the tower's before its projection."""

    def scores(self, images: np.ndarray, names: Sequence[str]) -> dict[str, Tensor]:
        """(N, C), the greater the likelier, by way; none of an objective that reads no text."""


class Contrasting:
    """CLIP, SLIP or SimCLR; `augmented` gives CLIP the first of SimCLR's views for the picture."""

    def __init__(
        self, config: ModelConfig, texts: Texts, objective: str, *, augmented: bool = False
    ):
        recipe = replace(RECIPE, objective=objective)
        self.tokenizer, self.augmented = texts.tokenizer, augmented
        self.model = CLIP(config).train().channels_last()
        towards = Objective(self.model, recipe)
        optimizer = adamw(nn.ModuleList([self.model, towards]), recipe)
        self.stepper = Stepper(self.model, towards, optimizer, dtype("auto"))

    def step(self, batch: Batch, lr: float) -> float:
        n_views = 1 if self.augmented else self.stepper.objective.views
        made = tuple(views(batch.images, draws) for draws in batch.draws[:n_views])
        images, made = (made[0], ()) if self.augmented else (batch.images, made)
        tokens = self.tokenizer.encode(batch.captions, TEXT.context)
        return self.stepper.step(Inputs(images, tokens, made), lr).loss.item()

    def features(self, images: np.ndarray) -> Tensor:
        return self.model.encode_image(torch.from_numpy(images), projected=False)

    def scores(self, images: np.ndarray, names: Sequence[str]) -> dict[str, Tensor]:
        if "text" not in self.stepper.objective.needs:
            return {}
        tokens = torch.from_numpy(self.tokenizer.encode(list(names), TEXT.context))
        image = F.normalize(self.model.encode_image(torch.from_numpy(images)), dim=-1)
        return {ZERO_SHOT: image @ F.normalize(self.model.encode_text(tokens), dim=-1).T}


class Predicting:
    """An objective that predicts the text."""

    def __init__(self, model: Predictor):
        self.model = model.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer, self.kind = adamw(model, RECIPE), dtype("auto")

    def step(self, batch: Batch, lr: float) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", self.kind, enabled=self.kind != torch.float32):
            loss = self.model.loss(torch.from_numpy(batch.images), batch.captions)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def features(self, images: np.ndarray) -> Tensor:
        return self.model.tower(torch.from_numpy(images), projected=False)

    def scores(self, images: np.ndarray, names: Sequence[str]) -> dict[str, Tensor]:
        likely = self.model.scores(torch.from_numpy(images), names)
        return {ZERO_SHOT: likely, PER_WORD: likely / self.model.lengths(names)}


@dataclass(frozen=True)
class Phase:
    """An objective by name, and how its learner is made, from the one of the phase before."""

    name: str
    make: Callable[[ModelConfig, Texts, Learner | None], Learner]


def first(make: Callable[[ModelConfig, Texts], Learner]) -> Callable[..., Learner]:
    return lambda config, texts, before: make(config, texts)


def continued(config: ModelConfig, texts: Texts, before: Learner | None) -> Learner:
    """CLIP whose image tower is SimCLR's."""
    learner = Contrasting(config, texts, "clip")
    assert isinstance(before, Contrasting)
    learner.model.visual.load_state_dict(before.model.visual.state_dict())
    return learner


LANGUAGE = "transformer language model"
BAG = "bag of words, predicted"
NGRAMS = "visual n-grams"
CBOW = "bag of words, contrasted"
CLIP_ = "CLIP"
AUGMENTED = "CLIP, SimCLR's augmentations"
SIMCLR = "SimCLR alone"
AFTER = "SimCLR first, CLIP after"
SLIP = "SLIP"


def bag_of_words(config: ModelConfig) -> ModelConfig:
    return replace(config, text=replace(config.text, layers=0))


COURSES: tuple[tuple[Phase, ...], ...] = (
    (Phase(LANGUAGE, first(lambda c, t: Predicting(CaptionModel(c, t.tokenizer)))),),
    (Phase(BAG, first(lambda c, t: Predicting(BagOfWords(c, t.vocabulary)))),),
    (Phase(NGRAMS, first(lambda c, t: Predicting(VisualNgrams(c, t.dictionary)))),),
    (Phase(CBOW, first(lambda c, t: Contrasting(bag_of_words(c), t, "clip"))),),
    (Phase(CLIP_, first(lambda c, t: Contrasting(c, t, "clip"))),),
    (Phase(AUGMENTED, first(lambda c, t: Contrasting(c, t, "clip", augmented=True))),),
    (Phase(SIMCLR, first(lambda c, t: Contrasting(c, t, "simclr"))), Phase(AFTER, continued)),
    (Phase(SLIP, first(lambda c, t: Contrasting(c, t, "slip"))),),
)


def model_config(scale: Scale) -> ModelConfig:
    """One block a stage; the same tower for every objective."""
    vision = VisionConfig(scale.pixels, scale.width, (1, 1, 1, 1), scale.width // 2)
    return ModelConfig(EMBED, vision, TEXT)


def read_texts(material: Material) -> Texts:
    """Vocabularies of the training captions alone: the names held out are not in them."""
    rng = np.random.default_rng(0)
    concepts = list(zip(material.names, material.keywords, strict=True))
    corpus = [drawn_caption(*one, rng) for one in concepts for _ in range(CORPUS)]
    vocabulary = Vocabulary([", ".join([name, *keywords]) for name, keywords in concepts])
    tokens = tokenizer.train(corpus, TOKENS, {})
    return Texts(tokens, vocabulary, Dictionary(vocabulary, corpus))
