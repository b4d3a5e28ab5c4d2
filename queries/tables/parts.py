"""Parts of tables, on disk or in a store: named by digest, written whole or not at all.

A part is a Parquet file whose name is a digest of all that decides its rows, so a part that is
there is not made again.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from queries.tables import store
from queries.tables.schemas import Table

ROWS_PER_GROUP = 65_536
COUNTS = b"buildwit"  # key of the row counts in the Parquet footer


@dataclass(frozen=True)
class Part:
    """One Parquet file of a table, with the counts that prove that no row vanished."""

    name: str
    path: Path
    rows_in: int
    rows_kept: int
    rows_dropped: int


def digest(*pieces: object) -> str:
    """A digest of the pieces (JSON-able), 16 hex digits.

    >>> digest("match", 1, {"b": 1, "a": 2}) == digest("match", 1, {"a": 2, "b": 1})
    True
    """
    text = json.dumps(pieces, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a path beside the wanted one; rename it there at the end, remove it on failure.

    For a store the path is on this machine; the file is put into the store at the end.
    """
    if store.is_store(path):
        with store.workroom(path.parent) as room:
            yield room / path.name
            store.put(room / path.name, path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        beside.chmod(0o644)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def folder_written_whole(path: Path) -> Iterator[Path]:
    """The same for a folder: yield an empty one beside, rename it at the end.

    A store renames nothing, so there it is the folder itself, emptied of what was left by a process
    that was killed: what is written last must decide whether it is whole.
    """
    if store.is_store(path):
        store.clear(path)
        yield path
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield beside
        beside.chmod(0o755)
        beside.rename(path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_json(path: Path, value: object) -> None:
    with written_whole(path) as beside:
        beside.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


class Counted:
    """An iterable of batches that counts their rows in `rows`."""

    def __init__(self, batches: Iterable[pa.RecordBatch]):
        self.batches = batches
        self.rows = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self.batches:
            self.rows += batch.num_rows
            yield batch


def write_part(
    path: Path, table: Table, batches: Iterable[pa.RecordBatch], read: Counted | None = None
) -> Part:
    """Check the batches against the table, write them whole, and return the counted part.

    A row counts as dropped if the table has a `reason` column and its reason is not null.
    `read` is the input whose rows went in; without it, what came out is what went in.
    """
    with written_whole(path) as beside:
        kept = dropped = 0
        with pq.ParquetWriter(beside, table.schema, compression="zstd") as writer:
            for batch in _regrouped(batches, table):
                batch_dropped = 0
                if "reason" in table.schema.names:
                    reasons = batch.column("reason")
                    batch_dropped = len(reasons) - reasons.null_count
                kept += batch.num_rows - batch_dropped
                dropped += batch_dropped
                writer.write_batch(batch, row_group_size=ROWS_PER_GROUP)
            counts = [kept + dropped if read is None else read.rows, kept, dropped]
            writer.add_key_value_metadata({COUNTS: json.dumps(counts)})
    return Part(path.stem, path, *counts)


def _regrouped(batches: Iterable[pa.RecordBatch], table: Table) -> Iterator[pa.RecordBatch]:
    """Checked batches of ROWS_PER_GROUP rows: the file's bytes do not depend on how they came."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(table.check(batch))
        rows += batch.num_rows
        if rows >= ROWS_PER_GROUP:
            joined = pa.Table.from_batches(waiting).combine_chunks()
            whole = rows - rows % ROWS_PER_GROUP
            yield from joined.slice(0, whole).to_batches(max_chunksize=ROWS_PER_GROUP)
            waiting, rows = joined.slice(whole).to_batches(), rows - whole
    if rows:
        yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()


def compact(rows: pa.Table) -> pa.Table:
    """The rows in buffers of their own: a slice keeps, and pickles, those of its whole table."""
    written = pa.BufferOutputStream()
    with pa.ipc.new_stream(written, rows.schema) as stream:
        stream.write_table(rows.combine_chunks())  # each chunk would bring its own frame
    return pa.ipc.open_stream(written.getvalue()).read_all()


def read_part(path: Path) -> Part:
    """The part that write_part once wrote there."""
    counts = json.loads(pq.read_metadata(store.opened(path)).metadata[COUNTS])
    return Part(path.stem, path, *counts)


def read_parts(paths: Sequence[Path]) -> list[Part]:
    return list(store.each(read_part, paths, paths[0])) if paths else []


def read_rows(
    paths: Path | Sequence[Path], columns: list[str] | None = None, **how: Any
) -> pa.Table:
    """The rows of one file or of several, in order; `how` is what pyarrow's read_table takes."""
    if isinstance(paths, Sequence):
        return pa.concat_tables(read_rows(path, columns, **how) for path in paths)
    return pq.read_table(store.opened(paths), columns=columns, **how)


def read_batches(
    path: Path, rows: int = 16_384, columns: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The file's rows in order, in batches of at most `rows`, in bounded memory."""
    with pq.ParquetFile(store.opened(path)) as file:
        yield from file.iter_batches(batch_size=rows, columns=columns)
