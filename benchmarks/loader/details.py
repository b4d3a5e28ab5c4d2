"""What else is measured of the loader: its pixels and parts, a step's waiting, a tar's index."""

import io
import os
import tarfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import simplejpeg
import torch
from PIL import Image

from benchmarks.harness import Row, rates, take_turns
from benchmarks.loader.pictures import HEIGHT, SHARDS
from queries.tables.tars import members
from trainer.data.loader import Loader
from trainer.data.pixels import Room, decode, decode_jpeg, resized_crop
from trainer.data.prefetch import prefetched
from trainer.data.reading import read_samples
from trainer.data.samples import Samples
from trainer.model import build as build_model
from trainer.model import tokenizer
from trainer.settings import MODELS
from trainer.training.losses import contrastive

BATCH = 64


def margin(side: int) -> int:
    """The shorter side of which a crop is taken: the recipes' own."""
    return 72 if side == 64 else side


def uncached(root: Path, side: int) -> Samples:
    """The build's samples, of which no picture stays decoded."""
    samples = read_samples(root, margin(side))
    samples.cache_bytes = 0
    return samples


def differences(pictures: list[bytes], sides: Sequence[int]) -> dict[str, float]:
    """Mean absolute difference to Pillow's bicubic, in levels of 255, of the same square."""
    found = {}
    for side in sides:
        shorter = margin(side)
        square = round(HEIGHT * side / shorter)
        total = []
        for data in pictures:
            image = Image.open(io.BytesIO(data)).convert("RGB").crop((0, 0, square, square))
            slow = np.asarray(image.resize((side, side), Image.Resampling.BICUBIC)).astype(int)
            fast = np.empty((side, side, 3), np.uint8)
            resized_crop(decode_jpeg(data, shorter), shorter, 0, 0, fast)
            total.append(np.abs(fast - slow).mean())
        found[str(side)] = round(float(np.mean(total)), 2)
    return found


def parts(root: Path, side: int, rounds: int) -> dict[str, float]:
    """Microseconds of one thread that a picture takes, by what is done: the least of the rounds.

    The decoder, the resizing and the bare reading of its bytes are what no loader can leave out;
    "all" is what `Samples.fill` takes for them, in a batch's own memory.
    """
    samples, shorter, room = uncached(root, side), margin(side), Room()
    rows = range(len(samples))
    pictures = [samples.bytes_of(row) for row in rows]
    image = decode_jpeg(pictures[0], shorter)
    height, width = image.shape[:2]
    small = {"min_height": height, "min_width": width, "min_factor": 1}
    buffer, out = np.empty(image.size, np.uint8), np.empty((BATCH, side, side, 3), np.uint8)
    handle = os.open(samples.tars[0].path, os.O_RDONLY)

    def decoded(row: int) -> None:
        simplejpeg.decode_jpeg(pictures[row], "RGB", buffer=buffer, **small)

    steps: dict[str, Callable[[int], object]] = {
        "decoder": decoded,
        "decoder, its bytes checked": lambda row: decode(pictures[row], shorter, room),
        "resizing": lambda row: resized_crop(image, shorter, 0.5, 0.5, out[row % BATCH]),
        "reading, of an open file": lambda row: os.pread(handle, len(pictures[row]), 0),
        "reading": samples.bytes_of,
        "all": lambda row: samples.fill(row, 0.5, 0.5, out[row % BATCH]),
    }
    took = dict.fromkeys(steps, float("inf"))
    for _ in range(rounds):
        for name, step in steps.items():
            began = time.thread_time()
            for row in rows:
                step(row)
            took[name] = min(took[name], (time.thread_time() - began) / len(rows))
    os.close(handle)
    return {name: round(1e6 * seconds, 1) for name, seconds in took.items()}


def waits(root: Path, steps: int) -> dict[str, float]:
    """Share of training steps that is spent in waiting for data, of the tiny ResNet at 64 pixels.

    No picture stays decoded, as in a build larger than the memory.
    """
    samples = uncached(root, 64)
    torch.manual_seed(0)
    words = tokenizer.train(samples.rows["caption"].to_pylist()[:100], 1000, {})
    model = build_model("tiny-rn").channels_last().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    loader = Loader(samples, words, MODELS["tiny-rn"].text.context, 64, BATCH, seed=0)
    epochs = (batch for epoch in range(1000) for batch in loader.epoch(epoch))
    with closing(prefetched(epochs)) as batches:
        next(batches)  # the start is not a step's
        waited, began = 0.0, time.monotonic()
        for _ in range(steps):
            batch = next(batches)
            waited += batches.waited_s
            with torch.autocast("cpu", torch.bfloat16):
                image, text, scale = model(
                    torch.from_numpy(batch.images), torch.from_numpy(batch.tokens)
                )
            optimizer.zero_grad(set_to_none=True)
            contrastive(image, text, scale).backward()
            optimizer.step()
            batch.release()
        total = time.monotonic() - began
    return {"share_percent": round(100 * waited / total, 2), "step_ms": round(1000 * total / steps)}


def index_row(root: Path, n: int, quick: bool) -> Row:
    """An index of the first tar beside tarfile's."""
    path = root / "shards" / "00000.tar"

    def fast() -> None:
        with path.open("rb", buffering=0) as tar:
            list(members(tar))

    def slow() -> None:
        with tarfile.open(path, "r:") as tar:
            tar.getmembers()

    cpu = take_turns({"ours": fast, "peer": slow}, rounds=3 if quick else 9)
    unit = "headers per CPU-ms"
    speed = [rates(3 * n / SHARDS / 1000, cpu[name]) for name in ("ours", "peer")]
    return Row("index of a tar", unit, speed[0], "tarfile", speed[1])
