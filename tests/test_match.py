"""All matches on word boundaries, held equal to a plain search for every query."""

import random
from itertools import pairwise

import pyarrow as pa
import pytest

from pipeline.match import Matcher, match_pairs
from pipeline.text import normalise, words
from queries.parts import write_part
from queries.schemas import TABLES
from tests.tables import rows

QUERIES = ["dog", "hot dog", "york", "new york", "new york city", "don t", "straße", "नमस्ते"]


def plain(queries: list[str], captions: list[str]) -> set[tuple[int, int]]:
    padded = [f" {normalise(caption)} " for caption in captions]
    return {
        (row, place)
        for row, caption in enumerate(padded)
        for place, query in enumerate(queries)
        if f" {query} " in caption
    }


def found(queries: list[str], captions: list[str]) -> list[tuple[int, int]]:
    batch = Matcher(pa.array(queries)).match(pa.array(captions, pa.string()))
    return list(zip(batch["row"].to_pylist(), batch["query_id"].to_pylist(), strict=True))


def test_words_match_on_their_boundaries_only():
    captions = [
        "A hot  dog!",
        "hotdog",
        "(dog)/cat",
        "New York City",
        "don't",
        "नमस्ते!",
        "",
        "STRASSE",
    ]
    got = found(QUERIES, captions)
    assert got == sorted(got)
    assert got == [(0, 0), (0, 1), (2, 0), (3, 2), (3, 3), (3, 4), (4, 5), (5, 7)]


def test_a_query_is_found_once_a_caption():
    assert found(["dog"], ["dog dog dog"]) == [(0, 0)]


@pytest.mark.parametrize("seed", range(20))
def test_matches_are_those_of_a_plain_search(seed):
    chance = random.Random(seed)
    letters = "ab é"

    def text(n: int) -> str:
        return "".join(chance.choice(letters) for _ in range(n))

    queries = sorted({normalise(text(chance.randint(1, 8))) for _ in range(30)} - {""})
    captions = [text(chance.randint(0, 30)) for _ in range(40)]
    assert set(found(queries, captions)) == plain(queries, captions)


@pytest.mark.parametrize(
    ("queries", "said"),
    [(["dog", "dog"], "twice"), (["Dog"], "normalised form"), ([""], "normalised form")],
)
def test_queries_that_could_never_match_are_refused(queries, said):
    with pytest.raises(ValueError, match=said):
        Matcher(pa.array(queries))


def test_every_match_of_a_pair_carries_its_priority(tmp_path):
    query = rows("query", {"query_id": 0, "text": "dog"}, {"query_id": 1, "text": "hot dog"})
    part = write_part(tmp_path / "q.parquet", TABLES["query"], query.to_batches())
    given = rows(
        "filtered",
        {"pair_id": 7, "priority": 3, "caption": "hot dog"},
        {"pair_id": 8, "priority": 4, "caption": "a cat"},
    )
    (out,) = match_pairs(iter(given.to_batches()), part.path)
    assert out.to_pylist() == [
        {"pair_id": 7, "query_id": 0, "priority": 3},
        {"pair_id": 7, "query_id": 1, "priority": 3},
    ]


def test_real_captions_match_as_a_plain_search_does(shared):
    import pyarrow.parquet as pq

    captions = pq.read_table(shared / "laion_url_caption_10k.parquet")["TEXT"].to_pylist()
    captions = [caption or "" for caption in captions[:300]]
    tokens = [word for caption in captions for word in words(caption)]
    pairs = [f"{one} {two}" for one, two in pairwise(tokens)]
    queries = sorted(set(tokens[::7]) | set(pairs[::11]))
    assert set(found(queries, captions)) == plain(queries, captions)
