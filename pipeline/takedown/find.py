"""Find the pairs that a list of exclusions means in a workspace, and the clues by which to look.

A takedown is of a picture. With a pair go all pairs of its address and all pairs whose pictures
have the same bytes, again and again until no more pair is found.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.filters.named import address_key, address_keys, hosts_in, parent_in
from pipeline.images.parts import stored_pictures
from pipeline.report.gallery import thumbnail
from pipeline.takedown.files import column_names, files_of_tables, has_pairs
from pipeline.takedown.hashes import Named, pairs_by_bytes, pairs_by_pdq
from pipeline.workspace.takedown_log import TakedownLog, Why
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from queries.tables.tars import read_pictures

# Tables that hold all addresses and captions of a workspace, and all hashes of pictures.
ADDRESS_TABLES = ("candidate", "pair", "drop", "sample")
HASH_TABLES = ("fetched", "attempt", "sample")
READABLE = re.compile("https?://([^/]+)")  # a key's host
PENDING = "takedown.pending.parquet"
CLUE = TABLES["clue"]


@dataclass
class Targets:
    """All that shall go, each with its reason and date."""

    pairs: dict[int, Why] = field(default_factory=dict)
    urls: dict[str, Why] = field(default_factory=dict)
    hosts: dict[str, Why] = field(default_factory=dict)
    pictures: dict[str, Why] = field(default_factory=dict)
    hashes: list[tuple[int, int, Why]] = field(default_factory=list)  # phash, radius
    by_bytes: Named = field(default_factory=dict)  # md5 and sha1
    by_pdq: list[tuple[dict[str, Any], Why]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.pairs) + len(self.urls) + len(self.pictures)

    @classmethod
    def read(cls, exclusions: Iterable[dict[str, Any]], log: TakedownLog, today: str) -> "Targets":
        """What the rows of `exclusion` and the log name."""
        targets = cls(dict(log.pairs), pictures=dict(log.pictures))
        for row in exclusions:
            why = (row["why"] or "", row["since"] or today)
            match row["kind"]:
                case "pair_id":
                    targets.pairs.setdefault(int(row["value"]), why)
                case "url":
                    targets.urls.setdefault(row["value"], why)
                case "host":
                    targets.hosts.setdefault(row["value"], why)
                case "sha256":
                    targets.pictures.setdefault(row["value"], why)
                case "phash":
                    targets.hashes.append((row["phash"], row["radius"], why))
                case "md5" | "sha1":
                    targets.by_bytes.setdefault((row["kind"], row["value"]), why)
                case "pdq":
                    targets.by_pdq.append((row, why))
        return targets


def resolve(
    workspace: Path, exclusions: Iterable[dict[str, Any]], today: str, log: TakedownLog
) -> TakedownLog:
    """The log with all pairs and pictures of the workspace that these exclusions mean."""
    targets = Targets.read(exclusions, log, today)
    for pair_id, why in pairs_by_bytes(workspace, targets.by_bytes):
        targets.pairs.setdefault(pair_id, why)
    whys = {row["value"]: why for row, why in reversed(targets.by_pdq)}
    for pair_id, value in pairs_by_pdq(workspace, [row for row, _ in targets.by_pdq]):
        targets.pairs.setdefault(pair_id, whys[value])
    size = -1
    while targets.size > size:
        size = targets.size
        for path in files_of_tables(workspace, *ADDRESS_TABLES):
            _add_by_address(path, targets)
        for path in files_of_tables(workspace, *HASH_TABLES):
            _add_by_picture(path, targets)
    return TakedownLog(targets.pairs, targets.pictures)


def _add_by_address(path: Path, targets: Targets) -> None:
    """Add the pairs of a file that are named by id, address or host, and their addresses."""
    with pq.ParquetFile(path) as file:
        names = [name for name in ("pair_id", "url", "url_key") if name in column_names(path)]
        for batch in file.iter_batches(columns=names):
            pair_ids = batch["pair_id"].to_pylist()
            for pair_id, url in zip(pair_ids, _row_keys(batch), strict=True):
                why = targets.pairs.get(pair_id) or targets.urls.get(url) or _by_host(url, targets)
                if why is not None:
                    targets.pairs.setdefault(pair_id, why)
                    if url:
                        targets.urls.setdefault(url, why)


def _row_keys(batch: pa.RecordBatch) -> list[str]:
    """The key by which lists compare each row's address, '' where there is none."""
    urls = batch["url"].to_pylist()
    if "url_key" not in batch.schema.names:
        return [row_key(url) for url in urls]
    keys = address_keys(batch["url_key"])
    return [key or row_key(url) for key, url in zip(keys, urls, strict=True)]


def row_key(url: str, url_key: str = "") -> str:
    """The key by which rows are of one address; '' where the text is none, such as "n/a".

    >>> row_key("HTTP://a.org/%7Eb"), row_key("http://a.org:99999/b"), row_key("n/a")
    ('http://a.org/~b', 'http://a.org:99999/b', '')
    """
    return address_key(url_key or url) or (url.strip() if "." in url and "/" in url else "")


def _by_host(url: str, targets: Targets) -> Why | None:
    """The reason why the host of an address shall go, itself or with a domain above it."""
    if not targets.hosts or not url:
        return None
    readable = READABLE.match(url) if address_key(url) else None
    hosts = [readable[1]] if readable else sorted(hosts_in(url))
    named = (parent_in(host, targets.hosts) for host in hosts)
    return next((targets.hosts[host] for host in named if host is not None), None)


def _add_by_picture(path: Path, targets: Targets) -> None:
    """Add the pairs of a file that hashes name, and the sha256 of their pictures."""
    rows = pq.read_table(path, columns=["pair_id", "sha256", "phash"])
    near = _rows_near(rows["phash"], targets)
    for place, (pair_id, sha256) in enumerate(
        zip(rows["pair_id"].to_pylist(), rows["sha256"].to_pylist(), strict=True)
    ):
        why = targets.pairs.get(pair_id) or targets.pictures.get(sha256) or near.get(place)
        if why is not None:
            targets.pairs.setdefault(pair_id, why)
            if sha256:
                targets.pictures.setdefault(sha256, why)


def _rows_near(phash: pa.ChunkedArray, targets: Targets) -> dict[int, Why]:
    """The places of the rows whose phash is near a named one, with its reason."""
    places = np.flatnonzero(pc.is_valid(phash).to_numpy())
    hashes = phash.drop_null().to_numpy()
    why_of: dict[int, Why] = {}
    for value, radius, why in targets.hashes:
        near = np.bitwise_count(hashes.view(np.uint64) ^ np.uint64(value % (1 << 64))) <= radius
        why_of |= {place: why_of.get(place, why) for place in places[near].tolist()}
    return why_of


# --- clues --------------------------------------------------------------------------------------


def add_clues(workspace: Path, log: TakedownLog) -> None:
    """Add all clues of these pairs to WORKSPACE/takedown.pending.parquet.

    The file is kept until nothing that it names is found any more. So a takedown that was
    interrupted still knows what to look for.
    """
    rows = {tuple(row.values()) for row in read_clues(workspace).to_pylist()}
    rows |= set(_texts(workspace, log.pair_ids()))
    rows |= set(_pictures(workspace, log.pair_ids()))
    clues = [dict(zip(CLUE.schema.names, row, strict=True)) for row in sorted(rows)]
    batches = pa.Table.from_pylist(clues, CLUE.schema).to_batches()
    write_part(workspace / PENDING, CLUE, batches)


def read_clues(workspace: Path) -> pa.Table:
    """Rows of `clue`; none where no takedown is under way."""
    path = workspace / PENDING
    return pq.read_table(path) if path.exists() else CLUE.empty()


def _texts(workspace: Path, pair_ids: pa.Array) -> Iterator[tuple[int, str, str]]:
    texts = ("url", "url_key", "caption")
    of_these = pc.field("pair_id").isin(pair_ids)
    for path in files_of_tables(workspace, *ADDRESS_TABLES):
        names = ["pair_id", *(name for name in texts if name in column_names(path))]
        for row in pq.read_table(path, columns=names, filters=of_these).to_pylist():
            for name in names[1:]:
                if name == "caption" and row[name]:
                    yield row["pair_id"], name, row[name]
                elif name != "caption" and row_key(row[name]):
                    yield row["pair_id"], "url", row[name]
            if key := row_key(row.get("url", "")):
                yield row["pair_id"], "url", key


def _pictures(workspace: Path, pair_ids: pa.Array) -> Iterator[tuple[int, str, str]]:
    for pair_id, picture in _stored_pictures(workspace, pair_ids):
        yield pair_id, "picture", hashlib.sha256(picture).hexdigest()
        if small := thumbnail(picture):
            yield pair_id, "thumbnail", hashlib.sha256(small.encode()).hexdigest()


def _stored_pictures(workspace: Path, pair_ids: pa.Array) -> Iterator[tuple[int, bytes]]:
    """(pair_id, picture) of these pairs, wherever image parts and shards hold them."""
    ids = set(pair_ids.to_pylist())
    for path in files_of_tables(workspace, "fetched"):
        if has_pairs(path, pair_ids):
            yield from stored_pictures(path.parent, ids)
    for path in files_of_tables(workspace, "sample"):
        if has_pairs(path, pair_ids):
            yield from read_pictures(path, ids)
