"""The query lists of a build: each caption is matched with the list of its language."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.match import MATCHED, Matcher
from pipeline.text.tokeniser import Tokeniser
from queries.tables.parts import read_rows
from queries.tables.schemas import TABLES
from queries.tables.table import OTHER

Tokenisers = tuple[tuple[str, Tokeniser], ...]  # by language, in a form that can be hashed
NOTHING = np.empty(0, np.int64)


class QueryLists:
    """The matcher of each language's queries, made when a caption asks for it."""

    def __init__(self, query_file: Path, tokenisers: Tokenisers = ()):
        """`tokenisers`: by language; a language without is cut as by default settings."""
        self.tokenisers = dict(tokenisers)
        self.query_file = query_file
        languages = read_rows(query_file, columns=["language"])["language"]
        ends = pc.run_end_encode(languages.combine_chunks())
        self.places: dict[str, slice] = {}  # the query_ids of each language
        start = 0
        for language, end in zip(ends.values.to_pylist(), ends.run_ends.to_pylist(), strict=True):
            if language in self.places:
                raise ValueError(f"{query_file}: the queries of {language} are not side by side")
            self.places[language] = slice(start, end)
            start = end
        self._matchers: dict[str, Matcher] = {}

    def matcher(self, language: str) -> Matcher:
        if language not in self._matchers:
            place = self.places[language]
            columns, of_language = ["query_id", "text"], [("language", "=", language)]
            rows = read_rows(self.query_file, columns=columns, filters=of_language)
            rows = rows.sort_by("query_id")
            if not np.array_equal(rows["query_id"].to_numpy(), np.arange(place.start, place.stop)):
                raise ValueError(
                    f"{self.query_file}: expected query_id {place.start}..{place.stop - 1} "
                    f"of {language}, each once"
                )
            texts = rows["text"].combine_chunks()
            self._matchers[language] = Matcher(texts, tokeniser=self.tokenisers.get(language))
        return self._matchers[language]

    def match(self, captions: pa.StringArray, languages: pa.StringArray) -> pa.RecordBatch:
        """All (row, query_id), sorted: of each caption with the list of its language.

        A caption whose language is null or OTHER is matched with every list; one of a language
        that has no query matches none.
        """
        with_all = pc.fill_null(pc.equal(languages, OTHER), True)
        of_lists: list[tuple[np.ndarray, np.ndarray]] = []
        for language, place in self.places.items():
            of_list = pc.or_(with_all, pc.fill_null(pc.equal(languages, language), False))
            chosen = np.flatnonzero(of_list)
            if not len(chosen):
                continue
            theirs = captions if len(chosen) == len(captions) else captions.take(pa.array(chosen))
            matches = self.matcher(language).match(theirs)
            of_lists.append((chosen[matches["row"]], matches["query_id"].to_numpy() + place.start))
        rows, ids = (
            np.concatenate([NOTHING, *(pair[side] for pair in of_lists)]) for side in (0, 1)
        )
        if len(of_lists) > 1:
            order = np.lexsort((ids, rows))
            rows, ids = rows[order], ids[order]
        return pa.RecordBatch.from_arrays([pa.array(rows), pa.array(ids)], schema=MATCHED)


_query_lists = lru_cache(maxsize=1)(QueryLists)


def match_pairs(
    batches: Iterator[pa.RecordBatch], query_file: Path, tokenisers: Tokenisers = ()
) -> Iterator[pa.RecordBatch]:
    """Map: rows of `filtered` to rows of `match`."""
    lists = _query_lists(query_file, tokenisers)
    schema = TABLES["match"].schema
    for batch in batches:
        matches = lists.match(batch["caption"], batch["query_language"])
        columns = {
            "pair_id": batch["pair_id"].take(matches["row"]),
            "query_id": matches["query_id"],
            "priority": batch["priority"].take(matches["row"]),
        }
        yield pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)
