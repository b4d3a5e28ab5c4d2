"""What a workspace has taken down: the log of it, and rows without what was taken down.

The log is WORKSPACE/takedowns.csv, a list of exclusions that every later build of the workspace
reads by itself: pair_ids and hashes of pictures with a reason and a date, never an address or a
caption.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from queries.engine import Batches, MapFunction
from queries.tables.parts import written_whole
from queries.tables.schemas import TABLES

LOG = "takedowns.csv"
COLUMNS = ("kind", "value", "reason", "date")
REASON = "taken_down"
EMPTY = ("url", "caption", "url_key")  # of a candidate; license, page_url and extra become null

Why = tuple[str, str]  # reason, date


@dataclass(frozen=True)
class TakenDown:
    """What the log names: pairs, and pictures by the sha256 of their bytes as served."""

    pairs: dict[int, Why] = field(default_factory=dict)
    pictures: dict[str, Why] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.pairs or self.pictures)

    def ids(self) -> pa.Int64Array:
        return pa.array(sorted(self.pairs), pa.int64())

    def of(self, pair_ids: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        """Which of these pairs were taken down, a boolean each."""
        return pc.is_in(pair_ids, self.ids())


def read_log(workspace: Path) -> TakenDown:
    """What the workspace's log names; nothing where there is no log."""
    path, found = workspace / LOG, TakenDown()
    if not path.exists():
        return found
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            why = (row["reason"], row["date"])
            if row["kind"] == "pair_id":
                found.pairs[int(row["value"])] = why
            else:
                found.pictures[row["value"]] = why
    return found


def write_log(workspace: Path, taken: TakenDown) -> None:
    """Write the log whole, in one order."""
    rows = [("pair_id", str(one), *why) for one, why in sorted(taken.pairs.items())]
    rows += [("sha256", one, *why) for one, why in sorted(taken.pictures.items())]
    with (
        written_whole(workspace / LOG) as beside,
        beside.open("w", encoding="utf-8", newline="") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


def without(workspace: Path, function: MapFunction) -> MapFunction:
    """The map function that makes candidates, with nothing but the ids of what was taken down.

    So a source that still offers it brings no address and no caption back.
    """
    return partial(_mapped, workspace=workspace, function=function)


def _mapped(batches: Batches, workspace: Path, function: MapFunction) -> Batches:
    return blanked(function(batches), read_log(workspace))


def blanked(batches: Iterator[pa.RecordBatch], taken: TakenDown) -> Iterator[pa.RecordBatch]:
    """Rows of `candidate`; those of a pair that was taken down keep their ids alone."""
    schema = TABLES["candidate"].schema
    for batch in batches:
        gone = taken.of(batch["pair_id"])
        if not pc.any(gone).as_py():
            yield batch
            continue
        change = dict.fromkeys(EMPTY, pa.scalar("")) | {
            "reason": pa.scalar(REASON),
            **dict.fromkeys(("license", "page_url", "extra"), pa.scalar(None, pa.string())),
        }
        columns = [
            pc.if_else(gone, change[name], batch[name]) if name in change else batch[name]
            for name in schema.names
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
