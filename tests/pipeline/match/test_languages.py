"""Each caption is matched with the list of its language: five rows in, then a plain search."""

import random

import pyarrow as pa
import pytest

from pipeline.match.lists import QueryLists, match_pairs
from pipeline.text.tokeniser import Tokeniser
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from queries.tables.table import OTHER
from tests.tables import rows

LISTS = [("en", "hand"), ("en", "red hand"), ("de", "hand"), ("de", "rote hand"), ("sv", "hand")]
CAPTIONS = [
    ("a red hand", "en"),
    ("eine rote Hand", "de"),
    ("en röd hand", "sv"),
    ("Hand", OTHER),
    ("una mano", "es"),
]


def query_file(folder, lists):
    table = rows(
        "query",
        *[
            {"query_id": n, "language": language, "text": text}
            for n, (language, text) in enumerate(lists)
        ],
    )
    return write_part(folder / "query.parquet", TABLES["query"], table.to_batches()).path


def matched(folder, lists, captions):
    table = rows(
        "filtered",
        *[
            {"pair_id": n, "priority": 10 + n, "caption": text, "query_language": language}
            for n, (text, language) in enumerate(captions)
        ],
    )
    (out,) = match_pairs(iter(table.to_batches()), query_file(folder, lists))
    return [tuple(row.values()) for row in out.to_pylist()]


def test_a_caption_is_matched_with_the_list_of_its_language_and_another_with_all(tmp_path):
    assert matched(tmp_path, LISTS, CAPTIONS) == [
        (0, 0, 10),
        (0, 1, 10),
        (1, 2, 11),
        (1, 3, 11),
        (2, 4, 12),
        (3, 0, 13),
        (3, 2, 13),
        (3, 4, 13),
    ]


def test_where_no_language_was_looked_for_the_one_list_is_everybody_s(tmp_path):
    captions = [(text, None) for text, _ in CAPTIONS]
    assert matched(tmp_path, [("en", "hand")], captions) == [
        (0, 0, 10),
        (1, 0, 11),
        (2, 0, 12),
        (3, 0, 13),
    ]


@pytest.mark.parametrize("seed", range(3))
def test_several_lists_match_as_each_alone_by_plain_search(tmp_path, seed):
    chance = random.Random(seed)
    texts = ["a", "b", "a b", "b a", "b b", "c"]
    sizes = {code: chance.randint(1, len(texts)) for code in ("x", "y", "z")}
    lists = [(code, text) for code, n in sizes.items() for text in chance.sample(texts, n)]
    captions = [
        (" ".join(chance.choices("abc", k=4)), chance.choice(["x", "y", "z", OTHER, "w", None]))
        for _ in range(200)
    ]
    plain = [
        (row, query_id, 10 + row)
        for row, (caption, language) in enumerate(captions)
        for query_id, (code, text) in enumerate(lists)
        if language in (code, OTHER, None) and f" {text} " in f" {caption} "
    ]
    assert matched(tmp_path, lists, captions) == plain


def test_each_list_cuts_captions_by_its_own_tokeniser(tmp_path):
    lists = [("zh", "太阳"), ("ja", "太阳")]
    captions, languages = pa.array(["太阳镜", "太阳镜", "太阳"]), pa.array(["zh", "ja", OTHER])
    tokenisers = (("zh", Tokeniser(boundaries="free")), ("ja", Tokeniser()))
    matches = QueryLists(query_file(tmp_path, lists), tokenisers).match(captions, languages)
    assert matches.to_pydict() == {"row": [0, 2, 2], "query_id": [0, 0, 1]}


def test_lists_whose_queries_are_not_side_by_side_are_refused(tmp_path):
    with pytest.raises(ValueError, match="queries of en are not side by side"):
        QueryLists(query_file(tmp_path, [*LISTS, ("en", "late")]))


def test_a_list_without_a_query_matches_nothing(tmp_path):
    found = QueryLists(query_file(tmp_path, [])).match(pa.array(["hand"]), pa.array(["en"]))
    assert found.num_rows == 0
