"""Audits and checks: SQL files that question a build, and how they are asked.

May import queries. An audit reports; a check returns the rows that offend, so none means pass.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from queries.build import files_by_table, list_files
from queries.engine import SQL, DuckEngine, view_of_files
from queries.schemas import TABLES


def names(kind: str) -> list[str]:
    """The questions of a kind, `audit` or `check`."""
    return sorted(path.stem for path in (SQL / kind).glob("*.sql"))


def sql(kind: str, name: str) -> str:
    return (SQL / kind / f"{name}.sql").read_text()


def title(kind: str, name: str) -> str:
    """The question in words: the first line of its file.

    >>> title("check", "no_query_over_the_cap")
    'No query keeps more pairs than the cap'
    """
    return sql(kind, name).splitlines()[0].removeprefix("-- ")


def views(build: Path, run: Path | None = None) -> Iterator[str]:
    """The CREATE VIEW lines that let a DuckDB shell ask every question."""
    for name, files in files_by_table(build.absolute(), run and run.absolute()).items():
        yield view_of_files(name, files) if files else empty_view(name)


def empty_view(name: str) -> str:
    """A view without rows of a declared table: what a build lacks, a question may still name.

    >>> print(empty_view("suppressed"))
    CREATE OR REPLACE VIEW "suppressed" AS SELECT NULL::BIGINT AS "pair_id" WHERE FALSE;
    """
    kinds = {
        pa.int32(): "INTEGER",
        pa.int64(): "BIGINT",
        pa.float64(): "DOUBLE",
        pa.bool_(): "BOOLEAN",
        pa.string(): "VARCHAR",
    }
    columns = (f'NULL::{kinds[one.type]} AS "{one.name}"' for one in TABLES[name].schema)
    return f'CREATE OR REPLACE VIEW "{name}" AS SELECT {", ".join(columns)} WHERE FALSE;'


def tables(build: Path, run: Path | None = None) -> dict[str, list[Path] | pa.Table]:
    """What a question may ask of: the build's and the run's tables, and its files as they are."""
    now = pa.Table.from_pylist(list(list_files(build)), TABLES["file_now"].schema)
    return {**files_by_table(build, run), "file_now": now}


def answer(
    engine: DuckEngine, inputs: Mapping[str, list[Path] | pa.Table], question: str
) -> pa.Table:
    """The rows that a question's SQL gives."""
    with engine.connect(inputs) as connection:
        return connection.sql(question).to_arrow_table()
