"""The two verbs of a build: `map` a Python function over parts, `derive` a table by SQL.

The engines are queries/engine/duck.py and queries/engine/spark.py. Both verbs write parts named by
digest, and make nothing that is there already. Results do not depend on the engine, threads, memory
or the order of parts.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from queries.engine.progress import Progress, Step
from queries.tables import store
from queries.tables.parts import (
    Counted,
    Part,
    compact,
    read_batches,
    read_part,
    read_parts,
    write_part,
)
from queries.tables.schemas import TABLES, Table

SQL = Path(__file__).parents[1]
DERIVE = SQL / "derive"
BATCH_ROWS = 16_384

Batches = Iterator[pa.RecordBatch]
MapFunction = Callable[[Batches], Batches]
Rows: TypeAlias = Sequence[Path] | pa.Table
Advance = Callable[[dict[str, int], int], object]
Fetch = Callable[[Advance], Part]


@dataclass(frozen=True)
class MapInput:
    """What one part is made from: a Parquet file, or a few literal rows such as paths."""

    digest: str
    rows: Path | pa.Table
    with_dropped: bool = False  # rows of a file that have a reason are read, too

    def __getstate__(self) -> dict[str, object]:
        """What goes to another process: the rows, and not the table that they are a slice of."""
        rows = compact(self.rows) if isinstance(self.rows, pa.Table) else self.rows
        return {**vars(self), "rows": rows}

    def batches(self) -> Batches:
        if isinstance(self.rows, pa.Table):
            return iter(self.rows.to_batches())
        batches = read_batches(self.rows, BATCH_ROWS)
        return batches if self.with_dropped else map(kept_rows, batches)


@dataclass
class Engine(ABC):
    """An engine makes the parts of a build; every engine makes the same parts."""

    quiet: bool = field(default=False, kw_only=True)
    fetchers: int = field(default=1, kw_only=True)  # image parts that are fetched at once

    def map(
        self,
        about: str,
        function: MapFunction,
        inputs: Sequence[MapInput],
        table: Table,
        folder: Path,
        *,
        in_turn: bool = False,
    ) -> list[Part]:
        """Run the function over each input that has no part in the folder yet.

        The function is top-level (it is sent to other processes), and turns batches of the
        input into batches of the table; `in_turn` runs one after another, for servers that are
        not to be asked twice at once. Returns the parts in the order of the inputs.
        """
        paths = [folder / f"{part_input.digest}.parquet" for part_input in inputs]
        there = store.there(paths)
        jobs = {
            path: partial(_map_part, function, table, part_input, path)
            for part_input, path in zip(inputs, paths, strict=True)
            if path not in there
        }
        with self.step(about, len(jobs), "parts") as step:
            for _ in self._made(jobs, 1 if in_turn else len(jobs)):
                step.update()
        return read_parts(paths)

    def derive(
        self, file: Path, inputs: Mapping[str, Rows], out: Path, table: Table | None = None
    ) -> Part:
        """Run a file of SQL over the inputs, each a view, and write the rows of its table.

        That is the table which the file is named for, unless another is handed over. The rows are
        cast to its declared columns. Does nothing if `out` is there.
        """
        if out.exists():
            return read_part(out)
        table = table or TABLES[file.stem]
        with self.step(file.stem), self._selected(file.read_text(), inputs) as batches:
            return write_part(out, table, (_cast(batch, table) for batch in batches))

    @abstractmethod
    def fetch(self, jobs: Mapping[Path, Fetch], advance: Advance) -> None:
        """Fetch image parts: each job makes the file of `fetched` that it stands under.

        `advance` is told how many more rows ended with which reason ('' is kept), and how many
        hosts have asked to be left alone for a while.
        """

    @abstractmethod
    def _made(self, jobs: Mapping[Path, Callable[[], object]], at_once: int) -> Iterator[Path]:
        """Run the jobs, at most so many at once; each path when its job has made it."""

    @abstractmethod
    def _selected(
        self, sql: str, inputs: Mapping[str, Rows]
    ) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        """The rows of a SELECT over the inputs, in its order."""

    @abstractmethod
    def close(self) -> None:
        """End the processes of the engine; it starts them again when it needs them."""

    @cached_property
    def progress(self) -> Progress:
        """The current stage and step, and the listener."""
        return Progress(self.quiet)

    def step(
        self, about: str, total: int | None = None, unit: str = "", *, rate: bool = False
    ) -> AbstractContextManager[Step]:
        """A step that the progress of the build shows while it lasts."""
        return self.progress.showing(Step(about, total, unit, rate))


def kept_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows without a reason: what one stage drops, the next never sees."""
    if "reason" not in batch.schema.names:
        return batch
    return batch.filter(pc.is_null(batch["reason"]))


def _map_part(function: MapFunction, table: Table, part_input: MapInput, path: Path) -> Part:
    read = Counted(part_input.batches())
    counted = None if isinstance(part_input.rows, pa.Table) else read
    return write_part(path, table, function(iter(read)), counted)


def _cast(batch: pa.RecordBatch, table: Table) -> pa.RecordBatch:
    """The batch in the table's types: SQL engines differ in the widths of counts."""
    missing = set(table.schema.names) ^ set(batch.schema.names)
    if missing:
        raise ValueError(f"derive {table.name}: columns {sorted(missing)} on one side only")
    arrays = [batch.column(column.name).cast(column.type) for column in table.schema]
    return pa.RecordBatch.from_arrays(arrays, schema=table.schema)
