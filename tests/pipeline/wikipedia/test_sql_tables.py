"""A wiki's own tables: literal dumps in, rows out."""

import gzip

import pyarrow as pa
import pytest

from pipeline.wikipedia import sql_dump, sql_tables
from pipeline.wikipedia.sql_tables import read_page_table, read_redirect_table

CREATE = r"""-- MySQL dump
CREATE TABLE `page` (
  `page_id` int(8) unsigned NOT NULL AUTO_INCREMENT,
  `page_namespace` int(11) NOT NULL DEFAULT 0,
  `page_title` varbinary(255) NOT NULL DEFAULT '',
  `page_is_redirect` tinyint(1) unsigned NOT NULL DEFAULT 0,
  `page_random` double unsigned NOT NULL DEFAULT 0,
  `page_lang` varbinary(35) DEFAULT NULL,
  PRIMARY KEY (`page_id`),
  KEY `page_random` (`page_random`)
) ENGINE=InnoDB;
"""
PAGE = CREATE + (
    r"""INSERT INTO `page` VALUES (10,0,'Dog_(animal)',0,0.33,NULL),"""
    r"""(12,0,'Rock_\'n\'_Roll',1,1e-05,'en');
INSERT INTO `page` VALUES (13,14,'A,_B)_and_\"C\"',0,0.5,NULL);
"""
)
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
# A short table, of which each statement below gives the same rows.
SHORT = "CREATE TABLE page (page_id int, page_namespace int, page_title varbinary(255));\n"
DOG_AND_CATS = [(1, 0, "Dog"), (2, 14, "Cats")]


def rows_in(read, path) -> list[tuple]:
    batches = read(iter([pa.RecordBatch.from_pydict({"path": [str(path)]})]))
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def pages_in(tmp_path, dump: str) -> list[tuple]:
    path = tmp_path / "page.sql"
    path.write_text(dump, newline="")
    return rows_in(read_page_table, path)


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
    assert rows_in(read_redirect_table, path) == [(12, 0, "Rock music", None), (14, 0, "Dog", None)]


def test_a_redirect_to_another_wiki_says_to_which(tmp_path):
    """chwiki's dump of 2024-01-20 has (1518,0,'Usuario_Discusión:Javier_Carro','es','')."""
    path = tmp_path / "redirect.sql"
    rows = "(12,0,'Rock_music','',''),(15,0,'Benutzer:Ada','de',''),(16,0,'Cat',NULL,NULL)"
    path.write_text(REDIRECT.partition("INSERT")[0] + f"INSERT INTO redirect VALUES {rows};")
    assert rows_in(read_redirect_table, path) == [
        (12, 0, "Rock music", None),
        (15, 0, "Benutzer:Ada", "de"),
        (16, 0, "Cat", None),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO page VALUES\n(1,0,'Dog'),\n(2,14,'Cats');\n",  # MariaDB/server 1865
        "INSERT INTO `page` VALUES\r\n(1,0,'Dog'),\r\n(2,14,'Cats');\r\n",  # snipe-it 15168
        "INSERT INTO `page` (`page_title`, `page_id`, `page_namespace`) VALUES\n"
        "('Dog', 1, 0),\n('Cats', 2, 14);",  # phpMyAdmin
        "INSERT IGNORE INTO page VALUES (1,0,'Dog'),(2,14,'Cats');",
        "INSERT  IGNORE INTO `my_wiki`.`page` VALUES (1,0,'Dog');\n"
        "INSERT LOW_PRIORITY INTO my_wiki.page VALUES (2,14,'Cats') ;",
        "REPLACE INTO `page` VALUES (1,0,'Dog'),(2,14,'Cats');",
        "insert into page value (1,0,'Dog') on duplicate key update page_id = '1;';\n"
        "insert into page values (2, 14, 'Cats');",
        "INSERT INTO page VALUES (1,0,0x446F67),(2,14,0x43617473);",  # --hex-blob
        "INSERT INTO page VALUES (1,0,X'446f67'),(2,14,x'43617473');",
        "INSERT INTO page VALUES (1,0,_binary 'Dog'),(2,14,_binary 'Cats');",  # MySQL 8
        "INSERT INTO page VALUES (1,0,_binary 0x446F67),(2,14,_utf8mb4'Cats');",
        """INSERT INTO page VALUES ('1','0',"Dog"),('02','14',"Cats");""",
        "-- it's a comment; INSERT INTO page VALUES (3,0,'No');\n/* ' */ # '\n"
        "INSERT INTO /* here */ page VALUES -- rows\n (1,0,'Dog') /* a comma */,\n(2,14,'Cats');",
        "/*!40000 ALTER TABLE `page` DISABLE KEYS */;\nLOCK TABLES page WRITE;\n"
        "INSERT INTO page VALUES (1,0,'Dog'),(2,14,'Cats');UNLOCK TABLES;\n",
        "INSERT INTO other VALUES (1,'it''s; \\' INSERT INTO page VALUES (3,0,1);');\n"
        "INSERT INTO page VALUES (1,0,'Dog'),(2,14,'Cats');\n",
        "CREATE TABLE mw_text (`key` enum('a,b',')') COMMENT 'it''s', KEY `k` (`key`(10),(1)));\n"
        "INSERT INTO mw_text VALUES (';'),('\\\\');\nINSERT page VALUES (1,0,'Dog'),(2,14,'Cats');",
    ],
)
def test_each_form_of_an_insert_gives_its_rows(tmp_path, statement):
    assert pages_in(tmp_path, SHORT + statement) == DOG_AND_CATS


def test_columns_come_from_the_insert_where_no_create_table_names_them(tmp_path):
    columns = "INSERT INTO `page` (`page_id`, `page_namespace`, `page_title`, `page_len`) VALUES"
    dump = f"{columns}\n(1, 0, 'Dog', 7),\n(2, 14, 'Cats', NULL);\n"
    assert pages_in(tmp_path, dump) == DOG_AND_CATS


def test_a_dump_of_a_whole_database_with_a_prefix_gives_the_one_table(tmp_path):
    """MediaWiki's $wgDBprefix, as in its own mediawiki118_fresh_installation.sql."""
    others = "CREATE TABLE `mw_archive` (`ar_id` int, `ar_title` text);\n"
    dump = (
        others
        + "INSERT INTO `mw_archive` VALUES (9,'Gone');\n"
        + SHORT.replace("page (", "mw_page (")
    )
    assert pages_in(tmp_path, dump + "INSERT INTO mw_page VALUES (1,0,'Dog'),(2,14,'Cats');") == (
        DOG_AND_CATS
    )


def test_the_sandbox_line_of_mariadb_and_what_its_client_skips_break_nothing(tmp_path):
    dump = (
        "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19\n--\n"
        "-- ------------------------------------------------------\n"
        "/*!40101 SET NAMES utf8mb4 */;\nDROP TABLE IF EXISTS `page`;\n" + SHORT
    )
    assert pages_in(tmp_path, dump + "INSERT INTO `page` VALUES\n(1,0,'Dog'),\n(2,14,'Cats');") == (
        DOG_AND_CATS
    )


@pytest.mark.parametrize(
    ("written", "title"),
    [
        (r"'It\'s'", "It's"),
        ("'It''s'", "It's"),
        (r"'a\\b'", "a\\b"),
        (r"'say_\"hi\"'", 'say "hi"'),
        ('\'say_""hi""\'', 'say ""hi""'),
        ('"say_""hi"""', 'say "hi"'),
        (r"'(1,0,\'x\'),'", "(1,0,'x'),"),
        ("'犬'", "犬"),
        ("0xE78AAC", "犬"),
        ("_utf8mb4 X'e78aac'", "犬"),
        ("'NULL'", "NULL"),
        ("1984", "1984"),
    ],
)
def test_a_title_means_what_the_dump_writes(tmp_path, written, title):
    assert pages_in(tmp_path, f"{SHORT}INSERT INTO page VALUES (1,0,{written});") == [(1, 0, title)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_where_chunks_end_changes_nothing(tmp_path, monkeypatch, size):
    dump = (
        "-- it's\n" + PAGE + "INSERT INTO b VALUES ('a;\\'''',\"'\",`;`) /* '; */;\n"
        "INSERT IGNORE INTO `w` . `page` VALUES\n(14,0,'It\\'s',0,0.1,NULL) -- x\n;\n"
    )
    whole = pages_in(tmp_path, dump)
    assert whole[-1] == (14, 0, "It's")
    monkeypatch.setattr(sql_tables, "CHUNK_CHARACTERS", size)
    assert pages_in(tmp_path, dump) == whole


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no sql", "expected a dump of the table page .* found 'no sql'"),
        (b"", "expected a dump of the table page .* found ''"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "found '<!DOCTYPE html"),
        (REDIRECT.encode(), "found CREATE TABLE of redirect and no row"),
        (CREATE.encode(), "found CREATE TABLE of page and no row"),
        (PAGE.replace("(10,0,", "(10,").encode(), "line 12: expected a row of 6 values"),
        (PAGE.replace("(10,", "('x',").encode(), "line 12: expected a whole number .* found 'x'"),
        ((SHORT + "INSERT INTO page VALUES (1,0,NULL);").encode(), "expected a title; found NULL"),
        (gzip.compress(TWICE.encode(), mtime=0)[:-20], "damaged stream"),
        ((PAGE + "INSERT INTO `page` VALUES (1,2").encode(), "line 14: expected a row"),
        ((SHORT + "INSERT INTO page VALUES (1,0,'Dog')").encode(), "line 2: expected a row"),
        ((PAGE + "INSERT INTO `page` SELECT * FROM b;").encode(), "line 14: expected INSERT INTO"),
        ((PAGE + "INSERT INTO page SET page_id = 1;").encode(), "line 14: expected INSERT INTO"),
        (
            (PAGE + "INSERT INTO `page` (`page_id`) VALUES (1);").encode(),
            "no column page_namespace",
        ),
        (b"INSERT INTO page VALUES (1,0,'Dog');", "line 1: no column .* no CREATE TABLE"),
        ((PAGE + "INSERT INTO text VALUES ('a").encode(), "line 14: expected the end of what '"),
        ((PAGE + PAGE).encode(), "found another CREATE TABLE"),
        ((PAGE + PAGE.replace("`page`", "b_page")).encode(), "found page and b_page"),
        (b"COPY mediawiki.page (page_id) FROM stdin;\n1\n\\.\n", "found 'COPY mediawiki"),
    ],
)
def test_what_is_not_understood_is_refused_in_one_line(tmp_path, content, said):
    path = tmp_path / "page.sql.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said) as refused:
        rows_in(read_page_table, path)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO `page` VALUES " + "('" * 100_000,
        "INSERT INTO `page` VALUES " + "(1,0," * 100_000,
        "INSERT INTO `page` " + "/* " * 100_000,
        "INSERT INTO `page` (" + "`a`," * 100_000,
        "INSERT INTO " + "`a" * 100_000,
        "INSERT INTO other VALUES ('" + "\\'" * 1_000_000,
        "CREATE TABLE page (" * 20_000,
        "--" * 1_000_000,
        "/*/*/" * 100_000,
        "'" * 300_001,
        "CREATE TABLE a (b '" + "\\'" * 300_000,
        "CREATE TABLE a (b " + "/* " * 300_000,
    ],
)
def test_hostile_text_is_refused_at_once(tmp_path, statement):
    with pytest.raises(ValueError, match=r"page\.sql: "):
        pages_in(tmp_path, SHORT + statement + "\n")


def test_a_statement_of_many_chunks_is_never_in_memory_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(sql_tables, "CHUNK_CHARACTERS", 4_096)
    monkeypatch.setattr(sql_dump, "HEAD", 1_024)
    longest = 0
    fill = sql_dump.Dump._fill

    def measured(dump):
        nonlocal longest
        more = fill(dump)
        longest = max(longest, len(dump.text))
        return more

    monkeypatch.setattr(sql_dump.Dump, "_fill", measured)
    rows = ",".join(f"({n},0,'Page_{n}')" for n in range(20_000))
    skipped = f"INSERT INTO text VALUES ('{'x' * 500_000}');\n/* {'y' * 500_000} */\n"
    pages = pages_in(tmp_path, f"{SHORT}{skipped}INSERT INTO page VALUES {rows};\n")
    assert pages[-1] == (19_999, 0, "Page 19999")
    assert len(pages) == 20_000
    assert longest < 3 * 4_096
