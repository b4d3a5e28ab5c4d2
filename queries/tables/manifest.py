"""Find a build and say which files make its tables.

A folder is a build when its manifest is there.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from queries.tables import store
from queries.tables.errors import UserError
from queries.tables.schemas import OF_A_RUN, PUBLISHED
from queries.tables.tars import PICTURES, members

MANIFEST = "manifest.json"
LATEST = "latest.json"
LISTS = "queries"  # folder of a workspace: query lists that were made alone, each like a build
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")  # of a version: never a path


class BuildError(UserError):
    """No whole build is there: one line that says what was found and what was expected."""


def find(path: Path | str) -> Path:
    """The folder of a build: PATH, or the newest build of a workspace by its latest.json.

    Of a workspace that has query lists alone, it is the newest list.
    """
    path = store.place(path)
    store.reach(path)
    if _is_file(path / MANIFEST):
        return path
    latest = path / LATEST
    if _is_file(latest):
        version = _object(latest).get("version")
        if not isinstance(version, str) or not NAME.fullmatch(version):
            raise BuildError(f"{latest}: version {version!r:.80}: expected the name of a folder")
        return find(path / version)
    if _is_file(path / LISTS / LATEST):
        return find(path / LISTS)
    raise BuildError(
        f"{path}: expected a build (a folder with {MANIFEST}) or a workspace with {LATEST}"
    )


def run_folder(run: Path | None) -> None:
    """Raise BuildError for a run of the trainer that is not there, with the nearest name."""
    if run is None or run.is_dir():
        return
    beside = [path.name for path in run.parent.glob("[!.]*/")] if run.parent.is_dir() else []
    close = get_close_matches(run.name, beside, 1)
    nearest = f"; did you mean {run.parent / close[0]}?" if close else ""
    raise BuildError(f"{run}: expected the folder of a run, which trainer train makes{nearest}")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except store.faults() as error:  # of a store: on this machine it is False
        raise BuildError(store.said(path, error)) from None


def manifest(build: Path) -> dict:
    """The manifest of a build: version, counts, and every file with its size and hash."""
    about = _object(build / MANIFEST)
    files = about.get("files", [])
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        raise BuildError(f"{build / MANIFEST}: files: expected a list of objects")
    return about


def content_digest(files: Iterable[dict]) -> str:
    """Names what a build holds: the sha256 of the lines that sha256sum writes of its files.

    The version names the settings and the inputs; what the web answered is in the content alone.

    >>> content_digest([{"path": "a", "sha256": "1f"}]) == hashlib.sha256(b"1f  a\\n").hexdigest()
    True
    """
    lines = sorted((row["path"], f"{row['sha256']}  {row['path']}\n") for row in files)
    return hashlib.sha256("".join(line for _, line in lines).encode()).hexdigest()


def content(build: Path) -> str:
    """The digest of what a build holds, by its manifest."""
    return content_digest(manifest(build)["files"])


@contextmanager
def unchanged(build: Path) -> Iterator[None]:
    """Raise BuildError if another build took this one's place while it was read within.

    A takedown makes an older version anew, in the same folder: who opens its files one by one may
    have met both.
    """
    before = _identity(build)
    if before is None:
        raise BuildError(f"{build}: expected a build, a folder with {MANIFEST}")
    changed = BuildError(f"{build}: it was changed while it was read: ask again")
    try:
        yield
    except (UserError, OSError):
        if _identity(build) != before:
            raise changed from None
        raise
    if _identity(build) != before:
        raise changed


def _identity(build: Path) -> object:
    """Names the manifest's file, which every new one replaces; None where there is none."""
    path = build / MANIFEST
    try:
        if store.is_store(path):
            state = store.fs_of(path).info(store.key_of(path))
            return state.get("ETag") or (state.get("size"), str(state.get("LastModified")))
        state = path.stat()
    except store.faults():
        return None
    return state.st_dev, state.st_ino, state.st_mtime_ns


def _object(path: Path) -> dict:
    """The JSON object that a file of a build is. Raises BuildError."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        fault = "too many brackets" if isinstance(error, RecursionError) else str(error)
        raise BuildError(f"{path}: expected JSON: {fault}") from None
    except store.faults() as error:
        raise BuildError(store.said(path, error)) from None
    if not isinstance(content, dict):
        raise BuildError(f"{path}: expected a JSON object")
    return content


def table_files(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """Each table under FOLDER/tables with its Parquet files, in order of name."""
    root = folder / "tables"
    names = {path.name for path in root.iterdir() if path.is_dir()} if root.is_dir() else set()
    for name in sorted(names):
        yield name, sorted((root / name).glob("*.parquet"))


def files_by_table(build: Path, run: Path | None = None) -> dict[str, list[Path]]:
    """Every table that a build is asked about, with its files; a missing one has none."""
    files: dict[str, list[Path]] = {name: [] for name in (*PUBLISHED, *OF_A_RUN)}
    files |= dict(table_files(build))
    files["sample"] = sorted((build / "shards").glob("*.parquet"))
    if run is not None:
        files |= dict(table_files(run))
    return files


def list_files(build: Path) -> Iterator[dict]:
    """Every file of tables and shards as a row of `file`, except the table `file` itself."""
    paths = sorted([*build.glob("tables/*/*"), *build.glob("shards/*")])
    listed = (path for path in paths if path.parent.name != "file")
    yield from store.each(partial(_listed, build), listed, build)


def _listed(build: Path, path: Path) -> dict:
    with store.reading(path) as opened:
        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    return {
        "path": path.relative_to(build).as_posix(),
        "bytes": path.stat().st_size,
        "sha256": sha256,
        "rows": _count_rows(path) if path.suffix == ".parquet" else None,
        "members": _count_samples(path) if path.suffix == ".tar" else None,
    }


def _count_rows(path: Path) -> int | None:
    try:
        return pq.read_metadata(store.opened(path)).num_rows
    except pa.ArrowInvalid:
        return None  # a damaged file: its hash tells


def _count_samples(path: Path) -> int | None:
    try:
        with store.reading(path) as tar:
            return sum(name.endswith(PICTURES) for name, _, _ in members(tar))
    except ValueError:
        return None
