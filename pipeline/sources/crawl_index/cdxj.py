"""A file of CDXJ lines: `KEY TIMESTAMP {"url": …}`, with the names of the columnar index.

The format: https://specs.webrecorder.net/cdxj/0.1.0/, with the fields that Common Crawl adds. The
host's registered domain is not in a line, so it is no column here.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from pipeline.sources.ranged import open_ranged
from pipeline.sources.tables.lines import Lines, LongLine
from pipeline.sources.unpacked import DamagedError, bytes_of
from pipeline.web.reading import json_object
from queries.engine.condition import Condition

BATCH_ROWS = 8_192
FIELDS = {  # of a line, by the column
    "url": "url",
    "fetch_redirect": "redirect",
    "content_digest": "digest",
    "content_mime_type": "mime",
    "content_mime_detected": "mime-detected",
    "content_charset": "charset",
    "content_languages": "languages",
    "content_truncated": "truncated",
    "warc_filename": "filename",
}
NUMBERS = {
    "fetch_status": "status",
    "warc_record_offset": "offset",
    "warc_record_length": "length",
}
OF_URL = ("url_host_name", "url_host_tld", "url_protocol", "url_path", "url_query")
LINE = re.compile(r"(\S{1,10000}) (\d{1,17}) (\{.*\})\s*")
HEAD = ("!", "#")  # lines that say what the file is


class Index:
    """A file of CDXJ lines and its columns. Raises DamagedError and BombError for a damaged one,
    SourceError and DownloadError where a server fails."""

    def __init__(self, path: str, folders: Mapping[str, str | None], contact: str | None):
        self.path, self.contact = path, contact
        own = {name: pa.string() for name in ("url_surtkey", *FIELDS, *OF_URL)}
        own |= {name: pa.int64() for name in NUMBERS} | {"fetch_time": pa.timestamp("s")}
        self.folders = {name: value for name, value in folders.items() if name not in own}
        self.schema = pa.schema([*own.items(), *((name, pa.string()) for name in self.folders)])
        first = next(iter(self._lines()), None)
        if first is None or _parsed(first) is None:
            raise DamagedError(f"the first line is none of CDXJ: {(first or '')[:80]!r}")

    def rows(self, condition: Condition, columns: Sequence[str]) -> Iterator[pa.Table | str]:
        """These columns and those that the condition names; a text for each line that does not
        parse, which says what it is."""
        lines = iter(self._lines())
        names = {*condition.columns, *columns}
        schema = pa.schema([field for field in self.schema if field.name in names])
        while batch := list(islice(lines, BATCH_ROWS)):
            parsed = [_parsed(line) for line in batch]
            rows = [{**self.folders, **row} for row in parsed if row is not None]
            yield pa.Table.from_pylist(rows, schema)
            for line, row in zip(batch, parsed, strict=True):
                if row is None:
                    yield "no line of CDXJ" if line is None else f"no line of CDXJ: {line[:80]!r}"

    def _lines(self) -> Iterator[str | None]:
        """The lines; None for one that is too long."""
        opened = open_ranged(self.path, self.contact) if self.contact is not None else None
        with bytes_of(self.path, opened) as stream:
            lines = Lines(io.TextIOWrapper(stream, "utf-8", errors="replace", newline="\n"))
            while True:
                try:
                    line = next(lines)
                except LongLine:
                    yield None
                except StopIteration:
                    return
                else:
                    if line.strip() and not line.startswith(HEAD):
                        yield line
                lines.begin()


def _parsed(line: str | None) -> dict[str, Any] | None:
    """The columns of a line; None for a line that is none.

    >>> row = _parsed('org,x)/a 20260102030405 {"url": "http://x.org/a?b", "offset": "17"}')
    >>> row["url_host_name"], row["url_query"], row["warc_record_offset"], row["warc_filename"]
    ('x.org', 'b', 17, None)
    """
    parsed = LINE.fullmatch(line) if line is not None else None
    fields = json_object(parsed[3]) if parsed else None
    if parsed is None or fields is None:
        return None
    row: dict[str, Any] = {"url_surtkey": parsed[1], "fetch_time": _moment(parsed[2])}
    row |= {column: _text(fields.get(name)) for column, name in FIELDS.items()}
    row |= {column: _number(fields.get(name)) for column, name in NUMBERS.items()}
    try:
        parts = urlsplit(row["url"] or "")
        host = parts.hostname or ""
    except ValueError:
        return row
    values = (host, host.rpartition(".")[2], parts.scheme, parts.path, parts.query or None)
    return row | dict(zip(OF_URL, values, strict=True))


def _moment(digits: str) -> datetime | None:
    try:
        return datetime.strptime(digits[:14], "%Y%m%d%H%M%S")
    except ValueError:  # such as a year alone, or the 31st of June
        return None


def _text(value: Any) -> str | None:
    if not isinstance(value, (str, int)):
        return None
    return str(value).encode("utf-8", "replace").decode()


def _number(value: Any) -> int | None:
    text = str(value)
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else None
