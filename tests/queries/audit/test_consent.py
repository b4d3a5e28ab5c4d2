"""The audits of consent: who said what, what it cost, and what was kept all the same."""

from tests.queries.audit.test_found import values
from tests.tables import rows

A, B = "http://a.org/robots.txt", "http://b.org/1.jpg"
CONSENT = rows(
    "consent",
    *[
        {"pair_id": n, "signal": "content_signal", "value": "ai-train=no", "refuses": True,
         "place": "robots.txt", "url": A, "policy": "obey"}
        for n in (1, 2)
    ],
    {"pair_id": 3, "signal": "content_usage", "value": "train-ai=n", "refuses": True,
     "place": "header", "url": B, "policy": "record"},
    {"pair_id": 4, "signal": "tdm_reservation", "value": "0", "refuses": False,
     "place": "header", "url": B, "policy": "obey"},
    {"pair_id": 5, "signal": "robots_tag", "value": "noai", "refuses": True,
     "place": "page", "url": "http://c.org/p", "policy": "obey"},
)  # fmt: skip
OUTCOME = rows(
    "outcome",
    {"pair_id": 1, "reason": "opted_out_content_signal"},
    {"pair_id": 2, "reason": "opted_out_content_signal"},
    {"pair_id": 3},
    {"pair_id": 4},
)
GIVEN = {
    "consent": CONSENT,
    "outcome": OUTCOME,
    "drop": rows("drop", {"pair_id": 5, "stage": "filter", "reason": "opted_out"}),
    "sample": rows("sample", {"pair_id": 3}, {"pair_id": 4}),
}


def test_what_was_said_what_it_cost_and_what_was_kept():
    assert values("consent", **GIVEN) == [
        ("content_signal", "ai-train=no", "no", "obey", 1, 2, 2, 0),
        ("content_usage", "train-ai=n", "no", "record", 1, 1, 0, 1),
        ("robots_tag", "noai", "no", "obey", 1, 1, 1, 0),
        ("tdm_reservation", "0", "yes", "obey", 1, 1, 0, 1),
    ]


def test_who_says_no():
    assert values("consent_by_host", consent=CONSENT, sample=GIVEN["sample"]) == [
        ("a.org", "content_signal", "robots.txt", "obey", 2, 0),
        ("b.org", "content_usage", "header", "record", 1, 1),
        ("c.org", "robots_tag", "page", "obey", 1, 0),
    ]
