"""Embeddings of made-up vectors, in the form that `trainer embed` writes."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from queries.tables.embeddings import Embeddings, read_embeddings, schema


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def write_vectors(
    run: Path, image: np.ndarray, part_rows: int = 64, ids: np.ndarray | None = None
) -> Embeddings:
    """RUN/embeddings of these pictures (N, width); the captions' vectors are theirs turned round.

    ids: ascending; 1, 4, 7 … by default.
    """
    folder = run / "embeddings"
    folder.mkdir(parents=True)
    ids = np.arange(len(image)) * 3 + 1 if ids is None else ids
    width, parts = image.shape[1], []
    for number, start in enumerate(range(0, len(image), part_rows)):
        block = image[start : start + part_rows].astype(np.float16)
        lists = [
            pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), width)
            for vectors in (block, block[:, ::-1])
        ]
        columns = [pa.array(ids[start : start + part_rows]), *lists]
        name = f"{number:05d}.parquet"
        pq.write_table(pa.Table.from_arrays(columns, schema=schema(width)), folder / name)
        parts.append({"path": name, "rows": len(block)})
    about = {"build_version": "v", "build_digest": "d", "checkpoint": "c", "width": width}
    (folder / "manifest.json").write_text(json.dumps(about | {"parts": parts}))
    return read_embeddings(run)
