"""Words and bigrams counted: how fast and in how much memory, beside a loop over a Counter.

    python -m benchmarks.ngrams [--quick]

Both count the same words by the same rule. The memory is that of a process of its own, ours with
the merging of two parts' counts by DuckDB, held to 700 MB; a digest shows that the counts are
equal, those of other parts' order and another flush's size, too. The texts are 20,435
articles of Wikipedia, or where `../shared` is not on the machine, those of gensim's test export.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import gensim
import pyarrow as pa
import pyarrow.parquet as pq
import regex

from benchmarks.harness import Row, child, cpu_seconds, peak_mb, rates, show, take_turns
from pipeline.query_list import ngrams
from pipeline.text import fold
from pipeline.wikipedia import read_articles
from queries.engine import DERIVE
from queries.engine.duck import DuckEngine
from queries.tables.parts import read_batches, read_part, write_part
from queries.tables.schemas import TABLES

SHARED = Path(__file__).parents[2] / "shared" / "data" / "enwiki_articles_20k.parquet"
EXPORT = "test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
WORD = r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*"
JOINED = r"['-](?:(?!\p{N})|(?<=[\p{L}\p{M}]['-]))"
TOKEN = regex.compile(rf"{WORD}(?:{JOINED}{WORD})*|[^ \p{{L}}\p{{N}}]+")
WORD_START = regex.compile(r"[\p{L}\p{N}]")
MEMORY = "700MB"


def write_parts(folder: Path, quick: bool) -> tuple[list[Path], int]:
    """Write the texts as two parts; returns them and their characters."""
    found = list(read_batches(SHARED)) if SHARED.exists() else gensim_articles()
    texts = pa.Table.from_batches(found)["text"].to_pylist()
    texts = texts[: len(texts) // 2] if quick else texts
    half = len(texts) // 2
    paths = [folder / "0.parquet", folder / "1.parquet"]
    for path, some in zip(paths, (texts[:half], texts[half:]), strict=True):
        pq.write_table(pa.table({"text": some}), path, row_group_size=1000)
    return paths, sum(map(len, texts))


def gensim_articles() -> list[pa.RecordBatch]:
    return list(read_articles(Path(gensim.__file__).parent / EXPORT))


def texts_of(paths: list[Path]) -> Iterator[str]:
    for path in paths:
        for batch in read_batches(path, 1000):
            yield from batch.column("text").to_pylist()


def count_by_counter(paths: list[Path]) -> Counter:
    counts: Counter = Counter()
    for text in texts_of(paths):
        tokens = [one if WORD_START.match(one) else None for one in TOKEN.findall(fold(text))]
        counts.update((one, None) for one in tokens if one)
        counts.update((one, two) for one, two in pairwise(tokens) if one and two)
    return counts


def run_counter(paths: list[Path], _: Path) -> dict[str, Any]:
    order = sorted(count_by_counter(paths).items(), key=lambda one: (one[0][0], one[0][1] or ""))
    return {"digest": digest((*key, n) for key, n in order)}


def run_ours(paths: list[Path], folder: Path) -> dict[str, Any]:
    """The partial counts of each part, and their sum, as a build makes them."""
    made = [folder / f"counts{n}.parquet" for n in range(len(paths))]
    for path, out in zip(paths, made, strict=True):
        write_part(out, TABLES["ngram_part"], ngrams.count_ngrams(read_batches(path, 1000)))
    engine = DuckEngine(workers=2, memory=MEMORY, scratch=folder, quiet=True)
    before = cpu_seconds()
    part = engine.derive(DERIVE / "ngram.sql", {"ngram_part": made}, folder / "ngram.parquet")
    return {
        "merge_s": cpu_seconds() - before,
        "merge_rows": sum(read_part(path).rows_kept for path in made),
        "digest": digest(tuple(row.values()) for row in pq.read_table(part.path).to_pylist()),
    }


def digest(rows: Iterator[tuple]) -> str:
    """What tells two lists of counts apart.

    >>> digest(iter([("new", "york", 2)]))
    '8fb0f376'
    """
    total = hashlib.sha256()
    for row in rows:
        total.update(repr(row).encode())
    return total.hexdigest()[:8]


def in_a_process(way: str, paths: list[Path], flush: int = ngrams.FLUSH_CHARACTERS) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        run = [sys.executable, "-m", "benchmarks.ngrams", "--way", way, "--folder", folder]
        result: dict = child([*run, "--flush", str(flush), "--parts", *paths])
        return result


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    """What a run has counted, in short; and the most memory that it took."""
    ngrams.FLUSH_CHARACTERS = asked.flush
    run = {"ours": run_ours, "counter": run_counter}[asked.way]
    found = run(asked.parts, asked.folder)
    return {**found, "memory_mb": peak_mb()}


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.ngrams", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half of the texts")
    parser.add_argument("--way", choices=["ours", "counter"], help=argparse.SUPPRESS)
    parser.add_argument("--flush", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--parts", type=Path, nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        print(json.dumps(measured(asked)))
    else:
        compare(asked.quick)


def compare(quick: bool) -> None:
    theirs = "a Counter in a loop"
    with tempfile.TemporaryDirectory() as name:
        paths, characters = write_parts(Path(name), quick)
        contest = {
            "ours": lambda: list(
                ngrams.count_ngrams(chain.from_iterable(map(read_batches, paths)))
            ),
            "counter": lambda: count_by_counter(paths),
        }
        cpu = take_turns(contest, rounds=2 if quick else 7)
        runs = [in_a_process(way, paths) for way in contest]
        other = in_a_process("ours", paths[::-1], flush=1_000_000)
    speed = [rates(characters / 1e6, cpu[way]) for way in contest]
    memory = [[run["memory_mb"]] for run in runs]
    show(
        "Words and bigrams, counted",
        [
            Row("counted", "M chars/s", speed[0], theirs, speed[1]),
            Row("most memory, counted and merged", "MB", memory[0], theirs, memory[1]),
        ],
        million_characters=round(characters / 1e6, 1),
        million_rows_merged=round(runs[0]["merge_rows"] / 1e6, 2),
        million_rows_merged_per_s=round(runs[0]["merge_rows"] / runs[0]["merge_s"] / 1e6, 2),
        equal_counts=len({run["digest"] for run in [*runs, other]}) == 1,
    )


if __name__ == "__main__":
    main()
