"""Token ids that are kept are those that would be made anew."""

from dataclasses import replace

import numpy as np
import pytest

from tests.trainer.data.test_loader import WORDS, loader
from tests.trainer_fixtures import make_build
from trainer.data.ids import Ids

CAPTIONS = [[62, *range(1, n), 63] for n in (1, 5, 3, 9, 2, 30, 4)]


class Encoder:
    """Gives the ids of captions by their row, as a tokenizer does, and counts them."""

    def __init__(self, rows: np.ndarray):
        self.rows, self.made = rows, 0

    def __call__(self, at: np.ndarray) -> np.ndarray:
        ids = [CAPTIONS[row] for row in self.rows[at]]
        self.made += len(ids)
        tokens = np.zeros((len(ids), max(map(len, ids), default=2)), np.int64)
        for row, own in zip(tokens, ids, strict=True):
            row[: len(own)] = own
        return tokens


@pytest.mark.parametrize("most_bytes", [0, 139, 140, 200, 300, 1 << 20])
def test_kept_ids_are_those_made_anew_whatever_finds_room(most_bytes):
    draw, ids, made = np.random.default_rng(0), Ids(most_bytes), 0
    for _ in range(50):
        rows = draw.integers(0, len(CAPTIONS), draw.integers(0, 9))
        encoder = Encoder(rows)
        tokens = ids.tokens(rows, encoder, len(CAPTIONS))
        assert tokens.dtype == np.int64
        assert np.array_equal(tokens, Encoder(rows)(np.arange(len(rows))))
        assert ids._ids.nbytes + len(ids._begins) * 10 <= most_bytes
        made += encoder.made
    if most_bytes == 1 << 20:
        assert made < 2 * len(CAPTIONS)  # a row twice in one batch is made twice
    else:
        assert made > 2 * len(CAPTIONS)


def test_a_loader_encodes_a_caption_once_and_its_batches_stay_the_same(tmp_path):
    make_build(tmp_path, per_class=2)
    ours = loader(tmp_path, 8)
    anew = replace(ours, ids=Ids(0))
    for epoch in range(3):
        for batch, other in zip(ours.epoch(epoch), anew.epoch(epoch), strict=True):
            assert np.array_equal(batch.tokens, other.tokens)
    whole = WORDS.encode(ours.samples.captions(np.arange(len(ours.samples))), 32)
    assert ours.ids._end == (whole.argmax(axis=1) + 1).sum()
