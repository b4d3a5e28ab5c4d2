"""Words and keys: the one normaliser of queries and captions.

Queries and captions must share one normaliser: with two, a query could silently miss its captions.
"""

import unicodedata

import regex

# Runs of letters, marks and numbers. `\w` and `[\p{L}]+` both split Hindi, Tamil and the Turkish
# dotted I at their combining marks.
WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")


def fold(text: str) -> str:
    """The text in the one form in which words are compared: NFKC, lower case, NFKC.

    The second NFKC is for letters whose lower case composes or reorders with the marks behind
    them: "H" + U+0331 has no composed form, "h" + U+0331 has one; "İ" becomes "i" + U+0307, which
    stands behind a cedilla. Without it a folded text could change when folded again.

    >>> fold("ＭＵＮＩＣＨ ﬁre")
    'munich fire'
    """
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKC", text).lower()
    return unicodedata.normalize("NFKC", folded)


def words(text: str) -> list[str]:
    """The words of a text, in order: what a query and a caption are compared by.

    >>> words('A "Dog/Cat" — don’t!')
    ['a', 'dog', 'cat', 'don', 't']
    """
    return WORD.findall(fold(text))


def normalise(text: str) -> str:
    """The key of a query: its words with one space between them, which keeps itself.

    >>> normalise(" New  York (City)")
    'new york city'
    """
    return " ".join(words(text))
