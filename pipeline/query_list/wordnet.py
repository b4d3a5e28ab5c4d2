"""Names of WordNet's synsets: from dict files (wndb(5WN)) or from LMF, the XML of other WordNets.

Princeton's 3.0 and 3.1 come as a folder of data.noun, data.verb and so on, or as a tar of it; Open
English WordNet as the same, or as one XML file in the format of the Global WordNet Association
(LMF), plain or packed; the Open Multilingual Wordnet as a tar of such files.
"""

import re
import tarfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path, PurePath, PurePosixPath

import pyarrow as pa

from pipeline.query_list.lmf import Lexicons, Synsets, read_lmf
from pipeline.web.reading import raise_if_of_the_disk, unpacked
from queries.tables.errors import InputError
from queries.tables.schemas import TABLES

FILES = {"data.noun": "n", "data.verb": "v", "data.adj": "a", "data.adv": "r"}
LMF_ENDINGS = (".xml", ".xml.gz", ".xml.bz2", ".xml.xz")
EXPECTED = f"WordNet's files {', '.join(FILES)}, or LMF files ({', '.join(LMF_ENDINGS)})"
SYNSET_NAME = TABLES["synset_name"].schema
BATCH_SYNSETS = 65_536
MAX_FILE_BYTES = 256 << 20  # of dict files in a tar; the largest of WordNet 3.0 has 15 MB
MAX_TAR_BYTES = 4 << 30  # of all that a tar holds

# Where an adjective may stand: before a noun (a), after it (ip), or in the predicate (p).
_MARKER = re.compile(r"\((?:a|p|ip)\)$")
# Offset, number of the lexicographer's file, part of speech, number of words in hex, the rest.
_LINE = re.compile(r"(\d{8}) \d\d [nvasr] ([0-9a-f]{2}) (.*)")


def read_synsets(
    batches: Iterator[pa.RecordBatch], lemmas: str = "first", language: str = ""
) -> Iterator[pa.RecordBatch]:
    """Map: rows of `path` in, rows of the table `synset_name` out.

    `lemmas`: "first" for each synset's name, "all" for every word of it. A synset without a word
    gives a row with a reason. `language`: of the lexicons to read, "" for all; dict files are
    English. Raises InputError for a WordNet in other languages, for a folder that lacks a file, for
    a line that is no synset, for a file that is no XML, and for a WordNet that names no synset.
    """
    for batch in batches:
        for path in map(Path, batch.column("path").to_pylist()):
            synsets = nameless = 0
            lexicons = Lexicons(language)
            rows: list[dict] = []
            for synset, names in _synsets(path, lexicons):
                synsets += 1
                nameless += not names
                rows += _rows(synset, names if lemmas == "all" else names[:1])
                if len(rows) >= BATCH_SYNSETS:
                    yield pa.RecordBatch.from_pylist(rows, SYNSET_NAME)
                    rows = []
            lexicons.refuse_others(path)
            if synsets == nameless:
                raise InputError(
                    f"{path}: expected a WordNet with names; found {synsets} synsets, "
                    f"{nameless} of them without a word"
                )
            yield pa.RecordBatch.from_pylist(rows, SYNSET_NAME)


def _rows(synset: str, names: list[str]) -> list[dict]:
    if not names:
        return [{"name": None, "synset": synset, "reason": "no_lemma"}]
    return [{"name": name.replace("_", " "), "synset": synset} for name in names]


def _synsets(path: Path, lexicons: Lexicons) -> Synsets:
    if path.is_dir():
        yield from _of_folder(path, lexicons)
    elif _is_tar(path):
        yield from _of_tar(path, lexicons)
    else:
        yield from _of_lmf(path, lexicons)


def _is_tar(path: Path) -> bool:
    """Whether the file is a tar. One that is packed and damaged may be any: its reader says so."""
    try:
        return tarfile.is_tarfile(path)
    except (OSError, EOFError, zlib.error, LZMAError) as error:
        raise_if_of_the_disk(error)
        return False


def _of_lmf(path: Path, lexicons: Lexicons) -> Synsets:
    with path.open("rb") as raw:
        if raw.peek(4).startswith(b"PK\3\4"):
            raise InputError(f"{path}: expected {EXPECTED}; found a zip: unpack it")
        yield from read_lmf(path, unpacked(raw), lexicons)  # type: ignore[arg-type]


def _of_folder(folder: Path, lexicons: Lexicons) -> Synsets:
    """The dict files of a folder, or of the folder `dict` in it; else all LMF files in there."""
    for place in (folder, folder / "dict"):
        texts = {
            name: (place / name).read_text("utf-8", "replace")
            for name in FILES
            if (place / name).is_file()
        }
        if texts:
            yield from _dict_files(place, texts, lexicons)
            return
    names = [path for path in sorted(folder.rglob("*")) if _visible(path.relative_to(folder))]
    lmf = [path for path in names if path.name.endswith(LMF_ENDINGS) and path.is_file()]
    if not lmf:
        inside = ", ".join(path.name for path in names[:5]) or "nothing"
        raise InputError(f"{folder}: expected {EXPECTED}; found {inside}")
    for path in lmf:
        yield from _of_lmf(path, lexicons)


def _of_tar(path: Path, lexicons: Lexicons) -> Synsets:
    """What a tar holds, wherever in it; nothing is unpacked to the disk."""
    texts: dict[str, str] = {}
    names: list[str] = []
    n_bytes = n_lmf = 0
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                place = PurePosixPath(member.name)
                n_bytes += member.size
                if n_bytes > MAX_TAR_BYTES:
                    raise InputError(f"{path}: expected up to {MAX_TAR_BYTES} bytes in a WordNet")
                content = tar.extractfile(member) if member.isreg() and _visible(place) else None
                if content is None:
                    continue
                names.append(place.name)
                if place.name in FILES:
                    if member.size > MAX_FILE_BYTES:
                        raise InputError(f"{path}: {place.name} has {member.size} bytes, too many")
                    texts[place.name] = content.read().decode("utf-8", "replace")
                elif place.name.endswith(".xml"):
                    n_lmf += 1
                    yield from read_lmf(path / place.name, content, lexicons)
    except (tarfile.TarError, OSError, EOFError, zlib.error, LZMAError) as error:
        raise_if_of_the_disk(error)
        raise InputError(f"{path}: expected a tar of {EXPECTED}: {error}") from None
    if texts:
        yield from _dict_files(path, texts, lexicons)
    elif not n_lmf:
        inside = ", ".join(names[:5]) or "nothing"
        raise InputError(f"{path}: expected a tar of {EXPECTED}; found {inside}")


def _visible(path: PurePath) -> bool:
    """Whether no part of the path is hidden, as macOS's ._files are."""
    return not any(part.startswith(".") and part.strip(".") for part in path.parts)


def _dict_files(path: Path, texts: dict[str, str], lexicons: Lexicons) -> Synsets:
    if not lexicons.takes("en"):
        return
    for name, letter in FILES.items():
        if name not in texts:
            raise InputError(f"{path}: expected {EXPECTED}; no {name}")
        for line in texts[name].splitlines():
            if not line.startswith("  "):  # the licence
                yield _synset(path / name, letter, line)


def _synset(path: Path, letter: str, line: str) -> tuple[str, list[str]]:
    match = _LINE.match(line)
    words = match[3].split()[: 2 * int(match[2], 16) : 2] if match else []
    if not match or not words:
        raise InputError(f"{path}: expected a synset's line; found {line[:60]!r}")
    return letter + match[1], [_MARKER.sub("", word) for word in words]
