"""How texts are cut into words: articles, titles, WordNet's names, queries and captions alike."""

from typing import Literal

from pipeline.settings.values import Section


class TextSettings(Section):
    """docs/words.md says what each choice means. All of it changes rows."""

    # What cuts runs of scripts without spaces. auto: ICU where it is installed, else none.
    segmenter: Literal["auto", "icu", "rjieba", "sudachi", "fugashi", "nlpo3", "none"] = "auto"
    # Where a query may begin and end in such a run: at its words' edges, or anywhere (MetaCLIP 2).
    boundaries: Literal["words", "free"] = "words"
