"""Literal rows as tables: missing columns are null, or the emptiest value that fits."""

import pyarrow as pa

from queries.tables.schemas import TABLES

EMPTY = {pa.int32(): 0, pa.int64(): 0, pa.float64(): 0.0, pa.string(): "", pa.bool_(): False}
BUILD = {
    "version": "test",
    "seed": 0,
    "cap": 2,
    "max_rounds": 9,
    "round_factor": 1.0,
    "language": "en",
    "n_queries": 100,
    "word_min": 1,
    "word_per_million": 0.0,
    "bigram_min": 1,
    "bigram_per_million": 0.0,
    "pmi_min": 0.0,
    "views_min": 0,
    "mobile_share_max": 1.0,
    "quota_word": 100,
    "quota_bigram": 100,
    "quota_title": 100,
    "min_side": 32,
    "min_area": 0,
    "max_aspect": 5.0,
    "min_spread": 2.0,
    "boilerplate_max": 0,
    "near_bits": -1,
}


def rows(table: str, *given: dict) -> pa.Table:
    """A table of the declared schema with these rows."""
    schema = TABLES[table].schema
    for row in given:
        assert set(row) <= set(schema.names), f"{table} has no {set(row) - set(schema.names)}"
    full = [
        {one.name: row.get(one.name, None if one.nullable else EMPTY[one.type]) for one in schema}
        for row in given
    ]
    return pa.Table.from_pylist(full, schema)


def build_row(**changed: object) -> pa.Table:
    """The one-row table `build`, with small settings and these changes."""
    return rows("build", {**BUILD, **changed})
