"""The audits of personal data."""

from tests.queries.audit.test_found import values
from tests.tables import rows

MAIL = {"place": "caption", "kind": "email", "n": 1, "shown": "e****@e******.o**"}
PERSONAL = rows(
    "personal",
    {"pair_id": 1, **MAIL, "policy": "drop"},
    {"pair_id": 2, **MAIL, "policy": "drop"},
    {"pair_id": 2, "place": "caption", "kind": "phone", "shown": "### ###", "policy": "mask"},
    {"pair_id": 3, "place": "url", "kind": "account", "shown": "x.c**/e****", "policy": "count"},
)
DROP = rows(
    "drop",
    {"pair_id": 1, "stage": "filter", "reason": "personal_email"},
    {"pair_id": 2, "stage": "filter", "reason": "personal_email"},
    {"pair_id": 2, "stage": "filter", "reason": "personal_email"},
)
SAMPLE = rows("sample", {"pair_id": 3})


def test_personal_data_by_kind_with_what_was_lost_and_kept():
    assert values("personal", personal=PERSONAL, drop=DROP, sample=SAMPLE) == [
        ("account", "url", "count", 1, 0, 1),
        ("email", "caption", "drop", 2, 2, 0),
        ("phone", "caption", "mask", 1, 0, 0),
    ]


def test_examples_are_shapes():
    assert values("personal_examples", personal=PERSONAL, sample=SAMPLE) == [
        ("account", "url", "x.c**/e****", 1, 1),
        ("email", "caption", "e****@e******.o**", 2, 0),
        ("phone", "caption", "### ###", 1, 0),
    ]
