"""Asking questions of a build: the command, its formats, a question of one's own, two builds."""

import csv
import io
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.publish.version import publish
from queries.__main__ import main
from queries.questions import empty_view, names, sql, title
from queries.tables.errors import InputError
from queries.tables.schemas import TABLES
from tests import ROOT
from tests.queries.asking import ENGINE, ask
from tests.tables import build_row, rows


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k in ("audit", "check") for n in names(k)])
def test_every_question_answers_on_a_build_without_rows(kind, name):
    assert title(kind, name)
    found = ask(kind, name)
    assert kind == "audit" or name == "rows_add_up" or found == []


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_that_a_build_lacks_is_an_empty_view(name):
    with ENGINE.connect({}) as connection:
        connection.execute(empty_view(name))
        found = connection.sql(f'SELECT * FROM "{name}"').to_arrow_table()
    assert (found.num_rows, found.column_names) == (0, TABLES[name].schema.names)


def test_columns_that_an_older_release_did_not_write_are_null(tmp_path):
    """A build is asked as it is: what is younger than the build is unknown of it."""
    older = rows("exclusion", {"kind": "host", "value": "a.org"}).drop_columns(["line", "why"])
    pq.write_table(older, tmp_path / "exclusion.parquet")
    for name in ("exclusion", "other_exclusion"):
        inputs = {name: [tmp_path / "exclusion.parquet"]}
        question = f'SELECT line, why, value FROM "{name}"'
        assert ENGINE.ask(inputs, question).to_pylist() == [
            {"line": None, "why": None, "value": "a.org"}
        ]
    with pytest.raises(InputError, match="line"):
        ENGINE.ask({"theirs": [tmp_path / "exclusion.parquet"]}, "SELECT line FROM theirs")


TOLD = {"settings": {"cap": 2, "about": "it's"}}


@pytest.fixture(scope="module")
def builds(tmp_path_factory) -> tuple[Path, Path]:
    """Two builds: the first has a hostile query, the second has one more and another cap."""
    out = tmp_path_factory.mktemp("wit")
    hostile = {"query_id": 0, "text": "[red]a|b\n<b>\x1b[31m"}
    more = {"query_id": 1, "text": "dog"}
    kept = [{"pair_id": n, "query_id": n} for n in (0, 1)]
    one, two = (
        publish(
            out,
            f"v{n}",
            {
                "query": rows("query", *[hostile, more][:n]),
                "match": rows("match", *kept[:n]),
                "kept_match": rows("kept_match", *kept[:n]),
                "build": build_row(cap=2),
            },
            [],
            {"settings": {**TOLD["settings"], "cap": n}},
        )
        for n in (1, 2)
    )
    return one, two


def asked(capsysbinary, *words: object) -> bytes:
    assert main([*map(str, words)]) == 0
    return capsysbinary.readouterr().out


def test_an_answer_in_each_format_holds_what_strangers_wrote_unchanged(builds, capsysbinary):
    command = ("audit", "pairs_per_query", "--build", builds[0], "--format")
    row = {"text": "[red]a|b\n<b>\x1b[31m", "matched": 1, "kept": 1}
    assert json.loads(asked(capsysbinary, *command, "json")) == [row]
    read = csv.DictReader(io.StringIO(asked(capsysbinary, *command, "csv").decode(), newline=""))
    assert [one["text"] for one in read] == [row["text"]]
    found = pq.read_table(pa.BufferReader(asked(capsysbinary, *command, "parquet")))
    assert found.to_pylist() == [row]


def test_on_a_terminal_and_in_markdown_what_strangers_wrote_is_plain_text(builds, capsysbinary):
    command = ("audit", "pairs_per_query", "--build", builds[0])
    shown = asked(capsysbinary, *command)
    assert b"[red]a|b <b>" in shown
    assert b"\x1b" not in shown
    lines = asked(capsysbinary, *command, "--format", "md").decode().splitlines()
    assert lines[2] == r"| \[red\]a\|b &lt;b&gt; \[31m | 1 | 1 |"


def test_every_audit_answers_in_one_document_or_in_a_file_each(builds, capsysbinary, tmp_path):
    one, two = builds
    single = [one for one in names("audit") if not one.startswith("two_builds")]
    answers = json.loads(asked(capsysbinary, "audit", "--build", one, "--format", "json"))
    assert sorted(answers) == single
    of_dpo = ("audit", "--build", one, "--for", "dpo", "--format", "json")
    assert list(json.loads(asked(capsysbinary, *of_dpo)))[:2] == ["personal", "personal_examples"]
    document = asked(capsysbinary, "audit", "--build", one, "--format", "md").decode()
    assert document.count("\n## ") + 1 == len(single)
    out = ("--format", "parquet", "--out", tmp_path)
    asked(capsysbinary, "audit", "--build", two, "--other", one, *out)
    assert sorted(path.stem for path in tmp_path.glob("*.parquet")) == names("audit")


def test_a_question_of_ones_own_sees_the_views(builds, capsysbinary):
    question = "SELECT COUNT(*) AS n, SUM(query_id) AS total FROM query"
    found = asked(capsysbinary, "audit", "--build", builds[1], "--sql", question, "--format", "csv")
    assert found == b'"n","total"\n2,1\n'


def test_another_builds_views_have_a_prefix(builds, capsysbinary):
    one, two = builds
    command = ("audit", "--build", two, "--other", one, "--format", "json", "--sql")
    question = "SELECT COUNT(*) AS n, (SELECT COUNT(*) FROM other_query) AS other FROM query"
    assert json.loads(asked(capsysbinary, *command, question)) == [{"n": 2, "other": 1}]
    changed = "two_builds_settings", "--build", two, "--other", one, "--format", "json"
    assert json.loads(asked(capsysbinary, "audit", *changed)) == [
        {"name": "cap", "value": "2", "other_value": "1"}
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("audit", "nothing"), "no audit 'nothing': expected"),
        (("audit", "two_builds"), "expected --other"),
        (("audit", "--sql", "SELECT * FROM other_pair"), "expected --other"),
        (("audit", "--sql", "SELECT 1 FROM nowhere"), "nowhere does not exist: expected one of "),
        (("audit", "--sql", "SELECT 1 FROM kept_mach"), "exist: did you mean kept_match? expected"),
        (("audit", "--sql", "\nSELECT\n1 FORM pair"), 'at or near "pair" (line 3)'),
        (("audit", "--sql", "SELECT txet FROM query"), '"txet" not found'),
        (("audit", "--sql", "SELECT 1; SELECT 2"), "'SELECT 1; SELECT 2': expected one statement"),
        (("audit", "funnel", "--rows", "-3"), "--rows -3: expected 0, for all rows, or more"),
        (("audit", "--sql", ""), "expected a SELECT"),
        (("audit", "--sql", "CREATE TABLE mine AS SELECT 1"), "nothing of it would be kept"),
        (("audit", "--sql", "DROP VIEW pair"), "'DROP VIEW pair': expected a SELECT"),
        (("audit", "--sql", "SET threads = 1"), "'SET threads = 1': expected a SELECT"),
        (("check", "--sql", "SELECT 1"), "--sql: expected `audit`"),
        (("audit", "--format", "csv"), "holds one answer"),
        (("audit", "rounds", "--out", "x"), "expected --format"),
        (("audit", "--other", "nowhere"), "expected a build"),
    ],
)
def test_what_cannot_be_asked_is_told_in_words(builds, capsys, words, said):
    assert main([*words, "--build", str(builds[0])]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_questions_name_may_stand_after_the_options(builds, capsysbinary):
    options = ("--build", builds[0], "--format", "csv")
    first = asked(capsysbinary, "audit", "balance", *options)
    assert first.startswith(b'"')
    assert asked(capsysbinary, "audit", *options, "balance") == first
    assert asked(capsysbinary, *options, "audit", "balance") == first


def test_numbers_are_shown_whole_on_a_terminal_of_80_columns(builds, capsysbinary, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = asked(capsysbinary, "audit", "balance", "--build", builds[0]).decode()
    assert "│ before │" in shown
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_every_audit_runs_unchanged_over_the_views_that_a_shell_is_given(builds, capsys):
    one, two = builds
    assert main(["views", "--build", str(two), "--other", str(one)]) == 0
    with ENGINE.connect({}) as connection:
        connection.execute(capsys.readouterr().out)
        for name in names("audit"):
            connection.sql(sql("audit", name)).fetchall()
        counts = connection.sql("SELECT COUNT(*), (SELECT COUNT(*) FROM other_query) FROM query")
        assert counts.fetchall() == [(2, 1)]
        told = connection.sql("SELECT value FROM setting WHERE name = 'about'").fetchall()
        assert told == [('"it\'s"',)]


def test_every_audit_and_check_is_named_in_the_documentation():
    told = (ROOT / "docs/audits.md").read_text()
    for kind in ("audit", "check"):
        section = told.split(f"## {kind.capitalize()}s\n")[1].split("\n## ")[0]
        assert sorted(re.findall(r"^\| `(\w+)` \|", section, re.M)) == names(kind)
