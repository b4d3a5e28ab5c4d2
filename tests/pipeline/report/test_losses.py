"""The end of a build says what became of its rows, and what most were lost to."""

import pytest

from pipeline.report.losses import became, losses
from queries.engine.duck import DuckEngine
from queries.tables.schemas import PUBLISHED, TABLES
from tests.tables import build_row, rows


def lines(*lost: tuple[str, str, int], came: dict[str, int], samples: int = 1) -> list[str]:
    """What is said of a build that lost so many rows of a stage for a reason."""
    return losses(DuckEngine(quiet=True), tables_of(*lost, came=came, samples=samples))


def tables_of(*lost: tuple[str, str, int], came: dict[str, int], samples: int = 1) -> dict:
    """The tables of such a build."""
    tables = {name: TABLES[name].empty() for name in PUBLISHED}
    dropped = [
        {"pair_id": n, "stage": stage, "reason": reason}
        for stage, reason, many in lost
        if stage != "fetch"
        for n in range(many)
    ]
    outcomes = [
        {"pair_id": n, "reason": reason}
        for stage, reason, many in lost
        if stage == "fetch"
        for n in range(many)
    ]
    stages = [{"stage": stage, "rows_in": n} for stage, n in came.items()]
    tables |= {"drop": rows("drop", *dropped), "outcome": rows("outcome", *outcomes)}
    tables |= {"stage": rows("stage", *stages), "build": build_row()}
    tables["sample"] = rows("sample", *[{"pair_id": n} for n in range(samples)])
    return tables


def test_pictures_of_which_most_timed_out_are_told_with_the_cure():
    assert lines(("fetch", "timeout", 6), ("fetch", "not_found", 4), came={"fetch": 10}) == [
        "6 of 10 pictures asked for: timeout (no whole answer within the deadline); "
        "--retry timeout asks again"
    ]


def test_columns_that_are_swapped_are_told_and_that_nothing_is_left():
    assert lines(("collect", "url_invalid", 3), came={"collect": 3}, samples=0) == [
        "every row: the build has 0 samples",
        "3 of 3 rows read: url_invalid (address that is no http or https URL with a host)",
    ]


@pytest.mark.parametrize(
    ("lost", "came"),
    [
        ([], {"collect": 9, "fetch": 9}),
        ([("fetch", "timeout", 4), ("fetch", "not_found", 4)], {"fetch": 9}),  # neither is most
        ([("fetch", "not_needed", 9)], {"fetch": 9}),
        ([("filter", "wrong_language", 8)], {"filter": 9}),  # as the settings ask
        ([("match", "no_query", 8)], {"match": 9}),
    ],
)
def test_losses_to_several_reasons_or_to_the_settings_are_not_told(lost, came):
    assert lines(*lost, came=came) == []


def test_a_rule_that_takes_all_but_everything_is_told():
    (line,) = lines(("filter", "caption_too_short", 9), came={"filter": 9})
    assert line.startswith("9 of 9 candidates: caption_too_short (fewer words or characters than")


def test_the_end_of_a_build_names_the_three_largest_reasons_of_all_stages():
    lost = [
        ("filter", "wrong_language", 5),
        ("match", "no_query", 3),
        ("fetch", "timeout", 4),
        ("pool", "url_seen", 1),
    ]
    tables = tables_of(*lost, came={"collect": 16}, samples=4)
    assert became(DuckEngine(quiet=True), tables) == [
        "  rows     16 candidates, 4 kept as samples (25.0%)",
        "  lost to  wrong_language 5, timeout 4, no_query 3",
    ]


def test_a_build_that_lost_nothing_says_so():
    assert became(DuckEngine(quiet=True), tables_of(came={"collect": 1}))[1] == "  lost to  nothing"


def test_a_source_that_gave_no_pair_is_told_with_what_most_of_it_was_lost_to():
    tables = tables_of(came={"collect": 9})
    tables["pair"] = rows("pair", {"source": "table"})
    lost = [("crawl", "not_a_page")] * 2 + [("crawl", "revisited"), ("table", "url_missing")]
    tables["drop"] = rows(
        "drop", *[{"source": name, "stage": "collect", "reason": why} for name, why in lost]
    )
    assert losses(DuckEngine(quiet=True), tables, ["table", "crawl"]) == [
        "source crawl: it gave no pair; 2 of its 3 rows: not_a_page "
        "(crawled answer that is no HTML: a picture, a script, a feed)"
    ]


def test_a_source_that_gave_no_row_is_told():
    tables = tables_of(("filter", "wrong_language", 1), came={"filter": 9})
    tables["pair"] = rows("pair", {"source": "here"})
    told = losses(DuckEngine(quiet=True), tables, ["here", "there"])
    assert told == ["source there: it gave no row"]
