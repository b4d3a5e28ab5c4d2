"""Crawls with an index of their records, as Common Crawl publishes them, and how they are read."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from fastwarc.warc import ArchiveIterator, WarcRecordType

from pipeline.settings.sources import CommonCrawlIndexSource, CommonCrawlSource
from pipeline.sources import crawl, crawl_index
from pipeline.sources.candidate import Raw
from pipeline.sources.interface import Planning
from queries.tables.parts import digest, write_part
from queries.tables.schemas import TABLES
from tests.pipeline.sources.crawl.test_crawl import IMG, PAGE, packed, record

NAME = "crawl-data/CC-MAIN-2026-43/segments/1.1/warc/CC-MAIN-0.warc.gz"
LANGUAGES = ("fin", "eng", "eng,fin", None, "deu")
FOLDERS = "crawl=CC-MAIN-2026-43/subset=warc"
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("url_surtkey", "url", "url_host_name")),
        ("url_host_registered_domain", pa.string()),
        ("fetch_time", pa.timestamp("ms")),
        ("fetch_status", pa.int16()),
        *((name, pa.string()) for name in ("content_mime_detected", "content_languages")),
        ("warc_filename", pa.string()),
        ("warc_record_offset", pa.int32()),
        ("warc_record_length", pa.int32()),
        ("warc_segment", pa.string()),
    ]
)


def address(number: int) -> str:
    return f"http://site{number % 3}.example/{number}"


def page(number: int, body: bytes = b"", **kwargs: Any) -> bytes:
    """The record of a page with one picture, whose text has the page's number."""
    body = body or IMG.replace(b"kite", b"kite %d" % number) + bytes(range(256)) * 4
    return record(body, **kwargs).replace(PAGE.encode(), address(number).encode())


def row_of(url: str, name: str, offset: int, length: int, number: int = 0) -> dict[str, Any]:
    host = urlsplit(url).hostname or ""
    return {
        "url_surtkey": f"{','.join(reversed(host.split('.')))})/",
        "url": url,
        "url_host_name": host,
        "url_host_registered_domain": ".".join(host.split(".")[-2:]),
        "fetch_time": 1_790_000_000_000 + number,
        "fetch_status": 200,
        "content_mime_detected": "text/html",
        "content_languages": LANGUAGES[number % len(LANGUAGES)],
        "warc_filename": name,
        "warc_record_offset": offset,
        "warc_record_length": length,
        "warc_segment": "1.1",
    }


def written(base: Path, records: Iterable[bytes], name: str = NAME) -> list[dict[str, Any]]:
    """Write the records of pages 0, 1 … as a crawl below the base; returns the index's rows."""
    content, rows = b"", []
    for number, one in enumerate(records):
        member = packed(one)
        rows.append(row_of(address(number), name, len(content), len(member), number))
        content += member
    (base / name).parent.mkdir(parents=True, exist_ok=True)
    (base / name).write_bytes(content)
    return rows


def scanned(path: Path, name: str) -> list[dict[str, Any]]:
    """The index's rows of a real crawl file: of each answer, by fastwarc."""
    places: list[tuple[str | None, int]] = []
    with path.open("rb") as file:
        for one in ArchiveIterator(file, parse_http=False):
            is_answer = one.record_type in (WarcRecordType.response, WarcRecordType.resource)
            url = one.headers.get("WARC-Target-URI") if is_answer else None
            places.append((url, one.stream_pos))
    ends = [place for _, place in places[1:]] + [path.stat().st_size]
    both = zip(places, ends, strict=True)
    return [row_of(url.strip("<> "), name, at, end - at) for (url, at), end in both if url]


def parquet(path: Path, rows: list[dict[str, Any]], schema: pa.Schema = SCHEMA, **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema), path, **how)
    return path


def cdxj(rows: list[dict[str, Any]]) -> bytes:
    """The rows as lines of CDXJ, whose numbers are texts."""
    fields = {
        "url": "url",
        "fetch_status": "status",
        "content_mime_detected": "mime-detected",
        "content_languages": "languages",
        "warc_record_length": "length",
        "warc_record_offset": "offset",
        "warc_filename": "filename",
    }
    lines = []
    for row in rows:
        said = {
            name: str(row[column]) for column, name in fields.items() if row[column] is not None
        }
        lines.append(f"{row['url_surtkey']} 20261101000000 {json.dumps(said)}\n")
    return "".join(lines).encode()


def source_of(*paths: object, base: object, where: str = "", **more: Any) -> CommonCrawlIndexSource:
    return CommonCrawlIndexSource(
        kind="commoncrawl_index",
        name="cci",
        paths=tuple(map(str, paths)),
        base=str(base),
        where=where,
        **more,
    )


def listed(source: CommonCrawlIndexSource, folder: Path) -> list[Path]:
    """The files that list the index's records, once they are in the folder."""
    files = []
    for name, identity, columns in crawl_index.indexes(source, Planning(lambda path: path.name)):
        path = folder / f"{digest(name, identity)}.parquet"
        rows = crawl_index.list_records(iter([pa.record_batch(columns)]), source)
        write_part(path, TABLES["crawl_record"], rows)
        files.append(path)
    return files


def planned(source: CommonCrawlIndexSource, folder: Path) -> Iterator[dict[str, Any]]:
    """The parts of the records."""
    files = listed(source, folder)
    for _, _, columns in crawl_index.parts(source, Planning(str, records=files)):
        yield {name: values[0] for name, values in columns.items()}


def collected(source: CommonCrawlIndexSource, folder: Path) -> list[Raw]:
    """All raw rows of the source."""
    crawl_index.check(source)
    return [raw for part in planned(source, folder) for raw in crawl_index.read(part, source)]


def read_whole(*paths: Path) -> list[Raw]:
    """All raw rows of whole crawl files."""
    of_crawl = CommonCrawlSource(kind="commoncrawl", name="cc", paths=tuple(map(str, paths)))
    return [raw for path in paths for raw in crawl.read({"path": str(path)}, of_crawl)]
