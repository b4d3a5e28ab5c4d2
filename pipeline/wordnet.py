"""Names of WordNet's synsets, from its dict files (wndb(5WN)): data.noun, data.verb and so on.

May import queries.schemas and nothing else of ours.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from queries.errors import InputError
from queries.schemas import TABLES

FILES = {"data.noun": "n", "data.verb": "v", "data.adj": "a", "data.adv": "r"}
SYNSET_NAME = TABLES["synset_name"].schema

# Where an adjective may stand: before a noun (a), after it (ip), or in the predicate (p).
_MARKER = re.compile(r"\((?:a|p|ip)\)$")
# Offset, number of the lexicographer's file, part of speech, number of words in hex, first word.
_LINE = re.compile(r"(\d{8}) \d\d [nvasr] [0-9a-f]{2} (\S+) ")


def read_synsets(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Map: rows of `path`, each a dict folder, in; rows of the table `synset_name` out.

    Raises InputError for a folder that lacks a file, and for a line that is no synset.
    """
    for batch in batches:
        for folder in batch.column("path").to_pylist():
            for name, letter in FILES.items():
                yield _read(Path(folder) / name, letter)


def _read(path: Path, letter: str) -> pa.RecordBatch:
    if not path.is_file():
        expected = ", ".join(FILES)
        raise InputError(f"{path.parent}: expected WordNet's files {expected}; no {path.name}")
    names, synsets = [], []
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("  "):  # the licence
            continue
        found = _LINE.match(line)
        if not found:
            raise InputError(f"{path}: expected a synset's line; found {line[:60]!r}")
        names.append(first_lemma(found[2]))
        synsets.append(letter + found[1])
    return pa.RecordBatch.from_arrays(
        [pa.array(names, pa.string()), pa.array(synsets, pa.string())], schema=SYNSET_NAME
    )


def first_lemma(word: str) -> str:
    """A word of a dict file as people write it.

    >>> first_lemma("living_room"), first_lemma("galore(ip)")
    ('living room', 'galore')
    """
    return _MARKER.sub("", word).replace("_", " ")
