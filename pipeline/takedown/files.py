"""The files of a workspace that a takedown reads and rewrites.

A file is always written beside and renamed. So a file of another version that shares the content by
a hard link stays as it was.
"""

import io
import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.workspace.takedown_log import REASON, TakedownLog
from queries.tables.contracts import FETCHED, HASHED, HEARD
from queries.tables.manifest import MANIFEST
from queries.tables.parts import read_batches, write_part, written_whole
from queries.tables.schemas import Table
from queries.tables.table import pair_columns
from queries.tables.tars import with_places

OF_IMAGE_PARTS = {"fetched": FETCHED, "heard": HEARD, "hashed": HASHED}
ASIDE = ".taken"  # ending of an old version's folder while the new one is renamed to its place

Change = Callable[[pa.RecordBatch], pa.RecordBatch]


def versions(workspace: Path) -> list[Path]:
    """The builds of a workspace, in order of name."""
    folders = (path.parent for path in workspace.glob(f"[!.]*/{MANIFEST}"))
    return sorted(folder for folder in folders if folder.suffix != ASIDE)


def unique_files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files in order of path; of a file that has several hard links, the first."""
    inodes: set[tuple[int, int]] = set()
    for path in sorted(paths):
        state = path.stat()
        if (state.st_dev, state.st_ino) not in inodes:
            inodes.add((state.st_dev, state.st_ino))
            yield path


def files_of_tables(workspace: Path, *names: str) -> Iterator[Path]:
    """The Parquet files of these tables, in the work and in every version."""
    paths: list[Path] = []
    for name in names:
        paths += (workspace / "work" / name).glob("[!.]*.parquet")
        paths += workspace.glob(f"[!.]*/tables/{name}/[!.]*.parquet")
        if name == "sample":
            paths += workspace.glob("[!.]*/shards/[!.]*.parquet")
        if name in OF_IMAGE_PARTS:
            paths += workspace.glob(f"images/*/[!.]*/{OF_IMAGE_PARTS[name]}")
    return unique_files(paths)


def column_names(path: Path) -> list[str]:
    return list(pq.read_schema(path).names)


def has_pairs(path: Path, pair_ids: pa.Array) -> bool:
    """Whether a Parquet file names one of these pairs, in any column of pair_ids."""
    names = pair_columns(column_names(path))
    if not names:
        return False
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=names):
            if any(pc.any(pc.is_in(batch[name], pair_ids)).as_py() for name in names):
                return True
    return False


def has_taken_down(path: Path, log: TakedownLog, urls: Collection[str]) -> bool:
    """Whether a Parquet file tells more of what was taken down than that it is gone.

    `urls` are addresses that no list of exclusions shall name.
    """
    match path.parent.name:
        case "candidate" | "drop":
            filters = pc.field("pair_id").isin(log.pair_ids()) & (
                pc.field("reason").is_null() | (pc.field("reason") != REASON)
            )
            return bool(pq.read_table(path, columns=["pair_id"], filters=filters).num_rows)
        case "exclusion" | "named":
            values = pq.read_table(path, columns=["value"])["value"].to_pylist()
            return not set(values).isdisjoint(urls)
    return has_pairs(path, log.pair_ids())


def rewrite(path: Path, change: Change, emptied: Collection[str] = ()) -> None:
    """Change a Parquet file batch by batch; its columns and the counts in its metadata stay.

    `emptied` are columns that the change leaves nulls in, whatever the file says of them.
    """
    fields = pq.read_schema(path).remove_metadata()
    fields = pa.schema(
        [field.with_nullable(field.nullable or field.name in emptied) for field in fields]
    )
    own = Table(path.stem, "as it was", fields)
    write_part(path, own, (change(batch) for batch in read_batches(path)))


def remove_pairs(path: Path, pair_ids: pa.Array) -> None:
    """Take the rows of these pairs out of a Parquet file; for a shard's, see remove_samples.

    A row of something else, such as an evaluation's picture, stays and names the pair no more.
    """
    others = [name for name in pair_columns(column_names(path)) if name != "pair_id"]
    rewrite(path, lambda batch: _without_pairs(batch, pair_ids), others)


def _without_pairs(batch: pa.RecordBatch, pair_ids: pa.Array) -> pa.RecordBatch:
    for name in pair_columns(batch.schema.names):
        gone = pc.is_in(batch[name], pair_ids)
        if name == "pair_id":
            batch = batch.filter(pc.invert(gone))
        else:
            place = batch.schema.get_field_index(name)
            values = pc.if_else(gone, pa.scalar(None, batch[name].type), batch[name])
            field = batch.schema.field(place).with_nullable(True)
            batch = batch.set_column(place, field, values)
    return batch


def remove_samples(path: Path, pair_ids: pa.Array) -> None:
    """Take these pairs out of a shard: out of its tar, then out of its Parquet file `path`.

    The pictures that stay have new places in the tar, which the rows say.
    """
    tar = path.with_suffix(".tar")
    _rewrite_tar(tar, sample_keys(pair_ids.to_pylist()))
    rewrite(path, lambda batch: with_places(_without_pairs(batch, pair_ids), tar))


def _rewrite_tar(path: Path, keys: set[str]) -> None:
    """Write a shard's tar anew without the files of these samples."""
    with (
        written_whole(path) as beside,
        tarfile.open(path, "r:") as old,
        tarfile.open(beside, "w", format=tarfile.USTAR_FORMAT) as new,
    ):
        for member in old:
            if sample_key(member.name) not in keys and (content := old.extractfile(member)):
                new.addfile(member, io.BytesIO(content.read()))


def sample_key(member_name: str) -> str:
    """The sample that a file of a tar belongs to.

    >>> sample_key("0000000000000005.jpg")
    '0000000000000005'
    """
    return member_name.partition(".")[0]


def sample_keys(pair_ids: Iterable[int]) -> set[str]:
    """
    >>> sample_keys([5])
    {'0000000000000005'}
    """
    return {f"{pair_id:016x}" for pair_id in pair_ids}
