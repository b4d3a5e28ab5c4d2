"""Page views of article titles, from Wikimedia's files or a small table.

Views are partial, as in pipeline.query_list.ngrams: a title may come once per flush, and
title_view.sql adds up.
"""

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from io import BufferedReader
from itertools import chain, islice

import pyarrow as pa

from pipeline.web.reading import raise_if_of_the_disk, unpacked
from pipeline.wikipedia.namespaces import no_name
from queries.tables.errors import InputError
from queries.tables.reasons import in_words
from queries.tables.schemas import TABLES

TITLE_VIEW = TABLES["title_view_part"].schema
HEADER = b"title\tviews"
SNIFFED_LINES = 1_000  # of which at least one must be of a known kind
MAX_LINE_BYTES, BUFFER_BYTES = 1 << 16, 1 << 20
FLUSH_TITLES = 1_000_000  # 200 MB; a month of English Wikipedia has ten times as many

MAX_VIEWS = 1 << 50  # of a title: a hostile file's sums stay whole numbers of 64 bits
ONE_LINE = 1 << 80  # of a title's count: above it are the lines, below the views

# What scripts ask for that have lost the title, or the file, that they wanted.
_JUNK = re.compile(
    r"(?:undefined|null)$|\S+\.php$|\S+/\S+\.(?:jpe?g|png|gif|svg|ico)$", re.IGNORECASE
)

# What is counted (the title, and after a space the page id where there is one), views, and
# whether they came from a mobile site or app.
Line = tuple[bytes, int, bool]
Views = Iterator[Line | None]  # None for a malformed line


def read_views(batches: Iterator[pa.RecordBatch], wiki: str = "en") -> Iterator[pa.RecordBatch]:
    """Map: rows of `path` in, rows of `title_view_part` out.

    Three kinds of file, told apart by content, plain, gzip, bz2 or xz: a table with the header
    `title<TAB>views`; hourly lines `en.m Some_title 12 0`; monthly lines
    `en.wikipedia Some_title 123 mobile-web 45 A1B2`. Lines of other wikis, malformed ones, which a
    file of millions of lines always has, and those of pages that name nothing are counted by
    reason. Raises InputError for a file that is of no such kind, or damaged, or without a view.
    """
    for batch in batches:
        for path in batch.column("path").to_pylist():
            with open(path, "rb") as raw:
                yield from _File(path, wiki).batches(_sniffed(path, _lines(path, raw)))


def named_views(batches: Iterator[pa.RecordBatch], wiki: str) -> Iterator[pa.RecordBatch]:
    """Map: rows of `title_view` in, those of titles that name something out.

    A file's titles were judged when it was read; a page id or a redirect may lead to another one,
    such as the list that "Cats of the world" points to.
    """
    for batch in batches:
        titles = batch.column("title").to_pylist()
        yield batch.filter(pa.array([_names(title, wiki) for title in titles], pa.bool_()))


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
    first[:1] = [line.removeprefix(b"\xef\xbb\xbf") for line in first[:1]]
    if not any(_is_header(line) or _hourly(line) or _monthly(line) for line in first):
        raise InputError(
            f"{path}: expected page views (a table with the header title<TAB>views, hourly or "
            f"monthly lines); found {_shown((first or [b''])[0])}"
        )
    return chain(first, lines)


def _shown(line: bytes) -> str:
    return repr(line[:60].decode(errors="replace").rstrip())


def _is_header(line: bytes) -> bool:
    return line.rstrip(b"\r\n") == HEADER


class _File:
    """The views of one file, summed by title, and the lines of it that are no views."""

    def __init__(self, path: str, wiki: str):
        self.path = path
        self.wiki = wiki
        self.counts: defaultdict[bytes, int] = defaultdict(int)  # by title: lines and views
        self.mobile: defaultdict[bytes, int] = defaultdict(int)
        self.dropped: Counter[str] = Counter()  # lines by reason
        self.read = self.kept = 0

    def batches(self, lines: Iterator[bytes]) -> Iterator[pa.RecordBatch]:
        """Views in the order of titles, a batch for each FLUSH_TITLES titles; last the reasons."""
        first = next(lines, b"")
        ours = 0
        for view in views_of_lines(self._counting(chain([first], lines)), self.wiki):
            ours += 1
            if view is None:
                self.dropped["bad_line"] += 1
                continue
            counted, n, is_mobile = view
            self.counts[counted] += n + ONE_LINE
            if is_mobile:
                self.mobile[counted] += n
            if len(self.counts) >= FLUSH_TITLES:
                yield self._flushed()
        yield self._flushed()
        self.dropped["other_wiki"] = self.read - _is_header(first) - ours
        if not self.kept:
            raise InputError(
                f"{self.path}: expected views of articles of the wiki {self.wiki!r}; found "
                f"{in_words(+self.dropped)}; the first line is {_shown(first)}"
            )
        yield _batch(
            [(None, None, 0, 0, n, reason) for reason, n in sorted((+self.dropped).items())]
        )

    def _counting(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        for line in lines:
            if not line.isspace():
                self.read += 1
                yield line

    def _flushed(self) -> pa.RecordBatch:
        """Sorted rows of the titles that name something.

        Spellings that differ in underscores are rare: such titles come twice, and title_view.sql
        adds them up.
        """
        rows = []
        for counted in sorted(self.counts):
            title, _, page = counted.partition(b" ")
            n_lines, views = divmod(self.counts[counted], ONE_LINE)
            name = displayed(title, self.wiki)
            if name is None:
                self.dropped["no_name"] += n_lines
                continue
            mobile = min(self.mobile.get(counted, 0), MAX_VIEWS)
            page_id = int(page) if page else None
            rows.append((page_id, name, min(views, MAX_VIEWS), mobile, n_lines, None))
            self.kept += n_lines
        self.counts.clear()
        self.mobile.clear()
        return _batch(rows)


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


def _batch(rows: list[tuple]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True) if rows else [[] for _ in TITLE_VIEW]
    arrays = [
        pa.array(column, field.type) for column, field in zip(columns, TITLE_VIEW, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=TITLE_VIEW)


def displayed(title: bytes, wiki: str = "en") -> str | None:
    """A title as displayed, None for one that is no article's name.

    >>> displayed(b"Star_Trek:_Picard"), displayed(b"Special:Search"), displayed(b"List_of_cats")
    ('Star Trek: Picard', None, None)
    >>> displayed(b"Spezial:Suche", "de"), displayed("メインページ".encode(), "ja")
    (None, None)
    """
    try:
        text = title.decode("utf-8").replace("_", " ").strip()
    except UnicodeDecodeError:
        return None
    return text if _names(text, wiki) else None


def _names(title: str, wiki: str) -> bool:
    return not (_JUNK.match(title) or no_name(wiki).match(title))
