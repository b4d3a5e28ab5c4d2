"""Names of the code say what they hold: a noun of the field, not `one` or `found`."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.test_architecture import MODULES, name

SAY_NOTHING = {"one", "found", "known", "given", "said", "told", "some"}
MOST = 40  # for places that have no noun


def names(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the name of each parameter and of each assignment."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id


def test_few_names_say_nothing():
    places = [
        f"{name(path)}:{line}: {word}"
        for path in MODULES
        for line, word in names(path)
        if word in SAY_NOTHING
    ]
    assert len(places) < MOST, "\n".join(places)
