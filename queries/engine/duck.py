"""The default engine: DuckDB for SQL, a pool of spawned processes for Python.

The only module that imports duckdb.
"""

import os
import re
import signal
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    as_completed,
)
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property, partial
from multiprocessing import get_context
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from queries.engine import BATCH_ROWS, Advance, Engine, Fetch, Rows
from queries.processes import die_with
from queries.tables import store
from queries.tables.errors import InputError, first_line
from queries.tables.schemas import TABLES

OTHER = "other_"  # before the name of a table: that of the build which is compared
KINDS = {
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.string(): "VARCHAR",
    pa.binary(): "BLOB",
}
SQL_ERROR = duckdb.Error
# Kinds of statements that give rows, or write a file that they name.
ANSWERED = {"SELECT", "MULTI", "EXPLAIN", "PRAGMA", "CALL", "COPY"}  # MULTI: PIVOT
SEALED_MEMORY = "256MB"
UNKNOWN_TABLE = re.compile(r'Table with name "?([^\s"]+)"? does not exist')
SHOWN_SQL = re.compile(r"\s*\nLINE (\d+):.*", re.DOTALL)  # the SQL again, and a mark below it
MOST = 300  # characters of DuckDB's words
MEASURED = "SET enable_progress_bar = true; SET enable_progress_bar_print = false"


@dataclass
class DuckEngine(Engine):
    """The default engine: DuckDB for SQL, a pool of spawned processes for Python."""

    workers: int = 0  # 0: one a core
    memory: str = "4GB"
    scratch: Path | None = None
    _pool: Executor | None = field(default=None, repr=False)

    @cached_property
    def n_workers(self) -> int:
        return self.workers or os.cpu_count() or 1

    def fetch(self, jobs: Mapping[Path, Fetch], advance: Advance) -> None:
        for job in jobs.values():
            job(advance)

    def _made(self, jobs: Mapping[Path, Callable[[], object]], at_once: int) -> Iterator[Path]:
        if min(len(jobs), at_once, self.n_workers) <= 1:
            for path, job in jobs.items():
                job()
                yield path
            return
        pool = self._started_pool()
        waiting: dict[Future[object], Path] = {}
        try:
            for path, job in jobs.items():
                waiting[pool.submit(job)] = path
            for done in as_completed(waiting):
                done.result()
                yield waiting[done]
        except BaseException as error:
            for future in waiting:
                future.cancel()
            if isinstance(error, BrokenExecutor):
                self._end_pool()
            raise

    def _end_pool(self) -> None:
        """End what is left of a pool of which a process was killed, and of nothing else.

        The pool ends those that it knows of. One that was being started while it did is waited for
        without end. Python 3.14 has a method for it.
        """
        for process in list((getattr(self._pool, "_processes", None) or {}).values()):
            process.kill()
        self._pool = None

    @contextmanager
    def _selected(self, sql: str, inputs: Mapping[str, Rows]) -> Iterator[Iterator[pa.RecordBatch]]:
        with self.connect(inputs) as connection:
            connection.execute(MEASURED)
            with self.progress.measured(partial(_share, connection)):
                yield connection.sql(sql).to_arrow_reader(BATCH_ROWS)

    def connect(self, inputs: Mapping[str, Rows], older: bool = False) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection that sees each input as a view of that name.

        `older`: the files may be of an older release, and lack columns.
        """
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
                _reach(connection, rows)
                connection.execute(view_of_files(name, rows, older=older))
            else:
                connection.register(name, TABLES[name].empty())
        return connection

    def ask(
        self, inputs: Mapping[str, Rows], question: str, tables: Collection[str] = ()
    ) -> pa.Table:
        """The rows that a question's SQL gives; a mistake in it is an InputError of one line.

        `tables` names all that may be asked, for who misspells one.

        >>> pair = pa.table({"pair_id": [4, 5]})
        >>> DuckEngine().ask({"pair": pair}, "SELECT SUM(pair_id) AS n FROM pair").to_pylist()
        [{'n': 9}]
        """
        try:
            with self.connect(inputs, older=True) as connection:
                statements = connection.extract_statements(question)
                if len(statements) > 1:
                    raise InputError(f"{question[:80]!r}: expected one statement, a SELECT")
                if not {str(each.type).rpartition(".")[2] for each in statements} <= ANSWERED:
                    raise InputError(
                        f"{question[:80]!r}: expected a SELECT; what a question makes or sets ends "
                        "with it, so nothing of it would be kept"
                    )
                relation = connection.sql(question)
                if relation is None or not relation.columns:
                    raise InputError(f"{question[:80]!r}: expected a SELECT, which gives rows")
                return _without_decimals(relation.to_arrow_table())
        except duckdb.Error as error:
            raise InputError(mistake_in_sql(str(error), tables or inputs)) from None

    def pair_ids_where(
        self, rows: Rows, expression: str, beside: Rows | None = None
    ) -> pa.ChunkedArray:
        """The pair_id of each sample of which a person's SQL expression holds.

        `rows` are all columns of the table `sample`, `beside` those of another table by pair_id,
        null for a sample that it lacks. It is parsed as one expression, so it can change nothing;
        a mistake in it is an InputError of one line.

        >>> rows = pa.table({"pair_id": [4, 5], "license": ["cc0", None]})
        >>> DuckEngine().pair_ids_where(rows, "license = 'cc0'").to_pylist()
        [4]
        >>> scores = pa.table({"pair_id": [5], "clip_score": [0.3]})
        >>> DuckEngine().pair_ids_where(rows, "clip_score > .2 and license is null", scores)[0]
        <pyarrow.Int64Scalar: 5>
        """
        tables = {"sample": rows} | ({} if beside is None else {"beside": beside})
        with self.connect(tables) as connection:
            try:
                relation = connection.view("sample")
                if beside is not None:
                    relation = relation.join(connection.view("beside"), "pair_id", how="left")
                return relation.filter(expression).project("pair_id").to_arrow_table().column(0)
            except duckdb.Error as error:
                raise InputError(
                    f"{expression!r}: {first_line(error)}; expected a condition on the "
                    "columns of sample, such as license = 'cc0'"
                ) from None

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


def mistake_in_sql(text: str, tables: Collection[str]) -> str:
    """DuckDB's words of a mistake in SQL as one line; of a table that is not there, with ours.

    >>> mistake_in_sql("Parser Error: at or near \\"x\\"\\n\\nLINE 2: select x\\n       ^", [])
    'Parser Error: at or near "x" (line 2)'
    >>> mistake_in_sql("Catalog Error: Table with name piar does not exist!", ["pair", "row"])
    'the table piar does not exist: did you mean pair? expected one of pair, row'
    """
    if unknown := UNKNOWN_TABLE.search(text):
        close = get_close_matches(unknown[1], tables, 1)
        guess = f"did you mean {close[0]}? " if close else ""
        listed = ", ".join(sorted(tables))
        return f"the table {unknown[1]} does not exist: {guess}expected one of {listed}"
    return " ".join(SHOWN_SQL.sub(r" (line \1)", text).split())[:MOST]


def sealed(
    allowed: Collection[Path] = (), memory: str = SEALED_MEMORY, threads: int = 1
) -> duckdb.DuckDBPyConnection:
    """A connection for a stranger's expression: it reaches no server and no Python variable, and
    of all files only those that are allowed, to read them.

    What it raises is of SQL_ERROR.
    """
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
            "memory_limit": memory,
            "threads": threads,
            "temp_directory": "",
        }
    )
    if allowed:
        connection.execute("SET allowed_paths = $1", [[str(path.absolute()) for path in allowed]])
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _share(connection: duckdb.DuckDBPyConnection) -> float | None:
    """The share of the query that DuckDB has done, 0 to 1; None where unknown."""
    percent = connection.query_progress()
    return percent / 100 if percent >= 0 else None


def _die_with(parent: int) -> None:
    """In a process of the pool: Ctrl-C is its parent's to answer, and it ends when that does.

    Its pipe would never tell: all processes of a pool hold both ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(parent)


def _reach(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> None:
    """Let DuckDB read these files by fsspec, if they are in a store."""
    if store.is_store(paths[0]):
        fs = store.with_listings(paths)
        name = fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0]
        if not connection.filesystem_is_registered(name):
            connection.register_filesystem(fs)


def view_of_files(name: str, paths: Sequence[Path], older: bool = False) -> str:
    """The SQL that names Parquet files as one view.

    `older`: what files of an older release lack of a declared table's columns is null.

    >>> print(view_of_files("pair", [Path("a/1.parquet")]))
    CREATE OR REPLACE VIEW "pair" AS SELECT * FROM read_parquet(['a/1.parquet']);
    """
    files = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    quoted = name.replace('"', '""')  # a build of a stranger's names its tables
    columns = ", ".join(["*", *(_lacking(name, paths[0]) if older else [])])
    return f'CREATE OR REPLACE VIEW "{quoted}" AS SELECT {columns} FROM read_parquet([{files}]);'  # noqa: S608


def _lacking(name: str, path: Path) -> list[str]:
    """Columns of nulls, for those that the table of this name has and the file lacks."""
    declared = TABLES.get(name.removeprefix(OTHER))
    if declared is None:
        return []
    try:
        present = pq.read_schema(store.opened(path)).names
    except (OSError, pa.ArrowException):
        return []  # DuckDB says what is wrong with it
    return [
        f'NULL::{KINDS[column.type]} AS "{column.name}"'
        for column in declared.schema
        if column.name not in present
    ]


def _without_decimals(table: pa.Table) -> pa.Table:
    """Sums of integers, which DuckDB gives 128 bits, as int64 columns."""
    for place, column in enumerate(table.schema):
        if pa.types.is_decimal(column.type) and column.type.scale == 0:
            with suppress(pa.ArrowInvalid):  # more than 64 bits: stays as it is
                table = table.set_column(place, column.name, table.column(place).cast(pa.int64()))
    return table
