"""A stranger's SELECT over the tables of a build: looked through, then asked in another process.

    python -m queries.select   a question on standard input, its answer on standard output, in JSON

The question is parsed before it is asked. It may name the build's tables and no file, and call
functions of rows and aggregates alone. The process that asks may take a bounded amount of memory,
may write no file, and is killed when its time is over: DuckDB's own limits stand below these.
"""

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from queries.engine.duck import mistake_in_sql, sealed
from queries.locked import LockedTables
from queries.processes import die_with
from queries.tables.errors import InputError, first_line

SECONDS = 10.0
GRACE_S = 5.0  # beyond it, for the process to start
MOST_BYTES = 1 << 30  # of memory beyond what the process has at its start
LONGEST = 20_000  # characters of a question
MOST_ROWS, MOST_COLUMNS = 1_000, 60
MOST_CELL, MOST_ANSWER = 1_000, 2_000_000  # characters of a cell, of all cells
RUNNING: set[subprocess.Popen[bytes]] = set()  # of the questions that this process asks
TABLE_FUNCTIONS = {"range", "generate_series", "unnest"}
NAME = re.compile(r"[^\W\d]\w*")  # of a part of a WITH: no path of a file
CATALOGUE = "SELECT view_name FROM duckdb_views() WHERE schema_name <> 'information_schema'"
FUNCTIONS = """
SELECT DISTINCT function_name FROM duckdb_functions()
WHERE
    (function_type = 'scalar' AND stability = 'CONSISTENT')
    OR function_type IN ('aggregate', 'window')
    OR (function_type = 'macro' AND NOT regexp_matches(function_name, '^(pg_|has_|inet_)'))
"""


class Answer(NamedTuple):
    """Rows of a question, cut to the limits; `more` where there are more."""

    names: list[str]
    rows: list[list[Any]]
    more: bool


def ask(sql: str, build: Path, run: Path | None = None, seconds: float = SECONDS) -> Answer:
    """The answer to a stranger's question, by a process of its own. Raises InputError."""
    if len(sql) > LONGEST:
        raise InputError(f"expected a question of at most {LONGEST:,} characters")
    asked = {"sql": sql, "build": str(build), "run": str(run) if run else None}
    with subprocess.Popen(  # noqa: S603  # this very module
        [sys.executable, "-m", "queries.select", str(os.getpid()), str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        RUNNING.add(process)
        try:
            output, _ = process.communicate(json.dumps(asked).encode(), seconds + GRACE_S)
        except subprocess.TimeoutExpired:
            raise InputError(too_long(seconds)) from None
        finally:
            process.kill()
            RUNNING.discard(process)
    try:
        answer = json.loads(output)
    except ValueError:
        raise InputError("the question took more memory than there is for it") from None
    if fault := answer.get("fault"):
        raise InputError(fault)
    return Answer(**answer)


def end_all() -> None:
    """End the processes of the questions that are being asked: their answer is that of a fault."""
    for process in list(RUNNING):
        process.kill()


def too_long(seconds: float) -> str:
    return f"the question took more than {seconds:g} s: expected a narrower one"


def look_through(sql: str, tables: list[str]) -> None:
    """Raise InputError unless it is one SELECT of these tables.

    >>> look_through("SELECT COUNT(*) FROM pair", ["pair"])
    """
    connection = sealed()
    (text,) = connection.execute("SELECT json_serialize_sql($1)", [sql]).fetchall()[0]
    try:
        parsed = json.loads(text)
    except RecursionError:
        raise InputError("the question is nested too deeply") from None
    if parsed["error"]:
        message = str(parsed["error_message"]).splitlines()[0]
        raise InputError(f"{message}; expected one SELECT")
    if len(parsed["statements"]) != 1:
        raise InputError("expected one SELECT, and nothing behind it")
    nodes = list(_nodes(parsed["statements"]))
    # Wherever the WITH stands, its names are allowed everywhere: so none may mean something else.
    own = {entry["key"].lower() for node in nodes for entry in _named_parts(node)}
    if wrong := next((name for name in own if not NAME.fullmatch(name) or name in known()), None):
        raise InputError(f"WITH {wrong[:80]}: expected a name that nothing has")
    allowed = {name.lower() for name in tables} | own
    for node in nodes:
        if fault := _fault(node, allowed):
            raise InputError(fault)


def _fault(node: dict[str, Any], allowed: set[str]) -> str:
    """Why a part of a question may not be asked; empty where it may."""
    kind, name = node.get("type"), str(node.get("function_name", "")).lower()
    if kind == "BASE_TABLE":
        table = str(node["table_name"])
        if node.get("schema_name") or node.get("catalog_name") or table.lower() not in allowed:
            return mistake_in_sql(f"Table with name {table[:80]} does not exist", allowed)
    elif kind == "TABLE_FUNCTION":
        called = str(node["function"].get("function_name", "")).lower()
        if called not in TABLE_FUNCTIONS:
            return f"it may not read from {called or 'that'}: expected the build's tables"
    elif kind == "SHOW_REF":
        return "expected a SELECT, and no SHOW or DESCRIBE"
    elif node.get("class") == "FUNCTION" and name not in functions() | TABLE_FUNCTIONS:
        return f"it may not call {name[:80]}: expected functions of rows, and aggregates"
    return ""


@lru_cache(maxsize=1)
def functions() -> frozenset[str]:
    """Those whose result depends on their arguments alone, and aggregates."""
    return frozenset(name for (name,) in sealed().execute(FUNCTIONS).fetchall())


@lru_cache(maxsize=1)
def known() -> frozenset[str]:
    """The names of DuckDB's own views, as far as they need no schema before them."""
    return frozenset(name.lower() for (name,) in sealed().execute(CATALOGUE).fetchall())


def _named_parts(node: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts that a WITH names."""
    parts = node.get("cte_map")
    return parts.get("map", []) if isinstance(parts, dict) else []


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def bound() -> None:
    """Limit this process's memory, and let it write no file."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmData:"))
        most = int(line.split()[1]) * 1024 + MOST_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def answer(asked: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The answer as JSON has it. Raises InputError."""
    run = Path(asked["run"]) if asked["run"] else None
    tables = LockedTables(Path(asked["build"]), run)
    look_through(asked["sql"], tables.tables)
    names, rows = tables.first_rows(asked["sql"], MOST_ROWS + 1, seconds)
    cut: list[list[Any]] = []
    size = 0
    for row in rows[:MOST_ROWS]:
        cells = [cell(value) for value in row[:MOST_COLUMNS]]
        size += sum(len(str(cell)) for cell in cells)
        if size > MOST_ANSWER:
            break
        cut.append(cells)
    return {"names": names[:MOST_COLUMNS], "rows": cut, "more": len(rows) > len(cut)}


def cell(value: object) -> object:
    """A value as a page shows it: numbers and nulls as they are, all else as a bounded text."""
    if value is None or isinstance(value, (bool, float)):
        return value if value == value and abs(value or 0) != float("inf") else str(value)
    if isinstance(value, int):
        return value if abs(value) < 1 << 53 else str(value)  # JSON's numbers are exact so far
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= MOST_CELL else f"{text[:MOST_CELL]}…"


def main() -> int:
    die_with(int(sys.argv[1]))
    seconds = float(sys.argv[2])
    asked = json.loads(sys.stdin.buffer.read())
    bound()
    try:
        done = answer(asked, seconds)
    except InputError as error:
        done = {"fault": str(error)}
    except MemoryError:
        done = {"fault": "the question took more memory than there is for it"}
    except Exception as error:  # of whatever kind: the process has nothing else to do
        done = {"fault": first_line(error)}
    sys.stdout.write(json.dumps(done))
    sys.stdout.flush()
    os._exit(0)  # DuckDB may still be at work on what was given up


if __name__ == "__main__":
    main()
