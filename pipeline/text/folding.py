"""Folding by choice: what a language writes in two ways becomes one, in queries and captions alike.

Each rule says what some characters become before the text is folded as all texts are
(`pipeline.text.fold`). Every character that NFKC takes for one of these is folded with it, such as
the Arabic presentation forms. docs/words.md has what each rule gains. Vietnamese tones and other
accents of Latin letters tell words apart, so no rule drops them.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.text.languages import code_of, scripts_of

DOT = "\u0307"  # COMBINING DOT ABOVE
# What each rule folds, and to what.
RULES: dict[str, dict[str, str]] = {
    "tatweel": {"\u0640": ""},  # ARABIC TATWEEL, which only makes a word wider
    # Short vowels and their like, which Arabic, Persian and Urdu mostly leave out.
    "harakat": dict.fromkeys(map(chr, (*range(0x64B, 0x653), 0x656, 0x657, 0x658, 0x670)), ""),
    # Points and accents of Hebrew, without the letters and the punctuation between them.
    "niqqud": dict.fromkeys(
        map(chr, (*range(0x591, 0x5BE), 0x5BF, 0x5C1, 0x5C2, 0x5C4, 0x5C5, 0x5C7)), ""
    ),
    # Both of Turkish's letters i, since capitals and keyboards confuse them: İ, ı, I and i.
    "dotless_i": {"İ": "i", "ı": "i"},
    "sharp_s": {"ß": "ss", "ẞ": "ss"},
}
_OF_LANGUAGE = {
    "he": ("niqqud",),
    "tr": ("dotless_i",),
    "az": ("dotless_i",),
    "de": ("sharp_s",),
    "gsw": ("sharp_s",),
    "bar": ("sharp_s",),
    "nds": ("sharp_s",),
}
_LAST = 0x20000  # the planes with letters of living languages


def default_rules(languages: Iterable[str]) -> tuple[str, ...]:
    """The rules of these languages, codes in any form, in the order of RULES.

    >>> default_rules(["de"]), default_rules(["ar", "tr"]), default_rules(["vi"])
    (('sharp_s',), ('tatweel', 'harakat', 'dotless_i'), ())
    """
    chosen: set[str] = set()
    for code in filter(None, (code_of(language, of_wikipedia=True) for language in languages)):
        chosen.update(_OF_LANGUAGE.get(code.language, ()))
        if scripts_of(code) == {"Arab"}:
            chosen.update(("tatweel", "harakat"))
    return tuple(rule for rule in RULES if rule in chosen)


@dataclass(frozen=True)
class Folding:
    """Some of the rules, by name.

    >>> Folding(("sharp_s", "dotless_i")).text("GROẞE Straße nach İzmir")
    'GROssE Strasse nach izmir'
    """

    rules: tuple[str, ...] = ()

    def text(self, content: str) -> str:
        """The text with these characters folded, and all others as they are."""
        if not self.rules or content.isascii():
            return content
        if "dotless_i" in self.rules and DOT in content:
            content = unicodedata.normalize("NFC", content).replace(DOT, "")  # ż keeps its own
        return content.translate(_table(self.rules))

    def array(self, texts: pa.Array) -> pa.Array:
        """`text` of every text; nulls stay. Only texts that hold such a character are rewritten.

        >>> Folding(("niqqud",)).array(pa.array(["שָׁלוֹם", None, "a"])).to_pylist()
        ['שלום', None, 'a']
        """
        if not self.rules:
            return texts
        holds = pc.fill_null(pc.match_substring_regex(texts, _pattern(self.rules)), False)
        if not pc.any(holds).as_py():
            return texts
        folded = [self.text(content) for content in texts.filter(holds).to_pylist()]
        return pc.replace_with_mask(texts, holds, pa.array(folded, texts.type))


@lru_cache(maxsize=8)
def _table(rules: tuple[str, ...]) -> dict[int, str]:
    """What each character becomes: those that the rules name, and those that NFKC makes of them."""
    folds = {ord(old): new for rule in rules for old, new in RULES[rule].items()}
    table = dict(folds)
    for code in (code for code in range(_LAST) if not 0xD800 <= code < 0xE000):
        compatible = unicodedata.normalize("NFKC", chr(code))
        if code not in table and any(map(folds.__contains__, map(ord, compatible))):
            table[code] = compatible.translate(folds).strip()
    return table


@lru_cache(maxsize=8)
def _pattern(rules: tuple[str, ...]) -> str:
    """A pattern of RE2 that finds every character that is folded."""
    codes = [*_table(rules), *([ord(DOT)] if "dotless_i" in rules else [])]
    return "[" + "".join(rf"\x{{{code:x}}}" for code in sorted(codes)) + "]"
