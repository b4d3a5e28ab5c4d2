"""Wikipedia's XML export to rows: the whole file, or any piece of it alone.

A damage costs the page that it stands in: reading goes on at the next one.
"""

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from pipeline.web.reading import raise_if_of_the_disk
from pipeline.wikipedia.markup import plain_text
from pipeline.wikipedia.namespaces import all_names
from pipeline.wikipedia.pages import PAGE, ROOT_END, NotAnExportError, Page, Parser
from pipeline.wikipedia.plain_files import BAD_STREAM, Row
from pipeline.wikipedia.site import Site
from pipeline.wikipedia.streams import Dump

__all__ = ["NotAnExportError", "cuts", "read_rows"]

DAMAGE = (OSError, EOFError, zlib.error)
HEAD_BYTES = 4 << 20  # in which a wiki tells its names; 10 kB are usual
# What is parsed at once. After a damage little, for the next may be near; then twice as much each
# time.
FIRST_BYTES, MOST_BYTES = 1 << 10, 1 << 20
AN_EXPORT = re.compile(rb"[\xef\xbb\xbf\s]{0,64}<(?:\?xml|mediawiki)[\s>]")
LONGEST_BEGINNING = 80
UNCLOSED_TOKEN = 5  # expat's number

# Of a page's model and format; other pages hold data or programs.
_REDIRECT_END = re.compile(r"\[\[|:|\n")
WIKITEXT = ("", "wikitext", "text", "text/x-wiki", "text/plain")


# --- bytes to rows --------------------------------------------------------------------------


def cuts(path: str | Path, target_bytes: int) -> list[int]:
    """The bytes before which the file can be cut, about `target_bytes` apart, in order."""
    with open(path, "rb") as file:
        return Dump(file).cuts(target_bytes)


def read_rows(path: str | Path, start: int = 0, stop: int | None = None) -> Iterator[Row]:
    """One row per page of the piece, in the file's order, and one for each damage.

    Without a damage, the pieces between the cuts give the rows of the whole file; each takes the
    names of namespaces from the file's head. After a damage the next page is read, after one of
    bz2 or gzip that of the next stream. Raises NotAnExportError, an InputError, for a file that is
    none.
    """
    with open(path, "rb") as file:
        dump = Dump(file)
        stop = dump.size if stop is None else stop
        end = ROOT_END if stop < dump.size else b""
        parser = Parser(str(path), _site(str(path), dump) if start else None, inside=start > 0)
        pieces = _Pieces(dump.chunks(start, stop))
        stopped: Parser | None = None  # by a damage, behind which reading has not gone on yet
        while True:
            try:
                if stopped:
                    if stopped.is_at_end and pieces.begin_an_export():
                        parser = Parser(str(path))
                    else:
                        yield BAD_STREAM
                        if not pieces.skip_to_page():
                            return
                        parser = Parser(str(path), stopped.site, inside=True)
                    stopped = None
                for piece in pieces:
                    yield from _rows(parser, parser.feed(piece))
                yield from _rows(parser, parser.feed(end, last=True))
                return
            except expat.ExpatError as error:
                parser.check_is_export()
                yield from _rows(parser, parser.taken())
                stopped = parser
                if error.code != UNCLOSED_TOKEN:  # which is all that is left of the file
                    pieces.go_back(parser.rest())
            except DAMAGE as error:
                raise_if_of_the_disk(error)
                yield from _rows(parser, parser.taken())
                stopped = parser
                at = dump.after_damage(stop)
                pieces = _Pieces(dump.chunks(at, stop) if at is not None else iter(()))


def _site(path: str, dump: Dump) -> Site:
    """The wiki, by the head of its export."""
    parser = Parser(path)
    n_bytes = 0
    try:
        for piece in dump.chunks(0, dump.size):
            n_bytes += len(piece)
            if parser.feed(piece) or parser.page or n_bytes > HEAD_BYTES:
                break
    except (*DAMAGE, expat.ExpatError, NotAnExportError) as error:
        raise_if_of_the_disk(error)
    return parser.site


class _Pieces:
    """Chunks of XML as pieces to parse, with a way back into the last of them."""

    def __init__(self, chunks: Iterator[bytes]):
        self.chunks = chunks
        self.chunk, self.at, self.size = b"", 0, MOST_BYTES

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self.at >= len(self.chunk):
            self.chunk, self.at = next(self.chunks), 0
        piece = self.chunk[self.at : self.at + self.size]
        self.at += len(piece)
        self.size = min(2 * self.size, MOST_BYTES)
        return piece

    def go_back(self, rest: bytes) -> None:
        """Give these bytes again, the last of those that were given."""
        if len(rest) <= self.at:
            self.at -= len(rest)
        else:
            self.chunk, self.at = rest + self.chunk[self.at :], 0

    def begin_an_export(self) -> bool:
        """Whether an export begins here."""
        self.size = FIRST_BYTES
        while len(self.chunk) - self.at < LONGEST_BEGINNING:
            chunk = next(self.chunks, b"")
            if not chunk:
                break
            self.chunk, self.at = self.chunk[self.at :] + chunk, 0
        return bool(AN_EXPORT.match(self.chunk, self.at))

    def skip_to_page(self) -> bool:
        """Go on at the next page; false if there is none."""
        self.size = FIRST_BYTES
        while (at := self.chunk.find(PAGE, self.at)) < 0:
            chunk = next(self.chunks, None)
            if chunk is None:
                return False
            unread = self.chunk[self.at :]
            self.chunk, self.at = unread[-len(PAGE) + 1 :] + chunk, 0
        self.at = at
        return True


# --- pages ----------------------------------------------------------------------------------


def _rows(parser: Parser, pages: list[Page]) -> Iterator[Row]:
    return (_row(page, parser.site) for page in pages)


def _row(page: Page, site: Site) -> Row:
    """The row of a page.

    >>> _row(Page("Dog", "0", "7", text="A '''dog'''"), Parser("").site)
    (7, 'Dog', 'A dog', None)
    """
    number = int(page.id) if page.id.isdecimal() and len(page.id) < 19 else None
    reason = _reason(page, number)
    if reason is None and page.text is not None:
        return number, page.title, plain_text(page.text, site), None
    return number, page.title or None, None, reason


def _reason(page: Page, number: int | None) -> str | None:
    if number is None or not page.title or not page.ns.lstrip("-").isdecimal():
        return "bad_page"
    if page.ns != "0":
        return "not_article"
    if page.redirect:
        return "redirect"
    if page.model.lower() not in WIKITEXT or page.format.lower() not in WIKITEXT:
        return "not_wikitext"
    if not page.text or page.text.isspace():
        return "bad_page"
    return "redirect" if _is_redirect(page.text) else None


def _is_redirect(text: str) -> bool:
    """Whether a page begins with the word of a redirect, in any language.

    >>> [_is_redirect(text) for text in ("#WEITERLEITUNG [[Hund]]", "#redirect: [[a]]", "# Ahead")]
    [True, True, False]
    """
    head = text.lstrip()[:100]
    if head[:1] not in ("#", "＃"):
        return False
    word = _REDIRECT_END.split(head[1:], maxsplit=1)[0].strip().replace("_", " ").lower()
    return word in all_names().redirect or word.split(" ")[0] == "redirect"
