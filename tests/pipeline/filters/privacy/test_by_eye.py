"""The labels of what was read by eye are those of what the rules flag today."""

import pytest

from benchmarks.filters import LAION
from benchmarks.privacy import by_eye, flagged

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
