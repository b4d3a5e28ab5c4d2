"""Runs of apostrophes in wikitext: which are marks of bold and italics, and which are text.

The rules are those of MediaWiki (Parser::doQuotes), which hold for one line alone. It mends at most
one apostrophe a line; where a line has more of them, ours mends those, too.
"""

import re

MOST_RUNS = 1_000  # of a line; one of more is no sentence
_RUN = re.compile(r"(''+)")
_MARKS = {2: 0b01, 3: 0b10, 5: 0b11}  # italics, bold, both
_POSSESSIVE = re.compile(r"s\b")


def without_quotes(text: str) -> str:
    """The text without its marks of bold and italics; apostrophes among them stay.

    >>> without_quotes("The ''Titanic'''s voyage. L''''Autriche''' and l'''Historia'' de")
    "The Titanic's voyage. L'Autriche and l'Historia de"
    """
    pieces = _RUN.split(text)
    done = 0
    # Most runs are of two, and most others stand in a line without such.
    for n in [2 * n + 1 for n, run in enumerate(pieces[1::2]) if run != "''"]:
        if n >= done:
            start, done = _line_of(pieces, n)
            if set(pieces[start:done:2]) != {"'''"} and done - start < 2 * MOST_RUNS:
                _mend(pieces, start, done)
    return "".join(pieces[::2])


def _line_of(pieces: list[str], n: int) -> tuple[int, int]:
    """Of the runs that stand in one line with the run n: the first, and where the last ends."""
    start, stop = n, n + 1
    while start > 1 and "\n" not in pieces[start - 1]:
        start -= 2
    while stop < len(pieces) - 1 and "\n" not in pieces[stop]:
        stop += 2
    return start, stop


def _mend(pieces: list[str], start: int, stop: int) -> None:
    """Put what is left of a line into its first piece of text."""
    others, newline, first = pieces[start - 1].rpartition("\n")
    last, *rest = pieces[stop].split("\n", maxsplit=1)
    texts, lengths = _as_mediawiki([first, *pieces[start:stop], last])
    line = "".join(_with_more_apostrophes(texts, lengths))
    pieces[start - 1] = others + newline + line
    pieces[start + 1 : stop : 2] = [""] * ((stop - start) // 2)
    pieces[stop] = "\n".join(["", *rest])


def as_mediawiki(line: str) -> str:
    """What MediaWiki leaves of a line."""
    return "".join(_as_mediawiki(_RUN.split(line))[0])


def _as_mediawiki(pieces: list[str]) -> tuple[list[str], list[int]]:
    """The texts of a line, one more than its runs, and the lengths of these: 2, 3 or 5.

    The pieces are texts and runs in turns.

    Of four apostrophes the first is text, of more than five all but the last five. Where bold and
    italics both occur an odd number of times, one of the runs of three was an apostrophe before
    italics.

    >>> _as_mediawiki(["", "''''", "a", "''''", " l", "'''", "b", "''", ""])
    (["'", "a'", " l'", 'b', ''], [3, 3, 2, 2])
    """
    texts, lengths = pieces[::2], [len(run) for run in pieces[1::2]]
    for n, length in enumerate(lengths):
        n_text = 1 if length == 4 else max(0, length - 5)
        texts[n] += "'" * n_text
        lengths[n] = length - n_text
    n_bold, n_italic = (sum(length in marks for length in lengths) for marks in ((3, 5), (2, 5)))
    if n_bold % 2 and n_italic % 2:
        threes = [n for n, length in enumerate(lengths) if length == 3]
        if threes:
            likeliest = min(threes, key=lambda n: _rank(texts[n]))
            texts[likeliest] += "'"
            lengths[likeliest] = 2
    return texts, lengths


def _rank(before: str) -> int:
    """How unlikely a run of three after this text begins with an apostrophe.

    The likeliest is one after a word of a single letter, then after a longer word, then after a
    space. MediaWiki looks at two bytes: a letter that takes more is no single one.

    >>> [_rank(before) for before in ("dans l", "dans qu", "dans à", "dans ", "l")]
    [0, 1, 1, 2, 1]
    """
    if before.endswith(" "):
        return 2
    return 0 if before[-2:-1] == " " and before[-1].isascii() else 1


def _with_more_apostrophes(texts: list[str], lengths: list[int]) -> list[str]:
    """The texts, where a run of three inside a word is paired with one of two: ''X'''s, l'''X''.

    >>> _with_more_apostrophes(["", "A", "s and ", "B", "s"], [2, 3, 2, 3])
    ['', "A'", 's and ', "B'", 's']
    """
    n = opened = 0
    while n < len(lengths):
        pair = lengths[n : n + 2]
        if not opened and pair == [2, 3] and _POSSESSIVE.match(texts[n + 2]):
            texts[n + 1] += "'"
            n += 2
        elif not opened and pair == [3, 2] and texts[n][-1:].isalpha():
            texts[n] += "'"
            n += 2
        else:
            opened ^= _MARKS[lengths[n]]
            n += 1
    return texts
