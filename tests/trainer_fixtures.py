"""A tiny build and evaluation set of coloured shapes, drawn here: no download, no pipeline."""

import io
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg

from queries.pixels.fingerprint import hash63, phash
from queries.tables.schemas import TABLES
from queries.tables.tars import with_places
from trainer.__main__ import main

COLOURS = {"red": (220, 30, 30), "green": (30, 170, 60), "blue": (40, 60, 220), "black": (0, 0, 0)}
SHAPES = ("circle", "square", "triangle", "cross")
CLASSES = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]


def picture(name: str, at: int) -> np.ndarray:
    """A shape (96, 96, 3) on near-white, its place and size decided by `at`.

    >>> picture("red circle", 0).shape
    (96, 96, 3)
    """
    colour, shape = name.split()
    draw = np.random.default_rng(at)
    image = np.full((96, 96, 3), 255 - draw.integers(0, 30), np.uint8)
    x, y, r = draw.integers(36, 60), draw.integers(36, 60), draw.integers(18, 30)
    fill = COLOURS[colour]
    if shape == "circle":
        cv2.circle(image, (int(x), int(y)), int(r), fill, -1)
    elif shape == "square":
        cv2.rectangle(image, (int(x - r), int(y - r)), (int(x + r), int(y + r)), fill, -1)
    elif shape == "triangle":
        corners = np.array([[x, y - r], [x - r, y + r], [x + r, y + r]], np.int32)
        cv2.fillPoly(image, [corners], fill)
    else:
        cv2.line(image, (int(x - r), int(y)), (int(x + r), int(y)), fill, 9)
        cv2.line(image, (int(x), int(y - r)), (int(x), int(y + r)), fill, 9)
    return image


def jpeg(image: np.ndarray) -> bytes:
    return simplejpeg.encode_jpeg(image, 92, "RGB", "444")


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


def write_tar(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def make_build(root: Path, per_class: int = 8, corrupt: int = 0) -> list[str]:
    """Write a build of two shards, `per_class` pictures for each class; the corrupt keys."""
    rows = []
    for name in CLASSES:
        for at in range(per_class):
            image = picture(name, at)
            pair_id = hash63(f"https://shapes.example/{at}", name)
            rows.append((pair_id, f"a {name}", jpeg(image), phash(image)))
    rows.sort()
    bad = [f"{row[0]:016x}" for row in rows[:corrupt]]
    for shard in (0, 1):
        _write_shard(root, shard, [row for row in rows if row[0] >> 62 == shard], bad)
    (root / "manifest.json").write_text(json.dumps({"version": f"shapes-{per_class}-{corrupt}"}))
    return bad


def write_build(root: Path, pictures: list[np.ndarray]) -> None:
    """Write a build of one shard: pictures (H, W, 3), whose pair_ids are their places."""
    rows = [(i, f"picture {i}", jpeg(one), phash(one)) for i, one in enumerate(pictures)]
    _write_shard(root, 0, rows, [])
    (root / "manifest.json").write_text(json.dumps({"version": "pictures"}))


def _write_shard(root: Path, shard: int, rows: list[tuple], bad: list[str]) -> None:
    files = {}
    for pair_id, caption, data, _ in rows:
        key = f"{pair_id:016x}"
        files[f"{key}.jpg"] = b"\xff\xd8 cut short" if key in bad else data
        files |= {f"{key}.txt": caption.encode(), f"{key}.json": b"{}"}
    write_tar(root / "shards" / f"{shard:05d}.tar", files)
    table = pa.Table.from_pylist([_sample(*row) for row in rows], schema=TABLES["sample"].schema)
    tar = root / "shards" / f"{shard:05d}.tar"
    pq.write_table(with_places(table, tar), tar.with_suffix(".parquet"))


def _sample(pair_id: int, caption: str, data: bytes, bits: int) -> dict:
    sizes = dict.fromkeys(("width", "height", "original_width", "original_height"), 96)
    text = {"url": "https://shapes.example/", "caption": caption, "source": "shapes"}
    numbers = {"image_bytes": len(data), "phash": bits, "n_words": len(caption.split())}
    ids = {"key": f"{pair_id:016x}", "pair_id": pair_id, "priority": pair_id, "sha256": "0"}
    return ids | text | sizes | numbers | {"offset": 0, "bytes": 0}


def place_anew(tar: Path) -> None:
    """Say beside a tar that was written anew where its pictures are."""
    parquet = tar.with_suffix(".parquet")
    pq.write_table(with_places(pq.read_table(parquet), tar), parquet)


def make_eval_set(root: Path, first: int, per_class: int = 4, split: str = "test") -> None:
    """Write the classes in CLIP_benchmark's layout, pictures `first`.. of each, as one split.

    Pictures below the build's `per_class` are copies of training pictures.
    """
    files = {}
    for label, name in enumerate(CLASSES):
        for at in range(first, first + per_class):
            files[f"{label:02d}-{at:03d}.png"] = png(picture(name, at))
            files[f"{label:02d}-{at:03d}.cls"] = str(label).encode()
    write_tar(root / split / "0.tar", files)
    (root / "classnames.txt").write_text("\n".join(CLASSES) + "\n")
    templates = "a {c}\na picture of a {c}\n"
    (root / "zeroshot_classification_templates.txt").write_text(templates)


def make_world(root: Path) -> Path:
    """A run, a set `shapes` with train, `dark` of some of its classes, and `captioned`."""
    make_build(root / "build", per_class=8)
    make_eval_set(root / "shapes", first=1000, per_class=6)
    make_eval_set(root / "shapes", first=2000, per_class=8, split="train")
    for name in CLASSES[:6]:
        (root / "dark" / name).mkdir(parents=True)
        for at in range(5):
            image = (picture(name, 3000 + at) * 0.8).astype(np.uint8)
            (root / "dark" / name / f"{at}.jpg").write_bytes(jpeg(image))
    files = {}
    for i, name in enumerate(CLASSES):
        files[f"{i:02d}.png"] = png(picture(name, 1000))
        files[f"{i:02d}.txt"] = "\n".join([f"a {name}", f"the {name}"][: 1 + i % 2]).encode()
    write_tar(root / "captioned" / "test" / "0.tar", files)
    args = ["--epochs", "20", "--batch", "32"]
    assert main(["train", "--data", f"{root}/build", "--run", f"{root}/run", *args]) == 0
    return root


def found_in(world: Path, task: str) -> dict:
    """The results of a task in the world's run, by set."""
    return json.loads((world / "run" / f"{task}.json").read_text())
