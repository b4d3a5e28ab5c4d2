"""Rows of CSV, TSV and JSONL files, unpacked and read line by line.

Memory is bounded whatever a file contains. A line that is too long or does not parse gives the row
None. A quote that is never closed costs only the row that it is in.
"""

import csv
import io
import re
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import islice
from typing import Any

from pipeline.sources.tables.encodings import MARKS, reading
from pipeline.sources.tables.layouts import Layout, Row
from pipeline.sources.unpacked import BROKEN, BombError, DamagedError, bytes_of
from pipeline.web.reading import json_object

LONGEST_LINE = 1 << 20  # characters; a longer line is no row of a table
LONGEST_SKIP = 1 << 26  # characters; a file with a longer line is not read on
SAMPLED_LINES = 1_000  # of a JSONL file: its first line may lack keys
SAMPLED_CHARACTERS = 1 << 22
CHUNK = 1 << 16  # bytes
# What Excel reads as the delimiter of the lines that follow.
STATED = re.compile(r"""\ufeff?"?sep=([^\r\n"])"?(?:\r\n?|\n)""", re.I)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}


class LongLine(csv.Error):
    """More than LONGEST_LINE characters in a line, or in a row of several lines."""


@contextmanager
def text_of(path: str, encoding: str = "", newline: str = "\n") -> Iterator[io.TextIOWrapper]:
    """A file's text, unpacked; bytes that are none of the encoding's are lone surrogates.

    Raises DamagedError for an empty file.
    """
    with bytes_of(path) as stream:
        start = stream.peek(5)[:5]
        name, errors = reading(start, encoding)
        if start in MARKS:  # and nothing behind it
            raise DamagedError("the file is empty")
        yield io.TextIOWrapper(stream, name, errors=errors, newline=newline)


@contextmanager
def lines_of(path: str, layout: Layout) -> Iterator[tuple[io.TextIOBase, Layout]]:
    """The text of CSV or TSV behind a line such as `sep=;`, and the layout with that delimiter."""
    newline = "" if layout.quotes else "\n"  # without quotes, a lone "\r" does not end a line
    with text_of(path, layout.encoding, newline) as text:
        start = text.buffer.peek(64)[:64]  # type: ignore[attr-defined]
        stated = STATED.match(start.decode(text.encoding, "ignore"))
        if stated:
            text.readline()
            layout = replace(layout, delimiter=stated[1])
        yield text, layout


def stated_delimiter(path: str, layout: Layout) -> str | None:
    """The delimiter that a file states in its first line, or None."""
    with suppress(*BROKEN), lines_of(path, replace(layout, delimiter="")) as (_, found):
        return found.delimiter or None
    return None


class Lines:
    """Lines with their ends. A line that is too long raises LongLine; the next call gives the next.

    `begin` marks the first line of a row. `again` returns to the line after it, so that a row that
    took the lines of other rows gives them back. No line is given back twice: a hostile file could
    otherwise be read again and again.
    """

    def __init__(self, text: io.TextIOBase) -> None:
        self.text = text
        self.waiting: deque[str | None] = deque()  # lines given back; None: a line that is too long
        self.taken: list[tuple[str | None, bool]] = []  # (line, whether it is new)
        self.n_characters = 0

    def __iter__(self) -> "Lines":
        return self

    def begin(self) -> None:
        self.taken, self.n_characters = [], 0

    def again(self) -> None:
        back = [line for line, first_time in self.taken[1:] if first_time]
        self.waiting.extendleft(reversed(back))

    def __next__(self) -> str:
        first_time = not self.waiting
        line = self._read() if first_time else self.waiting.popleft()
        self.taken.append((line, first_time))
        self.n_characters += len(line or "")
        if line is None or self.n_characters > LONGEST_LINE:
            raise LongLine(f"expected at most {LONGEST_LINE} characters")
        return line

    def _read(self) -> str | None:
        line = rest = self.text.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        n_characters = len(line)
        while len(rest) == LONGEST_LINE and not rest.endswith(("\n", "\r")):
            rest = self.text.readline(LONGEST_LINE)
            n_characters += len(rest)
            if n_characters > LONGEST_SKIP:
                raise BombError(f"a line of more than {LONGEST_SKIP} characters")
        return line if n_characters == len(line) else None


def csv_header(path: str, layout: Layout) -> list[str]:
    """The columns of a CSV or TSV file, by its first line or by the layout."""
    if len(layout.headers) > 1:
        return list(_header_of_width(path, layout))
    with lines_of(path, layout) as (text, stated):
        if layout.headers:
            return list(layout.headers[0])
        header = next(_fields(text, stated), None)
    if header is None:
        raise DamagedError("the first line does not parse")
    return [name or "" for name in header]  # \N, where backslashes escape, is no name


def _header_of_width(path: str, layout: Layout) -> tuple[str, ...]:
    """Of several headers the one that fits most of the first rows; the first where none does."""
    widths = Counter(map(len, first_fields(path, layout)))
    return max(layout.headers, key=lambda header: widths[len(header)])


def first_fields(path: str, layout: Layout) -> list[list[str]]:
    """The fields of the first thousand rows that parse and are not empty."""
    pieces, left = list[str](), SAMPLED_CHARACTERS
    with suppress(*BROKEN), lines_of(path, layout) as (text, stated):
        layout = stated
        while left > 0 and (piece := text.read(CHUNK)):
            pieces.append(piece)
            left -= len(piece)
    head = io.StringIO("".join(pieces), "" if layout.quotes else "\n")
    return [fields for fields in islice(_fields(head, layout), SAMPLED_LINES) if fields]


def csv_rows(path: str, layout: Layout) -> Iterator[Row]:
    """Rows by the names of the header. A row of more fields than the header has a stray delimiter
    and is None; a shorter row lacks the last columns."""
    header = csv_header(path, layout)
    places = [(name, at) for name, (at, steps) in layout.places(header).items() if not steps]
    with lines_of(path, layout) as (text, stated):
        rows = _fields(text, stated, len(header))
        if not layout.headers:
            next(rows, None)
        for fields in rows:
            if fields is None:
                yield None
            elif fields:  # an empty line is no row
                n_fields = len(fields)
                yield {name: fields[at] if at < n_fields else None for name, at in places}


def _fields(text: io.TextIOBase, layout: Layout, most: int = 10_000) -> Iterator[list[Any] | None]:
    """The fields of each row, None for a row that does not parse or has more than the most."""
    lines, delimiter = Lines(text), layout.delimiter or ","
    escape = "\\" if layout.escapes else None
    # strict: an open quote is an error, and does not take the following rows.
    split = csv.reader(lines, delimiter=delimiter, strict=True, escapechar=escape)
    while True:
        lines.begin()
        try:
            if layout.quotes:
                fields: list[Any] = next(split)
            elif layout.escapes:
                fields = unescaped(_whole(lines), delimiter)
            else:
                fields = _split(next(lines), delimiter)
            if len(fields) > most:
                raise csv.Error(f"expected at most {most} fields")
        except StopIteration:
            return
        except csv.Error:  # such as a field of more than 131,072 characters
            lines.again()
            yield None
            continue
        yield fields


def _split(line: str, delimiter: str) -> list[str]:
    line = line.rstrip("\r\n")
    return line.split(delimiter) if line else []


def _whole(lines: Lines) -> str:
    """A line with those after it, as long as a backslash takes its end."""
    pieces = [next(lines)]
    while _goes_on(pieces[-1]):
        pieces.append(next(lines, ""))
    return "".join(pieces)


def _goes_on(line: str) -> bool:
    bare = line.removesuffix("\n")
    return bare != line and (len(bare) - len(bare.rstrip("\\"))) % 2 == 1


def unescaped(line: str, delimiter: str) -> list[str | None]:
    r"""The fields of a line as `mysqldump --tab` and PostgreSQL's COPY write it; `\N` is None.

    >>> unescaped("a\\tb\t\\N\tc\\\\\n", "\t")
    ['a\tb', None, 'c\\']
    """
    if not _goes_on(line):
        line = line.removesuffix("\n").removesuffix("\r")
    fields: list[list[str]] = [[]]
    for token in re.findall(rf"\\.|[^\\{re.escape(delimiter)}]+|.", line, re.DOTALL):
        if token == delimiter:
            fields.append([])
        else:
            fields[-1].append(token)
    if fields == [[]]:
        return []
    return [None if field == [r"\N"] else "".join(map(_character, field)) for field in fields]


def _character(token: str) -> str:
    escaped = token[0] == "\\" and len(token) > 1
    return ESCAPES.get(token[1], token[1]) if escaped else token


def json_names(path: str, encoding: str = "") -> list[str]:
    """The keys of a JSONL file's first thousand objects."""
    names: dict[str, None] = {}
    for row in islice(json_rows(path, encoding), SAMPLED_LINES):
        names.update(dict.fromkeys(row or ()))
    return list(names)


def json_rows(path: str, encoding: str = "") -> Iterator[Row]:
    """The object of each line that is not empty."""
    with text_of(path, encoding) as text:
        lines = Lines(text)
        while True:
            lines.begin()
            try:
                line = next(lines)
            except StopIteration:
                return
            except LongLine:
                yield None
                continue
            if line.strip():
                yield json_object(line)
