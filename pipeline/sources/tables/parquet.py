"""Rows of Parquet files, which another process (parquet_child.py) reads in little memory."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.settings.values import is_remote
from pipeline.sources.candidate import NOT_TEXT, SourceError
from pipeline.sources.ranged import open_ranged
from pipeline.sources.tables.layouts import Layout, Row
from pipeline.sources.tables.lines import LONGEST_LINE
from pipeline.sources.tables.parquet_child import BOMB, UNREACHABLE
from pipeline.sources.tables.rows import inside
from pipeline.sources.unpacked import BombError, DamagedError
from pipeline.web.reading import holds_text

CHILD = Path(__file__).with_name("parquet_child.py")
MOST_BYTES = 128 << 20  # of memory that reading may add to the child: an unpacked page, and a batch
LONGEST_FOOTER = 1 << 24  # bytes
SLICE_ROWS = 1_024  # held as Python values at a time
SLICE_BYTES = 1 << 22


def column_names(path: str) -> list[str]:
    """The columns of a file. Raises DamagedError, and BombError for a footer that is too long."""
    return list(_schema(path).names)


def readable_columns(path: str) -> list[str]:
    """The columns of texts and numbers, by their paths: all that a person may name."""
    return [name for field in _schema(path) for name in _leaves(field.name, field.type)]


def columns_of_bytes(path: str) -> list[str]:
    """The columns of bytes that no text is said to be, by their paths."""
    fields = [(field.name, field.type) for field in _schema(path)]
    inner = [
        (f"{name}.{field.name}", field.type)
        for name, kind in fields
        if pa.types.is_struct(kind)
        for field in kind
    ]
    return [name for name, kind in fields + inner if _is_bytes(kind)]


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _leaves(name: str, kind: pa.DataType) -> list[str]:
    if pa.types.is_struct(kind):
        return [leaf for field in kind for leaf in _leaves(f"{name}.{field.name}", field.type)]
    return [] if _is_bytes(kind) else [name]


def _schema(path: str) -> pa.Schema:
    return footer(path)[0]


def footer(path: str, contact: str | None = None) -> tuple[pa.Schema, pq.FileMetaData]:
    """What a file's end says of it. Raises as `column_names` does; `contact`: see `open_ranged`."""
    with open_ranged(path, contact) as file:
        file.seek(-8, 2)
        n_bytes = int.from_bytes(file.read(4), "little")
        if file.read(4) != b"PAR1":
            raise DamagedError("no Parquet file, or not its end")
        if n_bytes > LONGEST_FOOTER:
            raise BombError(f"a footer of {n_bytes} bytes")
    source = pa.PythonFile(open_ranged(path, contact), "r") if is_remote(path) else path
    with pq.ParquetFile(source) as table:
        return table.schema_arrow, table.metadata


def rows(path: str, layout: Layout) -> Iterator[Row]:
    """Each row's wanted columns."""
    schema = _schema(path)
    columns = list(schema.names)
    places = {
        name: (columns[place], steps)
        for name, (place, steps) in layout.places(columns).items()
        if columns.count(columns[place]) == 1  # two columns of one name are ambiguous
    }
    if not places:
        raise DamagedError(f"none of the columns {', '.join(layout.texts)}")
    leaves = [_leaf(schema, column, steps) for column, steps in places.values()]
    for whole in batches(path, list(dict.fromkeys(leaves))):
        yield from _python_rows(whole, places, layout)


def _python_rows(
    whole: pa.RecordBatch, places: dict[str, tuple[str, tuple[str, ...]]], layout: Layout
) -> Iterator[Row]:
    """The rows of a batch, held as Python values a few at a time."""
    for batch in _slices(whole):
        values = [
            _column(batch[column], steps, name in layout.texts)
            for name, (column, steps) in places.items()
        ]
        for row in zip(*values, strict=True):
            yield dict(zip(places, row, strict=True))


def _leaf(schema: pa.Schema, column: str, steps: tuple[str, ...]) -> str:
    """The part of a column that is read: `image.url` without `image.bytes`, of structs alone."""
    kind = schema.field(column).type
    for step in steps:
        if not pa.types.is_struct(kind) or kind.get_field_index(step) < 0:
            return column
        kind = kind.field(step).type
    return ".".join((column, *steps))


def _column(column: pa.Array, steps: tuple[str, ...], is_text: bool) -> list[Any]:
    """The values of a column, or those at the steps into them, as Python has them."""
    while steps and pa.types.is_struct(column.type):
        if column.type.get_field_index(steps[0]) < 0:
            return [None] * len(column)
        column, steps = pc.struct_field(column, steps[0]), steps[1:]
    if steps:
        return [inside(value, steps) for value in _values(column)]
    return _texts(column) if is_text else _values(column)


def batches(
    path: str, columns: list[str], groups: list[int] | None = None, contact: str | None = None
) -> Iterator[pa.RecordBatch]:
    """The columns of all rows, or of some row groups. Raises DamagedError, BombError, SourceError.

    `contact`: see `open_ranged`.
    """
    command = [sys.executable, "-P", str(CHILD), path, json.dumps(columns), str(MOST_BYTES)]
    command.append(json.dumps({"groups": groups, "contact": contact}))
    # Arrow's own allocator would reserve a gigabyte at once, which escapes the child's limit.
    own = {"ARROW_DEFAULT_MEMORY_POOL": "system", "PYTHONPATH": os.pathsep.join(sys.path)}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env={**os.environ, **own}, **pipes) as child:  # noqa: S603
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            yield from pa.ipc.open_stream(child.stdout)
            whole = True
        except (pa.ArrowInvalid, OSError):  # the stream ends where the child ended
            whole = False
        except GeneratorExit:  # the caller wants no more rows
            child.kill()
            raise
        child.stdout.close()
        error = child.stderr.read(1000).decode("utf-8", "replace").strip()
        code = child.wait()
    if code == UNREACHABLE:
        raise SourceError(error)
    if code == BOMB or code < 0:  # killed, or ended by a library that ran out of memory
        raise BombError(error)
    if code or not whole:
        raise DamagedError(error)


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    n_rows = max(1, SLICE_ROWS * SLICE_BYTES // max(SLICE_BYTES, batch.nbytes))
    for start in range(0, batch.num_rows, n_rows):
        yield batch.slice(start, n_rows)


def _texts(column: pa.Array) -> list[Any]:
    """A column's values: texts as bytes (they may not be UTF-8), numbers, lists, or NOT_TEXT."""
    if _holds_lists(column.type) and holds_text(column.type.value_type):
        return _lists(column)
    if holds_text(column.type):
        return _bytes(column, NOT_TEXT)
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return column.to_pylist()
    return [NOT_TEXT if is_valid else None for is_valid in column.is_valid().to_pylist()]


def _holds_lists(kind: pa.DataType) -> bool:
    types = pa.types
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _lists(column: pa.Array) -> list[Any]:
    """Lists of texts, as bytes; a list that is longer than a line may be is NOT_TEXT."""
    column = column.cast(pa.large_list(pa.large_binary()))
    return [
        NOT_TEXT if column.slice(place, 1).nbytes > LONGEST_LINE else column[place].as_py()
        for place in range(len(column))
    ]


def _values(column: pa.Array) -> list[Any]:
    """A column's values of any type; None for one that is too long, or that Python cannot hold."""
    if holds_text(column.type):
        return _bytes(column, None)
    return [_value(column, place) for place in range(len(column))]


def _value(column: pa.Array, place: int) -> Any:
    if pa.types.is_nested(column.type) and column.slice(place, 1).nbytes > LONGEST_LINE:
        return None
    try:
        return column[place].as_py()
    except (ValueError, OverflowError):  # such as a date after the year 9999
        return None


def _bytes(column: pa.Array, too_long: object) -> list[Any]:
    """Texts as bytes; one that is longer than a line may be is replaced."""
    column = column.cast(pa.large_binary())
    lengths = pc.binary_length(column)
    if (pc.max(lengths).as_py() or 0) <= LONGEST_LINE:
        return column.to_pylist()
    short = pc.fill_null(pc.less_equal(lengths, LONGEST_LINE), True)
    kept = pc.if_else(short, column, pa.scalar(None, pa.large_binary())).to_pylist()
    return [text if fits else too_long for text, fits in zip(kept, short.to_pylist(), strict=True)]
