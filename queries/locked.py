"""The tables of a build behind a lock: for programs that hand on what strangers ask.

DuckDB reads the files of the tables and nothing else, writes nowhere, and each question has a
limit of time and of memory.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import BoundedSemaphore, Timer
from typing import Any

import pyarrow as pa

from queries.engine.duck import SQL_ERROR, mistake_in_sql, sealed
from queries.questions import views
from queries.tables.errors import InputError
from queries.tables.manifest import files_by_table

MEMORY, THREADS = "512MB", 2
SECONDS = 20.0  # for one question
AT_ONCE = 3  # questions
VIEWS = "SELECT view_name FROM duckdb_views() WHERE NOT internal"
PARAMETER = re.compile(r"\bparam_(\w+)")  # written as a name, which the linter of SQL can read
BOUND = re.compile(r"\$(\w+)")
COMMENT = re.compile(r"--.*")


class LockedTables:
    """Questions of one build, its run and a build beside it; safe to use from several threads."""

    def __init__(self, build: Path, run: Path | None = None, other: Path | None = None):
        listed = [files_by_table(build, run), files_by_table(other) if other else {}]
        allowed = [path for tables in listed for files in tables.values() for path in files]
        self._connection = sealed(allowed, MEMORY, THREADS)
        self._free = BoundedSemaphore(AT_ONCE)
        try:
            for line in views(build, run, other):
                self._connection.execute(line)
        except SQL_ERROR as error:
            raise InputError(f"{build}: {mistake_in_sql(str(error), listed[0])}") from None
        self.tables = sorted(name for (name,) in self._connection.execute(VIEWS).fetchall())

    def ask(self, question: str, values: Mapping[str, Any], seconds: float = SECONDS) -> pa.Table:
        """The rows that a question's SQL gives for these values of its parameters.

        A line whose parameter has no value is left out. Raises InputError.
        """
        sql = with_given(question, values)
        used = {name: values[name] for name in BOUND.findall(sql)}
        with self._asking(seconds) as cursor:
            return cursor.sql(sql, params=used).to_arrow_table()

    def first_rows(
        self, question: str, most: int, seconds: float
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """The names of the columns, and at most so many rows, of a SELECT without parameters."""
        with self._asking(seconds) as cursor:
            relation = cursor.sql(question).limit(most)
            return list(relation.columns), relation.fetchall()

    @contextmanager
    def _asking(self, seconds: float) -> Iterator[Any]:
        """A cursor whose question is given up after these seconds. Raises InputError."""
        with self._cursor(seconds) as cursor:
            try:
                yield cursor
            except SQL_ERROR as error:
                if str(error).startswith("Out of Memory"):
                    raise InputError(f"the question took more than {MEMORY} of memory") from None
                if str(error).startswith("Permission Error"):
                    raise InputError(
                        "the build's tables alone can be read: where they were moved or made "
                        "anew, start the explorer again"
                    ) from None
                if "INTERRUPT" in str(error):
                    raise InputError(
                        f"the question took more than {seconds:g} s: expected a narrower one"
                    ) from None
                raise InputError(mistake_in_sql(str(error), self.tables)) from None

    @contextmanager
    def _cursor(self, seconds: float) -> Iterator[Any]:
        if not self._free.acquire(timeout=seconds):
            raise InputError("too many questions at once: ask again in a moment")
        cursor = self._connection.cursor()
        clock = Timer(seconds, cursor.interrupt)
        clock.daemon = True
        clock.start()
        try:
            yield cursor
        finally:
            clock.cancel()
            cursor.close()
            self._free.release()


def with_given(question: str, values: Mapping[str, Any]) -> str:
    """The SQL without the lines that name a parameter of no value, and without comments.

    >>> with_given('SELECT 1\\nWHERE TRUE\\nAND a = param_a\\nAND b -- param_b', {"b": True})
    'SELECT 1\\nWHERE TRUE\\nAND b '
    >>> with_given('SELECT param_a', {"a": 1})
    'SELECT $a'
    """
    lines = question.splitlines()
    kept = (line for line in lines if set(PARAMETER.findall(line)) <= values.keys())
    return "\n".join(PARAMETER.sub(r"$\1", COMMENT.sub("", line)) for line in kept)


def written_out(question: str, values: Mapping[str, Any]) -> str:
    """A question's SQL with its values in it, for a person to read and to change.

    >>> written_out("SELECT a\\nFROM b\\nWHERE a = param_a", {"a": "it's"})
    "SELECT a\\nFROM b\\nWHERE a = 'it''s'"
    """
    sql = BOUND.sub(lambda name: _literal(values[name[1]]), with_given(question, values))
    return "\n".join(line.rstrip() for line in sql.splitlines() if line.strip())


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)
