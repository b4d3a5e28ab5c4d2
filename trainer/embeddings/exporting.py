"""A build's pairs with their places on a plane and their neighbours, for other programs to show.

One Parquet file serves embedding-atlas (`--x x --y y --neighbors neighbors --text caption --image
image`; its `neighbors` are rows of the file from 0, with distances) and FiftyOne
(docs/embeddings.md). `image` holds the file's bytes, as `datasets` keeps pictures.
"""

from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from queries.engine.progress import shown
from queries.tables.embeddings import Embeddings, Kind, plane
from queries.tables.parts import written_whole
from trainer.data.loader import draws
from trainer.data.samples import Samples

MOST_ROWS = 50_000  # chosen by a hash: what shows them holds all in a browser
NEIGHBOURS = 10
GROUP_ROWS = 1_000  # written at a time, with their pictures

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
NEIGHBOUR = pa.struct([("ids", pa.list_(pa.int64())), ("distances", pa.list_(pa.float32()))])
SCHEMA = pa.schema(
    [
        ("pair_id", pa.int64()),
        ("key", pa.string()),
        ("caption", pa.string()),
        ("x", pa.float32()),
        ("y", pa.float32()),
        ("neighbors", NEIGHBOUR),
        ("cluster", pa.int32()),
        ("group_number", pa.int64()),
        ("kept", pa.bool_()),
        ("image", IMAGE),
    ]
)


def export(
    embeddings: Embeddings,
    kind: Kind,
    samples: Samples,
    clusters: pa.Table,
    path: Path,
    most: int = MOST_ROWS,
) -> int:
    """Write the file; how many rows it has. `clusters` is the table of the same embeddings."""
    ids = embeddings.pair_ids()
    rows = np.sort(np.argsort(draws(ids, 0, 0), kind="stable")[:most])
    vectors = _vectors(embeddings, kind, rows)
    points = plane(embeddings, kind).points(vectors)
    neighbours = _neighbours(vectors)
    order = np.argsort(samples.pair_ids, kind="stable")
    sample = order[np.searchsorted(samples.pair_ids, ids[rows], sorter=order)]
    with (
        written_whole(path) as beside,
        pq.ParquetWriter(beside, SCHEMA, compression="zstd") as writer,
        shown("export", len(rows), "pairs") as step,
    ):
        for begin in range(0, len(rows), GROUP_ROWS):
            part = slice(begin, begin + GROUP_ROWS)
            about = clusters.take(pa.array(rows[part]))
            keys = samples.keys(sample[part])
            pictures = [
                {"bytes": samples.bytes_of(row), "path": key}
                for row, key in zip(sample[part].tolist(), keys, strict=True)
            ]
            columns = {
                "pair_id": about["pair_id"],
                "key": keys,
                "caption": samples.captions(sample[part]),
                "x": points[part, 0],
                "y": points[part, 1],
                "neighbors": pa.array(neighbours[part], NEIGHBOUR),
                **{name: about[name] for name in ("cluster", "group_number", "kept")},
                "image": pa.array(pictures, IMAGE),
            }
            writer.write_table(pa.table(columns, schema=SCHEMA))
            step.update(len(keys))
    return len(rows)


def _vectors(embeddings: Embeddings, kind: Kind, rows: np.ndarray) -> np.ndarray:
    return embeddings.rows(kind, rows).astype(np.float32)


def _neighbours(vectors: np.ndarray) -> list[dict]:
    """Of each row the nearest others by cosine, with 1 - cosine as distance."""
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    cosines, numbers = index.search(vectors, min(len(vectors), NEIGHBOURS + 1))
    listed = []
    for row, (near, values) in enumerate(zip(numbers, cosines, strict=True)):
        others = (near != row).nonzero()[0][:NEIGHBOURS]
        distances = np.maximum(1 - values[others], 0)
        listed.append({"ids": near[others].tolist(), "distances": distances.tolist()})
    return listed
