"""A file of the columnar index: Parquet, of which only the needed columns and row groups are read.

Its columns are described at https://github.com/commoncrawl/cc-index-table; `crawl` and `subset` are
named by its folders.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.sources.tables import parquet
from pipeline.sources.tables.parquet_child import decoded
from pipeline.web.reading import holds_text
from queries.engine.condition import Condition


class Index:
    """A file of the index and its columns, with those that its folders name.

    Raises DamagedError and BombError for a damaged file, SourceError and DownloadError where a
    server fails.
    """

    def __init__(self, path: str, folders: Mapping[str, str | None], contact: str | None):
        self.path, self.contact = path, contact
        schema, self.metadata = parquet.footer(path, contact)
        own = [field for field in schema if schema.names.count(field.name) == 1]
        self.own = [pa.field(field.name, _kind(field.type)) for field in own]
        names = {field.name for field in self.own}
        self.folders = {name: value for name, value in folders.items() if name not in names}
        added = [pa.field(name, pa.string()) for name in self.folders]
        self.schema = pa.schema([*self.own, *added])

    def rows(self, condition: Condition, columns: Sequence[str]) -> Iterator[pa.Table]:
        """These columns and those that the condition names, where it may hold."""
        for name, value in self.folders.items():
            if name in condition.texts and value not in condition.texts[name]:
                return
        groups = [
            number
            for number in range(self.metadata.num_row_groups)
            if may_hold(self.metadata.row_group(number), condition.texts)
        ]
        wanted = {*condition.columns, *columns}
        names = [field.name for field in self.own if field.name in wanted]
        if not groups:
            return
        for batch in parquet.batches(self.path, names, groups, self.contact):
            table = pa.table({name: readable(batch[name]) for name in names})
            for name, value in self.folders.items():
                constant = pa.repeat(pa.scalar(value, pa.string()), batch.num_rows)
                table = table.append_column(name, constant)
            yield table


def may_hold(group: Any, texts: Mapping[str, set[str]]) -> bool:
    """Whether a row group may have rows whose columns equal one of these texts, each.

    The bounds that the file states decide: a column's least and greatest value, or wider ones.
    """
    for place in range(group.num_columns):
        column = group.column(place)
        wanted = texts.get(column.path_in_schema)
        if wanted is not None and (bounds := _bounds(column)):
            least, most = bounds
            if not any(least <= text <= most for text in wanted):
                return False
    return True


def _bounds(column: Any) -> tuple[str, str] | None:
    try:
        stated = column.statistics
        if stated is not None and stated.has_min_max:
            least, most = stated.min, stated.max
            if isinstance(least, str) and isinstance(most, str):
                return least, most
    except (ValueError, pa.ArrowException):  # bounds that are cut within a character
        pass
    return None


def _kind(kind: pa.DataType) -> pa.DataType:
    """The type of a column's values: old writers say of texts only that they are bytes."""
    kind = decoded(kind)
    return pa.string() if holds_text(kind) else kind


def readable(column: pa.Array) -> pa.Array:
    """The column; texts that are no UTF-8 have U+FFFD in place of what is wrong.

    >>> readable(pa.array([b"a", b"\\xff"])).to_pylist()
    ['a', '\\ufffd']
    """
    if not holds_text(column.type):
        return column
    try:
        texts = column.cast(pa.string())
        texts.validate(full=True)
    except pa.ArrowInvalid:
        raw = column.cast(pa.large_binary()).to_pylist()
        values = [None if text is None else text.decode("utf-8", "replace") for text in raw]
        return pa.array(values, pa.string())
    return texts
