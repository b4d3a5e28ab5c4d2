"""A small CLIP trained on three vendors' emoji: captions, views of the pictures, batches, steps.

The model, its loss, optimiser and step are the trainer's; here is only what the pictures are, a
thousandth of a web crawl: words around a name, and changes to a drawing that leave what it shows.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import nn

from benchmarks.emoji_data import TRAINED_ON, Emoji, resized
from trainer.model import CLIP, tokenizer
from trainer.model.tokenizer import Tokenizer
from trainer.settings import ModelConfig, Recipe, TextConfig, VisionConfig
from trainer.training import slip
from trainer.training.losses import Objective
from trainer.training.optim import adamw, dtype, learning_rate
from trainer.training.pieces import Inputs
from trainer.training.step import Stepper

PROMPTS = ("{}", "an emoji of {}", "a picture of {}", "{}, a drawing")
KEYWORD_SHARE, MOST_KEYWORDS, NAMELESS_SHARE = 0.5, 4, 0.4  # of captions; of those with keywords
CONTEXT = 48  # token ids
VOCABULARY = 4_096
BATCH = 256  # at most: an epoch's concepts in equal batches
TURN, SHEAR, STRETCH = 10.0, 0.08, 0.08  # spreads: degrees; share of a side; of its logarithm
SIZES, SHIFT = (0.75, 1.1), 0.08  # times as large; most of a side
COLOUR, HUE, COLOUR_SHARE = 0.4, 0.05, 0.8  # most of each; of pictures
GRAY_SHARE = 0.1
BLUR, BLUR_SHARE = (0.005, 0.02), 0.2  # sigma by side; of pictures
PAPER = (255, 255, 255)

Rng = np.random.Generator


@dataclass(frozen=True)
class Plan:
    """What decides a training's weights, beside the pictures and the seed."""

    steps: int
    pixels: int = 32  # a third of 64's cost; neighbours by pixels are told better below it, too
    width: int = 24  # of the ResNet's stem
    text_layers: int = 0  # 0: the mean of the words
    lr: float = 2e-3

    def model(self, vocabulary: int) -> ModelConfig:
        vision = VisionConfig(self.pixels, self.width, (1, 1, 1, 1), heads=self.width // 2)
        return ModelConfig(256, vision, TextConfig(128, 2, self.text_layers, CONTEXT, vocabulary))

    def recipe(self) -> Recipe:
        warm = max(1, self.steps // 10)
        return Recipe(1, BATCH, self.lr, warm, beta2=0.98, eps=1e-6)


@dataclass(frozen=True)
class Trained:
    """A model in evaluation mode, what reads its texts, and what training took."""

    model: CLIP
    tokenizer: Tokenizer
    images: int
    cpu_seconds: float
    loss: float  # mean of the last 20 steps


def train(emoji: Emoji, plan: Plan, seed: int) -> Trained:
    """Learn from the concepts that are not held out, as three vendors draw them."""
    began = time.process_time()
    cv2.setNumThreads(1)
    words = learned_words(emoji)
    torch.manual_seed(seed)
    model, recipe = CLIP(plan.model(len(words))).train().channels_last(), plan.recipe()
    objective = Objective(model, recipe)
    optimizer = adamw(nn.ModuleList([model, objective]), recipe)
    stepper = Stepper(model, objective, optimizer, dtype("auto"))
    losses, images = [], 0
    small = resized(emoji, plan.pixels)
    for step, inputs in enumerate(batches(small, words, plan.steps, seed)):
        rate = learning_rate(recipe, plan.steps, step / plan.steps)
        losses.append(stepper.step(inputs, rate).loss.item())
        images += len(inputs.images)
    took = time.process_time() - began
    return Trained(model.eval(), words, images, took, float(np.mean(losses[-20:])))


def learned_words(emoji: Emoji) -> Tokenizer:
    """Merges of the captions that may be trained on."""
    texts = []
    for at in np.flatnonzero(~emoji.held_out):
        texts += [prompt.format(emoji.names[at]) for prompt in PROMPTS]
        texts.append(", ".join(emoji.keywords[at]))
    return tokenizer.train(texts, VOCABULARY, {})


def batches(emoji: Emoji, words: Tokenizer, steps: int, seed: int) -> Iterator[Inputs]:
    """What each step learns from: a view of every picture, and a caption."""
    for step, (concepts, vendors) in enumerate(arranged(emoji, steps, seed)):
        rng = np.random.default_rng([seed, 2, step])
        images = [
            view(emoji.pictures[TRAINED_ON[vendor]][concept], rng)
            for vendor, concept in zip(vendors, concepts, strict=True)
        ]
        captions = [caption(emoji.names[one], emoji.keywords[one], rng) for one in concepts]
        yield Inputs(np.stack(images).transpose(0, 3, 1, 2), words.encode(captions, CONTEXT))


def arranged(emoji: Emoji, steps: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Concepts and vendors (B,) of each step: every concept once an epoch, its vendor by turns.

    Two vendors' pictures of a concept are never in one batch: they would be told to differ.
    """
    concepts = np.flatnonzero(~emoji.held_out)
    first = np.random.default_rng([seed, 0]).integers(len(TRAINED_ON), size=len(emoji))
    per_epoch = -(-len(concepts) // BATCH)
    for step in range(steps):
        epoch, at = divmod(step, per_epoch)
        order = np.random.default_rng([seed, 1, epoch]).permutation(concepts)
        some = np.array_split(order, per_epoch)[at]
        yield some, (first[some] + epoch) % len(TRAINED_ON)


def caption(name: str, keywords: list[str], rng: Rng) -> str:
    """The name in a prompt, half of the time with keywords behind it, or those alone.

    >>> caption("pizza", ["cheese", "slice"], np.random.default_rng(9))
    'an emoji of pizza: slice'
    """
    text = PROMPTS[rng.integers(len(PROMPTS))].format(name)
    if not keywords or rng.random() >= KEYWORD_SHARE:
        return text
    some = ", ".join(rng.permutation(keywords)[: rng.integers(1, MOST_KEYWORDS + 1)].tolist())
    return some if rng.random() < NAMELESS_SHARE else f"{text}: {some}"


def view(picture: np.ndarray, rng: Rng) -> np.ndarray:
    """(S, S, 3) -> (S, S, 3): moved, turned and recoloured by chance, never mirrored.

    Arrows and letters would mean something else mirrored, coloured hearts in another hue.
    """
    image = moved(picture, rng)
    if rng.random() < COLOUR_SHARE:
        for change in (slip.brightness, slip.contrast, slip.saturation):
            image = change(image, rng.uniform(1 - COLOUR, 1 + COLOUR))
        image = slip.hue(image, rng.uniform(-HUE, HUE))
    if rng.random() < GRAY_SHARE:
        image = np.repeat(slip.gray(image)[..., None], 3, axis=2)
    if rng.random() < BLUR_SHARE:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(*BLUR) * len(image))
    return image


def moved(picture: np.ndarray, rng: Rng) -> np.ndarray:
    """The drawing scaled, stretched, sheared, turned and shifted about its middle, on paper."""
    turn, size = np.deg2rad(rng.normal(0, TURN)), rng.uniform(*SIZES)
    shear, stretch = rng.normal(0, SHEAR), np.exp(rng.normal(0, STRETCH))
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = turned @ np.array([[size * stretch, shear], [0, size / stretch]])
    middle = np.full(2, (len(picture) - 1) / 2)
    shift = middle - matrix @ middle + len(picture) * rng.uniform(-SHIFT, SHIFT, 2)
    return cv2.warpAffine(picture, np.c_[matrix, shift], picture.shape[1::-1], borderValue=PAPER)
