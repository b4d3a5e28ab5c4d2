"""Fifty copies of ten kinds, planted among 6,000 pairs: photographs of clothes, and blots."""

import csv
import io
import tarfile

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from queries.pixels.picture import read_picture
from tests import ROOT
from tests.trainer.copies.test_detector import textured
from tests.trainer_fixtures import write_build
from trainer.__main__ import main

CLOTHES = ROOT.parent / "shared" / "data" / "clothing_192px.tar"
PAIRS, PLANTED, OTHERS = 6_000, 50, 100


def reencoded(image: Image.Image, kind: str, **how) -> Image.Image:
    body = io.BytesIO()
    image.save(body, kind, **how)
    return Image.open(body).convert("RGB")


def scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize([round(side * factor) for side in image.size], Image.Resampling.BICUBIC)


COPIES = {
    "jpeg": lambda image: reencoded(image, "JPEG", quality=30),
    "webp": lambda image: reencoded(image, "WEBP", quality=30),
    "gif": lambda image: reencoded(image.quantize(64), "GIF"),
    "half": lambda image: scaled(image, 0.5),
    "double": lambda image: scaled(image, 2),
    "mirror": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "bright": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "gray": lambda image: image.convert("L").convert("RGB"),
    "blur": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
    "turned": lambda image: image,  # the evaluation set's file is on its side, with EXIF's 6
}


@pytest.mark.slow
@pytest.mark.skipif(not CLOTHES.is_file(), reason=f"needs {CLOTHES}")
def test_planted_copies_are_found_among_photographs_and_no_other_is(tmp_path):
    with tarfile.open(CLOTHES) as tar:
        files = {m.name: tar.extractfile(m).read() for m in tar if m.name.endswith(".jpg")}
    names = sorted(files)
    chosen = names[:: len(names) // (PLANTED + OTHERS)][: PLANTED + OTHERS]
    planted, kinds = chosen[:: (PLANTED + OTHERS) // PLANTED][:PLANTED], [*COPIES]
    copies = []
    for i, name in enumerate(chosen):
        image = Image.open(io.BytesIO(files[name])).convert("RGB")
        kind = kinds[planted.index(name) % len(kinds)] if name in planted else ""
        if kind:
            copies.append(np.asarray(COPIES[kind](image)))
        exif = Image.Exif()
        if kind == "turned":
            exif[0x0112], image = 6, image.transpose(Image.Transpose.ROTATE_90)
        place = tmp_path / "set" / name.split("/")[-2] / f"{i:03d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        image.save(place, exif=exif)
    rest = [read_picture(files[name], 1 << 26).pixels for name in names if name not in chosen]
    blots = [textured(i)[::2, ::2] for i in range(PAIRS - len(copies) - len(rest))]
    write_build(tmp_path / "build", [*copies, *rest, *map(np.ascontiguousarray, blots)])
    listed = tmp_path / "list.csv"
    args = ["overlap", "--data", f"{tmp_path}/build", "--eval", f"{tmp_path}/set"]
    args += ["--threshold", "2"]  # trousers of one cut lie within 4 and 6 bits
    assert main([*args, "--write-exclusions", f"{listed}"]) == 0
    with listed.open() as file:
        near = {int(row["value"]) for row in csv.DictReader(file) if row["kind"] == "pair_id"}
    found = near & {*range(PLANTED)}
    missed = [kinds[i % len(kinds)] for i in range(PLANTED) if i not in found]
    assert len(found) >= 49, missed
    assert near - found == set()
