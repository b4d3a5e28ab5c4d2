"""Find a build and say which files make its tables.

May import queries.schemas and queries.parts. A folder is a build when its manifest is there.
"""

import hashlib
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from queries.errors import UserError
from queries.schemas import OF_A_RUN, PUBLISHED

MANIFEST = "manifest.json"
LATEST = "latest.json"
SAMPLE_SUFFIX = ".jpg"  # one member of a tar with it is one sample


class BuildError(UserError):
    """No whole build is there: one line that says what was found and what was expected."""


def find(path: Path | str) -> Path:
    """The build's folder, given it or a workspace, whose latest.json names the newest build."""
    path = Path(path)
    if (path / MANIFEST).is_file():
        return path
    latest = path / LATEST
    if latest.is_file():
        return find(path / str(json.loads(latest.read_text())["version"]))
    raise BuildError(
        f"{path}: expected a build (a folder with {MANIFEST}) or a workspace with {LATEST}"
    )


def manifest(build: Path) -> dict:
    """The manifest of a build: version, counts, and every file with its size and hash."""
    return json.loads((build / MANIFEST).read_text())


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
    for path in sorted([*build.glob("tables/*/*"), *build.glob("shards/*")]):
        if path.parent.name == "file":
            continue
        with path.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        yield {
            "path": path.relative_to(build).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": sha256,
            "rows": _count_rows(path) if path.suffix == ".parquet" else None,
            "members": _count_samples(path) if path.suffix == ".tar" else None,
        }


def _count_rows(path: Path) -> int | None:
    try:
        return pq.read_metadata(path).num_rows
    except pa.ArrowInvalid:
        return None  # a damaged file: its hash tells


def _count_samples(path: Path) -> int | None:
    try:
        with tarfile.open(path) as tar:
            return sum(member.name.endswith(SAMPLE_SUFFIX) for member in tar)
    except tarfile.TarError:
        return None
