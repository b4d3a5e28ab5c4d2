"""Pages of an XML export, from bytes that may come from anybody.

expat is told to stop at a DOCTYPE, so no entity can be declared, and what a page, a token or the
nesting may need is bounded.
"""

from collections import deque
from dataclasses import dataclass
from xml.parsers import expat

from pipeline.wikipedia.site import Site, site_of
from queries.tables.errors import InputError

MAX_TEXT = 4_000_000  # characters of a page; Wikipedia itself refuses more than 2 MB
MAX_TOKEN_BYTES = 16 << 20  # of one tag: expat keeps an unfinished one in memory
MAX_DEPTH = 32
PAGE = b"<page>"  # within a text it is written &lt;page>
# What may hold anything, a page, too, if its end is lost.
UNCLOSED = {b"<!--": b"-->", b"<?": b"?>"}
SHORTEST_UNCLOSED = len(b"<?<page>")
ROOT, ROOT_END = b"<mediawiki>", b"</mediawiki>"
SILENT = ("-2", "6", "14")  # media, files, categories: links to them show no words

# A page's fields and their depth: a revision and its author have an id, too, but further inside.
FIELDS = {"title": 3, "ns": 3, "id": 3, "model": 4, "format": 4, "text": 4}
NAMESPACE_DEPTH = 4  # mediawiki, siteinfo, namespaces, namespace


class Damage(expat.ExpatError):
    """XML that no export contains: a DOCTYPE, a page in a page, endless tokens or nesting."""

    code = 0  # none of expat's


class NotAnExportError(InputError):
    """A file that begins as no export does: told before any row."""


@dataclass
class Page:
    """A page's fields as they stand in the export; of many revisions the last."""

    title: str = ""
    ns: str = ""
    id: str = ""
    model: str = ""
    format: str = ""
    text: str | None = None
    redirect: bool = False


class Parser:
    """Feeds bytes to expat and collects pages: a tag's name and depth tell what text belongs to.

    `site` is given where the bytes begin inside an export, behind what it says of its wiki.
    """

    def __init__(self, path: str, site: Site | None = None, inside: bool = False):
        self.path = path
        self.inside = inside
        self.language = ""
        self.silent: set[str] = set()  # names that the export gives to SILENT
        self.known_site = site
        self.pages: list[Page] = []
        self.page: Page | None = None
        self.namespace = ""  # number of the one whose name is being read
        self.pieces: list[str] | None = None  # of the field that is being read
        self.length = self.depth = self.fed = 0
        self.rooted = False
        self.beginning = b""
        self.unread: deque[bytes] = deque()  # slices that expat may not have come to the end of
        self.damaged_at: int | None = None
        self.cdata_at: int | None = None  # where the CDATA section begins that is being read
        # In UTF-8, whatever the file's first line says: a later piece of it does not see that.
        self.expat = expat.ParserCreate("UTF-8")
        self.expat.buffer_text = True
        self.expat.buffer_size = 1 << 18
        self.expat.StartDoctypeDeclHandler = self.doctype
        self.expat.StartElementHandler = self.start
        self.expat.EndElementHandler = self.end
        self.expat.CharacterDataHandler = self.characters
        self.expat.StartCdataSectionHandler = self.start_cdata
        self.expat.EndCdataSectionHandler = self.end_cdata
        if inside:
            self.feed(ROOT)

    @property
    def site(self) -> Site:
        """The wiki, by what the export has said of itself so far."""
        if self.known_site is None:
            self.known_site = site_of(self.language, frozenset(self.silent))
        return self.known_site

    # --- bytes in, pages out ---

    def feed(self, piece: bytes, last: bool = False) -> list[Page]:
        """The pages that end in this piece."""
        self.beginning = self.beginning or piece[:4096]
        if not self.fed and not piece.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            raise self.not_an_export(f"bytes {piece[:16]!r}" if piece else "0 bytes")
        self.fed += len(piece)
        self.unread.append(piece)
        self.expat.Parse(piece, last)
        unread = self.fed - self.expat.CurrentByteIndex
        if unread > MAX_TOKEN_BYTES:
            self.unread.clear()  # what follows is read from here on
            raise Damage("a tag without an end")
        if unread > SHORTEST_UNCLOSED:
            self.check_is_closed(b"".join(self.unread)[-unread:])
        length = sum(map(len, self.unread))
        while self.unread and length - len(self.unread[0]) >= unread:
            length -= len(self.unread.popleft())
        return self.taken()

    def check_is_closed(self, unread: bytes) -> None:
        """Raise Damage for a comment or the like that has a page in it and no end yet."""
        for opening, end in UNCLOSED.items():
            if unread.startswith(opening) and PAGE in unread and end not in unread:
                raise self.damage(f"{opening.decode()} without an end")

    def taken(self) -> list[Page]:
        pages, self.pages = self.pages, []
        return pages

    def rest(self) -> bytes:
        """After a damage: the bytes from it on, of those that were fed."""
        at = self.expat.ErrorByteIndex if self.damaged_at is None else self.damaged_at
        unread = b"".join(self.unread)
        return unread[max(0, len(unread) - (self.fed - at)) :] if at >= 0 else b""

    @property
    def is_at_end(self) -> bool:
        """Whether the export's last tag was read."""
        return self.rooted and self.depth == 0

    def check_is_export(self) -> None:
        """After a damage: raise NotAnExportError if nothing yet was like an export."""
        if not self.rooted and b"<mediawiki" not in self.beginning:
            raise self.not_an_export(f"bytes {self.beginning[:40]!r}")

    def not_an_export(self, beginning: str) -> NotAnExportError:
        return NotAnExportError(
            f"{self.path}: expected a MediaWiki XML export (plain, bz2, gzip or zstd), a Cirrus"
            f" dump, JSON lines or Parquet; found {beginning}"
        )

    # --- what expat calls ---

    def damage(self, what: str) -> Damage:
        self.damaged_at = self.expat.CurrentByteIndex
        return Damage(what)

    def doctype(self, name: str, *_: object) -> None:
        if self.inside or self.rooted:
            raise self.damage("a DOCTYPE")
        raise self.not_an_export(f"<!DOCTYPE {name[:40]}>")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth == 1:
            if tag != "mediawiki":
                raise self.not_an_export(f"XML with the root <{tag[:40]}>")
            self.rooted = True
            self.language = attributes.get("xml:lang", "").lower()
        elif tag == "page":
            if self.depth > 2:
                raise self.damage("a page in a page")
            self.page = Page()
        elif self.page and FIELDS.get(tag) == self.depth:
            self.pieces, self.length = [], 0
        elif self.page and tag == "redirect":
            self.page.redirect = True
        elif tag == "namespace" and self.depth == NAMESPACE_DEPTH and not self.page:
            self.namespace = attributes.get("key", "")
            self.pieces, self.length = [], 0
        elif self.depth > MAX_DEPTH:
            raise self.damage("tags nested deeper than any export's")

    def start_cdata(self) -> None:
        self.cdata_at = self.expat.CurrentByteIndex
        self.expat.buffer_text = False  # or a page inside would be seen too late to go back to it

    def end_cdata(self) -> None:
        self.cdata_at = None
        self.expat.buffer_text = True

    def characters(self, text: str) -> None:
        if self.cdata_at is not None and PAGE.decode() in text:
            self.damaged_at = self.cdata_at
            raise Damage("CDATA without an end")
        if self.pieces is not None:
            self.length += len(text)
            if self.length <= MAX_TEXT:
                self.pieces.append(text)

    def end(self, tag: str) -> None:
        if self.pieces is not None and self.page and FIELDS.get(tag) == self.depth:
            setattr(self.page, tag, self.read())
        elif self.pieces is not None and not self.page and self.depth == NAMESPACE_DEPTH:
            name = self.read()
            if self.namespace in SILENT and name:
                self.silent.add(name)
        elif self.page and self.depth == 2:
            self.pages.append(self.page)
            self.page = None
        self.depth -= 1

    def read(self) -> str:
        """The text of the field that ends here; empty if it is longer than any page's."""
        whole = "".join(self.pieces or ()) if self.length <= MAX_TEXT else ""
        self.pieces = None
        return whole
