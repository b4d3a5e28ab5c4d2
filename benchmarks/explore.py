"""Search by meaning among ten million embeddings: how long it takes, what it finds, what it holds.

    python -m benchmarks.explore [--quick]

A small CLIP is trained on the emoji of benchmarks.emoji_data; each embedding is that of one of its
pictures with noise added (cosine about 0.89 to the picture's own), and that of its name with noise;
the generator is `made`, its seed 0. The questions are 1,000 that are no rows: 500 captions and 500
pictures with noise of their own. Ours is the explorer's index (pipeline/explore/meaning), the peer
an exact search, FAISS's flat index over all rows, whose answers are what recall is measured by.
Both run in a process of their own, on as many threads as there are cores.
"""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks import emoji_data, emoji_train
from benchmarks.harness import Row, Timed, cache, child, peak_mb, show
from pipeline.explore.meaning.nearest import Nearest, exact, index_bytes, make_index, recall
from queries.tables.embeddings import Embeddings, read_embeddings, schema
from queries.tables.manifest import MANIFEST
from queries.tables.parts import write_json, written_whole

ROWS, QUICK_ROWS = 10_000_000, 2_000_000
STEPS, QUICK_STEPS = 600, 30  # of the training
PART_ROWS = 1 << 16
NOISE = 0.5  # length of what is added to a vector of length 1
QUESTIONS, NEAREST = 1_000, 10
GOALS = {"p95_ms": 500, "recall": 0.95, "anonymous_mb": 1_000}


def trained(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The embeddings of the emoji's pictures and, row by row, of their names: (N, width) each.

    They are kept, so that other numbers of rows need no other training.
    """
    path = cache() / f"explore-base-{steps}.npz"
    if path.is_file():
        with np.load(path) as kept:
            return kept["image"], kept["text"]
    torch.set_num_threads(1)
    emoji = emoji_data.load(cache())
    model = emoji_train.train(emoji, emoji_train.Plan(steps), seed=0)
    small = emoji_data.resized(emoji, emoji_train.Plan(steps).pixels)
    words = model.tokenizer.encode(emoji.names, emoji_train.CONTEXT)
    with torch.inference_mode():
        texts = model.model.encode_text(torch.from_numpy(words)).float().numpy()
        pictures = [
            model.model.encode_image(torch.from_numpy(block.transpose(0, 3, 1, 2).copy())).numpy()
            for drawn in small.pictures.values()
            for block in np.array_split(drawn, 16)
        ]
    image = np.concatenate(pictures).astype(np.float32)
    text = np.tile(texts, (len(small.pictures), 1))
    with written_whole(path) as beside, beside.open("wb") as file:
        np.savez(file, image=unit(image), text=unit(text))
    return unit(image), unit(text)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def noisy(vectors: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Each with a random vector of length about NOISE added: float32 (N, width) of length 1."""
    noise = draw.standard_normal(vectors.shape, np.float32)
    return unit(vectors + NOISE / vectors.shape[1] ** 0.5 * noise)


def made(run: Path, rows: int, steps: int) -> None:
    """Write RUN/embeddings of so many rows, and RUN/questions.npz, unless they are there."""
    folder = run / "embeddings"
    if (folder / MANIFEST).exists():
        return
    shutil.rmtree(run, ignore_errors=True)
    folder.mkdir(parents=True)
    image, text = trained(steps)
    width, draw, parts = image.shape[1], np.random.default_rng(0), []
    for number, start in enumerate(range(0, rows, PART_ROWS)):
        n = min(PART_ROWS, rows - start)
        own = draw.integers(0, len(image), n)
        lists = [
            pa.FixedSizeListArray.from_arrays(
                pa.array(noisy(base[own], draw).astype(np.float16).reshape(-1)), width
            )
            for base in (image, text)
        ]
        ids = pa.array(np.arange(start, start + n))
        name = f"{number:05d}.parquet"
        table = pa.Table.from_arrays([ids, *lists], schema=schema(width))
        pq.write_table(table, folder / name, compression="none", use_dictionary=False)
        parts.append({"path": name, "rows": n})
    half = QUESTIONS // 2
    asked = [noisy(base[draw.integers(0, len(base), half)], draw) for base in (text, image)]
    np.savez(run / "questions.npz", text=asked[0], picture=asked[1])
    about = {"build_version": "made", "build_digest": str(rows), "checkpoint": str(steps)}
    write_json(folder / MANIFEST, about | {"width": width, "count": rows, "parts": parts})


def worker(run: Path) -> dict:
    """Make the index, ask all questions one at a time, and compare with an exact search."""
    embeddings = read_embeddings(run)
    shutil.rmtree(embeddings.folder / "index", ignore_errors=True)
    with Timed() as making:
        make_index(embeddings)
    made_with = peak_mb()
    return {
        "index_wall_s": round(making.wall, 1),
        "index_cpu_s": round(making.cpu, 1),
        "index_making_mb": round(made_with),
        "index_mb": round(index_bytes(embeddings) / 1e6),
        "embeddings_mb": round(disk_mb(embeddings)),
    }


def disk_mb(embeddings: Embeddings) -> float:
    return sum((embeddings.folder / name).stat().st_size for name, _ in embeddings.parts) / 1e6


def anonymous_mb() -> float:
    """The memory of this process that no file backs, MB."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024 / 1e6


def ask(run: Path) -> dict:
    """Open the index, and ask: seconds of each question, recall, and memory before the exact."""
    embeddings = read_embeddings(run)
    began = time.monotonic()
    index = Nearest(embeddings)
    answers: dict = {"open_s": round(time.monotonic() - began, 3), "lists": index.about}
    with np.load(run / "questions.npz") as kept:
        questions = {kind: kept[kind] for kind in kept.files}
    near, seconds = {}, {}
    for kind, vectors in questions.items():
        near[kind], seconds[kind] = [], []
        for vector in vectors:
            began = time.monotonic()
            nearest = index.search(vector, NEAREST, kind="text" if kind == "text" else "image")
            near[kind].append([pair.pair_id for pair in nearest])
            seconds[kind].append(time.monotonic() - began)
    answers["anonymous_mb"] = round(anonymous_mb())  # the lists of the index are mapped, not held
    answers["resident_mb"] = round(psutil.Process().memory_info().rss / 1e6)
    for kind, vectors in questions.items():
        began = time.monotonic()
        wanted, _ = exact(embeddings, vectors, NEAREST)
        answers[kind] = {
            "ms": [round(1e3 * second, 2) for second in seconds[kind]],
            "recall": round(recall(np.array(near[kind]), wanted), 4),
            "exact_ms": round(1e3 * (time.monotonic() - began) / len(vectors), 2),
        }
    return answers


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.explore", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two million rows: some minutes")
    parser.add_argument("--rows", type=int, help="another number of rows")
    parser.add_argument("--make", type=Path, help="make the index of this run's embeddings")
    parser.add_argument("--ask", type=Path, help="ask the index of this run's embeddings")
    options = parser.parse_args()
    if options.make or options.ask:
        done = worker(options.make) if options.make else ask(options.ask)
        print(json.dumps(done))
        return
    rows = options.rows or (QUICK_ROWS if options.quick else ROWS)
    run = cache() / f"explore-{rows}-{QUICK_STEPS if options.quick else STEPS}"
    made(run, rows, QUICK_STEPS if options.quick else STEPS)
    command = [sys.executable, "-m", "benchmarks.explore"]
    index = child([*command, "--make", run])
    asked = child([*command, "--ask", run])
    table, notes = [], {}
    for kind in ("text", "picture"):
        ms = np.sort(asked[kind]["ms"])
        plain = [asked[kind]["exact_ms"]]
        for percent in (50, 95):
            value = float(np.percentile(ms, percent))
            table.append(Row(f"search by {kind}, p{percent}", "ms", [value], "exact, mean", plain))
        notes[f"recall_at_10_{kind}"] = asked[kind]["recall"]
    memory = {name: asked[name] for name in ("anonymous_mb", "resident_mb", "open_s", "lists")}
    show(f"Search by meaning among {rows:,} embeddings", table, **notes, **memory, **index)
    worst = min(notes.values())
    if worst < GOALS["recall"] or asked["anonymous_mb"] > GOALS["anonymous_mb"]:
        raise SystemExit(f"expected {GOALS}")


if __name__ == "__main__":
    main()
