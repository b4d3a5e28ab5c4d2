"""Audits and checks: SQL files that question a build, and how they are asked.

An audit reports. A check returns the rows at fault; it passes if it returns no rows.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from queries.engine import SQL
from queries.engine.duck import KINDS, OTHER, DuckEngine, view_of_files
from queries.tables.domains import domain_table
from queries.tables.folder import file_now_table, manifest_tables, member_now_table
from queries.tables.manifest import files_by_table
from queries.tables.reasons import EXPLAINED, SETTING_OF
from queries.tables.schemas import OF_A_RUN, TABLES
from queries.tables.store import opened
from queries.tables.tars import PLACE

Inputs = dict[str, list[Path] | pa.Table]


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


def of_whole_builds(question: str) -> bool:
    """Whether a check's SQL asks what need not hold of a build that has lost pairs by takedown.

    >>> of_whole_builds("-- of whole builds: a takedown leaves queries short")
    True
    """
    return "-- of whole builds: " in question


def of_places(question: str) -> bool:
    """Whether a check's SQL asks where pictures are in their tars."""
    return "sample.offset" in question


def says_places(build: Path) -> bool:
    """Whether a build says where its pictures are in their tars: those made by 0.1.0 do not."""
    shard = next((build / "shards").glob("*.parquet"), None)
    return shard is None or set(PLACE) <= set(pq.read_schema(opened(shard)).names)


def compares(question: str) -> bool:
    """Whether a question's SQL asks of two builds.

    >>> compares("SELECT COUNT(*) FROM pair"), compares("SELECT COUNT(*) FROM other_pair")
    (False, True)
    """
    return f" {OTHER}" in question


def needs_run(question: str) -> bool:
    """Whether a question's SQL asks of a run of the trainer.

    >>> needs_run("-- inputs: clip_score"), needs_run("-- inputs: sample")
    (True, False)
    """
    inputs = " ".join(line for line in question.splitlines() if line.startswith("-- inputs: "))
    return any(f" {name}" in inputs for name in OF_A_RUN)


def tables(
    build: Path, run: Path | None = None, other: Path | None = None, asked: str = ""
) -> Inputs:
    """What a question may ask of: the tables of a build, a run, another build, and the folder.

    Files and tars are listed anew, which reads every byte, only if the SQL that is `asked` names
    `file_now` or `member_now`.
    """
    inputs: Inputs = {**files_by_table(build, run), **manifest_tables(build)}
    inputs["drop_reason"] = reason_table()
    inputs["domain"] = TABLES["domain"].empty()
    if "domain" in asked:
        inputs["domain"] = domain_table(files_by_table(build)["sample"])
    for name, listed in (("file_now", file_now_table), ("member_now", member_now_table)):
        inputs[name] = listed(build) if name in asked else TABLES[name].empty()
    if other is not None:
        of_other: Inputs = {**files_by_table(other), **manifest_tables(other)}
        inputs |= {
            OTHER + name: rows or TABLES[name].empty() if isinstance(rows, list) else rows
            for name, rows in of_other.items()
        }
    return inputs


def reason_table() -> pa.Table:
    """Table `drop_reason`: every reason, with the setting that decides it."""
    rows = [
        {"reason": reason, "meaning": meaning, "setting": SETTING_OF.get(reason)}
        for reason, meaning in EXPLAINED.items()
    ]
    return pa.Table.from_pylist(rows, TABLES["drop_reason"].schema)


def views(build: Path, run: Path | None = None, other: Path | None = None) -> Iterator[str]:
    """The CREATE VIEW lines that let a DuckDB shell ask every question.

    Only `file_now` and `member_now` are not among them: they are listings that `check` makes.
    """
    yield from _views_of_build(build, "", run)
    if other is not None:
        yield from _views_of_build(other, OTHER)


def _views_of_build(build: Path, prefix: str, run: Path | None = None) -> Iterator[str]:
    for name, files in files_by_table(build.absolute(), run and run.absolute()).items():
        if files:
            yield view_of_files(prefix + name, files, older=True)
        elif name in TABLES:
            yield empty_view(name, prefix)
    listed = {**manifest_tables(build), "drop_reason": reason_table()}
    listed["domain"] = domain_table(files_by_table(build)["sample"])
    for name, rows in listed.items():
        yield view_of_rows(name, rows, prefix)


def empty_view(name: str, prefix: str = "") -> str:
    """A view without rows of a declared table: what a build lacks, a question may still name.

    >>> print(empty_view("suppressed"))
    CREATE OR REPLACE VIEW "suppressed" AS SELECT NULL::BIGINT AS "pair_id" WHERE FALSE;
    """
    columns = (f'NULL::{KINDS[column.type]} AS "{column.name}"' for column in TABLES[name].schema)
    return f'CREATE OR REPLACE VIEW "{prefix}{name}" AS SELECT {", ".join(columns)} WHERE FALSE;'


def view_of_rows(name: str, rows: pa.Table, prefix: str = "") -> str:
    """A view of literal rows of a declared table.

    >>> view_of_rows("suppressed", pa.table({"pair_id": [4, 5]})).partition(" FROM ")[-1]
    '(VALUES (4), (5)) AS given ("pair_id");'
    """
    if not rows.num_rows:
        return empty_view(name, prefix)
    schema = TABLES[name].schema
    columns = (
        f'CAST("{column.name}" AS {KINDS[column.type]}) AS "{column.name}"' for column in schema
    )
    values = (
        f"({', '.join(_literal(row[column.name]) for column in schema)})"
        for row in rows.to_pylist()
    )
    quoted = ", ".join(f'"{column.name}"' for column in schema)
    values_as_rows = f"(VALUES {', '.join(values)}) AS given ({quoted})"
    view = f'CREATE OR REPLACE VIEW "{prefix}{name}"'
    return f"{view} AS SELECT {', '.join(columns)} FROM {values_as_rows};"  # noqa: S608  # quoted


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def counts(engine: DuckEngine, inputs: Mapping[str, list[Path] | pa.Table]) -> dict[str, int]:
    """The counts of a build: one for each column of queries/report/counts.sql."""
    (row,) = answer(engine, inputs, sql("report", "counts")).to_pylist()
    return {name: int(n or 0) for name, n in row.items()}


def answer(
    engine: DuckEngine, inputs: Mapping[str, list[Path] | pa.Table], question: str
) -> pa.Table:
    """The rows that a question's SQL gives. Raises InputError where it cannot be asked.

    A table that it does not name is not made a view: with all of them that takes longer than most
    questions do.
    """
    named = {name: rows for name, rows in inputs.items() if name.lower() in question.lower()}
    return engine.ask(named, question, inputs)
