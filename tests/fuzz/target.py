"""A target: a strategy of inputs, and the function that reads each."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Target:
    """`run` returns for an input that is refused as declared, and raises for a failure."""

    name: str
    inputs: st.SearchStrategy[Any]
    run: Callable[[Any], object]


@contextmanager
def file_of(data: bytes, ending: str) -> Iterator[Path]:
    """The bytes as a file, in memory where the machine has such a folder."""
    place = str(MEMORY) if MEMORY.is_dir() else None
    with tempfile.NamedTemporaryFile(suffix=ending, dir=place) as file:
        file.write(data)
        file.flush()
        yield Path(file.name)
