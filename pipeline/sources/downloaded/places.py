"""Where the pictures of pairs are held, for the fetch that takes them from there."""

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.settings.sources import DownloadedSource
from pipeline.sources.downloaded.shards import roots
from queries.tables.parts import read_rows


def held(
    source: DownloadedSource, extra: Iterable[Path], pair_ids: Collection[int]
) -> dict[int, str]:
    """For each of these pairs that the source holds: [path, offset, bytes, sha256] as JSON.

    `extra` are the files of that table, which are read one after the other.
    """
    paths, places = roots(source), dict[int, str]()
    wanted = pa.array(sorted(pair_ids), pa.int64())
    for file in extra:
        rows = read_rows(file)
        mine = pc.and_(pc.equal(rows["source"], source.name), pc.is_in(rows["pair_id"], wanted))
        for row in rows.filter(mine).to_pylist():  # in the order of pair_id and extra
            if place := place_of(row["extra"], paths):
                places.setdefault(row["pair_id"], place)
    return places


def place_of(extra: str, paths: dict[str, str]) -> str | None:
    """The place that extra columns name, below the source's paths; None where they name none.

    >>> extra = '{"held": {"file": "0/00000.tar", "offset": 512, "bytes": 9, "sha256": "ab"}}'
    >>> place_of(extra, {"0": "/data/laion/"}), place_of("{}", {})
    ('["/data/laion/00000.tar", 512, 9, "ab"]', None)
    """
    there: Any = json.loads(extra).get("held")
    if not isinstance(there, dict):
        return None
    root, _, name = there["file"].partition("/")
    if root not in paths:
        return None
    return json.dumps([paths[root] + name, there["offset"], there["bytes"], there["sha256"]])
