"""What a list means in a workspace: the pairs that it names, and what is known of them.

A takedown is of a picture: with a pair go all pairs of its address, and all pairs of the same
bytes, until no more is found.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.filters.exclusions import normal_url, parent_in
from pipeline.images.parts import stored
from pipeline.report.gallery import thumbnail
from pipeline.takedown.files import columns, names_any, tables
from pipeline.workspace.takedown_log import TakenDown, Why
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from queries.tables.tars import read_pictures

# Where addresses and captions stand from which all others are derived, and the same of hashes.
ADDRESSES = ("candidate", "pair", "drop", "sample")
MEASURES = ("fetched", "attempt", "sample")
PENDING = "takedown.pending.parquet"
KNOWN = TABLES["known"]


@dataclass
class Named:
    """Everything that is named so far, each with its reason and date."""

    pairs: dict[int, Why] = field(default_factory=dict)
    urls: dict[str, Why] = field(default_factory=dict)
    hosts: dict[str, Why] = field(default_factory=dict)
    pictures: dict[str, Why] = field(default_factory=dict)
    hashes: list[tuple[int, int, Why]] = field(default_factory=list)  # phash, radius

    @property
    def size(self) -> int:
        return len(self.pairs) + len(self.urls) + len(self.pictures)

    @classmethod
    def of(cls, exclusions: Iterable[dict[str, Any]], taken: TakenDown, today: str) -> "Named":
        """What the rows of `exclusion` name, beside what the log has."""
        found = cls(dict(taken.pairs), pictures=dict(taken.pictures))
        for row in exclusions:
            why = (row["why"] or "", row["since"] or today)
            match row["kind"]:
                case "pair_id":
                    found.pairs.setdefault(int(row["value"]), why)
                case "url":
                    found.urls.setdefault(row["value"], why)
                case "host":
                    found.hosts.setdefault(row["value"], why)
                case "sha256":
                    found.pictures.setdefault(row["value"], why)
                case "phash":
                    found.hashes.append((row["phash"], row["radius"], why))
        return found


def resolve(
    workspace: Path, exclusions: Iterable[dict[str, Any]], today: str, log: TakenDown
) -> TakenDown:
    """The pairs and pictures that these exclusions and the log name, by all that is there."""
    named = Named.of(exclusions, log, today)
    size = -1
    while named.size > size:
        size = named.size
        for path in tables(workspace, *ADDRESSES):
            _by_address(path, named)
        for path in tables(workspace, *MEASURES):
            _by_picture(path, named)
    return TakenDown(named.pairs, named.pictures)


def _by_address(path: Path, named: Named) -> None:
    """Note the pairs of a file that are named by id, address or host, and their addresses."""
    with pq.ParquetFile(path) as file:
        wanted = [one for one in ("pair_id", "url", "url_key") if one in columns(path)]
        for batch in file.iter_batches(columns=wanted):
            pair_ids = batch["pair_id"].to_pylist()
            for pair_id, url in zip(pair_ids, _addresses(batch), strict=True):
                why = named.pairs.get(pair_id) or named.urls.get(url) or _by_host(url, named)
                if why is not None:
                    named.pairs.setdefault(pair_id, why)
                    if url:
                        named.urls.setdefault(url, why)


def _addresses(batch: pa.RecordBatch) -> list[str]:
    """The key of each row's address, '' where there is none."""
    if "url_key" in batch.schema.names:
        return list(batch["url_key"].to_pylist())
    return [normal_url(url) for url in batch["url"].to_pylist()]


def _by_host(url: str, named: Named) -> Why | None:
    """The reason why an address's host is named, itself or by a domain above it."""
    if not named.hosts or not url:
        return None
    found = parent_in(url.split("/", 3)[2], named.hosts)
    return None if found is None else named.hosts[found]


def _by_picture(path: Path, named: Named) -> None:
    """Note the pairs of a file that are named by the hashes of their pictures, and these hashes."""
    rows = pq.read_table(path, columns=["pair_id", "sha256", "phash"])
    why_of = _near(rows["phash"], named)
    for place, (pair_id, sha256) in enumerate(
        zip(rows["pair_id"].to_pylist(), rows["sha256"].to_pylist(), strict=True)
    ):
        why = named.pairs.get(pair_id) or named.pictures.get(sha256) or why_of.get(place)
        if why is not None:
            named.pairs.setdefault(pair_id, why)
            if sha256:
                named.pictures.setdefault(sha256, why)


def _near(phash: pa.ChunkedArray, named: Named) -> dict[int, Why]:
    """The rows whose hash a phash of the list is near."""
    there = np.flatnonzero(pc.is_valid(phash).to_numpy())
    hashes = phash.drop_null().to_numpy()
    found: dict[int, Why] = {}
    for value, radius, why in named.hashes:
        near = np.bitwise_count(hashes.view(np.uint64) ^ np.uint64(value % (1 << 64))) <= radius
        found |= {place: found.get(place, why) for place in there[near].tolist()}
    return found


# --- what is known of them ----------------------------------------------------------------------


def note_known(workspace: Path, taken: TakenDown) -> None:
    """Add all that is known of the pairs to WORKSPACE/takedown.pending.parquet.

    It is there until nothing of it is found any more, so that a takedown that was interrupted
    still knows what to look for.
    """
    path = workspace / PENDING
    rows = {tuple(row.values()) for row in read_known(workspace).to_pylist()}
    rows |= set(_texts(workspace, taken.ids()))
    rows |= set(_pictures(workspace, taken.ids()))
    listed = [dict(zip(KNOWN.schema.names, row, strict=True)) for row in sorted(rows)]
    write_part(path, KNOWN, pa.Table.from_pylist(listed, KNOWN.schema).to_batches())


def read_known(workspace: Path) -> pa.Table:
    """Rows of `known`; none where no takedown is under way."""
    path = workspace / PENDING
    return pq.read_table(path) if path.exists() else KNOWN.empty()


def _texts(workspace: Path, ids: pa.Array) -> Iterator[tuple[int, str, str]]:
    for path in tables(workspace, *ADDRESSES):
        names = [one for one in ("pair_id", "url", "url_key", "caption") if one in columns(path)]
        for row in pq.read_table(
            path, columns=names, filters=pc.field("pair_id").isin(ids)
        ).to_pylist():
            for name in names[1:]:
                if row[name]:
                    kind = "url" if name == "url_key" else name
                    yield row["pair_id"], kind, row[name]


def _pictures(workspace: Path, ids: pa.Array) -> Iterator[tuple[int, str, str]]:
    wanted = set(ids.to_pylist())
    for pair_id, picture in _stored_pictures(workspace, ids, wanted):
        yield pair_id, "picture", hashlib.sha256(picture).hexdigest()
        if small := thumbnail(picture):
            yield pair_id, "thumbnail", hashlib.sha256(small.encode()).hexdigest()


def _stored_pictures(
    workspace: Path, ids: pa.Array, wanted: set[int]
) -> Iterator[tuple[int, bytes]]:
    """(pair_id, picture) of these pairs, wherever image parts and shards hold them."""
    for path in tables(workspace, "fetched"):
        if names_any(path, ids):
            yield from stored(path.parent, wanted)
    for path in tables(workspace, "sample"):
        if names_any(path, ids):
            yield from read_pictures(path, wanted)
