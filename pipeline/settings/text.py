"""How texts are cut into words: articles, titles, WordNet's names, queries and captions alike."""

from typing import Literal, get_args

from pydantic import field_validator

from pipeline.settings.values import Section

Rule = Literal["tatweel", "harakat", "niqqud", "dotless_i", "sharp_s"]  # pipeline/text/folding.py


class TextSettings(Section):
    """docs/words.md says what each choice means. All of it changes rows."""

    # What cuts runs of scripts without spaces. auto: ICU where it is installed, else none.
    segmenter: Literal["auto", "icu", "rjieba", "sudachi", "fugashi", "nlpo3", "none"] = "auto"
    # Where a query may begin and end in such a run: at its words' edges, or anywhere (MetaCLIP 2).
    boundaries: Literal["words", "free"] = "words"
    # What is folded besides; none named: what the languages of the build ask for.
    fold: tuple[Rule, ...] | None = None

    @field_validator("fold")
    @classmethod
    def _each_once_in_order(cls, fold: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """The order decides nothing, so it names no other build."""
        return None if fold is None else tuple(rule for rule in get_args(Rule) if rule in fold)
