"""The head of the report: what the dataset is, in a line and in groups of numbers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from queries.engine.duck import DuckEngine
from queries.questions import answer, sql
from queries.tables.manifest import MANIFEST

Tables = Mapping[str, list[Path] | pa.Table]
SHOWN = 4  # languages, licences and sources
CUT = 60  # characters of one, which strangers wrote
KINDS = {"language": "Languages", "licence": "Licences", "source": "Sources"}
NOT_STATED = "not stated"
UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
# Tiles in groups: a group's title, what it means, and its counts (queries/report/counts.sql).
GROUPS = (
    (
        "In the dataset",
        "A sample is one picture with its caption. Shards are the tars that hold them.",
        {"samples": "samples", "words in captions": "words", "shards": "shards"},
    ),
    (
        "What it was chosen by",
        "A query is a search phrase of the list. A match is a query that a caption contains; a "
        "query keeps its matches up to the cap.",
        {"queries": "queries", "matches": "matches", "matches kept": "kept"},
    ),
    (
        "On the way there",
        "A candidate is a row of a source; a pair is one that passed the filters and contains a "
        "query. Of the pairs, pictures were asked for as long as a query had room.",
        {
            "candidates": "candidates",
            "pairs with a query": "pairs",
            "pictures asked for": "asked",
            "pictures fetched": "fetched",
        },
    ),
)


def head(build: Path, engine: DuckEngine, inputs: Tables, counts: Mapping[str, int]) -> dict:
    """The page's values for its head; `counts` are those of queries/report/counts.sql."""
    rows = answer(engine, inputs, sql("report", "shares")).to_pylist()
    facts = {words: most_of(rows, kind) for kind, words in KINDS.items()}
    facts["Size"] = f"{size(counts['bytes'])} in {counts['shards']:,} shards"
    if day := made_on(build):
        facts["Made on"] = day
    return {
        "name": build.parent.name,
        "sentence": sentence(counts),
        "facts": {name: fact for name, fact in facts.items() if fact},
        "groups": [
            {
                "title": title,
                "about": about,
                "numbers": {words: counts[name] for words, name in tiles.items()},
            }
            for title, about, tiles in GROUPS
        ],
    }


def sentence(counts: Mapping[str, int]) -> str:
    """
    >>> sentence({"samples": 1200, "queries": 50, "candidates": 4000})
    '1,200 pictures with captions, chosen from 4,000 candidates by the 50 queries of a list.'
    """
    return (
        f"{counts['samples']:,} pictures with captions, chosen from {counts['candidates']:,} "
        f"candidates by the {counts['queries']:,} queries of a list."
    )


def most_of(rows: Sequence[dict[str, Any]], kind: str) -> str:
    """The values of a kind with the most samples, each with its share.

    >>> most_of([{"kind": "language", "named": "en", "samples": 3}], "language")
    'en 100%'
    """
    values = [row for row in rows if row["kind"] == kind]
    total = sum(row["samples"] for row in values)
    listed = [
        f"{(row['named'] or NOT_STATED)[:CUT]} {percent(row['samples'], total)}"
        for row in values[:SHOWN]
    ]
    more = len(values) - SHOWN
    return ", ".join([*listed, *([f"and {more:,} more"] if more > 0 else [])])


def percent(part: int, whole: int) -> str:
    """A share, rounded once; what is there is never 0%.

    >>> percent(17, 400), percent(1, 3), percent(1, 100_000), percent(5, 5)
    ('4.25%', '33.3%', 'below 0.01%', '100%')
    """
    share = 100 * part / whole
    if 0 < share < 0.01:
        return "below 0.01%"
    return f"{share:.3g}%" if share < 99.95 or part == whole else "above 99.9%"


def size(n_bytes: int) -> str:
    """
    >>> size(999), size(46_000_000)
    ('999 bytes', '46 MB')
    """
    place = 0
    while n_bytes >= 1000 ** (place + 1) and place < len(UNITS) - 1:
        place += 1
    return f"{n_bytes / 1000**place:.3g} {UNITS[place]}"


def made_on(build: Path) -> str:
    """The day on which the manifest, a build's last file, was written; "" where nobody knows."""
    try:
        seconds = (build / MANIFEST).stat().st_mtime
    except (OSError, AttributeError, NotImplementedError):
        return ""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}" if seconds else ""
