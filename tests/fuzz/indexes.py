"""Targets that read an index of a crawl: its files, the conditions on it, the records it names."""

import gzip
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
from hypothesis import strategies as st

from pipeline.settings.sources import CommonCrawlIndexSource
from pipeline.sources import crawl_index
from pipeline.sources.candidate import SourceError, candidates
from pipeline.sources.crawl_index.records import Record, pieces, rows_of_record
from queries.engine.condition import Condition
from queries.tables.errors import InputError
from queries.tables.schemas import TABLES
from tests.fuzz.files import CRAWL, CRAWL_TOKENS, OF_A_SOURCE
from tests.fuzz.inputs import changed, changed_text, tokens
from tests.fuzz.parquet import parquet, tables_of_strangers
from tests.fuzz.target import Target, file_of
from tests.fuzz.texts import rows

WHERE = "url LIKE 'h%' OR warc_record_offset > 3"
ROWS = pa.table(
    {
        "url": ["http://example.org/", "http://example.org/b", None],
        "warc_filename": ["a.warc.gz", "a.warc.gz", "../a"],
        "warc_record_offset": pa.array([0, 300, 2**31 - 1], pa.int32()),
        "warc_record_length": pa.array([300, 1, None], pa.int32()),
        "content_languages": ["fin", "eng,fin", None],
        "fetch_time": pa.array([0, 1, None], pa.timestamp("ms")),
    }
)
NAMES = (*ROWS.column_names, "a.b", "select", "ä", "")
LINES = [
    b'org,example)/ 20261101000000 {"url": "http://example.org/", "mime": "text/html", "status": '
    b'"200", "length": "300", "offset": "0", "filename": "a.warc.gz", "languages": "fin"}\n' * 3,
    b'!OpenWayback-CDXJ 1.0\norg,example)/ 2026 {"url": "http://[", "offset": -1}\n',
]
LINE_TOKENS = tokens(
    b'{|}|"|:|,|\n| |null|-1|1e999|99999999999999999999|"url": |"offset": |"filename": "../|'
    b"[[[[|\\ud800|\xff|\0|!|#|\x1f\x8b\x08|http://[::1|20261399999999 "
)
CONDITIONS = [
    "content_languages LIKE '%fin%' AND url IN ('a', 'http://example.org/')",
    "CASE WHEN warc_record_length IS NULL THEN false ELSE fetch_time > TIMESTAMP '1970-01-01' END",
    "regexp_matches(url, 'h(t+)+p') AND NOT len(string_split(url, '/')) BETWEEN 2 AND 3",
    "url IN (SELECT content FROM read_text('/etc/passwd'))",
]
CONDITION_TOKENS = tokens(
    "(|)|'|\"|--|/*|;|NOT |AND |OR |=|url|warc_record_offset|SELECT |FROM |[|]|{|}|$1|?|#1|*|NULL|"
    "read_text('/etc/passwd')|getenv('HOME')|repeat('a', 1000000000)|rpad('a', 100000000, 'b')|"
    "range(1000000000)|CAST(url AS |INT)|::DATE|random()|lambda x: |COLUMNS(*)|COLLATE |OVER ()|"
    "1e400|99999999999999999999999999999999999999999|list_value(|\ufffd|\0|ä"
)


def source_of(path: Path, where: str = WHERE) -> CommonCrawlIndexSource:
    return CommonCrawlIndexSource(
        kind="commoncrawl_index",
        name="fuzz",
        paths=(str(path),),
        base=str(path.parent),
        where=where,
    )


def index(ending: str):
    """Read an index, whose every row is a record or has a reason."""

    def run(data: bytes) -> None:
        with file_of(data, ending) as path:
            source = source_of(path)
            with suppress(SourceError):
                crawl_index.check(source)
            with suppress(SourceError):
                asked = iter([pa.record_batch({"path": [str(path)]})])
                for batch in crawl_index.list_records(asked, source):
                    TABLES["crawl_record"].check(batch)
                    rows([batch], OF_A_SOURCE)
                    for piece in pieces(Record(**row) for row in batch.to_pylist()):
                        assert isinstance(piece, Record) or 0 < piece.stop - piece.start < 1 << 25

    return run


def record(data: bytes) -> None:
    """The bytes at a place of a crawl, whatever they are: one row at least."""
    named = Record("http://example.org/", "a.warc.gz", 0, len(data))
    raws = list(rows_of_record(data, named))
    assert raws
    rows(candidates(raws, "fuzz", 0), OF_A_SOURCE)


def condition(text: str) -> None:
    with suppress(InputError):
        kept = Condition(text, ROWS.schema).kept(ROWS)
        assert kept.num_rows <= ROWS.num_rows


PACKED = [gzip.compress(one, mtime=0) for one in CRAWL[1:]]
TARGETS = (
    Target("index lines", changed(LINES, LINE_TOKENS), index(".cdxj")),
    Target(
        "index in Parquet",
        st.one_of(tables_of_strangers(NAMES), changed([parquet(ROWS)], LINE_TOKENS)),
        index(".parquet"),
    ),
    Target("index records", changed([*PACKED, *CRAWL[1:]], CRAWL_TOKENS), record),
    Target("conditions", changed_text(CONDITIONS, CONDITION_TOKENS), condition),
)
