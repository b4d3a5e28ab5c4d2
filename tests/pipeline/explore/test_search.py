"""A search in captions by its fast form finds what the plain one does: in the caption's NFC."""

import unicodedata

import numpy as np

from pipeline.explore.search import caption_parameters, composing

SIGNS = [
    "猫",
    "が",
    "か",
    "\u3099",
    "й",
    "и",
    "\u0306",
    "к",
    "é",
    "e",
    "\u0301",
    "\u0323",
    "가",
    "\u1100",
]
SIGNS += ["\u1161", "ส", "ี", "豈", "\uf900", "א", "\u05bc", "Å", "\u212b", " "]


def test_a_term_without_composing_characters_is_in_a_caption_as_in_its_nfc():
    draw, n_plain = np.random.default_rng(6), 0
    for _ in range(20_000):
        caption = "".join(draw.choice(SIGNS, 6))
        term = unicodedata.normalize("NFC", "".join(draw.choice(SIGNS, draw.integers(1, 3))))
        if composing().isdisjoint(term):
            n_plain += 1
            assert (term in caption) == (term in unicodedata.normalize("NFC", caption))
    assert n_plain > 1_000


def test_terms_that_accents_may_spell_otherwise_are_sought_in_the_composed_caption():
    kinds = {term: next(iter(caption_parameters(term, False))) for term in ("й", "豈", "가", "ส")}
    assert kinds == {"й": "composed0", "豈": "composed0", "가": "composed0", "ส": "plain0"}
