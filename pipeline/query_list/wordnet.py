"""Names of WordNet's synsets: from dict files (wndb(5WN)) or from Open English WordNet's XML.

Princeton's 3.0 and 3.1 come as a folder of data.noun, data.verb and so on, or as a tar of it; Open
English WordNet as the same, or as one XML file in the format of the Global WordNet Association
(LMF), plain or gzip.
"""

import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from xml.parsers import expat

import pyarrow as pa

from pipeline.web.reading import unpacked
from queries.tables.errors import InputError
from queries.tables.schemas import TABLES

FILES = {"data.noun": "n", "data.verb": "v", "data.adj": "a", "data.adv": "r"}
SYNSET_NAME = TABLES["synset_name"].schema
CHUNK_BYTES = 1 << 20
MAX_FILE_BYTES = 256 << 20  # of a tar's file; the largest of WordNet 3.0 has 15 MB

# Where an adjective may stand: before a noun (a), after it (ip), or in the predicate (p).
_MARKER = re.compile(r"\((?:a|p|ip)\)$")
# Offset, number of the lexicographer's file, part of speech, number of words in hex, the rest.
_LINE = re.compile(r"(\d{8}) \d\d [nvasr] ([0-9a-f]{2}) (.*)")

Synsets = Iterator[tuple[str, list[str]]]  # a synset and its lemmas, the first one first


def read_synsets(
    batches: Iterator[pa.RecordBatch], lemmas: str = "first"
) -> Iterator[pa.RecordBatch]:
    """Map: rows of `path` in, rows of the table `synset_name` out.

    `lemmas`: "first" for each synset's name, "all" for every word of it. Raises InputError for a
    folder that lacks a file, for a line that is no synset, and for a file that is no XML.
    """
    for batch in batches:
        for path in map(Path, batch.column("path").to_pylist()):
            if path.is_dir() or tarfile.is_tarfile(path):
                texts = _folder_texts(path) if path.is_dir() else _tar_texts(path)
                yield _batch(_dict_files(path, texts), lemmas)
            else:
                yield _batch(_lmf(path), lemmas)


def _batch(synsets: Synsets, lemmas: str) -> pa.RecordBatch:
    rows = [
        {"name": lemma.replace("_", " "), "synset": synset}
        for synset, names in synsets
        for lemma in (names if lemmas == "all" else names[:1])
    ]
    return pa.RecordBatch.from_pylist(rows, SYNSET_NAME)


def _folder_texts(folder: Path) -> dict[str, str]:
    return {
        name: (folder / name).read_text("utf-8", "replace")
        for name in FILES
        if (folder / name).is_file()
    }


def _tar_texts(path: Path) -> dict[str, str]:
    """The dict files of a tar, wherever in it they stand; nothing is unpacked to the disk."""
    texts = {}
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                name = PurePosixPath(member.name).name
                content = tar.extractfile(member) if name in FILES and member.isreg() else None
                if content is not None:
                    if member.size > MAX_FILE_BYTES:
                        raise InputError(f"{path}: {name} has {member.size} bytes, too many")
                    texts[name] = content.read().decode("utf-8", "replace")
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: expected a tar of dict files: {error}") from None
    return texts


def _dict_files(path: Path, texts: dict[str, str]) -> Synsets:
    for name, letter in FILES.items():
        if name not in texts:
            raise InputError(f"{path}: expected WordNet's files {', '.join(FILES)}; no {name}")
        for line in texts[name].splitlines():
            if not line.startswith("  "):  # the licence
                yield _synset(path / name, letter, line)


def _synset(path: Path, letter: str, line: str) -> tuple[str, list[str]]:
    match = _LINE.match(line)
    words = match[3].split()[: 2 * int(match[2], 16) : 2] if match else []
    if not match or not words:
        raise InputError(f"{path}: expected a synset's line; found {line[:60]!r}")
    return letter + match[1], [_MARKER.sub("", word) for word in words]


def _lmf(path: Path) -> Synsets:
    """Synsets of an LMF file, named by the lemmas that their members have."""
    lemma_of: dict[str, str] = {}
    members: dict[str, list[str]] = {}
    entry = ""

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal entry
        if tag == "LexicalEntry":
            entry = attributes["id"]
        elif tag == "Lemma":
            lemma_of[entry] = attributes["writtenForm"]
        elif tag == "Synset":
            members[attributes["id"]] = attributes.get("members", "").split()
        elif tag == "Sense":
            named_by.setdefault(attributes["synset"], []).append(entry)

    def no_entity(*_: object) -> None:
        raise InputError(f"{path}: expected no entity declarations in a WordNet")

    named_by: dict[str, list[str]] = {}
    parser = expat.ParserCreate("UTF-8")  # whatever its first line says: some are no encodings
    parser.StartElementHandler = start
    parser.EntityDeclHandler = no_entity
    try:
        with path.open("rb") as raw:
            file = unpacked(raw)
            while chunk := file.read(CHUNK_BYTES):
                parser.Parse(chunk)
            parser.Parse(b"", True)
    except (expat.ExpatError, OSError, EOFError, zlib.error, KeyError) as error:
        raise InputError(
            f"{path}: expected a folder of dict files or an LMF file: {error}"
        ) from None
    for synset, ids in members.items():
        lemmas = [
            lemma_of[entry_id]
            for entry_id in ids or named_by.get(synset, [])
            if entry_id in lemma_of
        ]
        if lemmas:
            yield synset, lemmas
