"""Where candidate pairs come from: one small interface, and one module a kind of source.

`check` at the door, `parts` to plan the work, `collect` to do one part's, `serving` around the
fetch. Each kind is imported only when it is asked for: a build without the sample needs none of
the sample's packages. Modules here may import each other, queries and settings.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any

import pyarrow as pa

from pipeline.settings.sources import Source
from pipeline.sources.candidate import SourceError, candidates
from pipeline.sources.plan import Given, SourcePart

__all__ = ["Given", "SourceError", "SourcePart", "check", "collect", "parts", "serving"]

KINDS = {  # imported only when asked for
    "commoncrawl": "pipeline.sources.crawl.pages",
    "mediawiki": "pipeline.sources.mediawiki",
    "openverse": "pipeline.sources.openverse",
    "sample": "pipeline.sources.sample.pictures",
    "tables": "pipeline.sources.tables.files",
}
VERSION = 3  # raise it when `collect` makes other rows from the same input


def check(sources: Iterable[Source]) -> None:
    """Raise SourceError, in one line, if one cannot be read; call it before any work."""
    for source in sources:
        _module(source).check(source)


def parts(source: Source, given: Given) -> list[SourcePart]:
    """The source's parts in order: a file each, some queries each, a language each for the sample.

    The identity lacks the seed, which the caller gives to
    `collect`, and so adds.
    """
    decided_by = (VERSION, source.kind, source.name)
    return [
        SourcePart(f"{source.name}/{name}", (*decided_by, *identity), pa.table(rows))
        for name, identity, rows in _module(source).parts(source, given)
    ]


def collect(
    batches: Iterator[pa.RecordBatch], source: Source, seed: int
) -> Iterator[pa.RecordBatch]:
    """The map function of a part: from the rows that `parts` gave to rows of `candidate`."""
    asked = (row for batch in batches for row in batch.to_pylist())
    raws = (raw for row in asked for raw in _module(source).read(row, source))
    return candidates(raws, source.name, seed)


def serving(source: Source) -> AbstractContextManager[object]:
    """Enter it while the source's pictures are fetched: the sample serves its own."""
    return _module(source).serving(source) if source.kind == "sample" else nullcontext()


def _module(source: Source) -> Any:
    """The kind's module, with check(source), parts(source, given) and read(row, source)."""
    return import_module(KINDS[source.kind])
