"""Pictures with text from crawled pages: WARC and WAT files, as Common Crawl publishes them.

From each HTML page: `img` (src, data-src and the largest of srcset, also of its `picture`) with its
alt and title and the caption of its `figure`, and the OpenGraph picture with its title; from a WAT
record as much of that as it holds. A picture without a text is no pair and gives no row. A damaged
place gives a row with its reason, and the rest of the file is read.
"""

from collections.abc import Iterator

from pipeline.settings.sources import CommonCrawlSource
from pipeline.settings.values import is_remote
from pipeline.sources.candidate import Raw, SourceError
from pipeline.sources.crawl.files import files, is_web, opened
from pipeline.sources.crawl.page import decoded, pictures, trapped
from pipeline.sources.crawl.warc import HEAD_BYTES, MOST_PAGE_BYTES, Fault, Page, pages, start_of
from pipeline.sources.crawl.wat import wat_pictures
from pipeline.sources.interface import PlannedPart, Planning
from pipeline.sources.place import identity


def check(source: CommonCrawlSource) -> None:
    """Raise SourceError unless every list can be read, and every local file starts as a crawl."""
    for path in files(source):
        if is_remote(path):
            continue
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
        if not start_of(head):
            raise SourceError(
                f"source {source.name}: {path}: expected a WARC file, got {head[:5]!r}"
            )


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

    Raises SourceError for a remote file that cannot be read, such as a deleted one.
    """
    with opened(source, row["path"]) as file:
        for page in pages(file):
            if isinstance(page, Fault):
                yield Raw(reason=page.reason, extra={"fault": page.about})
            else:
                yield from _pictures(page)


def _pictures(page: Page) -> Iterator[Raw]:
    if page.is_html:
        yield from pictures(decoded(page.body, page.charset), page.url, page.language)
    if page.is_cut:
        yield trapped(page.url, f"longer than {MOST_PAGE_BYTES} bytes")
    elif not page.is_html:
        try:
            yield from wat_pictures(page.body, page.url)
        except ValueError:
            yield trapped(page.url, "metadata that are no JSON")
