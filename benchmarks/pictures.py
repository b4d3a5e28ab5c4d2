"""Pictures guarded, decoded, shrunk, measured and encoded: beside img2dataset's own Resizer.

    python -m benchmarks.pictures [--quick]

Both make JPEGs of one size and quality from the same bytes, in one thread, and take their sha256.
Ours inspects the header, takes care of damage and orientation, and measures pHash and spread, too.
The memory is what a process of its own takes above idle for a PNG of 900 megapixels in 2.6 MB, and
for the largest pictures that the settings allow. Pictures are drawn by chance, as large as those
of web pages: no photographs can be had here at their own size.
"""

import argparse
import gc
import hashlib
import io
import json
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from benchmarks.harness import Row, child, peak_mb, show, take_turns
from pipeline.images.judge import Picture, judge_picture
from pipeline.settings.images import ImageSettings

SETTINGS = ImageSettings()
SIDES = ((500, 375), (640, 480), (800, 600), (1024, 683), (1200, 900), (1600, 1067))
RATIO_BUDGET = 0.70
MEMORY_BUDGET_MB = 60
LARGEST = (8_000, 6_250)  # the default of max_pixels
PEER = "img2dataset's Resizer"


def photo(width: int, height: int, seed: int) -> Image.Image:
    """A smooth picture with the noise of a camera.

    >>> photo(30, 20, 0).size
    (30, 20)
    """
    chance = np.random.default_rng(seed)
    coarse = chance.integers(0, 255, (24, 32, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = chance.normal(0, 4, smooth.shape)
    return Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def bodies(kind: str, copies: int, **options: Any) -> list[bytes]:
    """Pictures of each of SIDES."""
    sizes = [sides for sides in SIDES for _ in range(copies)]
    return [
        saved(photo(*sides, seed), kind, **options) for seed, sides in enumerate(sizes, start=1)
    ]


def stock_resizer() -> Callable[[bytes], bytes]:
    """img2dataset's, with the arguments of pipeline/fetch/worker.py."""
    from img2dataset.resizer import Resizer

    resizer = Resizer(
        image_size=SETTINGS.size,
        resize_mode="keep_ratio",
        resize_only_if_bigger=True,
        encode_quality=SETTINGS.quality,
    )

    def run(body: bytes) -> bytes:
        hashlib.sha256(body).hexdigest()
        jpeg, *_, error = resizer(io.BytesIO(body))
        if error:
            raise ValueError(f"{PEER}: {error}")
        return jpeg

    return run


def ours(body: bytes) -> bytes:
    picture = judge_picture(body, SETTINGS)
    if not isinstance(picture, Picture):
        raise ValueError(f"a picture of the benchmark is refused: {picture}")
    return picture.jpeg


def check_same_size(pictures: Sequence[bytes], stock: Callable[[bytes], bytes]) -> None:
    """Raise ValueError unless both store pictures of the same sides."""
    for body in pictures:
        sides = [Image.open(io.BytesIO(run(body))).size for run in (ours, stock)]
        if sides[0] != sides[1]:
            raise ValueError(f"ours stores {sides[0]} and {PEER} {sides[1]}")


def png_bomb(width: int, height: int) -> bytes:
    """A PNG of one colour; its rows are compressed as they are made.

    >>> len(png_bomb(1000, 1000)) < 10_000
    True
    """
    packer = zlib.compressobj(9)
    row = bytes(1 + 3 * width)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def big(kind: str) -> bytes:
    if kind == "bomb":
        return png_bomb(30_000, 30_000)
    if kind == "png":
        return png_bomb(*LARGEST)
    options = {"jpeg": {"quality": 85}, "progressive": {"progressive": True}}[kind]
    return saved(Image.new("RGB", LARGEST, (200, 100, 50)), "JPEG", **options)


def memory(file: Path) -> dict[str, Any]:
    """What guarding the picture adds to the most memory that this process has had, MB.

    Another process has made the file, so that its making counts for nothing here.
    """
    body = file.read_bytes()
    ours(saved(photo(800, 600, 0), "JPEG"))  # what every picture needs
    gc.collect()
    before = peak_mb()
    answer = judge_picture(body, SETTINGS)
    said = answer if isinstance(answer, str) else f"{answer.width} x {answer.height}"
    return {"kind": file.name, "answer": said, "above_idle_mb": round(peak_mb() - before, 1)}


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.pictures", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer pictures and rounds")
    parser.add_argument("--memory", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    if asked.memory:
        print(json.dumps(memory(asked.memory)))
    else:
        compare(asked.quick)


def compare(quick: bool) -> None:
    copies = 4 if quick else 20
    sets = {
        "JPEG": bodies("JPEG", copies, quality=85),
        "JPEG, progressive": bodies("JPEG", copies, quality=85, progressive=True),
        "WebP": bodies("WEBP", copies, quality=80),
        "PNG": bodies("PNG", max(1, copies // 4), compress_level=6),
    }
    stock = stock_resizer()
    rows = []
    for name, pictures in sets.items():
        check_same_size(pictures[:: len(pictures) // 6], stock)
        contest: dict[str, Callable[[], Any]] = {
            "ours": lambda some=pictures: [ours(body) for body in some],
            "peer": lambda some=pictures: [stock(body) for body in some],
        }
        seconds = take_turns(contest, rounds=3 if quick else 11)
        ms = {side: [1000 * one / len(pictures) for one in runs] for side, runs in seconds.items()}
        rows.append(Row(f"{name}, CPU of a picture", "ms", ms["ours"], PEER, ms["peer"]))
    show(
        "Pictures, from the bytes served to those stored",
        rows,
        ratio_budget_of_jpeg=RATIO_BUDGET,
        mean_jpeg_kb=round(sum(map(len, sets["JPEG"])) / len(sets["JPEG"]) / 1000),
        memory_above_idle=[in_a_process(kind) for kind in ("bomb", "png", "jpeg", "progressive")],
        memory_budget_mb_of_the_bomb=MEMORY_BUDGET_MB,
    )


def in_a_process(kind: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / kind
        file.write_bytes(big(kind))
        return child([sys.executable, "-m", "benchmarks.pictures", "--memory", file])


if __name__ == "__main__":
    main()
