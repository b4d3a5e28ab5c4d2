"""Pairs whose pictures a list names by md5, by sha1 or by PDQ.

md5 and sha1 stand beside the image parts that were fetched when a list asked for them. PDQ is of
the stored pictures, which are hashed here.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.images.parts import ALL, read_images
from pipeline.images.pdq import Listed, pdq_of
from pipeline.takedown.files import files_of_tables
from pipeline.workspace.takedown_log import Why
from queries.pixels.picture import MOST_SIDE
from queries.tables.tars import read_pictures

PICTURES_AT_A_TIME = 1_024
MOST_PIXELS = MOST_SIDE**2  # a stored picture was judged when it was fetched
Named = dict[tuple[str, str], Why]  # by kind and value


def pairs_by_bytes(workspace: Path, named: Named) -> Iterator[tuple[int, Why]]:
    """The pairs whose bytes as served have one of these hashes."""
    for path in files_of_tables(workspace, "hashed") if named else ():
        for row in pq.read_table(path).to_pylist():
            if why := named.get((row["kind"], row["value"])):
                yield row["pair_id"], why


def n_unknown(workspace: Path, kinds: set[str]) -> int:
    """How many pictures were fetched without one of these hashes."""
    without = 0
    for path in files_of_tables(workspace, "fetched") if kinds else ():
        rows = pq.read_table(path, columns=["pair_id", "sha256"])
        fetched = {row["pair_id"] for row in rows.to_pylist() if row["sha256"]}
        beside = next((file for file in path.parent.glob("hashed.parquet")), None)
        hashed = pq.read_table(beside).to_pylist() if beside else []
        recorded = {(row["pair_id"], row["kind"]) for row in hashed}
        without += sum(
            any((pair_id, kind) not in recorded for kind in kinds) for pair_id in fetched
        )
    return without


def pairs_by_pdq(workspace: Path, rows: list[dict[str, object]]) -> Iterator[tuple[int, str]]:
    """(pair_id, value) of the pairs whose stored picture is near a hash of these rows."""
    if not rows:
        return
    columns = {name: [row[name] for row in rows] for name in ("value", "radius")}
    listed = pa.table(columns).group_by("value").aggregate([("radius", "max")])
    near = Listed(listed.rename_columns(["value", "radius"]))
    ids, hashes = list[int](), list[str]()
    for pair_id, picture in _pictures(workspace):
        if value := pdq_of(picture, MOST_PIXELS):
            ids.append(pair_id)
            hashes.append(value)
    for start in range(0, len(ids), PICTURES_AT_A_TIME):
        at, places, _ = near.near(hashes[start : start + PICTURES_AT_A_TIME])
        for row, place in zip(at.tolist(), places.tolist(), strict=True):
            yield ids[start + row], near.values[place]


def _pictures(workspace: Path) -> Iterator[tuple[int, bytes]]:
    """Every stored picture, and those of shards whose image part is gone."""
    held: set[int] = set()
    for path in files_of_tables(workspace, "fetched"):
        if path.parent.parent.parent.name == "images":
            for pair_id, picture in read_images(path.parent, *ALL):
                held.add(pair_id)
                yield pair_id, picture
    for path in files_of_tables(workspace, "sample"):
        others = set(pq.read_table(path, columns=["pair_id"])["pair_id"].to_pylist()) - held
        if others and path.with_suffix(".tar").exists():
            yield from read_pictures(path, others)
