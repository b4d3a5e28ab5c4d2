"""The audits in the report: in the groups of queries/readers.py, each with its first rows."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa

from pipeline.report.gallery import shortened
from pipeline.report.grids import grid
from queries.engine.duck import DuckEngine
from queries.questions import answer, compares, needs_run, sql, title
from queries.readers import GROUPS, verdict

SHOWN_ROWS = 12
MOST_CHARACTERS = 200  # of a cell: captions and addresses come from strangers


def audit_groups(
    engine: DuckEngine, inputs: Mapping[str, list[Path] | pa.Table], has_run: bool
) -> Iterator[dict]:
    """Each group with its audits; those that ask of a run or of two builds only where there are."""
    for group, audits in GROUPS.items():
        asked = [
            audit(engine, inputs, name, about)
            for name, about in audits.items()
            if not compares(sql("audit", name)) and (has_run or not needs_run(sql("audit", name)))
        ]
        yield {"title": group, "audits": asked}


def audit(
    engine: DuckEngine, inputs: Mapping[str, list[Path] | pa.Table], name: str, about: str
) -> dict:
    """One audit: its title, its sentence with a verdict, its first rows and how many more."""
    rows = answer(engine, inputs, sql("audit", name))
    shown = grid(rows.slice(0, SHOWN_ROWS))
    shown["rows"] = [[cut(cell) for cell in row] for row in shown["rows"]]
    return {
        "name": name,
        "title": title("audit", name),
        "about": f"{about} {verdict(name, rows.to_pylist())}".rstrip(),
        "grid": shown,
        "more": max(0, rows.num_rows - SHOWN_ROWS),
    }


def cut(cell: object) -> object:
    """
    >>> cut("boat"), cut(3)
    ('boat', 3)
    """
    return shortened(cell, MOST_CHARACTERS) if isinstance(cell, str) else cell
