"""Which queries a caption contains: all word n-grams that are queries, each once a caption.

May import queries and pipeline.text. The same `words` makes the keys of the queries and the
words of the captions, so a query that exists can be found.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.text import normalise, words
from queries.schemas import TABLES

MATCHED = pa.schema([pa.field("row", pa.int64(), False), pa.field("query_id", pa.int64(), False)])


class Matcher:
    """Finds queries in captions on word boundaries.

    >>> found = Matcher(pa.array(["dog", "hot dog"])).match(pa.array(["Hot  dog!", "cat"]))
    >>> found.to_pydict()
    {'row': [0, 0], 'query_id': [0, 1]}
    """

    def __init__(self, queries: pa.StringArray):
        """`queries`: the texts; query_id is the place in the array. Raises ValueError if a text
        is not normalised or stands twice, since it could never be matched."""
        self.ids = {text: place for place, text in enumerate(queries.to_pylist())}
        if len(self.ids) != len(queries):
            raise ValueError(f"{len(queries) - len(self.ids)} queries stand twice, expected none")
        for text in self.ids:
            if text != normalise(text) or not text:
                raise ValueError(f"query {text!r}: expected its normalised form")
        # Only starts that lead somewhere are extended: "new" of "new york", not every word.
        self.starts = {
            " ".join(parts[:n]) for parts in map(str.split, self.ids) for n in range(1, len(parts))
        }

    def match(self, captions: pa.StringArray) -> pa.RecordBatch:
        """All (row, query_id), sorted; row is the caption's place in the array."""
        rows: list[int] = []
        ids: list[int] = []
        for row, caption in enumerate(captions.to_pylist()):
            found = sorted(self._found(words(caption)))
            rows += [row] * len(found)
            ids += found
        return pa.RecordBatch.from_arrays(
            [pa.array(rows, pa.int64()), pa.array(ids, pa.int64())], schema=MATCHED
        )

    def _found(self, tokens: list[str]) -> set[int]:
        found: set[int] = set()
        for start, phrase in enumerate(tokens):
            end = start + 1
            while True:
                if phrase in self.ids:
                    found.add(self.ids[phrase])
                if phrase not in self.starts or end == len(tokens):
                    break
                phrase = f"{phrase} {tokens[end]}"
                end += 1
        return found


@lru_cache(maxsize=1)
def _matcher(query_file: Path) -> Matcher:
    table = pq.read_table(query_file, columns=["query_id", "text"]).sort_by("query_id")
    if table["query_id"].to_pylist() != list(range(table.num_rows)):
        raise ValueError(f"{query_file}: expected query_id 0..{table.num_rows - 1}, each once")
    return Matcher(table["text"].combine_chunks())


def match_pairs(batches: Iterator[pa.RecordBatch], query_file: Path) -> Iterator[pa.RecordBatch]:
    """Map: rows of `filtered` to rows of `match`."""
    matcher = _matcher(query_file)
    schema = TABLES["match"].schema
    for batch in batches:
        found = matcher.match(batch["caption"])
        columns = {
            "pair_id": batch["pair_id"].take(found["row"]),
            "query_id": found["query_id"],
            "priority": batch["priority"].take(found["row"]),
        }
        yield pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)
