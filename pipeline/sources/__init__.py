"""Where candidate pairs come from: one small interface, and one package or module a kind of source.

`check` at the door, `parts` to plan the work, `collect` to do the work of a part, `serving` around
the fetch of the pictures, `held` for those that a source has already.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pyarrow as pa

from pipeline.settings.sources import Source
from pipeline.sources.candidate import SourceError, candidates
from pipeline.sources.interface import Kind, PlannedPart, Planning, SourcePart

__all__ = [
    "Planning",
    "SourceError",
    "SourcePart",
    "check",
    "collect",
    "held",
    "indexes",
    "list_records",
    "parts",
    "serving",
]

VERSION = 5  # raise it when `collect` makes other rows from the same input


def check(sources: Iterable[Source]) -> None:
    """Raise SourceError, in one line, for a source that cannot be read; call it before any work."""
    for source in sources:
        _kind(source).check(source)


def parts(source: Source, planning: Planning) -> list[SourcePart]:
    """The source's parts in order: a file each, some queries each, a language each for the sample.

    The identity lacks the seed: the caller passes the seed to `collect`, and so adds it.
    """
    return _named(source, _kind(source).parts(source, planning))


def indexes(source: Source, planning: Planning) -> list[SourcePart]:
    """The parts of the index that names the source's records, a file each; none without one."""
    return _named(source, _kind(source).indexes(source, planning))


def list_records(batches: Iterator[pa.RecordBatch], source: Source) -> Iterator[pa.RecordBatch]:
    """The map function of such a part: to rows of `crawl_record`."""
    return _kind(source).list_records(batches, source)


def collect(
    batches: Iterator[pa.RecordBatch], source: Source, seed: int
) -> Iterator[pa.RecordBatch]:
    """The map function of a part: from the rows that `parts` planned to rows of `candidate`."""
    planned = (row for batch in batches for row in batch.to_pylist())
    raws = (raw for row in planned for raw in _kind(source).read(row, source))
    return candidates(raws, source.name, seed)


def serving(source: Source) -> AbstractContextManager[object]:
    """Enter it while the source's pictures are fetched: the sample serves its own."""
    return _kind(source).serving(source)


def held(
    sources: Iterable[Source], extra: Iterable[Path], pair_ids: Collection[int]
) -> dict[int, str]:
    """Where the sources hold the pictures of these pairs; the others are asked for on the web.

    `extra` are the files of that table. A place is JSON: path, offset, bytes and sha256.
    """
    places: dict[int, str] = {}
    files = list(extra)
    for source in sources:
        if source.kind == "img2dataset":
            from pipeline.sources import downloaded

            places = downloaded.held(source, files, pair_ids) | places
    return places


def _named(source: Source, planned: Iterable[PlannedPart]) -> list[SourcePart]:
    decided_by = (VERSION, source.kind, source.name)
    return [
        SourcePart(f"{source.name}/{name}", (*decided_by, *identity), pa.table(columns))
        for name, identity, columns in planned
    ]


def _kind(source: Source) -> Kind:
    """The source's kind. Import only its module: no other kind's packages need be installed."""
    match source.kind:
        case "commoncrawl":
            from pipeline.sources import crawl

            return Kind(crawl.check, crawl.parts, crawl.read)
        case "img2dataset":
            from pipeline.sources import downloaded

            return Kind(downloaded.check, downloaded.parts, downloaded.read)
        case "commoncrawl_index":
            from pipeline.sources import crawl_index as of

            return Kind(
                of.check, of.parts, of.read, indexes=of.indexes, list_records=of.list_records
            )
        case "mediawiki":
            from pipeline.sources import mediawiki

            return Kind(mediawiki.check, mediawiki.parts, mediawiki.read)
        case "openverse":
            from pipeline.sources import openverse

            return Kind(openverse.check, openverse.parts, openverse.read)
        case "sample":
            from pipeline.sources import sample

            return Kind(sample.check, sample.parts, sample.read, sample.serving)
        case "tables":
            from pipeline.sources import tables

            return Kind(tables.check, tables.parts, tables.read)
