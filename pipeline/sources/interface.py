"""The interface of a source: what a kind of source can do, and what it plans its parts from."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.sources.candidate import Raw

PlannedPart = tuple[str, tuple, dict[str, list]]  # name, identity, columns of the map's input


@dataclass(frozen=True)
class Planning:
    """What a source needs to plan its parts.

    `content` gives the digest of a file. `queries` is the table `query` for a source that
    searches, else None. `journals` is a folder where such a source notes each answer, so that an
    interrupted part goes on where it was. `records` are files of `crawl_record` for a source that
    an index names the records of: a file for each part of the index, in order.
    """

    content: Callable[[Path], str]
    queries: pa.Table | None = None
    journals: Path = Path()
    records: Sequence[Path] = ()


@dataclass(frozen=True)
class SourcePart:
    """A piece of a source: its name, what decides its rows (JSON-able), and the map's input."""

    name: str
    identity: tuple
    rows: pa.Table


@dataclass(frozen=True)
class Kind:
    """The functions of a kind of source. Each takes the settings of one source of that kind.

    `check` raises SourceError if the source cannot be read. `parts` plans the work, `read` gives
    the raw rows of a part's input row, and `serving` surrounds the fetch of the pictures. Of a
    source with an index `indexes` plans the parts of the index, and `list_records` reads one.
    """

    check: Callable[[Any], None]
    parts: Callable[[Any, Planning], Iterable[PlannedPart]]
    read: Callable[[dict, Any], Iterator[Raw]]
    serving: Callable[[Any], AbstractContextManager[object]] = nullcontext
    indexes: Callable[[Any, Planning], Iterable[PlannedPart]] = lambda *_: ()
    list_records: Callable[[Iterator[pa.RecordBatch], Any], Iterator[pa.RecordBatch]] = lambda *_: (
        iter(())
    )
