"""The files that a path of the settings stands for: itself, a folder's, or those of a pattern.

Hidden names, which begin with a dot, are left out: editors, macOS and notebooks leave them beside
what is meant. The order is by name, so two machines read the same.
"""

import glob
import os
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

MOST_NAMES = 10_000  # of a folder that are looked at for the nearest one


def is_pattern(path: Path) -> bool:
    """Whether a path is to be matched: an existing one means itself, whatever its characters."""
    return glob.has_magic(str(path)) and not exists(path)


def files_of(path: Path) -> list[Path]:
    """The file itself, a folder's files, or the files that match a pattern.

    Raises ValueError, with what was expected, where there are none.
    """
    if is_pattern(path):
        files = sorted(filter(Path.is_file, map(Path, glob.glob(str(path), recursive=True))))
        if not files:
            raise ValueError(f"a pattern that a file matches; {path} matches none")
        return files
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if _visible(file) and file.is_file())
        if not files:
            raise ValueError(f"a file, or a folder with files in it; {path} holds none")
        return files
    return [path]


def one_file_of(path: Path) -> Path:
    """The file itself, or the only one that a pattern matches.

    Raises ValueError, with what was expected, for a folder and for several.
    """
    if path.is_dir():
        raise ValueError(f"a file; {path} is a folder")
    files = files_of(path)
    if len(files) > 1:
        raise ValueError(f"one file; {path} matches {len(files)}, {_named(files)}")
    return files[0]


def nearest(path: Path) -> str:
    """What is there in place of a path that is not: "; /data holds dump.xml.bz2", or nothing."""
    while not exists(path.parent) and path.parent != path:
        path = path.parent
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry in islice(entries, MOST_NAMES)]
    except OSError:
        return ""
    visible = sorted(name for name in names if not name.startswith("."))
    close = get_close_matches(path.name, visible, 1, cutoff=0.7)  # .toml alone is 0.6 of a name
    return f"; {path.parent} holds {close[0]}" if close else ""


def exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # such as a name that is too long
        return False


def _visible(file: Path) -> bool:
    return not file.name.startswith(".")


def _named(files: list[Path]) -> str:
    return ", ".join(file.name for file in files[:3]) + (" …" if len(files) > 3 else "")
