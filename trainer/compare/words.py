"""How many pairs of an arm name each class, and which classes are head, middle and tail.

A caption names a class if it has the words of the class's name, one behind the other: as
`pipeline.match` finds queries. A test holds the words equal to `pipeline.text.words`, which reads
some signs apart (as № 7) that stay in their word here.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import regex

HEAD, MIDDLE, TAIL = "head", "middle", "tail"
GROUPS = (HEAD, MIDDLE, TAIL)
SLICE = 65_536  # captions in memory as Python's
# A letter of a script without spaces is a word of its own: docs/words.md.
_UNSPACED = (
    r"[[\p{L}\p{Nl}&&[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}]][\p{L}&&\p{Line_Break=SA}]]"
)
_WORD = regex.compile(
    rf"{_UNSPACED}\p{{M}}*|[[\p{{L}}\p{{N}}]--{_UNSPACED}][[\p{{L}}\p{{M}}\p{{N}}]--{_UNSPACED}]*",
    regex.V1,
)


def words(text: str) -> list[str]:
    """The words of a text, in order, in the form in which they are compared.

    >>> words("A “Dog/Cat” — 犬の写真")
    ['a', 'dog', 'cat', '犬', 'の', '写', '真']
    """
    if text.isascii():
        return _WORD.findall(text.lower())
    folded = unicodedata.normalize("NFKC", text.replace("’", "'")).lower()
    return _WORD.findall(unicodedata.normalize("NFKC", folded))


def texts(captions: pa.ChunkedArray) -> Iterator[str]:
    """The captions, of which few are Python's at a time."""
    for at in range(0, len(captions), SLICE):
        yield from captions.slice(at, SLICE).to_pylist()


def naming(captions: Iterable[str], names: Sequence[str]) -> np.ndarray:
    """int64 (C,): the captions that have each name's words; a caption counts once for a name.

    >>> naming(["A dog, a DOG", "hot dog stand", "dogs"], ["dog", "hot dog", "cat"]).tolist()
    [2, 1, 0]
    """
    rows: dict[tuple[str, ...], list[int]] = {}
    for row, name in enumerate(names):
        if key := tuple(words(name)):
            rows.setdefault(key, []).append(row)
    lengths = sorted({len(key) for key in rows})
    counts = np.zeros(len(names), np.int64)
    for caption in captions:
        own = words(caption)
        spans = (
            tuple(own[at : at + length])
            for length in lengths
            for at in range(len(own) - length + 1)
        )
        for key in {span for span in spans if span in rows}:
            counts[rows[key]] += 1
    return counts


def groups(counts: np.ndarray) -> np.ndarray:
    """str (C,): head, middle or tail of each class, by thirds of the classes; equal counts stay
    together, so a group may be larger, or empty.

    >>> groups(np.array([900, 40, 40, 3, 0, 0])).tolist()
    ['head', 'middle', 'middle', 'middle', 'tail', 'tail']
    """
    most_tail, most_middle = np.quantile(counts, [1 / 3, 2 / 3], method="inverted_cdf")
    return np.where(counts <= most_tail, TAIL, np.where(counts <= most_middle, MIDDLE, HEAD))
