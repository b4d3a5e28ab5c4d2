"""The pictures nearest to a vector: an index over a run's embeddings, made once and kept there.

FAISS's inverted lists of 16-bit numbers on the disk, memory-mapped: scores are those of the
embeddings themselves, and a process holds the centres of the lists and little else. How many lists
a search reads is chosen when the index is made, so that ten nearest are found as often as
ENOUGH says, for captions and for pictures, beside an exact search.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from pipeline.explore.meaning.merging import merged
from queries.engine.progress import shown
from queries.pixels.fingerprint import hash63
from queries.tables.embeddings import INDEX, KINDS, Embeddings, Kind
from queries.tables.errors import UserError
from queries.tables.parts import folder_written_whole, write_json

ROWS_A_BLOCK = 1 << 18  # added in memory at a time, before they are merged on the disk
SAMPLE_A_LIST, MOST_SAMPLE = 64, 1 << 18  # rows that the centres are learned from
FLAT_BELOW = 20_000  # rows: all are read then, by one list
TRIED = 100  # captions, and as many pictures, by which the number of lists is chosen
NEAREST, ENOUGH = 10, 0.97  # so that other questions reach 0.95
ABOUT, FILE, LISTS = "index.json", "lists.faiss", "lists.ivfdata"


@dataclass(frozen=True)
class Near:
    """A pair and the cosine of its picture to what was sought."""

    pair_id: int
    cosine: float


class Nearest:
    """Search by vector among the pictures of a run's embeddings. Any thread may ask."""

    def __init__(self, embeddings: Embeddings):
        """Open the index. Raises UserError where it is not made, or made of other embeddings."""
        folder = embeddings.folder / INDEX
        try:
            self.about = json.loads((folder / ABOUT).read_text())
        except (OSError, ValueError):
            raise UserError(f"{folder}: no index, expected that it is made first") from None
        if not is_made(embeddings):
            raise UserError(f"{folder}: an index of other embeddings, expected one of these")
        self.embeddings = embeddings
        self._index = _opened(folder)

    def search(
        self, vector: np.ndarray, n: int, among: np.ndarray | None = None, kind: Kind = "image"
    ) -> list[Near]:
        """The n nearest to a vector (width,), nearest first; of equals the lowest pair_id.

        among: int64 pair_ids that are looked at alone; then every list is read. kind: of what is
        sought: the pictures near a text stand in more lists than those near a picture.
        """
        sought = np.ascontiguousarray(vector, np.float32).reshape(1, -1)
        if sought.shape[1] != self.embeddings.width or not np.isfinite(sought).all():
            raise UserError(f"a vector of {sought.shape[1]}, expected {self.embeddings.width}")
        options = lists_read(int(self.about["lists_read"][kind]))
        if among is not None:
            if not len(among):
                return []
            selector = faiss.IDSelectorBatch(np.ascontiguousarray(among, np.int64))
            options = lists_read(self._index.nlist, sel=selector)
        cosines, ids = self._index.search(sought, n, params=options)
        near = [
            Near(int(pair_id), float(min(1.0, cosine)))
            for pair_id, cosine in zip(ids[0], cosines[0], strict=True)
            if pair_id >= 0
        ]
        return sorted(near, key=lambda pair: (-pair.cosine, pair.pair_id))

    def vector(self, pair_id: int) -> np.ndarray | None:
        """The embedding float32 (width,) of a pair's picture; None: it has none."""
        return self.embeddings.vector("image", pair_id)


def _opened(folder: Path) -> Any:
    """The index of a folder, its lists mapped from the disk."""
    index: Any = faiss.read_index(str(folder / FILE), faiss.IO_FLAG_SKIP_IVF_DATA)
    lists: Any = faiss.downcast_InvertedLists(index.invlists)
    lists.filename, lists.read_only = str(folder / LISTS), True  # wherever the run is now
    lists.do_mmap()
    index.parallel_mode = 1  # the lists of one question are shared by threads
    return index


def lists_read(n: int, **options: Any) -> Any:
    """FAISS's parameters of a search that reads n lists."""
    parameters: Any = faiss.SearchParametersIVF
    return parameters(nprobe=n, **options)


def is_made(embeddings: Embeddings) -> bool:
    """Whether the index of these embeddings is there."""
    folder = embeddings.folder / INDEX
    try:
        about = json.loads((folder / ABOUT).read_text())
        n_bytes = (folder / LISTS).stat().st_size  # a cut file, mapped, would end the process
        return about["embeddings"] == embeddings.digest and about["n_bytes"] == n_bytes
    except (OSError, ValueError, LookupError, TypeError):
        return False


def make_index(embeddings: Embeddings, rows_a_block: int = ROWS_A_BLOCK) -> None:
    """Make the index beside the embeddings, unless it is there; memory is that of a block."""
    if is_made(embeddings):
        return
    shutil.rmtree(embeddings.folder / INDEX, ignore_errors=True)
    with folder_written_whole(embeddings.folder / INDEX) as folder:
        index: Any = _trained(embeddings)
        blocks = _blocks(embeddings, index, folder, rows_a_block)
        faiss.write_index(index, str(folder / FILE))
        merged(folder / FILE, folder / LISTS, blocks)
        for path in blocks:
            path.unlink()
        index = _opened(folder)
        read = _lists_to_read(embeddings, index)
        n_bytes = (folder / LISTS).stat().st_size
        about = {"embeddings": embeddings.digest, "lists": index.nlist, "lists_read": read}
        about |= {"n_bytes": n_bytes}
        write_json(folder / ABOUT, about)


def _trained(embeddings: Embeddings) -> faiss.IndexIVFScalarQuantizer:
    """An index without rows, whose lists have their centres."""
    n = 1 if embeddings.n < FLAT_BELOW else round(embeddings.n**0.5)
    sample = _sample(embeddings, "image", min(embeddings.n, MOST_SAMPLE, n * SAMPLE_A_LIST))[1]
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(embeddings.width),
        embeddings.width,
        n,
        faiss.ScalarQuantizer.QT_fp16,
        faiss.METRIC_INNER_PRODUCT,
        False,  # the numbers themselves, not what is left of them beside a centre
    )
    index.cp.min_points_per_centroid, index.cp.niter = 1, 10
    with shown("index: centres of lists"):
        index.train(sample.astype(np.float32))
    return index


def _blocks(
    embeddings: Embeddings, index: faiss.IndexIVFScalarQuantizer, folder: Path, rows: int
) -> list[Path]:
    """All rows in the index's lists, as files of some rows each; the index is empty again."""
    paths: list[Path] = []

    def write() -> None:
        path = folder / f"block{len(paths)}.faiss"
        faiss.write_index(index, str(path))
        paths.append(path)
        index.reset()

    with shown("index: rows", embeddings.n, "pairs", rate=True) as step:
        for ids, vectors in embeddings.blocks("image"):
            index.add_with_ids(vectors.astype(np.float32), ids)
            step.update(len(ids))
            if index.ntotal >= rows:
                write()
        if index.ntotal or not paths:
            write()
    return paths


def _sample(embeddings: Embeddings, kind: Kind, n: int) -> tuple[np.ndarray, np.ndarray]:
    """pair_ids (n,) and vectors float16 (n, width) that a hash of the pair_id chooses, or all."""
    chosen_ids, chosen = [np.empty(0, np.int64)], [np.empty((0, embeddings.width), np.float16)]
    share = n / max(1, embeddings.n)
    for ids, vectors in embeddings.blocks(kind):
        most = min(len(ids), -(-len(ids) * n // max(1, embeddings.n)))
        rows = np.arange(len(ids))
        if share < 1:
            rows = np.sort(np.random.default_rng(hash63(int(ids[0]))).permutation(len(ids))[:most])
        chosen_ids.append(ids[rows])
        chosen.append(vectors[rows])
    return np.concatenate(chosen_ids), np.concatenate(chosen)


def exact(embeddings: Embeddings, sought: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The n nearest pictures of vectors (Q, width): pair_ids and cosines (Q, n), all rows read."""
    sought = np.ascontiguousarray(sought, np.float32)
    best = np.full((len(sought), n), -2, np.float32)
    best_ids = np.full((len(sought), n), -1, np.int64)
    for ids, vectors in embeddings.blocks("image"):
        index = faiss.IndexFlatIP(embeddings.width)
        index.add(vectors.astype(np.float32))
        cosines, rows = index.search(sought, min(n, len(ids)))
        both = np.concatenate([best, cosines], axis=1)
        both_ids = np.concatenate([best_ids, ids[rows]], axis=1)
        order = np.argsort(-both, axis=1, kind="stable")[:, :n]
        best = np.take_along_axis(both, order, axis=1)
        best_ids = np.take_along_axis(both_ids, order, axis=1)
    return best_ids, best


def recall(found_ids: np.ndarray, exact_ids: np.ndarray) -> float:
    """The share of the exact nearest that were found, of (Q, n) ids each.

    >>> recall(np.array([[1, 2]]), np.array([[2, 3]]))
    0.5
    """
    hits = [len(np.intersect1d(a, b)) for a, b in zip(found_ids, exact_ids, strict=True)]
    return sum(hits) / max(1, exact_ids.size)


def _lists_to_read(embeddings: Embeddings, index: Any) -> dict[str, int]:
    """By what is sought, the fewest lists, a power of two, with which it finds ENOUGH."""
    return {kind: _enough_lists(embeddings, index, kind) for kind in KINDS}


def _enough_lists(embeddings: Embeddings, index: Any, kind: Kind) -> int:
    if index.nlist == 1:
        return 1
    read = 1
    with shown(f"index: recall by {kind}") as step:
        sought = _sample(embeddings, kind, TRIED)[1][:TRIED].astype(np.float32)
        wanted, _ = exact(embeddings, sought, NEAREST)
        while read < index.nlist:
            near = index.search(sought, NEAREST, params=lists_read(read))[1]
            if recall(near, wanted) >= ENOUGH:
                break
            read = min(2 * read, index.nlist)
            step.say(f"{read} of {index.nlist} lists")
    return read


def index_bytes(embeddings: Embeddings) -> int:
    """What the index takes on the disk."""
    folder = embeddings.folder / INDEX
    return sum(entry.stat().st_size for entry in os.scandir(folder))
