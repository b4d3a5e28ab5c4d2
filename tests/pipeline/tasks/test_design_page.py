"""docs/design.md and CONTRIBUTING.md say what the tasks, tables and packages are now."""

import re

from queries.tables.schemas import TABLES
from tests.design_page import CONTRIBUTING, DESIGN, SHOWN, block, task_table, tour


def test_the_table_of_tasks_is_drawn_from_the_tasks():
    assert block(DESIGN.read_text(), "tasks") == task_table()


def test_the_tour_has_the_first_sentence_of_each_package():
    assert block(CONTRIBUTING.read_text(), "tour") == tour()


def test_the_diagram_names_tables():
    (diagram,) = re.findall("```mermaid\n(.*?)```", DESIGN.read_text(), re.S)
    arrows = re.sub(r"\|.*?\|", " ", diagram.removeprefix("flowchart TD"))
    assert set(re.findall(r"\w+", arrows)) - {*TABLES} == set()


def test_the_example_shows_columns_of_tables():
    rows = block(DESIGN.read_text(), "example").splitlines()[3:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == list(SHOWN)
    for row, (table, columns) in zip(rows, SHOWN.items(), strict=True):
        assert set(re.findall(r"(\w+) = ", row)) == {*columns} <= {*TABLES[table].schema.names}
