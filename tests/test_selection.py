"""The cap and the rounds, held equal to the plain walk of tests/walk.py."""

import random
from collections import defaultdict
from itertools import combinations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.selection import Selection, image_parts, request, select
from queries.engine import DuckEngine
from queries.schemas import TABLES
from tests.tables import build_row, rows
from tests.walk import walk


class Pool:
    """A random pool of pairs, what each pair's fetch would give, and the build that asks."""

    def __init__(self, seed: int, folder, *, near_bits: int, cap: int = 3, factor: float = 1.0):
        self.chance = random.Random(seed)
        self.folder = folder
        self.engine = DuckEngine(workers=1, quiet=True)
        self.build = build_row(cap=cap, near_bits=near_bits, round_factor=factor)
        ids = self.chance.sample(range(1_000), self.chance.randint(1, 40))
        self.priority = {one: self.chance.randrange(30) for one in ids}
        n_queries = self.chance.randint(1, 6)
        self.queries_of = {
            one: self.chance.sample(range(n_queries), self.chance.randint(1, n_queries))
            for one in ids
        }
        self.survives = {one: self.chance.random() < 0.7 for one in ids}
        self.phash = {one: self.chance.randrange(12) for one in ids}
        self.cap = cap
        self.near_bits = near_bits

    def expected(self):
        alike = (
            {
                frozenset(two)
                for two in combinations(self.phash, 2)
                if self.phash[two[0]] == self.phash[two[1]]
            }
            if self.near_bits >= 0
            else set()
        )
        return walk(self.queries_of, self.priority, self.survives, alike, self.cap)

    def fetch(self, ids) -> pa.Table:
        return rows(
            "fetched",
            *[
                {
                    "pair_id": one,
                    "attempt": 1,
                    "reason": None if self.survives[one] else "not_found",
                    "original_width": 100,
                    "original_height": 100,
                    "spread": 50.0,
                    "sha256": f"{one}",
                    "phash": self.phash[one],
                    "image_part": "p",
                }
                for one in ids
            ],
        )

    def run(self, known=()) -> tuple[Selection, set[int], int]:
        """Rounds until all is settled: the last selection, all asked for, number of rounds."""
        pair = rows(
            "pair",
            *[
                {
                    "pair_id": one,
                    "priority": self.priority[one],
                    "url": "u",
                    "caption": "c",
                    "source": "s",
                }
                for one in self.queries_of
            ],
        )
        match = rows(
            "pair_match",
            *[
                {"pair_id": one, "query_id": query, "priority": self.priority[one]}
                for one, of in self.queries_of.items()
                for query in of
            ],
        )
        fetched, asked = self.fetch(known), set()
        for number in range(50):
            folder = self.folder / f"{number}"
            selection = select(self.engine, self.build, pair, match, fetched, folder)
            wanted = request(self.engine, self.build, pair, selection, number, folder)
            if not wanted.num_rows:
                assert pq.read_metadata(folder / "unsettled.parquet").num_rows == 0
                return selection, asked, number
            new = wanted["pair_id"].to_pylist()
            assert not asked & set(new), "a known outcome is not asked for again"
            asked |= set(new)
            fetched = pa.concat_tables([fetched, self.fetch(new)])
        raise AssertionError("rounds do not end")


def kept_queries(selection: Selection) -> dict[int, set[int]]:
    kept = defaultdict(set)
    for row in pq.read_table(selection.kept_match).to_pylist():
        kept[row["pair_id"]].add(row["query_id"])
    return dict(kept)


@pytest.mark.parametrize("seed", range(8))
def test_rounds_from_nothing_keep_and_ask_what_the_walk_does(tmp_path, seed):
    pool = Pool(seed, tmp_path, near_bits=-1)
    selection, asked, _ = pool.run()
    assert (kept_queries(selection), asked) == pool.expected()


@pytest.mark.parametrize("seed", range(8))
def test_near_duplicates_are_resolved_as_the_walk_does(tmp_path, seed):
    pool = Pool(seed, tmp_path, near_bits=0)
    selection, _, _ = pool.run()
    assert kept_queries(selection) == pool.expected()[0]


@pytest.mark.parametrize("seed", range(8))
def test_what_is_known_at_the_start_changes_nothing(tmp_path, seed):
    pool = Pool(seed, tmp_path, near_bits=seed % 2 - 1)
    known = [one for one in pool.queries_of if pool.chance.random() < 0.4]
    selection, _, _ = pool.run(known)
    assert kept_queries(selection) == pool.expected()[0]


def test_a_larger_round_keeps_the_same_and_ends_sooner(tmp_path):
    plain = Pool(3, tmp_path / "plain", near_bits=-1, cap=5)
    eager = Pool(3, tmp_path / "eager", near_bits=-1, cap=5, factor=3.0)
    (one, asked, n_rounds), (other, more, n_fewer) = plain.run(), eager.run()
    assert kept_queries(one) == kept_queries(other)
    assert asked <= more
    assert n_fewer <= n_rounds


def test_an_unsettled_query_keeps_only_what_stands_before_its_first_gap(tmp_path):
    engine = DuckEngine(workers=1, quiet=True)
    standing = rows(
        "standing",
        {"query_id": 0, "pair_id": 1, "unknown": 0, "place": 1, "unknown_so_far": 0},
        {"query_id": 0, "pair_id": 2, "unknown": 1, "place": 2, "unknown_so_far": 1},
        {"query_id": 0, "pair_id": 3, "unknown": 0, "place": 3, "unknown_so_far": 1},
    )
    out = tmp_path / "kept.parquet"
    engine.derive("kept_match", {"standing": standing, "build": build_row(cap=3)}, out)
    assert pq.read_table(out).to_pylist() == [{"pair_id": 1, "query_id": 0, "place": 1}]


def test_image_rules_give_their_reason(tmp_path):
    engine = DuckEngine(workers=1, quiet=True)
    sides = {1: (100, 100), 2: (31, 100), 3: (600, 100), 4: (100, 100), 5: (100, 100)}
    fetched = rows(
        "fetched",
        *[
            {
                "pair_id": one,
                "attempt": 1,
                "reason": "timeout" if one == 5 else None,
                "original_width": width,
                "original_height": height,
                "spread": 0.5 if one == 4 else 9.0,
                "sha256": "",
                "phash": 0,
                "image_part": "p",
            }
            for one, (width, height) in sides.items()
        ],
    )
    pair = rows(
        "pair",
        *[
            {"pair_id": one, "priority": 0, "url": "u", "caption": "c", "source": "s"}
            for one in sides
        ],
    )
    out = tmp_path / "verdict.parquet"
    engine.derive("verdict", {"fetched": fetched, "pair": pair, "build": build_row()}, out)
    reasons = {row["pair_id"]: row["reason"] for row in pq.read_table(out).to_pylist()}
    assert reasons == {
        1: None,
        2: "image_too_small",
        3: "image_aspect",
        4: "image_uniform",
        5: "timeout",
    }


def test_a_later_failure_never_takes_an_image_away(tmp_path):
    engine = DuckEngine(workers=1, quiet=True)
    good = {
        "pair_id": 1,
        "original_width": 90,
        "original_height": 90,
        "spread": 9.0,
        "sha256": "",
        "phash": 0,
        "image_part": "p",
    }
    fetched = rows("fetched", {**good, "attempt": 1}, {**good, "attempt": 2, "reason": "timeout"})
    pair = rows("pair", {"pair_id": 1, "priority": 0, "url": "u", "caption": "c", "source": "s"})
    out = tmp_path / "verdict.parquet"
    engine.derive("verdict", {"fetched": fetched, "pair": pair, "build": build_row()}, out)
    (row,) = pq.read_table(out).to_pylist()
    assert (row["attempt"], row["reason"]) == (1, None)


def test_image_parts_hold_every_row_once_and_are_named_by_their_rows():
    asked = rows(
        "request", *[{"round": 0, "pair_id": one, "url": "u", "attempt": 1} for one in range(25)]
    )
    parts = image_parts(asked, 10)
    assert [rows.num_rows for _, rows in parts] == [10, 10, 5]
    assert pa.concat_tables([rows for _, rows in parts])["pair_id"].to_pylist() == list(range(25))
    assert parts[0][0] == image_parts(asked.slice(0, 10), 10)[0][0]
    assert TABLES["ask"].schema.names == parts[0][1].schema.names
