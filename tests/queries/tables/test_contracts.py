"""What pipeline and trainer agree upon is written by the one and read by the other."""

import pyarrow as pa

from pipeline.filters.exclusions import read_exclusions
from queries.tables.contracts import EXCLUSION_COLUMNS, MOST_BITS, manifest_digest


def test_a_list_with_the_columns_of_exclusions_is_read_up_to_the_greatest_radius(tmp_path):
    cells = ("phash", "f" * 16, str(MOST_BITS), "near a picture", "")
    path = tmp_path / "list.csv"
    path.write_text(f"{','.join(EXCLUSION_COLUMNS)}\n{','.join(cells)}\n")
    (rows,) = read_exclusions(iter([pa.record_batch({"path": [str(path)]})]))
    assert (rows["radius"][0].as_py(), rows["why"][0].as_py()) == (MOST_BITS, "near a picture")


def test_a_build_that_changes_has_another_digest(tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    before = manifest_digest(tmp_path)
    (tmp_path / "manifest.json").write_text('{"taken_down": 1}')
    assert manifest_digest(tmp_path) != before
