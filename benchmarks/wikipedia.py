"""Wikipedia's export to plain text: how fast, beside bz2 alone, gensim and wikiextractor.

    python -m benchmarks.wikipedia [--quick]

The export is gensim's test file, 106 articles and 100 other pages of English Wikipedia. For the
reader it is repeated, and written as Wikipedia writes its dumps: 100 pages a bz2 stream. What is
called junk are words that no reader of a page sees, counted in the plain text.
"""

import bz2
import json
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import gensim
import pyarrow as pa
import regex
from gensim.corpora.wikicorpus import filter_wiki

from benchmarks.harness import Row, arguments, child, peer_environment, rates, show, take_turns
from pipeline.wikipedia import pieces, plain_text, read_pages
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES

Piece = tuple[str, int, int]  # path, start, stop

EXPORT = "test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
JUNK = ("px", "nbsp", "ref", "http", "br", "jpg", "cite", "thumb")
HOSTILE = ("<ref>", "<!--", "[http", "[http://a", "{{", "[[", "[[fr:", "\n{|", "&amp;", "<nowiki>")
HOSTILE_CHARACTERS = 200_000

# Runs in wikiextractor's own environment: texts in, CPU seconds and plain texts out.
WIKIEXTRACTOR = """
import json, sys, time
from wikiextractor.clean import clean_markup
texts = json.load(open(sys.argv[1]))
before = time.process_time()
plain = ["\\n".join(clean_markup(text, ignore_headers=False)) for text in texts]
seconds = time.process_time() - before
json.dump(plain, open(sys.argv[2], "w"))
print(json.dumps(seconds))
"""


def export() -> bytes:
    return bz2.decompress((Path(gensim.__file__).parent / EXPORT).read_bytes())


def write_multistream(path: Path, xml: bytes, copies: int) -> int:
    """Write the pages so often, 100 a stream; returns the bytes of XML."""
    begin, end = xml.index(b"  <page>"), xml.rindex(b"</mediawiki>")
    pages = re.findall(rb" *<page>.*?</page>\n", xml[begin:end], re.DOTALL) * copies
    streams = [b"".join(pages[n : n + 100]) for n in range(0, len(pages), 100)]
    streams = [xml[:begin], *streams, xml[end:]]
    path.write_bytes(b"".join(map(bz2.compress, streams)))
    return sum(map(len, streams))


def decompress(path: Path) -> None:
    with bz2.open(path) as file:
        while file.read(1 << 20):
            pass


def read(path: Path, out: Path) -> None:
    paths = pa.RecordBatch.from_pydict({"path": [str(path)]})
    write_part(out, TABLES["article"], read_pages(iter([paths])))


def read_piece(piece: Piece) -> tuple[int, float]:
    """Read a piece in a process of a pool; returns which process it was and its CPU seconds."""
    before = time.process_time()
    columns = dict(zip(("path", "start", "stop"), ([value] for value in piece), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "article.parquet"
        batches = read_pages(iter([pa.RecordBatch.from_pydict(columns)]))
        write_part(out, TABLES["article"], batches)
    return os.getpid(), time.process_time() - before


def decompress_piece(piece: Piece) -> tuple[int, float]:
    before = time.process_time()
    path, start, stop = piece
    bz2.decompress(Path(path).read_bytes()[start:stop])
    return os.getpid(), time.process_time() - before


def busiest(pool: Executor, job: Callable[[Piece], tuple[int, float]], path: Path) -> float:
    """CPU seconds of the process that had most to do: what a machine without other work takes."""
    seconds: dict[int, float] = {}
    for process, took in pool.map(job, pieces(path, 1)):  # a stream each
        seconds[process] = seconds.get(process, 0.0) + took
    return max(seconds.values())


def reader_row(folder: Path, xml: bytes, quick: bool) -> Row:
    path = folder / "multistream.xml.bz2"
    size = write_multistream(path, xml, copies=2 if quick else 12) / 1e6
    contest: dict[str, Callable[[], object]] = {
        "ours": lambda: read(path, folder / "article.parquet"),
        "bz2": lambda: decompress(path),
    }
    cpu = take_turns(contest, rounds=9)
    ours, theirs = rates(size, cpu["ours"]), rates(size, cpu["bz2"])
    return Row("bz2 to article Parquet, one core", "MB XML/s", ours, "Python's bz2 alone", theirs)


def process_rows(folder: Path, xml: bytes, quick: bool) -> list[Row]:
    """Two processes and one; the same of bz2 alone shows what the machine's cores can do."""
    path = folder / "multistream.xml.bz2"
    size = write_multistream(path, xml, copies=5 if quick else 12) / 1e6
    rows = []
    spawn = get_context("spawn")
    with ProcessPoolExecutor(2, spawn) as two, ProcessPoolExecutor(1, spawn) as one:
        for name, job in (("bz2 to Parquet", read_piece), ("bz2 alone", decompress_piece)):
            contest = {
                "two": partial(busiest, two, job, path),
                "one": partial(busiest, one, job, path),
            }
            many = take_turns(contest, rounds=2 if quick else 7)
            ours, theirs = rates(size, many["two"]), rates(size, many["one"])
            rows.append(Row(f"{name}, two processes", "MB XML/s", ours, "one process", theirs))
    return rows


def text_rows(folder: Path, xml: bytes, quick: bool) -> list[Row]:
    texts = articles(xml)
    size = sum(len(text.encode()) for text in texts) / 1e6
    given, made = folder / "texts.json", folder / "plain.json"
    given.write_text(json.dumps(texts))
    python = peer_environment("wikiextractor", ["wikiextractor==3.1.0"])
    plain: dict[str, list[str]] = {}
    contest: dict[str, Callable[[], object]] = {
        "ours": lambda: plain.update(ours=[plain_text(text) for text in texts]),
        "gensim": lambda: plain.update(gensim=[filter_wiki(text) for text in texts]),
        "wikiextractor": lambda: child([python, "-c", WIKIEXTRACTOR, given, made]),
    }
    cpu = take_turns(contest, rounds=3 if quick else 9)
    plain["wikiextractor"] = json.loads(made.read_text())
    ours = rates(size, cpu["ours"])
    peers = ("gensim", "wikiextractor")
    speed = [Row("plain text", "MB/s", ours, peer, rates(size, cpu[peer])) for peer in peers]
    junk = {name: junk_per_million(made_by) for name, made_by in plain.items()}
    return speed + [
        Row(f'"{word}" in the text', "per M words", [junk["ours"][word]], peer, [junk[peer][word]])
        for word in JUNK
        for peer in peers
    ]


def articles(xml: bytes) -> list[str]:
    """The wikitext of the export's articles."""
    found = re.findall(r"<text[^>]*>(.*?)</text>", xml.decode(), re.DOTALL)
    marks = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&amp;": "&"}
    texts = [re.sub(r"&(?:lt|gt|quot|amp);", lambda mark: marks[mark[0]], one) for one in found]
    return [text for text in texts if not text.lower().startswith("#redirect")]


def junk_per_million(texts: list[str]) -> dict[str, float]:
    words = [word for text in texts for word in regex.findall(r"[\p{L}\p{N}]+", text.lower())]
    counts = Counter(words)
    return {word: counts[word] * 1e6 / len(words) for word in JUNK}


def hostile_seconds() -> list[float]:
    """CPU seconds of a page of 200,000 characters of one mark after another, for each mark."""
    pages = [mark * (HOSTILE_CHARACTERS // len(mark)) for mark in HOSTILE]
    runs = take_turns({page: partial(plain_text, page) for page in pages}, rounds=3)
    return [min(seconds) for seconds in runs.values()]


def main() -> None:
    asked = arguments("benchmarks.wikipedia", __doc__)
    xml = export()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [reader_row(folder, xml, asked.quick), *process_rows(folder, xml, asked.quick)]
        rows += text_rows(folder, xml, asked.quick)
    rows.append(Row("worst hostile page", "CPU s", [max(hostile_seconds())], "at most", [0.1]))
    show("Wikipedia's export to plain text", rows)


if __name__ == "__main__":
    main()
