"""What a table is, and the register of all: `table` declares one, and it stands in TABLES.

The declarations are in queries/tables/schemas.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Table:
    """A table's name, its grain ("one row per …") and its Arrow schema."""

    name: str
    grain: str
    schema: pa.Schema

    def empty(self) -> pa.Table:
        return self.schema.empty_table()

    def check(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch, its columns in declared order; raise ValueError if one is off."""
        if set(batch.schema.names) != set(self.schema.names):
            raise ValueError(
                f"table {self.name}: got columns {sorted(batch.schema.names)}, "
                f"expected {sorted(self.schema.names)}"
            )
        batch = batch.select(self.schema.names)
        for field, got, column in zip(self.schema, batch.schema, batch.columns, strict=True):
            if got.type != field.type:
                raise ValueError(
                    f"table {self.name}, column {field.name}: got {got.type}, expected {field.type}"
                )
            if not field.nullable and column.null_count:
                raise ValueError(
                    f"table {self.name}, column {field.name}: {column.null_count} nulls, expected 0"
                )
        return pa.RecordBatch.from_arrays(batch.columns, schema=self.schema)


def column(
    name: str, kind: pa.DataType, about: str, *, null: bool = False, of_pair: bool = False
) -> pa.Field:
    """A column of a table; `of_pair` marks a pair_id, whatever its name: a takedown looks there."""
    metadata = {"about": about} | ({"id": "pair"} if of_pair else {})
    return pa.field(name, kind, nullable=null, metadata=metadata)


TABLES: dict[str, Table] = {}


def table(name: str, grain: str, *columns: pa.Field) -> Table:
    """Declare a table, which is in TABLES from then on. Raises ValueError for a name in use."""
    if name in TABLES:
        raise ValueError(f"table {name}: declared twice")
    TABLES[name] = Table(name, grain, pa.schema(columns))
    return TABLES[name]


def pair_columns(names: Iterable[str]) -> list[str]:
    """Those of a file's columns that any table marks as ids of pairs.

    >>> PAIR_ID.metadata[b"id"]
    b'pair'
    """
    marked = {
        field.name
        for declared in TABLES.values()
        for field in declared.schema
        if (field.metadata or {}).get(b"id") == b"pair"
    }
    return [name for name in names if name in marked]


int32, int64, float64, string = pa.int32(), pa.int64(), pa.float64(), pa.string()
boolean = pa.bool_()

REASON = column("reason", string, "why the row was dropped; null where it is kept", null=True)
PAIR_ID = column("pair_id", int64, "63 bits of blake2b(normalised URL, NUL, caption)", of_pair=True)
PRIORITY = column("priority", int64, "63 bits of blake2b(seed, pair_id): the order of selection")
LANGUAGE = column("language", string, "ISO 639 code by fastText", null=True)
LIST_LANGUAGE = column("language", string, "of the query list: its code in the settings")
OTHER = "other"  # the language of captions that are clearly in none of a worldwide build
QUERY_LANGUAGE = column(
    "query_language",
    string,
    "whose list the caption is matched with; other: all lists; null in a build of one list",
    null=True,
)
IMAGE_PART = column("image_part", string, "folder of the image part that holds the bytes")
QUERY_ID = column("query_id", int64, "0.. in the order of the query list")
