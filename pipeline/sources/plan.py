"""What a source is given to plan its parts, and what a part is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa


@dataclass(frozen=True)
class Given:
    """What a build knows when a source plans its parts.

    `content` gives the digest of a file. `queries` is the table `query` for a source that
    searches, else None; `journals` is a folder in which such a source notes each answer, so that
    an interrupted part goes on where it was.
    """

    content: Callable[[Path], str]
    queries: pa.Table | None = None
    journals: Path = Path()


@dataclass(frozen=True)
class SourcePart:
    """A piece of a source: its name, what decides its rows (JSON-able), and the map's input."""

    name: str
    identity: tuple
    rows: pa.Table
