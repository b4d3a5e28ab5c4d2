"""The captions and unreadable addresses that a file shows: looked for only where they are shown.

A caption may be one word. The same word also stands in a list of queries, in the name of a class or
in settings, and a number stands on an axis: they tell nothing of a pair.
"""

import csv
import html
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from selectolax.lexbor import LexborHTMLParser

MARKED = ".caption, .address"  # elements of pages
JOURNAL_LISTS = ("pages", "results")  # what a search found; beside them stands what was asked
TABLES = {".csv": ",", ".tsv": "\t"}
LONGEST_CELL = 1 << 24  # characters; csv refuses 131,073 by default
CUT = re.compile(r" … \([\d,]+ characters\)$|…$")


def shown_texts(text: str, suffix: str) -> Iterator[str]:
    """The texts that a file of this kind shows as captions or addresses; of cut ones, what stands.

    >>> list(shown_texts('<text>Brazil</text><p class="caption">A &amp; B</p>', ".html"))
    ['A & B']
    >>> list(shown_texts('{"class": "Brazil", "caption": "a map"}', ".json"))
    ['a map']
    """
    for passage in _passages(text, suffix):
        plain = folded(passage)
        yield plain
        if CUT.search(plain):
            yield CUT.sub("", plain).rstrip()


def folded(text: str) -> str:
    """The text with single spaces, as pages may break its lines."""
    return " ".join(text.split())


def _passages(text: str, suffix: str) -> Iterator[str]:
    if suffix == ".html":
        yield from (node.text() for node in LexborHTMLParser(text).css(MARKED))
    elif suffix == ".md":
        lines = (line.strip().strip("|") for line in text.splitlines())
        yield from _under_caption([_plain(cell) for cell in _cells(line)] for line in lines)
    elif suffix in TABLES:
        csv.field_size_limit(LONGEST_CELL)
        yield from _under_caption(_rows(text, TABLES[suffix]))
    elif suffix == ".json":
        yield from _of_captions(_parsed(text))
    elif suffix == ".jsonl":
        for line in text.splitlines():
            yield from _of_captions(_parsed(line))


def _rows(text: str, delimiter: str) -> Iterator[Sequence[str]]:
    try:
        yield from csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
    except csv.Error:  # no table
        return


def _cells(line: str) -> list[str]:
    """The cells of a line of Markdown; a bar behind a backslash is text."""
    return re.split(r"(?<!\\)\|", line)


def _plain(cell: str) -> str:
    r"""
    >>> _plain(r" a\|&lt;b&gt; ")
    'a|<b>'
    """
    return html.unescape(re.sub(r"\\([\\|`*\[\]#])", r"\1", cell)).strip()


def _under_caption(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The cells of columns whose name speaks of a caption."""
    places: list[int] = []
    width = 0
    for cells in rows:
        named = [place for place, cell in enumerate(cells) if _names_captions(cell)]
        if named and (not places or len(cells) != width):
            places, width = named, len(cells)
        else:
            yield from (cells[place] for place in places if place < len(cells))


def _names_captions(name: str) -> bool:
    """
    >>> _names_captions("kept_caption"), _names_captions("caption_words"), _names_captions("text")
    (True, False, False)
    """
    return name.strip().lower().endswith(("caption", "captions"))


def _of_captions(value: Any, inside: bool = False) -> Iterator[str]:
    """The texts below the keys of captions, and all that a journal says a search found."""
    if isinstance(value, str):
        if inside:
            yield value
    elif isinstance(value, list):
        for child in value:
            yield from _of_captions(child, inside)
    elif isinstance(value, dict):
        for name, child in value.items():
            yield from _of_captions(child, inside or _names_captions(name) or name in JOURNAL_LISTS)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
