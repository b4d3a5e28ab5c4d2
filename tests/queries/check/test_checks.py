"""Checks: given rows and the rows at fault; and a build broken in each way, which each must see."""

import io
import json
import random
import shutil
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.publish.version import publish
from queries.__main__ import main
from queries.questions import names
from queries.tables.manifest import list_files
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from queries.tables.tars import with_places
from tests.queries.asking import ask, of_folder
from tests.tables import build_row, rows

STAGES = [
    {"stage": "collect", "rows_in": 9, "rows_kept": 8, "rows_dropped": 1},
    {"stage": "filter", "rows_in": 8, "rows_kept": 6, "rows_dropped": 2},
    {"stage": "pool", "rows_in": 6, "rows_kept": 6},
    {"stage": "match", "rows_in": 6, "rows_kept": 6},
    {"stage": "select", "rows_in": 6, "rows_kept": 6},
    {"stage": "fetch", "rows_in": 6, "rows_kept": 6},
    {"stage": "pack", "rows_in": 6, "rows_kept": 6},
]


def test_rows_that_add_up_pass():
    assert ask("check", "rows_add_up", stage=rows("stage", *STAGES)) == []


def test_of_a_query_list_alone_only_the_reading_must_add_up():
    read = {"stage": "read", "part": "0", "rows_in": 5, "rows_kept": 3, "rows_dropped": 2}
    assert ask("check", "rows_add_up", stage=rows("stage", read)) == []
    assert len(ask("check", "rows_add_up", stage=rows("stage", {**read, "rows_kept": 4}))) == 1
    assert len(ask("check", "rows_add_up", stage=rows("stage"))) == 6


@pytest.mark.parametrize(
    ("place", "change", "fault"),
    [
        (1, {"rows_dropped": 1}, "filter"),
        (2, {"rows_in": 5, "rows_kept": 5}, "filter to pool"),
        (6, {"rows_in": 7, "rows_kept": 7}, "fetch to pack"),
    ],
)
def test_a_vanished_row_is_found(place, change, fault):
    broken = [{**row, **change} if n == place else row for n, row in enumerate(STAGES)]
    found = ask("check", "rows_add_up", stage=rows("stage", *broken))
    assert fault in [row["place"] for row in found]


def test_a_query_over_the_cap_is_found():
    kept = rows("kept_match", *[{"pair_id": one, "query_id": 7} for one in range(3)])
    assert ask("check", "no_query_over_the_cap", kept_match=kept) == [
        {"query_id": 7, "kept": 3, "cap": 2}
    ]


def test_a_shard_with_another_number_of_samples_than_rows_is_found():
    now = [
        {"path": "shards/00000.tar", "members": 5},
        {"path": "shards/00000.parquet", "rows": 5},
        {"path": "shards/00001.tar", "members": 4},
        {"path": "shards/00001.parquet", "rows": 5},
        {"path": "shards/00002.tar", "members": 4},
        {"path": "shards/00003.tar", "members": 4},
        {"path": "shards/00003.parquet", "rows": 4},
    ]
    was = [{**one, "members": 5} if "00003" in one["path"] else one for one in now]
    given = {"file_now": rows("file_now", *now), "file": rows("file", *was)}
    found = ask("check", "shard_rows_are_its_samples", **given)
    assert [row["shard"] for row in found] == ["shards/00001", "shards/00002", "shards/00003"]


def test_changed_missing_and_foreign_files_are_found():
    was = rows("file", *[{"path": one, "sha256": "a"} for one in ("same", "changed", "gone")])
    now = rows(
        "file_now",
        {"path": "same", "sha256": "a"},
        {"path": "changed", "sha256": "b"},
        {"path": "foreign", "sha256": "c"},
    )
    found = ask("check", "files_are_as_published", file=was, file_now=now)
    assert {row["path"]: row["fault"] for row in found} == {
        "changed": "changed",
        "foreign": "not published",
        "gone": "missing",
    }


def test_files_of_which_the_manifest_says_something_else_are_found():
    was = rows("file", *[{"path": one, "sha256": "a", "rows": 1} for one in ("same", "other")])
    given = [{"path": "same", "sha256": "a", "bytes": 0, "rows": 1}]
    given += [{"path": "other", "sha256": "a", "bytes": 0, "rows": 2}, {"path": "more"}]
    listed = of_folder("manifest_file", *given)
    found = ask("check", "manifest_lists_the_files", file=was, manifest_file=listed)
    assert [(row["path"], row["fault"]) for row in found] == [
        ("more", "in the manifest alone"),
        ("other", "differs"),
    ]


def test_kept_pairs_samples_and_outcomes_that_lack_each_other_are_found():
    found = ask(
        "check",
        "every_kept_pair_is_a_sample",
        kept_match=rows("kept_match", {"pair_id": 1, "query_id": 0}, {"pair_id": 5}),
        sample=rows("sample", {"pair_id": 4}, {"pair_id": 5}),
        outcome=rows("outcome", {"pair_id": 5, "reason": "timeout"}, {"pair_id": 6}),
    )
    assert [(row["pair_id"], row["fault"]) for row in found] == [
        (1, "kept, but no sample"),
        (4, "a sample, but never asked for"),
        (4, "a sample, but no query kept it"),
        (5, "a sample, but dropped: timeout"),
        (6, "its outcome is kept, but no query kept it"),
    ]


def test_a_pair_without_a_match_is_found():
    pair = rows("pair", {"pair_id": 1}, {"pair_id": 2, "caption": "alone"})
    match = rows("match", {"pair_id": 1, "query_id": 0})
    found = ask("check", "every_pair_has_a_match", pair=pair, match=match)
    assert found == [{"pair_id": 2, "caption": "alone"}]


def test_matches_without_pair_or_query_and_kept_ones_that_are_none_are_found():
    found = ask(
        "check",
        "every_match_has_its_pair_and_query",
        pair=rows("pair", {"pair_id": 1, "priority": 7}),
        query=rows("query", {"query_id": 0}, {"query_id": 1}),
        match=rows(
            "match",
            {"pair_id": 1, "query_id": 0, "priority": 7},
            {"pair_id": 1, "query_id": 1, "priority": 8},
            {"pair_id": 1, "query_id": 3, "priority": 7},
            {"pair_id": 9, "query_id": 0},
        ),
        kept_match=rows("kept_match", {"pair_id": 2, "query_id": 0}),
    )
    assert [tuple(row.values()) for row in found] == [
        (1, 1, "another priority than its pair"),
        (1, 3, "a match of no query"),
        (2, 0, "kept, but no match"),
        (9, 0, "a match of no pair"),
    ]


def test_keys_that_stand_twice_are_found():
    found = ask(
        "check",
        "no_key_twice",
        pair=rows("pair", {"pair_id": 1}, {"pair_id": 1}),
        query=rows(
            "query",
            {"query_id": 3, "language": "en", "text": "a"},
            {"query_id": 4, "language": "en", "text": "a"},
            {"query_id": 5, "language": "de", "text": "a"},
        ),
        attempt=rows("attempt", *[{"pair_id": 2, "attempt": 1}] * 3),
        input_file=rows("input_file", *[{"input": "views", "reason": "bad_line"}] * 2),
    )
    assert [tuple(row.values()) for row in found] == [
        ("attempt", "2 1", 3),
        ("input_file", " views 0 bad_line", 2),
        ("pair", "1", 2),
        ("query, by text", "en a", 2),
    ]


def test_a_survivor_left_out_of_a_short_query_is_found_unless_rounds_were_cut():
    given = {
        "match": rows("match", {"pair_id": 1, "query_id": 0}, {"pair_id": 2, "query_id": 0}),
        "kept_match": rows("kept_match", {"pair_id": 1, "query_id": 0}),
        "outcome": rows("outcome", {"pair_id": 1}, {"pair_id": 2}),
    }
    name = "every_query_is_full_or_out_of_survivors"
    assert [row["query_id"] for row in ask("check", name, **given)] == [0]
    assert ask("check", name, **given, unsettled=rows("unsettled", {"query_id": 0})) == []
    given["outcome"] = rows("outcome", {"pair_id": 1}, {"pair_id": 2, "reason": "timeout"})
    assert ask("check", name, **given) == []


@pytest.mark.parametrize(
    ("outcome", "fault"),
    [
        ([{"pair_id": 1}], "survived"),
        ([{"pair_id": 1, "reason": "not_needed"}], "survived"),
        ([], "never asked for"),
        ([{"pair_id": 1, "reason": "timeout"}], None),
        ([{"pair_id": 1, "reason": "near_duplicate"}], None),
    ],
)
def test_an_earlier_survivor_that_a_query_passed_over_is_found(outcome, fault):
    found = ask(
        "check",
        "no_survivor_is_passed_over",
        match=rows("match", *[{"pair_id": n, "query_id": 0, "priority": n} for n in (1, 2, 3)]),
        kept_match=rows("kept_match", {"pair_id": 2, "query_id": 0}),
        outcome=rows("outcome", {"pair_id": 2}, *outcome),
    )
    assert [(row["pair_id"], row["fault"]) for row in found] == ([(1, fault)] if fault else [])


def test_what_a_stage_states_is_what_the_tables_hold():
    drop = rows("drop", {"pair_id": 1, "stage": "filter", "reason": "wrong_language"})
    stage = rows("stage", {"stage": "filter", "rows_dropped": 2}, {"stage": "match"})
    found = ask(
        "check", "stages_match_tables", stage=stage, drop=drop, pair=rows("pair", {"pair_id": 5})
    )
    assert [tuple(row.values()) for row in found] == [
        ("filter", "dropped", 2, 1),
        ("match", "kept", 0, 1),
        ("select", "dropped", 0, 1),
    ]


def test_pages_that_the_input_files_do_not_account_for_are_found():
    stage = rows("stage", {"stage": "read", "rows_kept": 3, "rows_dropped": 2})
    files = [
        {"input": "articles", "n": 2},
        {"input": "articles", "number": 1, "n": 1},
        {"input": "articles", "number": 1, "reason": "redirect", "n": 1},
        {"input": "views", "n": 70},
    ]
    found = ask("check", "stages_match_tables", stage=stage, input_file=rows("input_file", *files))
    assert [tuple(row.values()) for row in found] == [("read", "dropped", 2, 1)]
    # Builds of 0.1.0 lack the table.
    assert ask("check", "stages_match_tables", stage=stage) == []


def test_an_input_file_that_gave_nothing_is_found():
    files = [
        {"input": "articles", "file": "a.xml", "n": 2},
        {"input": "articles", "file": "a.xml", "reason": "redirect", "n": 9},
        {"input": "views", "file": "a.gz", "reason": "other_wiki", "n": 9},
        {"input": "views", "number": 1, "file": "b.gz", "n": 1},
        {"input": "wordnet", "file": "c.xml", "reason": "no_lemma", "n": 1},
    ]
    found = ask("check", "every_input_file_gave_rows", input_file=rows("input_file", *files))
    assert [(row["input"], row["file"]) for row in found] == [
        ("views", "a.gz"),
        ("wordnet", "c.xml"),
    ]


def test_samples_whose_bytes_are_missing_or_others_are_found():
    sample = rows("sample", *[{"key": one, "image_bytes": 9} for one in "abcdef"])
    whole = {"shard": "shards/00000", "image_bytes": 9, "caption_bytes": 1, "row_bytes": 1}
    changed: dict[str, dict] = {
        "a": {},
        "b": {"image_bytes": 0},
        "c": {"image_bytes": 8},
        "d": {"caption_bytes": None},
        "e": {"row_bytes": None},
        "g": {},
    }
    members = [{**whole, **change, "key": key} for key, change in changed.items()]
    listed = of_folder("member_now", *members, members[0])
    found = ask("check", "every_sample_has_its_bytes", sample=sample, member_now=listed)
    assert [(row["key"], row["fault"]) for row in found] == [
        ("a", "in the tars more than once"),
        ("b", "no picture"),
        ("c", "a picture of another size"),
        ("d", "no caption"),
        ("e", "no row"),
        ("f", "in no tar"),
        ("g", "in a tar, but no sample"),
    ]


def test_a_sample_that_says_something_else_than_its_pair_is_found():
    pair = rows("pair", {"pair_id": 1, "license": "cc0"}, {"pair_id": 2}, {"pair_id": 3})
    sample = rows("sample", {"pair_id": 1}, {"pair_id": 2}, {"pair_id": 3, "caption": "new"})
    assert ask("check", "samples_repeat_their_pairs", pair=pair, sample=sample) == [
        {"pair_id": 1, "fault": "license or page_url"},
        {"pair_id": 3, "fault": "caption"},
    ]


PRIVATE = [
    *("localhost", "printer", "127.0.0.1:8080", "10.1.2.3", "172.16.0.1", "172.31.0.1"),
    *("192.168.0.9", "169.254.169.254", "100.64.0.1", "0.0.0.0", "[::1]:80", "[fe80::1]"),
    *("2130706433", "0x7f.1", "0177.0.0.1", "127.1", "nas.local", "a.internal.", "LOCALHOST"),
    *("example.org@10.0.0.1", "a:b@127.0.0.1", "[::ffff:10.0.0.1]", "[fd00::1]"),
]
PUBLIC = [
    *("example.org", "172.32.0.1", "172.15.0.1", "100.63.0.1", "100.128.0.1", "11.0.0.1"),
    *("192.169.0.1", "10.example.org", "127.org", "local.example.org", "a@example.org", "8.8.8.8"),
    "[2001:4860:4860::8888]",
]


@pytest.mark.parametrize("private", [True, False])
def test_hosts_of_private_networks_are_found_and_public_ones_are_not(private):
    hosts = PRIVATE if private else PUBLIC
    pair = rows("pair", *[{"pair_id": n, "url": f"http://{h}/a"} for n, h in enumerate(hosts)])
    found = {row["pair_id"] for row in ask("check", "no_private_host", pair=pair)}
    assert [hosts[n] for n in found] == (PRIVATE if private else [])
    allowed = of_folder("setting", {"name": "filters.allow_private_hosts", "value": "true"})
    assert ask("check", "no_private_host", pair=pair, setting=allowed) == []


def test_samples_that_were_excluded_or_opted_out_are_found():
    urls = ["http://A.shop.example:80/x", "http://notshop.example/y", "http://example.net/z"]
    found = ask(
        "check",
        "no_opted_out_pair",
        sample=rows("sample", *[{"pair_id": n, "url": url} for n, url in enumerate(urls)]),
        exclusion=rows(
            "exclusion",
            {"kind": "host", "value": "shop.example"},
            {"kind": "pair_id", "value": "2"},
        ),
        attempt=rows(
            "attempt",
            {"pair_id": 0, "attempt": 1, "reason": "opted_out"},
            {"pair_id": 0, "attempt": 2},
            {"pair_id": 1, "attempt": 1, "reason": "robots"},
        ),
        drop=rows("drop", {"pair_id": 2, "stage": "pool", "reason": "excluded"}),
    )
    assert [(row["pair_id"], row["cause"]) for row in found] == [
        (0, "excluded host shop.example"),
        (1, "robots"),
        (2, "dropped as excluded"),
        (2, "excluded pair_id"),
    ]


def test_a_sample_near_a_picture_that_is_excluded_is_found():
    found = ask(
        "check",
        "no_evaluation_leak",
        sample=rows(
            "sample",
            {"pair_id": 1, "sha256": "aa", "phash": 0b1011},
            {"pair_id": 2, "sha256": "bb", "phash": -1},
            {"pair_id": 3, "sha256": "cc", "phash": 0b0101},
        ),
        exclusion=rows(
            "exclusion",
            {"kind": "sha256", "value": "bb", "why": "test set"},
            {"kind": "phash", "value": "0", "phash": 0b1111, "radius": 1},
        ),
    )
    assert [(row["pair_id"], row["kind"], row["distance"]) for row in found] == [
        (1, "phash", 1),
        (2, "sha256", 0),
    ]


def test_a_sample_whose_counted_attempt_a_list_names_by_md5_or_pdq_is_found():
    found = ask(
        "check",
        "no_evaluation_leak",
        sample=rows("sample", *[{"pair_id": n, "sha256": f"{n}"} for n in (1, 2, 3)]),
        outcome=rows("outcome", *[{"pair_id": n, "attempt": 2} for n in (1, 2, 3)]),
        exclusion=rows(
            "exclusion",
            {"kind": "md5", "value": "aa", "why": "partner"},
            {"kind": "pdq", "value": "bb", "radius": 31},
            {"kind": "pdq", "value": "cc", "radius": 3},
        ),
        excluded_picture=rows(
            "excluded_picture",
            {"pair_id": 1, "attempt": 2, "kind": "md5", "value": "aa"},
            {"pair_id": 2, "attempt": 1, "kind": "md5", "value": "aa"},  # of another attempt
            {"pair_id": 2, "attempt": 2, "kind": "pdq", "value": "bb", "distance": 30},
            {"pair_id": 3, "attempt": 2, "kind": "pdq", "value": "cc", "distance": 4},
        ),
    )
    assert [(row["pair_id"], row["kind"], row["why"], row["distance"]) for row in found] == [
        (1, "md5", "partner", 0),
        (2, "pdq", None, 30),
    ]


def test_no_picture_within_a_radius_escapes_the_bytes_that_are_compared():
    chance = random.Random(0)
    hashes = [chance.getrandbits(64) - (1 << 63) for _ in range(40)]
    sample = rows("sample", *[{"pair_id": n, "phash": one} for n, one in enumerate(hashes)])
    named = []
    for n in range(280):
        flipped = sum(1 << bit for bit in chance.sample(range(63), n % 8))
        near = {"phash": hashes[n % 40] ^ flipped, "radius": n % 7}
        named.append({"kind": "phash", "value": f"{n:03}", **near})
    found = ask("check", "no_evaluation_leak", sample=sample, exclusion=rows("exclusion", *named))
    assert [(row["pair_id"], row["value"], row["distance"]) for row in found] == [
        (pair_id, one["value"], distance)
        for pair_id, phash in enumerate(hashes)
        for one in named
        if (distance := ((phash ^ one["phash"]) & ((1 << 64) - 1)).bit_count()) <= one["radius"]
    ]
    assert len(found) > 100


# --- one small whole build, broken in each way -------------------------------------------------
# Cap 2. Query 0 keeps pairs 1 and 2 and is full; query 1 keeps 2, and lost 3.
PAIRS = [
    {"pair_id": n, "priority": n, "url": f"http://example.org/{n}.jpg", "caption": f"a dog {n}"}
    for n in (1, 2, 3)
]
MATCHES = [(1, 0), (2, 0), (3, 0), (2, 1), (3, 1)]
KEPT = [(1, 0), (2, 0), (2, 1)]


def key(pair_id: int) -> str:
    return f"{pair_id:016x}"


def whole_tables() -> dict[str, list[dict]]:
    """Rows of every table of the build."""
    asked = [{"pair_id": 1}, {"pair_id": 2}, {"pair_id": 3, "reason": "timeout"}]
    kept, drop = {"rows_in": 3, "rows_kept": 3}, {"rows_in": 4, "rows_kept": 3, "rows_dropped": 1}
    return {
        "query": [{"query_id": 0, "text": "dog"}, {"query_id": 1, "text": "a dog"}],
        "exclusion": [
            {"kind": "host", "value": "shop.example"},
            {"kind": "phash", "value": "f" * 16, "phash": -1, "radius": 2},
        ],
        "pair": [dict(one) for one in PAIRS],
        "match": [{"pair_id": p, "query_id": q, "priority": p} for p, q in MATCHES],
        "kept_match": [{"pair_id": p, "query_id": q} for p, q in KEPT],
        "attempt": [{**one, "attempt": 1} for one in asked],
        "outcome": [{**one, "attempt": 1} for one in asked],
        "drop": [{"pair_id": 9, "stage": "filter", "reason": "wrong_language"}],
        "stage": [
            {"stage": "collect", "part": "all", "rows_in": 4, "rows_kept": 4},
            {"stage": "filter", "part": "all", **drop},
            *({"stage": one, "part": "all", **kept} for one in ("pool", "match", "select")),
            {"stage": "fetch", "part": "all", "rows_in": 3, "rows_kept": 2, "rows_dropped": 1},
            {"stage": "pack", "part": "all", "rows_in": 2, "rows_kept": 2},
        ],
        "sample": [
            {**PAIRS[n - 1], "key": key(n), "image_bytes": 10 + n, "phash": n} for n in (1, 2)
        ],
    }


def make(folder: Path, tables: dict[str, list[dict]]) -> Path:
    """Publish the rows as a build of one shard, its tar as the rows of `sample` first were."""
    shard = folder / "shard.parquet"
    with tarfile.open(shard.with_suffix(".tar"), "w") as tar:
        for row in whole_tables()["sample"]:
            for suffix, size in (("jpg", row["image_bytes"]), ("txt", 7), ("json", 2)):
                member = tarfile.TarInfo(f"{row['key']}.{suffix}")
                member.size = size
                tar.addfile(member, io.BytesIO(b"x" * size))
    sample = with_places(rows("sample", *tables["sample"]), shard.with_suffix(".tar"))
    write_part(shard, TABLES["sample"], sample.to_batches())
    published: dict[str, list[Path] | pa.Table] = {
        name: rows(name, *of) for name, of in tables.items() if name != "sample"
    }
    published["build"] = build_row(cap=2)
    return publish(folder / "wit", "v1", published, [shard], {"settings": {"cap": 2}})


def failed(build: Path, capsys) -> set[str]:
    """The checks that fail, and that the command's exit code says so."""
    code = main(["check", "--build", str(build), "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    faulty = {name for name, faults in found.items() if faults}
    assert code == int(bool(faulty))
    return faulty


def changed_row(table: str, place: int, **change: object):
    def change_row(tables: dict[str, list[dict]]) -> None:
        tables[table][place].update(change)

    return change_row


def added(table: str, **row: object):
    return lambda tables: tables.setdefault(table, []).append(row)


def removed(table: str, place: int):
    return lambda tables: tables[table].pop(place)


BROKEN_ROWS = [
    ("every_input_file_gave_rows", added("input_file", input="views", reason="bad_line", n=5)),
    ("every_kept_pair_is_a_sample", removed("sample", 1)),
    ("every_match_has_its_pair_and_query", added("match", pair_id=8, query_id=0)),
    ("every_match_has_its_pair_and_query", added("match", pair_id=3, query_id=7, priority=3)),
    ("every_pair_has_a_match", added("pair", pair_id=5, url="http://example.org/5")),
    ("every_query_is_full_or_out_of_survivors", removed("kept_match", 2)),
    ("every_sample_has_its_bytes", changed_row("sample", 0, image_bytes=99)),
    ("every_sample_has_its_bytes", changed_row("sample", 0, key=key(77))),
    ("no_evaluation_leak", changed_row("sample", 0, phash=-4)),
    ("no_key_twice", added("pair", **PAIRS[0])),
    ("no_opted_out_pair", changed_row("sample", 0, url="http://cdn.shop.example/1.jpg")),
    ("no_opted_out_pair", added("attempt", pair_id=1, attempt=2, reason="opted_out")),
    ("no_private_host", changed_row("pair", 2, url="http://192.168.1.1/3.jpg")),
    ("no_query_over_the_cap", added("kept_match", pair_id=3, query_id=0)),
    ("no_survivor_is_passed_over", removed("kept_match", 0)),
    ("no_sample_beyond_a_score_limit", added("scorer", scorer="nsfw", max_score=0.5)),
    (
        "nothing_taken_down_is_left",
        added("drop", pair_id=1, stage="collect", reason="taken_down", url="", caption=""),
    ),
    ("rows_add_up", changed_row("stage", 1, rows_in=5)),
    ("rows_add_up", removed("stage", 3)),
    ("samples_repeat_their_pairs", changed_row("sample", 0, license="CC0")),
    ("shard_rows_are_its_samples", removed("sample", 0)),
    ("stages_match_tables", removed("drop", 0)),
]


@pytest.mark.parametrize(("check", "break_rows"), BROKEN_ROWS)
def test_a_build_of_broken_rows_fails_the_right_check(tmp_path, capsys, check, break_rows):
    tables = whole_tables()
    break_rows(tables)
    assert check in failed(make(tmp_path, tables), capsys)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("whole"), whole_tables())


@pytest.fixture
def copy(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "v1"))


def test_a_whole_build_passes_every_check(whole, capsys):
    assert failed(whole, capsys) == set()


def test_a_build_of_the_first_version_is_not_asked_where_its_pictures_are(copy, capsys):
    path = copy / "shards/00000.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["offset", "bytes"]), path)
    assert main(["check", "--build", str(copy)]) == 1  # its file is another
    printed = capsys.readouterr()
    assert "made by 0.1.0, not asked: every_picture_is_at_its_offset" in printed.err
    assert "every_picture_is_at_its_offset" not in printed.out
    assert "cannot_be_asked" not in printed.out


def damage_manifest(build: Path) -> None:
    about = json.loads((build / "manifest.json").read_text())
    shard = next(one for one in about["files"] if one["path"].endswith(".tar"))
    shard["members"] += 1
    (build / "manifest.json").write_text(json.dumps(about))


def cut_tar(build: Path) -> None:
    shard = build / "shards/00000.tar"
    shard.write_bytes(shard.read_bytes()[:1_000])


def forge_table(build: Path) -> None:
    """Change a table and the table of files with it: only the manifest knows better."""
    write_part(build / "tables/drop/00000.parquet", TABLES["drop"], [])
    listed = pa.Table.from_pylist(list(list_files(build)), TABLES["file"].schema)
    write_part(build / "tables/file/00000.parquet", TABLES["file"], listed.to_batches())


def empty_table(build: Path) -> None:
    (build / "tables/pair/00000.parquet").write_bytes(b"")


def misplace_pictures(build: Path) -> None:
    path = build / "shards/00000.parquet"
    sample = pq.read_table(path)
    offsets = pa.array([offset + 512 for offset in sample["offset"].to_pylist()])
    place = sample.column_names.index("offset")
    pq.write_table(sample.set_column(place, sample.schema.field(place), offsets), path)


BROKEN_FILES = [
    ("every_picture_is_at_its_offset", misplace_pictures),
    ("manifest_lists_the_files", damage_manifest),
    ("manifest_lists_the_files", forge_table),
    ("files_are_as_published", cut_tar),
    ("every_sample_has_its_bytes", cut_tar),
    ("shard_rows_are_its_samples", lambda build: (build / "shards/00000.tar").unlink()),
    ("files_are_as_published", lambda build: (build / "shards/00001.tar").write_bytes(b"new")),
    ("files_are_as_published", empty_table),
    ("every_pair_has_a_match", empty_table),  # nobody can tell
]


@pytest.mark.parametrize(("check", "break_files"), BROKEN_FILES)
def test_a_build_of_broken_files_fails_the_right_check(copy, capsys, check, break_files):
    break_files(copy)
    assert check in failed(copy, capsys)


def test_every_check_is_seen_to_fail():
    assert {check for check, _ in BROKEN_ROWS + BROKEN_FILES} == set(names("check"))


def test_a_failed_check_names_the_first_rows_at_fault(copy, capsys):
    cut_tar(copy)
    assert main(["check", "every_sample_has_its_bytes", "--build", str(copy)]) == 1
    shown = capsys.readouterr().out
    assert "FAILED: 2 rows" in shown
    assert key(2) in shown
    assert "in no tar" in shown


def test_every_table_that_questions_name_is_declared():
    assert {"file_now", "member_now", "setting", "manifest_file"} <= set(TABLES)
