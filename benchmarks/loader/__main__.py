"""Shards to batches of pictures: how fast, beside three loaders and the bare JPEG decoder.

    python -m benchmarks.loader [--quick]

All read the same tars of JPEGs of 341 x 256 pixels at quality 95, and hand on the same squares as
uint8 (litdata reads chunks of its own). The peers run in an environment of their own, which is made
on first use: see `peers`. CPU seconds are of one worker, wall seconds of two; ours and the bare
decoder have a thread a core for both. The limit is the decoder alone, from memory, at the scale
that ours decodes at: 0.85 of it is asked. Every picture is decoded, as in a build larger than the
loader's cache; a row of its own is a later epoch of one that fits in. Then: how far the pictures
are from Pillow's, how long a training step waits for its batch, and what an index of a tar takes.
Photographs are drawn by chance.
"""

import json
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg

from benchmarks.harness import Row, Timed, arguments, peer_environment, rates, show
from benchmarks.loader.details import BATCH, differences, index_row, margin, parts, uncached, waits
from benchmarks.loader.peers import PACKAGES
from benchmarks.loader.pictures import HEIGHT, WIDTH, photo, write_build
from trainer.data.loader import Loader
from trainer.data.pixels import shrunk
from trainer.data.reading import read_samples
from trainer.data.samples import Samples
from trainer.data.shards import threads
from trainer.model.tokenizer import Tokenizer

SIDES = (224, 64)
NAMES = {"webdataset": "webdataset 1.0.2", "spdl": "spdl 0.8.0", "litdata": "litdata 0.2.76"}
LIMIT = "the decoder alone"
LEAST_OF_LIMIT = 0.85
# Levels of 255 between ours and a peer's squares, on average; of another square they are 40.
MOST_DIFFERENCE = {"webdataset": 2.0, "litdata": 2.0, "spdl": 14.0}  # that cuts a pixel beside
WORKERS = {"cpu": 0, "wall": 2}  # of a peer, while the clock is read


class NoWords(Tokenizer):
    """Hands on no tokens: the peer makes none."""

    def __init__(self) -> None:
        super().__init__([], {})

    def encode(self, captions: list[str], context: int) -> np.ndarray:
        return np.zeros((len(captions), 2), np.int64)


def loader(samples: Samples, side: int) -> Loader:
    return Loader(samples, NoWords(), 77, side, BATCH, seed=0)


def write_crops(root: Path, side: int) -> None:
    """Where ours cuts the squares of its first epoch, for the peers."""
    ours = loader(uncached(root, side), side)
    rows, bits = ours.plan(0)
    keys = [ours.samples.key(row) for row in rows.tolist()]
    places = zip(*(one.tolist() for one in ours.corners(bits)), strict=True)
    (root / "crops.json").write_text(json.dumps(dict(zip(keys, places, strict=True))))


# --- who reads ------------------------------------------------------------------------------
@dataclass
class Peers:
    """The process of the peers' environment, and what it is asked."""

    root: Path
    process: subprocess.Popen[str] = field(init=False)

    def __enter__(self) -> "Peers":
        python = peer_environment("loaders", PACKAGES)
        command = [str(python), str(Path(__file__).with_name("peers.py")), str(self.root)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self._answer("ready")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def _answer(self, expected: str) -> str:
        """The next line that begins as expected; the peers print lines of their own, too."""
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith(expected):
                return line
        raise SystemExit(f"the peers' process has ended, expected {expected!r}")

    def epoch(self, peer: str, side: int, workers: int, keep: str = "") -> dict[str, float]:
        asked = {"peer": peer, "side": side, "shorter": margin(side), "workers": workers}
        assert self.process.stdin
        print(json.dumps({**asked, "keep": keep}), file=self.process.stdin, flush=True)
        answer: dict[str, float] = json.loads(self._answer('{"wall"'))
        return answer


def ours(reader: Loader) -> int:
    """Read an epoch; how many pictures it had."""
    n = 0
    for batch in reader.epoch(0):
        n += len(batch.images)
        batch.release()
    return n


def decoder(pictures: list[bytes], side: int) -> int:
    """Decode the pictures, and no more: a thread a core, each into memory that it has."""
    n = threads(remote=False)
    height, width = (shrunk(length, HEIGHT, margin(side)) for length in (HEIGHT, WIDTH))

    def decoded(some: list[bytes]) -> int:
        small = {"min_height": height, "min_width": width, "min_factor": 1}
        buffer = np.empty(height * width * 3, np.uint8)
        for data in some:
            simplejpeg.decode_jpeg(data, "RGB", buffer=buffer, **small)
        return len(some)

    with ThreadPoolExecutor(n) as pool:
        return sum(pool.map(decoded, (pictures[at::n] for at in range(n))))


def timed(function: Callable[[], int]) -> dict[str, float]:
    with Timed() as took:
        n = function()
    return {"cpu": took.cpu, "wall": took.wall, "n": n}


# --- what is compared -----------------------------------------------------------------------
def speed_rows(root: Path, pictures: list[bytes], rounds: int) -> list[Row]:
    """CPU and wall rates of all, side by side in every round."""
    rows = []
    for side in SIDES:
        write_crops(root, side)
        reader = loader(uncached(root, side), side)
        kept = loader(read_samples(root, margin(side)), side)
        ours(kept)
        with Peers(root) as peers:
            check_equal(root, peers, side, len(pictures))
            contest: dict[str, Callable[[int], dict[str, float]]] = {
                "ours": lambda _, reader=reader: timed(partial(ours, reader)),
                LIMIT: lambda _, side=side: timed(partial(decoder, pictures, side)),
                "later": lambda _, kept=kept: timed(partial(ours, kept)),
                **{name: partial(peers.epoch, name, side) for name in NAMES},
            }
            took = measured(contest, len(pictures), rounds)
        for clock in WORKERS:
            speed = {name: rates(len(pictures), took[name, clock]) for name in contest}
            unit = "per CPU-s" if clock == "cpu" else "per s, two at a time"
            what = f"pictures of {side} pixels"
            versus = (LIMIT, *NAMES)
            rows += [
                Row(what, unit, speed["ours"], NAMES.get(name, name), speed[name])
                for name in versus
            ]
            rows.append(Row(f"{what}, a later epoch", unit, speed["later"], LIMIT, speed[LIMIT]))
    return rows


def measured(
    contest: dict[str, Callable[[int], dict[str, float]]], n: int, rounds: int
) -> dict[tuple[str, str], list[float]]:
    """The seconds of each by each clock. Ours and the limit do the same for both: they run once."""
    took: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for name, epoch in contest.items():
            once = epoch(0) if name not in NAMES else None
            for clock, workers in WORKERS.items():
                seconds = once or epoch(workers)
                if seconds["n"] != n:
                    raise ValueError(f"{name}: {seconds['n']} pictures, expected {n}")
                took.setdefault((name, clock), []).append(seconds[clock])
    return took


def check_equal(root: Path, peers: Peers, side: int, n: int) -> None:
    """Every loader hands on the same square of every picture, but for how it is resized."""
    squares: dict[str, np.ndarray] = {}
    for batch in loader(uncached(root, side), side).epoch(0):
        squares |= zip(batch.keys, batch.images.transpose(0, 2, 3, 1).copy(), strict=True)
    for name in NAMES:
        path = root / f"{name}.npz"
        peers.epoch(name, side, 0, str(path))
        with np.load(path) as own:
            pairs = zip(own["keys"].tolist(), own["images"], strict=True)
            far = [np.abs(squares[key].astype(int) - image).mean() for key, image in pairs]
        path.unlink()
        if len(far) != n or np.mean(far) > MOST_DIFFERENCE[name]:
            raise ValueError(f"{name}: {len(far)} pictures, {np.mean(far):.1f} levels from ours")


def main() -> None:
    asked = arguments("benchmarks.loader", (__doc__ or "").splitlines()[0])
    cv2.setNumThreads(1)
    drawn = [photo(seed) for seed in range(60 if asked.quick else 120)]
    n = 400 if asked.quick else 1_200
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        pictures = write_build(root, drawn, n)
        rows = speed_rows(root, pictures, rounds=2 if asked.quick else 5)
        rows.append(index_row(root, n, asked.quick))
        rounds = 2 if asked.quick else 7
        notes: dict[str, Any] = {
            "microseconds": {side: parts(root, side, rounds) for side in SIDES},
            "wait_for_data": waits(root, steps=10 if asked.quick else 100),
            "wait_budget_percent": 5,
            "mean_difference_to_pillow": differences(drawn[:50], SIDES),
            "difference_budget": 2,
            "least_of_the_limit": LEAST_OF_LIMIT,
            "mean_jpeg_kb": round(sum(map(len, drawn)) / len(drawn) / 1000, 1),
        }
    show("Shards to batches of pictures", rows, **notes)


if __name__ == "__main__":
    main()
