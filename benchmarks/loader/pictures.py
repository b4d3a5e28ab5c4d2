"""The pictures that loaders are compared by, drawn by chance, and a build of them."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg
from PIL import Image, ImageDraw

from queries.pixels.fingerprint import hash63
from queries.tables.schemas import TABLES
from queries.tables.tars import with_places

WIDTH, HEIGHT, QUALITY = 341, 256, 95
SHARDS = 4  # a peer gives each of its workers whole tars
CAPTION = "a drawn photograph of circles in many colours"


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


def write_build(root: Path, pictures: list[bytes], n: int) -> list[bytes]:
    """A build of a few shards: n samples, the pictures over and over, which are returned."""
    written = []
    ids = sorted(hash63(f"https://circles.example/{at}", CAPTION) for at in range(n))
    (root / "shards").mkdir(parents=True)
    for shard, some in enumerate(np.array_split(np.array(ids), SHARDS)):
        own = [pictures[(SHARDS * at + shard) % len(pictures)] for at in range(len(some))]
        write_shard(root / "shards" / f"{shard:05d}.tar", some.tolist(), own)
        written += own
    return written


def write_shard(path: Path, ids: list[int], pictures: list[bytes]) -> None:
    zeros = {"width": WIDTH, "height": HEIGHT, "original_width": 0, "original_height": 0}
    texts = {"url": "https://circles.example/", "caption": CAPTION, "source": "drawn"}
    numbers = {"priority": 0, "phash": 0, "n_words": 8, "offset": 0, "bytes": 0}
    rows = []
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for pair_id, picture in zip(ids, pictures, strict=True):
            about = {"key": f"{pair_id:016x}", "pair_id": pair_id, **zeros, **texts}
            for suffix, data in (
                ("jpg", picture),
                ("txt", CAPTION.encode()),
                ("json", json.dumps(about).encode()),
            ):
                member = tarfile.TarInfo(f"{about['key']}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
            rows.append({**about, **numbers, "image_bytes": len(picture), "sha256": "0"})
    table = pa.Table.from_pylist(rows, schema=TABLES["sample"].schema)
    pq.write_table(with_places(table, path), path.with_suffix(".parquet"))
