"""What a model of emoji knows, and what is known without one: chance, pixels, words.

Two questions, both of the vendor that no training saw: which of the trained concepts is this
picture, and which of those held out?
"""

import re
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.emoji_data import TESTED_ON, TRAINED_ON, Emoji, resized
from benchmarks.emoji_train import PROMPTS, Trained
from trainer.evaluation.features import text_embeddings
from trainer.evaluation.intervals import Figure, rate
from trainer.model.checkpoint import Checkpoint, State

THUMBNAIL = 16  # pixels a side: of 8, 16, 32 and 64 the best for the nearest neighbour
KEYWORDS = 8  # most in a prompt
BATCH = 256
UNSEEN_VENDOR, UNSEEN_CONCEPTS = "unseen vendor", "unseen concepts and vendor"
Answers = dict[tuple[str, str], Figure]  # (who answers, question) -> how often it is right


@dataclass(frozen=True)
class Question:
    """Which of these concepts does a picture show?"""

    title: str
    concepts: np.ndarray  # (C,), rows of Emoji; picture i shows class i

    def answered(self, who: str, hits: np.ndarray) -> Answers:
        """hits (C,): right, or the share of right ones among equals."""
        return {(who, self.title): rate("top-1", hits, 1 / len(self.concepts))}


def questions(emoji: Emoji) -> tuple[Question, Question]:
    """Of what was trained on, and of what was not."""
    seen, unseen = np.flatnonzero(~emoji.held_out), np.flatnonzero(emoji.held_out)
    return Question(UNSEEN_VENDOR, seen), Question(UNSEEN_CONCEPTS, unseen)


def by_model(emoji: Emoji, trained: Trained) -> Answers:
    """Zero-shot by names, by names and keywords; and the nearest training picture's concept."""
    config = trained.model.config
    emoji = resized(emoji, config.vision.pixels)
    found = Checkpoint(trained.model, trained.tokenizer, State(config, {}, 0, "", ""))
    asked, answers = embedded(trained, emoji.pictures[TESTED_ON]), Answers()
    for question in questions(emoji):
        for who, prompts in (
            ("zero-shot, names", named),
            ("zero-shot, names and keywords", described),
        ):
            texts = [prompts(emoji.names[at], emoji.keywords[at]) for at in question.concepts]
            weights = text_embeddings(found, texts)
            best = (asked[question.concepts] @ weights.T).argmax(dim=1).numpy()
            answers |= question.answered(who, best == np.arange(len(best)))
    seen, _ = questions(emoji)
    bank = [embedded(trained, emoji.pictures[vendor][seen.concepts]) for vendor in TRAINED_ON]
    cosines = asked[seen.concepts] @ torch.cat(bank).T
    nearest = cosines.argmax(dim=1).numpy() % len(seen.concepts)
    return answers | seen.answered("nearest training picture", nearest == np.arange(len(nearest)))


def named(name: str, keywords: list[str]) -> list[str]:
    return [prompt.format(name) for prompt in PROMPTS]


def described(name: str, keywords: list[str]) -> list[str]:
    """The name in every prompt, with keywords, and keywords alone.

    >>> described("pizza", ["cheese", "slice"])[-2:]
    ['pizza: cheese, slice', 'cheese, slice']
    """
    words = ", ".join(keywords[:KEYWORDS])
    return [*named(name, keywords), f"{name}: {words}", words or name]


@torch.inference_mode()
def embedded(trained: Trained, pictures: np.ndarray) -> torch.Tensor:
    """uint8 (N, S, S, 3) -> (N, embed) of length 1."""
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    found = [trained.model.encode_image(some) for some in images.split(BATCH)]
    return F.normalize(torch.cat(found), dim=-1)


def without_a_model(emoji: Emoji) -> Answers:
    """Chance; the nearest training picture by pixels; of its words, the class with most."""
    answers = Answers()
    seen, unseen = questions(emoji)
    words = [words_of(*both) for both in zip(emoji.names, emoji.keywords, strict=True)]
    for way in (distances, correlations):
        bank = np.concatenate([emoji.pictures[vendor][seen.concepts] for vendor in TRAINED_ON])
        far = way(emoji.pictures[TESTED_ON], bank)
        nearest = seen.concepts[far.argmin(axis=1) % len(seen.concepts)]
        who = f"nearest by pixels' {way.__name__[:-1]}"
        answers |= seen.answered(who, nearest[seen.concepts] == seen.concepts)
        classes = [words[at] for at in unseen.concepts]
        hits = [
            by_words(words[nearest[at]], classes, label) for label, at in enumerate(unseen.concepts)
        ]
        answers |= unseen.answered(f"{who}, then words", np.array(hits))
    return answers


def words_of(name: str, keywords: list[str]) -> set[str]:
    """
    >>> sorted(words_of("Red apple", ["fruit"]))
    ['apple', 'fruit', 'red']
    """
    return set(re.findall(r"\w+", " ".join([name, *keywords]).lower()))


def by_words(words: set[str], classes: list[set[str]], label: int) -> float:
    """1 if the class shares the greatest part of its words with `words`, its share if several do.

    >>> by_words({"red", "apple"}, [{"red", "pear"}, {"red", "rose"}, {"sea"}], 0)
    0.5
    """
    shared = np.array([len(words & one) / len(words | one) for one in classes])
    best = np.flatnonzero(shared == shared.max())
    return float(label in best) / len(best)


def distances(asked: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """Squared distances of thumbnails: uint8 (N, S, S, 3), (M, S, S, 3) -> (N, M)."""
    a, b = thumbnails(asked), thumbnails(bank)
    return (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T


def correlations(asked: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """1 less the correlation of thumbnails: as `distances`, blind to brightness and contrast."""
    scaled = []
    for one in (thumbnails(asked), thumbnails(bank)):
        centred = one - one.mean(axis=1, keepdims=True)
        scaled.append(centred / np.linalg.norm(centred, axis=1, keepdims=True).clip(min=1e-6))
    return 1 - scaled[0] @ scaled[1].T


def thumbnails(pictures: np.ndarray) -> np.ndarray:
    """uint8 (N, S, S, 3) -> float32 (N, THUMBNAIL * THUMBNAIL * 3)."""
    size = (THUMBNAIL, THUMBNAIL)
    small = [cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in pictures]
    return np.stack(small).reshape(len(small), -1).astype(np.float32)
