"""Page views of article titles, from Wikimedia's files or a small table.

Views are partial, as in pipeline.query_list.ngrams: a title may come once per flush, and
title_view.sql adds up.
"""

import re
import zlib
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from io import BufferedReader
from itertools import chain, islice

import pyarrow as pa

from pipeline.web.reading import raise_if_of_the_disk, unpacked
from queries.tables.errors import InputError
from queries.tables.schemas import TABLES

TITLE_VIEW = TABLES["title_view_part"].schema
HEADER = b"title\tviews"
SNIFFED_LINES = 1_000  # of which at least one must be of a known kind
MAX_LINE_BYTES, BUFFER_BYTES = 1 << 16, 1 << 20
FLUSH_TITLES = 1_000_000  # 200 MB; a month of English Wikipedia has ten times as many

# No names of things: lists, navigation, and pages outside the namespace of articles.
_NO_NAME = re.compile(r"(?:Lists? of|Index of|Outline of|Timeline of) |Main Page$|-$|$")
_NAMESPACE = re.compile(
    r"(?:Media|Special|WP|Project|Image"
    r"|(?:User|Wikipedia|File|MediaWiki|Template|Help|Category|Portal|Draft|TimedText|Module|Book"
    r"|Education Program|Gadget|Gadget definition|MOS)(?: talk)?|(?:Project |Image )?Talk) ?:",
    re.IGNORECASE,
)

# What is counted (the title, and after a space the page id where there is one), views, and
# whether they came from a mobile site or app.
Line = tuple[bytes, int, bool]
Views = Iterator[Line | None]  # None for a malformed line


def read_views(batches: Iterator[pa.RecordBatch], wiki: str = "en") -> Iterator[pa.RecordBatch]:
    """Map: rows of `path` in, rows of `title_view_part` out.

    Three kinds of file, told apart by content, plain, gzip or bz2: a table with the header
    `title<TAB>views`; hourly lines `en.m Some_title 12 0`; monthly lines
    `en.wikipedia Some_title 123 mobile-web 45 A1B2`. Other wikis' lines are passed over, and so
    are malformed ones, which a file of millions of lines always has. Raises InputError for a
    file that is of no such kind, or damaged.
    """
    for batch in batches:
        for path in batch.column("path").to_pylist():
            with open(path, "rb") as raw:
                yield from _summed(_sniffed(path, _lines(path, raw)), wiki)


def _lines(path: str, raw: BufferedReader) -> Iterator[bytes]:
    """The file's lines, decompressed; a longer one than any title's comes in pieces."""
    file = BufferedReader(unpacked(raw), BUFFER_BYTES)  # finds lines in half the time
    try:
        yield from iter(partial(file.readline, MAX_LINE_BYTES), b"")
    except (OSError, EOFError, zlib.error) as error:
        raise_if_of_the_disk(error)
        raise InputError(f"{path}: expected page views; found a damaged stream: {error}") from None


def _sniffed(path: str, lines: Iterator[bytes]) -> Iterator[bytes]:
    """The same lines, if one of the first is of a known kind."""
    first = list(islice(lines, SNIFFED_LINES))
    if not any(_is_header(line) or _hourly(line) or _monthly(line) for line in first):
        raise InputError(
            f"{path}: expected page views (a table with the header title<TAB>views, hourly or "
            f"monthly lines); found {(first or [b''])[0][:60]!r}"
        )
    return chain(first, lines)


def _is_header(line: bytes) -> bool:
    return line.rstrip(b"\r\n") == HEADER


def _summed(lines: Iterator[bytes], wiki: str) -> Iterator[pa.RecordBatch]:
    """Views summed by title, in the order of titles: a batch for each FLUSH_TITLES titles."""
    views: defaultdict[bytes, int] = defaultdict(int)
    mobile: defaultdict[bytes, int] = defaultdict(int)
    for view in views_of_lines(lines, wiki):
        if view is not None:
            counted, n, is_mobile = view
            views[counted] += n
            if is_mobile:
                mobile[counted] += n
            if len(views) >= FLUSH_TITLES:
                yield _batch(views, mobile)
                views.clear()
                mobile.clear()
    yield _batch(views, mobile)


def views_of_lines(lines: Iterator[bytes], wiki: str) -> Views:
    """The view counts of the wiki's lines; None for each malformed line.

    >>> list(views_of_lines(iter([b"en.m A_b 2 0", b"de C 1 0", b"en D x 0"]), "en"))
    [(b'A_b', 2, True), None]
    """
    first = next(lines, b"")
    if _is_header(first):
        yield from map(_row, lines)
        return
    domains = {f"{wiki}{end}".encode() for end in ("", ".m", ".wikipedia")}
    prefix = f"{wiki}".encode()
    for line in chain([first], lines):
        if line.startswith(prefix) and line.partition(b" ")[0] in domains:
            yield _hourly(line) or _monthly(line)


def _row(line: bytes) -> Line | None:
    title, tab, views = line.rstrip(b"\r\n").partition(b"\t")
    return (title.replace(b" ", b"_"), int(views), False) if tab and _is_count(views) else None


def _hourly(line: bytes) -> Line | None:
    """`domain title count 0`."""
    match line.split():
        case [domain, title, count, bytes_] if _is_count(count) and _is_count(bytes_):
            return title, int(count), domain.endswith(b".m")
    return None


def _monthly(line: bytes) -> Line | None:
    """`wiki title page_id access total hourly`."""
    match line.split():
        case [_, title, b"null", access, total, _] if _is_count(total):
            return title, int(total), access.startswith(b"mobile")
        case [_, title, page, access, total, _] if _is_count(total) and _is_count(page):
            return title + b" " + page, int(total), access.startswith(b"mobile")
    return None


def _is_count(text: bytes) -> bool:
    return text.isdigit() and len(text) < 16


def _batch(views: dict[bytes, int], mobile: dict[bytes, int]) -> pa.RecordBatch:
    """Sorted rows of the titles that name something.

    Bytes that are no UTF-8 and spellings that differ in underscores are rare: such titles are
    left out, or come twice and are added up by title_view.sql.
    """
    rows = []
    for counted in sorted(views):
        title, _, page = counted.partition(b" ")
        name = displayed(title)
        if name is not None:
            page_id = int(page) if page else None
            rows.append((page_id, name, views[counted], mobile.get(counted, 0)))
    return pa.RecordBatch.from_pylist(
        [dict(zip(TITLE_VIEW.names, row, strict=True)) for row in rows], TITLE_VIEW
    )


def displayed(title: bytes) -> str | None:
    """A title as displayed, None for one that is no article's name.

    >>> displayed(b"Star_Trek:_Picard"), displayed(b"Special:Search"), displayed(b"List_of_cats")
    ('Star Trek: Picard', None, None)
    """
    try:
        text = title.decode("utf-8").replace("_", " ").strip()
    except UnicodeDecodeError:
        return None
    return None if _NO_NAME.match(text) or _NAMESPACE.match(text) else text
