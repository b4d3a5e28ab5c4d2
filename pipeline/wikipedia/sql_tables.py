"""A wiki's own tables from its SQL dumps: which pages there are, and where redirects point.

Reads `…-page.sql.gz` and `…-redirect.sql.gz` as MediaWiki publishes them, and dumps that a person
made of a wiki's database.
"""

import re
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.web.reading import raise_if_of_the_disk, unpacked
from pipeline.wikipedia.sql_dump import Values, Wanted, read_rows, text_of
from queries.tables.errors import InputError
from queries.tables.schemas import TABLES

BATCH_ROWS = 65_536
CHUNK_CHARACTERS = 1 << 20
NUMBER = re.compile(r"-?[0-9]{1,18}")  # what an int64 holds

PAGE = Wanted("page", ("page_id", "page_namespace", "page_title"))
REDIRECT = Wanted("redirect", ("rd_from", "rd_namespace", "rd_title"), ("rd_interwiki",))

Row = tuple[Any, ...]


def read_page_table(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Map: rows of `path`, each a dump of the table page, in; rows of `page` out."""
    yield from _read(batches, PAGE, _page)


def read_redirect_table(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Map: rows of `path`, each a dump of the table redirect, in; rows of `redirect` out."""
    yield from _read(batches, REDIRECT, _redirect)


def _read(
    batches: Iterator[pa.RecordBatch], wanted: Wanted, row_of: Callable[[Values], Row]
) -> Iterator[pa.RecordBatch]:
    schema = TABLES[wanted.table].schema
    for batch in batches:
        for path in map(Path, batch["path"].to_pylist()):
            rows = read_rows(path, _chunks(path), wanted, row_of)
            while some := list(islice(rows, BATCH_ROWS)):
                columns = zip(*some, strict=True)
                arrays = [
                    pa.array(column, field.type)
                    for column, field in zip(columns, schema, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _page(values: Values) -> Row:
    """(page_id, namespace, title).

    >>> _page(("12", "0", "'Dog_(animal)'"))
    (12, 0, 'Dog (animal)')
    """
    page_id, namespace, title = values
    return _number(page_id), _number(namespace), _title(title)


def _redirect(values: Values) -> Row:
    """(page_id, namespace, title, interwiki): the last is the prefix of another wiki.

    >>> _redirect(("12", "0", "'Dog'", "''")), _redirect(("13", "0", "'User:A'", "'es'"))
    ((12, 0, 'Dog', None), (13, 0, 'User:A', 'es'))
    """
    interwiki = text_of(values[3]) if values[3] else None
    return *_page(values[:3]), interwiki or None


def _number(value: str | None) -> int:
    number = (value or "").strip("'\"")
    if not NUMBER.fullmatch(number):
        raise ValueError(f"expected a whole number as id and namespace; found {number[:60]!r}")
    return int(number)


def _title(value: str | None) -> str:
    title = text_of(value or "NULL")
    if title is None:
        raise ValueError("expected a title; found NULL")
    return title.replace("_", " ")


def _chunks(path: Path) -> Iterator[str]:
    with path.open("rb") as raw:
        text = TextIOWrapper(unpacked(raw), encoding="utf-8", errors="replace", newline="")
        try:
            yield from iter(partial(text.read, CHUNK_CHARACTERS), "")
        except (OSError, EOFError, zlib.error) as error:
            raise_if_of_the_disk(error)
            raise InputError(f"{path}: a damaged stream: {error}") from None
