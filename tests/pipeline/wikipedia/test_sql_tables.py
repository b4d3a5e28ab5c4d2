"""A wiki's own tables: literal dumps in, rows out."""

import gzip

import pyarrow as pa
import pytest

from pipeline.wikipedia.sql_tables import read_page_table, read_redirect_table

PAGE = r"""-- MySQL dump
CREATE TABLE `page` (
  `page_id` int(8) unsigned NOT NULL AUTO_INCREMENT,
  `page_namespace` int(11) NOT NULL DEFAULT 0,
  `page_title` varbinary(255) NOT NULL DEFAULT '',
  `page_is_redirect` tinyint(1) unsigned NOT NULL DEFAULT 0,
  `page_random` double unsigned NOT NULL DEFAULT 0,
  `page_lang` varbinary(35) DEFAULT NULL,
  PRIMARY KEY (`page_id`)
) ENGINE=InnoDB;
INSERT INTO `page` VALUES (10,0,'Dog_(animal)',0,0.33,NULL),(12,0,'Rock_\'n\'_Roll',1,1e-05,'en');
INSERT INTO `page` VALUES (13,14,'A,_B)_and_\"C\"',0,0.5,NULL);
"""
TWICE = PAGE + PAGE.splitlines()[-1] + "\n"
REDIRECT = """CREATE TABLE `redirect` (
  `rd_from` int(8) unsigned NOT NULL DEFAULT 0,
  `rd_namespace` int(11) NOT NULL DEFAULT 0,
  `rd_title` varbinary(255) NOT NULL DEFAULT '',
  `rd_interwiki` varbinary(32) DEFAULT NULL,
  `rd_fragment` varbinary(255) DEFAULT NULL,
);
INSERT INTO `redirect` VALUES (12,0,'Rock_music','',''),(14,0,'Dog','','History');
"""


def rows_in(read, path) -> list[tuple]:
    batches = read(iter([pa.RecordBatch.from_pydict({"path": [str(path)]})]))
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_pages_have_their_namespace_and_title_as_displayed(tmp_path, pack):
    path = tmp_path / "page.sql"
    path.write_bytes(pack(PAGE.encode()))
    assert rows_in(read_page_table, path) == [
        (10, 0, "Dog (animal)"),
        (12, 0, "Rock 'n' Roll"),
        (13, 14, 'A, B) and "C"'),
    ]


def test_redirects_name_what_they_point_to(tmp_path):
    path = tmp_path / "redirect.sql"
    path.write_text(REDIRECT)
    assert rows_in(read_redirect_table, path) == [(12, 0, "Rock music"), (14, 0, "Dog")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no sql", "expected a dump of a table"),
        (REDIRECT.encode(), "no column page_id"),
        (PAGE.replace("(10,0,", "(10,").encode(), "expected 6 values"),
        (
            gzip.compress(TWICE.encode(), mtime=0)[:-20],
            "damaged stream",
        ),
        ((PAGE + "INSERT INTO `page` VALUES (1,2").encode(), "expected a row"),
    ],
)
def test_a_file_of_another_kind_is_refused_in_one_line(tmp_path, content, said):
    path = tmp_path / "page.sql.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said) as refused:
        rows_in(read_page_table, path)
    assert "\n" not in str(refused.value)


def test_a_hostile_line_takes_linear_time(tmp_path):
    path = tmp_path / "page.sql"
    rows = PAGE.split("INSERT")[0]
    path.write_text(rows + "INSERT INTO `page` VALUES " + "('" * 100_000 + "\n")
    with pytest.raises(ValueError, match="expected a row"):
        rows_in(read_page_table, path)
