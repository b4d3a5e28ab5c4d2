"""Crawled pages to raw rows: how fast, beside BeautifulSoup; and what hostile pages cost.

    python -m benchmarks.warc [--quick]

A crawl is written as Common Crawl writes it, a gzip member a record: pages of 40 KB with 12
pictures, of which 6 have an alternative text, and a WAT file of the same pages. Ours is `read` of
pipeline/sources/crawl/pages.py, from the file to its raw rows. The peer reads the records with
fastwarc, too, and asks BeautifulSoup for each `img` with an alt, by its two parsers; of figures,
srcset, bases and damages it knows nothing. The WAT's peer is a loop over json.loads.
"""

import gzip
import json
import random
import string
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from pathlib import Path
from urllib.parse import urljoin

from fastwarc.warc import ArchiveIterator

from benchmarks.harness import (
    Row,
    arguments,
    child,
    peak_mb,
    peer_environment,
    rates,
    show,
    take_turns,
)
from pipeline.settings.sources import CommonCrawlSource
from pipeline.sources.crawl.page import pictures
from pipeline.sources.crawl.pages import read

PAGE_BYTES = 40_000
PICTURES = 12  # of a page; every second has a text
SEED = 7
HOSTILE = {
    "nested tags": "<div>" * 800_000,
    "nested figures": "<figure><figcaption>" * 200_000,
    "opened anew": "".join(f"<b id={n}>" for n in range(5_000)) + "<p>x</p>" * 400_000,
    "attributes": ("<img " + " ".join(f"a{n}" for n in range(2_400)) + " src=a alt=b>") * 250,
    "sources": "<picture>" + "<source srcset='a 1x,b 2x'>" * 7_900 + "<img src=a alt=b>" * 1_900,
    "candidates": "<img alt=a srcset='" + "a 1x," * 800_000 + "'>",
    "open comments": "<!--" * 1_000_000,
    "open quotes": '<img a="' * 500_000,
}

# Runs in the peer's own environment: CPU seconds, and how many pictures it has found.
BEAUTIFUL_SOUP = """
import json, sys, time
from urllib.parse import urljoin
from bs4 import BeautifulSoup
from fastwarc.warc import ArchiveIterator, WarcRecordType
before, rows = time.process_time(), 0
with open(sys.argv[1], "rb") as file:
    for record in ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=True):
        if record.http_content_type == "text/html":
            page = record.headers.get("WARC-Target-URI")
            soup = BeautifulSoup(record.reader.read(), sys.argv[2])
            for image in soup.find_all("img", src=True, alt=True):
                row = (urljoin(page, image["src"]), image["alt"], page)
                rows += 1
print(json.dumps([time.process_time() - before, rows]))
"""


def write_crawl(warc: Path, wat: Path, n_pages: int, first: int = 0) -> None:
    """Write the pages, numbered from the first, and what a WAT file says of them."""
    chance = random.Random(SEED + first)
    words = [
        "".join(chance.choices(string.ascii_lowercase, k=chance.randint(2, 10)))
        for _ in range(5_000)
    ]
    # As words come: it packs as pages do.
    weights = list(accumulate(1 / rank for rank in range(1, 5_001)))
    with warc.open("wb") as warc_file, wat.open("wb") as wat_file:
        for number in range(first, first + n_pages):
            html, links = page(chance, partial(chance.choices, words, cum_weights=weights), number)
            http = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}"
            warc_file.write(record("response", "application/http; msgtype=response", number, http))
            html_metadata = {"Head": {"Title": "page"}, "Links": links}
            answer = {"Headers": {"Server": "x"}, "HTML-Metadata": html_metadata}
            envelope = {"Envelope": {"Payload-Metadata": {"HTTP-Response-Metadata": answer}}}
            wat_file.write(record("metadata", "application/json", number, json.dumps(envelope)))


def record(kind: str, content_type: str, number: int, content: str) -> bytes:
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Date: 2026-11-01T00:00:00Z\r\n"
        f"WARC-Target-URI: http://site{number}.example/news/\r\n"
        f"WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-{number:012}>\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(content.encode())}\r\n\r\n"
    )
    return gzip.compress(f"{head}{content}\r\n\r\n".encode(), mtime=0)


def page(
    chance: random.Random, choose: Callable[..., list[str]], number: int
) -> tuple[str, list[dict[str, str]]]:
    """A page, and its links as WAT has them."""

    def said(n_words: int) -> str:
        return " ".join(choose(k=n_words))

    parts, links, length = ['<!doctype html><html lang="en"><body class="page">'], [], 0
    for place in range(PICTURES):
        link = {"path": "IMG@/src", "url": f"/pictures/{number}/{place}.jpg"}
        alt = ""
        if place % 2:
            link["alt"] = said(6)
            alt = f' alt="{link["alt"]}"'
        links.append(link)
        parts.append(f'<div class="block"><h2>{said(5)}</h2><img src="{link["url"]}"{alt}>')
        while length < PAGE_BYTES * (place + 1) / PICTURES:
            target = f"/read/{chance.randrange(10**6)}.html"
            links.append({"path": "A@/href", "url": target, "text": said(3)})
            parts.append(
                f'<p class="text">{said(30)} <a href="{target}" class="link">{said(3)}</a> '
                f'<span class="more">{said(12)}</span></p>\n<div class="rule"></div>\n'
            )
            length += len(parts[-1])
        parts.append("</div>")
    return "".join([*parts, "</body></html>"]), links


def ours(path: Path) -> int:
    source = CommonCrawlSource(kind="commoncrawl", name="crawl", paths=(str(path),))
    return sum(raw.reason is None for raw in read({"path": str(path)}, source))


def beautiful_soup(path: Path, parser: str, found: dict[str, int]) -> float:
    python = peer_environment(
        "beautifulsoup", ["beautifulsoup4==4.14.2", "lxml", "fastwarc==2.0.1"]
    )
    seconds, found[parser] = child([python, "-c", BEAUTIFUL_SOUP, path, parser])
    return float(seconds)


def json_loop(path: Path) -> int:
    rows = 0
    with path.open("rb") as file:
        for one in ArchiveIterator(file):
            answer = json.loads(one.reader.read())["Envelope"]["Payload-Metadata"]
            links = answer["HTTP-Response-Metadata"]["HTML-Metadata"]["Links"]
            for link in links:
                if link["path"] == "IMG@/src" and link.get("alt"):
                    urljoin(one.headers["WARC-Target-URI"], link["url"])
                    rows += 1
    return rows


def hostile_seconds() -> dict[str, float]:
    """CPU seconds of a page of 4 MB, for each way to choke a parser."""
    pages = {name: html[: 4 << 20] for name, html in HOSTILE.items()}
    runs = take_turns({name: partial(_read_page, html) for name, html in pages.items()}, rounds=3)
    return {name: min(seconds) for name, seconds in runs.items()}


def _read_page(html: str) -> None:
    for _ in pictures(html.encode(), "http://site.example/"):
        pass


def main() -> None:
    asked = arguments("benchmarks.warc", __doc__)
    n_pages = 500 if asked.quick else 4_000
    found: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as name:
        warc, wat = Path(name) / "crawl.warc.gz", Path(name) / "crawl.warc.wat.gz"
        write_crawl(warc, wat, n_pages)
        few = Path(name) / "few.warc.gz"  # the peer needs seconds for what takes ours one
        write_crawl(few, Path(name) / "few.wat.gz", n_pages // 10)
        contest: dict[str, Callable[[], object]] = {
            "ours": lambda: found.update(ours=ours(warc)),
            "lxml": lambda: beautiful_soup(few, "lxml", found),
            "html.parser": lambda: beautiful_soup(few, "html.parser", found),
            "our wat": lambda: found.update(wat=ours(wat)),
            "json": lambda: found.update(json=json_loop(wat)),
        }
        beautiful_soup(few, "lxml", found)  # makes its environment
        cpu = take_turns(contest, rounds=3 if asked.quick else 9)
        packs_to = warc.stat().st_size / n_pages
    expected = n_pages * PICTURES // 2
    if not found["ours"] == found["wat"] == found["json"] == expected:
        raise SystemExit(f"expected {expected} pictures with a text; found {found}")
    if not found["lxml"] == found["html.parser"] == expected // 10:
        raise SystemExit(f"expected {expected // 10} pictures with a text; found {found}")
    speed = rates(n_pages, cpu["ours"])
    hostile = hostile_seconds()
    worst = max(hostile, key=lambda one: hostile[one])
    rows = [
        Row("WARC to raw rows, one core", "pages/s", speed, f"BeautifulSoup, {parser}", theirs)
        for parser, theirs in (
            ("lxml", rates(n_pages / 10, cpu["lxml"])),
            ("html.parser", rates(n_pages / 10, cpu["html.parser"])),
        )
    ]
    wat_speed = rates(n_pages, cpu["our wat"])
    rows += [
        Row(
            "WAT to raw rows, one core",
            "pages/s",
            wat_speed,
            "json.loads",
            rates(n_pages, cpu["json"]),
        ),
        Row("WARC to raw rows, one core", "pages/s", speed, "at least", [5_000]),
        Row(f"worst hostile page of 4 MB: {worst}", "CPU s", [hostile[worst]], "at most", [1.0]),
        Row("memory, all of it", "MB", [peak_mb()], "at most", [500]),
    ]
    show("Crawled pages to raw rows", rows, packed_bytes_a_page=round(packs_to))


if __name__ == "__main__":
    main()
