"""A wiki's own tables from its SQL dumps: which pages there are, and where redirects point.

Reads `…-page.sql.gz` and `…-redirect.sql.gz` as MediaWiki publishes them: CREATE TABLE names the
columns, INSERT INTO lines hold the rows. Nothing of the SQL is executed.
"""

import re
import zlib
from collections.abc import Iterator
from io import TextIOWrapper
from itertools import islice
from pathlib import Path

import pyarrow as pa

from pipeline.web.reading import raise_if_of_the_disk, unpacked
from queries.tables.errors import InputError
from queries.tables.schemas import TABLES

BATCH_ROWS = 65_536
MAX_LINE = 64 << 20  # characters; a line of a real dump has a million
COLUMN = re.compile(r"^\s+`(\w+)` ")
INSERT = re.compile(r"INSERT INTO `\w+` VALUES ")
# Possessive, and matched where the last row ended: no line takes more than linear time.
ROW = re.compile(r"\(((?:[^()'\n]++|'(?:[^'\\]++|\\.)*+')*+)\)[,;]")
NUMBER = re.compile(r"-?[0-9]{1,18}")  # what an int64 holds
VALUE = re.compile(r"'((?:[^'\\]++|\\.)*+)'|([^,']++)")
ESCAPE = re.compile(r"\\(.)")

# Our column, the dump's column, and what becomes of its text.
PAGE = {"page_id": "page_id", "namespace": "page_namespace", "title": "page_title"}
NUMBERS = ("page_id", "namespace")
REDIRECT = {"page_id": "rd_from", "namespace": "rd_namespace", "title": "rd_title"}


def read_page_table(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Map: rows of `path`, each a dump of the table page, in; rows of `page` out."""
    yield from _read(batches, "page", PAGE)


def read_redirect_table(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Map: rows of `path`, each a dump of the table redirect, in; rows of `redirect` out."""
    yield from _read(batches, "redirect", REDIRECT)


def _read(
    batches: Iterator[pa.RecordBatch], name: str, wanted: dict[str, str]
) -> Iterator[pa.RecordBatch]:
    schema = TABLES[name].schema
    for batch in batches:
        for path in batch["path"].to_pylist():
            rows = _rows(Path(path), wanted)
            while batch := list(islice(rows, BATCH_ROWS)):
                yield pa.RecordBatch.from_pylist(batch, schema)


def _rows(path: Path, wanted: dict[str, str]) -> Iterator[dict]:
    """The rows of a dump, those of its columns that are wanted. Raises InputError."""
    columns: list[str] = []
    for line in _lines(path):
        if column := COLUMN.match(line):
            columns.append(column[1])
        elif insert := INSERT.match(line):
            missing = sorted(set(wanted.values()) - set(columns))
            if missing:
                raise InputError(f"{path}: no column {', '.join(missing)}; it has {columns}")
            places = {ours: columns.index(theirs) for ours, theirs in wanted.items()}
            for row in _matches(path, line.rstrip(), insert.end()):
                values = VALUE.findall(row)
                if len(values) != len(columns):
                    raise InputError(f"{path}: expected {len(columns)} values: {row[:80]!r}")
                if not all(NUMBER.fullmatch(values[places[number]][1]) for number in NUMBERS):
                    raise InputError(f"{path}: expected numbers as ids: {row[:80]!r}")
                yield _row(values, places)
    if not columns:
        raise InputError(f"{path}: expected a dump of a table in SQL, with its CREATE TABLE")


def _matches(path: Path, line: str, start: int) -> Iterator[str]:
    """The rows of an INSERT line, each without its parentheses."""
    while start < len(line):
        row = ROW.match(line, start)
        if not row:
            raise InputError(f"{path}: expected a row in parentheses: {line[start : start + 80]!r}")
        yield row[1]
        start = row.end()


def _row(values: list[tuple[str, str]], places: dict[str, int]) -> dict:
    title = ESCAPE.sub(r"\1", values[places["title"]][0]).replace("_", " ")
    return {
        "page_id": int(values[places["page_id"]][1]),
        "namespace": int(values[places["namespace"]][1]),
        "title": title,
    }


def _lines(path: Path) -> Iterator[str]:
    with path.open("rb") as raw:
        lines = TextIOWrapper(unpacked(raw), encoding="utf-8", errors="replace")
        try:
            while line := lines.readline(MAX_LINE):
                if len(line) == MAX_LINE:
                    raise InputError(f"{path}: expected lines of under {MAX_LINE} characters")
                yield line
        except (OSError, EOFError, zlib.error) as error:
            raise_if_of_the_disk(error)
            raise InputError(f"{path}: a damaged stream: {error}") from None
