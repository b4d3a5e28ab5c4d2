"""Caps by the tail: five queries in, five rows out; then by a plain search over all caps."""

import random
import re
from fractions import Fraction

import pyarrow as pa
import pytest

from pipeline.selection.caps import Caps, language_caps
from queries.engine import DERIVE
from queries.tables.parts import read_rows
from queries.tables.schemas import TABLES
from tests import ROOT
from tests.queries.asking import ENGINE
from tests.tables import rows
from tests.walk import cap_by_tail, tail_share

PAGE = ROOT / "docs/worldwide.md"


def counted(counts: dict[str, list[int]]) -> pa.Table:
    """The table `match_count` of languages, each with the matches of its queries."""
    given = [
        {"language": code, "n_matches": n, "n_queries": of.count(n)}
        for code, of in counts.items()
        for n in sorted(set(of))
    ]
    return rows("match_count", *given)


def caps(counts: dict[str, list[int]], cap: int, reference="en", **fixed: int) -> dict[str, dict]:
    made = language_caps(counted(counts), Caps(tuple(counts), reference, cap, fixed))
    assert made.schema == TABLES["language_cap"].schema
    return {row.pop("language"): row for row in made.to_pylist()}


def test_each_language_has_the_cap_at_which_its_tail_has_the_share_of_the_reference_s():
    of = caps({"en": [2, 2, 4, 8, 16], "de": [1, 1, 2, 4, 8], "ja": [5, 5], "lo": []}, cap=4)
    figures = ("cap", "set_by", "matches", "tail_matches", "tail_share")
    assert {code: tuple(row[name] for name in figures) for code, row in of.items()} == {
        "en": (4, "reference", 32, 8, 0.25),
        "de": (2, "tail", 16, 4, 0.25),
        "ja": (5, "tail", 10, 10, 1.0),
        "lo": (4, "tail", 0, 0, None),
    }
    assert {row["reference"] for row in of.values()} == {"en"}


def test_the_caps_of_the_docs_are_those_that_are_set():
    lines = re.findall(r"^\| (\w\w) \| (.*) \| (\d+) \| (.*) \| (.*) \|$", PAGE.read_text(), re.M)
    counts = {code: [int(n) for n in re.findall(r"\d+", of)] for code, of, *_ in lines}
    made = caps(counts, cap=int(lines[0][2]), reference=lines[0][0])
    assert len(lines) == 4
    for code, _, cap, tail, share in lines:
        row = made[code]
        assert (row["cap"], f"{row['tail_matches']} of {row['matches']}") == (int(cap), tail)
        assert row["tail_share"] == (None if share == "none" else float(share))


def test_a_cap_of_its_own_stays_and_the_reference_s_own_decides_the_share():
    counts = {"en": [1, 3, 9], "de": [2, 6, 18], "fr": [2, 6, 18]}
    of = caps(counts, cap=9, en=3, fr=7)
    assert [(row["cap"], row["set_by"]) for row in of.values()] == [
        (3, "reference"),
        (6, "tail"),
        (7, "fixed"),
    ]


def test_where_the_reference_has_no_match_its_cap_is_everybody_s():
    assert [row["cap"] for row in caps({"en": [], "de": [2, 6]}, cap=5).values()] == [5, 5]


def test_a_reference_without_a_head_caps_no_language():
    of = caps({"en": [1, 2], "de": [3, 900]}, cap=2)
    assert (of["de"]["cap"], of["de"]["tail_share"]) == (900, 1.0)


@pytest.mark.parametrize("seed", range(20))
def test_caps_are_those_of_a_search_over_all_caps_within_one_query_of_the_share(seed):
    chance = random.Random(seed)
    languages = ["en", "de", "zh", "th"]
    counts = {
        code: [int(chance.paretovariate(0.8)) for _ in range(chance.randint(1, 60))]
        for code in languages
    }
    reference, cap = chance.choice(languages), chance.randint(1, 9)
    made = caps(counts, cap, reference)
    share = tail_share(counts[reference], cap)
    for code in set(languages) - {reference}:
        assert made[code]["cap"] == cap_by_tail(counts[code], share)
        found = Fraction(made[code]["tail_matches"], made[code]["matches"])
        steps = sorted(set(counts[code]))
        widest = max(Fraction(n * counts[code].count(n), sum(counts[code])) for n in steps)
        assert found - share <= widest
        assert share - found <= widest


def test_counts_far_beyond_64_bits_of_product_are_exact():
    huge = 1 << 60
    given = rows(
        "match_count",
        {"language": "en", "n_matches": 1, "n_queries": huge},
        {"language": "en", "n_matches": 2, "n_queries": huge // 2},
        {"language": "de", "n_matches": 5, "n_queries": huge // 5},
        {"language": "de", "n_matches": 7, "n_queries": huge // 7 - 1},
    )
    made = language_caps(given, Caps(("en", "de"), "en", 1, {})).to_pylist()
    assert [row["cap"] for row in made] == [1, 5]


def test_the_caps_of_queries_are_counted_and_joined_by_their_language(tmp_path):
    query = rows(
        "query",
        *[
            {"query_id": n, "language": code}
            for n, code in enumerate(["en", "en", "de", "de", "fr"])
        ],
    )
    match = rows("pair_match", *[{"pair_id": n, "query_id": n % 3} for n in range(5)])
    counts = ENGINE.derive(
        DERIVE / "match_count.sql", {"query": query, "pair_match": match}, tmp_path / "n.parquet"
    )
    assert [tuple(row.values()) for row in read_rows(counts.path).to_pylist()] == [
        ("de", 1, 1),
        ("en", 2, 2),
    ]
    language_cap = rows("language_cap", {"language": "en", "cap": 3}, {"language": "de", "cap": 2})
    caps = ENGINE.derive(
        DERIVE / "query_cap.sql",
        {"query": query, "language_cap": language_cap},
        tmp_path / "c.parquet",
    )
    assert [tuple(row.values()) for row in read_rows(caps.path).to_pylist()] == [
        (0, 3),
        (1, 3),
        (2, 2),
        (3, 2),
    ]
