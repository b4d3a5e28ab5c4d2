"""Wikipedia's XML export to rows: the whole file, or any piece of it alone.

The export comes from strangers: expat is told to stop at a DOCTYPE, so no entity can be declared,
and what a page, a token or the nesting may need is bounded.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat

from pipeline.web.reading import raise_if_of_the_disk
from pipeline.wikipedia.markup import plain_text
from pipeline.wikipedia.plain_files import BAD_STREAM, Row
from pipeline.wikipedia.streams import Dump
from queries.tables.errors import InputError

MAX_TEXT = 4_000_000  # characters of a page; Wikipedia itself refuses more than 2 MB
MAX_TOKEN_BYTES = 16 << 20  # of one tag: expat keeps an unfinished one in memory
MAX_DEPTH = 32
DAMAGE = (OSError, EOFError, expat.ExpatError)

ROOT, ROOT_END = b"<mediawiki>", b"</mediawiki>"


# A page's fields and their depth: a revision and its author have an id, too, but further inside.
FIELDS = {"title": 3, "ns": 3, "id": 3, "text": 4}


class Damage(expat.ExpatError):
    """XML that no export contains: a DOCTYPE, endless tokens or nesting."""


class NotAnExportError(InputError):
    """A file that begins as no export does: told before any row."""


# --- bytes to rows --------------------------------------------------------------------------


def cuts(path: str | Path, target_bytes: int) -> list[int]:
    """The bytes before which the file can be cut, about `target_bytes` apart, in order."""
    with open(path, "rb") as file:
        return Dump(file).cuts(target_bytes)


def read_rows(path: str | Path, start: int = 0, stop: int | None = None) -> Iterator[Row]:
    """One row per page of the piece, in the file's order, and one for each damage.

    Without a damage, the pieces between the cuts give the rows of the whole file. Pages before a
    damage are kept; what follows is read from the next stream that begins with a page. Raises
    NotAnExportError, an InputError, for a file that is none.
    """
    with open(path, "rb") as file:
        dump = Dump(file)
        stop = dump.size if stop is None else stop
        at: int | None = start
        while at is not None:
            parser = _Parser(str(path))
            try:
                for chunk in _document(dump.chunks(at, stop), at > 0, stop < dump.size):
                    yield from map(_row, parser.feed(chunk))
                yield from map(_row, parser.feed(b"", last=True))
                return
            except DAMAGE as error:
                raise_if_of_the_disk(error)
                yield from map(_row, parser.taken())
                yield BAD_STREAM
                at = dump.after_damage(stop)


def _document(chunks: Iterable[bytes], headless: bool, endless: bool) -> Iterator[bytes]:
    """The chunks with the root's tags, where the piece lacks them.

    >>> b"".join(_document([b"<page/>"], headless=True, endless=True))
    b'<mediawiki><page/></mediawiki>'
    """
    if headless:
        yield ROOT
    yield from chunks
    if endless:
        yield ROOT_END


# --- pages ----------------------------------------------------------------------------------


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


class _Parser:
    """Feeds bytes to expat and collects pages: a tag's name and depth tell what text belongs to."""

    def __init__(self, path: str):
        self.path = path
        self.pages: list[Page] = []
        self.page: Page | None = None
        self.pieces: list[str] | None = None  # of the field that is being read
        self.length = self.depth = self.fed = 0
        # In UTF-8, whatever the file's first line says: a later piece of it does not see that.
        self.expat = expat.ParserCreate("UTF-8")
        self.expat.buffer_text = True
        self.expat.buffer_size = 1 << 18
        self.expat.StartDoctypeDeclHandler = self.refuse
        self.expat.StartElementHandler = self.start
        self.expat.EndElementHandler = self.end
        self.expat.CharacterDataHandler = self.characters

    def feed(self, chunk: bytes, last: bool = False) -> list[Page]:
        """The pages that end in this chunk."""
        if not self.fed and not chunk.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            raise self.not_an_export(f"bytes {chunk[:16]!r}" if chunk else "0 bytes")
        self.fed += len(chunk)
        self.expat.Parse(chunk, last)
        if self.fed - self.expat.CurrentByteIndex > MAX_TOKEN_BYTES:
            raise Damage("a tag without an end")
        return self.taken()

    def taken(self) -> list[Page]:
        pages, self.pages = self.pages, []
        return pages

    def not_an_export(self, beginning: str) -> NotAnExportError:
        return NotAnExportError(
            f"{self.path}: expected a MediaWiki XML export, plain or bz2, a Cirrus dump, JSON"
            f" lines or Parquet; found {beginning}"
        )

    def refuse(self, *_: object) -> None:
        raise Damage("a DOCTYPE")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth == 1 and tag != "mediawiki":
            raise self.not_an_export(f"XML with the root <{tag[:40]}>")
        if self.depth == 2 and tag == "page":
            self.page = Page()
        elif self.page and FIELDS.get(tag) == self.depth:
            self.pieces, self.length = [], 0
        elif self.page and tag == "redirect":
            self.page.redirect = True
        elif self.depth > MAX_DEPTH:
            raise Damage("tags nested deeper than any export's")

    def characters(self, text: str) -> None:
        if self.pieces is not None:
            self.length += len(text)
            if self.length <= MAX_TEXT:
                self.pieces.append(text)

    def end(self, tag: str) -> None:
        if self.page and self.pieces is not None and FIELDS.get(tag) == self.depth:
            whole = "".join(self.pieces) if self.length <= MAX_TEXT else ""
            setattr(self.page, tag, whole)
            self.pieces = None
        elif self.page and self.depth == 2:
            self.pages.append(self.page)
            self.page = None
        self.depth -= 1
