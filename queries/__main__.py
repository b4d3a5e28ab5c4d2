"""`python -m queries audit|check|views`: ask questions of a build."""

import argparse
import sys
from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.table import Table as Grid

from queries.build import BuildError, find
from queries.engine import DuckEngine
from queries.questions import answer, names, sql, tables, title, views

SHOWN_ROWS = 12
LEAST_WIDTH = 12  # characters that a column of text keeps on a narrow terminal

EPILOG = """examples:
  python -m queries audit --build wit                    every audit of the newest build in wit/
  python -m queries audit pairs_per_query --build wit    one audit, all its rows with --rows 0
  python -m queries check --build wit                    every check; exit code 1 if one fails
  python -m queries views --build wit | cat - my.sql | duckdb    the tables as views in a shell
"""


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        build = find(options.build)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 2
    if options.verb == "views":
        print("\n".join(views(build, options.run)))
        return 0
    known = names(options.verb)
    if options.name is not None and options.name not in known:
        print(f"no {options.verb} {options.name!r}: expected {', '.join(known)}", file=sys.stderr)
        return 2
    ask = audit if options.verb == "audit" else check
    return ask(build, options.run, [options.name] if options.name else known, options.rows)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        "python -m queries",
        description="Ask questions of a build, in SQL.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "verb",
        choices=["audit", "check", "views"],
        help="audit reports; check looks for rows at fault; views prints SQL",
    )
    made.add_argument("name", nargs="?", help="one question, named as its file; all by default")
    made.add_argument("--build", type=Path, required=True, help="a build, or a workspace")
    made.add_argument("--run", type=Path, help="a run of the trainer, for its tables")
    made.add_argument(
        "--rows",
        type=int,
        default=SHOWN_ROWS,
        help=f"rows to show of each answer, 0 for all; {SHOWN_ROWS} by default",
    )
    return made


def audit(build: Path, run: Path | None, wanted: list[str], n_rows: int) -> int:
    """Print the answer to each question."""
    console, engine, inputs = Console(), DuckEngine(quiet=True), tables(build, run)
    for name in wanted:
        found = answer(engine, inputs, sql("audit", name))
        console.print(f"{title('audit', name)} ({name})", style="bold", markup=False)
        console.print(grid(found, n_rows))
    return 0


def check(build: Path, run: Path | None, wanted: list[str], n_rows: int) -> int:
    """Print a line for each check, and the first rows at fault; 1 if there are any."""
    console, engine, inputs = Console(), DuckEngine(quiet=True), tables(build, run)
    n_failed = 0
    for name in wanted:
        faults = answer(engine, inputs, sql("check", name))
        n_failed += faults.num_rows > 0
        verdict = f"FAILED: {faults.num_rows} rows" if faults.num_rows else "passed"
        console.print(f"{verdict:<8} {title('check', name)} ({name})", markup=False)
        if faults.num_rows:
            console.print(grid(faults, n_rows))
    passed = len(wanted) - n_failed
    console.print(f"{passed} of {len(wanted)} checks passed on {build}", markup=False)
    return 1 if n_failed else 0


def grid(found: pa.Table, n_rows: int) -> Grid:
    """An answer as a table that fits a terminal; captions and URLs are cut, never interpreted."""
    shown = found.slice(0, n_rows) if n_rows else found
    left = found.num_rows - shown.num_rows
    made = Grid(caption=f"and {left:,} rows more" if left else None)
    rows = [[_cell(value) for value in row.values()] for row in shown.to_pylist()]
    names = [_plain(name) for name in found.column_names]
    widest = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    for name, field, width in zip(
        names, found.schema, fitted(widest, Console().width), strict=True
    ):
        number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        made.add_column(
            name,
            justify="right" if number else "left",
            width=width,
            overflow="ellipsis",
            no_wrap=True,
        )
    for row in rows:
        made.add_row(*row)
    return made


def fitted(widest: list[int], terminal: int) -> list[int]:
    """Widths of columns that fit: the widest give way first, down to LEAST_WIDTH.

    >>> fitted([4, 60, 30], terminal=60)
    [4, 23, 23]
    """
    left = terminal - 3 * len(widest) - 1  # two spaces and a rule a column
    longest = max(widest, default=0)
    while longest > LEAST_WIDTH and sum(min(width, longest) for width in widest) > left:
        longest -= 1
    return [min(width, longest) for width in widest]


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.6g}" if isinstance(value, float) else _plain(str(value))


def _plain(text: str) -> str:
    """Text of strangers, with rich's markup and control characters taken out."""
    printable = "".join(one if one.isprintable() else " " for one in text)
    return printable.replace("[", r"\[")


if __name__ == "__main__":
    sys.exit(main())
