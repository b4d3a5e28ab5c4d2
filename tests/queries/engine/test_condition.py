"""A person's condition: what holds, what it reads, and what it may not be."""

import pyarrow as pa
import pytest

from queries.engine.condition import Condition
from queries.tables.errors import InputError

ROWS = pa.table(
    {
        "url": ["http://a.org/1", "http://b.org/2", None, "http://a.org/4"],
        "content_languages": ["fin", "eng,fin", None, "eng"],
        "fetch_status": pa.array([200, 404, 200, None], pa.int16()),
        "fetch_time": pa.array([0, 10**18, 0, 0], pa.timestamp("ns")),
    }
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", [0, 1, 2, 3]),
        (" \n", [0, 1, 2, 3]),
        ("content_languages = 'fin'", [0]),
        ("content_languages LIKE '%fin%' -- or alone", [0, 1]),
        ("contains(string_split(content_languages, ','), 'eng')", [1, 3]),
        ("Fetch_Status = 200 AND url IS NULL", [2]),
        ("fetch_status NOT BETWEEN 200 AND 299", [1]),
        ("regexp_matches(url, '^http://a') AND NOT url IN ('http://a.org/4')", [0]),
        ("fetch_time > TIMESTAMP '2001-01-01'", [1]),
        ("CASE WHEN url IS NULL THEN true ELSE fetch_status > 300 END", [1, 2]),
        ("CAST(fetch_status AS VARCHAR) = '200' AND coalesce(url, '') <> ''", [0]),
    ],
)
def test_the_rows_are_kept_for_which_it_holds(text, kept):
    assert Condition(text, ROWS.schema).kept(ROWS) == ROWS.take(kept)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("url IN (SELECT content FROM read_text('/etc/passwd'))", "may not have a subquery"),
        ("EXISTS (FROM glob('/*'))", "may not have a subquery"),
        ("EXISTS (SELECT 1 FROM ROWS)", "may not have a subquery"),  # of Python's variable
        ("url IN (FROM 'https://x.example/a.parquet')", "may not have a subquery"),
        ("read_text('/etc/passwd') IS NULL", "may not call read_text"),
        ("getenv('HOME') = 'a'", "may not call getenv"),
        ("current_setting('threads') = 1", "may not call current_setting"),
        ("write_log('a') IS NULL", "may not call write_log"),
        ("random() < 0.5", "may not call random"),
        ("now() > fetch_time", "may not call now"),
        ("fetch_time < current_date", "no column current_date; there are url, content_languages"),
        ("url_host = 'a.org'", "no column url_host"),
        ("count(*) > 1", "may not have a star|may not call count"),
        ("row_number() OVER () = 1", "may not have a window"),
        ("list_filter([1], lambda x: x = 1)[1] = 1", "may not have a lambda"),
        ("url = ?", "may not have a parameter"),
        ("true; COPY (SELECT 1) TO '/tmp/a'", "syntax error"),
        ("true) UNION SELECT (true", "not one expression"),
        ("url = 'a' GROUP BY url", "syntax error"),
        ("url, url", "single expression"),
        ("url = 'a", "unterminated"),
        ("fetch_status = 'two hundred'", "(?i)could not convert"),
        ("NOT " * 1_500 + "true", "depth"),
        ("a" * 30_000, "more than 20000 characters"),
    ],
)
def test_what_is_no_condition_on_a_row_alone_is_refused_in_one_line(text, why):
    with pytest.raises(InputError, match=why) as refused:
        Condition(text, ROWS.schema).kept(ROWS)  # a value may not fit, though the types do
    assert "\n" not in str(refused.value)


def test_its_columns_and_the_texts_that_they_must_equal_are_known():
    text = "URL IN ('a', 'b') AND ('b' = url AND content_languages = 'x' OR fetch_status = 1)"
    condition = Condition(text, ROWS.schema)
    assert condition.columns == ["url", "content_languages", "fetch_status"]
    assert condition.texts == {"url": {"a", "b"}}
    both = Condition("url IN ('a', 'b') AND 'b' = url", ROWS.schema)
    assert both.texts == {"url": {"b"}}


def test_no_setting_of_its_connection_can_be_changed():
    connection = Condition("", ROWS.schema).connection
    for change in ("SET enable_external_access = true", "SET threads = 8", "LOAD httpfs"):
        with pytest.raises(Exception, match=r"locked|disabled|Permission"):
            connection.execute(change)
