"""The tokeniser of one build, as its settings choose it: the object that the stages hand on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import pyarrow as pa

from pipeline import text
from pipeline.text import arrays
from pipeline.text.folding import Folding
from pipeline.text.scripts import joined, segmented, units
from pipeline.text.segmenters import resolve, segmenter
from pipeline.text.units import Units, at_edges


@dataclass(frozen=True)
class Tokeniser:
    """How texts are folded, cut into words and made keys; small, frozen, and it can be pickled.

    >>> Tokeniser().normalise(" New  York (City)")
    'new york city'

    segmenter: what cuts runs of scripts without spaces; "none": nothing, their edges are all.
    version: of the segmenter and its dictionary. boundaries: "free" lets a query begin and end
    anywhere in such a run. rules: those of `pipeline.text.folding`.
    """

    segmenter: str = "none"
    version: str = ""
    boundaries: Literal["words", "free"] = "words"
    rules: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        segmenter: str = "auto",
        boundaries: Literal["words", "free"] = "words",
        fold: tuple[str, ...] = (),
    ) -> Self:
        """The tokeniser that the settings `[text]` mean here. Raises UserError for a segmenter that
        is not installed."""
        return cls(*resolve(segmenter), boundaries, fold)

    @property
    def keys(self) -> list[str]:
        """What decides `normalise`: names what holds keys and no segments."""
        return [*self.rules]

    @property
    def identity(self) -> list[str]:
        """What decides the words of texts: names what was counted or matched."""
        return [*self.keys, self.segmenter, self.version, self.boundaries]

    @property
    def folding(self) -> Folding:
        return Folding(self.rules)

    def fold(self, content: str) -> str:
        """`pipeline.text.fold`, and what else the settings fold."""
        return text.fold(self.folding.text(content))

    def words(self, content: str) -> list[str]:
        return text.WORD.findall(self.fold(content))

    def normalise(self, content: str) -> str:
        """The key of a query."""
        return joined(self.words(content))

    def units(self, content: str) -> str:
        """The words with spaces between them, and between the characters of unspaced scripts."""
        return " ".join(unit for word in self.words(content) for unit in units(word))

    def normalise_array(self, texts: pa.Array) -> pa.Array:
        """`normalise` of every text; nulls stay."""
        return arrays.normalise_array(self.folding.array(texts))

    def split(self, texts: pa.Array, row: int = 0) -> arrays.Split:
        """The words of an array's texts, as spans."""
        return arrays.split(self.folding.array(texts), row)

    def at_edges(self, units: Units, begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Whether units begins[i]:ends[i] of captions may be a query there, for each i; bool."""
        if self.boundaries == "free":
            return np.ones(len(begins), np.bool_)
        return at_edges(units, begins, ends, self.cut)

    @property
    def cut(self) -> Callable[[str], np.ndarray] | None:
        """What says where words begin in lines of unspaced scripts; None without a segmenter."""
        return None if self.segmenter == "none" else segmenter(self.segmenter, self.version)

    def segmented(self, folded: str) -> str:
        """A folded text with spaces between the words of scripts without spaces, too.

        >>> Tokeniser.of("icu").segmented("新款 iphone 手机壳")
        '新 款 iphone 手机 壳'
        """
        return folded if self.cut is None else segmented(folded, self.cut)

    def fold_spans(
        self, texts: pa.Array, row: int = 0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """The folded texts as spans of one buffer, for a caller that cuts the words itself."""
        return arrays.fold_spans(self.folding.array(texts), row)
