"""The embeddings of a build's pairs: the trainer writes them, clusters and the explorer read them.

RUN/embeddings holds Parquet parts in order of pair_id (pair_id, image, text: lists of float16, of
length 1) and, written last, manifest.json: of which build and model they are, and each part's rows.
"""

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from queries.tables.errors import UserError, first_line
from queries.tables.manifest import MANIFEST

FOLDER = "embeddings"  # of a run
INDEX = "index"  # folder in there of what is made of the parts, to search them
FAULTS = (OSError, ValueError, LookupError, TypeError, RecursionError)
MOST_WIDTH = 1 << 14  # numbers of an embedding

Kind = Literal["image", "text"]
KINDS: tuple[Kind, ...] = ("image", "text")


@dataclass(frozen=True)
class Embeddings:
    """The embeddings of a run: `n` rows of `width` numbers for each kind."""

    folder: Path
    build_version: str
    build_digest: str  # sha256 of the build's manifest
    checkpoint: str  # names the model: the digest of its weights
    width: int
    parts: tuple[tuple[str, int], ...]  # file's name and rows
    about: dict[str, Any]  # the manifest

    @property
    def n(self) -> int:
        return sum(rows for _, rows in self.parts)

    @property
    def digest(self) -> str:
        """Names what is embedded and by which model: what is made of the parts keeps it."""
        named = [self.build_digest, self.checkpoint, self.width, self.parts]
        return hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]

    def pair_ids(self) -> np.ndarray:
        """int64 (n,), ascending."""
        ids = [self._part(name, ["pair_id"])["pair_id"].to_numpy() for name, _ in self.parts]
        return np.concatenate([np.empty(0, np.int64), *ids])

    def blocks(self, kind: Kind) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(pair_ids (B,), vectors float16 (B, width)) of each part, in order of pair_id."""
        for name, _ in self.parts:
            table = self._part(name, ["pair_id", kind])
            yield table["pair_id"].to_numpy(), self._vectors(table[kind], name)

    def vector(self, kind: Kind, pair_id: int) -> np.ndarray | None:
        """The vector float32 (width,) of one pair; None: it has none. One part is read."""
        part = bisect_right(self._firsts, pair_id) - 1
        if part < 0:
            return None
        name, rows = self.parts[part]
        table = self._part(name, ["pair_id", kind])
        row = int(np.searchsorted(table["pair_id"].to_numpy(), pair_id))
        if row == rows or table["pair_id"][row].as_py() != pair_id:
            return None
        return self._vectors(table[kind].slice(row, 1), name)[0].astype(np.float32)

    @cached_property
    def _firsts(self) -> list[int]:
        """The first pair_id of each part; of an empty one that of the part before it."""
        firsts: list[int] = []
        for name, rows in self.parts:
            with pq.ParquetFile(self.folder / name) as file:
                ids = next(file.iter_batches(batch_size=1, columns=["pair_id"])) if rows else []
            firsts.append(ids[0][0].as_py() if rows else (firsts or [-1])[-1])
        return firsts

    def rows(self, kind: Kind, at: np.ndarray) -> np.ndarray:
        """The vectors float16 (B, width) of rows (B,) 0..n-1; each part that has one is read."""
        vectors = np.empty((len(at), self.width), np.float16)
        ends = np.cumsum([rows for _, rows in self.parts])
        part = np.searchsorted(ends, at, side="right")
        for number in np.unique(part).tolist():
            name, rows = self.parts[number]
            mine = part == number
            column = self._part(name, [kind])[kind]
            vectors[mine] = self._vectors(column, name)[at[mine] - (ends[number] - rows)]
        return vectors

    def _part(self, name: str, columns: Sequence[str]) -> pa.Table:
        path = self.folder / name
        try:
            return pq.read_table(path, columns=list(columns))
        except (OSError, pa.ArrowException) as error:
            raise UserError(
                f"{path}: {first_line(error)}, expected a part that `python -m trainer embed` wrote"
            ) from None

    def _vectors(self, column: pa.ChunkedArray, name: str) -> np.ndarray:
        flat = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
        numbers = np.concatenate([np.empty(0, np.float16), *flat])
        if numbers.size != len(column) * self.width:
            raise UserError(f"{self.folder / name}: expected {self.width} numbers a row")
        return numbers.reshape(-1, self.width)


def schema(width: int) -> pa.Schema:
    """The columns of a part."""
    vector = pa.list_(pa.float16(), width)
    return pa.schema(
        [
            pa.field("pair_id", pa.int64(), nullable=False),
            pa.field("image", vector, nullable=False),
            pa.field("text", vector, nullable=False),
        ]
    )


def read_embeddings(run: Path) -> Embeddings:
    """The finished embeddings of a run. Raises UserError where there are none."""
    folder = run / FOLDER
    path = folder / MANIFEST
    try:
        about = json.loads(path.read_text("utf-8"))
        version, build, model = (
            str(about[key]) for key in ("build_version", "build_digest", "checkpoint")
        )
        width, names = int(about["width"]), [str(part["path"]) for part in about["parts"]]
        if not 0 < width <= MOST_WIDTH or any("/" in name for name in names):
            raise ValueError(f"width {width}")
        # From the footers: a takedown takes rows out of the parts.
        parts = tuple((name, pq.read_metadata(folder / name).num_rows) for name in names)
    except (*FAULTS, pa.ArrowException) as error:
        raise UserError(
            f"{run}: expected embeddings, which `python -m trainer embed --data BUILD --run {run}` "
            f"makes ({first_line(error):.200})"
        ) from None
    return Embeddings(folder, version, build, model, width, parts, about)


@dataclass(frozen=True)
class Plane:
    """The two directions in which vectors differ most: PCA."""

    mean: np.ndarray  # float32 (width,)
    axes: np.ndarray  # float32 (width, 2), of length 1, the wider first

    def points(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (B, width) -> float32 (B, 2)."""
        return (vectors.astype(np.float32) - self.mean) @ self.axes


def plane(embeddings: Embeddings, kind: Kind) -> Plane:
    """The plane of all vectors of a kind, read once, a part at a time.

    An axis points to where its largest number is positive, so equal vectors give equal signs.
    """
    total = np.zeros(embeddings.width)
    products = np.zeros((embeddings.width, embeddings.width))
    for _, vectors in embeddings.blocks(kind):
        block = vectors.astype(np.float64)
        total += block.sum(axis=0)
        products += block.T @ block
    mean = total / max(1, embeddings.n)
    spread = products / max(1, embeddings.n) - np.outer(mean, mean)
    axes = np.linalg.eigh(spread)[1][:, :-3:-1]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    return Plane(mean.astype(np.float32), axes.astype(np.float32))
