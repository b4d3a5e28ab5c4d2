"""What docs/queries.md says of the queries that were read is what their labels add up to."""

import csv
import re

import pyarrow as pa

from benchmarks.list_quality import sampled
from tests import ROOT

JUNK = ("fragment", "piece", "possessive", "foreign", "broken", "number")
ROWS = list(csv.DictReader((ROOT / "benchmarks/list_sample.csv").read_text().splitlines()))
PAGE = (ROOT / "docs/queries.md").read_text()


def test_two_hundred_queries_of_each_list_were_read_those_of_the_least_hashes():
    lists = {row["list"] for row in ROWS}
    assert len(lists) == 2
    for name in lists:
        hashes = [row["hash"] for row in ROWS if row["list"] == name]
        assert len(set(hashes)) == 200
        assert hashes == sorted(hashes)


def test_the_page_has_the_numbers_of_the_labels():
    n_junk = [
        sum(row["label"] in JUNK for row in ROWS if row["list"] == name)
        for name in dict.fromkeys(row["list"] for row in ROWS)
    ]
    (figures,) = re.findall(r"^\| junk of 200 read \| (.*) \|$", PAGE, re.M)
    shares = [f"{n}, {n / 2:.1f}%" for n in reversed(n_junk)]
    assert [cell.split(" (")[0] for cell in figures.split(" | ")] == shares
    for label in {"term", "name", *JUNK}:
        (line,) = re.findall(rf"^\| {label} \|(.*)\|$", PAGE, re.M)
        cells = [int(cell.strip() or 0) for cell in line.split("|")]
        assert cells[0] + cells[5] == sum(row["label"] == label for row in ROWS)
        assert cells[0] == sum(cells[1:5])
        assert cells[5] == sum(cells[6:])


def test_the_same_queries_are_sampled_in_whatever_order_they_come():
    texts = [f"query {number}" for number in range(50)]
    first, flipped = (sampled(pa.table({"text": order}), 5) for order in (texts, texts[::-1]))
    assert first.equals(flipped)
    assert first.num_rows == 5
