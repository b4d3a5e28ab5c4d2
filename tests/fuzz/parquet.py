"""Targets that read Parquet: columns of the wrong type, of hostile names, doubled; nulls, huge
texts, and files whose bytes are changed.
"""

import io
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from pipeline.filters.exclusions import read_exclusions
from pipeline.settings.sources import TablesSource
from pipeline.sources import tables
from pipeline.sources.candidate import SourceError, candidates
from pipeline.wikipedia import read_pages
from queries.engine.duck import DuckEngine
from queries.tables.errors import InputError, UserError
from queries.tables.reasons import PAGE
from tests.fuzz.files import OF_A_SOURCE, asked
from tests.fuzz.inputs import changed, tokens
from tests.fuzz.target import Target, file_of
from tests.fuzz.texts import rows
from trainer.data.shards import Shards
from trainer.settings import TrainerError

NAMES = (
    *("url", "caption", "kind", "value", "radius", "id", "title", "text", "pair_id", "key"),
    *('a"b', "x'; DROP VIEW pair; --", "", "a.b", "\u202e", "ä", "select", "COUNT(*)", "a\0b"),
)
TEXTS = ("http://a.org/1", "A red kite", "host", "example.org", "", "\0", "ä", "x" * 200_000)
KINDS: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.string(): st.sampled_from(TEXTS),
    pa.large_string(): st.sampled_from(TEXTS),
    pa.binary(): st.sampled_from([one.encode() for one in TEXTS] + [b"\xff\xfe", b"\xed\xa0\x80"]),
    pa.int8(): st.integers(-128, 127),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(),
    pa.bool_(): st.booleans(),
    pa.null(): st.none(),
    pa.timestamp("ns"): st.integers(-(2**63), 2**63 - 1),
    pa.date32(): st.integers(-(2**31), 2**31 - 1),
    pa.list_(pa.string()): st.lists(st.sampled_from(TEXTS), max_size=2),
    pa.struct([("url", pa.string())]): st.fixed_dictionaries({"url": st.sampled_from(TEXTS)}),
    pa.map_(pa.string(), pa.int64()): st.lists(st.tuples(st.just("a"), st.just(1)), max_size=1),
    pa.dictionary(pa.int8(), pa.string()): st.sampled_from(TEXTS),
}


@st.composite
def tables_of_strangers(draw: st.DrawFn, of_names: Sequence[str] = NAMES) -> bytes:
    """A Parquet file of up to six columns, of up to four rows."""
    n_rows = draw(st.integers(0, 4))
    names = draw(st.lists(st.sampled_from(of_names), min_size=1, max_size=6))
    arrays = []
    for _ in names:
        kind = draw(st.sampled_from(list(KINDS)))
        values = draw(st.lists(st.none() | KINDS[kind], min_size=n_rows, max_size=n_rows))
        arrays.append(pa.array(values, kind))
    fields = [pa.field(name, one.type) for name, one in zip(names, arrays, strict=True)]
    return parquet(pa.Table.from_arrays(arrays, schema=pa.schema(fields)))


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


HONEST = [
    parquet(pa.table({"url": ["http://a.org/1"], "caption": ["A red kite"], "more": [[1.5]]})),
    parquet(pa.table({"id": [7], "title": ["Dog"], "text": ["A dog."]})),
    parquet(pa.table({"kind": ["host"], "value": ["example.org"], "radius": [None]})),
]
TOKENS = tokens(b"PAR1|\x15\0|\x15\xfe\xff\xff\xff\x0f|\x19\xfc|\x1c|\xff\xff\xff\xff|\0|\x80|\x26")
HOSTILE = st.one_of(tables_of_strangers(), tables_of_strangers(), changed(HONEST, TOKENS))


def pairs(data: bytes) -> None:
    """As a source's table, which a process of its own reads."""
    with file_of(data, ".parquet") as path, suppress(SourceError):
        source = TablesSource(kind="tables", name="fuzz", paths=(str(path),), extra="all")
        tables.check(source)
        rows(candidates(tables.read({"path": str(path)}, source), "fuzz", 0), OF_A_SOURCE)


def others(data: bytes) -> None:
    """As articles, as a list of exclusions, as a shard's rows, and in a question."""
    with file_of(data, ".parquet") as path:
        with suppress(InputError):
            rows(read_pages(asked(path)), PAGE)
        with suppress(InputError):
            list(read_exclusions(asked(path)))
        with suppress(TrainerError):
            Shards(str(path.parent)).table(path.stem)
        with suppress(UserError):
            ENGINE.ask({'it"s': [path]}, 'SELECT COUNT(*) AS n FROM "it""s"')


ENGINE = DuckEngine(workers=1, memory="200MB", quiet=True)
TARGETS = (Target("pairs in Parquet", HOSTILE, pairs), Target("Parquet", HOSTILE, others))
