"""The labels of what was read by eye are those of what the rules flag today."""

import pytest

from benchmarks.filters import LAION
from benchmarks.privacy import by_eye, flagged, kappa, readings

LABELS = by_eye()


@pytest.mark.skipif(not LAION.exists(), reason="needs ../shared/data: 10,000 captions of LAION")
def test_what_was_read_is_what_is_flagged():
    _, spans_of_row = flagged()
    found = {(row, span.kind) for row, spans in spans_of_row.items() for span in spans}
    read = {key for key, label in LABELS.items() if label in ("right", "wrong")}
    assert found == read
    assert not found & {key for key, label in LABELS.items() if label == "missed"}


def test_three_hundred_others_were_read():
    assert sum(label == "nothing" for label in LABELS.values()) == 299, "one of 300 was missed"


def test_a_second_reading_of_three_hundred_agrees():
    pairs = readings()
    assert len(pairs) == 300
    assert sum(first == second for first, second in pairs) == 300
    assert kappa(pairs) == 1.0


def test_readers_who_differ_agree_less_than_by_chance_or_not_at_all():
    assert kappa([("a", "b"), ("b", "a")]) == -1
    assert kappa([("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")]) == 0
