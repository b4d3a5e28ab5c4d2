"""How many bigrams floors and a least PMI let into the query list, and how many are grammar.

    python -m benchmarks.list_quality [--quick] [--articles FILE … --wiki LANGUAGE]
    python -m benchmarks.list_quality --sample 200 --build lists

Counts the articles that gensim carries (or those given, in any form that a build reads) as a build
does, and takes the bigrams at each floor and least PMI. A bigram with one of the 50 most frequent
words is called grammar: that needs no list of function words, so any language has the same measure.
`--sample N` shows N queries of a list instead, chosen by a hash of their texts, for reading by eye:
docs/queries.md says what that found, and benchmarks/list_sample.csv has the labels.
"""

import argparse
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.harness import Row, show
from pipeline.query_list.ngrams import count_ngrams, score_bigrams
from pipeline.settings.values import locate
from pipeline.wikipedia import read_articles
from queries.engine import DERIVE
from queries.engine.duck import DuckEngine
from queries.tables.manifest import files_by_table, find
from queries.tables.parts import read_batches, write_part
from queries.tables.schemas import TABLES
from tests.tables import build_row

GENSIM = (
    "package:gensim/test/test_data/"
    "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
)
FREQUENT = 50
WORD_MIN = 5
FLOORS, QUICK_FLOORS = (5, 10, 20), (5,)
BITS = (0.0, 5.0, 6.0, 7.0, 7.5, 8.0, 9.0)


def count(articles: list[str], wiki: str, folder: Path) -> tuple[pa.Table, int]:
    """Scored bigrams with `grammar`, true where a word is frequent, and the number of words."""
    batches = (batch for path in articles for batch in read_articles(path))
    parts = write_part(folder / "part.parquet", TABLES["ngram_part"], count_ngrams(batches, wiki))
    engine = DuckEngine(quiet=True)
    build = build_row(word_min=WORD_MIN, bigram_min=min(FLOORS))
    ngram = engine.derive(DERIVE / "ngram.sql", {"ngram_part": [parts.path]}, folder / "n.parquet")
    inputs = {"ngram": [ngram.path], "build": build}
    corpus = engine.derive(DERIVE / "corpus.sql", inputs, folder / "corpus.parquet")
    inputs = {"ngram": [ngram.path], "corpus": [corpus.path]}
    bigram = engine.derive(DERIVE / "bigram.sql", inputs, folder / "bigram.parquet")
    scored = pa.Table.from_batches(
        score_bigrams(read_batches(bigram.path)), TABLES["scored_bigram"].schema
    )
    words = pq.read_table(ngram.path, filters=pc.field("second").is_null())
    words = words.sort_by([("n", "descending"), ("first", "ascending")])
    frequent = words["first"].slice(0, FREQUENT)
    grammar = pc.or_(pc.is_in(scored["first"], frequent), pc.is_in(scored["second"], frequent))
    return scored.append_column("grammar", grammar), pc.sum(words["n"]).as_py()


def rows_of(bigrams: pa.Table, floors: tuple[int, ...]) -> Iterator[Row]:
    """The share of grammar at each floor and least PMI, beside that without a least PMI."""
    n, bits = bigrams["n"].to_numpy(), bigrams["pmi"].to_numpy()
    grammar = bigrams["grammar"].to_numpy()
    for floor in floors:
        all_share = _percent(grammar[n >= floor])
        for least in BITS:
            enter = (n >= floor) & (bits >= least)
            about = f"grammar of {enter.sum():,} bigrams, {floor} times, {least:g} bits"
            yield Row(about, "%", [_percent(grammar[enter])], "at any PMI", [all_share])


def _percent(mask: np.ndarray) -> float:
    return 100 * float(mask.mean()) if len(mask) else 0.0


def sampled(query: pa.Table, n: int) -> pa.Table:
    """The n queries whose texts have the least hashes: the same of the same list, in any order."""
    hashes = [
        hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        for text in query["text"].to_pylist()
    ]
    return query.append_column("hash", pa.array(hashes)).sort_by("hash").slice(0, n)


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.list_quality", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one floor")
    parser.add_argument("--articles", nargs="+", help="gensim's part of the English Wikipedia")
    parser.add_argument("--wiki", default="en", help="the language of the articles; en by default")
    parser.add_argument("--sample", type=int, default=0, help="queries to show")
    parser.add_argument("--build", help="the list of which they are")
    asked = parser.parse_args()
    if asked.sample:
        query = pq.read_table(files_by_table(find(asked.build))["query"])
        for row in sampled(query, asked.sample).to_pylist():
            print(f"{row['query_id']}\t{row['entered_by']}\t{row['hash']}\t{row['text']}")
        return
    articles = asked.articles or [str(locate(GENSIM, Path()))]
    with tempfile.TemporaryDirectory() as name:
        bigrams, n_words = count(articles, asked.wiki, Path(name))
    rows = list(rows_of(bigrams, QUICK_FLOORS if asked.quick else FLOORS))
    show("Bigrams by floor and least PMI", rows, words=f"{n_words:,}")


if __name__ == "__main__":
    main()
