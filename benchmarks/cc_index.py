"""Pages that an index names, read by ranges, beside a full reading: bytes, requests, seconds.

    python -m benchmarks.cc_index [--quick]

Crawl files as Common Crawl writes them, and their columnar index, are on a server on loopback,
which counts what it sends. A condition keeps one page of 50 by chance (a small language), one site
of 40, or every second page; both readings must give the same rows. The server is of this process,
so the seconds are of both.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from fastwarc.warc import ArchiveIterator

from benchmarks.harness import Row, arguments, show
from benchmarks.warc import write_crawl
from pipeline.settings.sources import CommonCrawlIndexSource, CommonCrawlSource
from pipeline.sources import crawl, crawl_index
from pipeline.sources.candidate import Raw
from pipeline.sources.interface import Planning
from queries.tables.parts import digest, write_part
from queries.tables.schemas import TABLES
from tests.download_server import DownloadServer

SITES = 40
CONDITIONS = {
    "a page of 50, by chance": "content_languages = 'fin'",
    "a site of 40": "url_host_registered_domain = 'site7.example'",
    "every second page": "hash(url) % 2 = 0",
}


@dataclass
class Reading:
    """What a reading gave and cost."""

    raws: list[Raw]
    n_bytes: int
    n_requests: int
    seconds: float


def write_index(warcs: list[Path], index: Path) -> None:
    """Write the columnar index, in the order of sites as Common Crawl's is."""
    rows = []
    for warc in warcs:
        with warc.open("rb") as file:
            places = [
                (one.headers["WARC-Target-URI"], one.stream_pos) for one in ArchiveIterator(file)
            ]
        ends = [place for _, place in places[1:]] + [warc.stat().st_size]
        for (url, place), end in zip(places, ends, strict=True):
            number = len(rows)
            rows.append(
                {
                    "url": url,
                    "url_host_registered_domain": f"site{number % SITES}.example",
                    "content_languages": "fin" if number * 2_654_435_761 % 50 == 0 else "eng",
                    "warc_filename": warc.name,
                    "warc_record_offset": place,
                    "warc_record_length": end - place,
                }
            )
    rows.sort(key=lambda row: (row["url_host_registered_domain"], row["url"]))
    pq.write_table(pa.Table.from_pylist(rows), index, row_group_size=-(-len(rows) // 20))


def measured(server: DownloadServer, read: Callable[[], list[Raw]]) -> Reading:
    server.asked.clear()
    server.sent.clear()
    before = time.monotonic()
    raws = read()
    seconds = time.monotonic() - before
    return Reading(raws, server.sent.total(), len(server.asked), seconds)


def by_index(server: DownloadServer, index: str, where: str, folder: Path) -> list[Raw]:
    """The rows of the pages that the condition keeps."""
    about = {"kind": "commoncrawl_index", "name": "cci", "base": server.url("/")}
    source = CommonCrawlIndexSource(**about, paths=(server.url(f"/{index}"),), where=where)
    raws: list[Raw] = []
    for _, identity, columns in crawl_index.indexes(source, Planning(str)):
        path = folder / f"{digest(identity)}.parquet"
        records = crawl_index.list_records(iter([pa.record_batch(columns)]), source)
        write_part(path, TABLES["crawl_record"], records)
        for _, _, part in crawl_index.parts(source, Planning(str, records=[path])):
            raws += crawl_index.read({name: values[0] for name, values in part.items()}, source)
    return raws


def whole(server: DownloadServer, warcs: list[Path]) -> list[Raw]:
    """The rows of all pages."""
    urls = [server.url(f"/{warc.name}") for warc in warcs]
    source = CommonCrawlSource(kind="commoncrawl", name="cc", paths=tuple(urls))
    return [raw for url in urls for raw in crawl.read({"path": url}, source)]


def main() -> None:
    asked = arguments("benchmarks.cc_index", __doc__)
    n_files, n_pages = (2, 250) if asked.quick else (4, 500)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, DownloadServer() as server:
        folder = Path(name)
        warcs = [folder / f"{number}.warc.gz" for number in range(n_files)]
        for number, warc in enumerate(warcs):
            write_crawl(warc, folder / "wat", n_pages, first=number * n_pages)
            server.put(f"/{warc.name}", warc.read_bytes())
        write_index(warcs, folder / "index.parquet")
        table = pq.read_table(folder / "index.parquet")
        server.put("/index.parquet", (folder / "index.parquet").read_bytes())
        full = measured(server, lambda: whole(server, warcs))
        for what, where in CONDITIONS.items():
            ranged = measured(
                server, lambda where=where: by_index(server, "index.parquet", where, folder)
            )
            kept = crawl_index.door.Condition(where, table.schema).kept(table)
            wanted = set(kept["url"].to_pylist())
            expected = [raw for raw in full.raws if raw.page_url in wanted]
            if sorted(ranged.raws) != sorted(expected):
                raise SystemExit(f"{what}: {len(ranged.raws)} rows, expected {len(expected)}")
            sides = [(reading.n_bytes / 1e6, reading.n_requests) for reading in (ranged, full)]
            (ours_mb, ours_n), (full_mb, full_n) = sides
            n = len(wanted)
            rows += [
                Row(f"{what}: {n:,} pages", "MB", [ours_mb], "full reading", [full_mb]),
                Row(f"{what}: {n:,} pages", "requests", [ours_n], "full reading", [full_n]),
                Row(f"{what}: {n:,} pages", "s", [ranged.seconds], "full reading", [full.seconds]),
            ]
        size = (folder / "index.parquet").stat().st_size
    show("Pages that an index names", rows, pages=n_files * n_pages, index_bytes=size)


if __name__ == "__main__":
    main()
