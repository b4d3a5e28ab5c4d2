"""Audits of what was fetched: a few attempts, and what the audit must make of them."""

import csv

import pyarrow as pa

from pipeline.exclusions import read_exclusions
from queries.engine import DuckEngine
from queries.questions import answer, sql
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


def test_the_answer_written_as_csv_is_read_as_exclusions(tmp_path):
    found = proposed(*served(LOGO, 1, 2, 3))
    with (tmp_path / "placeholders.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, found.column_names)
        writer.writeheader()
        writer.writerows(found.to_pylist())
    listed = pa.RecordBatch.from_pydict({"path": [str(tmp_path / "placeholders.csv")]})
    (read,) = read_exclusions(iter([listed]))
    assert [(row["kind"], row["value"]) for row in read.to_pylist()] == [("sha256", LOGO)]
