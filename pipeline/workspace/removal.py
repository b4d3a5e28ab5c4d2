"""Remove files of a workspace as a whole: a removal that was killed is finished by the next lock.

What goes is written down first. Listings name parts, and stages read the listings of stages before
them: a build that met the half of a removal would look for files that its listings promise.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from queries.tables import store
from queries.tables.errors import InputError
from queries.tables.manifest import LISTS, MANIFEST
from queries.tables.parts import write_json

JOURNAL = "clean.json"  # in the work of the workspace
ROOTS = ("work", "images", "downloads")  # folders of the workspace whose files may go


def remove(workspace: Path, paths: Sequence[str]) -> None:
    """Remove these files and folders of versions, which are named from the workspace on."""
    write_json(workspace / "work" / JOURNAL, {"paths": list(paths)})
    finish(workspace)


def finish(workspace: Path) -> None:
    """Finish a removal, if one was begun. Raises InputError for paths of elsewhere."""
    journal = workspace / "work" / JOURNAL
    if not journal.exists():
        return
    paths = [_own(journal, path) for path in json.loads(journal.read_text())["paths"]]
    for _ in store.each(lambda path: _remove(workspace / path), paths, workspace):
        pass
    if not store.is_store(workspace):
        _remove_empty(workspace)
    journal.unlink(missing_ok=True)


def is_version(name: str) -> bool:
    """Whether a folder's name is a digest, as those of versions are.

    >>> is_version("0f1e2d3c4b5a6978"), is_version("public")
    (True, False)
    """
    return len(name) == 16 and set(name) <= set("0123456789abcdef")


def _own(journal: Path, path: str) -> str:
    parts = PurePosixPath(path).parts
    folder = parts[1:] if parts[:1] == (LISTS,) else parts
    inside = ".." not in parts and parts[:1] and parts[0] in ROOTS
    if not inside and not (len(folder) == 1 and is_version(folder[0])):
        raise InputError(f"{journal}: {path!r}: expected paths of work, images and versions")
    return path


def _remove(path: Path) -> None:
    if not is_version(path.name):
        path.unlink(missing_ok=True)
        return
    (path / MANIFEST).unlink(missing_ok=True)  # first: from now on no reader takes it for a build
    if store.is_store(path):
        store.clear(path)
    elif path.exists():
        shutil.rmtree(path)


def _remove_empty(workspace: Path) -> None:
    """Remove the folders that have lost all their files."""
    for root in ROOTS:
        below = (workspace / root).rglob("*")
        folders = [path for path in below if path.is_dir() and not path.is_symlink()]
        for folder in sorted(folders, reverse=True):
            if not any(folder.iterdir()):
                folder.rmdir()
