"""The files of a workspace that a takedown reads and writes anew.

A file is always written beside and renamed: what another version has under the same name, by a hard
link, stays as it was.
"""

import io
import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.workspace.takedown_log import REASON, TakenDown
from queries.tables.manifest import MANIFEST
from queries.tables.parts import read_batches, write_part, written_whole
from queries.tables.schemas import Table
from queries.tables.tars import with_places

ASIDE = ".taken"  # ending of a version's folder while the one that takes its place is renamed

Change = Callable[[pa.RecordBatch], pa.RecordBatch]


def versions(workspace: Path) -> list[Path]:
    """The builds of a workspace, in order of name."""
    found = (path.parent for path in workspace.glob(f"[!.]*/{MANIFEST}"))
    return sorted(path for path in found if path.suffix != ASIDE)


def once(paths: Iterable[Path]) -> Iterator[Path]:
    """The files in order; of a file that has several names, the first."""
    seen: set[tuple[int, int]] = set()
    for path in sorted(paths):
        state = path.stat()
        if (state.st_dev, state.st_ino) not in seen:
            seen.add((state.st_dev, state.st_ino))
            yield path


def tables(workspace: Path, *names: str) -> Iterator[Path]:
    """The Parquet files of these tables: those of the work, and those of every version."""
    found: list[Path] = []
    for name in names:
        found += (workspace / "work" / name).glob("[!.]*.parquet")
        found += workspace.glob(f"[!.]*/tables/{name}/[!.]*.parquet")
        if name == "sample":
            found += workspace.glob("[!.]*/shards/[!.]*.parquet")
        if name == "fetched":
            found += workspace.glob("images/*/[!.]*/fetched.parquet")
    return once(found)


def columns(path: Path) -> list[str]:
    return list(pq.read_schema(path).names)


def names_any(path: Path, pair_ids: pa.Array) -> bool:
    """Whether a Parquet file has a row of one of these pairs."""
    if "pair_id" not in columns(path):
        return False
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["pair_id"]):
            if pc.any(pc.is_in(batch["pair_id"], pair_ids)).as_py():
                return True
    return False


def says_more(path: Path, taken: TakenDown, urls: Collection[str]) -> bool:
    """Whether a Parquet file says more of what was taken down than that it is gone.

    `urls` are addresses that no list of exclusions shall name.
    """
    match path.parent.name:
        case "candidate" | "drop":
            said = pc.field("pair_id").isin(taken.ids()) & (
                pc.field("reason").is_null() | (pc.field("reason") != REASON)
            )
            return bool(pq.read_table(path, columns=["pair_id"], filters=said).num_rows)
        case "exclusion":
            values = pq.read_table(path, columns=["value"])["value"].to_pylist()
            return not set(values).isdisjoint(urls)
    return names_any(path, taken.ids())


def rewrite(path: Path, change: Change) -> None:
    """Write a Parquet file anew, batch by batch, in its own columns and with its own counts."""
    own = Table(path.stem, "as it was", pq.read_schema(path).remove_metadata())
    write_part(path, own, (change(batch) for batch in read_batches(path)))


def without_pairs(pair_ids: pa.Array) -> Change:
    return lambda batch: batch.filter(pc.invert(pc.is_in(batch["pair_id"], pair_ids)))


def rewrite_tar(path: Path, keys: set[str]) -> None:
    """Write a shard's tar anew without the files of these samples."""
    with (
        written_whole(path) as beside,
        tarfile.open(path, "r:") as old,
        tarfile.open(beside, "w", format=tarfile.USTAR_FORMAT) as new,
    ):
        for member in old:
            if key_of(member.name) not in keys and (content := old.extractfile(member)):
                new.addfile(member, io.BytesIO(content.read()))


def rewrite_shard(path: Path, pair_ids: pa.Array) -> None:
    """Write a shard's tar and rows anew without these pairs: the others have new places."""
    tar = path.with_suffix(".tar")
    rewrite_tar(tar, keys_of(pair_ids.to_pylist()))
    stay = without_pairs(pair_ids)
    rewrite(path, lambda batch: with_places(stay(batch), tar))


def key_of(name: str) -> str:
    """The sample that a file of a tar belongs to.

    >>> key_of("0000000000000005.jpg")
    '0000000000000005'
    """
    return name.partition(".")[0]


def keys_of(pair_ids: Iterable[int]) -> set[str]:
    """
    >>> keys_of([5])
    {'0000000000000005'}
    """
    return {f"{one:016x}" for one in pair_ids}
