"""Publish a build: tables and shards into one immutable folder, the manifest last.

Files of work are hard-linked, so an unchanged file costs nothing; the folder is written beside and
renamed, and latest.json names it only then. A store copies them itself, and the manifest, put last,
makes them a build.
"""

import os
import shutil
from pathlib import Path

import pyarrow as pa

from queries.tables import store
from queries.tables.manifest import LATEST, MANIFEST, content_digest, list_files
from queries.tables.parts import Part, folder_written_whole, read_rows, write_json, write_part
from queries.tables.schemas import TABLES


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
    matching = (read_rows(path, columns=[column], filters=[(column, "=", value)]) for path in paths)
    return sum(rows.num_rows for rows in matching)


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
            _place_shards(beside / "shards", shards)
            files = list(list_files(beside))
            listed = pa.Table.from_pylist(files, TABLES["file"].schema)
            _place_table(beside / "tables" / "file", "file", listed)
            content = content_digest(files)
            manifest = {**about, "version": version, "content": content, "files": files}
            write_json(beside / MANIFEST, manifest)
    write_json(out / LATEST, {"version": version})
    return build


def _place_shards(folder: Path, shards: list[Path]) -> None:
    placed = [
        (parquet.with_suffix(suffix), folder / f"{number:05d}{suffix}")
        for number, parquet in enumerate(shards)
        for suffix in (".parquet", ".tar")
    ]
    _link_all(folder, placed)


def _place_table(folder: Path, name: str, of: list[Path] | pa.Table) -> None:
    if isinstance(of, pa.Table):
        write_part(folder / "00000.parquet", TABLES[name], of.to_batches())
        return
    _link_all(folder, [(path, folder / f"{number:05d}.parquet") for number, path in enumerate(of)])


def _link_all(folder: Path, placed: list[tuple[Path, Path]]) -> None:
    """Link each source to its place in a folder that is not there yet."""
    if not store.is_store(folder):
        folder.mkdir(parents=True)
    for _ in store.each(lambda both: link(*both), placed, folder):
        pass


def link(source: Path, place: Path) -> None:
    """A hard link, or a copy where there is none."""
    if store.is_store(place) and store.is_store(source):
        store.copy(source, place)
        return
    if store.is_store(place):  # what comes with the program
        store.put(source, place)
        return
    try:
        os.link(source, place)
    except OSError:
        shutil.copyfile(source, place)
