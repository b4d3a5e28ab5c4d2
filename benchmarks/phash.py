"""Near duplicates by pHash: what the hash costs in the pass that stores a picture, what it finds.

    python -m benchmarks.phash [--quick]

The cost: milliseconds of a picture with and without its hash. The quality: each picture is changed
in several ways and hashed as a build stores it; recall is the share of the changed that lie
within the radius of their original, and a false merge is two different pictures within it. The
pictures are the sample's (drawings of emoji, of which many are all but the same: skin tones,
clock faces) and, where `../shared` is on the machine, 3,781 photographs of clothes.
"""

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from PIL import Image
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.harness import Row, arguments, show, take_turns
from pipeline.images import judge
from pipeline.images.judge import Picture, judge_picture
from pipeline.settings.images import ImageSettings
from pipeline.sources.sample import pictures
from pipeline.sources.sample.server import draw

CLOTHES = Path(__file__).parents[2] / "shared" / "data" / "clothing_192px.tar"
SETTINGS = ImageSettings()
RADII = (0, 2, 4, 6, 8)
BUDGET_MS = 0.2
PATCH = 16.0  # levels of 255

Pixels = np.ndarray  # (H, W, 3), RGB uint8


def jpeg_50(pixels: Pixels) -> Pixels:
    return simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(pixels, 50, "RGB", "420"), "RGB")


def half_size(pixels: Pixels) -> Pixels:
    return cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def crop_2(pixels: Pixels) -> Pixels:
    return cropped(pixels, 0.02)


def crop_5(pixels: Pixels) -> Pixels:
    return cropped(pixels, 0.05)


def cropped(pixels: Pixels, share: float) -> Pixels:
    """Without this share of each side, half of it at either end."""
    height, width, _ = pixels.shape
    top, left = round(height * share / 2), round(width * share / 2)
    return np.ascontiguousarray(pixels[top : height - top, left : width - left])


def overlaid_text(pixels: Pixels) -> Pixels:
    """A line as of a stock-photo site across the middle."""
    height, width, _ = pixels.shape
    place, scale = (width // 10, height // 2), width / 256
    return cv2.putText(
        pixels.copy(), "example.org", place, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 2
    )


def colour_shift(pixels: Pixels) -> Pixels:
    """Warmer and a tenth brighter."""
    shifted = pixels * np.array([1.2, 1.1, 0.95]) + 5
    return np.clip(shifted, 0, 255).astype(np.uint8)


def mirrored(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[:, ::-1])


CHANGES: tuple[Callable[[Pixels], Pixels], ...] = (
    jpeg_50,
    half_size,
    colour_shift,
    overlaid_text,
    crop_2,
    crop_5,
    mirrored,
)


def drawings(quick: bool) -> list[bytes]:
    """The sample's pictures as its server answers with them."""
    chosen = pictures.pictures()[:: 40 if quick else 1]
    return [draw(picture.file, 256) for picture in chosen]


def photographs(quick: bool) -> list[bytes]:
    """The shared photographs; none where they are not on the machine."""
    if not CLOTHES.exists():
        return []
    with tarfile.open(CLOTHES) as tar:
        members = [one for one in tar if one.name.endswith(".jpg")]
        files = map(tar.extractfile, members[:: 40 if quick else 1])
        return [file.read() for file in files if file]


def stored(body: bytes) -> Picture:
    picture = judge_picture(body, SETTINGS)
    if not isinstance(picture, Picture):
        raise ValueError(f"a picture of the benchmark is refused: {picture}")
    return picture


def as_served(pixels: Pixels) -> bytes:
    """A changed picture in a file that adds no change of its own."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def hashes(bodies: list[bytes], change: Callable[[Pixels], Pixels] | None = None) -> np.ndarray:
    """(N,) pHashes as a build stores them, of the pictures or of their changed copies."""
    found = []
    for body in bodies:
        picture = stored(body)
        if change:
            picture = stored(as_served(change(simplejpeg.decode_jpeg(picture.jpeg, "RGB"))))
        found.append(picture.phash)
    return np.array(found, np.int64)


def distances(hashes: np.ndarray) -> Iterator[np.ndarray]:
    """Bits between each hash and all that come after it, a row at a time."""
    for place, one in enumerate(hashes):
        yield np.bitwise_count(hashes[place + 1 :] ^ one)


def quality(bodies: list[bytes]) -> dict:
    """Recall of each change, and the false merges, at each radius.

    Pictures of equal bytes, or equal as they are stored, are one picture here.
    """
    different = {stored(body).jpeg: body for body in bodies}
    originals = hashes(list(different.values()))
    recall = {}
    for change in CHANGES:
        moved = np.bitwise_count(hashes(list(different.values()), change) ^ originals)
        recall[change.__name__] = [round(float((moved <= radius).mean()), 4) for radius in RADII]
    return {
        "pictures": len(different),
        "radii": RADII,
        "recall": recall,
        **merges(list(different), originals),
    }


def merges(pictures: list[bytes], hashes: np.ndarray) -> dict[str, list[int]]:
    """Pairs of different pictures within each radius, and how many pictures those would drop.

    One picture that was saved twice is no false merge: such pairs are counted apart.
    """
    false, twice = dict.fromkeys(RADII, 0), dict.fromkeys(RADII, 0)
    dropped: dict[int, set[int]] = {radius: set() for radius in RADII}
    for place, row in enumerate(distances(hashes)):
        for near in np.flatnonzero(row <= max(RADII)):
            other = place + 1 + int(near)
            same = saved_twice(pictures[place], pictures[other])
            for radius in (one for one in RADII if row[near] <= one):
                (twice if same else false)[radius] += 1
                if not same:
                    dropped[radius].add(other)
    return {
        "false_merges": list(false.values()),
        "saved_twice": list(twice.values()),
        "wrongly_dropped": [len(one) for one in dropped.values()],
    }


def saved_twice(one: bytes, other: bytes) -> bool:
    """Whether two stored JPEGs show one picture: no patch of 8 x 8 pixels differs by PATCH levels.

    A second saving leaves noise, which a patch's mean does not show; another drawing does.
    """
    two = [simplejpeg.decode_jpeg(jpeg, "RGB").astype(np.float32) for jpeg in (one, other)]
    if two[0].shape != two[1].shape:
        return False
    return bool(np.abs(cv2.blur(two[0] - two[1], (8, 8))).max() < PATCH)


def safe_radius(found: dict) -> int | None:
    """
    >>> safe_radius({"radii": (0, 2, 4), "false_merges": [0, 0, 3]})
    2
    """
    pairs = zip(found["radii"], found["false_merges"], strict=True)
    return max((radius for radius, n_false in pairs if not n_false), default=None)


def print_quality(name: str, found: dict) -> None:
    grid = Grid("changed by", *(f"<= {radius}" for radius in RADII))
    for change, shares in found["recall"].items():
        grid.add_row(change.replace("_", " "), *(f"{share:.1%}" for share in shares))
    grid.add_row("false merges", *map(str, found["false_merges"]), style="bold")
    grid.add_row("one picture, saved twice", *map(str, found["saved_twice"]))
    grid.add_row("pictures they drop", *map(str, found["wrongly_dropped"]))
    grid.title = f"Recall by radius: {found['pictures']:,} {name}"
    Console(width=100).print(grid)


def cost(bodies: list[bytes], rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds a picture, with the hash and without."""
    hashing = judge.phash

    def run(of: Callable[[Pixels], int]) -> None:
        judge.phash = of
        for body in bodies:
            judge_picture(body, SETTINGS)

    contest = {"with": lambda: run(hashing), "without": lambda: run(lambda _: 0)}
    try:
        seconds = take_turns(contest, rounds)
    finally:
        judge.phash = hashing
    per_picture = 1000 / len(bodies)
    return [one * per_picture for one in seconds["with"]], [
        one * per_picture for one in seconds["without"]
    ]


def main() -> None:
    quick = arguments("benchmarks.phash", __doc__ or "").quick
    cv2.setNumThreads(1)
    sets = {"drawings": drawings(quick), "photographs": photographs(quick)}
    found = {name: quality(bodies) for name, bodies in sets.items() if bodies}
    for name, one in found.items():
        print_quality(name, one)
    rows = []
    hash_ms = {}
    for name in found:
        with_hash, without = cost(sets[name][:400], rounds=3 if quick else 9)
        rows.append(Row(f"{name}, stored", "ms", with_hash, "without the hash", without))
        differences = [one - two for one, two in zip(with_hash, without, strict=True)]
        hash_ms[name] = round(float(np.median(differences)), 4)
    show(
        "The hash in the pass that stores a picture",
        rows,
        phash_ms=hash_ms,
        radius_without_false_merges={name: safe_radius(one) for name, one in found.items()},
        budget_ms=BUDGET_MS,
        quality=json.loads(json.dumps(found)),
    )


if __name__ == "__main__":
    main()
