"""The parts of the docs that are drawn from the code and from the sample build.

`python -m tests.design_page` writes the table of tasks of docs/design.md and the tour of
CONTRIBUTING.md; with a workspace of the sample build it writes the example, too. With `--check` it
only says whether the pages are current.
"""

import ast
import inspect
import re
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import BuildWIT
from pipeline.settings.whole import SAMPLE
from pipeline.tasks import build_queries, build_wit, pairs, pictures, queries
from pipeline.tasks.opening import Options, open_workspace
from pipeline.tasks.stage import Stage
from tests import ROOT

DESIGN, CONTRIBUTING = ROOT / "docs/design.md", ROOT / "CONTRIBUTING.md"
MODULES = (queries, build_queries, pairs, pictures, build_wit)
KEPT, DROPPED = 8482112563835995940, 6724184618673221140  # pairs of the sample build
SHOWN = {  # tables of the example with the columns that matter, in the order of their making
    "candidate": ("source", "row", "url", "caption", "priority"),
    "filtered": ("language", "reason"),
    "pooled": ("reason",),
    "pair_match": ("query_id",),
    "query": ("query_id", "text"),
    "request": ("round", "attempt"),
    "fetched": ("original_width", "original_height", "image_bytes", "reason"),
    "verdict": ("reason",),
    "kept_match": ("query_id",),
    "outcome": ("reason",),
    "picked": ("width", "height", "image_part"),
    "sample": ("key", "n_words", "offset", "bytes"),
}


def stages() -> list[type[Stage]]:
    """The classes of all tasks, in the order of their modules."""
    return [
        task
        for module in MODULES
        for _, task in vars(module).items()
        if inspect.isclass(task) and issubclass(task, Stage) and not task.__subclasses__()
        if task.__module__ == module.__name__
    ]


def task_table() -> str:
    """What each task reads and makes, as Markdown."""
    lines = ["| task | what it makes | tables read | tables made |", "|---|---|---|---|"]
    for task in stages():
        about = (inspect.getdoc(task) or "").split("\n\n")[0].replace("\n", " ").rstrip(".")
        cells = [task.__name__, about, ", ".join(task.reads), ", ".join(task.makes)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def example(workspace: str) -> str:
    """The rows of the two pairs in the sample build of a workspace, as Markdown."""
    options = Options(str(SAMPLE), workspace, "duckdb", "", "")
    open_workspace(options)
    build = BuildWIT(**vars(options))
    lines = ["| table | kept | dropped |", "|---|---|---|", f"| pair_id | {KEPT} | {DROPPED} |"]
    matched: dict[int, pa.Table] = {}
    for table, columns in SHOWN.items():
        cells = []
        for pair_id in (KEPT, DROPPED):
            rows = rows_of(build, table)
            if table == "query":
                rows = rows.filter(pc.is_in(rows["query_id"], matched[pair_id]["query_id"]))
            else:
                rows = rows.filter(pc.equal(rows["pair_id"], pair_id))
            if table == "pair_match":
                matched[pair_id] = rows
            cells.append("<br>".join(shown(row) for row in rows.select(columns).to_pylist()))
        lines.append(f"| {table} | {' | '.join(cell or 'no row' for cell in cells)} |")
    return "\n".join(lines)


def rows_of(build: Stage, table: str) -> pa.Table:
    if table == "verdict":  # of the last selection, whose folder has the digest of its stage
        (cap,) = build.makers("outcome")
        return pq.read_table(cap.ws.work / "cap" / cap.digest / "verdict.parquet")
    makers = build.makers(table)
    return pa.concat_tables(pq.read_table(path) for one in makers for path in one.made(table))


def shown(row: dict[str, object]) -> str:
    """
    >>> shown({"round": 0, "reason": None})
    'round = 0, reason = null'
    """
    return ", ".join(f"{name} = {'null' if v is None else v}" for name, v in row.items())


def tour() -> str:
    """A line for each package: the first sentence of its docstring, as Markdown."""
    faces = [
        face
        for room in ("queries", "pipeline", "trainer")
        for face in (ROOT / room).rglob("__init__.py")
    ]
    lines = []
    for face in sorted(faces):
        about = ast.get_docstring(ast.parse(face.read_text())) or ""
        sentence = re.split(r"(?<=\.)\s", about.split("\n\n")[0].replace("\n", " "))[0]
        lines.append(f"| `{face.parent.relative_to(ROOT)}` | {sentence} |")
    return "\n".join(["| package | what it is for |", "|---|---|", *lines])


def block(page: str, name: str) -> str:
    """What stands between the two comments of a name."""
    return re.search(f"<!-- {name} -->\n(.*)\n<!-- end of {name} -->", page, re.S)[1]


def main(words: list[str]) -> int:
    blocks = {"tasks": (DESIGN, task_table()), "tour": (CONTRIBUTING, tour())}
    for workspace in set(words) - {"--check"}:
        blocks["example"] = (DESIGN, example(workspace))
    stale = {}
    for name, (page, current) in blocks.items():
        text = page.read_text()
        if block(text, name) != current:
            stale[name] = page
            if "--check" not in words:
                page.write_text(text.replace(block(text, name), current))
    print(*(f"{page}: {name}: was not current" for name, page in stale.items()), sep="\n")
    return 1 if stale and "--check" in words else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
