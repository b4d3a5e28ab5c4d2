"""The word within another one: "dog" of "dog's", "homme" of "l'homme".

Such a word is counted as it is written. A caption with "the dog's ball" holds the query "dog", too,
so "dog" is counted with it, in the languages of which a table here says what is written so.
"""

import re

# What follows an apostrophe: the English genitive; in Turkish, every ending of a proper name.
_ENDINGS = {"en": "s", "simple": "s", "sco": "s", "tr": "[^'-]+"}
# Articles, prepositions and pronouns that lose a vowel and lean on the next word.
_ELIDED = {
    "ca": "[dlmnst]",
    "fr": "[cdjlmnst]|(?:jus|lors|puis|quoi)?qu",
    "it": "[cdlmnstv]|un|(?:all|coll|dall|dell|nell|sull|quell|quest|gl)",
    "lb": "d",
    "oc": "[dlmnst]|qu",
}


class Bases:
    """Which words of a language hold another one.

    >>> Bases("en").of("dog's"), Bases("fr").of("qu'il"), Bases("fr").of("aujourd'hui")
    (('dog', None), (None, 'il'), (None, None))
    """

    def __init__(self, language: str):
        """`language`: of the wiki, such as "en"; one that no table has holds no words."""
        ending, elided = _ENDINGS.get(language), _ELIDED.get(language)
        self._ending = re.compile(rf"(.+)'(?:{ending})") if ending else None
        self._elided = re.compile(rf"(?:{elided})'(.+)") if elided else None

    def of(self, word: str) -> tuple[str | None, str | None]:
        """The word at the beginning of this one, and the word at its end."""
        return _base(self._ending, word), _base(self._elided, word)


def _base(pattern: re.Pattern[str] | None, word: str) -> str | None:
    found = pattern.fullmatch(word) if pattern else None
    return found[1] if found else None
