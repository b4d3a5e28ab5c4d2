"""Where pictures stand on the plane of the embeddings: the table `place`, for a map of them."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from queries.tables.embeddings import plane, read_embeddings
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES


def write_places(run: Path) -> None:
    """Write RUN/tables/place of the run's embeddings, in order of pair_id."""
    embeddings, table = read_embeddings(run), TABLES["place"]
    of_pictures = plane(embeddings, "image")

    def batches() -> Iterator[pa.RecordBatch]:
        for ids, vectors in embeddings.blocks("image"):
            points = of_pictures.points(vectors)
            columns = [pa.array(ids), pa.array(points[:, 0]), pa.array(points[:, 1])]
            yield pa.RecordBatch.from_arrays(columns, schema=table.schema)

    write_part(run / "tables" / table.name / "place.parquet", table, batches())
