"""The peers' loaders, run by the Python of an environment of their own: `python peers.py FOLDER`.

Each line of stdin asks for an epoch: {"peer": …, "side": …, "shorter": …, "workers": …, "keep": …}.
An answer is {"cpu": …, "wall": …, "n": …}, seconds without the start of this process; with `keep`,
the pictures are kept in an npz of that name. All hand on uint8 RGB (B, S, S, 3) in batches of 64:
the square at its key's place, which crops.json names, resized.
Nothing of the project is imported here.

webdataset has no decoder of its own, and litdata's is torchvision's, of which no build fits a CPU
build of torch; both read bytes, which Pillow decodes, as small as its `draft` can. spdl decodes by
FFmpeg, whose libraries PyAV's wheel brings, at full size (its `lowres` halves the width alone), and
cuts at even pixels.
"""

import io
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PACKAGES = [
    "torch==2.13.0",
    "webdataset==1.0.2",
    "spdl==0.8.0",
    "litdata==0.2.76",
    "av==18.1.0",  # FFmpeg 8 for spdl
    "pillow==13.0.0",
]
BATCH = 64
LIBRARIES = ("avutil", "avcodec", "avformat", "avfilter", "avdevice", "swscale", "swresample")
Crops = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class View:
    """The square of a picture that a loader hands on."""

    side: int
    shorter: int
    crops: Crops  # key -> how far down and right, 0..1 of the room

    def halvings(self, width: int, height: int) -> int:
        """How often a picture may be halved and still have the shorter side."""
        times = 0
        while times < 3 and min(width, height) >= 2 ** (times + 1) * self.shorter:
            times += 1
        return times

    def square(self, key: str, width: int, height: int) -> tuple[int, int, int]:
        """Left, top and side of the square of a decoded picture."""
        square = round(min(width, height) * self.side / self.shorter)
        down, right = self.crops[key]
        return round((width - square) * right), round((height - square) * down), square

    def by_pillow(self, key: str, data: bytes) -> np.ndarray:
        """(S, S, 3), by Pillow's bicubic, of the square alone."""
        image = Image.open(io.BytesIO(data))
        part = 2 ** self.halvings(*image.size)
        image.draft("RGB", (image.width // part, image.height // part))
        x, y, square = self.square(key, *image.size)
        box = (x, y, x + square, y + square)
        return np.array(image.resize((self.side,) * 2, Image.Resampling.BICUBIC, box=box))


Batches = Iterator[tuple[list[str], np.ndarray]]


def webdataset_batches(folder: Path, view: View, workers: int) -> Batches:
    """As its documentation reads tars: shuffled by a buffer; WebLoader where there are workers."""
    import webdataset

    def sample(sample: dict[str, Any]) -> tuple[str, np.ndarray]:
        return sample["__key__"], view.by_pillow(sample["__key__"], sample["jpg"])

    tars = sorted(str(path) for path in (folder / "shards").glob("*.tar"))
    read = webdataset.WebDataset(tars, shardshuffle=len(tars), empty_check=False)
    batches = read.shuffle(1000, initial=100).map(sample).batched(BATCH)
    return (
        webdataset.WebLoader(batches, batch_size=None, num_workers=workers) if workers else batches
    )


def litdata_batches(folder: Path, view: View, workers: int) -> Batches:
    """As its documentation reads what `optimize` has written: StreamingDataset, shuffled."""
    from litdata import StreamingDataLoader, StreamingDataset

    class Pictures(StreamingDataset):
        def __getitem__(self, index: int) -> tuple[str, np.ndarray]:
            row = super().__getitem__(index)
            return row["key"], view.by_pillow(row["key"], row["jpg"])

    pictures = Pictures(str(folder / "litdata"), shuffle=True)
    for keys, images in StreamingDataLoader(pictures, batch_size=BATCH, num_workers=workers):
        yield list(keys), images.numpy()


def spdl_batches(folder: Path, view: View, workers: int) -> Batches:
    """As its documentation builds a pipeline of threads: files of tars in order, not shuffled."""
    import spdl.io
    from spdl.pipeline import PipelineBuilder

    def files() -> Iterator[tuple[str, bytes]]:
        for path in sorted((folder / "shards").glob("*.tar")):
            with path.open("rb") as tar:
                for name, data in spdl.io.iter_tarfile(tar):
                    if name.endswith(".jpg"):
                        yield name.removesuffix(".jpg"), data

    def decoded(file: tuple[str, bytes]) -> tuple[str, np.ndarray]:
        key, data = file
        packets = spdl.io.demux_image(data)
        x, y, square = view.square(key, packets.width, packets.height)
        crop = f"crop={square}:{square}:{x}:{y}"
        scale = f"scale={view.side}:{view.side}:flags=bicubic"
        frames = spdl.io.decode_packets(
            packets, filter_desc=f"{crop},{scale},format=pix_fmts=rgb24"
        )
        frames = spdl.io.convert_frames(frames)
        return key, spdl.io.to_numpy(frames)

    def joined(pictures: list[tuple[str, np.ndarray]]) -> tuple[list[str], np.ndarray]:
        return [key for key, _ in pictures], np.stack([image for _, image in pictures])

    threads = max(1, workers)
    pipeline = (
        PipelineBuilder()
        .add_source(files())
        .pipe(decoded, concurrency=threads)
        .aggregate(BATCH)
        .pipe(joined)
        .add_sink(3)
        .build(num_threads=threads)
    )
    with pipeline.auto_stop():
        yield from pipeline


PEERS: dict[str, Callable[[Path, View, int], Batches]] = {
    "webdataset": webdataset_batches,
    "litdata": litdata_batches,
    "spdl": spdl_batches,
}


def optimized(folder: Path) -> None:
    """Write the build's pictures as litdata reads them, once."""
    if (folder / "litdata" / "index.json").exists():
        return
    import webdataset
    from litdata import optimize

    tars = sorted(str(path) for path in (folder / "shards").glob("*.tar"))

    def rows(tar: str) -> Iterator[dict[str, Any]]:
        for sample in webdataset.WebDataset(tar, shardshuffle=False, empty_check=False):
            yield {"key": sample["__key__"], "jpg": sample["jpg"]}

    optimize(
        rows, tars, str(folder / "litdata"), chunk_bytes="64MB", num_workers=1, start_method="fork"
    )


def seconds_cpu() -> float:
    """Of this process and of the workers that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def epoch(folder: Path, crops: Crops, asked: dict[str, Any]) -> dict[str, float]:
    """Read all batches once."""
    view = View(asked["side"], asked["shorter"], crops)
    keys: list[str] = []
    kept: list[np.ndarray] = []
    wall, cpu = time.monotonic(), seconds_cpu()
    for some, images in PEERS[asked["peer"]](folder, view, asked["workers"]):
        keys += some
        if asked.get("keep"):
            kept.append(np.asarray(images))
    took = {"wall": time.monotonic() - wall, "cpu": seconds_cpu() - cpu, "n": len(keys)}
    if asked.get("keep"):
        np.savez(asked["keep"], keys=np.array(keys), images=np.concatenate(kept))
    return took


def with_ffmpeg() -> None:
    """Begin anew with FFmpeg's libraries, as PyAV's wheel has them, where spdl looks for them."""
    spec = find_spec("av")
    if spec is None or spec.origin is None:
        sys.exit("no package av, expected it for FFmpeg's libraries")
    own = Path(spec.origin).parents[1] / "av.libs"
    links = Path(sys.prefix) / "ffmpeg"
    if os.environ.get("LD_LIBRARY_PATH", "").startswith(str(links)):
        return
    links.mkdir(exist_ok=True)
    for name in LIBRARIES:  # libavutil-5809ad29.so.60.26.102 -> libavutil.so.60
        for path in own.glob(f"lib{name}-*.so.*"):
            version = path.name.partition(".so.")[2].partition(".")[0]
            link = links / f"lib{name}.so.{version}"
            link.unlink(missing_ok=True)
            link.symlink_to(path)
    environment = {**os.environ, "LD_LIBRARY_PATH": f"{links}:{own}"}
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)


if __name__ == "__main__":
    with_ffmpeg()
    import torch

    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    optimized(folder)
    crops = json.loads((folder / "crops.json").read_text())
    print("ready", flush=True)
    for line in map(json.loads, iter(sys.stdin.readline, "")):
        print(json.dumps(epoch(folder, crops, line)), flush=True)
