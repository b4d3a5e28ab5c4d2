"""What stands in a text where markup was removed, until its lines are done.

Words on both sides of something removed are no neighbours: "Paris{{dot}}Rome" is neither one word
nor a bigram. The marks are control characters, which no XML can contain.
"""

import re

BREAK = "\x01"  # something that a reader sees stood here: a template, a picture, a formula
NOTE = "\x02"  # a note's number, which breaks a text only where it touches the next word
EMPTY = "\x03"  # nothing, but what stands on both sides of it is not read as one mark
SHOWN = " … "  # a break, in the text

_NOTE_BEFORE_WORD = re.compile(rf"{NOTE}(?=[\w'])")


def without_marks(page: str) -> str:
    """A page without characters that would be taken for marks."""
    for mark in (BREAK, NOTE, EMPTY):
        page = page.replace(mark, "") if mark in page else page
    return page


def with_notes_read(line: str) -> str:
    """The line without its notes; a note that touches the next word is a break.

    >>> with_notes_read("a dog\2 and 1990\0022000").replace(BREAK, SHOWN)
    'a dog and 1990 … 2000'
    """
    first, *rest = line.split(NOTE)
    return first + "".join([BREAK + one if one[:1].isalnum() else one for one in rest])


def with_breaks_shown(line: str) -> str:
    """The line with each run of breaks as "…", none at its ends.

    >>> with_breaks_shown("\\1a \\1 \\1 b\\1")
    'a … b'
    """
    return SHOWN.join(filter(None, (piece.strip(" ") for piece in line.split(BREAK))))
