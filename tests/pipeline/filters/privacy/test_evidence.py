"""What a build does about personal data: counted, masked or dropped, and joined again."""

import pyarrow as pa
import pytest

from pipeline.filters.privacy.evidence import personal_rows
from pipeline.filters.rows import filter_pairs
from pipeline.settings.privacy import PrivacySettings
from pipeline.settings.whole import FilterSettings
from pipeline.sources.candidate import Raw, candidates
from queries.tables.reasons import PERSONAL, REASONS
from queries.tables.schemas import TABLES

MAIL, PHONE = "a water for erika.m@example.org", "or ask 030 1234567"
RAWS = [
    Raw("http://a.example/1.jpg", f"{MAIL} {PHONE}"),
    Raw("http://a.example/2.jpg", "a red house by the sea"),
    Raw("http://a.example/max%40example.org/3.jpg", "a blue boat"),
    Raw("http://a.example/4.jpg", "a green tree © Erika Muster"),
]


def run(privacy: PrivacySettings) -> tuple[list[dict], list[dict], list[dict]]:
    """The candidates, what the filters make of them, and the rows of `personal`."""
    batches = list(candidates(RAWS, "mine", 0))
    filtered = list(filter_pairs(iter(batches), FilterSettings(), privacy=privacy))
    personal = [row for batch in personal_rows(iter(filtered)) for row in batch.to_pylist()]
    return rows_of(batches), rows_of(filtered), personal


def rows_of(batches: list[pa.RecordBatch]) -> list[dict]:
    return [row for batch in batches for row in batch.to_pylist()]


def told(personal: list[dict]) -> list[tuple]:
    return [(row["place"], row["kind"], row["n"], row["shown"]) for row in personal]


FOUND = [
    ("caption", "email", 1, "e****.m@e******.o**"),
    ("caption", "phone", 1, "### #######"),
    ("url", "email", 1, "m**@e******.o**"),
    ("caption", "copyright", 1, "© E**** M*****"),
]


def test_who_sets_nothing_loses_nothing_and_learns_what_is_there():
    candidate, filtered, personal = run(PrivacySettings())
    assert told(personal) == FOUND
    assert {row["policy"] for row in personal} == {"count"}
    assert [row["reason"] for row in filtered] == [None] * 4
    assert [row["caption"] for row in filtered] == [row["caption"] for row in candidate]


def test_a_masked_caption_keeps_the_id_of_its_source_row():
    candidate, filtered, personal = run(PrivacySettings(email="mask"))
    assert told(personal) == FOUND
    by_id = {row["pair_id"]: row["caption"] for row in candidate}
    assert [by_id[row["pair_id"]] for row in filtered] == [raw.caption for raw in RAWS]
    assert filtered[0]["caption"] == f"a water for *** {PHONE}"
    assert [row["reason"] for row in filtered] == [None] * 4, "an address cannot be masked"


def test_what_is_dropped_has_its_reason_and_is_listed_without_what_was_found():
    _, filtered, _ = run(PrivacySettings(email="drop", copyright="drop"))
    assert [row["reason"] for row in filtered] == [
        *("personal_email", None, "personal_email", "personal_copyright"),
    ]
    assert filtered[0]["caption"] == f"a water for *** {PHONE}"
    assert filtered[3]["caption"] == RAWS[3].caption, "a notice of rights is never taken off"


def test_each_kind_has_a_reason_and_a_policy():
    assert {f"personal_{kind}" for kind in PrivacySettings.model_fields} == set(PERSONAL)
    assert set(PERSONAL) <= set(REASONS)


def test_a_notice_of_copyright_cannot_be_masked():
    with pytest.raises(ValueError, match="'count' or 'drop'"):
        PrivacySettings.model_validate({"copyright": "mask"})


def test_what_other_rules_drop_is_not_searched():
    batches = list(candidates([Raw("http://a.example/1.jpg", "erika@example.org")], "mine", 0))
    (filtered,) = filter_pairs(iter(batches), FilterSettings(), privacy=PrivacySettings())
    assert filtered["reason"].to_pylist() == ["caption_is_url"]
    assert next(personal_rows(iter([filtered]))).num_rows == 0


def test_the_rows_fit_their_table():
    _, _, personal = run(PrivacySettings())
    assert TABLES["personal"].check(
        pa.RecordBatch.from_pylist(personal, TABLES["personal"].schema)
    ).num_rows == len(FOUND)
