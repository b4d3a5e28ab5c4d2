"""`python -m queries audit|check|views`: ask questions of a build."""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from queries import endings

with endings.importing(__name__):
    import pyarrow as pa
    from rich.console import Console

    from queries.answers import FORMATS, grid, json_rows, written
    from queries.engine.duck import DuckEngine
    from queries.options import LocalPath, parsed
    from queries.person_terms import UNKNOWN, coverage, others
    from queries.questions import (
        Inputs,
        answer,
        compares,
        names,
        needs_run,
        of_places,
        of_whole_builds,
        says_places,
        sql,
        tables,
        title,
        views,
    )
    from queries.readers import READERS, group_of, ordered, sentence, verdict
    from queries.tables.errors import InputError
    from queries.tables.manifest import find, manifest, run_folder, unchanged
    from queries.tables.parts import written_whole
    from queries.tables.reasons import PLACEHOLDER_LANGUAGES

SHOWN_ROWS = 12
UNLISTED = "not every language has a list of placeholders"
MEMORY = "2GB"  # of DuckDB: beyond it spills, which benchmarks.audits measures

EPILOG = """examples:
  python -m queries audit --build wit                    every audit of the newest build in wit/
  python -m queries audit pairs_per_query --build wit    one audit, all its rows with --rows 0
  python -m queries audit --build wit --for dpo                  privacy and rights alone
  python -m queries audit balance --build wit --format csv       json, parquet, md: all rows
  python -m queries audit --build wit --format md --out audits   a file for each audit
  python -m queries audit --build wit --sql "SELECT COUNT(*) FROM sample"
  python -m queries audit --build wit/NEW --other wit/OLD        two builds compared, too
  python -m queries check --build wit                    every check; exit code 1 if one fails
  python -m queries views --build wit | cat - my.sql | duckdb    the tables as views in a shell
"""


@dataclass(frozen=True)
class Asked:
    """One question: its file's name, its title and its SQL."""

    name: str
    title: str
    sql: str


def main(arguments: list[str] | None = None) -> int:
    options = parsed(parser().parse_intermixed_args, arguments)
    return endings.run(f"queries {options.verb}", lambda: ask(options))


def ask(options: argparse.Namespace) -> int:
    """Ask what the options say of a build; the exit code. Raises UserError."""
    build = find(options.build)
    other = find(options.other) if options.other else None
    run_folder(options.run)
    if options.verb == "views":
        print("\n".join(views(build, options.run, other)))
        return 0
    with unchanged(build), nullcontext() if other is None else unchanged(other):
        return answered(wanted(options), options, build, other)


def answered(
    questions: list[Asked], options: argparse.Namespace, build: Path, other: Path | None
) -> int:
    """Ask the questions, and show the answers; the exit status."""
    if options.verb == "check":
        questions = still_asked(questions, build)
    inputs = tables(build, options.run, other, " ".join(asked.sql for asked in questions))
    with tempfile.TemporaryDirectory() as scratch:
        engine = DuckEngine(memory=MEMORY, quiet=True, scratch=Path(scratch))
        if options.verb == "audit":
            asked_so = [replace(asked, title=heading(engine, inputs, asked)) for asked in questions]
            return audit(
                ((asked, answer(engine, inputs, asked.sql)) for asked in asked_so), options
            )
        return check(
            ((asked, faults(engine, inputs, asked)) for asked in questions), options, build
        )


def heading(engine: DuckEngine, inputs: Inputs, asked: Asked) -> str:
    """The title; of an audit by lists of words, with their languages and what they leave out."""
    by_reason = asked.name == "settings_cost"
    if not by_reason and "person_term" not in asked.sql:
        return asked.title
    terms = answer(engine, inputs, "SELECT * FROM person_term").to_pylist()
    listed = {term.get("language") or UNKNOWN for term in terms}  # 0.1.0 names no language
    rows = answer(engine, inputs, sql("report", "samples_by_language")).to_pylist()
    n_samples = {row["language"]: row["samples"] for row in rows}
    if by_reason:
        note = others(PLACEHOLDER_LANGUAGES, n_samples)
        return f"{asked.title}; {UNLISTED}: {note}" if note else asked.title
    return f"{asked.title}; {coverage(listed, n_samples)}"


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
    made.add_argument("--build", required=True, help="a build, or a workspace")
    made.add_argument("--for", dest="reader", choices=READERS, help="the audits that answer to you")
    made.add_argument("--run", action=LocalPath, help="a run of the trainer, for its tables")
    made.add_argument("--other", help="a build to compare: its views begin with other_")
    made.add_argument("--sql", help="a question of one's own over the same views")
    made.add_argument("--format", choices=FORMATS, default="table", help="table by default")
    made.add_argument(
        "--out", action=LocalPath, help="a folder: a file for each answer, NAME.FORMAT"
    )
    made.add_argument(
        "--rows",
        type=int,
        help=f"rows of each answer, 0 for all; {SHOWN_ROWS} of a table by default, else all",
    )
    return made


def wanted(options: argparse.Namespace) -> list[Asked]:
    """The questions that the options name, in order. Raises InputError."""
    verb, name, own = options.verb, options.name, options.sql
    if options.rows is not None and options.rows < 0:
        raise InputError(f"--rows {options.rows}: expected 0, for all rows, or more")
    if own is not None:
        if verb != "audit" or name:
            raise InputError("--sql: expected `audit` without a NAME beside it")
        questions = [Asked("own", own, own)]
    else:
        every = names(verb)
        if name is not None and name not in every:
            close = get_close_matches(name, every, 1)
            guess = f"did you mean {close[0]}? " if close else ""
            raise InputError(f"no {verb} {name!r}: {guess}expected {', '.join(every)}")
        if options.reader and (verb != "audit" or name):
            raise InputError(f"--for {options.reader}: expected `audit` without a NAME beside it")
        chosen = [name] if name else ordered(options.reader) if verb == "audit" else every
        questions = [Asked(each, title(verb, each), sql(verb, each)) for each in chosen]
    comparing = [asked for asked in questions if compares(asked.sql)]
    if comparing and not options.other:
        if name or own:
            raise InputError(f"{comparing[0].name} compares two builds: expected --other BUILD")
        questions = [asked for asked in questions if asked not in comparing]
    if options.out and options.format == "table":
        raise InputError(f"--out: expected --format {', '.join(FORMATS[1:])} beside it")
    if options.format in ("csv", "parquet") and len(questions) > 1 and not options.out:
        raise InputError(f"--format {options.format} holds one answer: expected a NAME, or --out")
    if options.format == "parquet" and not options.out and sys.stdout.isatty():
        raise InputError("--format parquet: expected --out FOLDER, or a pipe instead of a terminal")
    return questions


def still_asked(questions: list[Asked], build: Path) -> list[Asked]:
    """The checks without those that need not hold of a build.

    A build may have lost pairs by takedown, or may have been made by 0.1.0, without places.
    """
    lost, has_places = manifest(build).get("taken_down"), says_places(build)
    left_out = [
        asked
        for asked in questions
        if (lost and of_whole_builds(asked.sql)) or (not has_places and of_places(asked.sql))
    ]
    names_ = f", not asked: {', '.join(asked.name for asked in left_out)}" if left_out else ""
    if lost:
        print(f"{build}: lost {lost} pairs by takedown{names_}", file=sys.stderr)
    elif left_out:
        print(f"{build}: made by 0.1.0{names_}", file=sys.stderr)
    return [asked for asked in questions if asked not in left_out]


def faults(engine: DuckEngine, inputs: Inputs, asked: Asked) -> pa.Table:
    """The rows at fault; a table that cannot be read is a fault of every check that names it."""
    try:
        return answer(engine, inputs, asked.sql)
    except InputError as error:
        return pa.table({"cannot_be_asked": [str(error)]})


def audit(answers: Iterator[tuple[Asked, pa.Table]], options: argparse.Namespace) -> int:
    """Print or write the answer to each question."""
    if options.format != "table":
        write_answers(list(answers), options)
        return 0
    console, group = Console(), ""
    for asked, rows in answers:
        if asked.name != "own":
            if not options.name and group != (group := group_of(asked.name)):
                console.rule(group, align="left")
            console.print(f"{asked.title} ({asked.name})", style="bold", markup=False)
            console.print(about(asked, rows, options.run), style="italic", markup=False)
            if needs_run(asked.sql) and options.run is None:
                continue
        console.print(grid(rows, SHOWN_ROWS if options.rows is None else options.rows))
    return 0


def about(asked: Asked, rows: pa.Table, run: Path | None) -> str:
    """The audit's sentence, with its verdict, or with what it needs."""
    if needs_run(asked.sql) and run is None:
        return f"{sentence(asked.name)} This needs --run RUN, a run of the trainer."
    return f"{sentence(asked.name)} {verdict(asked.name, rows.to_pylist())}".rstrip()


def check(
    answers: Iterator[tuple[Asked, pa.Table]], options: argparse.Namespace, build: Path
) -> int:
    """Print a line for each check, and the first rows at fault; 1 if there are any."""
    if options.format != "table":
        listed = list(answers)
        write_answers(listed, options)
        return int(any(rows.num_rows for _, rows in listed))
    console = Console()
    n_failed = n_asked = 0
    for asked, at_fault in answers:
        n_asked += 1
        n_failed += at_fault.num_rows > 0
        verdict = f"FAILED: {at_fault.num_rows} rows" if at_fault.num_rows else "passed"
        console.print(f"{verdict:<8} {asked.title} ({asked.name})", markup=False)
        if at_fault.num_rows:
            console.print(grid(at_fault, SHOWN_ROWS if options.rows is None else options.rows))
    console.print(f"{n_asked - n_failed} of {n_asked} checks passed on {build}", markup=False)
    return 1 if n_failed else 0


def write_answers(answers: list[tuple[Asked, pa.Table]], options: argparse.Namespace) -> None:
    """Answers in a format of programs: to files in a folder, or all to the standard output."""
    cut = [
        (asked, rows.slice(0, options.rows) if options.rows else rows) for asked, rows in answers
    ]
    if options.out:
        for asked, rows in cut:
            path = options.out / f"{asked.name}.{options.format}"
            with written_whole(path) as beside:
                beside.write_bytes(written(rows, options.format))
            print(path)
        return
    if len(cut) == 1:
        content = written(cut[0][1], options.format)
    elif options.format == "json":
        of = (f"{json.dumps(asked.name)}: {json_rows(rows)}" for asked, rows in cut)
        content = ("{\n" + ",\n".join(of) + "\n}\n").encode()
    else:
        of = (f"## {asked.title}\n\n{written(rows, 'md').decode()}" for asked, rows in cut)
        content = "\n".join(of).encode()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
