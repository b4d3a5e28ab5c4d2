"""Words and keys: the one tokeniser of articles, titles, WordNet's names, queries and captions.

With two tokenisers a query could silently miss its captions. docs/words.md says what a word is, and
why.
"""

import unicodedata

import regex

from pipeline.text.scripts import apart, joined

# A letter or a number, then letters, marks and numbers. `\w` and `[\p{L}]+` both split Hindi, Tamil
# and the Turkish dotted I at their combining marks. A mark behind no letter belongs to no word.
WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*")

JOINERS = "\u200c\u200d"  # ZERO WIDTH NON-JOINER, ZERO WIDTH JOINER
_JOINED = regex.compile(rf"(?<=[\p{{L}}\p{{M}}])[{JOINERS}]+(?=[\p{{L}}\p{{M}}])")
# Characters that show nothing of their own, and marks that only draw a ring around another one.
_INVISIBLE = regex.compile(r"[\p{Default_Ignorable_Code_Point}\p{Me}]")
_ACCENT = regex.compile(r" \p{M}")
# ZERO WIDTH SPACE, and two fillers of Hangul that show as a blank: not nothing, but a space.
_STAND_FOR = dict.fromkeys("\u200b\u3164\uffa0", " ")
_STAND_FOR |= {"\u2010": "-", "\u2011": "-", "’": "'"} | {joiner: joiner for joiner in JOINERS}


def fold(text: str) -> str:
    """The text in the one form in which words are compared: NFKC, lower case, NFKC.

    Before NFKC, signs that are no part of a word leave a space, and what is invisible vanishes: see
    `_stands_for`. The second NFKC is for letters whose lower case composes or reorders with the
    marks behind them: "H" + U+0331 has no composed form, "h" + U+0331 has one; "İ" becomes "i" +
    U+0307, which stands behind a cedilla. Without it a folded text could change when folded again.

    A space parts scripts without spaces from the words beside them: see `pipeline.text.scripts`.

    >>> fold("ＭＵＮＩＣＨ ﬁre™"), fold("新款iPhone手机壳")
    ('munich fire ', '新款 iphone 手机壳')
    """
    if text.isascii():
        return text.lower()
    text = text.translate(_CHARACTERS)
    if "\u200c" in text or "\u200d" in text:
        text = _JOINED.sub("", text).replace("\u200c", " ").replace("\u200d", " ")
    folded = unicodedata.normalize("NFKC", text).lower()
    return apart(unicodedata.normalize("NFKC", folded))


def words(text: str) -> list[str]:
    """The words of a text, in order: what a query and a caption are compared by.

    >>> words('A "Dog/Cat" — don’t!')
    ['a', 'dog', 'cat', 'don', 't']
    """
    return WORD.findall(fold(text))


def normalise(text: str) -> str:
    """The key of a query: its words with one space between them, which keeps itself.

    Between two words in scripts without spaces there is none.

    >>> normalise(" New  York (City)"), normalise("ジョン・レノン")
    ('new york city', 'ジョンレノン')
    """
    return joined(words(text))


class _Characters(dict[int, str]):
    """What each character of a text becomes before NFKC, for str.translate; made on demand."""

    def __missing__(self, code: int) -> str:
        self[code] = _stands_for(chr(code))
        return self[code]


_CHARACTERS = _Characters()


def _stands_for(character: str) -> str:
    """What a character becomes before NFKC, which would join it to the words beside it.

    >>> [_stands_for(one) for one in "é²™´①½№\\xad"]
    ['é', '²', ' ', ' ', ' 1 ', ' 1⁄2 ', ' No ', '']
    """
    if character in _STAND_FOR:
        return _STAND_FOR[character]
    if _INVISIBLE.match(character):
        return ""
    category, parts = unicodedata.category(character), unicodedata.decomposition(character)
    if category == "No" and "CIRCLED" in unicodedata.name(character, ""):  # ① and ❶
        number = unicodedata.normalize("NFKC", character)
        return f" {number if parts else format(unicodedata.numeric(character), 'g')} "
    if not parts:
        return character
    compatible, kind = unicodedata.normalize("NFKC", character), parts.partition(" ")[0]
    if _ACCENT.search(compatible):  # an accent that stands alone: ´ is a space and U+0301
        return " "
    if category[0] == "S" and kind in ("<super>", "<circle>"):  # ™ ℠ Ⓡ: signs, as © and ® are
        return " "
    several = kind in ("<compat>", "<isolated>") and len(compatible) > 1  # № ℡ ⒈
    if kind == "<fraction>" or (several and (category[0] == "S" or category == "No")):
        return f" {compatible} "
    return character
