"""Host memory of the loader at the papers' batch: 32,768 pictures of 224 pixels.

    python -m benchmarks.loader_memory              # minutes, and 12 GiB of memory
    python -m benchmarks.loader_memory --quick      # a batch of 1,024

A process reads a few batches as a run does: one is in use, for so long at first that all others
that `trainer.data.prefetch` keeps are ready. The most memory that the process had, less what it had
before, stands beside what `python -m trainer train --help` says: six batches, or two where six pass
8 GiB, and decoded pictures of up to 1 GiB. It fails where it is more. The pictures are JPEGs of
341 x 256 pixels, each shown many times over.
"""

import gc
import multiprocessing
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks.harness import Row, arguments, peak_mb, show
from benchmarks.loader.pictures import HEIGHT, WIDTH, photo, write_build
from trainer.data.loader import Loader
from trainer.data.prefetch import ALIVE, MOST_BYTES, prefetched
from trainer.data.reading import read_samples
from trainer.data.samples import CACHE_BYTES
from trainer.model import tokenizer

PIXELS = 224
BESIDE = 512 << 20  # bytes of keys, tokens, buffers and what is free between them


def alive(n_bytes: int) -> int:
    """How many batches of so many bytes are in memory at once."""
    return ALIVE if ALIVE * n_bytes <= MOST_BYTES else 2


def read_batches(root: Path, n: int, batch: int) -> tuple[int, float]:
    """The bytes of a batch, and the most MB that reading some of them took; n: pictures."""
    n_batches = alive(batch * PIXELS**2 * 3) + 1
    samples = read_samples(root, PIXELS, weights=(n_batches * batch / n,))
    words = tokenizer.train(["picture 1"], 520, {})
    loader = Loader(samples, words, 77, PIXELS, batch, seed=0)
    gc.collect()
    before, began = peak_mb(), time.monotonic()
    with closing(prefetched(loader.epoch(0), loader.batch_bytes)) as batches:
        for at, one in enumerate(batches):
            if at == 0 and n_batches > 3:  # a thread gets them ready beside
                time.sleep(n_batches * (time.monotonic() - began))
            one.images[:, :, ::16, ::16].sum()
            one.release()
    return loader.batch_bytes, peak_mb() - before


def main() -> None:
    quick = arguments("benchmarks.loader_memory", (__doc__ or "").splitlines()[0]).quick
    n = 600 if quick else 5_000
    decoded = min(CACHE_BYTES, n * WIDTH * HEIGHT * 3)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        write_build(Path(name), [photo(seed) for seed in range(60)], n)
        for batch in (256, 1_024) if quick else (8_192, 32_768):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                n_bytes, most = pool.apply(read_batches, (Path(name), n, batch))
            limit = (alive(n_bytes) * n_bytes + decoded + BESIDE) / 1e6
            what = f"batch of {batch:,}, {alive(n_bytes)} at once"
            rows.append(Row(what, "MB", [most], "at most", [limit]))
    show("Memory of the loader", rows, batch_bytes_224=3 * PIXELS**2)
    if any(row.ours[0] > row.peer[0] for row in rows):
        sys.exit("more memory than the help says")


if __name__ == "__main__":
    main()
