"""A build's shards to batches of pictures: how fast, beside webdataset with Pillow.

    python -m benchmarks.loader [--quick]

Both read the same tar of JPEGs of 341 x 256 pixels at quality 95, shuffle them, resize them to the
side of the model's pictures and cut one square out of each by chance. Ours hands on uint8, which
the model normalises. The peer's pictures are resized by Pillow's bicubic and normalised as is
usual (ToTensor, Normalize); a second row leaves that out and compares uint8 with uint8. CPU
seconds count, so ours, in threads, gains nothing by their number. Every picture is decoded, as in
a build larger than the loader's cache; a row of its own is a later epoch of one that fits in.
Then: how far the pictures are from Pillow's, how long a training step waits for its batch, and
what an index of a tar takes. Photographs are drawn by chance.
"""

import io
import json
import tarfile
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg
import torch
import webdataset
from PIL import Image, ImageDraw

from benchmarks.harness import Row, arguments, rates, show, take_turns
from queries.pixels.fingerprint import hash63
from queries.tables.schemas import TABLES
from queries.tables.tars import members, with_places
from trainer.data.loader import Loader
from trainer.data.pixels import decode_jpeg, resized_crop
from trainer.data.prefetch import prefetched
from trainer.data.reading import read_samples
from trainer.model import build as build_model
from trainer.model import tokenizer
from trainer.model.tokenizer import Tokenizer
from trainer.settings import MODELS
from trainer.training.losses import contrastive

PEER = "webdataset + Pillow"
BATCH = 64
SIDES = (224, 64)
BUDGETS = {224: 5.0, 64: 4.0}
WIDTH, HEIGHT, QUALITY = 341, 256, 95
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


class NoWords(Tokenizer):
    """Hands on no tokens: the peer makes none."""

    def __init__(self) -> None:
        super().__init__([], {})

    def encode(self, captions: list[str], context: int) -> np.ndarray:
        return np.zeros((len(captions), 2), np.int64)


def photo(seed: int) -> bytes:
    """A smooth picture with sharp shapes and the noise of a camera, made small as a build's are.

    >>> photo(0)[:2]
    b'\\xff\\xd8'
    """
    chance = np.random.default_rng(seed)
    coarse = chance.integers(0, 255, (24, 32, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((3 * WIDTH, 3 * HEIGHT), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(15):
        x, y, r = (int(chance.integers(*span)) for span in ((0, 1000), (0, 760), (10, 120)))
        draw.ellipse((x - r, y - r, x + r, y + r), tuple(chance.integers(0, 255, 3).tolist()))
    noisy = np.asarray(image) + chance.normal(0, 4, (3 * HEIGHT, 3 * WIDTH, 3))
    clipped = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
    small = clipped.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    return simplejpeg.encode_jpeg(np.asarray(small), QUALITY, "RGB", "420")


def write_build(root: Path, pictures: list[bytes], n: int) -> None:
    """A build of one shard: n samples, the pictures over and over."""
    caption = "a drawn photograph of circles in many colours"
    ids = sorted(hash63(f"https://circles.example/{at}", caption) for at in range(n))
    zeros = {"width": WIDTH, "height": HEIGHT, "original_width": 0, "original_height": 0}
    texts = {"url": "https://circles.example/", "caption": caption, "source": "drawn"}
    rows = []
    (root / "shards").mkdir(parents=True)
    with tarfile.open(root / "shards" / "00000.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        for at, pair_id in enumerate(ids):
            picture = pictures[at % len(pictures)]
            about = {"key": f"{pair_id:016x}", "pair_id": pair_id, **zeros, **texts}
            for suffix, data in (
                ("jpg", picture),
                ("txt", caption.encode()),
                ("json", json.dumps(about).encode()),
            ):
                member = tarfile.TarInfo(f"{about['key']}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
            numbers = {
                "priority": 0,
                "image_bytes": len(picture),
                "phash": 0,
                "n_words": 8,
            }
            rows.append({**about, **numbers, "sha256": "0", "offset": 0, "bytes": 0})
    table = pa.Table.from_pylist(rows, schema=TABLES["sample"].schema)
    tar_file = root / "shards" / "00000.tar"
    pq.write_table(with_places(table, tar_file), tar_file.with_suffix(".parquet"))


def ours(root: Path, side: int, shorter: int, words: Tokenizer) -> Iterator[np.ndarray]:
    samples = read_samples(root, shorter)
    samples.cache_bytes = 0
    for batch in Loader(samples, words, 77, side, BATCH, seed=0).epoch(0):
        yield batch.images


def later(loader: Loader) -> Iterator[np.ndarray]:
    for batch in loader.epoch(1):
        yield batch.images


def theirs(root: Path, side: int, shorter: int, normalised: bool) -> Iterator[np.ndarray]:
    """As its documentation reads a tar: shuffled by a buffer, decoded by Pillow, in batches."""
    chance = np.random.default_rng(0)

    def transform(image: Image.Image) -> np.ndarray:
        scale = shorter / min(image.size)
        sides = (round(image.width * scale), round(image.height * scale))
        image = image.resize(sides, Image.Resampling.BICUBIC)
        x, y = (int(chance.integers(room - side + 1)) for room in image.size)
        pixels = np.asarray(image.crop((x, y, x + side, y + side)))
        if normalised:
            pixels = (pixels.astype(np.float32) / 255 - MEAN) / STD
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))

    tar = str(root / "shards" / "00000.tar")
    return (
        images
        for images, _ in webdataset.WebDataset(tar, shardshuffle=False, empty_check=False)
        .shuffle(1000, initial=100)
        .decode("pil")
        .to_tuple("jpg", "txt")
        .map_tuple(transform, str)
        .batched(BATCH)
    )


def consume(n: int, batches: Callable[[], Iterator[np.ndarray]]) -> None:
    """Read all batches; ValueError if a sample is not there."""
    found = sum(len(images) for images in batches())
    if found != n:
        raise ValueError(f"{found} samples were read, expected {n}")


def speed_rows(root: Path, n: int, quick: bool) -> list[Row]:
    rows = []
    for side in SIDES:
        shorter = margin(side)
        kept = Loader(read_samples(root, shorter), NoWords(), 77, side, BATCH, seed=0)
        consume(n, partial(later, kept))
        contest = {
            "ours": partial(ours, root, side, shorter, NoWords()),
            "kept": partial(later, kept),
            "float": partial(theirs, root, side, shorter, True),
            "uint8": partial(theirs, root, side, shorter, False),
        }
        runs = {name: partial(consume, n, one) for name, one in contest.items()}
        cpu = take_turns(runs, rounds=3 if quick else 9)
        what = f"pictures of {side} pixels"
        for ours_, way, said in (
            ("ours", "float", what),
            ("ours", "uint8", what),
            ("kept", "float", f"{what}, a later epoch"),
        ):
            peer = f"{PEER}, {'normalised' if way == 'float' else way}"
            rows.append(Row(said, "per CPU-s", rates(n, cpu[ours_]), peer, rates(n, cpu[way])))
    return rows


def margin(side: int) -> int:
    """The shorter side of which a crop is taken: the recipes' own."""
    return 72 if side == 64 else side


def differences(pictures: list[bytes]) -> dict[str, float]:
    """Mean absolute difference to Pillow's bicubic, in levels of 255, of the same square."""
    found = {}
    for side in SIDES:
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


def waits(root: Path, steps: int) -> dict[str, float]:
    """Share of training steps that is spent in waiting for data, of the tiny ResNet at 64 pixels.

    No picture stays decoded, as in a build larger than the memory.
    """
    samples = read_samples(root, margin(64))
    samples.cache_bytes = 0
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
    path = root / "shards" / "00000.tar"

    def fast() -> None:
        with path.open("rb", buffering=0) as tar:
            list(members(tar))

    def slow() -> None:
        with tarfile.open(path, "r:") as tar:
            tar.getmembers()

    cpu = take_turns({"ours": fast, "peer": slow}, rounds=3 if quick else 9)
    unit = "headers per CPU-ms"
    speed = [rates(3 * n / 1000, cpu[name]) for name in ("ours", "peer")]
    return Row("index of a tar", unit, speed[0], "tarfile", speed[1])


def main() -> None:
    asked = arguments("benchmarks.loader", __doc__)
    warnings.filterwarnings("ignore", module="webdataset")
    cv2.setNumThreads(1)
    pictures = [photo(seed) for seed in range(60 if asked.quick else 200)]
    n = 600 if asked.quick else 2000
    notes: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_build(root, pictures, n)
        rows = [*speed_rows(root, n, asked.quick), index_row(root, n, asked.quick)]
        notes["wait_for_data"] = waits(root, steps=10 if asked.quick else 100)
        notes["wait_budget_percent"] = 5
    notes["mean_difference_to_pillow"] = differences(pictures[:50])
    notes["difference_budget"] = 2
    notes["ratio_budgets"] = {str(side): budget for side, budget in BUDGETS.items()}
    notes["mean_jpeg_kb"] = round(sum(map(len, pictures)) / len(pictures) / 1000, 1)
    show("Shards to batches of pictures", rows, **notes)


if __name__ == "__main__":
    main()
