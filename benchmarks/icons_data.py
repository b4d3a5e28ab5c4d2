"""Icons as four makers draw them, each with its name: small data with one word in common.

The packs are npm's, at the versions named here, fetched by `npm pack` and drawn by resvg, which
`make test` installs. What is drawn is kept in one file. Two packs are trained on and two are asked
about; that was settled before anything was trained. Not among them, because they are kept for
others to judge by: Lucide, Bootstrap's, Tabler's and Remix's icons, and what is made of those.

Licences: Material Design Icons and Carbon Apache-2.0, Phosphor and Ionicons MIT.
"""

import re
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import resvg_py

from benchmarks.emoji_data import FILE_BYTES, SIDE, fetched, small
from queries.tables.parts import digest, written_whole
from trainer.data.pixels import decode

TRAINED_ON, ASKED = ("mdi", "phosphor"), ("ionicons", "carbon")
NPM = {  # the package, and the folders of its drawings
    "mdi": ("@mdi/svg@7.4.47", ("svg/",)),
    "phosphor": ("@phosphor-icons/core@2.1.1", ("assets/regular/", "assets/fill/")),
    "ionicons": ("ionicons@8.1.0", ("dist/svg/",)),
    "carbon": ("@carbon/icons@11.89.0", ("svg/32/",)),
}
STYLES = {"outline", "filled", "fill", "sharp", "solid"}  # how, not what a drawing shows


@dataclass(frozen=True)
class Icons:
    """N drawings: uint8 RGB, black on white, (N, SIDE, SIDE, 3), the pack and the name of each."""

    packs: np.ndarray  # (N,) of str
    names: np.ndarray  # (N,) of str, such as "arrow left"
    pictures: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def chosen(self, which: np.ndarray) -> "Icons":
        return Icons(self.packs[which], self.names[which], self.pictures[which])

    def of(self, *packs: str) -> "Icons":
        return self.chosen(np.isin(self.packs, packs))

    def named(self, names: np.ndarray) -> "Icons":
        return self.chosen(np.isin(self.names, names))


def known(asked: Icons, trained: Icons) -> Icons:
    """The drawings to ask about whose name a drawing that was trained on has, too."""
    return asked.named(trained.names)


def words(stem: str) -> str:
    """What an icon shows, by the name of its file.

    >>> words("arrow--left"), words("bell_outline"), words("text-align-center-fill")
    ('arrow left', 'bell', 'text align center')
    """
    parts = re.split(r"[-_ ]+", stem.lower())
    return " ".join(part for part in parts if part not in STYLES) or stem


def load(folder: Path) -> Icons:
    """The drawings, fetched and drawn into `folder` on first use."""
    path = folder / f"icons-{digest(1, NPM, sorted(STYLES), SIDE, version('resvg_py'))}.npz"
    if not path.is_file():
        _write(path)
    with np.load(path) as kept:  # never unpickles
        return Icons(kept["packs"], kept["names"], kept["pictures"])


def _write(path: Path) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for pack, (package, folders) in NPM.items():
            archive = fetched(package, Path(name))
            rows += [(pack, words(stem), drawn(svg)) for stem, svg in _drawings(archive, folders)]
    packs, names, pictures = zip(*rows, strict=True)
    with written_whole(path) as beside, beside.open("wb") as file:
        np.savez(file, packs=np.array(packs), names=np.array(names), pictures=np.stack(pictures))


def _drawings(archive: Path, folders: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Name and SVG of each drawing that stands in one of the folders, not below it."""
    parents = {f"package/{folder}".rstrip("/") for folder in folders}
    with tarfile.open(archive) as tar:
        for member in tar:
            place = Path(member.name)
            wanted = str(place.parent) in parents and place.suffix == ".svg"
            if wanted and member.isfile() and member.size <= FILE_BYTES:
                file = tar.extractfile(member)
                yield place.stem, "" if file is None else file.read().decode()


def drawn(svg: str) -> np.ndarray:
    """uint8 RGB (SIDE, SIDE, 3): what is drawn, without margins, in the middle of white."""
    data = resvg_py.svg_to_bytes(svg_string=svg, width=2 * SIDE, height=2 * SIDE)
    return small(decode(bytes(data)))
