"""The records that an index names, each to the rows of its page.

Records that lie close to each other in a file come with one request. What comes is read as a crawl
is; a record that cannot be had, or is another than the index says, gives a row with its reason.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import NamedTuple

import pyarrow.parquet as pq

from pipeline.settings.sources import CommonCrawlIndexSource
from pipeline.sources.candidate import Raw, SourceError
from pipeline.sources.crawl.answer import Page
from pipeline.sources.crawl.files import below, crawl_client
from pipeline.sources.crawl.pages import rows
from pipeline.sources.crawl.warc import Fault, NoCrawlError, pages
from pipeline.sources.interface import PlannedPart, Planning
from pipeline.sources.ranged import MissingError, read_piece
from pipeline.web.client import Client, DownloadError
from pipeline.web.url import normalise_url
from queries.tables import store

PART_RECORDS = 500  # an interrupted part is begun again, with at most so many requests
# Two records are asked for at once if at most so many bytes lie between them: a request costs the
# server, and the way to it, more than these.
GAP_BYTES = 1 << 17
MOST_PIECE_BYTES = 8 << 20  # of a request for several records; memory holds it
MOST_ANSWERS = 20  # that are looked at in the bytes of one record, which has one


class Record(NamedTuple):
    """A row of `crawl_record`."""

    url: str
    warc_filename: str
    warc_record_offset: int
    warc_record_length: int
    reason: str | None = None
    fault: str | None = None

    @property
    def stop(self) -> int:
        return self.warc_record_offset + self.warc_record_length


@dataclass
class Piece:
    """Neighbouring records of a file, which one request brings."""

    records: list[Record]
    stop: int

    @property
    def start(self) -> int:
        return self.records[0].warc_record_offset

    def joins(self, record: Record) -> bool:
        """Whether a record is near enough to come with the same request."""
        return (
            record.warc_filename == self.records[0].warc_filename
            and self.start <= record.warc_record_offset <= self.stop + GAP_BYTES
            and max(self.stop, record.stop) - self.start <= MOST_PIECE_BYTES
        )


def parts(source: CommonCrawlIndexSource, planning: Planning) -> Iterator[PlannedPart]:
    """Parts of PART_RECORDS records each, of each file of the index by itself.

    So a file that is added to `paths` changes no part of the others.
    """
    for path in planning.records:
        n_records = pq.read_metadata(store.opened(path)).num_rows
        for start in range(0, n_records, PART_RECORDS):
            stop = min(start + PART_RECORDS, n_records)
            identity = (path.stem, start, stop, source.base)
            columns: dict[str, list] = {"path": [str(path)], "start": [start], "stop": [stop]}
            yield f"{path.stem}/{start}-{stop}", identity, columns


def read(row: dict, source: CommonCrawlIndexSource) -> Iterator[Raw]:
    """The raw rows of a part's records, in their order.

    Raises SourceError where a server refuses or stays away: no record is lost for that.
    """
    with closing(crawl_client(source, keeps=True)) as client:
        for piece in pieces(_records_of(row)):
            if isinstance(piece, Record):
                yield Raw(page_url=piece.url, reason=piece.reason, extra={"fault": piece.fault})
            else:
                yield from _rows_of_piece(piece, source, client)


def _records_of(row: dict) -> Iterator[Record]:
    """The records of a part, out of the file that lists them."""
    with pq.ParquetFile(store.opened(store.place(row["path"]))) as listed:
        at = 0  # of the row group
        for group in range(listed.num_row_groups):
            n_rows = listed.metadata.row_group(group).num_rows
            first, last = max(row["start"] - at, 0), min(row["stop"] - at, n_rows)
            if first < last:
                table = listed.read_row_group(group, columns=list(Record._fields))
                for values in table.slice(first, last - first).to_pylist():
                    yield Record(**values)
            at += n_rows


def pieces(records: Iterator[Record]) -> Iterator[Piece | Record]:
    """The pieces to ask for, in order; a record that the index has wrong stands alone.

    >>> near, far = (Record("u", "a.warc.gz", at, 10) for at in (100, 10**6))
    >>> [len(piece.records) for piece in pieces([Record("u", "a.warc.gz", 0, 50), near, far])]
    [2, 1]
    """
    piece: Piece | None = None
    for record in records:
        if piece is not None and record.reason is None and piece.joins(record):
            piece.records.append(record)
            piece.stop = max(piece.stop, record.stop)
            continue
        if piece is not None:
            yield piece
        piece = None
        if record.reason is None:
            piece = Piece([record], record.stop)
        else:
            yield record
    if piece is not None:
        yield piece


def _rows_of_piece(piece: Piece, source: CommonCrawlIndexSource, client: Client) -> Iterator[Raw]:
    path = below(source.base, piece.records[0].warc_filename)
    content, missing = b"", "the file ends before it"
    try:
        content = read_piece(path, piece.start, piece.stop - piece.start, client)
    except MissingError as error:
        missing = str(error)
    except (SourceError, DownloadError) as error:
        raise SourceError(f"source {source.name}: {error}") from None
    except OSError as error:
        raise SourceError(f"source {source.name}: {path}: {error.strerror}") from None
    for record in piece.records:
        start = record.warc_record_offset - piece.start
        own = content[start : start + record.warc_record_length]
        if not own:
            yield _lost(record, "record_missing", missing)
        elif len(own) < record.warc_record_length:
            yield _lost(record, "record_missing", f"the file has {len(own)} bytes of it")
        else:
            yield from rows_of_record(own, record)


def rows_of_record(content: bytes, record: Record) -> Iterator[Raw]:
    """The rows of the page in a record's bytes, which a full reading of the file gives, too."""
    try:
        answers = list(islice(pages(BytesIO(content)), MOST_ANSWERS))
    except NoCrawlError as error:
        yield _lost(record, "bad_record", f"expected a record of a WARC: {error}")
        return
    own = next((answer for answer in answers if _same(answer.url, record.url)), None)
    row = None
    for row in rows(own) if own is not None else ():
        yield row
    if row is not None:
        return
    if own is not None or not answers:
        yield _lost(record, "bad_record", "it has no answer of a server")
    elif isinstance(answers[0], Fault) and not answers[0].url:
        yield _lost(record, answers[0].reason, answers[0].about)
    else:
        yield _lost(record, "bad_record", f"it is of another address: {_shown(answers[0])}")


def _same(url: str | None, wanted: str) -> bool:
    """Whether two spellings are of one address."""
    if url == wanted or not url:
        return url == wanted
    try:
        return normalise_url(url) == normalise_url(wanted)
    except ValueError:
        return False


def _shown(answer: Page | Fault) -> str:
    return (answer.url or "")[:200]


def _lost(record: Record, reason: str, fault: str) -> Raw:
    place = f"{record.warc_filename} at {record.warc_record_offset}"
    return Raw(page_url=record.url, reason=reason, extra={"fault": fault, "record": place})
