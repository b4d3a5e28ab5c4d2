"""What a round has still to fetch, of more addresses than one array of strings can hold."""

import numpy as np
import pyarrow as pa

from pipeline.settings.whole import Settings
from pipeline.workspace.folder import Workspace
from queries.tables.contracts import FETCHED
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from tests.tables import rows


def test_what_is_missing_of_addresses_beyond_2_gib_keeps_its_order(tmp_path):
    n, chunks = 10_000, 30
    urls = pa.array(["http://a.org/" + "x" * 7_900] * n)  # chunks share it: 80 MB in all
    ids = np.arange(n * chunks)
    ask = TABLES["ask"].schema
    columns = [
        pa.chunked_array([pa.array(ids)]),
        pa.chunked_array([urls] * chunks),
        pa.chunked_array([pa.array(np.ones(len(ids), np.int32))]),
        pa.chunked_array([pa.nulls(len(ids), pa.string())]),
    ]
    wanted = pa.table(columns, names=ask.names)
    assert wanted["url"].nbytes > 2**31
    ws = Workspace(tmp_path, Settings.model_construct())
    assert ws.missing(wanted).num_rows == len(ids)
    there = [{"pair_id": n, "attempt": 1} for n in range(0, 5_000)]
    write_part(
        ws.images / "part" / FETCHED, TABLES["fetched"], rows("fetched", *there).to_batches()
    )
    assert ws.missing(wanted)["pair_id"].to_pylist() == list(range(5_000, len(ids)))
