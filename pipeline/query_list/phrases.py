"""Candidates for queries from each source, each with its normalised key.

The four maps give rows of one table, from which query.sql fills the list; SQL cannot normalise
text. What is below the floors of its source is dropped here, because most phrases are.
"""

import re
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.text.tokeniser import Tokeniser
from queries.tables.schemas import TABLES

PHRASE = TABLES["phrase"].schema
PLAIN = Tokeniser()

# What tells apart articles of one name: "Mercury (planet)".
_PARENTHESES = re.compile(r"\s+\([^()]*\)$")


def word_phrases(
    batches: Iterator[pa.RecordBatch], word_floor: int, tokeniser: Tokeniser = PLAIN
) -> Iterator[pa.RecordBatch]:
    """Map: rows of `ngram` in, the words that occur at least `word_floor` times out."""
    for batch in batches:
        frequent = pc.greater_equal(batch.column("n"), word_floor)
        batch = batch.filter(pc.and_(pc.is_null(batch.column("second")), frequent))
        yield _phrases(tokeniser, "word", batch.column("first").to_pylist(), n=batch.column("n"))


def bigram_phrases(
    batches: Iterator[pa.RecordBatch], pmi_min: float, tokeniser: Tokeniser = PLAIN
) -> Iterator[pa.RecordBatch]:
    """Map: rows of `scored_bigram` in, those of at least `pmi_min` bits out."""
    for batch in batches:
        batch = batch.filter(pc.greater_equal(batch.column("pmi"), pmi_min))
        both = zip(
            batch.column("first").to_pylist(), batch.column("second").to_pylist(), strict=True
        )
        displays = [f"{first} {second}" for first, second in both]
        yield _phrases(tokeniser, "bigram", displays, n=batch.column("n"), pmi=batch.column("pmi"))


def title_phrases(
    batches: Iterator[pa.RecordBatch], views_min: int, tokeniser: Tokeniser = PLAIN
) -> Iterator[pa.RecordBatch]:
    """Map: rows of the summed `title_view` in, those of at least `views_min` views out."""
    for batch in batches:
        batch = batch.filter(pc.greater_equal(batch.column("views"), views_min))
        displays = [without_parentheses(title) for title in batch.column("title").to_pylist()]
        yield _phrases(tokeniser, "title", displays, n=batch.column("views"))


def synset_phrases(
    batches: Iterator[pa.RecordBatch], tokeniser: Tokeniser = PLAIN
) -> Iterator[pa.RecordBatch]:
    """Map: rows of `synset_name` in, the same as phrases out."""
    for batch in batches:
        yield _phrases(tokeniser, "wordnet", batch.column("name").to_pylist())


def without_parentheses(title: str) -> str:
    """The title without what tells it apart from others of that name.

    >>> without_parentheses("Mercury (planet)"), without_parentheses("(What's the Story)")
    ('Mercury', "(What's the Story)")
    """
    return _PARENTHESES.sub("", title)


def _phrases(
    tokeniser: Tokeniser,
    source: str,
    displays: Sequence[str],
    n: pa.Array | None = None,
    pmi: pa.Array | None = None,
) -> pa.RecordBatch:
    rows = len(displays)
    columns = [
        pa.array([tokeniser.normalise(display) for display in displays], pa.string()),
        pa.array(displays, pa.string()),
        pa.repeat(source, rows),
        pa.nulls(rows, pa.int64()) if n is None else n,
        pa.nulls(rows, pa.float64()) if pmi is None else pmi,
    ]
    return pa.RecordBatch.from_arrays(columns, schema=PHRASE)
