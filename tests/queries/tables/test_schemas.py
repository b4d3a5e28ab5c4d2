"""Every table is declared once, and by its declaration alone known to all."""

import pyarrow as pa
import pytest

from queries.tables import table as declaring
from queries.tables.schemas import OF_A_RUN, PUBLISHED, TABLES


def test_a_table_is_known_once_it_is_declared(monkeypatch):
    monkeypatch.setattr(declaring, "TABLES", {})
    kite = declaring.table("kite", "one row per kite", declaring.column("n", pa.int64(), "kites"))
    assert {"kite": kite} == declaring.TABLES


def test_a_name_is_declared_once():
    with pytest.raises(ValueError, match="table pair: declared twice"):
        declaring.table("pair", "one row per pair")


def test_what_is_published_is_declared():
    assert set(PUBLISHED) | set(OF_A_RUN) <= set(TABLES)
    assert all(name == table.name for name, table in TABLES.items())


def test_every_column_says_what_it_holds():
    for table in TABLES.values():
        assert all((column.metadata or {}).get(b"about") for column in table.schema), table.name
