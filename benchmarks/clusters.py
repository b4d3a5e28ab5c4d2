"""Near duplicates of meaning: are planted ones found, and what is a model worth that has none?

    python -m benchmarks.clusters [--quick]

A small CLIP learns the emoji of benchmarks.emoji_data. **Planted.** Of a fifth of one vendor's
pictures one to three changed copies are added (cut, compressed, brighter), and to as many names one
to three paraphrases (the prompts of training). `trainer clusters` finds groups of pictures and of
texts at its threshold, cosine 0.95, and at others: precision and recall are over pairs of the same
group. What vendors draw alike, such as clocks, counts as false.

**Kept.** A pool in which a few pictures have many near copies, as on the web, is cut to 30, 50 and
70%, by clusters and at random. A model learns each part in equally many steps, and names the
pictures of a vendor that no training saw. A difference's 95% interval is by bootstrap over these
pictures (2,000 draws), of the mean over the seeds. Each training is a unit: its row is kept in the
cache, so a run that is stopped goes on. One thread.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from benchmarks import emoji_answers, emoji_train
from benchmarks.emoji_data import TESTED_ON, TRAINED_ON, Emoji, load, resized
from benchmarks.emoji_train import BATCH, CONTEXT, PROMPTS, Plan, Trained
from benchmarks.harness import Row, arguments, cache, cpu_seconds, show
from queries.tables.parts import digest, write_json
from tests.embeddings import write_vectors
from trainer.embeddings.clusters import Clustered, clusters
from trainer.evaluation.features import text_embeddings
from trainer.model import CLIP
from trainer.model.checkpoint import Checkpoint, State
from trainer.training.losses import Objective
from trainer.training.optim import adamw, dtype, learning_rate
from trainer.training.pieces import Inputs
from trainer.training.step import Stepper

FULL, JUDGE, SEEDS = Plan(steps=120), Plan(steps=240), (0, 1, 2)
QUICK, QUICK_SEEDS = Plan(steps=60), (0,)
SHARES = (0.3, 0.5, 0.7)
EPSILON = 0.05  # the command's own
EPSILONS = (0.01, 0.02, EPSILON, 0.1)
DRAWS = 2_000  # of the bootstrap
PLANTED_EVERY = 5  # pictures, and names
COPIES, COPIED_SHARE = 24, 0.2  # of a pool's pictures with many copies
WAYS = ("clusters", "random")


@dataclass(frozen=True)
class Pool:
    """P pictures uint8 (P, S, S, 3), and the concept of each, a row of Emoji."""

    pictures: np.ndarray
    concepts: np.ndarray


def changed(picture: np.ndarray, number: int) -> np.ndarray:
    """A copy of a picture: cut at the border, compressed, or brighter."""
    side = len(picture)
    if number == 0:
        cut = picture[side // 24 : -side // 24 or None, side // 24 : -side // 24 or None]
        return cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA)
    if number == 1:
        packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
        return cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return np.clip(picture.astype(np.int16) * 11 // 10, 0, 255).astype(np.uint8)


def planted(emoji: Emoji, trained: Trained) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """What is sought in: its name, the vectors (N, width), and the group of each (N,)."""
    pictures = emoji.pictures[TRAINED_ON[0]]
    copied = range(0, len(pictures), PLANTED_EVERY)
    more = [(at, changed(pictures[at], n)) for at in copied for n in range(1 + at % 3)]
    group = np.concatenate([np.arange(len(pictures)), [at for at, _ in more]])
    every = np.concatenate([pictures, np.stack([picture for _, picture in more])])
    yield "copies of pictures", emoji_answers.embedded(trained, every).numpy(), group
    texts = [(at, name) for at, name in enumerate(emoji.names)]
    texts += [
        (at, PROMPTS[1 + n].format(emoji.names[at])) for at in copied for n in range(1 + at % 3)
    ]
    config = trained.model.config
    checkpoint = Checkpoint(trained.model, trained.tokenizer, State(config, {}, 0, "", ""))
    vectors = text_embeddings(checkpoint, [[text] for _, text in texts]).numpy()
    yield "paraphrases", vectors, np.array([at for at, _ in texts])


def clustered(vectors: np.ndarray) -> Clustered:
    with tempfile.TemporaryDirectory() as name:
        return clusters(write_vectors(Path(name), vectors, part_rows=4_096), "image")


def agreement(groups: np.ndarray, wanted: np.ndarray) -> tuple[float, float]:
    """Precision and recall over the pairs of one group."""
    same, grouped = (np.triu(labels[:, None] == labels, 1) for labels in (wanted, groups))
    hits = (same & grouped).sum()
    return float(hits / max(1, grouped.sum())), float(hits / same.sum())


def pool_of(emoji: Emoji, pixels: int) -> Pool:
    """Every training picture once, and of COPIED_SHARE of them COPIES views more."""
    small, draw = resized(emoji, pixels), np.random.default_rng(7)
    pictures, concepts = [], []
    for vendor in TRAINED_ON:
        for concept in np.flatnonzero(~emoji.held_out):
            picture = small.pictures[vendor][concept]
            more = COPIES if draw.random() < COPIED_SHARE else 0
            pictures += [picture, *(changed(picture, n % 3) for n in range(more))]
            concepts += [concept] * (1 + more)
    return Pool(np.stack(pictures), np.array(concepts))


def learned(emoji: Emoji, pool: Pool, rows: np.ndarray, plan: Plan, seed: int) -> Trained:
    """A model of these rows of the pool."""
    began, words = cpu_seconds(), emoji_train.learned_words(emoji)
    torch.manual_seed(seed)
    model, recipe = CLIP(plan.model(len(words))).train().channels_last(), plan.recipe()
    objective = Objective(model, recipe)
    optimizer = adamw(nn.ModuleList([model, objective]), recipe)
    stepper = Stepper(model, objective, optimizer, dtype("auto"))
    rng, losses = np.random.default_rng([seed, 5]), []
    for step in range(plan.steps):
        drawn = rng.choice(rows, min(len(rows), 2 * BATCH), replace=False)
        first = np.sort(np.unique(pool.concepts[drawn], return_index=True)[1])[:BATCH]
        chosen = drawn[first]
        images = [emoji_train.view(pool.pictures[row], rng) for row in chosen]
        texts = [
            emoji_train.caption(emoji.names[at], emoji.keywords[at], rng)
            for at in pool.concepts[chosen]
        ]
        inputs = Inputs(np.stack(images).transpose(0, 3, 1, 2), words.encode(texts, CONTEXT))
        rate = learning_rate(recipe, plan.steps, step / plan.steps)
        losses.append(stepper.step(inputs, rate).loss.item())
    took = cpu_seconds() - began
    return Trained(model.eval(), words, 0, took, float(np.mean(losses[-20:])))


def right(emoji: Emoji, trained: Trained) -> np.ndarray:
    """bool (C,): which of the unseen vendor's pictures zero-shot names, among trained concepts."""
    config = trained.model.config
    question, _ = emoji_answers.questions(emoji)
    small = resized(emoji, config.vision.pixels).pictures[TESTED_ON][question.concepts]
    checkpoint = Checkpoint(trained.model, trained.tokenizer, State(config, {}, 0, "", ""))
    names = [emoji_answers.named(emoji.names[at], []) for at in question.concepts]
    cosines = emoji_answers.embedded(trained, small) @ text_embeddings(checkpoint, names).T
    return cosines.argmax(dim=1).numpy() == np.arange(len(names))


def unit(emoji: Emoji, pool: Pool, rows: np.ndarray, plan: Plan, seed: int) -> np.ndarray:
    """What a model of these rows names right, (C,): kept in the cache, under what decides it."""
    name = digest("clusters", 2, plan.__dict__, seed, rows.tolist())
    path = cache() / f"clusters-{name}.json"
    if not path.is_file():
        trained = learned(emoji, pool, rows, plan, seed)
        hits = right(emoji, trained).astype(int).tolist()
        write_json(path, {"hits": hits, "cpu_s": trained.cpu_seconds, "loss": trained.loss})
    return np.array(json.loads(path.read_text())["hits"])


def difference(ours: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Of hits (seeds, C) each: the difference of the means in points, and its 95% interval.

    >>> difference(np.ones((1, 8)), np.zeros((1, 8)))
    {'points': 100.0, 'low': 100.0, 'high': 100.0}
    """
    by_picture = 100 * (ours.mean(axis=0) - other.mean(axis=0))
    drawn = np.random.default_rng(8).integers(0, len(by_picture), (DRAWS, len(by_picture)))
    low, high = np.quantile(by_picture[drawn].mean(axis=1), [0.025, 0.975])
    values = {"points": by_picture.mean(), "low": low, "high": high}
    return {name: round(float(value), 2) for name, value in values.items()}


def main() -> None:
    asked = arguments("benchmarks.clusters", __doc__)
    torch.set_num_threads(1)
    plan, judge_plan, seeds = (QUICK, QUICK, QUICK_SEEDS) if asked.quick else (FULL, JUDGE, SEEDS)
    emoji = load(cache())
    judge = emoji_train.train(emoji, judge_plan, seed=9)
    notes: dict[str, Any] = {"seeds": len(seeds), "steps": plan.steps}
    notes |= {
        "judge_steps": judge_plan.steps,
        "chance": round(100 / int((~emoji.held_out).sum()), 3),
    }
    notes["judge_top1"] = round(100 * float(right(emoji, judge).mean()), 2)
    for what, vectors, group in planted(resized(emoji, plan.pixels), judge):
        done = clustered(vectors)
        notes[what] = {"vectors": len(group), "groups": len(group) - len(np.unique(group))}
        for epsilon in EPSILONS:
            precision, recall = agreement(done.groups(epsilon), group)
            at = {"precision": round(precision, 3), "recall": round(recall, 3)}
            notes[what][f"cosine {1 - epsilon:.2f}"] = at
    print(notes, file=sys.stderr)
    pool = pool_of(emoji, plan.pixels)
    done = clustered(emoji_answers.embedded(judge, pool.pictures).numpy())
    notes["pool"] = len(pool.concepts)
    rows = []
    for share in SHARES:
        by_clusters = np.flatnonzero(done.kept(done.epsilon_for(share)))
        hits: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
        for seed in seeds:
            at_random = np.random.default_rng([seed, 6]).permutation(len(pool.concepts))
            parts = (by_clusters, np.sort(at_random[: len(by_clusters)]))
            for way, part in zip(WAYS, parts, strict=True):
                hits[way].append(unit(emoji, pool, part, plan, seed))
        ours, other = (np.stack(hits[way]) for way in WAYS)
        title = f"{share:.0%} kept"
        notes[title] = difference(ours, other) | {"rows": len(by_clusters)}
        top1, random_top1 = ((100 * some.mean(axis=1)).tolist() for some in (ours, other))
        rows.append(Row(title, "top-1 %", top1, "random", random_top1))
        print(title, notes[title], file=sys.stderr)
    everything = [unit(emoji, pool, np.arange(len(pool.concepts)), plan, seed) for seed in seeds]
    notes["all_top1"] = [round(100 * float(named.mean()), 2) for named in everything]
    show("What is kept by clusters, and at random", rows, **notes)


if __name__ == "__main__":
    main()
