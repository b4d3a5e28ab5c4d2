"""How good the query list is, for people: what it lacks, and the list's audit on the terminal."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.text import Text

from queries.answers import grid
from queries.engine.duck import DuckEngine
from queries.questions import answer, sql, title
from queries.tables.manifest import files_by_table, manifest

SHORT = {  # a line for each row of list_source in which something is missing
    "list": "the list has {offered:,} of the {quota:,} queries asked for: its sources have no more",
    "word": "words end at their floor of {least:,} occurrence{s}, {offered:,} for a quota of "
    "{quota:,}: lower word_min or word_per_million, or add articles",
    "bigram": "bigrams end at their floors of {least:,} occurrence{s} and {pmi_min:g} bits, "
    "{offered:,} for a quota of {quota:,}: lower bigram_min, bigram_per_million or pmi_min, or add "
    "articles",
    "title": "titles end at their floor of {least:,} views, {offered:,} for a quota of {quota:,}: "
    "lower views_min or add views; title_quota = 0 is a list without titles",
}
UNSEGMENTED = (
    "{share:.1%} of the characters of the {texts} are in scripts without spaces, and nothing cut "
    "them into words: few of them match. pip install '.[languages]', and no text.segmenter of none"
)
LEAST_UNSPACED = 0.001  # of all characters: a name in another script is no language
BORDER = ", by "  # in what the audit calls a row that is a phrase at a border
Tables = Mapping[str, list[Path] | pa.Table]


def shortfalls(engine: DuckEngine, inputs: Tables) -> list[str]:
    """A line for each list that is shorter than asked, and for each source that ends at its floor.

    Empty where nothing is missing, and for builds of 0.1.0, which lack the table.
    """
    rows = answer(engine, inputs, sql("report", "shortfalls")).to_pylist()
    return [_line(**row) for row in rows]


def _line(source: str, language: str | None, least: int | None, **figures: float) -> str:
    line = SHORT[source].format(least=least, s="s" * (least != 1), **figures)
    return f"{language}: {line}" if language else line


def unsegmented(build: Path) -> list[str]:
    """A line for articles and one for captions that want a segmenter, where the build had none."""
    shares: dict[str, float] = manifest(build).get("unspaced", {})
    return [
        UNSEGMENTED.format(texts=texts, share=shares[table])
        for table, texts in (("article", "articles"), ("filtered", "captions"))
        if shares.get(table, 0) >= LEAST_UNSPACED
    ]


def print_shortfalls(build: Path) -> None:
    """Print what the list of a build lacks, a line each; nothing where it lacks nothing."""
    lines = shortfalls(DuckEngine(quiet=True), files_by_table(build)) + unsegmented(build)
    for line in lines:
        Console().print(Text(f"SHORT: {line}", style="bold"), soft_wrap=True)


def announce_list(build: Path, verdict: str) -> None:
    """Print the audit of a query list that was made alone, where the list is, and what it lacks."""
    console, inputs = Console(), files_by_table(build)
    rows = answer(DuckEngine(quiet=True), inputs, sql("audit", "query_list"))
    at_border = pc.match_substring(rows["about"], BORDER)
    console.print(title("audit", "query_list"), style="bold", markup=False)
    console.print(grid(rows.filter(pc.invert(at_border)), 0))
    for about, texts in _borders(rows.filter(at_border)):
        console.print(Text.assemble((f"{about}: ", "bold"), " · ".join(texts)))
    console.print(
        f"query list {build.name}: {verdict}\n"
        f"  queries  {', '.join(map(str, inputs['query']))}\n"
        f"  audit    python -m queries audit query_list --build {build} --rows 0",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    print_shortfalls(build)


def _borders(rows: pa.Table) -> Iterator[tuple[str, list[str]]]:
    """The phrases of each border in one list.

    >>> list(_borders(pa.table({"about": ["last in, by word"] * 2, "item": ["yak", "zebra"]})))
    [('last in, by word', ['yak', 'zebra'])]
    """
    for about, phrases in groupby(rows.to_pylist(), key=itemgetter("about")):
        yield about, [row["item"] for row in phrases]
