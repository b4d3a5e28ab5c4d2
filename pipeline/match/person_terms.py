"""Which words for people the captions of samples contain, for an audit that counts them."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.match import Matcher
from pipeline.text.tokeniser import Tokeniser
from queries.person_terms import UNKNOWN, person_terms
from queries.tables.schemas import TABLES


def match_terms(
    batches: Iterator[pa.RecordBatch], tokeniser: Tokeniser | None = None
) -> Iterator[pa.RecordBatch]:
    """Map: rows of `sample` to rows of `person_match`, by the list of each caption's language.

    A caption for which no language was looked is taken for English.
    """
    lists, schema = _lists(tokeniser), TABLES["person_match"].schema
    for batch in batches:
        languages = pc.fill_null(batch["language"], UNKNOWN)
        found = []
        for language, (matcher, ids) in lists.items():
            rows = np.flatnonzero(pc.equal(languages, language))
            matches = matcher.match(batch["caption"].take(pa.array(rows)))
            found.append((rows[matches["row"]], ids[matches["query_id"]]))
        rows, terms = (np.concatenate(columns) for columns in zip(*found, strict=True))
        order = np.lexsort((terms, rows))
        columns = [batch["pair_id"].take(pa.array(rows[order])), pa.array(terms[order])]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _lists(tokeniser: Tokeniser | None) -> dict[str, tuple[Matcher, np.ndarray]]:
    """The matcher of each language's terms, and their ids; of terms that fold alike the first."""
    terms, used = person_terms(), tokeniser or Tokeniser.of()
    made = {}
    for language in sorted(set(terms["language"].to_pylist())):
        of_language = terms.filter(pc.equal(terms["language"], language))
        ids, first = np.unique(of_language["term_id"].to_numpy(), return_index=True)
        texts = of_language["term"].combine_chunks().take(pa.array(first)).cast(pa.string())
        keys = used.normalise_array(texts)
        once = np.sort(np.unique(keys.to_numpy(zero_copy_only=False), return_index=True)[1])
        made[language] = Matcher(keys.take(pa.array(once)), tokeniser=used), ids[once]
    return made
