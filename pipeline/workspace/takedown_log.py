"""The log of takedowns, and candidates without what was taken down.

The log is WORKSPACE/takedowns.csv, a list of exclusions that every later build of the workspace
reads by itself: pair_ids and hashes of pictures with a reason and a date, never an address or a
caption.
"""

import csv
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from queries.engine import Batches, MapFunction
from queries.tables.parts import written_whole

LOG = "takedowns.csv"
COLUMNS = ("kind", "value", "reason", "date")
REASON = "taken_down"
EMPTIED = ("url", "caption", "url_key")  # columns of `candidate` that become ""
# and those that become null
NULLED = (
    *("license", "license_id", "page_url", "page_signals", "page_date", "source_hash"),
    "extra",
)

Why = tuple[str, str]  # reason, date


@dataclass(frozen=True)
class TakedownLog:
    """What the log names: pairs, and pictures by the sha256 of their bytes as served."""

    pairs: dict[int, Why] = field(default_factory=dict)
    pictures: dict[str, Why] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.pairs or self.pictures)

    def pair_ids(self) -> pa.Int64Array:
        return pa.array(sorted(self.pairs), pa.int64())

    def has_pairs(self, pair_ids: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        """Whether each of these pairs was taken down: a mask."""
        return pc.is_in(pair_ids, self.pair_ids())


def read_log(workspace: Path) -> TakedownLog:
    """The log of a workspace, empty where there is no file."""
    path, log = workspace / LOG, TakedownLog()
    if not path.exists():
        return log
    with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets write a byte mark
        for row in csv.DictReader(file):
            why = (row["reason"], row["date"])
            if row["kind"] == "pair_id":
                log.pairs[int(row["value"])] = why
            else:
                log.pictures[row["value"]] = why
    return log


def write_log(workspace: Path, log: TakedownLog) -> None:
    """Write the log whole, in order of pair_id and of sha256."""
    rows = [("pair_id", str(pair_id), *why) for pair_id, why in sorted(log.pairs.items())]
    rows += [("sha256", sha256, *why) for sha256, why in sorted(log.pictures.items())]
    with (
        written_whole(workspace / LOG) as beside,
        beside.open("w", encoding="utf-8", newline="") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


def blanking_taken_down(function: MapFunction, workspace: Path) -> MapFunction:
    """The map function that makes candidates, followed by blank_taken_down.

    A source may still offer what was taken down: its address and caption do not come back.
    """
    return partial(_make_blanked, function=function, workspace=workspace)


def _make_blanked(batches: Batches, function: MapFunction, workspace: Path) -> Batches:
    log = read_log(workspace)
    return (blank_taken_down(batch, log) for batch in function(batches))


def blank_taken_down(batch: pa.RecordBatch, log: TakedownLog) -> pa.RecordBatch:
    """Rows of `candidate`; those of a pair that was taken down keep their ids alone.

    Rows of an older release lack columns: each keeps those that it has.
    """
    gone = log.has_pairs(batch["pair_id"])
    if not pc.any(gone).as_py():
        return batch
    blank = {
        **dict.fromkeys(EMPTIED, pa.scalar("")),
        **dict.fromkeys(NULLED, pa.scalar(None, pa.string())),
        "reason": pa.scalar(REASON),
    }
    columns = [
        pc.if_else(gone, blank[name], batch[name]) if name in blank else batch[name]
        for name in batch.schema.names
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)
