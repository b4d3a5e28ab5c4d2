"""Where candidate pairs come from: one small interface, and one module a kind of source.

`check` at the door, `parts` to plan the work, `collect` to do one part's, `serving` around the
fetch. Each kind is imported only when it is asked for: a build without the sample needs none of
the sample's packages. Modules here may import each other, queries and settings.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.settings import Source
from pipeline.sources.rows import Raw, SourceError, candidates

__all__ = ["SourceError", "SourcePart", "check", "collect", "parts", "serving"]

VERSION = 1  # raise it when `collect` makes other rows from the same input


@dataclass(frozen=True)
class SourcePart:
    """A piece of a source: its name, what decides its rows (JSON-able), and the map's input."""

    name: str
    identity: tuple
    rows: pa.Table


def check(sources: Iterable[Source]) -> None:
    """Raise SourceError, in one line, if one cannot be read; call it before any work."""
    for source in sources:
        if source.kind == "tables":
            from pipeline.sources import tables

            tables.check(source)
        else:
            from pipeline.sources import sample

            sample.check()


def parts(source: Source, content: Callable[[Path], str]) -> list[SourcePart]:
    """The source's parts in order: a file each for tables, a language each for the sample.

    `content` gives the digest of a file. The identity lacks the seed, which the caller gives to
    `collect`, and so adds.
    """
    if source.kind == "tables":
        from pipeline.sources import tables

        listed = tables.parts(source, content)
    else:
        from pipeline.sources import sample

        listed = sample.parts(source)
    return [
        SourcePart(
            f"{source.name}/{name}", (VERSION, source.kind, source.name, *identity), pa.table(rows)
        )
        for name, identity, rows in listed
    ]


def collect(
    batches: Iterator[pa.RecordBatch], source: Source, seed: int
) -> Iterator[pa.RecordBatch]:
    """The map function of a part: from the rows that `parts` gave to rows of `candidate`."""
    return candidates(_raws(batches, source), source.name, seed)


def serving(source: Source) -> AbstractContextManager[object]:
    """Enter it while the source's pictures are fetched: the sample serves its own."""
    if source.kind == "tables":
        return nullcontext()
    from pipeline.sources import sample

    return sample.serving(source)


def _raws(batches: Iterator[pa.RecordBatch], source: Source) -> Iterator[Raw]:
    asked = (row for batch in batches for row in batch.to_pylist())
    if source.kind == "tables":
        from pipeline.sources import tables

        for row in asked:
            yield from tables.read(row["path"], source.columns)
    else:
        from pipeline.sources import sample

        for row in asked:
            yield from sample.read(row["chapter"], source)
