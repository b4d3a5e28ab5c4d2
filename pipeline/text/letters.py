"""The scripts of a text's letters, by Unicode's property Script."""

import sys
from collections import Counter
from collections.abc import Mapping

import regex

# All that living languages are written in; a letter of another script is of "Zzzz".
KNOWN = frozenset(
    {
        *("Adlm", "Arab", "Armn", "Beng", "Bopo", "Cans", "Cher", "Copt", "Cyrl", "Deva", "Ethi"),
        *("Geor", "Grek", "Gujr", "Guru", "Hang", "Hani", "Hebr", "Hira", "Java", "Kana", "Khmr"),
        *("Knda", "Laoo", "Latn", "Mlym", "Mong", "Mtei", "Mymr", "Nkoo", "Olck", "Orya", "Sinh"),
        *("Sund", "Syrc", "Taml", "Telu", "Tfng", "Thaa", "Thai", "Tibt", "Vaii", "Yiii"),
    }
)
_LETTER = regex.compile(r"[\p{L}--[\p{Script=Zyyy}\p{Script=Zinh}]]", regex.V1)
_OF_SCRIPT = {name: regex.compile(rf"\p{{Script={name}}}") for name in sorted(KNOWN)}


class _Scripts(dict[str, str]):
    """The script of each letter, and "" of what is no letter or is of many; made on demand."""

    def __missing__(self, character: str) -> str:
        script = ""
        if _LETTER.match(character):
            fits = (name for name, pattern in _OF_SCRIPT.items() if pattern.match(character))
            script = next(fits, "Zzzz")
        self[character] = sys.intern(script)
        return script


_SCRIPTS = _Scripts()


def letters_by_script(text: str) -> dict[str, int]:
    """How many letters of the text are of each script; what all scripts share counts for none.

    >>> letters_by_script("Das Bild ist 東京タワー, 3 cm")
    {'Latn': 12, 'Hani': 2, 'Kana': 2}
    """
    counts = Counter(map(_SCRIPTS.__getitem__, text))
    del counts[""]
    return dict(counts)


def share_in(scripts: frozenset[str], letters: Mapping[str, int]) -> float:
    """The share of the letters that are of these scripts; 1 of no letters, or for no scripts.

    >>> share_in(frozenset({"Hani", "Bopo"}), {"Latn": 9, "Hani": 3})
    0.25
    """
    n_letters = sum(letters.values())
    if not n_letters or not scripts:
        return 1.0
    return sum(letters.get(script, 0) for script in scripts) / n_letters
