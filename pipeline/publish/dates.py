"""On which day each kept picture was fetched: times are in no table, so the workspace is asked."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from queries.tables.contracts import FETCHED
from queries.tables.manifest import files_by_table
from queries.tables.parts import read_rows
from queries.tables.schemas import TABLES

SCHEMA = pa.schema([("pair_id", pa.int64()), ("fetched_on", pa.date32())])
KEY = ["pair_id", "attempt"]


def fetch_dates(build: Path) -> pa.Table:
    """(pair_id, fetched_on) of the samples whose pictures are in the build's workspace.

    A build that was copied out of its workspace has none. Of a picture that is there in several
    sizes the last day counts.
    """
    kept = _kept(build)
    days = _days(build.parent / "fetch_log.jsonl")
    dated = []
    for path in sorted(build.parent.glob(f"images/*/[!.]*/{FETCHED}")):
        rows = read_rows(path, columns=KEY).join(kept, KEY, join_type="inner")
        day = days.get(path.parent.name) or _changed(path)
        dated.append(
            pa.table({"pair_id": rows["pair_id"], "fetched_on": [day] * len(rows)}, SCHEMA)
        )
    last = pa.concat_tables([SCHEMA.empty_table(), *dated]).group_by("pair_id")
    rows = last.aggregate([("fetched_on", "max")]).select(["pair_id", "fetched_on_max"])
    return rows.rename_columns(SCHEMA.names).cast(SCHEMA).sort_by("pair_id")


def span(dates: pa.Table) -> tuple[date, date] | None:
    """The first day and the last; None where nothing is known."""
    if not dates.num_rows:
        return None
    ends = pc.min_max(dates["fetched_on"]).as_py()
    return ends["min"], ends["max"]


def made_on(build: Path) -> date:
    """The day on which the build was made, by its manifest's file."""
    return _changed(build / "manifest.json")


def _kept(build: Path) -> pa.Table:
    """The attempts by which the samples were fetched."""
    outcomes = [
        read_rows(path, columns=[*KEY, "reason"]) for path in files_by_table(build)["outcome"]
    ]
    rows = pa.concat_tables([TABLES["outcome"].empty().select([*KEY, "reason"]), *outcomes])
    return rows.filter(pc.is_null(rows["reason"])).select(KEY)


def _days(log: Path) -> dict[str, date]:
    """The day of each image part, as the log has it; 0.1.0 wrote none."""
    days: dict[str, date] = {}
    if not log.is_file():
        return days
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            if '"day"' in line:
                about = json.loads(line)
                days[about["part"]] = date.fromisoformat(about["day"])
    return days


def _changed(path: Path) -> date:
    state = path.stat()
    return datetime.fromtimestamp(state.st_mtime, UTC).date() if state.st_mtime else date.today()
