"""The units in which queries are found: words, and in scripts without spaces single characters.

The words of such a script depend on a dictionary, its characters do not. So a query is found by its
units, and then stays where it begins and ends at the edge of a word of the caption.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.text.arrays import Split
from pipeline.text.scripts import unspaced_places

_NEW_LINE = 0x0A


@dataclass(frozen=True)
class Units:
    """The units of texts.

    words: the texts' words, a run of an unspaced script being one. spans: the units. inside: for
    each unit, and for the end, whether it begins inside a run, bool; None where there is no run.
    """

    words: Split
    spans: Split
    inside: np.ndarray | None = None


def units_of(words: Split) -> Units:
    """The units of the words.

    >>> import pyarrow
    >>> from pipeline.text.arrays import split
    >>> units = units_of(split(pyarrow.array(["太阳 hat", "hat"])))
    >>> units.spans.lengths.tolist(), units.spans.first.tolist(), units.inside.tolist()
    ([3, 3, 3, 3], [0, 3, 4], [False, True, False, False, False])
    """
    places = unspaced_places(words.text)
    if not len(places):
        return Units(words, words)
    begins = np.zeros(len(words.text), np.bool_)
    begins[words.starts] = True
    begins[places] = True
    starts = np.flatnonzero(begins)
    first = np.searchsorted(starts, words.starts)  # the first unit of each word
    inside = np.ones(len(starts) + 1, np.bool_)
    inside[first] = inside[-1] = False
    lengths = np.diff(starts, append=0)
    last = np.append(first[1:], len(starts)) - 1
    lengths[last] = words.starts + words.lengths - starts.take(last)
    of_rows = np.append(first, len(starts)).take(words.first)
    return Units(words, Split(words.text, starts, lengths, of_rows), inside)


def at_edges(
    units: Units, begins: np.ndarray, ends: np.ndarray, cut: Callable[[str], np.ndarray] | None
) -> np.ndarray:
    """Whether units begins[i]:ends[i] begin and end at the edges of words, for each i; bool.

    cut: the segmenter, which says where words begin in lines; None where runs have no words in
    them. Only runs are cut in which one of the spans begins or ends.
    """
    assert units.inside is not None
    edges = np.stack([begins, ends])
    inside = units.inside.take(edges)
    if cut is None or not inside.any():
        return ~(inside[0] | inside[1])
    words, starts = units.words, units.spans.starts
    unsure = starts.take(edges[inside])
    of_runs = np.zeros(len(words.starts), np.bool_)
    of_runs[np.searchsorted(words.starts, unsure, "right") - 1] = True
    at_word = np.zeros(len(words.text) + 1, np.bool_)
    at_word[_word_begins(words, np.flatnonzero(of_runs), cut)] = True
    inside[inside] = ~at_word.take(unsure)
    return ~(inside[0] | inside[1])


def _word_begins(words: Split, runs: np.ndarray, cut: Callable[[str], np.ndarray]) -> np.ndarray:
    """The places in the text where words of the runs begin, int64."""
    lengths = words.lengths.take(runs) + 1
    ends = np.cumsum(lengths)
    places = np.repeat(words.starts.take(runs) - ends + lengths, lengths) + np.arange(ends[-1])
    lines = words.text.take(places)
    lines[ends - 1] = _NEW_LINE
    leads = np.flatnonzero((lines & 0xC0) != 0x80)
    return places.take(leads.take(cut(lines.tobytes().decode())))
