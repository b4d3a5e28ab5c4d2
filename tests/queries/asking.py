"""Ask an audit or a check of literal rows: every table not given is empty."""

import pyarrow as pa

from queries.engine.duck import DuckEngine
from queries.questions import OTHER, answer, sql
from queries.tables.schemas import TABLES
from tests.tables import build_row

ENGINE = DuckEngine(workers=1, quiet=True)
EMPTY = {name: declared.empty() for name, declared in TABLES.items()}
EMPTY_OTHER = {OTHER + name: rows for name, rows in EMPTY.items()}


def ask(kind: str, name: str, **given: pa.Table) -> list[dict]:
    """The rows of an answer, with a cap of 2."""
    inputs = {**EMPTY, **EMPTY_OTHER, "build": build_row(cap=2), **given}
    return answer(ENGINE, inputs, sql(kind, name)).to_pylist()


def of_folder(table: str, *given: dict) -> pa.Table:
    """Literal rows of a table of queries.tables.folder: missing columns are null."""
    schema = TABLES[table].schema
    full = [{name: row.get(name) for name in schema.names} for row in given]
    return pa.Table.from_pylist(full, schema)
