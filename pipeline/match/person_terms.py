"""Which words for people the captions of samples contain, for an audit that counts them."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.match import Matcher
from queries.person_terms import person_terms
from queries.tables.schemas import TABLES


def match_terms(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Map: rows of `sample` to rows of `person_match`."""
    terms = pc.unique(person_terms()["term"]).cast(pa.string())  # in order of term_id
    matcher, schema = Matcher(terms), TABLES["person_match"].schema
    for batch in batches:
        matches = matcher.match(batch["caption"])
        columns = [batch["pair_id"].take(matches["row"]), matches["query_id"]]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
