"""What all objectives learn from and are asked: pictures, captions, batches, two test sets.

A batch is a function of the seed and the step alone, so every objective sees the same pictures with
the same captions in the same order.
"""

from dataclasses import dataclass

import numpy as np

from benchmarks.emoji_data import N_HELD_OUT, TESTED_ON, TRAINED_ON, Emoji
from queries.pixels.fingerprint import hash63
from trainer.data.pixels import resize

MARGIN = 0.125  # the crop is taken from a picture resized to (1 + margin) * pixels
KEYWORDS = 3  # most that a caption has behind the name
KEYWORD_SHARE = 0.5  # of the captions


@dataclass(frozen=True)
class Scale:
    """How much is done. Every objective sees as many images."""

    pixels: int = 32
    width: int = 16  # of the ResNet's stem
    batch: int = 128
    images: int = 38_400  # that each objective sees, with repetition
    vendor_classes: int = 200  # concepts of the unseen vendor that are asked for and chosen among
    concept_classes: int = N_HELD_OUT
    seeds: tuple[int, ...] = (0, 1, 2)

    @property
    def steps(self) -> int:
        return self.images // self.batch

    @property
    def checkpoints(self) -> list[int]:
        """The steps after which an objective is tested: the last, and halves of it."""
        return [self.steps // part for part in (8, 4, 2, 1)]


QUICK = Scale(batch=64, images=512, vendor_classes=40, concept_classes=40, seeds=(0,))


@dataclass(frozen=True)
class TestSet:
    """C classes, a picture of each by the unseen vendor, and three more by the other vendors.

    Those three are what a nearest neighbour or a linear probe is given; zero-shot has names alone.
    """

    title: str
    names: list[str]  # (C,)
    asked: np.ndarray  # uint8 (C, 3, S, S), picture i of class i
    bank: np.ndarray  # uint8 (3, C, 3, S, S), a row a vendor

    __test__ = False  # no test of pytest's

    @property
    def chance(self) -> float:
        return 1 / len(self.names)


@dataclass(frozen=True)
class Material:
    """The concepts that may be trained on, and the two sets of questions."""

    names: list[str]  # (N,)
    keywords: list[list[str]]
    pictures: np.ndarray  # uint8 (3, N, S', S', 3), a row a vendor, larger than the crop
    pixels: int  # S
    unseen_vendor: TestSet
    unseen_concepts: TestSet

    @property
    def tests(self) -> tuple[TestSet, TestSet]:
        return self.unseen_vendor, self.unseen_concepts


@dataclass(frozen=True)
class Batch:
    """B pictures of different concepts, a vendor drawn for each, and a caption each."""

    images: np.ndarray  # uint8 (B, 3, S, S)
    captions: list[str]
    draws: np.ndarray  # int64 (2, B): what decides a picture's first and second view


def material(emoji: Emoji, scale: Scale) -> Material:
    """The emoji at the scale's size; no picture of a concept held out is among those to learn."""
    trained = np.flatnonzero(~emoji.held_out)
    seen = chosen(trained, emoji, scale.vendor_classes)
    held = chosen(np.flatnonzero(emoji.held_out), emoji, scale.concept_classes)
    large = round(scale.pixels * (1 + MARGIN))
    return Material(
        [emoji.names[at] for at in trained],
        [emoji.keywords[at] for at in trained],
        np.stack([sized(emoji.pictures[vendor][trained], large) for vendor in TRAINED_ON]),
        scale.pixels,
        asked("unseen vendor", emoji, seen, scale.pixels),
        asked("unseen concepts", emoji, held, scale.pixels),
    )


def chosen(concepts: np.ndarray, emoji: Emoji, n: int) -> np.ndarray:
    """Those of the least hashes, in order."""
    by_hash = sorted(concepts, key=lambda at: hash63("asked", emoji.codes[at]))
    return np.array(sorted(by_hash[:n]))


def asked(title: str, emoji: Emoji, concepts: np.ndarray, pixels: int) -> TestSet:
    own, *bank = (
        sized(emoji.pictures[vendor][concepts], pixels).transpose(0, 3, 1, 2)
        for vendor in (TESTED_ON, *TRAINED_ON)
    )
    return TestSet(title, [emoji.names[at] for at in concepts], own, np.stack(bank))


def sized(pictures: np.ndarray, side: int) -> np.ndarray:
    """uint8 (N, H, W, 3) -> (N, side, side, 3)."""
    out = np.empty((len(pictures), side, side, 3), np.uint8)
    for picture, into in zip(pictures, out, strict=True):
        resize(picture, into)
    return out


def batch(of: Material, size: int, seed: int, step: int) -> Batch:
    """Concepts without repetition, so that no two captions of a batch belong to one concept."""
    rng = np.random.default_rng([seed, step])
    concepts = rng.choice(len(of.names), size, replace=False)
    vendors = rng.integers(len(of.pictures), size=size)
    room = of.pictures.shape[2] - of.pixels
    corners = rng.integers(room + 1, size=(size, 2))
    images = np.stack(
        [
            of.pictures[vendor, concept, top : top + of.pixels, left : left + of.pixels]
            for vendor, concept, (top, left) in zip(vendors, concepts, corners, strict=True)
        ]
    ).transpose(0, 3, 1, 2)
    captions = [caption(of.names[at], of.keywords[at], rng) for at in concepts]
    return Batch(images, captions, rng.integers(2**63, size=(2, size)))


def caption(name: str, keywords: list[str], rng: np.random.Generator) -> str:
    """The name, half of the time with up to three of the keywords behind it.

    >>> caption("pizza", ["cheese"], np.random.default_rng(1))
    'pizza'
    >>> caption("pizza", ["cheese"], np.random.default_rng(3))
    'pizza, cheese'
    """
    if rng.random() >= KEYWORD_SHARE:
        return name
    return ", ".join([name, *rng.permutation(keywords)[:KEYWORDS].tolist()])
