"""Audits of what was fetched: a few attempts, and what the audit must make of them."""

import csv

import pyarrow as pa

from pipeline.filters.exclusions import read_exclusions
from queries.engine.duck import DuckEngine
from queries.questions import answer, sql
from tests.queries.asking import ask
from tests.tables import build_row, rows

ENGINE = DuckEngine(workers=1, quiet=True)
LOGO, MIRRORED, PHOTO = "a" * 64, "b" * 64, "c" * 64
HOSTS = {1: "x.org", 2: "x.org", 3: "y.org", 4: "x.org", 5: "z.org"}
URLS = {pair_id: f"http://{host}/{pair_id}" for pair_id, host in HOSTS.items()}


def proposed(*attempts: dict) -> pa.Table:
    pairs = [{"pair_id": one, "url": url, "caption": str(one)} for one, url in URLS.items()]
    given = {"attempt": rows("attempt", *attempts), "pair": rows("pair", *pairs)}
    return answer(ENGINE, given | {"build": build_row()}, sql("audit", "same_bytes"))


def served(sha256: str | None, *pair_ids: int) -> list[dict]:
    return [{"pair_id": one, "attempt": 1, "sha256": sha256} for one in pair_ids]


def test_bytes_of_many_addresses_are_proposed_for_exclusion():
    assert proposed(*served(LOGO, 1, 2, 3), *served(PHOTO, 4)).to_pylist() == [
        {
            "kind": "sha256",
            "value": LOGO,
            "reason": "3 addresses, 2 hosts, 3 captions, such as http://x.org/1",
        }
    ]


def test_two_addresses_and_lost_pictures_are_not_proposed():
    assert proposed(*served(MIRRORED, 4, 5), *served(None, 1, 2, 3)).num_rows == 0


def test_a_second_attempt_is_no_second_address():
    again = [row | {"attempt": 2} for row in served(LOGO, 1, 2)]
    assert proposed(*served(LOGO, 1, 2), *again).num_rows == 0


def test_scores_are_counted_in_steps_with_what_was_kept_and_what_a_limit_dropped():
    scores = {1: 0.02, 2: 0.03, 3: 0.62, 4: 0.99, 5: 1.0, 6: None}
    reasons = {2: "near_duplicate", 4: "image_score", 5: "image_score", 6: "image_score"}
    given = {
        "score": [{"pair_id": one, "scorer": "nsfw", "score": of} for one, of in scores.items()],
        "scorer": [{"scorer": "nsfw", "max_score": 0.8}],
        "outcome": [{"pair_id": one, "reason": reasons.get(one)} for one in scores],
    }
    found = ask(
        "audit", "score_distribution", **{name: rows(name, *of) for name, of in given.items()}
    )
    assert [tuple(row.values())[2:] for row in found] == [
        (0.8, 0.0, 0.05, 2, 1, 0, 40.0),
        (0.8, 0.6, 0.65, 1, 1, 0, 60.0),
        (0.8, 0.95, 1.0, 2, 0, 2, 100.0),
    ]


def test_scores_that_are_all_the_same_are_one_step():
    score = rows("score", {"pair_id": 1, "scorer": "a", "score": -3.0})
    outcome = rows("outcome", {"pair_id": 1})
    (row,) = ask("audit", "score_distribution", score=score, outcome=outcome)
    assert (row["from_score"], row["pictures"], row["max_score"]) == (-3.0, 1, None)


def test_counts_have_a_step_each():
    numbers = [0.0, 0.0, 1.0, 3.0]
    scores = [{"pair_id": n, "scorer": "faces", "score": of} for n, of in enumerate(numbers)]
    given = {"score": rows("score", *scores)}
    given["outcome"] = rows("outcome", *({"pair_id": n} for n in range(4)))
    found = ask("audit", "score_distribution", **given)
    assert [(row["from_score"], row["to_score"], row["pictures"]) for row in found] == [
        *((0.0, 1.0, 2), (1.0, 2.0, 1), (3.0, 4.0, 1)),
    ]


def test_the_answer_written_as_csv_is_read_as_exclusions(tmp_path):
    found = proposed(*served(LOGO, 1, 2, 3))
    with (tmp_path / "placeholders.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, found.column_names)
        writer.writeheader()
        writer.writerows(found.to_pylist())
    listed = pa.RecordBatch.from_pydict({"path": [str(tmp_path / "placeholders.csv")]})
    (read,) = read_exclusions(iter([listed]))
    assert [(row["kind"], row["value"]) for row in read.to_pylist()] == [("sha256", LOGO)]


def test_groups_that_were_not_compared_are_counted_by_the_bits_they_agree_in():
    sizes = [(26, 10_500), (26, 12_000), (16, 200_000)]
    skipped = rows("near_skipped", *({"n_bits": bits, "n_hashes": n} for bits, n in sizes))
    assert ask("audit", "near_skipped", near_skipped=skipped) == [
        {"bits_agreed": 16, "n_groups": 1, "n_hashes": 200_000, "largest_group": 200_000},
        {"bits_agreed": 26, "n_groups": 2, "n_hashes": 22_500, "largest_group": 12_000},
    ]
