"""The cap and the rounds, held equal to the plain walk of tests/walk.py."""

import random
from collections import Counter, defaultdict
from itertools import combinations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.rights.evidence import policies
from pipeline.selection.rule import Selection, cut_request, request, select
from pipeline.settings.consent import ConsentSettings
from queries.engine import DERIVE
from queries.engine.duck import DuckEngine
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from tests import ROOT
from tests.tables import build_row, rows
from tests.walk import walk


def attempts(survives: dict[int, bool], phash=None) -> pa.Table:
    """The table fetched: one attempt of each pair, lost or not."""
    return rows(
        "fetched",
        *[
            {
                "pair_id": one,
                "attempt": 1,
                "reason": None if survived else "not_found",
                "original_width": 100,
                "original_height": 100,
                "spread": 50.0,
                "sha256": f"{one}",
                "phash": phash[one] if phash else 0,
                "image_part": "p",
            }
            for one, survived in survives.items()
        ],
    )


class Pool:
    """A random pool of pairs, what each pair's fetch would give, and the build that asks."""

    def __init__(self, seed: int, folder, *, near_bits, cap=3, factor=1.0, n_pairs=None, range_=30):
        self.chance = random.Random(seed)
        self.folder = folder
        self.engine = DuckEngine(workers=1, quiet=True)
        self.build = build_row(
            cap=cap if isinstance(cap, int) else 1, near_bits=near_bits, round_factor=factor
        )
        caps = {} if isinstance(cap, int) else cap
        self.query_cap = rows("query_cap", *[{"query_id": q, "cap": n} for q, n in caps.items()])
        ids = self.chance.sample(range(1_000), n_pairs or self.chance.randint(1, 40))
        self.priority = {one: self.chance.randrange(range_) for one in ids}
        n_queries = self.chance.randint(1, 6)
        self.queries_of = {
            one: self.chance.sample(range(n_queries), self.chance.randint(1, n_queries))
            for one in ids
        }
        self.survives = {one: self.chance.random() < 0.7 for one in ids}
        self.phash = {one: self.chance.randrange(len(ids) // 3 + 1) for one in ids}
        self.cap = cap  # of all queries, or of each
        self.near_bits = near_bits
        self.asked: list[list[int]] = []  # round by round

    def expected(self):
        alike = (
            {
                frozenset(two)
                for two in combinations(self.phash, 2)
                if (self.phash[two[0]] ^ self.phash[two[1]]).bit_count() <= self.near_bits
            }
            if self.near_bits >= 0
            else set()
        )
        return walk(self.queries_of, self.priority, self.survives, alike, self.cap)

    def fetch(self, ids) -> pa.Table:
        return attempts({one: self.survives[one] for one in ids}, self.phash)

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
            known = (self.engine, self.build, pair, match, fetched)
            caps = {"query_cap": self.query_cap}
            selection = select(*known, folder, **caps, for_request=True)
            wanted = request(self.engine, self.build, pair, selection, number, folder)
            if not wanted.num_rows:
                assert pq.read_metadata(folder / "unsettled.parquet").num_rows == 0
                return select(*known, self.folder / "cap", **caps), asked, number
            new = wanted["pair_id"].to_pylist()
            assert not asked & set(new), "a known outcome is not asked for again"
            asked |= set(new)
            self.asked.append(sorted(new))
            fetched = pa.concat_tables([fetched, self.fetch(new)])
        raise AssertionError("rounds do not end")


PAGE = ROOT / "docs/selection.md"
NAMES = ("cat", "dog", "sky")


def numbered(cell: str) -> list[int]:
    """The queries of a cell, "cat, sky", by number."""
    return [NAMES.index(name) for name in cell.split(", ") if name]


def cells(title: str) -> list[list[str]]:
    """The rows of the table under a heading of the page on selection."""
    lines = PAGE.read_text().split(f"## {title}\n")[1].split("## ")[0].splitlines()
    table = [line for line in lines if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_ten_pairs_of_the_docs_become_what_the_docs_say(tmp_path):
    pool = Pool(0, tmp_path, near_bits=0, cap=2)
    table = {int(pair): of for pair, *of in cells("Ten pairs")}
    pool.queries_of = {one: numbered(of[0]) for one, of in table.items()}
    pool.priority = {one: one for one in table}
    pool.survives = {one: of[1] != "is lost" for one, of in table.items()}
    likes = {one: of[1].removeprefix("is like ") for one, of in table.items()}
    pool.phash = {one: int(like) if like.isdigit() else one for one, like in likes.items()}
    kept = {one: set(numbered(of[3])) for one, of in table.items() if of[2] == "kept"}
    never = {one for one, of in table.items() if of[2] == "never asked for"}
    rounds = [[int(one) for one in of[1].split(", ")] for of in cells("In rounds")]
    selection, asked, n_rounds = pool.run()
    assert kept_queries(selection) == pool.expected()[0] == kept
    assert asked == pool.expected()[1] == table.keys() - never
    assert (n_rounds, pool.asked) == (len(rounds), rounds)


@pytest.mark.parametrize("cap", [1, 2])
def test_a_larger_cap_loses_a_pair_to_a_near_duplicate_as_the_docs_say(tmp_path, cap):
    pool = Pool(0, tmp_path, near_bits=0, cap=cap)
    table = {int(pair): of for pair, *of in cells("Three pairs")}
    pool.queries_of = {one: numbered(of[0]) for one, of in table.items()}
    pool.priority = {one: one for one in table}
    pool.survives = dict.fromkeys(table, True)
    pool.phash = {1: 1, 2: 2, 3: int(table[3][1].removeprefix("is like "))}
    fates = {one: of[1 + cap] for one, of in table.items()}
    selection, asked, _ = pool.run()
    kept = {one for one, fate in fates.items() if fate == "kept"}
    assert kept == set(pool.expected()[0]) == set(kept_queries(selection))
    assert asked == {one for one, fate in fates.items() if fate != "never asked for"}
    suppressed = pq.read_table(selection.suppressed)["pair_id"].to_pylist()
    assert suppressed == [one for one, fate in fates.items() if fate == "near duplicate"]


@pytest.mark.parametrize("seed", range(3))
def test_a_larger_cap_keeps_all_that_a_smaller_one_keeps_where_none_are_near(tmp_path, seed):
    kept = [Pool(seed, tmp_path, near_bits=-1, cap=cap).expected()[0] for cap in (1, 2, 5)]
    assert kept[0].keys() <= kept[1].keys() <= kept[2].keys()


def kept_queries(selection: Selection) -> dict[int, set[int]]:
    kept = defaultdict(set)
    for row in pq.read_table(selection.kept_match).to_pylist():
        kept[row["pair_id"]].add(row["query_id"])
    return dict(kept)


@pytest.mark.parametrize("seed", range(3))
def test_rounds_from_nothing_keep_and_ask_what_the_walk_does(tmp_path, seed):
    pool = Pool(seed, tmp_path, near_bits=-1)
    selection, asked, _ = pool.run()
    kept, needed = pool.expected()
    assert kept_queries(selection) == kept
    assert asked == needed, "none beyond the needed ones"


CAPS = {0: 1, 1: 2, 2: 5, 3: 2, 4: 9, 5: 1}


@pytest.mark.parametrize(("seed", "factor"), [(0, 1.0), (1, 1.0), (2, 1.0), (3, 2.5)])
def test_queries_with_caps_of_their_own_keep_and_ask_what_the_walk_does(tmp_path, seed, factor):
    pool = Pool(seed, tmp_path, near_bits=-1, cap=CAPS, factor=factor, n_pairs=40)
    selection, asked, _ = pool.run()
    kept, needed = pool.expected()
    assert kept_queries(selection) == kept
    assert asked == needed if factor == 1.0 else asked >= needed
    kept_for = Counter(query for of in kept.values() for query in of)
    assert any(kept_for[query] == cap for query, cap in CAPS.items())


@pytest.mark.parametrize("seed", range(3))
def test_near_duplicates_and_caps_by_query_are_resolved_as_the_walk_does(tmp_path, seed):
    pool = Pool(seed, tmp_path, near_bits=seed, cap=CAPS, n_pairs=60)
    known = [one for one in pool.queries_of if pool.chance.random() < 0.3]
    selection, _, _ = pool.run(known)
    assert kept_queries(selection) == pool.expected()[0]


@pytest.mark.parametrize("seed", range(3))
def test_near_duplicates_are_resolved_as_the_walk_does(tmp_path, seed):
    pool = Pool(seed, tmp_path, near_bits=seed % 3)
    selection, _, _ = pool.run()
    assert kept_queries(selection) == pool.expected()[0]


@pytest.mark.parametrize("seed", range(3))
def test_what_is_known_at_the_start_changes_nothing(tmp_path, seed):
    pool = Pool(seed, tmp_path, near_bits=seed % 4 - 1)
    known = [one for one in pool.queries_of if pool.chance.random() < 0.4]
    selection, _, _ = pool.run(known)
    assert kept_queries(selection) == pool.expected()[0]


@pytest.mark.parametrize(("seed", "near_bits"), [(0, -1), (1, 0)])
def test_heads_of_many_matches_are_selected_as_the_walk_does(tmp_path, seed, near_bits):
    pool = Pool(seed, tmp_path, near_bits=near_bits, n_pairs=400, range_=2**63)
    known = [one for one in pool.queries_of if pool.chance.random() < 0.2]
    selection, _, _ = pool.run(known if seed else ())
    assert kept_queries(selection) == pool.expected()[0]


def test_what_is_asked_for_beyond_the_need_comes_from_near_duplicates_alone(tmp_path):
    pool = Pool(6, tmp_path, near_bits=0, n_pairs=60)
    _, asked, _ = pool.run()
    needed = pool.expected()[1]
    assert needed <= asked


def test_a_larger_round_keeps_the_same_and_ends_sooner(tmp_path):
    plain = Pool(3, tmp_path / "plain", near_bits=-1, cap=5)
    eager = Pool(3, tmp_path / "eager", near_bits=-1, cap=5, factor=3.0)
    (one, asked, n_rounds), (other, more, n_fewer) = plain.run(), eager.run()
    assert kept_queries(one) == kept_queries(other)
    assert asked <= more
    assert n_fewer <= n_rounds


def chosen(folder, pair_match, fetched=None, *, cap=3, **engine) -> Selection:
    """One selection; every match's pair is a pair, with that priority."""
    paths = [write_rows(folder / f"match{n}.parquet", one) for n, one in enumerate(pair_match)]
    known = {row["pair_id"]: row["priority"] for one in pair_match for row in one.to_pylist()}
    pair = rows("pair", *[{"pair_id": one, "priority": known[one]} for one in known])
    fetched = rows("fetched") if fetched is None else fetched
    engine = DuckEngine(**{"workers": 1, "quiet": True, **engine})
    return select(engine, build_row(cap=cap), pair, paths, fetched, folder)


def write_rows(path, table: pa.Table):
    return write_part(path, TABLES["pair_match"], table.combine_chunks().to_batches()).path


def standing_rows(selection: Selection) -> list[dict]:
    found = [row for path in selection.standing for row in pq.read_table(path).to_pylist()]
    return sorted(found, key=lambda row: (row["query_id"], row["place"]))


def matches_of(query: int, priorities) -> pa.Table:
    return rows(
        "pair_match",
        *[
            {"pair_id": 1_000 + n, "query_id": query, "priority": priority}
            for n, priority in enumerate(priorities)
        ],
    )


def test_an_unsettled_query_keeps_only_what_stands_before_its_first_gap(tmp_path):
    for cap, query_is in ((2, "a head"), (3, "no head")):
        known = attempts({1_000: True, 1_002: True})
        match = matches_of(0, [5, 6, 7])
        kept = chosen(tmp_path / f"{cap}", [match], known, cap=cap).kept_match
        assert pq.read_table(kept).to_pylist() == [{"pair_id": 1_000, "query_id": 0}], query_is


def test_of_a_head_only_a_prefix_of_the_order_is_put_in_order(tmp_path):
    even = [random.Random(n).randrange(2**63) for n in range(3_000)]
    selection = chosen(tmp_path, [matches_of(0, even), matches_of(1, even[:3])])
    found = standing_rows(selection)
    order = sorted(range(3_000), key=lambda n: even[n])
    assert [row["pair_id"] for row in found] == [1_000 + n for n in order[:4]]
    (head,) = pq.read_table(tmp_path / "head.parquet").to_pylist()
    assert len(selection.standing) == 1
    assert sum(one <= head["reach"] for one in even) < 100
    assert pq.read_metadata(selection.open_match).num_rows == 3


@pytest.mark.parametrize("equal", [True, False])
def test_a_head_whose_reach_was_too_short_is_looked_at_again(tmp_path, equal):
    late = 2**63 - 1
    priorities = [0, 1] + [late if equal else late - 5 * n for n in range(500)]
    selection = chosen(tmp_path, [matches_of(7, priorities)])
    order = sorted(range(502), key=lambda n: (priorities[n], n))
    assert len(selection.standing) > 1
    found = [(row["place"], row["pair_id"] - 1_000) for row in standing_rows(selection)]
    assert found == [(n + 1, one) for n, one in enumerate(order[:4])]


def test_heads_that_lost_most_of_their_pairs_still_find_the_cap(tmp_path):
    even = [random.Random(n).randrange(2**63) for n in range(2_000)]
    match = matches_of(0, even)
    order = sorted(range(2_000), key=lambda n: even[n])
    survives = {1_000 + n: place > 500 for place, n in enumerate(order)}
    selection = chosen(tmp_path, [match], attempts(survives))
    kept = pq.read_table(selection.kept_match)["pair_id"].to_pylist()
    assert kept == sorted(1_000 + n for n in order[501:504])


@pytest.fixture(scope="module")
def many_matches() -> pa.Table:
    """2,000 pairs, 12 queries of which the first are in most of them."""
    chance = random.Random(5)
    priority = {one: chance.randrange(2**63) for one in chance.sample(range(10**6), 2_000)}
    return rows(
        "pair_match",
        *[
            {"pair_id": one, "query_id": query, "priority": priority[one]}
            for one in priority
            for query in range(12)
            if chance.random() < 0.7 / (query + 1)
        ],
    )


@pytest.fixture(scope="module")
def many_fetched(many_matches) -> pa.Table:
    return attempts({one: one % 3 > 0 for one in set(many_matches["pair_id"].to_pylist())})


def test_no_query_keeps_more_than_the_cap_and_none_less_than_it_can(
    tmp_path, many_matches, many_fetched
):
    selection = chosen(tmp_path, [many_matches], many_fetched, cap=90)
    kept = Counter(pq.read_table(selection.kept_match)["query_id"].to_pylist())
    survivors = Counter(row["query_id"] for row in many_matches.to_pylist() if row["pair_id"] % 3)
    assert min(survivors.values()) < 90 < max(survivors.values())
    assert kept == {query: min(90, n) for query, n in survivors.items()}


@pytest.mark.parametrize("cut", ["shuffled", "split", "halves swapped", "threads"])
def test_parts_their_order_and_the_machine_change_nothing(
    tmp_path, many_matches, many_fetched, cut
):
    plain = chosen(tmp_path / "plain", [many_matches], many_fetched, cap=90)
    n = many_matches.num_rows
    order = random.Random(3).sample(range(n), n)
    given = {
        "shuffled": [many_matches.take(order)],
        "split": [many_matches.slice(start, 700) for start in reversed(range(0, n, 700))],
        "halves swapped": [
            many_matches.take(list(range(n // 2, n))),
            many_matches.take(list(range(n // 2))),
        ],
        "threads": [many_matches],
    }[cut]
    machine = {"workers": 4, "memory": "100MB"} if cut == "threads" else {}
    other = chosen(tmp_path / "other", given, many_fetched, cap=90, scratch=tmp_path, **machine)
    assert pq.read_table(other.kept_match).equals(pq.read_table(plain.kept_match))
    assert standing_rows(other) == standing_rows(plain)


def test_image_rules_give_their_reason(tmp_path):
    engine = DuckEngine(workers=1, quiet=True)
    sides = {1: (100, 100), 2: (31, 100), 3: (600, 100), 4: (100, 100), 5: (100, 100), 6: (70, 70)}
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
    judge(engine, out, fetched, pair, build=build_row(min_area=5_000))
    reasons = {row["pair_id"]: row["reason"] for row in pq.read_table(out).to_pylist()}
    assert reasons == {
        1: None,
        2: "image_too_small",
        3: "image_aspect",
        4: "image_uniform",
        5: "timeout",
        6: "image_too_small",
    }


def judge(engine, out, fetched, pair, exclusion=None, build=None, **others) -> None:
    """The table verdict, with the exclusions of pictures and with scores."""
    known = {"fetched": fetched, "exclusion": exclusion or rows("exclusion")}
    known |= {name: others.get(name, ()) for name in ("scored", "scorer", "heard", "policy")}
    known |= {name: others.get(name, ()) for name in ("hashed", "pdq_near")} | {"pair": pair}
    for name in ("excluded_hash", "excluded_picture"):
        found = out.with_name(f"{name}.parquet")
        engine.derive(DERIVE / f"{name}.sql", known, found)
        known[name] = [found]
    known |= {"build": build or build_row()}
    engine.derive(DERIVE / "verdict.sql", known, out)


def test_pictures_are_excluded_by_their_bytes_and_by_their_look(tmp_path):
    looks = {1: 0, 2: 0b111, 3: -1, 4: -2, 5: 0b11_0000_0011}
    sides = {"original_width": 90, "original_height": 90, "spread": 9.0, "attempt": 1}
    fetched = rows(
        "fetched",
        *[
            {"pair_id": one, "phash": bits, "sha256": f"{one}", **sides}
            for one, bits in looks.items()
        ],
    )
    pairs = [{"pair_id": one, "url": "u", "caption": "c", "source": "s"} for one in looks]
    exclusion = rows(
        "exclusion",
        {"kind": "sha256", "value": "1"},
        {"kind": "phash", "phash": 0b1, "radius": 2},
        {"kind": "phash", "phash": -1, "radius": 0},
        {"kind": "url", "value": "4"},
    )
    out = tmp_path / "verdict.parquet"
    judge(DuckEngine(workers=1, quiet=True), out, fetched, rows("pair", *pairs), exclusion)
    reasons = {row["pair_id"]: row["reason"] for row in pq.read_table(out).to_pylist()}
    assert reasons == {1: "excluded", 2: "excluded", 3: "excluded", 4: None, 5: None}


def test_pictures_are_excluded_by_other_hashes_of_their_bytes_and_by_pdq(tmp_path):
    sides = {"original_width": 90, "original_height": 90, "spread": 9.0, "image_part": "p"}
    fetched = rows(
        "fetched",
        *[{"pair_id": n, "attempt": 1, **sides} for n in (1, 2, 3, 4)],
        {"pair_id": 5, "attempt": 1, **sides, "image_part": "before"},
        {"pair_id": 6, "attempt": 1, "image_part": "before", "reason": "timeout"},
        {"pair_id": 5, "attempt": 2, **sides},
        {"pair_id": 7, "attempt": 1, **sides, "image_part": "before"},
    )
    of_md5 = [(1, 1, "aa"), (2, 1, "bb"), (3, 1, "cc"), (4, 1, "dd"), (5, 2, "ee")]
    hashed = rows(
        "hashed",
        *[{"pair_id": n, "attempt": a, "kind": "md5", "value": of} for n, a, of in of_md5],
        {"pair_id": 2, "attempt": 1, "kind": "sha1", "value": "aa"},
    )
    near = rows(
        "pdq_near",
        {"pair_id": 3, "image_part": "p", "value": "ff", "distance": 31},
        {"pair_id": 4, "image_part": "before", "value": "ff"},
    )
    pair = rows("pair", *[{"pair_id": n, "url": "u", "caption": "c"} for n in range(1, 8)])
    engine, out = DuckEngine(workers=1, quiet=True), tmp_path / "verdict.parquet"
    exclusion = rows(
        "exclusion", {"kind": "md5", "value": "aa"}, {"kind": "pdq", "value": "ff", "radius": 31}
    )
    judge(engine, out, fetched, pair, exclusion, hashed=hashed, pdq_near=near)
    reasons = {row["pair_id"]: row["reason"] for row in pq.read_table(out).to_pylist()}
    # Pair 7 was fetched before a list asked for md5; pair 5 too, and again since then.
    assert reasons == {
        1: "excluded",
        2: None,
        3: "excluded",
        4: None,
        5: None,
        6: "timeout",
        7: "not_compared",
    }
    excluded = pq.read_table(out.with_name("excluded_picture.parquet")).to_pylist()
    assert [(row["pair_id"], row["kind"], row["distance"]) for row in excluded] == [
        (1, "md5", 0),
        (3, "pdq", 31),
    ]


def test_a_score_beyond_a_limit_is_a_reason_and_belongs_to_its_attempt(tmp_path):
    scores = {1: 0.5, 2: 0.51, 3: None, 4: 0.09, 5: 0.9}
    sides = {"original_width": 90, "original_height": 90, "spread": 9.0, "image_part": "p"}
    fetched = rows("fetched", *[{"pair_id": one, "attempt": 1, **sides} for one in scores])
    of_part = {"image_part": "p", "scorer": "nsfw"}
    scored = [{"pair_id": one, "score": score, **of_part} for one, score in scores.items()]
    scored[4]["image_part"] = "another"  # another picture of pair 5
    unlimited = [{**row, "scorer": "beauty", "score": None} for row in scored]
    scorer = rows(
        "scorer",
        {"scorer": "nsfw", "min_score": 0.1, "max_score": 0.5},
        {"scorer": "beauty"},
    )
    pairs = [{"pair_id": one, "url": "u", "caption": "c", "source": "s"} for one in scores]
    out = tmp_path / "verdict.parquet"
    both = rows("scored", *scored, *unlimited)
    engine = DuckEngine(workers=1, quiet=True)
    judge(engine, out, fetched, rows("pair", *pairs), scored=both, scorer=scorer)
    reasons = {row["pair_id"]: row["reason"] for row in pq.read_table(out).to_pylist()}
    assert reasons == {1: None, 2: "image_score", 3: "image_score", 4: "image_score", 5: None}


def test_what_was_recorded_is_obeyed_once_the_settings_say_so(tmp_path):
    """Nothing is fetched again for it: the evidence is there."""
    sides = {"original_width": 90, "original_height": 90, "spread": 9.0, "image_part": "p"}
    fetched = rows("fetched", *[{"pair_id": n, "attempt": 1, **sides} for n in (1, 2, 3)])
    pair = rows("pair", *[{"pair_id": n, "url": "u", "caption": "c"} for n in (1, 2, 3)])
    draft = {"attempt": 1, "signal": "content_usage", "value": "train-ai=n", "place": "header"}
    heard = rows(
        "heard",
        {"pair_id": 1, "refuses": True, **draft},
        {"pair_id": 2, "refuses": False, **draft},
        {"pair_id": 3, "refuses": True, **draft, "attempt": 2},
    )
    engine = DuckEngine(workers=1, quiet=True)
    for chosen, reason in (("record", None), ("obey", "opted_out_content_usage")):
        policy, out = (
            policies(ConsentSettings(content_usage=chosen)),
            tmp_path / f"{chosen}.parquet",
        )
        judge(engine, out, fetched, pair, heard=heard, policy=policy)
        found = [row["reason"] for row in pq.read_table(out).to_pylist()]
        assert found == [reason, None, None]


def test_the_losses_of_a_round_are_counted_by_reason(tmp_path):
    known = {
        "request": rows("request", *[{"round": one // 3, "pair_id": one} for one in range(6)]),
        "verdict": rows(
            "verdict",
            *[
                {"pair_id": one, "reason": "timeout" if one in (0, 1, 5) else None}
                for one in range(5)
            ],
        ),
        "suppressed": rows("suppressed", {"pair_id": 2}),
    }
    out = tmp_path / "round_loss.parquet"
    DuckEngine(workers=1, quiet=True).derive(DERIVE / "round_loss.sql", known, out)
    assert [tuple(row.values()) for row in pq.read_table(out).to_pylist()] == [
        (0, "near_duplicate", 1),
        (0, "timeout", 2),
    ]


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
    judge(engine, out, fetched, pair)
    (row,) = pq.read_table(out).to_pylist()
    assert (row["attempt"], row["reason"]) == (1, None)


def test_the_parts_of_a_request_hold_every_row_once_and_are_named_by_their_rows():
    asked = rows(
        "request", *[{"round": 0, "pair_id": one, "url": "u", "attempt": 1} for one in range(25)]
    )
    parts = cut_request(asked, 10)
    assert [rows.num_rows for _, rows in parts] == [10, 10, 5]
    assert pa.concat_tables([rows for _, rows in parts])["pair_id"].to_pylist() == list(range(25))
    assert parts[0][0] == cut_request(asked.slice(0, 10), 10)[0][0]
    assert TABLES["ask"].schema.names == parts[0][1].schema.names
