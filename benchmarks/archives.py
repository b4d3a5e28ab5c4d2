"""Crawl files of others read twice: is each answer accounted for, and what does lxml read of them?

    python -m benchmarks.archives FOLDER

Reads every WARC, ARC, WAT and WACZ below the folder, such as those that the source packages of
pywb, warcat and warcbench carry. The peer reads the records with warcio and
asks lxml for each `img` with a `src` and an alt or a title. A file has as many answers as warcio
counts; ours must account for each: by rows of its pictures, or by a reason.
"""

import argparse
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.harness import child, peer_environment
from pipeline.settings.sources import CommonCrawlSource
from pipeline.sources.candidate import SourceError
from pipeline.sources.crawl.pages import read

CRAWL = re.compile(r"\.(?:w?arc|wat|wet|wacz)(?:\.gz|\.zst)?(?:\.bad)?$")

# Runs in the peer's own environment: the answers of a file, and its pairs.
LXML = """
import io, json, sys, zipfile
from urllib.parse import urljoin
import lxml.html
from warcio.archiveiterator import ArchiveIterator
answers, pairs = [], []
def page(record, url):
    try:
        body = record.content_stream().read()
        tree = lxml.html.fromstring(body, base_url=url) if body.strip() else None
    except Exception:
        return
    for image in () if tree is None else tree.iter("img"):
        for text in (image.get("alt"), image.get("title")):
            if image.get("src") and " ".join((text or "").split()):
                joined = urljoin(url, image.get("src").strip()).replace(" ", "%20")
                pairs.append([joined, " ".join(text.split())])
def crawl(file):
    for record in ArchiveIterator(file, arc2warc=True):
        url = record.rec_headers.get_header("WARC-Target-URI") or ""
        if record.rec_type in ("response", "resource"):
            answers.append(url)
            headers = record.http_headers or record.rec_headers
            if "html" in (headers.get_header("Content-Type") or ""):
                page(record, url)
        elif record.rec_type == "metadata":
            if b"HTTP-Response-Metadata" in record.raw_stream.read():
                answers.append(url)
fault = ""
try:
    with open(sys.argv[1], "rb") as file:
        if file.read(4) == b"PK\\x03\\x04":
            with zipfile.ZipFile(file) as members:
                for name in sorted(members.namelist()):
                    if name.endswith((".warc", ".warc.gz")):
                        crawl(io.BytesIO(members.read(name)))
        else:
            file.seek(0)
            crawl(file)
except Exception as error:
    fault = type(error).__name__
print(json.dumps({"answers": answers, "pairs": pairs, "fault": fault}))
"""


def compare(path: Path, python: Path) -> dict[str, Any]:
    """What both readers make of a file."""
    peer = child([python, "-c", LXML, path])
    source = CommonCrawlSource(kind="commoncrawl", name="crawl", paths=(str(path),))
    try:
        raws = list(read({"path": str(path)}, source))
    except SourceError as error:
        return {"file": path.name, "refused": str(error).rpartition("file: ")[2]}
    kept = [(raw.url, raw.caption) for raw in raws if raw.reason is None]
    reasons = Counter(raw.reason for raw in raws if raw.reason)
    answers, accounted = Counter(peer["answers"]), Counter(raw.page_url for raw in raws)
    missing = [url for url in answers if url.strip("<>") not in accounted]
    theirs = {tuple(pair) for pair in peer["pairs"]}
    return {
        "file": path.name,
        "answers": f"{sum(answers.values())}{'+' if peer['fault'] else ''}",
        "without account": max(0, len(missing) - reasons["bad_record"] - reasons["bad_stream"]),
        "reasons": ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items())),
        "pairs": len(set(kept)),
        "lxml's": len(theirs),
        "both": len(theirs & set(kept)),
    }


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.archives", description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    python = peer_environment("archives", ["warcio==1.8.1", "lxml==6.1.3", "setuptools<81"])
    files = {
        path.name: path for path in folder.rglob("*") if CRAWL.search(path.name) and path.is_file()
    }
    columns = ("file", "answers", "without account", "reasons", "pairs", "lxml's", "both")
    print("| " + " | ".join(columns) + " |\n|---|---:|---:|---|---:|---:|---:|")
    lost = 0
    for _, path in sorted(files.items()):
        row = compare(path, python)
        lost += row.get("without account", 0)
        if "refused" in row:
            print(f"| {row['file']} | | | refused: {row['refused']} | | | |")
        else:
            print("| " + " | ".join(str(row[name]) for name in columns) + " |")
    print(json.dumps({"files": len(files), "answers without account": lost}))


if __name__ == "__main__":
    main()
