"""A fastText model of languages, and its labels as languages.

The form of the labels is read from the model: `__label__zh` of lid.176, whose codes are those of
Wikipedias, `__label__zho_Hans` of OpenLID and NLLB, `__label__cmn_Hani` of GlotLID.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from pipeline.text.languages import Code, code_of, scripts_of
from queries.tables.errors import InputError


@dataclass(frozen=True)
class Labels:
    """A model and what its labels mean, each as fastText returns it.

    codes: the normal form. names: its text, as captions' rows have it. scripts: those that the
    language is written in, none where nobody has said.
    """

    model: Any
    codes: dict[str, Code]

    @cached_property
    def names(self) -> dict[str, str]:
        return {label: str(code) for label, code in self.codes.items()}

    @cached_property
    def scripts(self) -> dict[str, frozenset[str]]:
        return {label: scripts_of(code) for label, code in self.codes.items()}

    def code_named(self, text: str) -> Code | None:
        """The code of the label that is spelt so, such as "als": what a model means by it."""
        return next((code for label, code in self.codes.items() if spelt(label) == text), None)


def spelt(label: str) -> str:
    """The code in a label: what stands behind its prefix, which fastText lets a user choose.

    >>> spelt("__label__eng_Latn"), spelt("__lang__zh")
    ('eng_Latn', 'zh')
    """
    return label.rpartition("__")[2]


@lru_cache(maxsize=2)
def load(path: str) -> Labels:
    """The model in a file of fastText's, .bin or .ftz, which `check_file` has found whole.

    Raises InputError for a model whose labels are no languages.
    """
    import fasttext  # 0.1 s and 10 MB that only this stage needs

    model = fasttext.load_model(path)
    return Labels(model, codes_of(model.get_labels(), path))


def codes_of(labels: list[str], path: str) -> dict[str, Code]:
    """The language of each label. Codes are those of Wikipedia if some have two letters alone.

    A label that is no language's code, such as "__label__other", stands for itself.

    >>> codes = codes_of(["__label__de", "__label__als", "__label__zz"], "lid.ftz")
    >>> list(map(str, codes.values()))
    ['de', 'gsw', 'zz']
    """
    spellings = {label: spelt(label) for label in labels}
    of_wikipedia = any(len(text) == 2 for text in spellings.values())
    codes = {label: code_of(text, of_wikipedia) for label, text in spellings.items()}
    if not any(codes.values()):
        first = ", ".join(labels[:5])
        raise InputError(
            f"filters.language_model: {path}: expected labels that are codes of languages, such as "
            f"__label__de or __label__deu_Latn; found {first}"
        )
    return {label: code or Code(spellings[label]) for label, code in codes.items()}
