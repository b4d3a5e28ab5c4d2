"""How many faces the scorer `faces` finds in pictures whose faces a person has counted.

    python -m benchmarks.faces [--model FILE]

faces_by_eye.csv beside this file names 78 pictures in seven packages of PyPI and npm, what each
shows and how many faces it has. They are read as a build stores them and counted by its scorer. Of
a picture, found are at most as many faces as it has; what is counted beyond these is false.
"""

import argparse
import csv
import subprocess
import sys
import tarfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

from benchmarks.detector_pictures import cached, npm
from benchmarks.privacy import interval
from pipeline.images.faces import FaceCounter
from pipeline.images.judge import stored_pixels
from pipeline.settings.images import ImageSettings
from pipeline.settings.scorers import FacesScorer

BY_EYE = Path(__file__).with_name("faces_by_eye.csv")
HEAD = ("shows", "pictures", "with a face", "where one is counted", "faces", "found", "missed")


@dataclass(frozen=True)
class Counted:
    """A picture: what it shows, its faces by eye, and those that the scorer counts."""

    shows: str
    faces: int
    counted: int

    @property
    def found(self) -> int:
        return min(self.faces, self.counted)

    @property
    def false(self) -> int:
        return max(0, self.counted - self.faces)


def count(model: str = "") -> list[Counted]:
    """Every picture of the list, counted. Packages are downloaded on first use."""
    named = {"model": model} if model else {}
    counter = FaceCounter(FacesScorer.model_validate({"kind": "faces"} | named))
    counted = []
    with BY_EYE.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            pixels = stored_pixels(
                (folder(row["package"]) / row["file"]).read_bytes(), ImageSettings()
            )
            if isinstance(pixels, str):
                raise SystemExit(f"{row['file']}: {pixels}; expected a picture")
            counted.append(Counted(row["shows"], int(row["faces"]), int(counter.score(pixels))))
    return counted


def folder(package: str) -> Path:
    """Where a package's files stand, as the list names them below it."""
    return npm(package).parent if "==" not in package else cached(package, _sdist(package))


def _sdist(package: str) -> Callable[[Path], None]:
    def download(to: Path) -> None:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--no-binary",
            ":all:",
        ]
        subprocess.run([*command, "-d", str(to), package], check=True, stderr=subprocess.DEVNULL)
        (archive,) = to.glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            tar.extractall(to, filter="data")
        archive.unlink()

    return download


def share(n: int, of: int) -> str:
    """
    >>> share(46, 66), share(0, 0)
    ('46 (58 to 79%)', '0')
    """
    low, high = interval(n, of) if of else (0.0, 0.0)
    return f"{n} ({100 * low:.0f} to {100 * high:.0f}%)" if of else str(n)


def rows(counted: list[Counted]) -> list[tuple[str, ...]]:
    """A row for each of what pictures show, with Wilson's intervals of 95%."""
    of_kind = defaultdict(list)
    for picture in counted:
        of_kind[picture.shows].append(picture)
    made = []
    for shows, of in sorted(of_kind.items(), reverse=True):
        with_face = [picture for picture in of if picture.faces]
        faces = sum(picture.faces for picture in of)
        found = sum(picture.found for picture in of)
        hit = sum(picture.counted > 0 for picture in (with_face or of))
        made.append(
            (
                *(shows, str(len(of)), str(len(with_face)), share(hit, len(with_face or of))),
                *(str(faces), share(found, faces), str(faces - found)),
                str(sum(picture.false for picture in of)),
            )
        )
    return made


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.faces", description=__doc__)
    parser.add_argument("--model", default="", metavar="FILE", help="another cascade, or YuNet")
    grid = Grid(*HEAD, "false")
    for row in rows(count(parser.parse_args().model)):
        grid.add_row(*row)
    Console(width=140).print(grid)


if __name__ == "__main__":
    main()
