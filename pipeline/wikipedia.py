"""Wikipedia's XML export, plain or bz2, to articles as plain text.

May import pipeline.wikitext, queries.schemas and nothing else of ours. The export comes from
strangers: expat is told to stop at a DOCTYPE, so no entity can be declared, and what a page, a
token or the nesting may need is bounded. Pages before a damage are kept; one row says where the
file ended early.
"""

import bz2
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from io import BufferedReader
from pathlib import Path
from xml.parsers import expat

import pyarrow as pa

from pipeline.wikitext import plain_text
from queries.errors import InputError
from queries.schemas import TABLES

__all__ = ["plain_text", "read_articles", "read_pages"]

Row = tuple[int | None, str | None, str | None, str | None]  # page_id, title, text, reason

CHUNK_BYTES = 1 << 20
MAX_TEXT = 20_000_000  # characters of a page; Wikipedia itself refuses more than 2 MB
MAX_TOKEN_BYTES = 16 << 20  # of one tag: expat keeps an unfinished one in memory
MAX_DEPTH = 32
BATCH_ROWS, BATCH_TEXT = 4_096, 8_000_000
DAMAGE = (OSError, EOFError, expat.ExpatError)
ARTICLE = TABLES["article"].schema


class Damage(expat.ExpatError):
    """XML that no export contains: a DOCTYPE, endless tokens or nesting."""


def read_pages(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Map: rows of `path` in, rows of the table `article` out, one per page of each file.

    A page that is no article has a reason and no text; a damaged file ends in one row
    `bad_stream`. Raises InputError for a file that is no export.
    """
    for batch in batches:
        for path in batch.column("path").to_pylist():
            yield from _batched(_rows(path))


def read_articles(path: str | Path) -> Iterator[pa.RecordBatch]:
    """The articles of one export: batches of page_id, title and text."""
    kept = (row for row in _rows(path) if row[3] is None)
    for batch in _batched(kept):
        yield batch.select(["page_id", "title", "text"])


def _batched(rows: Iterator[Row]) -> Iterator[pa.RecordBatch]:
    waiting: list[Row] = []
    characters = 0
    for row in rows:
        waiting.append(row)
        characters += len(row[2] or "")
        if len(waiting) >= BATCH_ROWS or characters >= BATCH_TEXT:
            yield _batch(waiting)
            waiting, characters = [], 0
    if waiting:
        yield _batch(waiting)


def _batch(rows: list[Row]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, one.type) for column, one in zip(columns, ARTICLE, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=ARTICLE)


def _rows(path: str | Path) -> Iterator[Row]:
    """One row per page, in the file's order, then one if the file is damaged."""
    with open(path, "rb") as raw:
        if not raw.peek(1):
            raise InputError(
                f"{path}: expected a MediaWiki XML export, plain or bz2; found 0 bytes"
            )
        parser = _Parser(str(path))
        try:
            for chunk in _chunks(raw):
                yield from map(_row, parser.feed(chunk))
            yield from map(_row, parser.feed(b"", last=True))
        except DAMAGE as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk's fault, not the file's
            yield from map(_row, parser.taken())
            yield None, None, None, "bad_stream"


def _chunks(raw: BufferedReader) -> Iterator[bytes]:
    """The file's bytes, decompressed if they are bz2: `read1` gives what precedes a damage."""
    read: Callable[[int], bytes] = raw.read
    if raw.peek(3).startswith(b"BZh"):
        read = bz2.BZ2File(raw).read1
    yield from iter(partial(read, CHUNK_BYTES), b"")


@dataclass
class Page:
    """A page's fields as they stand in the export; of many revisions the last."""

    title: str = ""
    ns: str = ""
    id: str = ""
    text: str | None = None
    redirect: bool = False


def _row(page: Page) -> Row:
    """The row of a page.

    >>> _row(Page("Dog", "0", "7", "A '''dog'''"))
    (7, 'Dog', 'A dog', None)
    """
    number = int(page.id) if page.id.isdecimal() and len(page.id) < 19 else None
    reason = _reason(page, number)
    if reason is None and page.text is not None:
        return number, page.title, plain_text(page.text), None
    return number, page.title or None, None, reason


def _reason(page: Page, number: int | None) -> str | None:
    if number is None or not page.title or not page.ns.lstrip("-").isdecimal():
        return "bad_page"
    if page.ns != "0":
        return "not_article"
    if page.redirect:
        return "redirect"
    if not page.text or page.text.isspace():
        return "bad_page"
    return "redirect" if page.text.lstrip()[:9].lower() == "#redirect" else None


@dataclass
class _Parser:
    """Feeds bytes to expat and collects pages: the path of open tags tells what text belongs to."""

    path: str
    pages: list[Page] = field(default_factory=list)
    page: Page | None = None
    open_tags: list[str] = field(default_factory=list)
    pieces: list[str] | None = None  # of the field that is being read
    length: int = 0
    fed: int = 0
    seen_root: bool = False

    def __post_init__(self) -> None:
        self.expat = expat.ParserCreate()
        self.expat.buffer_text = True
        self.expat.buffer_size = 1 << 18
        self.expat.StartDoctypeDeclHandler = self.refuse
        self.expat.StartElementHandler = self.start
        self.expat.EndElementHandler = self.end
        self.expat.CharacterDataHandler = self.characters

    def feed(self, chunk: bytes, last: bool = False) -> list[Page]:
        """The pages that end in this chunk."""
        if not self.fed and not chunk.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n").startswith(b"<"):
            raise self.not_an_export(f"bytes {chunk[:16]!r}")
        self.fed += len(chunk)
        self.expat.Parse(chunk, last)
        if self.fed - self.expat.CurrentByteIndex > MAX_TOKEN_BYTES:
            raise Damage("a tag without an end")
        return self.taken()

    def taken(self) -> list[Page]:
        pages, self.pages = self.pages, []
        return pages

    def not_an_export(self, found: str) -> InputError:
        return InputError(
            f"{self.path}: expected a MediaWiki XML export, plain or bz2; found {found}"
        )

    def refuse(self, *_: object) -> None:
        raise Damage("a DOCTYPE")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self.seen_root and tag != "mediawiki":
            raise self.not_an_export(f"XML with the root <{tag[:40]}>")
        self.seen_root = True
        self.open_tags.append(tag)
        if len(self.open_tags) > MAX_DEPTH:
            raise Damage("tags nested deeper than any export's")
        if self.open_tags[1:] == ["page"]:
            self.page = Page()
        elif tag == "redirect" and self.page:
            self.page.redirect = True
        if self.field_of():
            self.pieces, self.length = [], 0

    def characters(self, text: str) -> None:
        if self.pieces is not None:
            self.length += len(text)
            if self.length <= MAX_TEXT:
                self.pieces.append(text)

    def end(self, tag: str) -> None:
        if self.page and self.pieces is not None and (name := self.field_of()):
            whole = "".join(self.pieces) if self.length <= MAX_TEXT else ""
            setattr(self.page, name, whole)
            self.pieces = None
        if self.page and self.open_tags[1:] == ["page"]:
            self.pages.append(self.page)
            self.page = None
        self.open_tags.pop()

    def field_of(self) -> str:
        """The field of a page that the innermost open tag holds, or nothing.

        A revision and its author have an id, too; only the tags' path tells them apart.
        """
        match self.open_tags[1:]:
            case ["page", ("title" | "ns" | "id") as name]:
                return name
            case ["page", "revision", "text"]:
                return "text"
        return ""
