"""The names of an evaluation set's classes: of a list, of folders, or of a file about folders.

A list is positional: its n-th line is the name of label n, so no line of it is left out. A file
about folders has lines of a folder and its name (ImageNet's LOC_synset_mapping.txt, words.txt), or
JSON (imagenet_class_index.json).
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.evaluation.sets.files import read_lines, read_text
from trainer.settings import TrainerError

CLASSNAMES = "classnames.txt"
WORDNET = re.compile("n[0-9]{8}")  # a folder named by the offset of its synset
BESIDE_WORDNET = (  # files that name such folders, where ImageNet and its descendants have them
    *("LOC_synset_mapping.txt", "synset_words.txt", "words.txt", "map_clsloc.txt"),
    "imagenet_class_index.json",
)
PREFIX = re.compile(r"(?:n[0-9]{8}[-_]|[0-9]{3}\.)(?=.)")  # n02085620-Chihuahua, 001.Albatross
SHOWN = 3  # folders in a message


@dataclass(frozen=True)
class Classes:
    """The names by label, and in a set of folders the folder of each, "" for a class without."""

    names: list[str]
    folders: list[str]


def listed_classes(path: Path) -> Classes:
    """The classes of a positional list, for labels that are numbers. Raises TrainerError."""
    if path.suffix.lower() == ".json":
        names = _json(path)
        if isinstance(names, dict):
            raise TrainerError(f"{path}: names of folders, expected a list, as labels are numbers")
        return Classes(names, [])
    return Classes(read_lines(path), [])


def folder_classes(folders: Sequence[str], places: Sequence[Path], file: Path | None) -> Classes:
    """The classes of folders, named by `file`, or by a file in one of `places`, or as they are.

    Raises TrainerError for a file that does not name them.
    """
    wordnet = bool(folders) and all(WORDNET.fullmatch(folder) for folder in folders)
    names = (CLASSNAMES, *(BESIDE_WORDNET if wordnet else ()))
    beside = [place / name for name in names for place in places if (place / name).is_file()]
    path = file or next(iter(beside), None)
    if path is not None:
        return _named(path, folders)
    prefixed = bool(folders) and all(PREFIX.match(folder) for folder in folders)
    cut = [PREFIX.sub("", folder, count=1) if prefixed else folder for folder in folders]
    return Classes([spaced(name) for name in cut], list(folders))


def spaced(name: str) -> str:
    """
    >>> spaced("hot_dog")
    'hot dog'
    """
    return name.replace("_", " ").strip()


def need_names(classes: Sequence[str], root: Path) -> None:
    """Raise TrainerError if the names are WordNet's numbers, which no text encoder knows."""
    if classes and all(WORDNET.fullmatch(name) for name in classes):
        raise TrainerError(
            f"{root}: its folders are WordNet ids ({classes[0]}, …), expected their names: "
            f"--classnames FILE, or {BESIDE_WORDNET[0]} beside the folders"
        )


def _named(path: Path, folders: Sequence[str]) -> Classes:
    """The classes by a file: lines of folder and name, the folders' own names, or one name each."""
    lines = _json(path) if path.suffix.lower() == ".json" else read_lines(path)
    by_folder = lines if isinstance(lines, dict) else _by_folder(lines, folders)
    if by_folder is not None:
        if lacks := [folder for folder in folders if folder not in by_folder]:
            raise TrainerError(f"{path}: no name for {_few(lacks)}, expected one for each folder")
        return Classes([by_folder[folder] for folder in folders], list(folders))
    rows = [line for line in lines if line]
    if {spaced(folder) for folder in folders} <= {spaced(line) for line in lines}:
        place = {spaced(folder): folder for folder in folders}
        return Classes(
            [spaced(row) for row in lines], [place.get(spaced(row), "") for row in lines]
        )
    for names in (list(lines), rows):
        if len(names) == len(folders):
            return Classes(names, list(folders))
    raise TrainerError(
        f"{path}: {len(lines)} names for {len(folders)} folders ({_few(folders)}), expected a name "
        "for each folder, in order, or lines of a folder and its name"
    )


def _by_folder(lines: Sequence[str], folders: Sequence[str]) -> dict[str, str] | None:
    """Names by folder, where each line is a folder, space, comma or tab, and its name; else None.

    >>> _by_folder(["n01440764 tench, Tinca tinca"], ["n01440764"])
    {'n01440764': 'tench'}
    >>> _by_folder(["hot dog"], ["hot"]), _by_folder(["a", "b"], ["a", "b"])
    ({'hot': 'dog'}, None)
    """
    pieces = [re.split(r"[\s,;]+", line, maxsplit=1) for line in lines if line]
    pairs = {piece[0]: piece[1].strip().strip('"') for piece in pieces if len(piece) == 2}
    if not set(folders) <= pairs.keys():
        return None
    if all(re.match(r"[0-9]+\s+\S", name) for name in pairs.values()):  # map_clsloc.txt
        pairs = {folder: name.split(maxsplit=1)[1] for folder, name in pairs.items()}
    return {folder: _first_synonym(folder, name) for folder, name in pairs.items()}


def _first_synonym(folder: str, name: str) -> str:
    """WordNet's synset by its first word; names of other folders may hold commas."""
    return spaced(name.split(",")[0] if WORDNET.fullmatch(folder) else name)


def _json(path: Path) -> dict[str, str] | list[str]:
    """Names by folder, or in order of the labels. Raises TrainerError.

    Known forms: {"n01440764": "tench"}, {"0": ["n01440764", "tench"]}, {"0": "tench"}, ["tench"].
    """
    expected = "expected JSON of names by folder, or a list of names"
    try:
        value = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise TrainerError(f"{path}: {error}, {expected}") from None
    if isinstance(value, dict) and value:
        pairs = list(value.values())
        if all(_is_pair(pair) for pair in pairs):
            return {folder: spaced(name) for folder, name in pairs}
        if all(isinstance(name, str) for name in pairs):
            if sorted(value) == sorted(map(str, range(len(value)))):
                return [spaced(value[str(label)]) for label in range(len(value))]
            return {folder: _first_synonym(folder, name) for folder, name in value.items()}
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return value
    raise TrainerError(f"{path}: {type(value).__name__}, {expected}")


def _is_pair(value: Any) -> bool:
    texts = isinstance(value, list) and all(isinstance(text, str) for text in value)
    return texts and len(value) == 2


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
