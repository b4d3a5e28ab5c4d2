"""Pictures with text from crawled pages: WARC, ARC, WACZ and WAT files.

From each HTML page: `img` and `amp-img` (address.py lists the attributes, also of `picture`) with
alt, title and the caption of the `figure`, and what OpenGraph, Twitter's cards and JSON-LD say of
pictures; from a WAT record as much of that as it holds. A picture without a text is no pair and
gives no row. Each answer of a server that gives no pair, and each damaged place, gives a row with
its reason, and the rest of the file is read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

from pipeline.settings.sources import CommonCrawlSource
from pipeline.settings.values import is_remote
from pipeline.sources.candidate import Raw, SourceError
from pipeline.sources.charsets import in_utf_8
from pipeline.sources.crawl.answer import Page
from pipeline.sources.crawl.bodies import MOST_PAGE_BYTES
from pipeline.sources.crawl.files import files, opened
from pipeline.sources.crawl.page import pictures, trapped
from pipeline.sources.crawl.records import File
from pipeline.sources.crawl.wacz import ZIP, archives
from pipeline.sources.crawl.warc import Fault, NoCrawlError, head_of, pages, start_of
from pipeline.sources.crawl.wat import is_of_a_page, is_of_an_answer, wat_pictures
from pipeline.sources.interface import PlannedPart, Planning
from pipeline.sources.place import identity
from pipeline.sources.ranged import is_web


def check(source: CommonCrawlSource) -> None:
    """Raise SourceError unless every list can be read, and every local file starts as a crawl."""
    for path in files(source):
        if not is_remote(path):
            with open(path, "rb") as file, _refused(source, path):
                _crawls(file)


def parts(source: CommonCrawlSource, planning: Planning) -> Iterator[PlannedPart]:
    """A part for each file.

    A crawl does not change what it has published on the web. So a web file's address is its
    identity, and a part that is done is never requested again.
    """
    for path in files(source):
        version = path if is_web(path) else identity(path, planning)
        yield path.rpartition("/")[2], (version,), {"path": [path]}


def read(row: dict, source: CommonCrawlSource) -> Iterator[Raw]:
    """The raw rows of a file, page after page; a damaged place gives a row and is skipped.

    Each answer of a server gives a row at least: the pictures of its page, or a reason. Raises
    SourceError for a remote file that cannot be read, such as a deleted one, and for no crawl.
    """
    path, is_empty = row["path"], True
    with opened(source, path) as file, _refused(source, path):
        for page in chain.from_iterable(map(pages, _crawls(file))):
            is_empty = False
            yield from rows(page)
    if is_empty:
        yield Raw(reason="bad_stream", extra={"fault": "it has no answer of a server"})


@contextmanager
def _refused(source: CommonCrawlSource, path: str) -> Iterator[None]:
    """One line for a file that is no crawl."""
    try:
        yield
    except NoCrawlError as error:
        kinds = "expected a WARC, WAT, ARC or WACZ file"
        raise SourceError(f"source {source.name}: {path}: {kinds}: {error}") from None


def _crawls(file: File) -> list[File]:
    """The crawls in a file: itself, or those that a WACZ file packs. Raises NoCrawlError."""
    head = head_of(file)
    if head.startswith(ZIP):
        return archives(file)
    start_of(head)
    return [file]


def rows(page: Page | Fault) -> Iterator[Raw]:
    """The rows of a page's pictures, or one with the reason why there are none."""
    if isinstance(page, Fault):
        yield Raw(page_url=page.url, reason=page.reason, extra={"fault": page.about})
        return
    row = None
    for row in _pictures(page):
        yield row
    if page.is_cut:
        yield trapped(page.url, f"longer than {MOST_PAGE_BYTES} bytes")
    elif row is None and page.is_short:
        yield trapped(page.url, "its packed body is cut off, or damaged")
    elif row is None and (page.is_html or is_of_an_answer(page.body)):
        is_page = page.is_html or is_of_a_page(page.body)
        yield Raw(page_url=page.url, reason="no_picture" if is_page else "not_a_page")


def _pictures(page: Page) -> Iterator[Raw]:
    if page.is_html:
        html, guess = in_utf_8(page.body, page.charset, page.language, page.url)
        yield from pictures(html, page.url, page.language, guess, page.heard)
    elif not page.is_cut:
        try:
            yield from wat_pictures(page.body, page.url)
        except ValueError:
            yield trapped(page.url, "metadata that are no JSON")
