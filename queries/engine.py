"""The two verbs of a build: `map` a Python function over parts, `derive` a table by SQL.

The only module that imports duckdb. Both verbs write parts named by digest, and make nothing
that is there already. Results do not depend on threads, memory or the order of parts.
"""

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from queries.errors import InputError
from queries.parts import Counted, Part, read_batches, read_part, write_part
from queries.processes import die_with
from queries.schemas import TABLES, Table

SQL = Path(__file__).parent
BATCH_ROWS = 16_384

Batches = Iterator[pa.RecordBatch]
MapFunction = Callable[[Batches], Batches]
Rows: TypeAlias = Sequence[Path] | pa.Table


@dataclass(frozen=True)
class MapInput:
    """What one part is made from: a Parquet file, or a few literal rows such as paths."""

    digest: str
    rows: Path | pa.Table

    def batches(self) -> Batches:
        if isinstance(self.rows, pa.Table):
            return iter(self.rows.to_batches())
        return (kept_rows(batch) for batch in read_batches(self.rows, BATCH_ROWS))


@dataclass
class DuckEngine:
    """The default engine: DuckDB for SQL, a pool of spawned processes for Python."""

    workers: int = 0  # 0: one a core
    memory: str = "4GB"
    scratch: Path | None = None
    quiet: bool = False
    _pool: Executor | None = field(default=None, repr=False)

    @cached_property
    def n_workers(self) -> int:
        return self.workers or os.cpu_count() or 1

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
        paths = [folder / f"{one.digest}.parquet" for one in inputs]
        missing = [
            (one, path) for one, path in zip(inputs, paths, strict=True) if not path.exists()
        ]
        with self.progress(about, len(missing), "parts") as bar:
            for _ in self._run(function, missing, table, 1 if in_turn else self.n_workers):
                bar.update()
        return [read_part(path) for path in paths]

    def _run(
        self, function: MapFunction, todo: list[tuple[MapInput, Path]], table: Table, at_once: int
    ) -> Iterator[Part]:
        job = partial(_map_part, function, table)
        if min(len(todo), at_once) <= 1:
            yield from (job(one, path) for one, path in todo)
            return
        pool = self._started_pool()
        waiting = [pool.submit(job, one, path) for one, path in todo]
        try:
            for done in as_completed(waiting):
                yield done.result()
        except BaseException:
            for future in waiting:
                future.cancel()
            raise

    def derive(
        self, name: str, inputs: Mapping[str, Rows], out: Path, table: Table | None = None
    ) -> Part:
        """Run queries/derive/NAME.sql over the inputs, each a view, and write its rows.

        The rows are cast to the table's declared columns. Does nothing if `out` is there.
        """
        if out.exists():
            return read_part(out)
        table = table or TABLES[name]
        sql = (SQL / "derive" / f"{name}.sql").read_text()
        with (
            self.progress(name, 1, "table", leave=False) as bar,
            self.connect(inputs) as connection,
        ):
            reader = connection.sql(sql).to_arrow_reader(BATCH_ROWS)
            part = write_part(out, table, (_cast(batch, table) for batch in reader))
            bar.update()
            return part

    def connect(self, inputs: Mapping[str, Rows]) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection that sees each input as a view of that name."""
        connection = duckdb.connect(
            config={
                "memory_limit": self.memory,
                "threads": self.n_workers,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "temp_directory": str(self.scratch) if self.scratch else "",
            }
        )
        for name, rows in inputs.items():
            if isinstance(rows, pa.Table):
                connection.register(name, rows)
            elif rows:
                connection.execute(view_of_files(name, rows))
            else:
                connection.register(name, TABLES[name].empty())
        return connection

    def ask(self, inputs: Mapping[str, Rows], question: str) -> pa.Table:
        """The rows that a question's SQL gives; a mistake in it is an InputError of its text.

        >>> pair = pa.table({"pair_id": [4, 5]})
        >>> DuckEngine().ask({"pair": pair}, "SELECT SUM(pair_id) AS n FROM pair").to_pylist()
        [{'n': 9}]
        """
        try:
            with self.connect(inputs) as connection:
                found = connection.sql(question)
                if found is None or not found.columns:
                    raise InputError(f"{question[:80]!r}: expected a SELECT, which gives rows")
                return _without_decimals(found.to_arrow_table())
        except duckdb.Error as error:
            raise InputError(str(error)) from None

    def pair_ids_where(self, rows: Rows, expression: str) -> pa.ChunkedArray:
        """The pair_id of each sample of which a person's SQL expression holds.

        `rows` are all columns of the table `sample`. It is parsed as one expression, so it can
        change nothing; a mistake in it is an InputError of one line.

        >>> rows = pa.table({"pair_id": [4, 5], "license": ["cc0", None]})
        >>> DuckEngine().pair_ids_where(rows, "license = 'cc0'").to_pylist()
        [4]
        """
        with self.connect({"sample": rows}) as connection:
            try:
                found = connection.view("sample").filter(expression).project("pair_id")
                return found.to_arrow_table().column(0)
            except duckdb.Error as error:
                first = str(error).splitlines()[0]
                raise InputError(
                    f"{expression!r}: {first}; expected a condition on the columns of sample, "
                    "such as license = 'cc0'"
                ) from None

    def progress(
        self, about: str, total: int, unit: str, *, leave: bool = True, rate: bool = False
    ) -> tqdm:
        """A bar on the terminal: `match  40% ████  2/5 parts  00:03`; with `rate`, for long work,
        also the units a second, the time left and a postfix."""
        shape = "{desc:<16}{percentage:3.0f}% {bar:20} {n_fmt}/{total_fmt} {unit}  {elapsed}"
        if rate:
            shape += "  {rate_noinv_fmt}  {remaining} left{postfix}"
        return tqdm(
            desc=about,
            total=total,
            unit=unit,
            bar_format=shape,
            leave=leave,
            delay=0 if leave else 1,
            disable=self.quiet or not total,
        )

    def bytes_progress(self, about: str) -> tqdm:
        """The same for bytes, whose number is not known beforehand."""
        return tqdm(desc=about, unit="B", unit_scale=True, disable=self.quiet)

    def _started_pool(self) -> Executor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.n_workers,
                mp_context=get_context("spawn"),
                initializer=_die_with,
                initargs=(os.getpid(),),
            )
        return self._pool

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _die_with(parent: int) -> None:
    """In a process of the pool: Ctrl-C is its parent's to answer, and it ends when that does.

    Its pipe would never tell: all processes of a pool hold both ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(parent)


def kept_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows without a reason: what one stage drops, the next never sees."""
    if "reason" not in batch.schema.names:
        return batch
    return batch.filter(pc.is_null(batch["reason"]))


def view_of_files(name: str, paths: Sequence[Path]) -> str:
    """The SQL that names Parquet files as one view.

    >>> print(view_of_files("pair", [Path("a/1.parquet")]))
    CREATE OR REPLACE VIEW "pair" AS SELECT * FROM read_parquet(['a/1.parquet']);
    """
    files = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    return f'CREATE OR REPLACE VIEW "{name}" AS SELECT * FROM read_parquet([{files}]);'  # noqa: S608


def _map_part(function: MapFunction, table: Table, one: MapInput, path: Path) -> Part:
    read = Counted(one.batches())
    counted = None if isinstance(one.rows, pa.Table) else read
    return write_part(path, table, function(iter(read)), counted)


def _without_decimals(found: pa.Table) -> pa.Table:
    """Sums of integers, which DuckDB gives 128 bits, as int64 columns."""
    for place, one in enumerate(found.schema):
        if pa.types.is_decimal(one.type) and one.type.scale == 0:
            with suppress(pa.ArrowInvalid):  # more than 64 bits: stays as it is
                found = found.set_column(place, one.name, found.column(place).cast(pa.int64()))
    return found


def _cast(batch: pa.RecordBatch, table: Table) -> pa.RecordBatch:
    """The batch in the table's types: SQL engines differ in the widths of counts."""
    missing = set(table.schema.names) ^ set(batch.schema.names)
    if missing:
        raise ValueError(f"derive {table.name}: columns {sorted(missing)} on one side only")
    arrays = [batch.column(one.name).cast(one.type) for one in table.schema]
    return pa.RecordBatch.from_arrays(arrays, schema=table.schema)
