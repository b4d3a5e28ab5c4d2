"""Answers as people and programs read them: a terminal's table, CSV, JSON, Parquet, Markdown.

Captions and URLs come from strangers: on a terminal and in Markdown control characters are taken
out and nothing is interpreted; the other formats hold them unchanged.
"""

import html
import io
import json

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

FORMATS = ("table", "csv", "json", "parquet", "md")
LEAST_WIDTH = 12  # characters that a column of text keeps on a narrow terminal
OURS = ("reason", "setting", "meaning")  # no text of strangers: broken into lines, never cut


def written(rows: pa.Table, form: str) -> bytes:
    """An answer in one of the formats, but `table`.

    >>> written(pa.table({"text": ["a|b", None], "n": [1, 2]}), "csv")
    b'"text","n"\\n"a|b",1\\n,2\\n'
    >>> written(pa.table({"text": ["a|b"], "n": [1]}), "json")
    b'[\\n {"text": "a|b", "n": 1}\\n]\\n'
    """
    if form == "csv":
        out = io.BytesIO()
        pc.write_csv(rows, out)
        return out.getvalue()
    if form == "parquet":
        out = io.BytesIO()
        pq.write_table(rows, out)
        return out.getvalue()
    if form == "json":
        return (json_rows(rows) + "\n").encode()
    return markdown(rows).encode()


def json_rows(answer: pa.Table) -> str:
    """A JSON list of one object a row, each on a line."""
    rows = ",\n ".join(
        json.dumps(row, ensure_ascii=False, default=str) for row in answer.to_pylist()
    )
    return f"[\n {rows}\n]" if rows else "[]"


def markdown(answer: pa.Table) -> str:
    """A table of Markdown; what would be markup in it is text.

    >>> print(markdown(pa.table({"text": ["a|<b>"], "n": [1000]})), end="")
    | text | n |
    | --- | ---: |
    | a\\|&lt;b&gt; | 1,000 |
    """
    rules = ["---:" if _is_number(column.type) else "---" for column in answer.schema]
    rows = [[_cell(value) for value in row.values()] for row in answer.to_pylist()]
    lines = [[_escaped(cell) for cell in line] for line in (answer.column_names, *rows)]
    lines.insert(1, rules)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _escaped(text: str) -> str:
    escaped = html.escape(text, quote=False)
    return "".join(
        "\\" + character if character in "\\|`*[]#" else character for character in escaped
    )


def grid(answer: pa.Table, n_rows: int) -> Grid:
    """An answer as a table that fits a terminal; captions and URLs are cut, never interpreted."""
    shown = answer.slice(0, n_rows) if n_rows else answer
    left = answer.num_rows - shown.num_rows
    rows = [[_cell(value) for value in row.values()] for row in shown.to_pylist()]
    made = Grid(caption=f"and {left:,} rows more" if left else None if rows else "no rows")
    cells = [max(map(cell_len, column), default=0) for column in zip(*rows, strict=True)]
    cells = cells or [0] * answer.num_columns
    names, widths = headed([_plain(name) for name in answer.column_names], cells, Console().width)
    for name, field, width in zip(names, answer.schema, widths, strict=True):
        made.add_column(
            Text(name),
            justify="right" if _is_number(field.type) else "left",
            width=width,
            overflow="fold" if field.name in OURS else "ellipsis",
            no_wrap=field.name not in OURS,
        )
    for row in rows:
        made.add_row(*map(Text, row))
    return made


def headed(names: list[str], cells: list[int], terminal: int) -> tuple[list[str], list[int]]:
    """Names of columns and their widths: names are broken where that spares cells from being cut.

    >>> headed(["queries_below_20", "text"], [3, 30], terminal=60)
    (['queries_below_20', 'text'], [16, 30])
    >>> headed(["queries_below_20", "text"], [3, 30], terminal=50)
    (['queries_\\nbelow_\\n20', 'text'], [8, 30])
    """
    for broken in (names, [name.replace("_", "_\n").rstrip("\n") for name in names]):
        heads = [max(map(cell_len, name.split("\n"))) for name in broken]
        widest = [max(of) for of in zip(heads, cells, strict=True)]
        if sum(widest) <= terminal - 3 * len(widest) - 1:
            break
    return broken, fitted(widest, terminal)


def fitted(widest: list[int], terminal: int) -> list[int]:
    """Widths of columns that fit: the widest give way first, down to LEAST_WIDTH.

    >>> fitted([4, 60, 30], terminal=60)
    [4, 23, 23]
    """
    left = terminal - 3 * len(widest) - 1  # two spaces and a rule a column
    longest = max(widest, default=0)
    while longest > LEAST_WIDTH and sum(min(width, longest) for width in widest) > left:
        longest -= 1
    return [min(width, longest) for width in widest]


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:,.6g}" if isinstance(value, float) else _plain(str(value))


def _plain(text: str) -> str:
    """Text of strangers without control characters."""
    return "".join(character if character.isprintable() else " " for character in text)
