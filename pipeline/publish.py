"""Publish a build: tables and shards into one immutable folder, the manifest last.

May import queries. Files of work are hard-linked, so an unchanged file costs nothing; the folder
is written beside and renamed, and latest.json names it only then.
"""

import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from queries.build import LATEST, MANIFEST, list_files
from queries.parts import Part, folder_written_whole, write_json, write_part
from queries.schemas import TABLES


def stage_rows(stage: str, parts: list[Part]) -> list[dict]:
    """Rows of the table `stage`: what went into each part and what became of it."""
    return [
        stage_row(stage, part.rows_in, part.rows_kept, part.rows_dropped, part.name)
        for part in parts
    ]


def stage_row(stage: str, rows_in: int, kept: int, dropped: int, part: str = "all") -> dict:
    return {
        "stage": stage,
        "part": part,
        "rows_in": rows_in,
        "rows_kept": kept,
        "rows_dropped": dropped,
    }


def count_rows(paths: list[Path], column: str, value: str) -> int:
    """Rows of a table's files whose column has the value."""
    found = (
        pq.read_table(path, columns=[column], filters=[(column, "=", value)]) for path in paths
    )
    return sum(rows.num_rows for rows in found)


def publish(
    out: Path,
    version: str,
    tables: dict[str, list[Path] | pa.Table],
    shards: list[Path],
    about: dict,
) -> Path:
    """Make OUT/VERSION from parts of tables, and shards given by their Parquet files.

    `about` goes into the manifest beside the list of files. Returns the build's folder.
    """
    build = out / version
    if not (build / MANIFEST).exists():
        with folder_written_whole(build) as beside:
            for name, of in tables.items():
                _place_table(beside / "tables" / name, name, of)
            (beside / "shards").mkdir()
            for number, parquet in enumerate(shards):
                for suffix in (".parquet", ".tar"):
                    place = beside / "shards" / f"{number:05d}{suffix}"
                    link(parquet.with_suffix(suffix), place)
            files = list(list_files(beside))
            listed = pa.Table.from_pylist(files, TABLES["file"].schema)
            _place_table(beside / "tables" / "file", "file", listed)
            manifest = {**about, "version": version, "files": files}
            write_json(beside / MANIFEST, manifest)
    write_json(out / LATEST, {"version": version})
    return build


def _place_table(folder: Path, name: str, of: list[Path] | pa.Table) -> None:
    folder.mkdir(parents=True)
    if isinstance(of, pa.Table):
        write_part(folder / "00000.parquet", TABLES[name], of.to_batches())
        return
    for number, path in enumerate(of):
        link(path, folder / f"{number:05d}.parquet")


def link(source: Path, place: Path) -> None:
    """A hard link, or a copy where the file system has none."""
    try:
        os.link(source, place)
    except OSError:
        shutil.copyfile(source, place)
