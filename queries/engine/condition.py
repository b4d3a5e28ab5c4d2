"""A person's condition on the rows of a table that is no table of a build: SQL of one expression.

It is parsed and looked through before it meets a row. It may have columns, constants, operators and
functions whose result depends on nothing else: no file, table, clock or chance. DuckDB evaluates it
in a connection that reaches nothing but the rows.
"""

import json
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import pyarrow as pa

from queries.engine.duck import SQL_ERROR, sealed
from queries.tables.errors import InputError, first_line

LONGEST = 20_000  # characters
ALLOWED = {
    *("COMPARISON", "CONJUNCTION", "CONSTANT", "COLUMN_REF", "FUNCTION", "OPERATOR"),
    *("CAST", "BETWEEN", "CASE", "COLLATE", "TYPE"),
}
STEADY = """
SELECT function_name FROM duckdb_functions() GROUP BY function_name
HAVING bool_and(function_type = 'scalar' AND stability = 'CONSISTENT')
"""


class Condition:
    """A condition on the columns of a schema; the empty one holds always.

    Raises InputError, in one line, for what is none.

    >>> schema = pa.schema({"n": pa.int64(), "Lang": pa.string()})
    >>> condition = Condition("lang = 'fi' AND n > 1", schema)
    >>> condition.columns, condition.texts
    (['n', 'Lang'], {'Lang': {'fi'}})
    >>> condition.kept(pa.table({"n": [1, 2, 3], "Lang": ["fi", "fi", None]})).to_pydict()
    {'n': [2], 'Lang': ['fi']}
    """

    def __init__(self, text: str, schema: pa.Schema):
        self.text, self.schema = text, schema
        self.connection = sealed()
        if len(text) > LONGEST:
            raise self._refused(f"it has more than {LONGEST} characters")
        self.tree = self._parsed() if text.strip() else None
        self._look_through()
        self.kept(schema.empty_table().select(self.columns or schema.names))  # or no type fits

    @cached_property
    def columns(self) -> list[str]:
        """The columns that it names, in the schema's order."""
        named = {name.lower() for name in self._names()}
        return [name for name in self.schema.names if name.lower() in named]

    @cached_property
    def texts(self) -> dict[str, set[str]]:
        """The columns that equal one of a few texts wherever it holds, with the texts."""
        spelt = {name.lower(): name for name in self.schema.names}
        equal: dict[str, set[str]] = {}
        for name, texts in _equalities(self.tree):
            column = spelt[name.lower()]
            equal[column] = equal.get(column, texts) & texts
        return equal

    def kept(self, rows: pa.Table) -> pa.Table:
        """The rows for which it holds, in their order."""
        if self.tree is None:
            return rows
        try:
            return self.connection.from_arrow(rows).filter(self.text).to_arrow_table()
        except SQL_ERROR as error:
            raise self._refused(first_line(error)) from None

    def _parsed(self) -> Any:
        """The expression as DuckDB parses it, which the JSON of its parser says."""
        ask = self.connection.execute(
            "SELECT json_serialize_sql($1)", [f"SELECT (\n{self.text}\n)"]
        )
        try:
            parsed = json.loads(ask.fetchall()[0][0])
        except RecursionError:
            raise self._refused("it is nested too deeply") from None
        if parsed["error"]:
            raise self._refused(parsed["error_message"].splitlines()[0])
        try:
            (statement,) = parsed["statements"]
            (tree,) = statement["node"]["select_list"]
        except (LookupError, ValueError):
            raise self._refused("it is not one expression") from None
        return tree

    def _look_through(self) -> None:
        """Raise InputError for what depends on more than the row."""
        own = {name.lower() for name in self.schema.names}
        steady = {name for (name,) in self.connection.execute(STEADY).fetchall()}
        for node in _nodes(self.tree):
            kind, name = node["class"], node.get("function_name")
            if kind not in ALLOWED:
                raise self._refused(f"it may not have a {kind.lower().replace('_', ' ')}")
            if kind == "FUNCTION" and name not in steady:
                raise self._refused(f"it may not call {name}")
        if strange := [name for name in self._names() if name.lower() not in own]:
            names = ", ".join(self.schema.names)
            raise self._refused(f"no column {strange[0]}; there are {names}")

    def _names(self) -> list[str]:
        """The names of columns, as the expression spells them."""
        nodes = _nodes(self.tree)
        return [node["column_names"][0] for node in nodes if node["class"] == "COLUMN_REF"]

    def _refused(self, why: str) -> InputError:
        shown = self.text if len(self.text) <= 200 else f"{self.text[:200]}…"
        return InputError(f"{shown!r}: {why}; expected a condition on the columns, in SQL")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """The nodes of an expression, itself first."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "class" in node:
                yield node
            waiting += reversed(node.values())
        elif isinstance(node, list):
            waiting += reversed(node)


def _equalities(tree: Any) -> Iterator[tuple[str, set[str]]]:
    """(column, texts) of each `column = 'text'` and `column IN ('text', …)` that must hold."""
    match tree:
        case {"type": "CONJUNCTION_AND", "children": [*children]}:
            for child in children:
                yield from _equalities(child)
        case {"type": "COMPARE_EQUAL", "left": left, "right": right}:
            yield from _equal(left, [right])
            yield from _equal(right, [left])
        case {"type": "COMPARE_IN", "children": [column, *constants]}:
            yield from _equal(column, constants)


def _equal(column: Any, constants: list[Any]) -> Iterator[tuple[str, set[str]]]:
    texts = set()
    for constant in constants:
        match constant:
            case {"class": "CONSTANT", "literal": {"kind": "STRING", "text": str(text)}}:
                texts.add(text)
            case _:
                return
    match column:
        case {"class": "COLUMN_REF", "column_names": [str(name)]}:
            yield name, texts
